"""An assessment without the names of anybody's resources, files, people and values: for reports that leave the house.

What is judged stays: kinds, controls, statuses, counts and scores, the shape of objects, fields of Kubernetes, numbers
and lines. Everything else that people wrote goes through a cloak. Never judges, and knows no key.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from kubekeep.model.assessment import Assessment, ControlSummary, ResourceResult, Target, Unread
from kubekeep.model.attack import Attacks
from kubekeep.model.cluster import ClusterFacts, CoverageGap
from kubekeep.model.comparison import Comparison, Difference, ReportLocation
from kubekeep.model.control import Control
from kubekeep.model.exception import AppliedException, ExceptedFinding, ExceptionUse
from kubekeep.model.finding import Cause, Evidence, Reason, Status, Verdict
from kubekeep.model.fingerprint import Identity
from kubekeep.model.location import Location, format_path, parse_path
from kubekeep.model.pseudonyms import Pseudonymiser
from kubekeep.model.redaction import redact
from kubekeep.model.resource import RenderOrigin, Resource, Source, is_builtin
from kubekeep.model.resource_selection import ResourceSelection

_FIELD: Final = re.compile(r"[a-z][A-Za-z0-9]*")
"""What the fields of Kubernetes look like; keys that do not are somebody's names."""
_THEIRS: Final = frozenset(
    {
        "annotations",
        "binaryData",
        "data",
        "labels",
        "matchLabels",
        "nodeSelector",
        "parameters",
        "selector",
        "stringData",
    }
)
"""Fields whose keys people choose."""
_WORDS: Final = (
    "ALL Always ClusterFirst ClusterIP ClusterRole Default DoesNotExist Egress Exists ExternalName File Forbid Group "
    "IfNotPresent Immediate In Ingress LoadBalancer Local Localhost Never NodePort NotIn None OnFailure OnRootMismatch "
    "Recreate Replace Retain Role RollingUpdate RuntimeDefault SCTP ServiceAccount TCP UDP Unconfined User"
)
_API: Final = frozenset(_WORDS.split())
"""Values that the API of Kubernetes itself defines: they name nothing of anybody's."""
_SAID: Final = frozenset({Cause.DECLINED, Cause.MALFORMED, Cause.RULE_ERROR})
"""Causes whose texts speak of a resource; those of the others speak of controls."""
_HIDDEN: Final = "hidden"


def hidden(assessment: Assessment, cloak: Pseudonymiser) -> Assessment:
    """`assessment` as `cloak` lets it be seen."""
    return _Hiding(cloak).assessment(assessment)


def _escaped(step: str) -> str:
    """As `format_path` writes it between quotes."""
    return step.replace("\\", "\\\\").replace('"', '\\"')


class _Hiding:
    """What one cloak makes of an assessment."""

    def __init__(self, cloak: Pseudonymiser) -> None:
        self._cloak = cloak
        self._resources: dict[int, Resource] = {}

    def assessment(self, whole: Assessment) -> Assessment:
        known = {control.control.slug: control.control for control in whole.controls}
        return msgspec.structs.replace(
            whole,
            repository=None,
            target=self._target(whole.target),
            results=tuple(map(self._result, whole.results)),
            controls=tuple(map(self._summary, whole.controls)),
            unread=tuple(map(functools.partial(self._unread, self._permissions(whole.target)), whole.unread)),
            notes=tuple(map(self._sentence, whole.notes)),
            exceptions=tuple(map(self._use, whole.exceptions)),
            attacks=None if whole.attacks is None else self._attacks(whole.attacks),
            choice=self._choice(whole.choice),
            baseline=None if whole.baseline is None else self._baseline(whole.baseline),
            params={name: self._values(name, values, known) for name, values in whole.params.items()},
        )

    def _target(self, target: Target) -> Target:
        return Target(
            tuple(map(self._path, target.paths)), "", None if target.cluster is None else self._cluster(target.cluster)
        )

    def _permissions(self, target: Target) -> dict[str, str]:
        """What is missing in a cluster, as it may be told: verbs and kinds are no names."""
        gaps = target.cluster.gaps if target.cluster else ()
        return {gap.permission: self._gap(gap).permission for gap in gaps}

    def _unread(self, permissions: Mapping[str, str], item: Unread) -> Unread:
        known = permissions.get(item.location.file)
        place = self._location(item.location) if known is None else Location(known)
        return Unread(place, self._sentence(item.message))

    def _gap(self, gap: CoverageGap) -> CoverageGap:
        word = self._cloak.word
        names = {"namespace": gap.namespace and word(gap.namespace), "name": gap.name and word(gap.name)}
        return msgspec.structs.replace(gap, why=self._sentence(gap.why), **names)

    def _cluster(self, facts: ClusterFacts) -> ClusterFacts:
        """What a server answers tells who asked it."""
        return msgspec.structs.replace(
            facts,
            name=self._cloak.word(facts.name),
            gaps=tuple(map(self._gap, facts.gaps)),
        )

    def _attacks(self, attacks: Attacks) -> Attacks:
        """Priorities alone: paths are made of names and sentences that hold some."""
        found = tuple(
            msgspec.structs.replace(item, resource=self._resource(item.resource)) for item in attacks.prioritised
        )
        return Attacks(prioritised=found, notes=("attack paths are left out where names are hidden",))

    def _choice(self, choice: ResourceSelection) -> ResourceSelection:
        word = self._cloak.word
        return msgspec.structs.replace(
            choice,
            include_namespaces=tuple(map(word, choice.include_namespaces)),
            exclude_namespaces=tuple(map(word, choice.exclude_namespaces)),
            labels=choice.labels and word(choice.labels),
            changed_since=choice.changed_since and word(choice.changed_since),
            workload=choice.workload and word(choice.workload),
        )

    def _baseline(self, comparison: Comparison) -> Comparison:
        def each(found: tuple[Difference, ...]) -> tuple[Difference, ...]:
            return tuple(map(self._difference, found))

        return msgspec.structs.replace(
            comparison,
            base=self._path(comparison.base),
            new=each(comparison.new),
            resolved=each(comparison.resolved),
            unchanged=each(comparison.unchanged),
            incomparable=each(comparison.incomparable),
            accepted=each(comparison.accepted),
            warnings=tuple(map(self._sentence, comparison.warnings)),
        )

    def _difference(self, difference: Difference) -> Difference:
        finding = difference.finding
        location = finding.place.location
        place = ReportLocation(
            path=finding.place.path and self._steps(finding.place.path),
            entry=finding.place.entry,
            resource=finding.place.resource and self._cloak.word(finding.place.resource),
            location=None if location is None else self._location(location),
        )
        seen = msgspec.structs.replace(
            finding,
            identity=self._identity(finding.identity),
            path=finding.path and self._cloak.word(finding.path),
            file=finding.file and self._path(finding.file),
            place=place,
            exception=finding.exception and self._cloak.word(finding.exception),
        )
        return msgspec.structs.replace(difference, finding=seen, reason=self._cloak.text(difference.reason))

    def _identity(self, identity: Identity) -> Identity:
        word = self._cloak.word
        builtin = is_builtin(identity.group)
        return Identity(
            group=identity.group if builtin else word(identity.group),
            kind=identity.kind if builtin else word(identity.kind),
            namespace=identity.namespace and word(identity.namespace),
            name=identity.name and word(identity.name),
            related=tuple(map(self._identity, identity.related)),
        )

    def _sentence(self, text: str) -> str:
        return self._cloak.text(text) or _HIDDEN

    def _path(self, path: str) -> str:
        """A path, step by step; what its last step ends in says what kind of file it is."""
        return "/".join(map(self._step, path.split("/")))

    def _step(self, name: str) -> str:
        if name in {"", ".", "..", "-"}:
            return name
        stem, dot, ending = name.rpartition(".")
        known = dot and stem and ending in {"yaml", "yml", "json", "tf", "tpl", "tgz", "gz", "zip"}
        return f"{self._cloak.word(stem)}.{ending}" if known else self._cloak.word(name)

    def _values(self, name: str, values: tuple[str, ...], controls: Mapping[str, Control]) -> tuple[str, ...]:
        """The values of a parameter, as they are where they are the library's own."""
        parameters = (control.params[name] for control in controls.values() if name in control.params)
        if any(parameter.default == values for parameter in parameters):
            return values
        return tuple(map(self._cloak.word, values))

    def _summary(self, summary: ControlSummary) -> ControlSummary:
        policies = tuple(
            msgspec.structs.replace(item, policy=self._cloak.word(item.policy)) for item in summary.enforcement
        )
        return msgspec.structs.replace(summary, reason=self._reason(summary.reason), enforcement=policies)

    def _reason(self, reason: Reason | None) -> Reason | None:
        if reason is None or reason.cause not in _SAID:
            return reason
        return Reason(reason.cause, self._sentence(reason.text))

    def _result(self, result: ResourceResult) -> ResourceResult:
        verdicts = {slug: self._verdict(verdict) for slug, verdict in result.verdicts.items()}
        return ResourceResult(self._resource(result.resource), verdicts)

    def _verdict(self, verdict: Verdict) -> Verdict:
        if verdict.status is Status.PASSED and not verdict.evidence:
            return verdict
        return Verdict(verdict.status, tuple(map(self._evidence, verdict.evidence)), self._reason(verdict.reason))

    def _evidence(self, evidence: Evidence) -> Evidence:
        return Evidence(
            path=self._steps(evidence.path),
            exists=evidence.exists,
            location=None if evidence.location is None else self._location(evidence.location),
            fix=None if evidence.fix is None else self._fix(evidence.fix),
            delete=evidence.delete,
            message=self._cloak.text(evidence.message),
            change=evidence.change,
            exception=None if evidence.exception is None else self._exception(evidence.exception),
        )

    def _steps(self, path: str) -> str:
        """A path in an object: fields stay, keys that people chose do not, and are in quotes whatever they hide."""
        shown = ""
        before: str | int = ""
        for step in parse_path(path):
            if isinstance(step, int) or self._is_field(step, before):
                shown += format_path((step,)) if not shown or isinstance(step, int) else f".{step}"
            else:
                shown += f'["{self._cloak.word(_escaped(step))}"]'
            before = step
        return shown

    @staticmethod
    def _is_field(key: str, owner: str | int) -> bool:
        return bool(_FIELD.fullmatch(key)) and owner not in _THEIRS

    def _key(self, key: Any, owner: str | int) -> str:
        text = str(key)
        return text if self._is_field(text, owner) else self._cloak.word(text)

    def _fix(self, text: str) -> str:
        """The value to set; a text in it may be made of what stands in the object."""
        return msgspec.json.encode(self._value(msgspec.json.decode(text), "")).decode()

    def _location(self, location: Location) -> Location:
        setting = location.setting
        if setting is not None:
            setting = msgspec.structs.replace(setting, key=self._cloak.word(setting.key), file=self._file(setting.file))
        return Location(self._path(location.file), location.region, setting)

    def _file(self, name: str) -> str:
        """A values file, or the option that stands for one."""
        return name if name.startswith("--") else self._path(name)

    def _exception(self, exception: AppliedException) -> AppliedException:
        return msgspec.structs.replace(
            exception,
            name=self._cloak.word(exception.name),
            reason=self._cloak.text(exception.reason),
            location=None if exception.location is None else self._location(exception.location),
            text="",
        )

    def _use(self, use: ExceptionUse) -> ExceptionUse:
        return msgspec.structs.replace(
            use,
            exception=self._exception(use.exception),
            text=self._cloak.text(use.text),
            controls=tuple(self._cloak.word(name) if name in use.unknown else name for name in use.controls),
            unknown=tuple(map(self._cloak.word, use.unknown)),
            findings=tuple(map(self._excepted, use.findings)),
        )

    def _excepted(self, finding: ExceptedFinding) -> ExceptedFinding:
        word = self._cloak.word
        return ExceptedFinding(
            resource=word(finding.resource),
            kind=finding.kind,
            namespace=finding.namespace and word(finding.namespace),
            name=word(finding.name),
            control=finding.control,
        )

    def _resource(self, resource: Resource) -> Resource:
        """The object without its secrets, then without its names; hidden once, as subjects share what they relate."""
        known = self._resources.get(id(resource))
        if known is None:
            bare = redact(msgspec.structs.replace(resource, related=()))
            known = self._resources[id(resource)] = Resource(
                self._object(bare, builtin=resource.is_builtin),
                None if resource.source is None else self._source(resource.source),
                related=tuple(map(self._resource, resource.related)),
            )
        return known

    def _object(self, item: dict[str, Any], *, builtin: bool) -> dict[str, Any]:
        hidden_item: dict[str, Any] = self._value(item, "")
        version = str(item.get("apiVersion") or "")
        group, slash, number = version.rpartition("/")
        if "apiVersion" in item:
            hidden_item["apiVersion"] = version if builtin else f"{self._cloak.word(group)}{slash}{number}"
        if "kind" in item:
            hidden_item["kind"] = str(item["kind"]) if builtin else self._cloak.word(str(item["kind"]))
        return hidden_item

    def _value(self, value: Any, owner: str) -> Any:
        # loops and no comprehensions, which take a frame each: documents are nested as deep as sources allow
        if isinstance(value, dict):
            mapping: dict[str, Any] = {}
            for key, item in value.items():
                mapping[self._key(key, owner)] = self._value(item, str(key))
            return mapping
        if isinstance(value, list):
            sequence: list[Any] = []
            for item in value:
                sequence.append(self._value(item, owner))  # noqa: PERF401
            return sequence
        return self._cloak.word(value) if isinstance(value, str) and value and value not in _API else value

    def _source(self, source: Source) -> Source:
        """Without marks and traces, which would lead to the files that people have."""
        origin = source.origin
        if origin is not None:
            origin = RenderOrigin(
                folder=self._path(origin.folder),
                chart=origin.chart and self._cloak.word(origin.chart),
                subchart=origin.subchart and self._cloak.word(origin.subchart),
                values=tuple(map(self._path, origin.values)),
                application=origin.application and self._cloak.word(origin.application),
            )
        return Source(
            path=self._path(source.path), base="", file_type=source.file_type, document=source.document, origin=origin
        )
