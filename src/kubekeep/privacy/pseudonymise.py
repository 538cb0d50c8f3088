"""Replacement of all names in an assessment: of resources, files, people and values. Knows no key.

Kinds, controls, statuses, counts, scores, the structure of objects, Kubernetes fields, numbers and line numbers stay.
All other text goes through a `Pseudonymiser`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from kubekeep.model.assessment import Assessment, ControlSummary, ResourceResult, Target, UnreadInput
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
"""Form of Kubernetes field names; other keys are user-defined names."""
_USER_KEYED: Final = frozenset(
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
"""Fields with user-defined keys."""
_WORDS: Final = (
    "ALL Always ClusterFirst ClusterIP ClusterRole Default DoesNotExist Egress Exists ExternalName File Forbid Group "
    "IfNotPresent Immediate In Ingress LoadBalancer Local Localhost Never NodePort NotIn None OnFailure OnRootMismatch "
    "Recreate Replace Retain Role RollingUpdate RuntimeDefault SCTP ServiceAccount TCP UDP Unconfined User"
)
_API_VALUES: Final = frozenset(_WORDS.split())
"""Values that the Kubernetes API defines; they are no names."""
_RESOURCE_CAUSES: Final = frozenset({Cause.DECLINED, Cause.MALFORMED, Cause.RULE_ERROR})
"""Causes with texts about a resource; texts of other causes are about controls."""
_HIDDEN: Final = "hidden"


def replace_names(assessment: Assessment, pseudonymiser: Pseudonymiser) -> Assessment:
    """Return the assessment with all names replaced."""
    return _NameReplacer(pseudonymiser).assessment(assessment)


def _escape(step: str) -> str:
    """Escape a step as `format_path` does inside quotes."""
    return step.replace("\\", "\\\\").replace('"', '\\"')


class _NameReplacer:
    """Replacement of the names in one assessment."""

    def __init__(self, pseudonymiser: Pseudonymiser) -> None:
        self._pseudonymiser = pseudonymiser
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
            resource_selection=self._resource_selection(whole.resource_selection),
            baseline=None if whole.baseline is None else self._baseline(whole.baseline),
            params={name: self._values(name, values, known) for name, values in whole.params.items()},
        )

    def _target(self, target: Target) -> Target:
        return Target(
            tuple(map(self._path, target.paths)), "", None if target.cluster is None else self._cluster(target.cluster)
        )

    def _permissions(self, target: Target) -> dict[str, str]:
        """Return the permissions of coverage gaps by their text; verbs and kinds are no names."""
        gaps = target.cluster.gaps if target.cluster else ()
        return {gap.permission: self._gap(gap).permission for gap in gaps}

    def _unread(self, permissions: Mapping[str, str], unread: UnreadInput) -> UnreadInput:
        known = permissions.get(unread.location.file)
        place = self._location(unread.location) if known is None else Location(known)
        return UnreadInput(place, self._sentence(unread.message))

    def _gap(self, gap: CoverageGap) -> CoverageGap:
        word = self._pseudonymiser.replace_name
        names = {"namespace": gap.namespace and word(gap.namespace), "name": gap.name and word(gap.name)}
        return msgspec.structs.replace(gap, reason=self._sentence(gap.reason), **names)

    def _cluster(self, facts: ClusterFacts) -> ClusterFacts:
        """Replace the names of a cluster; answers of the API server contain the user."""
        return msgspec.structs.replace(
            facts,
            name=self._pseudonymiser.replace_name(facts.name),
            gaps=tuple(map(self._gap, facts.gaps)),
        )

    def _attacks(self, attacks: Attacks) -> Attacks:
        """Keep only priorities: attack paths consist of names and of sentences with names."""
        priorities = tuple(
            msgspec.structs.replace(priority, resource=self._resource(priority.resource))
            for priority in attacks.prioritised
        )
        return Attacks(prioritised=priorities, notes=("attack paths are left out where names are hidden",))

    def _resource_selection(self, selection: ResourceSelection) -> ResourceSelection:
        word = self._pseudonymiser.replace_name
        return msgspec.structs.replace(
            selection,
            include_namespaces=tuple(map(word, selection.include_namespaces)),
            exclude_namespaces=tuple(map(word, selection.exclude_namespaces)),
            labels=selection.labels and word(selection.labels),
            changed_since=selection.changed_since and word(selection.changed_since),
            workload=selection.workload and word(selection.workload),
        )

    def _baseline(self, comparison: Comparison) -> Comparison:
        def each(differences: tuple[Difference, ...]) -> tuple[Difference, ...]:
            return tuple(map(self._difference, differences))

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
        location = finding.report_location.location
        place = ReportLocation(
            path=finding.report_location.path and self._steps(finding.report_location.path),
            entry=finding.report_location.entry,
            resource=finding.report_location.resource
            and self._pseudonymiser.replace_name(finding.report_location.resource),
            location=None if location is None else self._location(location),
        )
        seen = msgspec.structs.replace(
            finding,
            identity=self._identity(finding.identity),
            path=finding.path and self._pseudonymiser.replace_name(finding.path),
            file=finding.file and self._path(finding.file),
            report_location=place,
            exception=finding.exception and self._pseudonymiser.replace_name(finding.exception),
        )
        return msgspec.structs.replace(
            difference, finding=seen, reason=self._pseudonymiser.replace_text(difference.reason)
        )

    def _identity(self, identity: Identity) -> Identity:
        word = self._pseudonymiser.replace_name
        builtin = is_builtin(identity.group)
        return Identity(
            group=identity.group if builtin else word(identity.group),
            kind=identity.kind if builtin else word(identity.kind),
            namespace=identity.namespace and word(identity.namespace),
            name=identity.name and word(identity.name),
            related=tuple(map(self._identity, identity.related)),
        )

    def _sentence(self, text: str) -> str:
        return self._pseudonymiser.replace_text(text) or _HIDDEN

    def _path(self, path: str) -> str:
        """Replace each step of a path; the file extension stays."""
        return "/".join(map(self._step, path.split("/")))

    def _step(self, name: str) -> str:
        if name in {"", ".", "..", "-"}:
            return name
        stem, dot, ending = name.rpartition(".")
        known = dot and stem and ending in {"yaml", "yml", "json", "tf", "tpl", "tgz", "gz", "zip"}
        return f"{self._pseudonymiser.replace_name(stem)}.{ending}" if known else self._pseudonymiser.replace_name(name)

    def _values(self, name: str, values: tuple[str, ...], controls: Mapping[str, Control]) -> tuple[str, ...]:
        """Replace the values of a parameter, unless they are the library's defaults."""
        parameters = (control.params[name] for control in controls.values() if name in control.params)
        if any(parameter.default == values for parameter in parameters):
            return values
        return tuple(map(self._pseudonymiser.replace_name, values))

    def _summary(self, summary: ControlSummary) -> ControlSummary:
        policies = tuple(
            msgspec.structs.replace(enforcement, policy=self._pseudonymiser.replace_name(enforcement.policy))
            for enforcement in summary.enforcement
        )
        return msgspec.structs.replace(summary, reason=self._reason(summary.reason), enforcement=policies)

    def _reason(self, reason: Reason | None) -> Reason | None:
        if reason is None or reason.cause not in _RESOURCE_CAUSES:
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
            message=self._pseudonymiser.replace_text(evidence.message),
            change=evidence.change,
            exception=None if evidence.exception is None else self._exception(evidence.exception),
        )

    def _steps(self, path: str) -> str:
        """Replace user-defined keys in a path of an object, quoted; fields stay."""
        shown = ""
        before: str | int = ""
        for step in parse_path(path):
            if isinstance(step, int) or self._is_field(step, before):
                shown += format_path((step,)) if not shown or isinstance(step, int) else f".{step}"
            else:
                shown += f'["{self._pseudonymiser.replace_name(_escape(step))}"]'
            before = step
        return shown

    @staticmethod
    def _is_field(key: str, owner: str | int) -> bool:
        return bool(_FIELD.fullmatch(key)) and owner not in _USER_KEYED

    def _key(self, key: Any, owner: str | int) -> str:
        text = str(key)
        return text if self._is_field(text, owner) else self._pseudonymiser.replace_name(text)

    def _fix(self, text: str) -> str:
        """Replace texts in the value of a fix, which may come from the object."""
        return msgspec.json.encode(self._value(msgspec.json.decode(text), "")).decode()

    def _location(self, location: Location) -> Location:
        setting = location.setting
        if setting is not None:
            setting = msgspec.structs.replace(
                setting, key=self._pseudonymiser.replace_name(setting.key), file=self._file(setting.file)
            )
        return Location(self._path(location.file), location.region, setting)

    def _file(self, name: str) -> str:
        """Replace the name of a values file; an option in its place stays."""
        return name if name.startswith("--") else self._path(name)

    def _exception(self, exception: AppliedException) -> AppliedException:
        return msgspec.structs.replace(
            exception,
            name=self._pseudonymiser.replace_name(exception.name),
            reason=self._pseudonymiser.replace_text(exception.reason),
            location=None if exception.location is None else self._location(exception.location),
            text="",
        )

    def _use(self, use: ExceptionUse) -> ExceptionUse:
        return msgspec.structs.replace(
            use,
            exception=self._exception(use.exception),
            text=self._pseudonymiser.replace_text(use.text),
            controls=tuple(
                self._pseudonymiser.replace_name(name) if name in use.unknown_controls else name
                for name in use.controls
            ),
            unknown_controls=tuple(map(self._pseudonymiser.replace_name, use.unknown_controls)),
            findings=tuple(map(self._excepted, use.findings)),
        )

    def _excepted(self, finding: ExceptedFinding) -> ExceptedFinding:
        word = self._pseudonymiser.replace_name
        return ExceptedFinding(
            resource=word(finding.resource),
            kind=finding.kind,
            namespace=finding.namespace and word(finding.namespace),
            name=word(finding.name),
            control=finding.control,
        )

    def _resource(self, resource: Resource) -> Resource:
        """Mask secrets of a resource, then replace its names. Cached, because subjects share related objects."""
        known = self._resources.get(id(resource))
        if known is None:
            bare = redact(msgspec.structs.replace(resource, related=()))
            known = self._resources[id(resource)] = Resource(
                self._object(bare, builtin=resource.is_builtin),
                None if resource.source is None else self._source(resource.source),
                related=tuple(map(self._resource, resource.related)),
            )
        return known

    def _object(self, document: dict[str, Any], *, builtin: bool) -> dict[str, Any]:
        replaced: dict[str, Any] = self._value(document, "")
        version = str(document.get("apiVersion") or "")
        group, slash, number = version.rpartition("/")
        if "apiVersion" in document:
            replaced["apiVersion"] = version if builtin else f"{self._pseudonymiser.replace_name(group)}{slash}{number}"
        if "kind" in document:
            replaced["kind"] = (
                str(document["kind"]) if builtin else self._pseudonymiser.replace_name(str(document["kind"]))
            )
        return replaced

    def _value(self, value: Any, owner: str) -> Any:
        # Loops instead of comprehensions, which take a frame each: documents are nested as deep as sources allow.
        if isinstance(value, dict):
            mapping: dict[str, Any] = {}
            for key, element in value.items():
                mapping[self._key(key, owner)] = self._value(element, str(key))
            return mapping
        if isinstance(value, list):
            sequence: list[Any] = []
            for element in value:
                sequence.append(self._value(element, owner))  # noqa: PERF401
            return sequence
        return (
            self._pseudonymiser.replace_name(value)
            if isinstance(value, str) and value and value not in _API_VALUES
            else value
        )

    def _source(self, source: Source) -> Source:
        """Replace the names of a source and drop its source maps, which contain file names."""
        origin = source.origin
        if origin is not None:
            origin = RenderOrigin(
                folder=self._path(origin.folder),
                chart=origin.chart and self._pseudonymiser.replace_name(origin.chart),
                subchart=origin.subchart and self._pseudonymiser.replace_name(origin.subchart),
                values=tuple(map(self._path, origin.values)),
                application=origin.application and self._pseudonymiser.replace_name(origin.application),
            )
        return Source(
            path=self._path(source.path), base="", file_type=source.file_type, document=source.document, origin=origin
        )
