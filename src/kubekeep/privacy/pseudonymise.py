"""Replacement of all names in an assessment: of resources, files, people and values. Handles no keys.

Kinds, controls, statuses, counts, scores, the structure of objects, Kubernetes fields, numbers and line numbers stay.
All other text is replaced by a `Pseudonymiser`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from kubekeep.model.assessment import Assessment, DefinitionSummary, SubjectResult, Target, UnreadInput
from kubekeep.model.attack import Attacks
from kubekeep.model.cluster import ClusterFacts, CoverageGap
from kubekeep.model.comparison import Comparison, Difference, ReportLocation
from kubekeep.model.definition import Definition
from kubekeep.model.exception import AppliedException, ExceptedFinding, ExceptionUse
from kubekeep.model.fingerprint import Identity
from kubekeep.model.location import Location, format_path, parse_path
from kubekeep.model.package import AffectedPackage
from kubekeep.model.priority import Priority, ResourceContext
from kubekeep.model.pseudonyms import Pseudonymiser
from kubekeep.model.redaction import redact
from kubekeep.model.resource import Resource, is_builtin
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.model.scanned_source import ScannedSource, SourceCluster, SourceRegistry, SourceRepository
from kubekeep.model.source import RenderOrigin, Source
from kubekeep.model.subject import Subject
from kubekeep.model.verdict import Cause, Evidence, Reason, Status, Verdict
from kubekeep.model.workload_container import WorkloadContainer

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
_RESOURCE_CAUSES: Final = frozenset({Cause.MISSING_DATA, Cause.MALFORMED, Cause.RULE_ERROR})
"""Causes with texts about a resource; texts of other causes are about controls."""
_HIDDEN: Final = "hidden"
_EXPOSED: Final = "reachable from the internet"
_RIGHTS: Final = "can read Secrets"


class _HiddenSubject(Subject, frozen=True):
    """A subject of which only the kind is shown."""

    kind: str
    name: str
    namespace: str


def replace_names(assessment: Assessment, pseudonymiser: Pseudonymiser) -> Assessment:
    """Return the assessment with all names replaced."""
    return _NameReplacer(pseudonymiser).replace_assessment(assessment)


def _replace_context(context: ResourceContext) -> ResourceContext:
    """Return the context without names: the facts name Services and namespaces."""
    return ResourceContext(context.exposure and _EXPOSED, context.power, context.rights and _RIGHTS)


def _escape(step: str) -> str:
    """Escape a step as `format_path` does inside quotes."""
    return step.replace("\\", "\\\\").replace('"', '\\"')


class _NameReplacer:
    """Replacement of the names in one assessment."""

    def __init__(self, pseudonymiser: Pseudonymiser) -> None:
        self._pseudonymiser = pseudonymiser
        self._resources: dict[int, Resource] = {}

    def replace_assessment(self, assessment: Assessment) -> Assessment:
        replace_unread = functools.partial(self._replace_unread, self._map_permissions(assessment.target))
        controls = {control.definition.slug: control.definition for control in assessment.summaries}
        return msgspec.structs.replace(
            assessment,
            repository=None,
            permissions=None,
            source=None if assessment.source is None else self._replace_submission_source(assessment.source),
            target=self._replace_target(assessment.target),
            results=tuple(map(self._replace_result, assessment.results)),
            summaries=tuple(map(self._replace_summary, assessment.summaries)),
            unread=tuple(map(replace_unread, assessment.unread)),
            unknown_fields=tuple(map(replace_unread, assessment.unknown_fields)),
            unassessed=tuple(map(replace_unread, assessment.unassessed)),
            notes=tuple(map(self._replace_sentence, assessment.notes)),
            exceptions=tuple(map(self._replace_use, assessment.exceptions)),
            attacks=None if assessment.attacks is None else self._replace_attacks(assessment.attacks),
            resource_selection=self._replace_selection(assessment.resource_selection),
            baseline=None if assessment.baseline is None else self._replace_baseline(assessment.baseline),
            params={name: self._replace_param(name, values, controls) for name, values in assessment.params.items()},
        )

    def _replace_target(self, target: Target) -> Target:
        return Target(
            tuple(map(self._replace_file_path, target.paths)),
            "",
            None if target.cluster is None else self._replace_cluster(target.cluster),
        )

    def _replace_submission_source(self, source: ScannedSource) -> ScannedSource:
        replace = self._pseudonymiser.replace_name
        if isinstance(source, SourceCluster):
            return SourceCluster(replace(source.uid), source.name and replace(source.name))
        if isinstance(source, SourceRegistry):
            return SourceRegistry(replace(source.host))
        return SourceRepository(
            replace(source.url),
            tuple(map(self._replace_file_path, source.paths)),
            source.branch and replace(source.branch),
        )

    def _map_permissions(self, target: Target) -> dict[str, str]:
        """Return the permissions of coverage gaps by their text; verbs and kinds are no names."""
        gaps = target.cluster.gaps if target.cluster else ()
        return {gap.permission: self._replace_gap(gap).permission for gap in gaps}

    def _replace_unread(self, permissions: Mapping[str, str], unread: UnreadInput) -> UnreadInput:
        permission = permissions.get(unread.location.file)
        location = self._replace_location(unread.location) if permission is None else Location(permission)
        return UnreadInput(location, self._replace_sentence(unread.message))

    def _replace_gap(self, gap: CoverageGap) -> CoverageGap:
        replace = self._pseudonymiser.replace_name
        names = {"namespace": gap.namespace and replace(gap.namespace), "name": gap.name and replace(gap.name)}
        return msgspec.structs.replace(gap, reason=self._replace_sentence(gap.reason), **names)

    def _replace_cluster(self, facts: ClusterFacts) -> ClusterFacts:
        """Replace the name of a cluster and the names in its gaps; reasons of gaps may contain the user's name."""
        return msgspec.structs.replace(
            facts,
            name=self._pseudonymiser.replace_name(facts.name),
            gaps=tuple(map(self._replace_gap, facts.gaps)),
        )

    def _replace_attacks(self, attacks: Attacks) -> Attacks:
        """Keep only priorities: attack paths consist of names and of sentences with names."""
        priorities = tuple(
            msgspec.structs.replace(priority, resource=self._replace_resource(priority.resource))
            for priority in attacks.prioritised
        )
        return Attacks(prioritised=priorities, notes=("attack paths are excluded from reports with --hide",))

    def _replace_selection(self, selection: ResourceSelection) -> ResourceSelection:
        replace = self._pseudonymiser.replace_name
        return msgspec.structs.replace(
            selection,
            include_namespaces=tuple(map(replace, selection.include_namespaces)),
            exclude_namespaces=tuple(map(replace, selection.exclude_namespaces)),
            labels=selection.labels and replace(selection.labels),
            changed_since=selection.changed_since and replace(selection.changed_since),
            workload=selection.workload and replace(selection.workload),
        )

    def _replace_baseline(self, comparison: Comparison) -> Comparison:
        def replace_all(differences: tuple[Difference, ...]) -> tuple[Difference, ...]:
            return tuple(map(self._replace_difference, differences))

        return msgspec.structs.replace(
            comparison,
            base=self._replace_file_path(comparison.base),
            new=replace_all(comparison.new),
            resolved=replace_all(comparison.resolved),
            unchanged=replace_all(comparison.unchanged),
            incomparable=replace_all(comparison.incomparable),
            excepted=replace_all(comparison.excepted),
            warnings=tuple(map(self._replace_sentence, comparison.warnings)),
        )

    def _replace_difference(self, difference: Difference) -> Difference:
        finding = difference.finding
        location = finding.report_location.location
        report_location = ReportLocation(
            path=finding.report_location.path and self._replace_field_path(finding.report_location.path),
            entry=finding.report_location.entry,
            resource=finding.report_location.resource
            and self._pseudonymiser.replace_name(finding.report_location.resource),
            location=None if location is None else self._replace_location(location),
        )
        replaced = msgspec.structs.replace(
            finding,
            identity=self._replace_identity(finding.identity),
            path=finding.path and self._pseudonymiser.replace_name(finding.path),
            file=finding.file and self._replace_file_path(finding.file),
            report_location=report_location,
            exception=finding.exception and self._pseudonymiser.replace_name(finding.exception),
        )
        return msgspec.structs.replace(
            difference, finding=replaced, reason=self._pseudonymiser.replace_text(difference.reason)
        )

    def _replace_identity(self, identity: Identity) -> Identity:
        replace = self._pseudonymiser.replace_name
        builtin = is_builtin(identity.group)
        return Identity(
            group=identity.group if builtin else replace(identity.group),
            kind=identity.kind if builtin else replace(identity.kind),
            namespace=identity.namespace and replace(identity.namespace),
            name=identity.name and replace(identity.name),
            related=tuple(map(self._replace_identity, identity.related)),
        )

    def _replace_sentence(self, text: str) -> str:
        return self._pseudonymiser.replace_text(text) or _HIDDEN

    def _replace_file_path(self, path: str) -> str:
        """Replace each step of a path; known file extensions stay."""
        return "/".join(map(self._replace_file_name, path.split("/")))

    def _replace_file_name(self, name: str) -> str:
        if name in {"", ".", "..", "-"}:
            return name
        stem, dot, extension = name.rpartition(".")
        has_known_extension = dot and stem and extension in {"yaml", "yml", "json", "tf", "tpl", "tgz", "gz", "zip"}
        return (
            f"{self._pseudonymiser.replace_name(stem)}.{extension}"
            if has_known_extension
            else self._pseudonymiser.replace_name(name)
        )

    def _replace_param(self, name: str, values: tuple[str, ...], controls: Mapping[str, Definition]) -> tuple[str, ...]:
        """Replace the values of a parameter, unless they are the library's defaults."""
        parameters = (control.params[name] for control in controls.values() if name in control.params)
        if any(parameter.default == values for parameter in parameters):
            return values
        return tuple(map(self._pseudonymiser.replace_name, values))

    def _replace_summary(self, summary: DefinitionSummary) -> DefinitionSummary:
        policies = tuple(
            msgspec.structs.replace(enforcement, policy=self._pseudonymiser.replace_name(enforcement.policy))
            for enforcement in summary.enforcement
        )
        return msgspec.structs.replace(summary, reason=self._replace_reason(summary.reason), enforcement=policies)

    def _replace_reason(self, reason: Reason | None) -> Reason | None:
        if reason is None or reason.cause not in _RESOURCE_CAUSES:
            return reason
        return Reason(reason.cause, self._replace_sentence(reason.text))

    def _replace_result(self, result: SubjectResult) -> SubjectResult:
        verdicts = {slug: self._replace_verdict(verdict) for slug, verdict in result.verdicts.items()}
        # The facts behind a priority name containers and roles.
        priorities = {slug: Priority(priority.level, priority.score) for slug, priority in result.priorities.items()}
        return SubjectResult(
            self._replace_subject(result.subject),
            verdicts,
            priorities,
            _replace_context(result.context),
            tuple(map(self._replace_container, result.containers)),
        )

    def _replace_container(self, container: WorkloadContainer) -> WorkloadContainer:
        replace = self._pseudonymiser.replace_name
        return msgspec.structs.replace(
            container,
            namespace=container.namespace and replace(container.namespace),
            name=replace(container.name),
            container=container.container and replace(container.container),
            location=None if container.location is None else self._replace_location(container.location),
            # The facts name Services and namespaces.
            exposure=container.exposure and _EXPOSED,
            rights=container.rights and _RIGHTS,
        )

    def _replace_verdict(self, verdict: Verdict) -> Verdict:
        if verdict.status is Status.PASSED and not verdict.evidence:
            return verdict
        return Verdict(
            verdict.status, tuple(map(self._replace_evidence, verdict.evidence)), self._replace_reason(verdict.reason)
        )

    def _replace_evidence(self, evidence: Evidence) -> Evidence:
        return Evidence(
            path=self._replace_field_path(evidence.path),
            exists=evidence.exists,
            location=None if evidence.location is None else self._replace_location(evidence.location),
            fix=None if evidence.fix is None else self._replace_fix(evidence.fix),
            delete=evidence.delete,
            message=self._pseudonymiser.replace_text(evidence.message),
            change=evidence.change,
            severity_change=evidence.severity_change,
            package=None if evidence.package is None else self._replace_package(evidence.package),
            exception=None if evidence.exception is None else self._replace_exception(evidence.exception),
        )

    def _replace_package(self, package: AffectedPackage) -> AffectedPackage:
        """Replace all facts about a package, as the document of its image does."""
        values = {name: getattr(package, name) for name in package.__struct_fields__}
        return AffectedPackage(
            **{name: value and self._pseudonymiser.replace_name(value) for name, value in values.items()}
        )

    def _replace_field_path(self, path: str) -> str:
        """Replace user-defined keys in a path of an object, quoted; fields stay."""
        text = ""
        owner: str | int = ""
        for step in parse_path(path):
            if isinstance(step, int) or self._is_field(step, owner):
                text += format_path((step,)) if not text or isinstance(step, int) else f".{step}"
            else:
                text += f'["{self._pseudonymiser.replace_name(_escape(step))}"]'
            owner = step
        return text

    @staticmethod
    def _is_field(key: str, owner: str | int) -> bool:
        return bool(_FIELD.fullmatch(key)) and owner not in _USER_KEYED

    def _replace_key(self, key: Any, owner: str | int) -> str:
        text = str(key)
        return text if self._is_field(text, owner) else self._pseudonymiser.replace_name(text)

    def _replace_fix(self, text: str) -> str:
        """Replace texts in the value of a fix, which may come from the object."""
        return msgspec.json.encode(self._replace_value(msgspec.json.decode(text), "")).decode()

    def _replace_location(self, location: Location) -> Location:
        setting = location.setting
        if setting is not None:
            setting = msgspec.structs.replace(
                setting, key=self._pseudonymiser.replace_name(setting.key), file=self._replace_values_file(setting.file)
            )
        return Location(self._replace_file_path(location.file), location.region, setting)

    def _replace_values_file(self, name: str) -> str:
        """Replace the name of a values file; an option in its place stays."""
        return name if name.startswith("--") else self._replace_file_path(name)

    def _replace_exception(self, exception: AppliedException) -> AppliedException:
        return msgspec.structs.replace(
            exception,
            name=self._pseudonymiser.replace_name(exception.name),
            reason=self._pseudonymiser.replace_text(exception.reason),
            location=None if exception.location is None else self._replace_location(exception.location),
            text="",
        )

    def _replace_use(self, use: ExceptionUse) -> ExceptionUse:
        return msgspec.structs.replace(
            use,
            exception=self._replace_exception(use.exception),
            text=self._pseudonymiser.replace_text(use.text),
            controls=tuple(
                self._pseudonymiser.replace_name(name) if name in use.unknown_controls else name
                for name in use.controls
            ),
            unknown_controls=tuple(map(self._pseudonymiser.replace_name, use.unknown_controls)),
            findings=tuple(map(self._replace_excepted, use.findings)),
        )

    def _replace_excepted(self, finding: ExceptedFinding) -> ExceptedFinding:
        replace = self._pseudonymiser.replace_name
        return ExceptedFinding(
            resource=replace(finding.resource),
            kind=finding.kind,
            namespace=finding.namespace and replace(finding.namespace),
            name=replace(finding.name),
            control=finding.control,
        )

    def _replace_subject(self, subject: Subject) -> Subject:
        if isinstance(subject, Resource):
            return self._replace_resource(subject)
        replace = self._pseudonymiser.replace_name
        return _HiddenSubject(subject.kind, replace(subject.name), subject.namespace and replace(subject.namespace))

    def _replace_resource(self, resource: Resource) -> Resource:
        """Mask secrets of a resource, then replace its names. Cached, because subjects share related objects."""
        replaced = self._resources.get(id(resource))
        if replaced is None:
            redacted = redact(msgspec.structs.replace(resource, related=()))
            replaced = self._resources[id(resource)] = Resource(
                self._replace_object(redacted, builtin=resource.is_builtin),
                None if resource.source is None else self._replace_source(resource.source),
                related=tuple(map(self._replace_resource, resource.related)),
            )
        return replaced

    def _replace_object(self, document: dict[str, Any], *, builtin: bool) -> dict[str, Any]:
        replaced: dict[str, Any] = self._replace_value(document, "")
        version = str(document.get("apiVersion") or "")
        group, slash, number = version.rpartition("/")
        if "apiVersion" in document:
            replaced["apiVersion"] = version if builtin else f"{self._pseudonymiser.replace_name(group)}{slash}{number}"
        if "kind" in document:
            replaced["kind"] = (
                str(document["kind"]) if builtin else self._pseudonymiser.replace_name(str(document["kind"]))
            )
        return replaced

    def _replace_value(self, value: Any, owner: str) -> Any:
        # Loops instead of comprehensions, which take a frame each: documents are nested as deep as sources allow.
        if isinstance(value, dict):
            mapping: dict[str, Any] = {}
            for key, element in value.items():
                mapping[self._replace_key(key, owner)] = self._replace_value(element, str(key))
            return mapping
        if isinstance(value, list):
            sequence: list[Any] = []
            for element in value:
                sequence.append(self._replace_value(element, owner))  # noqa: PERF401
            return sequence
        return (
            self._pseudonymiser.replace_name(value)
            if isinstance(value, str) and value and value not in _API_VALUES
            else value
        )

    def _replace_source(self, source: Source) -> Source:
        """Replace the names of a source and drop its source maps, which contain file names."""
        origin = source.origin
        if origin is not None:
            origin = RenderOrigin(
                folder=self._replace_file_path(origin.folder),
                chart=origin.chart and self._pseudonymiser.replace_name(origin.chart),
                subchart=origin.subchart and self._pseudonymiser.replace_name(origin.subchart),
                values=tuple(map(self._replace_file_path, origin.values)),
                application=origin.application and self._pseudonymiser.replace_name(origin.application),
            )
        return Source(
            path=self._replace_file_path(source.path),
            base="",
            file_type=source.file_type,
            document=source.document,
            origin=origin,
        )
