"""Attack tracks: every step that a control names exists, and the tracks of each control equal Kubescape's."""

from __future__ import annotations

import json

import pytest

from kubekeep.attackpaths.tracks import load_tracks
from kubekeep.library.load import builtin
from tests.library.kubescape import FACTS

CONTROLS = FACTS / "control-facts.json"


def test_controls_and_steps_exist() -> None:
    numbers = {number for control in builtin().controls.values() for number in control.ids}
    steps = {
        track.name: {step.name for way in track.root.list_paths() for step in way} for track in load_tracks().tracks
    }
    for number, member in load_tracks().memberships.items():
        assert number in numbers
        for track, names in member.tracks.items():
            assert set(names) <= steps[track]


def test_control_is_found_by_any_of_its_numbers() -> None:
    members = [control.id for control in builtin().controls.values() if load_tracks().find_membership(control)]
    assert len(members) == len(load_tracks().memberships)


@pytest.mark.skipif(not CONTROLS.is_file(), reason=f"no facts at {FACTS}")
def test_tracks_equal_kubescapes() -> None:
    facts = {fact["id"]: fact for fact in json.loads(CONTROLS.read_text(encoding="utf-8"))["controls"]}
    joined = {number: fact for number, fact in facts.items() if fact.get("attackTracks")}
    assert set(joined) == set(load_tracks().memberships)
    for number, fact in joined.items():
        member = load_tracks().memberships[number]
        assert list(member.tags) == fact["tags"]
        assert {name: list(steps) for name, steps in member.tracks.items()} == {
            track["attackTrack"]: track["categories"] for track in fact["attackTracks"]
        }
