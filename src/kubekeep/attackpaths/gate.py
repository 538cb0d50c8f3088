"""Whether attack paths are reason enough to stop. Only those count that rest on no assumption."""

from __future__ import annotations

from kubekeep.attackpaths.exposure import INTERNET
from kubekeep.attackpaths.places import ANONYMOUS
from kubekeep.model.attack import AttackNodeKind, AttackQuery, Attacks


def is_open(attacks: Attacks, question: AttackQuery) -> bool:
    """Whether someone outside gets to be cluster-admin or, if sources or targets are named, any of the paths is sure."""
    sure = [path for path in attacks.paths if not path.assumptions]
    if question.sources or question.targets:
        return bool(sure)
    return any(
        path.source.id in (INTERNET, ANONYMOUS) and path.target.kind is AttackNodeKind.CLUSTER_ADMIN for path in sure
    )
