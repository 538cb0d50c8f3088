"""The framework `recommended`: each problem once, and nothing that a scan cannot evaluate."""

from __future__ import annotations

from kubekeep.library.load import builtin
from kubekeep.model.control import Control


def recommended() -> tuple[Control, ...]:
    return builtin().select_members(builtin().frameworks["recommended"])


def test_size() -> None:
    assert 70 <= len(recommended()) <= 80


def test_no_control_is_manual_or_needs_a_parameter() -> None:
    for control in recommended():
        assert not control.is_manual, control.slug
        needed = [name for name, parameter in control.params.items() if parameter.required and not parameter.default]
        assert needed == [], control.slug


def test_no_control_overlaps_with_another() -> None:
    slugs = {control.slug for control in recommended()}
    assert {control.slug: slugs.intersection(control.overlaps) for control in recommended()} == {
        slug: set() for slug in slugs
    }


def test_overlaps_name_other_controls() -> None:
    controls = builtin().controls
    for control in controls.values():
        for slug in control.overlaps:
            assert slug in controls, control.slug
            # One direction is enough, and the control that others repeat repeats none itself.
            assert not controls[slug].overlaps, control.slug
