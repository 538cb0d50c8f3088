"""A control: what must hold, why, how to fix it, and where its rule applies. Carries no rule engine."""

from __future__ import annotations

from typing import Literal

import msgspec

from kubekeep.model.severity import Severity

WORKLOAD = "workload"
"""The target that stands for every kind with a pod spec."""
SUBJECT = "rbac-subject"
"""The target that stands for an RBAC subject joined with one of its bindings and the role it grants."""


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A list of strings that users may set (`--controls-config`), with its default."""

    description: str
    default: tuple[str, ...] = ()
    required: bool = False
    """Without a value the control is not evaluated: there is nothing to compare with."""


class Control(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One control of the library, as its `control.yaml` says; `slug` and `area` are its folder's names."""

    slug: str = ""
    area: str = ""
    title: str
    severity: float
    """Severity score, 0 to 10."""
    asks: str
    why: str
    fix: str
    impact: str = ""
    default_value: str = ""
    references: tuple[str, ...] = ()
    targets: tuple[str, ...]
    """`workload`, `rbac-subject`, a built-in kind (`Service`) or `group/Kind`."""
    scope: Literal["file", "cluster"] = "file"
    """`cluster`: files alone cannot answer it, unless it is asked for by name or they are a whole cluster."""
    relates: tuple[str, ...] = ()
    """Kinds that the rule compares with: it finds them in `data.cluster` once the whole input is read."""
    params: dict[str, Parameter] = {}
    ids: tuple[str, ...] = ()
    satisfies: dict[str, tuple[str, ...]] = {}
    """Framework name to the requirements or sections in it that this control serves."""

    def __hash__(self) -> int:
        return hash(self.slug)

    @property
    def id(self) -> str:
        """What reports print: the first number, or the slug for a control without one."""
        return self.ids[0] if self.ids else self.slug

    @property
    def level(self) -> Severity:
        """The severity band of the score."""
        return Severity.of(self.severity)

    @property
    def package(self) -> str:
        """The Rego package of its rule, below `data`."""
        return f"kubekeep.controls.{self.slug.replace('-', '_')}"
