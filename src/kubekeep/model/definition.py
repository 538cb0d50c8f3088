"""Definitions of problems: the facts that all findings of a control, a vulnerability or another check share. No I/O."""

from __future__ import annotations

import enum
from typing import Final, Literal

import msgspec

from kubekeep.model.priority import Priority
from kubekeep.model.severity import Severity


class FindingKind(enum.StrEnum):
    """Published kinds of problems. A definition may have another kind: consumers never depend on the kind."""

    MISCONFIGURATION = "misconfiguration"
    VULNERABILITY = "vulnerability"
    SECRET = "secret"  # noqa: S105 - a kind of finding, not a password
    SIGNATURE = "signature"
    """A missing or invalid signature or attestation."""
    DRIFT = "drift"
    """A difference between the declared and the running state."""
    RUNTIME = "runtime"
    """A detection in a running process, file system, network connection or memory."""


_UNPREFIXED: Final = frozenset({FindingKind.MISCONFIGURATION, FindingKind.VULNERABILITY})
"""Kinds with identifiers that no other kind uses."""


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A list of strings that users may set (`--controls-config`), with its default."""

    description: str
    default: tuple[str, ...] = ()
    required: bool = False
    """True if the control is not evaluated without a value."""


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """The problem that findings report, independent of any subject.

    slug: key of its verdicts, unique in a scan. page: URL of its documentation. asks: the requirement. fix: remediation as
    text. ids: identifiers, the best known first.
    """

    slug: str = ""
    area: str = ""
    page: str = ""
    title: str
    severity: float
    """Severity score, 0 to 10."""
    effect: Literal["security", "availability", "practice"] = "security"
    """Consequence of a failure: `availability` (outage, not compromise) and `practice` limit its priority."""
    asks: str = ""
    why: str = ""
    fix: str
    impact: str = ""
    default_value: str = ""
    references: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    overlaps: tuple[str, ...] = ()
    """Slugs of definitions that report the same field for the same reason, as far as they go. Reports for people show the
    field once; a framework of distinct problems has none of these pairs."""
    targets: tuple[str, ...] = ()
    """`workload`, `rbac-subject`, a built-in kind (`Service`) or `group/Kind`; empty for a manual control."""
    relates: tuple[str, ...] = ()
    """Kinds of related resources that the rule looks up in `input.cluster`; `workload` for every kind with pods,
    `rbac-subject` for the permissions of service accounts."""
    params: dict[str, Parameter] = {}
    satisfies: dict[str, tuple[str, ...]] = {}
    """Requirements or sections that it serves, by slug of the framework."""

    def __hash__(self) -> int:
        return hash(self.slug)

    @property
    def kind(self) -> str:
        """Kind of its findings, as a rule one of `FindingKind`."""
        return FindingKind.MISCONFIGURATION

    @property
    def is_requirement(self) -> bool:
        """True if subjects are expected to pass it: scores, compliance and coverage measure it."""
        return False

    @property
    def concerns_packages(self) -> bool:
        """True if each piece of its evidence is a package, so that reports show it by package and upgrade."""
        return False

    @property
    def is_rated(self) -> bool:
        """True if gates count it: by default an unknown severity is counted as the highest one."""
        return True

    @property
    def urgency(self) -> Priority | None:
        """The priority of its findings regardless of their context; None if the context decides."""
        return None

    def join(self, other: Definition) -> Definition:  # noqa: ARG002 - for definitions that subjects describe
        """Return one definition of the same problem, as two subjects describe it."""
        return self

    @property
    def is_user_supplied(self) -> bool:
        """True if the built-in library does not explain it."""
        return True

    @property
    def id(self) -> str:
        """Identifier in reports: the first of `ids`, or the slug if there is none."""
        return self.ids[0] if self.ids else self.slug

    @property
    def key(self) -> str:
        """The identifier with the kind, unless no other kind uses it: the name in fingerprints and submissions."""
        return self.id if self.kind in _UNPREFIXED else f"{self.kind} {self.id}"

    @property
    def level(self) -> Severity:
        """The severity band of the score."""
        return Severity.from_score(self.severity)

    @property
    def chapters(self) -> tuple[tuple[str, str], ...]:
        """Headings and texts of the description, without empty texts."""
        chapters = (
            ("Requirement", self.asks),
            ("Risk", self.why),
            ("Remediation", self.fix),
            ("Impact", self.impact),
            ("Default value", self.default_value),
        )
        return select_texts(chapters)

    @property
    def link(self) -> str:
        """URL of its documentation, or of its first reference; empty if there is neither."""
        return self.page or next((link for link in self.references if link.startswith("https://")), "")


def select_texts(chapters: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return the chapters that have a text."""
    return tuple((heading, text.strip()) for heading, text in chapters if text.strip())
