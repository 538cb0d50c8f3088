"""How far the rules of controls look: which kinds they need of the whole cluster, and which only of what they judge.

Goes by what controls declare (`within`), of those of the library alone. Never looks at objects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kubekeep.model.control import SUBJECT, Control
from kubekeep.posture.routes import GATEWAY_ROUTES, VIRTUAL_SERVICE

_LEADING: Final = frozenset({SUBJECT, VIRTUAL_SERVICE, *GATEWAY_ROUTES})
"""What is looked up where it leads: a RoleBinding or a route may be in another namespace than what it is about."""
_ROLES: Final = "ClusterRole"
"""What bindings of all namespaces lead to, and is in none."""


def is_declared(control: Control) -> bool:
    """Whether what `control` says of its rule is held by tests: what others say of theirs, nobody has checked."""
    return bool(control.page) and not control.brought


def wide(control: Control) -> frozenset[str]:
    """The kinds that `control` looks at wherever they are, when it judges what is in some namespaces.

    Those that it relates and are not among these it looks up in the namespace of what it judges. `mentioned` and
    `kube-system` are not wide: rules say themselves that they know nothing of a namespace that the objects name, and
    what they look up in kube-system tells only of objects there, but for settings of Cilium.
    """
    if not is_declared(control):
        return frozenset((*control.targets, *control.relates))
    if SUBJECT in control.targets:
        # A subject is of another namespace than the binding that it is judged for.
        return frozenset((*control.relates, _ROLES))
    return frozenset(kind for kind in control.relates if kind in _LEADING or kind not in control.within)


def judges_nothing(control: Control, is_inside: Callable[[str], bool]) -> bool:
    """Whether `control` judges nothing in a namespace, as `is_inside` says of what its targets stand for."""
    return is_declared(control) and not control.answered_by_documents() and not any(map(is_inside, control.targets))
