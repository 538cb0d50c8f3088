"""Hostile documents: each is converted to a valid submission, or refused with ForeignDocumentError."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import Submission
from kubekeep.model.text import encode_json, visible
from kubekeep_server.foreign import kubescape_container, kubescape_report, sarif, sbom
from kubekeep_server.foreign.decoding import MAX_BYTES, MAX_NAME, ForeignDocumentError
from kubekeep_server.foreign.parts import read_header
from tests.server.foreign.documents import (
    UID,
    build_container_scan,
    build_control,
    build_image_vulnerability,
    build_posture_report,
    build_result,
    build_run,
)
from tests.server.foreign.results import NOW, check_consistency
from tests.server.foreign.test_sbom import build_document, build_vulnerability

CLUSTER = SourceCluster(UID)
Convert = Callable[[bytes], Submission]
CONVERSIONS: dict[str, Convert] = {
    "report": lambda document: kubescape_report.convert([document], CLUSTER, NOW),
    "scan": lambda document: kubescape_container.convert([document], CLUSTER, NOW),
    "log": lambda document: sarif.convert(document, CLUSTER, NOW),
    "sbom": lambda document: sbom.convert(document, CLUSTER, NOW),
}
SUPPRESSION = {"kind": "inSource", "status": "accepted", "justification": "vendor"}
NOTIFICATION = {"level": "error", "message": {"text": "x"}, "associatedRule": {"id": "R1"}, "locations": [{}]}
DOCUMENTS: dict[str, Any] = {
    "report": build_posture_report(
        {
            "web": [build_control("C-0057"), build_control("C-0016", "skipped", "manual review")],
            "cart": [build_control("C-0057", "passed", "w/exceptions", exception=[{"name": "accepted"}])],
        },
        paginationInfo={"chunkNumber": 0, "isLastChunk": True},
        scanCoverage={
            "failedGVRPulls": [{"gvr": "apps/v1/deployments", "error": "forbidden"}],
            "notEvaluatedControls": [{"controlID": "C-0016", "reason": "x"}],
        },
        kubekeep={"choice": "", "unread": [{"file": "a.yaml", "message": "x"}]},
    ),
    "scan": build_container_scan(build_image_vulnerability(exceptionApplied=[{"name": "a", "actions": ["ignore"]}])),
    "log": {
        "version": "2.1.0",
        "runs": [
            build_run(
                build_result("R1", "a.py", suppressions=[SUPPRESSION], partialFingerprints={"a": "b"}),
                build_result("R2/x", "b.py", kind="open"),
                artifacts=[{"location": {"uri": "c.py", "uriBaseId": "ROOT", "index": 0}, "roles": ["resultFile"]}],
                invocations=[{"executionSuccessful": True, "toolExecutionNotifications": [NOTIFICATION]}],
            )
        ],
    },
    "sbom": build_document(
        build_vulnerability(analysis={"state": "resolved"}), compositions=[{"aggregate": "complete"}]
    ),
}
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [
            None, True, 0, -1, 1 << 63, 1e308, -0.0, "", "x" * 3000, "\0", "\u202e\r\n\x1b[31m", "../../etc/passwd", "\ufeff",
            "<script>alert(1)</script>", "'; DROP TABLE finding; --", "{{7*7}}", "file:///", "urn:cdx:", "wlid://",
            "%00", "pkg:deb/a%00b@1", "pkg:npm/" + "a" * 3000,
            "2026-12-01T00:00:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", [], {}, [[]], [None], {"": None},
        ]
    ),
    st.text(max_size=20),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)  # fmt: skip
RELAXED = settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])


def list_paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of each value."""
    yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from list_paths(inner, (*path, key))


def replace(document: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """Return a copy with another value at a path."""
    if not path:
        return value
    changed = copy.deepcopy(document)
    parent = changed
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = value
    return changed


def check(name: str, document: bytes) -> None:
    message = ""
    try:
        submission = CONVERSIONS[name](document)
    except ForeignDocumentError as error:
        message = str(error)
    if message:
        assert visible(message) == message
        return
    check_consistency(submission)
    text = encode_json(submission)
    assert msgspec.json.decode(text, type=Submission) == submission
    assert "\\u0000" not in text.replace("\\\\", "")
    names = [getattr(entry.subject, "name", "") for entry in submission.subjects]
    keys = [definition.key for definition in submission.definitions]
    assert all(len(part.encode()) <= MAX_NAME for part in (*names, *keys))


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_documents_are_converted(name: str) -> None:
    submission = CONVERSIONS[name](json.dumps(DOCUMENTS[name]).encode())
    assert any(entry.findings for entry in submission.subjects)


@RELAXED
@given(choice=st.data(), name=st.sampled_from(sorted(DOCUMENTS)))
def test_changed_values_are_converted_or_refused(choice: st.DataObject, name: str) -> None:
    document = DOCUMENTS[name]
    for _ in range(choice.draw(st.integers(1, 3))):
        path = choice.draw(st.sampled_from(list(list_paths(document))))
        document = replace(document, path, choice.draw(VALUES))
    check(name, json.dumps(document).encode("utf-8", "surrogatepass"))


@RELAXED
@given(choice=st.data(), name=st.sampled_from(sorted(DOCUMENTS)))
def test_changed_bytes_are_converted_or_refused(choice: st.DataObject, name: str) -> None:
    text = bytearray(json.dumps(DOCUMENTS[name]).encode())
    start = choice.draw(st.integers(0, len(text)))
    text[start : start + choice.draw(st.integers(0, 40))] = choice.draw(st.binary(max_size=8))
    check(name, bytes(text))


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b'"\\ud800"',
        b"[" * 200_000,
        b'{"version":' + b"[" * 200_000,
        b'{"results":[{"resourceID":"x","controls":' + b"[" * 100_000,
        b"SPDXVersion: SPDX-2.3\n" + b"PackageName: x\0\n" * 3,
        b"{" + b",".join(b'"%d":0' % number for number in range(1000)) + b"}",
    ],
)
def test_other_documents_are_converted_or_refused(name: str, document: bytes) -> None:
    check(name, document)


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_oversized_documents_are_refused(name: str) -> None:
    for document in (b" " * (MAX_BYTES + 1), b"[" + b"0," * 9_000_000 + b"0]"):
        with pytest.raises(ForeignDocumentError, match="may have"):
            CONVERSIONS[name](document)


def test_nested_objects_are_refused() -> None:
    report = copy.deepcopy(DOCUMENTS["report"])
    text = json.dumps(report).replace('"spec": {', '"deep": ' + "[" * 500 + "]" * 500 + ', "spec": {')
    check("report", text.encode())
    text = json.dumps(report).replace('"spec": {', '"relatedObjects": [{"kind": "a", ' * 300 + '"spec": {', 1)
    check("report", text.encode())


@given(document=st.binary(max_size=60))
def test_header_of_any_bytes_is_read_or_refused(document: bytes) -> None:
    message = ""
    try:
        read_header(document)
    except ForeignDocumentError as error:
        message = str(error)
    assert visible(message) == message
