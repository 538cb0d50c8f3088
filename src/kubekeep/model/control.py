"""A control: what must hold, why, how to fix it, and where its rule applies. Carries no rule engine."""

from __future__ import annotations

import enum
from typing import Final, Literal

import msgspec

from kubekeep.model.severity import Severity

WORKLOAD = "workload"
"""The target that stands for every kind with a pod spec."""
SUBJECT = "rbac-subject"
"""The target that stands for an RBAC subject joined with one of its bindings and the role it grants."""
EVERYTHING = "*"
"""The target that stands for every kind: of rules that users bring along, where none tells which."""


CUSTOM = "custom-rules"
"""The slug of the framework of what users bring along beside the library."""
POLICIES = "policies"
"""The area of the controls that are admission policies of a cluster."""
LOADED = "loaded-"
"""What the slugs of controls begin with that come from bundles."""

Provider = Literal["eks", "aks", "gke"]
"""The managed platforms that some controls are about."""


class Answer(enum.StrEnum):
    """What it takes to answer a control, in the words of reports."""

    AUTOMATED = "automated"
    """Objects of the cluster or their manifests are enough."""
    HOST = "host data"
    CLOUD = "cloud data"
    IMAGE = "image data"
    MANUAL = "manual"


HOST_DATA: Final = "hostdata.kubescape.cloud"
"""The API group of documents that are collected on nodes."""
_DOCUMENTS: Final = {
    "KubeletConfiguration": Answer.HOST,
    "armo.vuln.images": Answer.IMAGE,
    "container.googleapis.com": Answer.CLOUD,
    "eks.amazonaws.com": Answer.CLOUD,
    HOST_DATA: Answer.HOST,
    "image.vulnscan.com": Answer.IMAGE,
    "management.azure.com": Answer.CLOUD,
}
"""Documents that are no objects of a cluster, by API group: somebody collects them and adds them to the input."""


PLATFORMS: Final[dict[str, Provider]] = {
    "container.googleapis.com": "gke",
    "eks.amazonaws.com": "eks",
    "management.azure.com": "aks",
}
"""The managed platforms that some of these documents are about, by API group."""


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A list of strings that users may set (`--controls-config`), with its default."""

    description: str
    default: tuple[str, ...] = ()
    required: bool = False
    """Without a value the control is not evaluated: there is nothing to compare with."""


class Control(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One control of the library, as its `control.yaml` says; `slug`, `area` and `page` come from where that lies."""

    slug: str = ""
    area: str = ""
    page: str = ""
    """Its page of the documentation; empty for a control that does not come with Kubekeep."""
    title: str
    severity: float
    """Severity score, 0 to 10."""
    asks: str
    why: str
    fix: str
    impact: str = ""
    default_value: str = ""
    references: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    """`workload`, `rbac-subject`, a built-in kind (`Service`) or `group/Kind`. Nothing for a manual control."""
    audit: str = ""
    """What a person does to answer a manual control, which has no rule."""
    rule: str = ""
    """The slug of the control whose rule and cases this one shares: it asks the same for another framework."""
    providers: tuple[Provider, ...] = ()
    """The managed platforms that it is about; none for all clusters."""
    scope: Literal["file", "cluster"] = "file"
    """`cluster`: files alone cannot answer it, unless it is asked for by name or they are a whole cluster."""
    relates: tuple[str, ...] = ()
    """What the rule compares with, in `input.cluster`, once the whole input is read: kinds, `workload` for
    everything with pods, `rbac-subject` for what service accounts are granted."""
    within: dict[str, Literal["own", "named", "kube-system", "mentioned"]] = {}
    """Of what it relates, the kinds that the rule looks up in some namespaces only: the one of the object that it judges
    (its own name, for a Namespace), kube-system, or its own and those that its text names. `named` is its own, and there
    no more than what `named` and `selecting` have under names and labels in its text. What changes elsewhere changes no
    verdict then, and a scan of some namespaces does not look there: so a rule declines where its text names a namespace
    of which nothing is known."""
    only_for: dict[str, tuple[str, ...]] = {}
    """Of what it relates, the kinds that the rule looks up only for objects of some of its targets, with these: where such
    a kind is not shown, the verdicts on everything else are true all the same."""
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
    def chapters(self) -> tuple[tuple[str, str], ...]:
        """What it says to people after its title, by heading; without the chapters that are empty."""
        chapters = (
            ("What it asks", self.asks),
            ("Why it matters", self.why),
            ("How to check it", self.audit),
            ("How to fix it", self.fix),
            ("What fixing it may break", self.impact),
            ("When nothing is said", self.default_value),
        )
        return tuple((heading, text.strip()) for heading, text in chapters if text.strip())

    @property
    def link(self) -> str:
        """Where to read on: its page, else its first reference; empty without either."""
        return self.page or next((link for link in self.references if link.startswith("https://")), "")

    @property
    def answer(self) -> Answer:
        """What it takes at least to answer it."""
        kinds = {self._answer(target) for target in (*self.targets, *self.relates)}
        if self.manual:
            return Answer.MANUAL
        if Answer.IMAGE in kinds:
            return Answer.IMAGE
        return min(kinds, key=list(Answer).index)

    def answered_by_documents(self, provider: Provider | None = None) -> bool:
        """Whether collected documents can answer it for a cluster of `provider`, wherever they are found.

        A control of managed platforms that looks at objects of the cluster too has documents for some platforms only.
        """
        answers = {self._answer(target) for target in self.targets}
        if self.providers and Answer.AUTOMATED in answers:
            return provider is not None and provider in {
                PLATFORMS.get(target.partition("/")[0]) for target in self.targets
            }
        return bool(answers - {Answer.AUTOMATED})

    @staticmethod
    def _answer(target: str) -> Answer:
        return _DOCUMENTS.get(target.partition("/")[0], Answer.AUTOMATED)

    @property
    def manual(self) -> bool:
        """Whether only a person can answer it."""
        return bool(self.audit)

    @property
    def brought(self) -> bool:
        """Whether a user brought it along, so that the library that comes with Kubekeep does not explain it."""
        return CUSTOM in self.satisfies or self.slug.startswith(LOADED) or self.area == POLICIES

    @property
    def rule_name(self) -> str:
        """The slug of the control whose rule decides: its own, but for a shared rule."""
        return self.rule or self.slug

    @property
    def package(self) -> str:
        """The Rego package of its rule, below `data`."""
        return f"kubekeep.controls.{self.rule_name.replace('-', '_')}"
