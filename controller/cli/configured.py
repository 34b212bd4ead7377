"""Options of a service from a file and the environment: command line, then environment, then file.

A configuration file is TOML with a table for each service::

    [serve]
    site = "/etc/isotherm/site"
    state = "/var/lib/isotherm"
    gateway = "/run/isotherm/gateway.sock"
    model = "/var/lib/isotherm/model"

    [serve.storage]
    keep_readings_days = 400

Names are those of the options; in the environment ``ISOTHERM_`` and the name in capitals. Secrets
belong in neither: a database's password goes into a file that ``PGPASSFILE`` names.
"""

from __future__ import annotations

import argparse
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from controller.cli.base import CommandError

SECRETS = ("password", "token", "secret", "key")


def configured(
    args: argparse.Namespace,
    service: str,
    environment: Mapping[str, str],
    required: tuple[str, ...],
    optional: tuple[str, ...],
) -> dict[str, Any]:
    """Fill options that the command line left out; answer the tables of the file's service.

    Raises
    ------
    CommandError
        The file cannot be used, holds a secret or an unknown name, or an option is missing.
    """
    path = args.config or environment.get("ISOTHERM_CONFIG")
    found = _table(Path(path), service) if path else {}
    names = (*required, *optional)
    tables = {name: value for name, value in found.items() if isinstance(value, dict)}
    for name in found:
        if name not in names and name not in tables:
            raise CommandError(
                f"{path}, [{service}]: there is no option {name!r}: {', '.join(names)}"
            )
    for name in names:
        if getattr(args, name) is None:
            value = environment.get(f"ISOTHERM_{name.upper()}") or found.get(name)
            setattr(args, name, value)
    for name in required:
        if getattr(args, name) is None:
            option = name.replace("_", "-")
            raise CommandError(
                f"--{option} is missing: give it, set ISOTHERM_{name.upper()}, or write "
                f"{name} = ... into [{service}] of the file that --config names"
            )
    if getattr(args, "database", None) and urlsplit(str(args.database)).password:
        raise CommandError(
            "the address of the database holds a password: put it into a file that PGPASSFILE "
            "names, where only this user can read it"
        )
    return tables


def environment() -> Mapping[str, str]:
    """The process's."""
    return os.environ


def _table(path: Path, service: str) -> dict[str, Any]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CommandError(f"{path} is not TOML: {error}") from error
    table = data.get(service, {})
    if not isinstance(table, dict):
        raise CommandError(f"{path}: [{service}] must be a table")
    for name in table:
        if any(word in name.lower() for word in SECRETS):
            raise CommandError(f"{path}, [{service}]: {name} is a secret and belongs in no file")
    return table
