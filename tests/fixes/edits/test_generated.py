"""Generated documents: a change gives exactly the intended value, edits few lines, and is idempotent."""

from __future__ import annotations

import copy
import difflib
import itertools
import json
from typing import Any

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from kubekeep.fixes.edits.change import ABSENT, Change, is_equal
from kubekeep.fixes.edits.diff import make_hunks
from kubekeep.fixes.edits.parsed_text import ParsedText
from kubekeep.fixes.edits.text import edit
from kubekeep.model.location import Path, has_path, value_at
from tests.fixes.edits.written import document, keys, looks, mappings, scalars, values

examples = settings(max_examples=80, deadline=None)


def places(value: Any, path: Path = ()) -> list[Path]:
    """Return the paths of all values."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [paths for step, child in items for paths in ((*path, step), *places(child, (*path, step)))]


def lines(text: str) -> list[str]:
    return text.split("\n")


def difference(before: str, after: str) -> tuple[list[str], list[str]]:
    """Return the removed and the added lines."""
    rows = list(difflib.ndiff(lines(before), lines(after)))
    return [row[2:] for row in rows if row[0] == "-"], [row[2:] for row in rows if row[0] == "+"]


def apply_independently(value: Any, changes: list[Change]) -> Any:
    """Return the value after its changes, computed independently: sets, then removals from the last."""
    result = copy.deepcopy(value)
    for change in changes:
        if not change.removes:
            _set(result, change.path, change.value)
    for change in reversed(changes):
        if change.removes:
            del value_at(result, change.path[:-1])[change.path[-1]]
    return result


def _set(value: Any, path: Path, new: Any) -> None:
    for step, following in itertools.pairwise(path):
        is_new = isinstance(value, dict) and step not in value
        if is_new or value[step] is None:
            value[step] = [] if isinstance(following, int) else {}
        value = value[step]
    if isinstance(value, list) and path[-1] == len(value):
        value.append(new)
    else:
        value[path[-1]] = new


def fits(value: Any, path: Path) -> bool:
    """Return True if a value can be set there: below a mapping, a list, or nothing."""
    for step in path:
        if value is None:
            return True
        if not isinstance(value, list if isinstance(step, int) else dict):
            return False
        if not has_path(value, (step,)):
            return True
        value = value_at(value, (step,))
    return True


@st.composite
def documents_with_values(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    value = draw(mappings)
    return document(draw, value, draw(looks)), value


@st.composite
def changed(draw: st.DrawFn) -> tuple[str, dict[str, Any], list[Change]]:
    """Draw a document and changes of it, none inside another."""
    text, value = draw(documents_with_values())
    known = places(value)
    changes: list[Change] = []
    for path in draw(st.lists(st.sampled_from(known), max_size=5, unique=True)):
        old = value_at(value, path)
        match draw(st.sampled_from(("set", "remove", "add", "append"))):
            case "remove":
                changes.append(Change(0, path))
            case "add" if isinstance(old, dict) or old is None:
                ways = st.lists(keys, min_size=1, max_size=3)
                changes.append(Change(0, (*path, *draw(ways)), draw(values)))
            case "append" if isinstance(old, list):
                changes.append(Change(0, (*path, len(old)), draw(values)))
            case _:
                changes.append(Change(0, path, draw(values)))
    kept: list[Change] = []
    for change in changes:
        clashes = any(change.path[: len(o.path)] == o.path or o.path[: len(change.path)] == change.path for o in kept)
        if not clashes and fits(value, change.path):
            kept.append(change)
    return text, value, sorted(kept, key=lambda change: json.dumps([str(type(s)) + f"{s:>9}" for s in change.path]))


@examples
@given(documents_with_values())
def test_generated_text_has_its_value(pair: tuple[str, dict[str, Any]]) -> None:
    text, value = pair
    (parsed,) = ParsedText(text).values
    assert is_equal(parsed, value)


@examples
@given(changed())
def test_result_is_exactly_the_intended_value(case: tuple[str, dict[str, Any], list[Change]]) -> None:
    text, value, changes = case
    made = edit(ParsedText(text), changes)
    event(f"refused {bool(made.refused)}")
    done = [change for number, change in enumerate(changes) if number not in made.refused]
    (parsed,) = ParsedText(made.text).values
    assert is_equal(parsed, apply_independently(value, done)), made.text
    assert made.refused == {}, (text, changes)


@examples
@given(changed())
def test_edits_are_idempotent(case: tuple[str, dict[str, Any], list[Change]]) -> None:
    text, _, changes = case
    sets = [change for change in changes if not change.removes]
    assume(not any(isinstance(step, int) for change in changes for step in change.path) or len(sets) == len(changes))
    once = edit(ParsedText(text), sets)
    again = [c for c in sets if not is_equal(_or_absent(ParsedText(once.text).values[0], c.path), c.value)]
    assert again == []


def _or_absent(value: Any, path: Path) -> Any:
    return value_at(value, path) if has_path(value, path) else ABSENT


@examples
@given(st.data())
def test_scalar_changes_only_its_line(draw_from: st.DataObject) -> None:
    text, value = draw_from.draw(documents_with_values())
    old = [path for path in places(value) if not isinstance(value_at(value, path), dict | list)]
    assume(old)
    path = draw_from.draw(st.sampled_from(old))
    new = draw_from.draw(scalars)
    assume(not is_equal(new, value_at(value, path)))
    made = edit(ParsedText(text), [Change(0, path, new)])
    gone, come = difference(text, made.text)
    is_block = any("|-" in line for line in gone)
    assert len(come) == 1
    assert len(gone) == (2 if is_block else 1)
    if not is_block and "# beside" in gone[0]:
        assert "# beside" in come[0]


@examples
@given(st.data())
def test_new_key_adds_only_its_lines(draw_from: st.DataObject) -> None:
    text, value = draw_from.draw(documents_with_values())
    name = "fresh"
    homes = [path for path in ((), *places(value)) if isinstance(value_at(value, path), dict) and value_at(value, path)]
    path = draw_from.draw(st.sampled_from(homes))
    made = edit(ParsedText(text), [Change(0, (*path, name), draw_from.draw(st.booleans()))])
    gone, come = difference(text, made.text)
    assert made.refused == {}
    assert len(come) - len(gone) in {0, 1}
    # In brackets, or at the end of a file without a line break, the line before changes too.
    assert len(gone) <= 1


@examples
@given(changed())
def test_hunks_convert_the_text(case: tuple[str, dict[str, Any], list[Change]]) -> None:
    text, _, changes = case
    made = edit(ParsedText(text), changes)
    old, new = [], []
    for hunk in make_hunks(text, made.splices):
        for row in hunk.lines:
            if row[0] in " -":
                old.append(row[1:])
            if row[0] in " +":
                new.append(row[1:])
        assert text.split("\n")[hunk.old - 1] == hunk.lines[0][1:] or hunk.lines[0][0] == "+"
    assert [line for line in difference(text, made.text)[0] if line not in old] == []
    assert [line for line in difference(text, made.text)[1] if line not in new] == []
