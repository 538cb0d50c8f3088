"""Exceptions that stand beside the resource, as annotations of the object or its pods. Never decides what has failed.

`kubescape.io/skip-controls` names controls, `skip-reason` and `skip-expiry` say why and until when; the same with
`kubekeep.io/`. `kubescape.io/ignore`, a label or an annotation, is Kubescape's own exception for a whole object.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from kubekeep.library.exception import Exemption, Policy, expiry, literal
from kubekeep.model.location import Location, Path
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
                    yield Exemption(waiver=_waiver(resource, (*place, field, ignore), ignore, annotations))


def _skipped(resource: Resource, at: Path, prefix: str, annotations: Mapping[str, Any]) -> Exemption:
    key = f"{prefix}{CONTROLS}"
    said = annotations[key]
    names = [name.strip() for name in said.split(",") if name.strip()] if isinstance(said, str) else []
    flaw, until = "", None
    expires = annotations.get(f"{prefix}{EXPIRY}")
    if not names:
        flaw = f"{key} names no control"
    elif _ALL in names:
        flaw = f"{key} has to name the controls"
    elif expires is not None:
        try:
            until = expiry(str(expires))
        except ValueError as error:
            flaw = f"{prefix}{EXPIRY}: {error}"
    return Exemption(
        waiver=_waiver(resource, (*at, key), key, annotations, str(annotations.get(f"{prefix}{REASON}") or ""), until),
        policies=tuple(Policy(control=literal(name)) for name in names),
        flaw=flaw,
    )


def _waiver(
    resource: Resource, at: Path, key: str, annotations: Mapping[str, Any], reason: str = "", until: Any = None
) -> Waiver:
    owner = "/".join(filter(None, (resource.namespace, resource.kind, resource.name)))
    prefix = f"{key.partition('/')[0]}/"
    text = {name: value for name, value in annotations.items() if str(name).startswith(f"{prefix}skip-") or name == key}
    place: Location | None = resource.locate(at)
    return Waiver(
        name=f"{key} of {owner}",
        source=WaiverSource.ANNOTATION,
        reason=reason,
        expires=until,
        location=place,
        text=json_text({"name": f"{key} of {owner}", "attributes": text}),
    )


def _texts(metadata: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    found = metadata.get(field)
    return found if isinstance(found, dict) else {}
