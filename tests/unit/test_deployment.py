"""Units, image and configuration as shipped."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from controller.cli.base import CommandError
from controller.cli.configured import configured
from controller.cli.serve import OPTIONAL, REQUIRED, retention_of

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def arguments(**given: object) -> argparse.Namespace:
    names = dict.fromkeys((*REQUIRED, *OPTIONAL, "config"))
    return argparse.Namespace(**{**names, **given})


def test_command_line_comes_before_environment_before_file(tmp_path: Path) -> None:
    config = tmp_path / "isotherm.toml"
    config.write_text('[serve]\nsite = "f"\nstate = "f"\nmodel = "f"\ngateway = "f"\nport = 1\n')
    args = arguments(config=config, site="c")
    configured(args, "serve", {"ISOTHERM_SITE": "e", "ISOTHERM_STATE": "e"}, REQUIRED, OPTIONAL)
    assert (args.site, args.state, args.model, args.port) == ("c", "e", "f", 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[serve]\nsites = "x"\n', "no option 'sites'"),
        ('[serve]\ndatabase_password = "x"\n', "is a secret"),
        ('[serve]\nsite = "x"\n', "--state is missing"),
        ("[serve\n", "is not TOML"),
        ("serve = 1\n", "must be a table"),
    ],
)
def test_a_configuration_that_is_wrong_says_where(tmp_path: Path, text: str, says: str) -> None:
    config = tmp_path / "isotherm.toml"
    config.write_text(text)
    with pytest.raises(CommandError, match=re.escape(says)):
        configured(arguments(config=config), "serve", {}, REQUIRED, OPTIONAL)


def test_a_password_in_an_address_is_refused() -> None:
    given = dict.fromkeys(REQUIRED, "x") | {"database": "postgresql://me:secret@db/x"}
    with pytest.raises(CommandError, match="PGPASSFILE"):
        configured(arguments(**given), "serve", {}, REQUIRED, OPTIONAL)


def test_the_shipped_configuration_is_understood() -> None:
    args = arguments(config=DEPLOY / "isotherm.toml")
    tables = configured(args, "serve", {}, REQUIRED, OPTIONAL)
    assert retention_of(tables) == {"readings_days": 400.0}
    with pytest.raises(CommandError, match="keep_everything"):
        retention_of({"storage": {"keep_everything": True}})


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_units_are_hardened(unit: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze (on Debian: systemd)")
    answer = subprocess.run(
        ["systemd-analyze", "--offline=true", "--threshold=25", "security", str(unit)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    # 2.5 of 10: services of a distribution mostly stand at 6 to 9.
    assert answer.returncode == 0, answer.stdout


def test_units_are_well_formed() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze (on Debian: systemd)")
    units = [*UNITS, *sorted((DEPLOY / "systemd").glob("*.timer"))]
    answer = subprocess.run(
        ["systemd-analyze", "verify", *map(str, units)], capture_output=True, text=True, check=False
    )
    complaints = [
        line
        for line in answer.stderr.splitlines()
        if "isotherm" in line and "is not executable" not in line  # not installed here
    ]
    assert complaints == []


def test_units_give_options_that_there_are() -> None:
    from controller.cli import build_parser

    text = (DEPLOY / "systemd" / "isotherm.service").read_text()
    command = re.search(r"bin/isotherm (serve .*)", text)
    assert command is not None
    build_parser().parse_args(command[1].split())
    gateway = (ROOT / "adapters" / "gateway" / "__main__.py").read_text()
    unit = (DEPLOY / "systemd" / "isotherm-gateway.service").read_text()
    for option in set(
        re.findall(r"--[a-z-]+", unit.partition("ExecStart=")[2].partition("Restart")[0])
    ):
        assert f'"{option}"' in gateway


def test_the_image_copies_every_package_and_no_secret() -> None:
    text = (DEPLOY / "container" / "Containerfile").read_text()
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())
    roots = set(packages["tool"]["setuptools"]["packages"]["find"]["include"])
    for name in {root.partition(".")[0] for root in roots}:
        assert f"COPY {name} {name}" in text
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            assert not re.search(r"(?i)(password|token|secret)\s*[:=]\s*\S", path.read_text())
