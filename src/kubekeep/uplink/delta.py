"""Deltas between submissions of one source: the changed subjects, and the findings by fingerprint. No I/O.

For example, a state has `Deployment web` with the findings 1a and 2b, and `Service web`. After 1a was fixed, 3c is new and the
Service is deleted, the delta has `Deployment web` with 3c, `closed` has 1a, and `removed` has the key of the Service.
`compute_delta` and `apply_delta` are inverse: `apply_delta(before, compute_delta(before, after))` is `after`.
"""

from __future__ import annotations

import msgspec

from kubekeep.model.errors import KubekeepError
from kubekeep.model.submission import SubjectEntry, Submission, compute_digest, compute_manifest
from kubekeep.model.text import encode_json


class DivergenceError(KubekeepError, ValueError):
    """A delta of another state than the one it is applied to: the whole submission must be sent again."""


def compute_delta(before: Submission, after: Submission) -> Submission:
    """Return the delta that leads from one whole submission to a later one of the same source."""
    previous = {entry.key: entry for entry in before.subjects}
    changed: list[SubjectEntry] = []
    closed: list[str] = []
    for entry in after.subjects:
        known = previous.pop(entry.key, None)
        if entry != known:
            changed.append(entry if known is None else _keep_changed_findings(known, entry, closed))
    definitions, images = {*before.definitions}, {image.digest: image for image in before.images}
    changed_images = [image for image in after.images if images.pop(image.digest, None) != image]
    return msgspec.structs.replace(
        after,
        base=before.manifest,
        definitions=tuple(definition for definition in after.definitions if definition not in definitions),
        subjects=tuple(changed),
        images=tuple(changed_images),
        removed=tuple(sorted(previous)),
        removed_images=tuple(sorted(images)),
        closed=tuple(sorted(closed)),
        permissions=None if after.permissions_digest == before.permissions_digest else after.permissions,
    )


def identify_state(submission: Submission) -> tuple[object, ...]:
    """Return what a server stores of a state, to compare it with another one."""
    return submission.manifest, submission.scope, submission.gaps, submission.permissions_digest


def apply_delta(state: Submission, delta: Submission) -> Submission:
    """Return the whole submission after a delta.

    Raises DivergenceError if the delta belongs to another state, or does not lead to the state that its manifest names.
    """
    same_source = (delta.source.key, delta.source.branch_name) == (state.source.key, state.source.branch_name)
    if delta.base != state.manifest or not same_source:
        raise DivergenceError(
            f"the delta {delta.id} changes state {delta.base}, but the last state is {state.manifest}"
        )
    merged = _merge(state, delta)
    if compute_manifest(compute_digest(encode_json(entry)) for entry in merged.subjects) != delta.manifest:
        raise DivergenceError(f"the delta {delta.id} does not lead to state {delta.manifest}")
    return merged


def _merge(state: Submission, delta: Submission) -> Submission:
    subjects = _merge_subjects(state, delta)
    images = {image.digest: image for image in state.images if image.digest not in delta.removed_images}
    images |= {image.digest: image for image in delta.images}
    used = {finding.definition for entry in subjects for finding in entry.findings} | {*delta.scope.definitions}
    definitions = {entry.key: entry for entry in (*state.definitions, *delta.definitions)}
    return msgspec.structs.replace(
        delta,
        base="",
        definitions=tuple(definitions[key] for key in sorted(definitions) if key in used),
        subjects=subjects,
        images=tuple(images[digest] for digest in sorted(images)),
        permissions=state.permissions if delta.permissions_digest == state.permissions_digest else delta.permissions,
        removed=(),
        removed_images=(),
        closed=(),
    )


def _merge_subjects(state: Submission, delta: Submission) -> tuple[SubjectEntry, ...]:
    closed, removed = {*delta.closed}, {*delta.removed}
    subjects = {entry.key: entry for entry in state.subjects if entry.key not in removed}
    for entry in delta.subjects:
        known = subjects.get(entry.key)
        subjects[entry.key] = entry if known is None else merge_entry(known, entry, closed)
    return tuple(subjects[key] for key in sorted(subjects))


def _keep_changed_findings(known: SubjectEntry, entry: SubjectEntry, closed: list[str]) -> SubjectEntry:
    """Return the entry with its new and changed findings; add the fingerprints of those that are gone to `closed`."""
    previous = {finding.fingerprint: finding for finding in known.findings}
    findings = [finding for finding in entry.findings if previous.pop(finding.fingerprint, None) != finding]
    closed.extend(previous)
    return msgspec.structs.replace(entry, findings=tuple(findings))


def merge_entry(known: SubjectEntry, entry: SubjectEntry, closed: set[str]) -> SubjectEntry:
    """Return a subject after a delta. entry: that of the delta. closed: the fingerprints that the delta closes."""
    findings = {finding.fingerprint: finding for finding in known.findings if finding.fingerprint not in closed}
    findings |= {finding.fingerprint: finding for finding in entry.findings}
    return msgspec.structs.replace(entry, findings=tuple(findings[key] for key in sorted(findings)))
