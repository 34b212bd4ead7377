"""A TOML file of a person: its tables, or one sentence in the words of who asked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from facility.toml_file import read_toml


class PlanError(Exception):
    """Of who asked."""


def test_tables_are_read(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text('[hall]\nname = "Süd"\n', encoding="utf-8")
    assert read_toml(path, PlanError) == {"hall": {"name": "Süd"}}


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "No such file"), (b"a = \n", "line 1"), (b"name = '\xfc'\n", "utf-8")],
)
def test_what_is_wrong_is_said_with_the_file(
    tmp_path: Path, content: bytes | None, says: str
) -> None:
    path = tmp_path / "plan.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PlanError, match=re.escape(says)) as caught:
        read_toml(path, PlanError)
    assert str(path) in str(caught.value)
