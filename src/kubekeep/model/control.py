"""Controls: texts, severity, targets and scope of a check. Contains no rule engine."""

from __future__ import annotations

import enum
from typing import Final, Literal

import msgspec

from kubekeep.model.definition import Definition, select_texts

WORKLOAD = "workload"
"""The target for every kind with a pod spec."""
SUBJECT = "rbac-subject"
"""The target for RBAC subjects, each joined with one of its bindings and the granted role."""
EVERYTHING = "*"
"""The target for every kind, of user-supplied rules without targets."""


CUSTOM = "custom-rules"
"""The slug of the framework of user-supplied rules."""
POLICIES = "policies"
"""The area of controls that are admission policies of a cluster."""
LOADED = "loaded-"
"""The prefix of the slugs of controls from bundles."""

Provider = Literal["eks", "aks", "gke"]
"""A managed platform with controls of its own."""


class RequiredData(enum.StrEnum):
    """Data required to evaluate a control; the values are the terms in reports."""

    AUTOMATED = "automated"
    """Objects of the cluster, or their manifests."""
    HOST = "host data"
    CLOUD = "cloud data"
    IMAGE = "image data"
    MANUAL = "manual"


IMAGE_DOCUMENT: Final = "image.kubekeep.io/ContainerImage"
"""The kind of documents that describe an image."""
HOST_DATA: Final = "hostdata.kubescape.cloud"
"""The API group of documents collected on nodes."""
_DOCUMENTS: Final = {
    "KubeletConfiguration": RequiredData.HOST,
    "armo.vuln.images": RequiredData.IMAGE,
    "container.googleapis.com": RequiredData.CLOUD,
    "eks.amazonaws.com": RequiredData.CLOUD,
    HOST_DATA: RequiredData.HOST,
    "image.vulnscan.com": RequiredData.IMAGE,
    "management.azure.com": RequiredData.CLOUD,
}
"""Collected documents, which are no objects of a cluster, by API group (or kind, for kubelet configurations)."""


def is_collected(target: str) -> bool:
    """Return True if a target of controls is a document that a scan has only if someone or something collected it."""
    return target.partition("/")[0] in _DOCUMENTS


PLATFORMS: Final[dict[str, Provider]] = {
    "container.googleapis.com": "gke",
    "eks.amazonaws.com": "eks",
    "management.azure.com": "aks",
}
"""Managed platform that a document of the cloud describes, by API group of the document."""


class Control(Definition, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One control, as in its `control.yaml`; `slug`, `area` and `page` are derived from its folder."""

    asks: str
    why: str
    audit: str = ""
    """Instructions for a manual control, which has no rule."""
    rule: str = ""
    """The slug of the control that owns the shared rule and its cases; empty for a rule of its own."""
    providers: tuple[Provider, ...] = ()
    """The managed platforms it applies to; empty for all clusters."""
    scope: Literal["file", "cluster"] = "file"
    """`cluster` if the control needs a whole cluster; files are evaluated only if the control is named."""
    within: dict[str, Literal["own", "named", "kube-system", "mentioned"]] = msgspec.field(default_factory=dict)
    """Kinds of `relates` that the rule looks up in some namespaces only; the others are looked up in all.

    `own` is the namespace of the evaluated object (for a Namespace, the one of its name), `kube-system` that namespace,
    `mentioned` the own namespace and those named in the object's text. `named` is the own namespace, restricted to
    objects that the object's text names or selects. Changes elsewhere do not affect verdicts, and a scan of some
    namespaces lists nothing elsewhere; a rule must return `not_evaluated` if the object names a namespace that was not
    read."""
    only_for: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    """Kinds of `relates` that the rule looks up for some of its targets only, with these targets. A coverage gap of such
    a kind affects no other verdicts."""

    exempting: tuple[str, ...] = ()
    """Kinds of `relates` whose objects can only exempt resources, so that more of them never add a failure.

    The rule names these kinds in `exempt_by` of the violations that such an object could remove. A coverage gap of such
    a kind affects no other verdicts."""

    secure_without: dict[str, str] = msgspec.field(default_factory=dict)
    """Reasons why the absence of a kind of resource, or of a field, is the secure state, by kind or path of the field.

    Paths have `[]` for indexes and begin at the resource, or at the pod spec; `containers[]` are containers of all types.
    Without a declaration, tests accept no verdict that becomes "passed" because something is missing."""

    def __hash__(self) -> int:
        return hash(self.slug)

    @property
    def is_requirement(self) -> bool:
        """True: scores, compliance and coverage measure controls."""
        return True

    @property
    def chapters(self) -> tuple[tuple[str, str], ...]:
        """Headings and texts of the description, without empty texts."""
        chapters = (
            ("Requirement", self.asks),
            ("Risk", self.why),
            ("Audit", self.audit),
            ("Remediation", self.fix),
            ("Impact", self.impact),
            ("Default value", self.default_value),
            ("Secure absences", "\n".join(f"- `{part}`: {reason}" for part, reason in self.secure_without.items())),
        )
        return select_texts(chapters)

    @property
    def required_data(self) -> RequiredData:
        """The data required for at least one verdict."""
        kinds = {self._classify_kind(target) for target in (*self.targets, *self.relates)}
        if self.is_manual:
            return RequiredData.MANUAL
        if RequiredData.IMAGE in kinds or IMAGE_DOCUMENT in self.relates:
            return RequiredData.IMAGE
        return min(kinds, key=list(RequiredData).index)

    def uses_only_documents(self, provider: Provider | None = None) -> bool:
        """Return True if collected documents are enough to evaluate the control on a cluster of `provider`.

        A control of managed platforms with cluster objects among its targets uses documents on some platforms only.
        """
        required = {self._classify_kind(target) for target in self.targets}
        if self.providers and RequiredData.AUTOMATED in required:
            return provider is not None and provider in {
                PLATFORMS.get(target.partition("/")[0]) for target in self.targets
            }
        return bool(required - {RequiredData.AUTOMATED})

    @staticmethod
    def _classify_kind(target: str) -> RequiredData:
        return _DOCUMENTS.get(target.partition("/")[0], RequiredData.AUTOMATED)

    @property
    def is_manual(self) -> bool:
        """True if the control needs a manual review."""
        return bool(self.audit)

    @property
    def is_user_supplied(self) -> bool:
        """True if a user supplied it, so the built-in library does not explain it."""
        return CUSTOM in self.satisfies or self.slug.startswith(LOADED) or self.area == POLICIES

    @property
    def rule_name(self) -> str:
        """The slug of the control that owns its rule."""
        return self.rule or self.slug

    @property
    def package(self) -> str:
        """The Rego package of its rule, below `data`."""
        return f"kubekeep.controls.{self.rule_name.replace('-', '_')}"
