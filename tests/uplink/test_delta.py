"""Deltas lead from any state to any other, and are refused by all other states."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubekeep.model.finding_document import EvidenceDocument
from kubekeep.model.package import ImagePackages, Package
from kubekeep.model.permissions import ClusterPermissions, PermissionRule, RoleEntry
from kubekeep.model.resource import ResourceSubject
from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import (
    VERSION,
    ContainerEntry,
    DefinitionEntry,
    EvaluatedScope,
    GapEntry,
    ImageEntry,
    NotEvaluatedEntry,
    SubjectEntry,
    Submission,
    SubmittedFinding,
    Versions,
    compute_digest,
    compute_manifest,
    digest_permissions,
)
from kubekeep.model.text import encode_json
from kubekeep.uplink.delta import DivergenceError, apply_delta, compute_delta

NOW = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
DEFINITIONS = ("C-0001", "C-0002", "C-0003")
PERMISSIONS = (ClusterPermissions(), ClusterPermissions((RoleEntry("view", rules=(PermissionRule(("get",)),)),)))
TITLES = st.sampled_from(("Title", "Another title"))


def build_finding(subject: int, definition: str, message: str) -> SubmittedFinding:
    fingerprint = f"{subject:08x}{definition[-4:]:>08}"
    return SubmittedFinding(definition, fingerprint, (EvidenceDocument(path="spec", message=message),))


@st.composite
def subjects(draw: st.DrawFn, number: int) -> SubjectEntry:
    failed = draw(st.lists(st.sampled_from(DEFINITIONS), unique=True))
    findings = [build_finding(number, name, draw(st.sampled_from(("set", "not set")))) for name in failed]
    return SubjectEntry(
        f"{number:016x}",
        ResourceSubject("apps/v1", "Deployment", f"web-{number}", "shop"),
        findings=tuple(sorted(findings, key=lambda finding: finding.fingerprint)),
        not_evaluated=draw(st.sampled_from(((), (NotEvaluatedEntry(("C-0009",), "no data"),)))),
        containers=draw(st.sampled_from(((), (ContainerEntry("web", "web:1"),)))),
    )


@st.composite
def states(draw: st.DrawFn) -> Submission:
    entries = tuple(draw(subjects(number)) for number in sorted(draw(st.sets(st.integers(0, 4)))))
    digests = sorted(draw(st.sets(st.sampled_from(("sha256:a", "sha256:b")))))
    images = tuple(
        ImageEntry(digest, ("web:1",), "linux/amd64", ImagePackages(packages=(Package(type="deb", name=draw(TITLES)),)))
        for digest in digests
    )
    titles = {name: draw(TITLES) for name in DEFINITIONS}
    permissions = draw(st.sampled_from((None, *PERMISSIONS)))
    return Submission(
        schema=VERSION,
        id=draw(st.uuids().map(str)),
        source=SourceCluster("uid"),
        started=NOW,
        finished=NOW,
        versions=Versions("1"),
        manifest=compute_manifest(compute_digest(encode_json(entry)) for entry in entries),
        scope=EvaluatedScope(DEFINITIONS),
        gaps=draw(st.sampled_from(((), (GapEntry("forbidden"),)))),
        definitions=tuple(
            DefinitionEntry(name, "misconfiguration", name, titles[name], "high", 7.0) for name in DEFINITIONS
        ),
        subjects=entries,
        images=images,
        permissions=permissions,
        permissions_digest="" if permissions is None else digest_permissions(permissions),
    )


@given(states(), states())
def test_delta_leads_from_one_state_to_the_other(before: Submission, after: Submission) -> None:
    delta = compute_delta(before, after)
    received = msgspec.json.decode(encode_json(delta), type=Submission)
    assert apply_delta(before, received) == after
    assert (delta.permissions is None) == (after.permissions in (None, before.permissions))


@given(states())
def test_delta_of_equal_states_has_no_content(state: Submission) -> None:
    delta = compute_delta(state, state)
    parts: tuple[Any, ...] = (delta.subjects, delta.images, delta.definitions, delta.removed, delta.closed)
    assert not any((*parts, delta.removed_images))
    assert delta.base == delta.manifest == state.manifest


@given(states(), states(), states())
def test_delta_is_refused_by_other_states(before: Submission, after: Submission, other: Submission) -> None:
    delta = compute_delta(before, after)
    if other.manifest != before.manifest:
        with pytest.raises(DivergenceError, match=before.manifest):
            apply_delta(other, delta)
    with pytest.raises(DivergenceError):
        apply_delta(msgspec.structs.replace(before, source=SourceCluster("another")), delta)
    if after.subjects:
        damaged = msgspec.structs.replace(delta, subjects=(), removed=tuple(entry.key for entry in before.subjects))
        with pytest.raises(DivergenceError, match="does not lead"):
            apply_delta(before, damaged)


def test_delta_names_changes_only() -> None:
    def create_state(*entries: SubjectEntry) -> Submission:
        return Submission(
            schema=VERSION,
            id="1",
            source=SourceCluster("uid"),
            started=NOW,
            finished=NOW,
            versions=Versions("1"),
            manifest=compute_manifest(compute_digest(encode_json(entry)) for entry in entries),
            subjects=entries,
        )

    kept, fixed, changed = (build_finding(1, name, "set") for name in DEFINITIONS)
    corrected = build_finding(1, DEFINITIONS[2], "not set")
    deployment = SubjectEntry(
        "1" * 16, ResourceSubject("apps/v1", "Deployment", "web"), findings=(kept, fixed, changed)
    )
    service = SubjectEntry("2" * 16, ResourceSubject("v1", "Service", "web"))
    after = msgspec.structs.replace(deployment, findings=(kept, corrected))
    delta = compute_delta(create_state(deployment, service), create_state(after))
    assert delta.removed == (service.key,)
    assert delta.closed == (fixed.fingerprint,)
    assert [entry.findings for entry in delta.subjects] == [(corrected,)]
