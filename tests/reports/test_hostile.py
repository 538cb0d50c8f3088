"""Every format stays readable and keeps its structure with hostile names, paths and messages."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree
from tests.reports.hostile import TAME, TEXTS, taint, taint_cluster, taint_user_control
from tests.reports.registration import REGISTRATIONS
from tests.reports.rendering import render_text

from kubekeep.model.assessment import Assessment
from kubekeep.reports import load, names


@pytest.mark.parametrize("name", names())
def test_any_text_is_readable(name: str, assessment: Assessment) -> None:
    # Typesetting takes a second per page.
    @settings(deadline=None, max_examples=15 if load(name).binary else 60, database=None)
    @example(text='"\\</failure>]]>&#0;\x1b\r\n\t\ud83d', path="a[0]")
    @given(text=st.text(st.characters()), path=st.text(st.characters(), max_size=20))
    def stays_readable(text: str, path: str) -> None:
        REGISTRATIONS[name].read(render_text(name, taint(assessment, text, path)))

    stays_readable()


@pytest.fixture(scope="module")
def tame_structures() -> dict[str, object]:
    """Return an empty dictionary for the structures of reports with a tame text, which are the same for every aim."""
    return {}


@pytest.mark.parametrize("aim", TEXTS)
@pytest.mark.parametrize("name", names())
def test_hostile_text_keeps_structure(
    name: str, aim: str, assessment: Assessment, tame_structures: dict[str, object]
) -> None:
    def render_structure(text: str) -> object:
        return structure(name, render_text(name, taint_user_control(assessment, text)))

    if name not in tame_structures:
        tame_structures[name] = render_structure(TAME)
    is_equal = render_structure(TEXTS[aim]) == tame_structures[name]
    assert is_equal or not TEXTS[aim].strip(), "an entry is missing although its text is not empty"


@pytest.mark.parametrize("name", names())
def test_hostile_cluster_keeps_structure(name: str, assessment: Assessment) -> None:
    tame = structure(name, render_text(name, taint_cluster(assessment, TAME)))
    # Typesetting is slow; the test above covers every text.
    for aim in ["typst", "controls"] if load(name).binary else TEXTS:
        actual = structure(name, render_text(name, taint_cluster(assessment, TEXTS[aim])))
        assert actual == tame or not TEXTS[aim].strip(), f"{aim}: an entry is missing although its text is not empty"


def structure(name: str, text: str) -> object:
    registration = REGISTRATIONS[name]
    content = registration.read(text)
    return content if registration.is_structure else shape(content)


def shape(value: Any) -> object:
    """Return a document without its texts: keys that are input text are removed, entries stay."""
    match value:
        case dict():
            return [shape(entry) for entry in value.values()]
        case list() | tuple():
            return [shape(entry) for entry in value]
        case etree._Element():  # noqa: SLF001 - lxml has no other name for it
            return [(str(element.tag), *map(str, element.attrib)) for element in value.iter()]
        case _:
            return "text" if isinstance(value, str) else value
