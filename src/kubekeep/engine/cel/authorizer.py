"""The signatures of the authorizer's functions, so that expressions with it are checked. Never decides anything.

What an authorizer says is known to a cluster only: the variable itself has no value here.
"""

from __future__ import annotations

from typing import Any, Final

from kubekeep.engine.cel.functions import Functions
from kubekeep.engine.cel.values import UnavailableError

AUTHORIZER: Final = Functions()

_TYPE: Final = "kubernetes.authorization."
CHECKER: Final = f"{_TYPE}Authorizer"
_GROUP, _RESOURCE, _PATH, _DECISION = (
    f"{_TYPE}GroupCheck",
    f"{_TYPE}ResourceCheck",
    f"{_TYPE}PathCheck",
    f"{_TYPE}Decision",
)


def _unavailable(*_: Any) -> Any:
    raise UnavailableError("authorizer: only a cluster can tell")


for _name, _signatures in {
    "path": (f"{CHECKER}, string -> {_PATH}",),
    "group": (f"{CHECKER}, string -> {_GROUP}",),
    "serviceAccount": (f"{CHECKER}, string, string -> {CHECKER}",),
    "resource": (f"{_GROUP}, string -> {_RESOURCE}",),
    "subresource": (f"{_RESOURCE}, string -> {_RESOURCE}",),
    "namespace": (f"{_RESOURCE}, string -> {_RESOURCE}",),
    "name": (f"{_RESOURCE}, string -> {_RESOURCE}",),
    "fieldSelector": (f"{_RESOURCE}, string -> {_RESOURCE}",),
    "labelSelector": (f"{_RESOURCE}, string -> {_RESOURCE}",),
    "check": (f"{_RESOURCE}, string -> {_DECISION}", f"{_PATH}, string -> {_DECISION}"),
    "allowed": (f"{_DECISION} -> bool",),
    "errored": (f"{_DECISION} -> bool",),
    "error": (f"{_DECISION} -> string",),
    "reason": (f"{_DECISION} -> string",),
}.items():
    AUTHORIZER.member(_name, *_signatures)(_unavailable)
