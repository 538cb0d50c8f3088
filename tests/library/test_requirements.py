"""Requirements of frameworks: every cited number has a section, and the counts equal those of the standards."""

from __future__ import annotations

from collections import Counter

import pytest

from kubekeep.library.load import builtin
from kubekeep.library.requirements import count_by_required_data, list_requirements
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


def find_framework(slug: str) -> Framework:
    return builtin().frameworks[slug]


@pytest.mark.parametrize("slug", [slug for slug, framework in builtin().frameworks.items() if framework.sections])
def test_cited_numbers_have_a_section(slug: str) -> None:
    framework = find_framework(slug)
    for control in builtin().select_members(framework):
        for number in control.satisfies.get(slug, ()):
            assert framework.find_section(number), f"{control.slug} cites {number}"


def test_cis_is_complete() -> None:
    framework = find_framework("cis-v2.0.1")
    cis = list_requirements(builtin(), framework)
    assert Counter(framework.find_section(requirement.id) for requirement in cis) == CIS_2_0_1
    assert all(len(requirement.controls) == 1 for requirement in cis)
    assert sum(count_by_required_data(cis).values()) == 131
    assert [requirement.id for requirement in cis][:12] == [f"1.1.{number}" for number in range(1, 13)]


@pytest.mark.parametrize("slug", [slug for slug in builtin().frameworks if slug.startswith("owasp")])
def test_every_risk_is_covered(slug: str) -> None:
    risks = list_requirements(builtin(), find_framework(slug))
    assert [risk.id for risk in risks] == [f"K{number:02}" for number in range(1, 11)]
    assert "not covered" not in count_by_required_data(risks)


def test_requirement_without_controls_is_not_covered() -> None:
    by_id = {
        requirement.id: requirement for requirement in list_requirements(builtin(), find_framework("nist-800-190"))
    }
    assert by_id["4.1.3"].controls == ()
    assert by_id["4.1.3"].title == "Embedded malware"
    assert count_by_required_data(tuple(by_id.values()))["not covered"] >= 1
