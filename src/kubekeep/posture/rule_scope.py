"""Scope of rules: kinds a control needs cluster-wide, and kinds it needs only in the namespaces being evaluated.

Uses the declarations of controls (`within`), for controls of the library only. Never reads objects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kubekeep.model.control import SUBJECT, Control
from kubekeep.posture.routes import GATEWAY_ROUTES, VIRTUAL_SERVICE

_LEADING: Final = frozenset({SUBJECT, VIRTUAL_SERVICE, *GATEWAY_ROUTES})
"""Kinds that refer to objects in other namespaces: a RoleBinding or route may be in another namespace than its target."""
_ROLES: Final = "ClusterRole"
"""The cluster-scoped kind that bindings of all namespaces refer to."""


def is_scope_verified(control: Control) -> bool:
    """Return True if the control's declared scope is verified by our tests (false for user-supplied controls)."""
    return bool(control.page) and not control.is_user_supplied


def cluster_wide_kinds(control: Control) -> frozenset[str]:
    """Return the kinds that `control` reads cluster-wide even if only some namespaces are evaluated.

    The control reads its other related kinds only in the namespace of the evaluated resource. The scopes `mentioned` and
    `kube-system` do not count as cluster-wide: a rule returns "not evaluated" if a mentioned namespace is missing, and
    lookups in kube-system concern only objects there, except for settings of Cilium.
    """
    if not is_scope_verified(control):
        return frozenset((*control.targets, *control.relates))
    kinds = {kind for kind in control.relates if _is_read_elsewhere(kind, control.within.get(kind))}
    if SUBJECT in control.targets:
        # A subject may be in another namespace than its binding.
        kinds.update(kind for kind in control.relates if SUBJECT in control.only_for.get(kind, (SUBJECT,)))
        kinds.add(_ROLES)
    return frozenset(kinds)


def _is_read_elsewhere(kind: str, scope: str | None) -> bool:
    # A Role, unlike an account, can only be bound in its own namespace.
    return scope is None or (kind in _LEADING and (kind, scope) != (SUBJECT, "own"))


def has_no_targets(control: Control, is_evaluated: Callable[[str], bool]) -> bool:
    """Return True if `control` has no target for which `is_evaluated` is true. False for controls of documents."""
    return (
        is_scope_verified(control) and not control.uses_only_documents() and not any(map(is_evaluated, control.targets))
    )
