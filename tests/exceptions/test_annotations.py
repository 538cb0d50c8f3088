"""What resources say of exceptions beside themselves: which end counts, and what is told of keys that nobody knows."""

from __future__ import annotations

from typing import Any

import pytest

from kubekeep.exceptions.inline.annotations import find_annotated_exceptions
from kubekeep.model.resource import Resource

PLACES = {
    "object": ("metadata",),
    "jobs": ("spec", "jobTemplate", "metadata"),
    "pods": ("spec", "jobTemplate", "spec", "template", "metadata"),
}
CONTROLS = "kubescape.io/skip-controls"


def job(**said: dict[str, Any]) -> Resource:
    """A CronJob with annotations at places of PLACES; with `_labels` behind the name of one, with labels."""
    found: dict[str, Any] = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "a"}}
    for name, entries in said.items():
        place, _, field = name.partition("_")
        inner = found
        for step in PLACES[place]:
            inner = inner.setdefault(step, {})
        inner[field or "annotations"] = entries
    return Resource(found)


def ends(resource: Resource) -> list[str]:
    return [
        str(item.exception.expires)[:10] if not item.flaw else "flaw" for item in find_annotated_exceptions(resource)
    ]


@pytest.mark.parametrize("controls", ["object", "pods"])
@pytest.mark.parametrize("expiry", ["object", "jobs", "pods"])
@pytest.mark.parametrize("prefix", ["kubescape.io", "kubekeep.io"])
def test_an_expiry_counts_wherever_it_stands(controls: str, expiry: str, prefix: str) -> None:
    said: dict[str, dict[str, Any]] = {controls: {CONTROLS: "C-0057"}}
    said.setdefault(expiry, {})[f"{prefix}/skip-expiry"] = "2027-01-31"
    assert ends(job(**said)) == ["2027-01-31"]


def test_the_earliest_expiry_counts() -> None:
    said = {CONTROLS: "C-0057", "kubescape.io/skip-expiry": "2027-03-31", "kubekeep.io/skip-expiry": "2027-02-28"}
    later = {"kubekeep.io/skip-expiry": "2999-12-31"}
    assert ends(job(object=said, pods=later)) == ["2027-02-28"]
    assert ends(job(object=later, pods=said)) == ["2027-02-28"]
    assert ends(job(object=said, jobs={"kubescape.io/skip-expiry": "2020-01-01"})) == ["2020-01-01"]


def test_an_expiry_that_cannot_be_read_ends_what_stands_elsewhere() -> None:
    assert ends(job(pods={CONTROLS: "C-0057"}, object={"kubescape.io/skip-expiry": "soon"})) == ["flaw"]


def test_the_reason_may_stand_elsewhere_too() -> None:
    other = {"kubescape.io/skip-reason": "theirs"}
    (found,) = find_annotated_exceptions(job(object={CONTROLS: "C-0057"}, pods=other))
    assert found.exception.reason == "theirs"
    own = {CONTROLS: "C-0057", "kubescape.io/skip-reason": "ours"}
    (found,) = find_annotated_exceptions(job(object=own, pods=other))
    assert found.exception.reason == "ours"


@pytest.mark.parametrize(
    "key",
    [
        "kubescape.io/skip-expires",
        "kubescape.io/skip-expiration",
        "kubekeep.io/skip-until",
        "kubescape.io/skip_expiry",
        "kubescape.io/Skip-Expiry",
        "Kubescape.io/skip-expiry",
        "kubescape.io/skipexpiry",
        "kubescape.io/expiry",
        "kubescape.io/expires",
        "kubekeep.io/until",
        "kubescape.com/skip-expiry",
        "kubescpe.io/skip-expiry",
        "kubekeep/skip-expiry",
        "kubescape.io/skip-date",
        "kubescape.io/skip-expiry-date",
        "skip-expiry",
    ],
)
@pytest.mark.parametrize("place", ["object", "jobs", "pods", "object_labels", "pods_labels"])
def test_a_key_that_may_be_the_expiry_leaves_nothing_covered(key: str, place: str) -> None:
    said: dict[str, dict[str, Any]] = {"object": {CONTROLS: "C-0057"}}
    said.setdefault(place, {})[key] = "2020-01-01"
    found = list(find_annotated_exceptions(job(**said)))
    assert len(found) == 2, "the exception, and what looks like a part of it"
    assert all(item.flaw.startswith(f"{key} ") for item in found)


@pytest.mark.parametrize("field", ["object_labels", "jobs_labels", "pods_labels"])
def test_an_expiry_that_is_a_label_leaves_nothing_covered(field: str) -> None:
    said = {"object": {CONTROLS: "C-0057"}, field: {"kubescape.io/skip-expiry": "2020-01-01"}}
    first, second = find_annotated_exceptions(job(**said))
    assert first.flaw == second.flaw == "kubescape.io/skip-expiry has to be an annotation, not a label"


@pytest.mark.parametrize(
    ("place", "key", "value", "flaw"),
    [
        ("object", "kubescape.io/skip-control", "C-0016", "is not known: kubescape.io/skip-controls, "),
        ("object", "kubekeep.io/skipcontrols", "C-0016", "is not known"),
        ("pods", "kubekeep.io/skip-reasn", "a test", "is not known"),
        ("object", "kubescape.io/ignored", "true", "is not known"),
        ("object", "kubekeep.io/ignore", "tru", ": 'tru' is neither 'true' nor 'false'"),
        ("object_labels", "kubescape.io/skip-controls", "C-0016", "has to be an annotation, not a label"),
        ("jobs", "kubescape.io/skip-controls", "C-0016", "counts on the object and on its pods alone"),
        ("jobs_labels", "kubescape.io/ignore", "true", "counts on the object and on its pods alone"),
        ("object", "skip-controls", "C-0016", "needs a prefix: kubescape.io/skip-controls"),
    ],
)
def test_a_key_that_is_no_expiry_is_told_and_takes_nothing_from_the_others(
    place: str, key: str, value: str, flaw: str
) -> None:
    said: dict[str, dict[str, Any]] = {"pods": {"kubekeep.io/skip-controls": "C-0057"}}
    said.setdefault(place, {})[key] = value
    good, bad = find_annotated_exceptions(job(**said))
    assert (good.flaw, bad.policies) == ("", ())
    assert bad.flaw.startswith(key)
    assert flaw in bad.flaw
    (alone,) = find_annotated_exceptions(job(**{place: {key: value}}))
    assert alone.flaw == bad.flaw


def test_a_misspelt_key_with_a_day_may_be_the_expiry() -> None:
    assert ends(job(object={CONTROLS: "C-0057", "kubescape.io/skip-reasn": "2027-01-31"})) == ["flaw", "flaw"]


@pytest.mark.parametrize(
    "names", ["C-0057, until 2020-01-01", "C-0057,until=2020-01-01", "C-0057, Expires 2020", "2020-01-01, C-0057"]
)
def test_an_end_among_the_controls_leaves_nothing_covered(names: str) -> None:
    (found,) = find_annotated_exceptions(job(object={CONTROLS: names}))
    assert "the day goes into skip-expiry" in found.flaw


def test_keys_of_others_are_theirs() -> None:
    others = {
        "kubescape.io/managed-by": "operator",
        "kubescape.io/last-scan": "2027-01-31T00:00:00Z",
        "kubekeep.io/severity": "high",
        "checkov.io/skip1": "CKV_1",
        "example.com/skip-expiry": "2020-01-01",
        "cert-manager.io/expires": "2020-01-01",
        "ignore": "true",
        "skip-reason": "theirs",
    }
    assert list(find_annotated_exceptions(job(object=others, pods_labels=others))) == []
    assert ends(job(object={CONTROLS: "C-0057", **others})) == ["None"]


def test_metadata_of_another_shape_says_nothing() -> None:
    odd = {"apiVersion": "v1", "kind": "Pod", "metadata": {"annotations": ["kubescape.io/ignore"], "labels": "x"}}
    assert list(find_annotated_exceptions(Resource(odd))) == []
    assert list(find_annotated_exceptions(Resource({"apiVersion": "v1", "kind": "Pod", "metadata": "x"}))) == []
