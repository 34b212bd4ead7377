"""The hazard table cannot drift: every check has a hazard, every row a test that exists."""

from __future__ import annotations

from dataclasses import replace

from tests.hazards.table import PAGE, checks_in_code, page, problems, read_table, without_counts

TABLE = read_table()


def test_every_check_has_a_hazard_and_every_row_a_test() -> None:
    assert problems(TABLE) == []


def test_the_page_is_what_the_command_writes() -> None:
    """Mend with `make hazards`."""
    assert without_counts(PAGE.read_text("utf-8")) == without_counts(page(TABLE))


def test_the_checks_that_verdicts_name_are_found_in_the_code() -> None:
    found = checks_in_code()
    assert {"rate", "dew_point", "range", "unchanged", "dwell", "fire_alarm", "other_hand"} <= set(
        found
    )
    assert found["rate"] == {"safety/checks.py::rate_interval"}


def test_a_row_less_or_a_test_that_does_not_exist_is_told() -> None:
    first, *rest = TABLE.rows
    told = problems(replace(TABLE, rows=tuple(rest)))
    assert [each for each in told if f"{first.checks[0]!r}" in each and "has no hazard" in each]
    wrong = replace(first, checks=("no_check",), tests=("unit/test_safety_judge.py::test_no",))
    told = problems(replace(TABLE, rows=(*TABLE.rows, wrong)))
    assert "no code names the check 'no_check'" in told[0]
    assert "names a test that does not exist: unit/test_safety_judge.py::test_no" in told[1]
    assert "has no test" in problems(replace(TABLE, rows=(replace(first, tests=()), *rest)))[0]


def test_what_went_wrong_elsewhere_is_all_there() -> None:
    where = " ".join(each.where for each in TABLE.elsewhere)
    for name in (
        *("VOLTTRON#223", "LinearMPC.jl#118", "emhass#605", "emhass#565", "ha-modbus-manager#98"),
        *("evcc#22262", "asyncua", "BACnet", "volttron-core#188", "home-assistant#139628"),
        *("flexmeasures#842", "core#61050"),
    ):
        assert name in where
