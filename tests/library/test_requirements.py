"""Frameworks requirement by requirement: each cited number has its place, and each count is what the standard has."""

from __future__ import annotations

from collections import Counter

import pytest

from kubekeep.library.load import builtin
from kubekeep.library.requirements import answers, requirements
from kubekeep.model.framework import Framework

CIS_2_0_1 = {
    "1.1": 21,
    "1.2": 30,
    "1.3": 7,
    "1.4": 2,
    "2": 7,
    "3.1": 3,
    "3.2": 2,
    "4.1": 10,
    "4.2": 14,
    "4.3": 1,
    "5.1": 13,
    "5.2": 12,
    "5.3": 2,
    "5.4": 2,
    "5.5": 1,
    "5.6": 4,
}
"""Recommendations by section of the benchmark's table of contents."""


def named(slug: str) -> Framework:
    """The framework."""
    return builtin().frameworks[slug]


@pytest.mark.parametrize("slug", [slug for slug, item in builtin().frameworks.items() if item.sections])
def test_what_is_cited_has_a_section(slug: str) -> None:
    framework = named(slug)
    for control in builtin().members(framework):
        for number in control.satisfies.get(slug, ()):
            assert framework.find_section(number), f"{control.slug} cites {number}"


def test_cis_is_complete() -> None:
    framework = named("cis-v2.0.1")
    found = requirements(builtin(), framework)
    assert Counter(framework.find_section(item.id) for item in found) == CIS_2_0_1
    assert all(len(item.controls) == 1 for item in found)
    assert sum(answers(found).values()) == 131
    assert [item.id for item in found][:12] == [f"1.1.{number}" for number in range(1, 13)]


@pytest.mark.parametrize("slug", [slug for slug, item in builtin().frameworks.items() if slug.startswith("owasp")])
def test_every_risk_is_covered(slug: str) -> None:
    found = requirements(builtin(), named(slug))
    assert [item.id for item in found] == [f"K{number:02}" for number in range(1, 11)]
    assert "not covered" not in answers(found)


def test_what_no_control_serves_is_told() -> None:
    found = {item.id: item for item in requirements(builtin(), named("nist-800-190"))}
    assert found["4.1.3"].controls == ()
    assert found["4.1.3"].title == "Embedded malware"
    assert answers(tuple(found.values()))["not covered"] >= 1
