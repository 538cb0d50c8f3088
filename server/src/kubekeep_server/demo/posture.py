"""Posture of the demo: the workloads and permissions of a cluster or repository with their findings on a day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from kubekeep.model.exception import ExceptionSource
from kubekeep.model.finding_document import EvidenceDocument, EvidenceLocation, Suppression
from kubekeep.model.resource import ResourceSubject
from kubekeep.model.submission import (
    ContainerEntry,
    NotEvaluatedEntry,
    SubjectEntry,
    SubmittedFinding,
    SuppressedEvidence,
)
from kubekeep_server.demo.catalog import load_catalog
from kubekeep_server.demo.chance import draw, draw_key
from kubekeep_server.demo.company import ENTRY_POINT, SERVICES, Cluster, Service
from kubekeep_server.demo.images import ServiceImage
from kubekeep_server.demo.priorities import NO_CONTEXT, Context, prioritise
from kubekeep_server.demo.timeline import (
    EXCEPTION_ENDS,
    NEXT_EXCEPTION_ENDS,
    OPERATOR_LIMITED_SINCE,
    RIGHTS_SINCE,
    SECRETS_HIDDEN_SINCE,
    START,
    get_release,
    to_time,
)

_CONTAINER: Final = "app"
_ORDINARY: Final = ("C-0013", "C-0016", "C-0017", "C-0034", "C-0055", "C-0260", "C-0268", "C-0269", "C-0271")
_PROBES: Final = ("C-0018", "C-0056")
_RARE: Final = ("C-0012", "C-0044", "C-0046")
_OF_NODES: Final = ("C-0038", "C-0041", "C-0048", "C-0057")
_RARITY: Final = 0.12
_API_VERSIONS: Final = {"CronJob": "batch/v1", "Pod": "v1"}
_POD_PATHS: Final = {"CronJob": "spec.jobTemplate.spec.template.spec", "Pod": "spec"}
_POD_PATH: Final = "spec.template.spec"
_POWER, _RIGHTS = "can take over its node", "can read Secrets"


class _Trend(NamedTuple):
    """Findings of a cluster over the year: the part that exists at the start, the parts of these that end and of others that begin."""

    existing: float
    ending: float
    beginning: float


_TRENDS: Final = {
    Cluster.EUROPE: _Trend(0.8, 0.85, 0.0),
    Cluster.AMERICA: _Trend(0.35, 0.0, 0.6),
    Cluster.STAGING: _Trend(0.6, 0.3, 0.1),
}


class Exemption(NamedTuple):
    """An exception for a finding. ends: its last day."""

    cluster: Cluster
    service: str
    weakness: str
    name: str
    reason: str
    ends: int


EXPIRED: Final = Exemption(
    Cluster.AMERICA,
    "card-vault",
    "C-0055",
    "card-vault-seccomp",
    "The profile for the hardware module is being tested.",
    EXCEPTION_ENDS,
)
ACTIVE: Final = Exemption(
    Cluster.EUROPE,
    "postgresql",
    "C-0017",
    "postgresql-data",
    "The image writes its sockets below /tmp until the next upgrade.",
    NEXT_EXCEPTION_ENDS,
)
_EXEMPTIONS: Final = (EXPIRED, ACTIVE)


class Scene(NamedTuple):
    """A cluster on a day, as it is deployed or as it is in the repositories. now: the time of day 0."""

    cluster: Cluster
    day: float
    now: dt.datetime

    def describe_workload(self, service: Service, *, file: str = "", added: Iterable[str] = ()) -> SubjectEntry:
        """Return a workload with its findings. file: of its manifest, in a repository. added: further weaknesses."""
        image = ServiceImage(service, get_release(service, self.cluster, self.day))
        weaknesses = {name for name in list_applicable(service) if self.has_weakness(service, name)}
        context = _find_context(service)
        findings = [
            self._describe_finding(service, name, image.reference, file, context)
            for name in sorted({*weaknesses, *added})
        ]
        is_entry = self.has_rights(service) and not file
        return SubjectEntry(
            draw_key(file, service.namespace, service.name, service.kind),
            ResourceSubject(_API_VERSIONS.get(service.kind, "apps/v1"), service.kind, service.name, service.namespace),
            origin=file,
            findings=_sort(findings),
            not_evaluated=_list_not_evaluated(service),
            containers=(ContainerEntry(_CONTAINER, image.reference, "" if file else image.digest),),
            exposure=context.exposure,
            power=context.power,
            rights=_RIGHTS if is_entry else "",
            owner=service.owner,
            labels=service.labels,
        )

    def has_rights(self, service: Service) -> bool:
        """Return True if a service can read Secrets."""
        return self.cluster is Cluster.AMERICA and service.name == ENTRY_POINT and self.day >= RIGHTS_SINCE

    def has_weakness(self, service: Service, weakness: str) -> bool:
        """Return True if a service has a finding on the day. Changes of a namespace are made together."""
        if any((self.cluster, service.name, weakness) == exemption[:3] for exemption in _EXEMPTIONS):
            return True
        if weakness in _OF_NODES:
            return True
        if weakness in _RARE and draw(service.name, weakness, "rare") >= _RARITY:
            return False
        trend = _TRENDS[self.cluster]
        key = (self.cluster, service.namespace, weakness)
        if draw(self.cluster, service.name, weakness) < trend.existing:
            return draw(*key, "ends") >= trend.ending or self.day < START * (1 - draw(*key, "end"))
        return draw(*key, "begins") < trend.beginning and self.day >= START * 0.6 * (1 - draw(*key, "begin"))

    def list_others(self) -> Iterator[SubjectEntry]:
        """Yield subjects that are no workloads of services."""
        for service in SERVICES:
            if service.is_exposed:
                weak = ("C-0263",) if self.has_weakness(service, "C-0263") else ()
                yield self._describe_subject("Ingress", "networking.k8s.io/v1", service, weak)
            if self.has_rights(service):
                yield self._describe_subject("ServiceAccount", "v1", service, ("C-0015",))
            if service.name == "argo-cd" and (self.cluster is not Cluster.EUROPE or self.day < OPERATOR_LIMITED_SINCE):
                yield self._describe_subject("ServiceAccount", "v1", service, ("C-0035",))
            if service.name == "build-agent":
                yield self._describe_subject("ServiceAccount", "v1", service, ("C-0002", "C-0188"))
        if self.cluster is Cluster.AMERICA:
            yield from self._list_leftovers()

    def _list_leftovers(self) -> Iterator[SubjectEntry]:
        settings = Service("search", "search-settings", "")
        if self.day < SECRETS_HIDDEN_SINCE:
            yield self._describe_subject("ConfigMap", "v1", settings, ("plain-setting",))
        if self.day >= SECRETS_HIDDEN_SINCE:
            debug = Service("orders", "debug", "", "Pod")
            yield self._describe_subject("Pod", "v1", debug, ("C-0073", *_ORDINARY))

    def _describe_subject(
        self, kind: str, api_version: str, service: Service, weaknesses: Iterable[str]
    ) -> SubjectEntry:
        owner = service._replace(kind=kind)
        return SubjectEntry(
            draw_key(service.namespace, service.name, kind),
            ResourceSubject(api_version, kind, service.name, service.namespace),
            findings=_sort([self._describe_finding(owner, weakness, "", "") for weakness in weaknesses]),
        )

    def _describe_finding(
        self, service: Service, weakness: str, image: str, file: str, context: Context = NO_CONTEXT
    ) -> SubmittedFinding:
        described = load_catalog().weaknesses[weakness]
        values = {
            "pod": _POD_PATHS.get(service.kind, _POD_PATH),
            "container": _CONTAINER,
            "image": image,
            "namespace": service.namespace,
            "name": service.name,
        }
        line = 12 + int(60 * draw(service.name, weakness, "line"))
        location = EvidenceLocation(file, line, 11, line, 42) if file else None
        evidence = tuple(_fill(document, values, location) for document in described.evidence)
        fingerprint = draw_key(file, service.namespace, service.name, service.kind, weakness)
        priority = prioritise(load_catalog().controls[described.definition], context)
        exemption = self._find_exemption(service, weakness)
        if exemption is None or file:
            return SubmittedFinding(described.definition, fingerprint, evidence, priority)
        suppression = Suppression(
            exemption.name, ExceptionSource.FILE.value, exemption.reason, to_time(self.now, exemption.ends)
        )
        return SubmittedFinding(
            described.definition,
            fingerprint,
            priority=priority,
            suppressed=(SuppressedEvidence(suppression, evidence),),
        )

    def _find_exemption(self, service: Service, weakness: str) -> Exemption | None:
        key = (self.cluster, service.name, weakness)
        return next((entry for entry in _EXEMPTIONS if entry[:3] == key and self.day < entry.ends), None)


def _find_context(service: Service) -> Context:
    exposure = f"reachable from the internet through Service {service.namespace}/{service.name}"
    has_power = service.kind == "DaemonSet" or service.name == "build-agent"
    return Context(exposure if service.is_exposed else "", _POWER if has_power else "")


def list_applicable(service: Service) -> Iterator[str]:
    """Yield the weaknesses that a service may have."""
    yield from _ORDINARY
    if service.kind != "CronJob":
        yield from _PROBES
    if service.kind == "DaemonSet":
        yield from _OF_NODES
    yield from _RARE


def _list_not_evaluated(service: Service) -> tuple[NotEvaluatedEntry, ...]:
    if service.kind != "DaemonSet":
        return ()
    return (
        NotEvaluatedEntry(("C-0020",), "hostPath.path is /, which contains credentials on AKS, and there is no Node"),
    )


def _fill(document: EvidenceDocument, values: dict[str, str], location: EvidenceLocation | None) -> EvidenceDocument:
    return msgspec.structs.replace(
        document,
        path=document.path.format(**values),
        message=document.message.format(**values),
        location=location,
    )


def _sort(findings: Iterable[SubmittedFinding]) -> tuple[SubmittedFinding, ...]:
    return tuple(sorted(findings, key=lambda finding: finding.fingerprint))
