"""Names of frameworks: the terminal, Markdown and gates have the slug, HTML and PDF the title; a third spelling is for programs."""

from __future__ import annotations

import msgspec
import pytest
from tests.reports.rendering import remove_whitespace, render_text

from kubekeep.library.load import builtin
from kubekeep.model.assessment import Assessment
from kubekeep.posture.gate import Gates, evaluate_gates

FRAMEWORK = builtin().frameworks["pss-restricted"]
EXPECTED = {
    "pretty": FRAMEWORK.slug,
    "markdown": FRAMEWORK.slug,
    "html": FRAMEWORK.title,
    "pdf": FRAMEWORK.title,
}


@pytest.fixture
def restricted(assessment: Assessment) -> Assessment:
    """Return an assessment of one framework whose name, slug and title differ."""
    framework = msgspec.structs.replace(assessment.frameworks[0], framework=FRAMEWORK)
    return msgspec.structs.replace(assessment, frameworks=(framework,))


@pytest.mark.parametrize("format_name", EXPECTED)
def test_reports_for_people_use_one_spelling(restricted: Assessment, format_name: str) -> None:
    text = remove_whitespace(render_text(format_name, restricted))
    assert remove_whitespace(EXPECTED[format_name]) in text
    assert FRAMEWORK.name not in text


def test_gates_use_the_slug(restricted: Assessment) -> None:
    (outcome,) = evaluate_gates(restricted, Gates(compliance={FRAMEWORK.name: 100}))
    assert f"({FRAMEWORK.slug})" in outcome.text
