"""Joined sources, ages, and the position of files."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from kubekeep.cli.settings import database_folder
from kubekeep.vulnerabilities.database.age import describe_old, format_age, list_old
from kubekeep.vulnerabilities.database.build import build_database
from kubekeep.vulnerabilities.database.open import open_advisories
from kubekeep.vulnerabilities.database.sources import AdvisoryDatabase
from kubekeep.vulnerabilities.names import normalise_name
from kubekeep.vulnerabilities.source import SourceState
from tests.vulnerabilities.database.records import create_record, write_lines

NOW = dt.datetime(2026, 11, 29, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("ecosystem", "name", "key"),
    [
        ("PyPI", "Zope.Interface__x", "zope-interface-x"),
        ("npm", "@Scope/Left_Pad", "@scope/left_pad"),
        ("Go", "github.com/Masterminds/semver/v3", "github.com/masterminds/semver/v3"),
        ("Debian:13", "libc6", "libc6"),
        ("PyPI:private", "a.b", "a-b"),
    ],
)
def test_names(ecosystem: str, name: str, key: str) -> None:
    assert normalise_name(ecosystem, name) == key


def test_joined_sources(tmp_path: Path) -> None:
    first = [create_record("A-1", details="old"), create_record("A-2", ecosystem="Debian:12")]
    second = [
        create_record("A-1", details="new", modified="2026-01-01T00:00:00.001Z"),
        create_record("A-3", "a", "PyPI"),
    ]
    build_database([write_lines(tmp_path / "1.jsonl", first)], tmp_path / "1")
    build_database([write_lines(tmp_path / "2.jsonl", second)], tmp_path / "2")
    for database, paths in ((tmp_path / "1", [tmp_path / "2"]), (tmp_path / "2", [tmp_path / "1"])):
        with open_advisories(database, paths) as source:
            ((_, record),) = source.find_advisories("npm", ["left-pad", "left-pad"])
            assert record.details == "new"
            states = source.get_states()
            assert (sorted(states), states["npm"].records) == (["Debian", "PyPI", "npm"], 2)
            assert states["Debian"].releases == {"Debian:12"}
            assert str(states["npm"].updated) == "2026-01-01 00:00:00+00:00"
    with open_advisories(None, [tmp_path / "2.jsonl"]) as source:
        assert sorted(source.get_states()) == ["PyPI", "npm"]


def test_many_names(tmp_path: Path) -> None:
    records = (create_record(f"A-{number}", f"name-{number}") for number in range(0, 3000, 3))
    build_database([write_lines(tmp_path / "x.jsonl", records)], tmp_path / "db")
    with AdvisoryDatabase(tmp_path / "db") as source:
        names = [name for name, _ in source.find_advisories("npm", (f"name-{number}" for number in range(3000)))]
    assert names == sorted(f"name-{number}" for number in range(0, 3000, 3))


def test_age() -> None:
    states = {
        name: SourceState(name, frozenset((name,)), updated, renewal="run `kubekeep db update`")
        for name, updated in (
            ("npm", NOW - dt.timedelta(days=2)),
            ("Red Hat", NOW - dt.timedelta(days=4)),
            ("Go", None),
        )
    }
    limit = dt.timedelta(days=3)
    assert tuple(describe_old(state, limit) for state in list_old(states, limit, NOW)) == (
        "the advisories for Red Hat are of 2026-11-25T00:00:00Z; the limit is 3 days: run `kubekeep db update`",
        "the advisories for Go have no time; the limit is 3 days: run `kubekeep db update`",
    )
    assert not list_old({"npm": states["npm"]}, dt.timedelta(days=2), NOW)
    ages = (dt.timedelta(seconds=59), dt.timedelta(hours=1), dt.timedelta(days=400), dt.timedelta(seconds=-5))
    assert [format_age(age) for age in ages] == ["less than a minute", "1 hour", "400 days", "less than a minute"]


def test_renewal(tmp_path: Path) -> None:
    """Each source names the step that renews it: an update leaves imported feeds and files of the user as they are."""
    folder = tmp_path / "db"
    build_database([write_lines(tmp_path / "1.jsonl", [create_record("A-1", ecosystem="Red Hat")])], folder)
    build_database([write_lines(tmp_path / "2.jsonl", [create_record("A-2")])], folder, feed="acme", is_addition=True)
    with open_advisories(folder, [tmp_path / "2.jsonl"]) as source:
        assert {name: state.renewal for name, state in source.get_states().items()} == {
            "Red Hat": "run `kubekeep db update 'Red Hat'`",
            "npm": f"import newer data of acme with `kubekeep db import`, and use newer files than {tmp_path / '2.jsonl'}",
        }


def test_default_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBEKEEP_DATABASE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert database_folder() == tmp_path / "kubekeep" / "advisories"
    monkeypatch.setenv("KUBEKEEP_DATABASE", str(tmp_path / "own"))
    assert database_folder() == tmp_path / "own"
