"""``isotherm doctor``: what is wrong with an installation, and how to mend it."""

from __future__ import annotations

import argparse
from pathlib import Path

from controller.cli.base import Commands, message, print_json
from controller.cli.configured import configured, environment

NAMES = ("site", "state", "database", "gateway", "model", "gateway_state", "pki")
OF_SERVE = ("clock_file", "service", "host", "port", "mode")


def register(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("doctor", help="check an installation, and say what to mend")
    parser.add_argument(
        "--config", type=Path, help="isotherm.toml of `isotherm serve` (or ISOTHERM_CONFIG)"
    )
    parser.add_argument("--site", type=Path, help="directory of the site")
    parser.add_argument("--state", type=Path, help="state directory of `isotherm serve`")
    parser.add_argument("--database", metavar="URL", help="of a fleet")
    parser.add_argument("--gateway", type=Path, help="the gateway's socket")
    parser.add_argument("--gateway-state", type=Path, help="the gateway's --state")
    parser.add_argument("--pki", type=Path, help="the gateway's certificates")
    parser.add_argument("--model", type=Path, help="directory of the trained model")
    parser.add_argument(
        "--lock", type=Path, help="requirements.lock (default: the one beside the code)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run, **dict.fromkeys(OF_SERVE))


def run(args: argparse.Namespace) -> int:
    """Answer 0 where there is nothing to mend, 1 where there is."""
    configured(args, "serve", environment(), (), (*NAMES, *OF_SERVE))
    from controller.doctor import Installation, State, examine
    from controller.storage.opening import Place

    def path(name: str) -> Path | None:
        value = getattr(args, name)
        return None if value is None else Path(value)

    state = path("state")
    findings = list(
        examine(
            Installation(
                site=path("site"),
                place=None if state is None else Place(state, args.database),
                model=path("model"),
                gateway=path("gateway"),
                gateway_state=path("gateway_state"),
                pki=path("pki"),
                lock=args.lock or Path(__file__).resolve().parents[2] / "requirements.lock",
            )
        )
    )
    faults = [finding for finding in findings if finding.state is State.FAULT]
    if args.json:
        fields = [
            {"check": f.check, "state": f.state.value, "what": f.what, "mend": f.mend}
            for f in findings
        ]
        print_json({"ok": not faults, "findings": fields})
    else:
        for finding in findings:
            print(f"{finding.state.value:9} {finding.check:13} {finding.what}")
            if finding.mend:
                print(f"{'':23} mend: {finding.mend}")
        message(f"{len(faults)} to mend" if faults else "nothing to mend")
    return 1 if faults else 0
