"""Exceptions that stand beside the resource, as annotations of the object or its pods. Never decides what has failed.

`kubescape.io/skip-controls` names controls, `skip-reason` and `skip-expiry` say why and until when; the same with
`kubekeep.io/`. `kubescape.io/ignore`, a label or an annotation, is Kubescape's own exception for a whole object.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from kubekeep.library.exception import Exemption, Policy, expiry
from kubekeep.model.location import Path
from kubekeep.model.resource import Resource
from kubekeep.model.text import json_text
from kubekeep.model.waiver import Waiver, WaiverSource
from kubekeep.model.workload import pod_path, value_at_or

PREFIXES: Final = ("kubekeep.io/", "kubescape.io/")
CONTROLS: Final = "skip-controls"
REASON: Final = "skip-reason"
EXPIRY: Final = "skip-expiry"
IGNORE: Final = "ignore"
_METADATA: Final[Path] = ("metadata",)
_ON: Final = frozenset({"true", "yes", "1", "enable", "enabled"})
_ALL: Final = "*"


def exemptions_of(resource: Resource) -> Iterator[Exemption]:
    """The exceptions that `resource` carries, each for itself alone."""
    pod = pod_path(resource)
    for place in (_METADATA, *([(*pod, *_METADATA)] if pod else [])):
        metadata = value_at_or(resource.object, place, None)
        if not isinstance(metadata, dict):
            continue
        annotations = _texts(metadata, "annotations")
        for prefix in PREFIXES:
            if f"{prefix}{CONTROLS}" in annotations:
                yield _skipped(resource, (*place, "annotations"), prefix, annotations)
            ignore = f"{prefix}{IGNORE}"
            for field in ("annotations", "labels"):
                if str(_texts(metadata, field).get(ignore, "")).casefold() in _ON:
                    yield _exemption(resource, (*place, field, ignore), annotations)


def _skipped(resource: Resource, at: Path, prefix: str, annotations: Mapping[str, Any]) -> Exemption:
    key = f"{prefix}{CONTROLS}"
    said = annotations[key]
    names = [name.strip() for name in said.split(",") if name.strip()] if isinstance(said, str) else []
    flaw = ""
    if not names:
        flaw = f"{key} names no control"
    elif _ALL in names:
        flaw = f"{key} has to name the controls"
    return _exemption(
        resource, (*at, key), annotations, tuple(Policy(control=name, exact=True) for name in names), flaw
    )


def _exemption(
    resource: Resource, at: Path, annotations: Mapping[str, Any], policies: tuple[Policy, ...] = (), flaw: str = ""
) -> Exemption:
    """An exception that stands at `at`, with the reason and the expiry beside it."""
    key = str(at[-1])
    name = f"{key} of {'/'.join(filter(None, (resource.namespace, resource.kind, resource.name)))}"
    # The prefixes may be mixed: a reason is nice to have, and an expiry must never be overlooked.
    keys = [f"{prefix}{part}" for part in (CONTROLS, REASON, EXPIRY) for prefix in PREFIXES]
    text = {name: annotations[name] for name in keys if name in annotations}
    reasons = [str(annotations[name]) for name in keys[2:4] if name in annotations]
    until = None
    for field in keys[4:]:
        if field in annotations:
            try:
                moment = expiry(str(annotations[field]))
            except ValueError as error:
                flaw = flaw or f"{field}: {error}"
            else:
                until = moment if until is None else min(until, moment)
    return Exemption(
        waiver=Waiver(
            name=name,
            source=WaiverSource.ANNOTATION,
            reason=next(iter(reasons), ""),
            expires=until,
            location=resource.locate(at),
            text=json_text({"name": name, "attributes": text}),
        ),
        policies=policies,
        flaw=flaw,
    )


def _texts(metadata: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    found = metadata.get(field)
    return found if isinstance(found, dict) else {}
