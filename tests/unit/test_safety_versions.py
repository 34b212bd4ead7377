"""New limits count at once where they are tighter, and wait for somebody where they are wider."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from safety.limits import limits_of
from safety.versions import Change, changes, tree
from tests.safety_kit import FLOW, TEMPERATURE, envelope
from tests.safety_world import SITE

Tree = dict[str, Any]


def limits() -> Tree:
    found: Tree = json.loads(json.dumps(tree(envelope().limits)))
    return found


def changed(edit: Callable[[Tree], None]) -> tuple[Change, ...]:
    before = limits()
    after = copy.deepcopy(before)
    edit(after)
    return changes(before, after)


def own(of: Tree, actuator: str = TEMPERATURE) -> Tree:
    found: Tree = of["actuators"][actuator]
    return found


def bound(of: Tree, check: str, end: str) -> Tree:
    """The first bound of that name with that end."""
    found: Tree = next(
        b for b in own(of)["bounds"] if b["check"] == check and b.get(end) is not None
    )
    return found


def interlock(of: Tree, name: str) -> Tree:
    found: Tree = next(i for i in own(of)["interlocks"] if i["name"] == name)
    return found


def test_equal_limits_have_no_changes() -> None:
    assert changed(lambda after: None) == ()


NUMBERS = (
    ("away_window_s", "lower is tighter"),
    ("blind_hold_s", "lower is tighter"),
    ("clock_slack_s", "lower is tighter"),
    ("command_max_age_s", "lower is tighter"),
    ("correction_deadline_s", "lower is tighter"),
    ("towards_window_s", "lower is tighter"),
    ("rate_away_per_min", "lower is tighter"),
    ("rate_towards_per_min", "lower is tighter"),
    ("reversals_per_hour", "lower is tighter"),
    ("settle_s", "lower is tighter"),
    ("tolerance", "lower is tighter"),
    ("writes_per_hour", "lower is tighter"),
    ("dead_band", "higher is tighter"),
    ("dwell_s", "higher is tighter"),
)


@pytest.mark.parametrize(("name", "tighter"), NUMBERS)
@pytest.mark.parametrize("step", [-1, 1])
def test_a_number_is_wider_one_way_and_tighter_the_other(
    name: str, tighter: str, step: int
) -> None:
    def edit(after: Tree) -> None:
        place = after if name in after else own(after)
        place[name] += step

    (change,) = changed(edit)
    assert change.where.endswith(name)
    assert change.widens is ((step > 0) == (tighter == "lower is tighter"))


@pytest.mark.parametrize(("end", "step", "widens"), [
    ("lower", -0.1, True), ("lower", 0.1, False), ("upper", 0.1, True), ("upper", -0.1, False),
])  # fmt: skip
def test_a_range_widens_outwards(end: str, step: float, widens: bool) -> None:
    def edit(after: Tree) -> None:
        bound(after, "range", end)[end] += step

    (change,) = changed(edit)
    assert change.where == f"actuators/{TEMPERATURE}/bounds/range/{end}"
    assert change.widens is widens


def test_an_end_that_goes_is_wider_and_one_that_comes_is_tighter() -> None:
    def take_off(after: Tree) -> None:
        bound(after, "range", "upper")["upper"] = None

    (gone,) = changed(take_off)
    assert (gone.after, gone.widens) == ("nothing", True)
    before = limits()
    take_off(before)
    (come,) = changes(before, limits())
    assert (come.before, come.widens) == ("nothing", False)


def test_bounds_of_one_name_are_told_apart() -> None:
    def edit(after: Tree) -> None:
        again = {"check": "range", "lower": 1.0, "upper": 2.0}
        own(after)["bounds"] = [*own(after)["bounds"], again]

    (change,) = changed(edit)
    assert (change.where.rpartition("/")[2], change.widens) == ("range#3", False)


@pytest.mark.parametrize(("name", "which"), [("hot_rack", "above"), ("low_flow", "below")])
def test_a_threshold_is_tighter_where_it_is_reached_sooner(name: str, which: str) -> None:
    for step in (-0.5, 0.5):

        def edit(after: Tree, step: float = step) -> None:
            interlock(after, name)["watches"][0]["threshold"] += step

        (change,) = changed(edit)
        assert change.where.endswith("/threshold")
        sooner = step < 0 if which == "above" else step > 0
        assert change.widens is not sooner


def test_an_interlock_more_is_tighter_and_one_less_is_wider() -> None:
    def drop(after: Tree) -> None:
        own(after)["interlocks"] = own(after)["interlocks"][1:]

    (gone,) = changed(drop)
    assert (gone.before, gone.after, gone.widens) == ("there", "nothing", True)
    before = limits()
    drop(before)
    (come,) = changes(before, limits())
    assert (come.before, come.after, come.widens) == ("nothing", "there", False)


def test_a_sensor_that_is_taken_out_of_an_interlock_or_put_in_is_wider() -> None:
    def drop(after: Tree) -> None:
        watches = interlock(after, "hot_rack")["watches"]
        interlock(after, "hot_rack")["watches"] = watches[1:]

    assert [c.widens for c in changed(drop)] == [True]
    before = limits()
    drop(before)
    assert [c.widens for c in changes(before, limits())] == [True]


def test_the_dew_point_guard_may_come_but_not_go() -> None:
    def drop(after: Tree) -> None:
        own(after)["dew"] = None

    (gone,) = changed(drop)
    assert (gone.before, gone.widens) == ("something else", True)
    before = limits()
    drop(before)
    (come,) = changes(before, limits())
    assert come.widens is False


def test_the_dew_point_margin_is_tighter_where_it_grows() -> None:
    def edit(after: Tree) -> None:
        own(after)["dew"]["margin_k"] += 1.0

    (change,) = changed(edit)
    assert (change.where, change.widens) == (f"actuators/{TEMPERATURE}/dew/margin_k", False)


def test_one_more_actuator_is_wider_and_one_less_tighter() -> None:
    def drop(after: Tree) -> None:
        del after["actuators"][FLOW]

    (gone,) = changed(drop)
    assert gone == Change(f"actuators/{FLOW}", "there", "nothing", widens=False)
    before = limits()
    drop(before)
    (come,) = changes(before, limits())
    assert come == Change(f"actuators/{FLOW}", "nothing", "there", widens=True)


@pytest.mark.parametrize(("name", "value"), [
    ("device", "elsewhere"), ("fallback", 25.0), ("cooling", "higher"), ("unit", "degF"),
])  # fmt: skip
def test_what_is_not_surely_tighter_is_wider(name: str, value: Any) -> None:
    def edit(after: Tree) -> None:
        own(after)[name] = value

    assert [c.widens for c in changed(edit)] == [True]


def test_another_address_is_wider() -> None:
    def edit(after: Tree) -> None:
        own(after)["point"]["address"] = "4711"

    (change,) = changed(edit)
    assert change == Change(
        f"actuators/{TEMPERATURE}/point/address",
        own(limits())["point"]["address"],
        "4711",
        widens=True,
    )


def test_names_and_versions_are_no_limits() -> None:
    def edit(after: Tree) -> None:
        after["version"], after["site"], after["unguarded"] = 7, "another", ["nothing"]

    assert changed(edit) == ()


def test_a_setting_that_is_not_known_yet_is_wider() -> None:
    def edit(after: Tree) -> None:
        after["of_a_later_version"] = 1

    (change,) = changed(edit)
    assert change == Change("of_a_later_version", "nothing", "1", widens=True)
    before = limits()
    edit(before)
    (gone,) = changes(before, limits())
    assert gone == Change("of_a_later_version", "1", "nothing", widens=True)


def test_a_change_says_what_it_is() -> None:
    assert str(Change("a/b", "1", "2", widens=True)) == "a/b: 1 -> 2 (wider)"
    assert str(Change("a/b", "2", "1", widens=False)) == "a/b: 2 -> 1 (tighter)"


def test_stages_are_limits_too() -> None:
    def edit(after: Mapping[str, Any]) -> None:
        for stage in after["stages"].values():
            stage["min_off_s"] += 60.0
            stage["starts_in_12_h"] += 1

    found = {c.where.rpartition("/")[2]: c.widens for c in changed(edit)}
    assert found == {"min_off_s": False, "starts_in_12_h": True}


def whole() -> Tree:
    """Limits with a circuit of racks on coolant in their worst case."""
    found: Tree = json.loads(json.dumps(tree(limits_of(SITE))))
    return found


@pytest.mark.parametrize("name", ["minimum", "maximum"])
def test_a_range_is_compared_where_it_is_a_bound_and_not_in_the_worst_case_again(name: str) -> None:
    after = whole()
    after["backup"]["levers"][TEMPERATURE][name] += 1.0
    assert changes(whole(), after) == ()


def test_a_rate_is_compared_where_it_is_a_rate_and_not_in_the_worst_case_again() -> None:
    after = whole()
    after["backup"]["circuits"][0]["paths"][0]["drift_k"] -= 0.1
    assert changes(whole(), after) == ()


def test_any_other_figure_of_the_worst_case_is_wider_whichever_way_it_went() -> None:
    for step in (-0.1, 0.1):
        after = whole()
        after["backup"]["circuits"][0]["paths"][0]["lift_k"] += step
        (change,) = changes(whole(), after)
        assert change.widens


def test_a_worst_case_where_there_was_none_is_tighter_and_none_any_more_is_wider() -> None:
    before, without = whole(), whole()
    del without["backup"]
    assert [c.widens for c in changes(without, before)] == [False]
    assert [c.widens for c in changes(before, without)] == [True]


# -- trees of any shape: what is compared, in which order, and by which name ---------------------


def told(before: Tree, after: Tree) -> list[str]:
    return [str(each) for each in changes(before, after)]


def test_changes_come_in_the_order_of_the_later_limits_then_what_is_gone() -> None:
    assert told({"a": 1, "gone": 1}, {"b": 3, "a": 2}) == [
        "b: nothing -> 3 (wider)",
        "a: 1 -> 2 (wider)",
        "gone: 1 -> nothing (wider)",
    ]
    assert told({"tags": ["a", "gone"]}, {"tags": ["b", "a"]}) == [
        "tags/b: nothing -> there (wider)",
        "tags/gone: there -> nothing (wider)",
    ]


def test_names_and_versions_within_a_part_are_compared() -> None:
    assert told({"part": {"version": 1}}, {"part": {"version": 2}}) == [
        "part/version: 1 -> 2 (wider)"
    ]


def test_the_ends_of_a_point_are_compared() -> None:
    def edit(after: Tree) -> None:
        own(after)["point"]["maximum"] = 99.0

    (change,) = changed(edit)
    assert (change.where.rpartition("/")[2], change.after) == ("maximum", "99.0")


def test_a_list_where_there_was_none_is_something_else() -> None:
    assert told({"votes": None}, {"votes": ["a"]}) == ["votes: nothing -> something else (wider)"]
    assert told({"votes": ["a"]}, {"votes": None}) == ["votes: something else -> nothing (wider)"]


def test_what_has_no_name_is_an_entry() -> None:
    assert told({"x": [{"n": 1}, {"n": 1}]}, {"x": [{"n": 1}, {"n": 2}]}) == [
        "x/entry#2/n: 1 -> 2 (wider)"
    ]


def test_a_tag_is_known_by_itself_whatever_it_is_called() -> None:
    assert told({"tags": ["the watches"]}, {"tags": ["the watches", "b"]}) == [
        "tags/b: nothing -> there (wider)"
    ]


def test_all_that_an_interlock_says_is_compared() -> None:
    def edit(after: Tree) -> None:
        interlock(after, "hot_rack")["quorum"] -= 1

    (change,) = changed(edit)
    assert change.where.endswith("interlocks/hot_rack/quorum")
    assert change.widens


def test_a_limit_of_hand_back_may_come_but_not_go() -> None:
    bounds = {"lower": -1.0, "upper": 1.0}
    assert told({"hand_back": None}, {"hand_back": bounds}) == [
        "hand_back: nothing -> something else (tighter)"
    ]
    assert told({"hand_back": bounds}, {"hand_back": None}) == [
        "hand_back: something else -> nothing (wider)"
    ]


@pytest.mark.parametrize("name", ["max_age_s", "starts_in_12_h", "upper"])
def test_less_of_it_is_tighter(name: str) -> None:
    assert told({name: 2}, {name: 1}) == [f"{name}: 2 -> 1 (tighter)"]
    assert told({name: 1}, {name: 2}) == [f"{name}: 1 -> 2 (wider)"]


@pytest.mark.parametrize(
    "name", ["lower", "min_off_s", "min_on_s", "needed_kw", "start_to_start_s"]
)
def test_more_of_it_is_tighter(name: str) -> None:
    assert told({name: 1}, {name: 2}) == [f"{name}: 1 -> 2 (tighter)"]
    assert told({name: 2}, {name: 1}) == [f"{name}: 2 -> 1 (wider)"]


@pytest.mark.parametrize("name", ["always", "before_start", "before_stop", "interlocks", "bounds"])
def test_one_more_condition_is_tighter_and_one_less_is_wider(name: str) -> None:
    few, many = {name: [{"name": "a"}]}, {name: [{"name": "a"}, {"name": "b"}]}
    assert told(few, many) == [f"{name}/b: nothing -> there (tighter)"]
    assert told(many, few) == [f"{name}/b: there -> nothing (wider)"]


def test_one_sensor_more_of_anything_else_is_wider_too() -> None:
    assert told({"sensors": []}, {"sensors": [{"tag": "a"}]}) == [
        "sensors/a: nothing -> there (wider)"
    ]


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ({"unit": "u"}, "u"),
        ({"unit": "u", "tag": "t"}, "t"),
        ({"unit": "u", "tag": "t", "check": "c"}, "c"),
        ({"unit": "u", "tag": "t", "check": "c", "name": "n"}, "n"),
        ({"unit": "u", "tag": None}, "u"),
    ],
)
def test_an_entry_is_known_by_its_name_its_check_its_tag_or_its_unit(
    entry: Tree, name: str
) -> None:
    assert told({"x": [{**entry, "n": 1}]}, {"x": [{**entry, "n": 2}]}) == [
        f"x/{name}/n: 1 -> 2 (wider)"
    ]
