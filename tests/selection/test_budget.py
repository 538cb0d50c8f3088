"""The choice of slow tests within a budget."""

from __future__ import annotations

from tests.selection.budget import NEW_FILE_SECONDS, SHARE, Choice, Reason, Unit, choose, list_units
from tests.selection.record import FileTimes


def name_units(choices: list[Choice]) -> list[str]:
    return [choice.unit.file + choice.unit.row for choice in choices]


def test_slow_rows_are_units_of_their_own() -> None:
    times = {"a": FileTimes(4, 20.0, {"row": 12.5}), "b": FileTimes(1, 7.0, {"only": 7.0})}
    assert list(list_units(["a", "b", "new"], times)) == [
        Unit("a", "row", 1, 12.5),
        Unit("a", "", 3, 7.5),
        Unit("b", "only", 1, 7.0),
        Unit("new", "", 0, NEW_FILE_SECONDS),
    ]


def test_nearest_tests_come_first() -> None:
    units = [Unit(name, "", 1, 10.0) for name in ("far", "near", "changed", "other")]
    chosen, left = choose(units, {"far": 3, "near": 1, "changed": 0}, "seed", 100.0)
    assert name_units(chosen) == ["changed", "near", "far", "other"]
    assert [choice.reason for choice in chosen] == [Reason.CHANGED, Reason.AFFECTED, Reason.AFFECTED, Reason.SHARE]
    assert left == []


def test_part_of_the_budget_is_kept_for_tests_without_a_change() -> None:
    units = [Unit(f"near {number}", "", 1, 10.0) for number in range(20)]
    units += [Unit(f"other {number}", "", 1, 5.0) for number in range(20)]
    chosen, left = choose(units, {unit.file: 1 for unit in units if unit.file.startswith("near")}, "seed", 100.0)
    assert sum(choice.unit.seconds for choice in chosen) == 100
    assert sum(choice.unit.seconds for choice in chosen if choice.reason is Reason.SHARE) >= 100 * SHARE
    assert len(chosen) + len(left) == 40


def test_long_test_is_skipped_for_smaller_ones() -> None:
    units = [Unit("long", "", 1, 90.0), Unit("first", "", 1, 40.0), Unit("second", "", 1, 40.0)]
    chosen, left = choose(units, dict.fromkeys(("long", "first", "second"), 1), "seed", 100.0)
    assert sorted(name_units(chosen)) == ["first", "second"]
    assert name_units(left) == ["long"]


def test_share_changes_with_the_commit_and_reaches_all() -> None:
    units = [Unit(f"test {number}", "", 1, 10.0) for number in range(10)]
    runs = [name_units(choose(units, {}, f"commit {number}", 30.0)[0]) for number in range(40)]
    assert all(len(names) == 3 for names in runs)
    assert {name for names in runs for name in names} == {unit.file for unit in units}
    assert runs[0] == name_units(choose(reversed(units), {}, "commit 0", 30.0)[0])
