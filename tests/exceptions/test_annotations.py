"""Exceptions in annotations: the expiry that applies, and reports on unknown keys."""

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


def job(**annotations: dict[str, Any]) -> Resource:
    """Make a CronJob with annotations at PLACES, or labels for names that end in `_labels`."""
    metadata: dict[str, Any] = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "a"}}
    for name, entries in annotations.items():
        place, _, field = name.partition("_")
        inner = metadata
        for step in PLACES[place]:
            inner = inner.setdefault(step, {})
        inner[field or "annotations"] = entries
    return Resource(metadata)


def ends(resource: Resource) -> list[str]:
    return [
        str(exception.exception.expires)[:10] if not exception.flaw else "flaw"
        for exception in find_annotated_exceptions(resource)
    ]


@pytest.mark.parametrize("controls", ["object", "pods"])
@pytest.mark.parametrize("expiry", ["object", "jobs", "pods"])
@pytest.mark.parametrize("prefix", ["kubescape.io", "kubekeep.io"])
def test_expiry_applies_anywhere_on_the_object(controls: str, expiry: str, prefix: str) -> None:
    annotations: dict[str, dict[str, Any]] = {controls: {CONTROLS: "C-0057"}}
    annotations.setdefault(expiry, {})[f"{prefix}/skip-expiry"] = "2027-01-31"
    assert ends(job(**annotations)) == ["2027-01-31"]


def test_the_earliest_expiry_counts() -> None:
    annotations = {
        CONTROLS: "C-0057",
        "kubescape.io/skip-expiry": "2027-03-31",
        "kubekeep.io/skip-expiry": "2027-02-28",
    }
    later = {"kubekeep.io/skip-expiry": "2999-12-31"}
    assert ends(job(object=annotations, pods=later)) == ["2027-02-28"]
    assert ends(job(object=later, pods=annotations)) == ["2027-02-28"]
    assert ends(job(object=annotations, jobs={"kubescape.io/skip-expiry": "2020-01-01"})) == ["2020-01-01"]


def test_unreadable_expiry_elsewhere_disables_exception() -> None:
    assert ends(job(pods={CONTROLS: "C-0057"}, object={"kubescape.io/skip-expiry": "soon"})) == ["flaw"]


def test_reason_elsewhere_on_the_object() -> None:
    other = {"kubescape.io/skip-reason": "theirs"}
    (exceptions,) = find_annotated_exceptions(job(object={CONTROLS: "C-0057"}, pods=other))
    assert exceptions.exception.reason == "theirs"
    own = {CONTROLS: "C-0057", "kubescape.io/skip-reason": "ours"}
    (exceptions,) = find_annotated_exceptions(job(object=own, pods=other))
    assert exceptions.exception.reason == "ours"


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
def test_key_that_may_be_an_expiry_disables_exception(key: str, place: str) -> None:
    annotations: dict[str, dict[str, Any]] = {"object": {CONTROLS: "C-0057"}}
    annotations.setdefault(place, {})[key] = "2020-01-01"
    exceptions = list(find_annotated_exceptions(job(**annotations)))
    assert len(exceptions) == 2, "the exception, and what looks like a part of it"
    assert all(exception.flaw.startswith(f"{key} ") for exception in exceptions)


@pytest.mark.parametrize("field", ["object_labels", "jobs_labels", "pods_labels"])
def test_expiry_as_label_disables_exception(field: str) -> None:
    annotations = {"object": {CONTROLS: "C-0057"}, field: {"kubescape.io/skip-expiry": "2020-01-01"}}
    first, second = find_annotated_exceptions(job(**annotations))
    assert first.flaw == second.flaw == "kubescape.io/skip-expiry must be an annotation, not a label"


@pytest.mark.parametrize(
    ("place", "key", "value", "flaw"),
    [
        (
            "object",
            "kubescape.io/skip-control",
            "C-0016",
            "is unknown; known annotations: kubescape.io/skip-controls, ",
        ),
        ("object", "kubekeep.io/skipcontrols", "C-0016", "is unknown"),
        ("pods", "kubekeep.io/skip-reasn", "a test", "is unknown"),
        ("object", "kubescape.io/ignored", "true", "is unknown"),
        ("object", "kubekeep.io/ignore", "tru", ": 'tru' is neither 'true' nor 'false'"),
        ("object_labels", "kubescape.io/skip-controls", "C-0016", "must be an annotation, not a label"),
        ("jobs", "kubescape.io/skip-controls", "C-0016", "has an effect only on the object and its pod template"),
        ("jobs_labels", "kubescape.io/ignore", "true", "has an effect only on the object and its pod template"),
        ("object", "skip-controls", "C-0016", "needs a prefix: kubescape.io/skip-controls"),
    ],
)
def test_unknown_key_is_reported_without_effect(place: str, key: str, value: str, flaw: str) -> None:
    annotations: dict[str, dict[str, Any]] = {"pods": {"kubekeep.io/skip-controls": "C-0057"}}
    annotations.setdefault(place, {})[key] = value
    good, bad = find_annotated_exceptions(job(**annotations))
    assert (good.flaw, bad.policies) == ("", ())
    assert bad.flaw.startswith(key)
    assert flaw in bad.flaw
    (alone,) = find_annotated_exceptions(job(**{place: {key: value}}))
    assert alone.flaw == bad.flaw


def test_misspelt_key_with_a_date_may_be_an_expiry() -> None:
    assert ends(job(object={CONTROLS: "C-0057", "kubescape.io/skip-reasn": "2027-01-31"})) == ["flaw", "flaw"]


@pytest.mark.parametrize(
    "names", ["C-0057, until 2020-01-01", "C-0057,until=2020-01-01", "C-0057, Expires 2020", "2020-01-01, C-0057"]
)
def test_expiry_among_controls_disables_exception(names: str) -> None:
    (exceptions,) = find_annotated_exceptions(job(object={CONTROLS: names}))
    assert "set the expiry in skip-expiry" in exceptions.flaw


def test_unrelated_keys_are_ignored() -> None:
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


def test_malformed_metadata_is_ignored() -> None:
    odd = {"apiVersion": "v1", "kind": "Pod", "metadata": {"annotations": ["kubescape.io/ignore"], "labels": "x"}}
    assert list(find_annotated_exceptions(Resource(odd))) == []
    assert list(find_annotated_exceptions(Resource({"apiVersion": "v1", "kind": "Pod", "metadata": "x"}))) == []
