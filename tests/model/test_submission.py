"""The meaning of submissions: which findings that one does not contain are closed."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

import kubekeep
from kubekeep.model.finding_document import AnySubject, EvidenceDocument
from kubekeep.model.image import ImageSubject
from kubekeep.model.package import AffectedPackage
from kubekeep.model.resource import ResourceSubject
from kubekeep.model.scanned_source import ScannedSource, SourceCluster, SourceRegistry, SourceRepository
from kubekeep.model.submission import (
    VERSION,
    EvaluatedScope,
    GapEntry,
    HiddenObjects,
    NotEvaluatedEntry,
    SubjectEntry,
    Submission,
    SubmittedFinding,
    Versions,
)
from kubekeep.model.text import encode_json

NOW = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
NO_STATE = "0" * 32
PURL = "pkg:deb/debian/zlib1g@1.2"
PRIVILEGED = SubmittedFinding("C-0057", "a" * 16)
WEB = ResourceSubject("apps/v1", "Deployment", "web", "shop")
NAMESPACE = ResourceSubject("v1", "Namespace", "shop")
NODE = ResourceSubject("v1", "Node", "one")
UNQUALIFIED = ResourceSubject("v1", "Service", "web")
BINDING = ResourceSubject("rbac.authorization.k8s.io/v1", "RoleBinding", "read", "shop")
ROLE = ResourceSubject("rbac.authorization.k8s.io/v1", "ClusterRole", "reader")
ACCOUNT = ResourceSubject("v1", "ServiceAccount", "web", "shop", (BINDING, ROLE))
IMAGE = ImageSubject("registry.example.com/shop/web:1", "sha256:" + "1" * 64)


def build(subject: AnySubject = WEB, origin: str = "", **fields: Any) -> SubjectEntry:
    return SubjectEntry("b" * 16, subject, origin, **fields)


def submit(scope: EvaluatedScope, *gaps: HiddenObjects | None) -> Submission:
    return Submission(
        schema=VERSION,
        id="1",
        source=SourceCluster("uid"),
        started=NOW,
        finished=NOW,
        versions=Versions("1"),
        manifest=NO_STATE,
        scope=scope,
        gaps=tuple(GapEntry("forbidden", hides=hides) for hides in gaps),
    )


def scope(**fields: Any) -> EvaluatedScope:
    return EvaluatedScope(definitions=("C-0057",), **fields)


@pytest.mark.parametrize(
    ("now", "is_closed"),
    [
        (build(), True),
        (build(not_evaluated=(NotEvaluatedEntry(("C-0057",), "no data"),)), False),
        (build(not_evaluated=(NotEvaluatedEntry(("C-0002", "C-0003"), "no data"),)), True),
    ],
)
def test_present_subject_needs_an_evaluated_definition(now: SubjectEntry, *, is_closed: bool) -> None:
    assert submit(scope()).closes(PRIVILEGED, "misconfiguration", build(), now) is is_closed
    assert not submit(EvaluatedScope()).closes(PRIVILEGED, "misconfiguration", build(), now)


@pytest.mark.parametrize(
    ("selection", "subject", "is_closed"),
    [
        (scope(), WEB, True),
        (scope(is_partial=True), WEB, False),
        (EvaluatedScope(definitions=("C-0001",)), WEB, False),
        (scope(include_namespaces=("shop",)), WEB, True),
        (scope(include_namespaces=("sh*", "blog")), WEB, True),
        (scope(include_namespaces=("blog",)), WEB, False),
        (scope(exclude_namespaces=("blog",)), WEB, True),
        (scope(exclude_namespaces=("s?op",)), WEB, False),
        (scope(include_namespaces=("shop",)), NAMESPACE, True),
        (scope(exclude_namespaces=("shop",)), NAMESPACE, False),
        (scope(include_namespaces=("shop",)), NODE, False),
        (scope(exclude_namespaces=("shop",)), NODE, True),
        # A resource without a namespace is in `default`, unless its kind is cluster-scoped.
        (scope(exclude_namespaces=("default",)), UNQUALIFIED, False),
        (scope(include_namespaces=("default",)), UNQUALIFIED, False),
        # The role of a subject is in no namespace.
        (scope(include_namespaces=("shop",)), ACCOUNT, False),
        (scope(), ACCOUNT, True),
        (scope(), IMAGE, False),
    ],
)
def test_absent_subject_must_be_selected(selection: EvaluatedScope, subject: AnySubject, *, is_closed: bool) -> None:
    assert submit(selection).closes(PRIVILEGED, "misconfiguration", build(subject), None) is is_closed


@pytest.mark.parametrize(
    ("hides", "entry", "is_closed"),
    [
        (None, build(), True),
        (HiddenObjects(), build(), False),
        (HiddenObjects("apps", "Deployment"), build(), False),
        (HiddenObjects("apps", "*"), build(), False),
        (HiddenObjects("apps", "StatefulSet"), build(), True),
        (HiddenObjects("extensions", "Deployment"), build(), True),
        (HiddenObjects("apps", "Deployment", "shop"), build(), False),
        (HiddenObjects("apps", "Deployment", "blog"), build(), True),
        (HiddenObjects("apps", "Deployment", "shop", "web"), build(), False),
        (HiddenObjects("apps", "Deployment", "shop", "api"), build(), True),
        (HiddenObjects("", "Namespace", "shop"), build(NAMESPACE), False),
        (HiddenObjects("", "Namespace", name="shop"), build(NAMESPACE), False),
        (HiddenObjects("rbac.authorization.k8s.io", "ClusterRole"), build(ACCOUNT), False),
        (HiddenObjects("rbac.authorization.k8s.io", "RoleBinding", "blog"), build(ACCOUNT), True),
        (HiddenObjects(origin="deploy/web.yaml"), build(origin="deploy/web.yaml"), False),
        (HiddenObjects(origin="deploy"), build(origin="deploy/web.yaml"), False),
        (HiddenObjects(origin="deploy/web.yaml"), build(origin="deploy/web.yaml.bak"), True),
        (HiddenObjects(origin="deploy/web"), build(origin="deploy/web.yaml"), True),
        # A chart may depend on a file in any folder.
        (HiddenObjects(origin="library/values.yaml"), build(origin="charts/web", is_generated=True), False),
    ],
)
def test_gap_hides_absent_subjects(hides: HiddenObjects | None, entry: SubjectEntry, *, is_closed: bool) -> None:
    assert submit(scope(), hides).closes(PRIVILEGED, "misconfiguration", entry, None) is is_closed
    assert submit(scope(), hides).closes(PRIVILEGED, "misconfiguration", entry, entry)


@pytest.mark.parametrize(
    ("kinds", "unassessed", "is_closed"),
    [
        (("vulnerability",), (), True),
        ((), (), False),
        (("secret",), (), False),
        (("vulnerability",), (PURL,), False),
        (("vulnerability",), ("pkg:deb/debian/bash@5",), True),
    ],
)
def test_listed_problem_needs_a_complete_list(
    kinds: tuple[str, ...], unassessed: tuple[str, ...], *, is_closed: bool
) -> None:
    evidence = EvidenceDocument(package=AffectedPackage(PURL, "zlib1g", "1.2"))
    finding = SubmittedFinding("CVE-2026-1", "c" * 16, (evidence,))
    now = build(IMAGE, listed_kinds=kinds, unassessed=unassessed)
    assert submit(scope()).closes(finding, "vulnerability", build(IMAGE), now) is is_closed
    assert not submit(scope()).closes(finding, "vulnerability", build(IMAGE), None)


@pytest.mark.parametrize(
    ("source", "key"),
    [
        (SourceCluster("9f86d081", "production"), "cluster/9f86d081"),
        (SourceRegistry("registry.example.com:5000"), "registry/registry.example.com:5000"),
        (SourceRepository("github.com/shop/web", (), "main", "1" * 40), "repository/github.com/shop/web//"),
        (SourceRepository("github.com/shop/web", ("a,b", "c/d")), "repository/github.com/shop/web//a%2Cb,c/d"),
    ],
)
def test_key_of_a_source_has_no_changing_part(source: ScannedSource, key: str) -> None:
    assert source.key == key
    assert source.branch_name == getattr(source, "branch", "")


def test_document_has_the_published_schema() -> None:
    schema = json.loads((Path(kubekeep.__file__).parent / "model" / "submission-v1.schema.json").read_text())
    submission = msgspec.structs.replace(
        submit(scope(include_namespaces=("shop",)), HiddenObjects("apps", "Deployment")), subjects=(build(ACCOUNT),)
    )
    document = json.loads(encode_json(submission))
    jsonschema.validate(document, schema)
    assert msgspec.json.decode(encode_json(submission), type=Submission) == submission
    for field, value in (("schema", "kubekeep.io/submission/v2"), ("manifest", "x"), ("source", {"type": "cluster"})):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(document | {field: value}, schema)
