"""The parts of a SARIF log (OASIS SARIF 2.1.0) that findings are made of; others are ignored. Decides nothing."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final
from urllib.parse import unquote

import msgspec

_DEEPEST_BASE: Final = 8
"""Maximum number of bases that are relative to each other."""


class Message(msgspec.Struct):
    """A text, or the identifier of one of the rule (§3.11)."""

    text: str = ""
    id: str = ""


class ArtifactLocation(msgspec.Struct):
    """The address of a file (§3.4): a URI, or the number of an artifact."""

    uri: str = ""
    base: str = msgspec.field(name="uriBaseId", default="")
    index: int = -1


class Artifact(msgspec.Struct):
    """A file of a run (§3.24)."""

    location: ArtifactLocation | None = None
    roles: list[str] | None = None


class SarifRegion(msgspec.Struct):
    """A region of a file (§3.30)."""

    line: int = msgspec.field(name="startLine", default=0)
    column: int = msgspec.field(name="startColumn", default=0)
    end_line: int = msgspec.field(name="endLine", default=0)
    end_column: int = msgspec.field(name="endColumn", default=0)


class PhysicalLocation(msgspec.Struct):
    """A file with a region (§3.29)."""

    artifact: ArtifactLocation | None = msgspec.field(name="artifactLocation", default=None)
    region: SarifRegion | None = None


class LogicalLocation(msgspec.Struct):
    """A named part of a program or configuration (§3.33)."""

    name: str = ""
    full_name: str = msgspec.field(name="fullyQualifiedName", default="")
    kind: str = ""


class ResultLocation(msgspec.Struct):
    """A location (§3.28)."""

    physical: PhysicalLocation | None = msgspec.field(name="physicalLocation", default=None)
    logical: list[LogicalLocation] | None = msgspec.field(name="logicalLocations", default=None)


class ComponentReference(msgspec.Struct):
    """A reference to an extension of the tool (§3.54)."""

    index: int = -1


class RuleReference(msgspec.Struct):
    """A reference to a rule (§3.52)."""

    id: str = ""
    index: int = -1
    component: ComponentReference | None = msgspec.field(name="toolComponent", default=None)


class RuleDefaults(msgspec.Struct):
    """The default configuration of a rule (§3.50)."""

    level: str = ""
    enabled: bool = True


class SarifRule(msgspec.Struct):
    """A rule (§3.49)."""

    id: str = ""
    name: str = ""
    short: Message | None = msgspec.field(name="shortDescription", default=None)
    full: Message | None = msgspec.field(name="fullDescription", default=None)
    help: Message | None = None
    page: str = msgspec.field(name="helpUri", default="")
    defaults: RuleDefaults | None = msgspec.field(name="defaultConfiguration", default=None)
    messages: dict[str, Message] | None = msgspec.field(name="messageStrings", default=None)
    properties: dict[str, Any] | None = None


class ToolComponent(msgspec.Struct):
    """A tool or an extension of it (§3.19)."""

    name: str = ""
    rules: list[SarifRule] | None = None


class Tool(msgspec.Struct):
    """A tool (§3.18)."""

    driver: ToolComponent
    extensions: list[ToolComponent] | None = None


class ResultSuppression(msgspec.Struct):
    """A suppression of a result (§3.35)."""

    kind: str = ""
    status: str = ""
    justification: str = ""


class SarifResult(msgspec.Struct):
    """A result (§3.27)."""

    rule_id: str = msgspec.field(name="ruleId", default="")
    rule_index: int = msgspec.field(name="ruleIndex", default=-1)
    rule: RuleReference | None = None
    kind: str = "fail"
    level: str = ""
    message: Message = msgspec.field(default_factory=Message)
    locations: list[ResultLocation] | None = None
    suppressions: list[ResultSuppression] | None = None
    state: str = msgspec.field(name="baselineState", default="")
    fingerprints: dict[str, str] | None = msgspec.field(name="partialFingerprints", default=None)
    properties: dict[str, Any] | None = None


class Notification(msgspec.Struct):
    """A message about the execution or the configuration of a tool (§3.58)."""

    level: str = "warning"
    message: Message = msgspec.field(default_factory=Message)
    rule: RuleReference | None = msgspec.field(name="associatedRule", default=None)
    locations: list[ResultLocation] | None = None


class Invocation(msgspec.Struct):
    """An execution of a tool (§3.20)."""

    is_successful: bool = msgspec.field(name="executionSuccessful", default=True)
    started: dt.datetime | None = msgspec.field(name="startTimeUtc", default=None)
    execution: list[Notification] | None = msgspec.field(name="toolExecutionNotifications", default=None)
    configuration: list[Notification] | None = msgspec.field(name="toolConfigurationNotifications", default=None)

    @property
    def notifications(self) -> list[Notification]:
        """All notifications."""
        return [*(self.execution or ()), *(self.configuration or ())]


class Provenance(msgspec.Struct):
    """The repository of the files of a run (§3.14.14)."""

    url: str = msgspec.field(name="repositoryUri", default="")
    branch: str = ""
    commit: str = msgspec.field(name="revisionId", default="")


class SarifRun(msgspec.Struct):
    """A run of one tool (§3.14)."""

    tool: Tool
    results: list[SarifResult] | None = None
    artifacts: list[Artifact] | None = None
    bases: dict[str, ArtifactLocation] | None = msgspec.field(name="originalUriBaseIds", default=None)
    invocations: list[Invocation] | None = None
    provenance: list[Provenance] | None = msgspec.field(name="versionControlProvenance", default=None)


class SarifLog(msgspec.Struct):
    """A log (§3.13)."""

    version: str
    runs: list[SarifRun]


def add_root(run: SarifRun, folder: str) -> None:
    """Add a folder to the bases of a run, if there is one."""
    if folder:
        run.bases = {"": ArtifactLocation(folder), **(run.bases or {})}


def find_path(location: ArtifactLocation, run: SarifRun) -> str:
    """Return the path of a file relative to the root of the run; an address of another kind as it is; empty without one."""
    artifacts = run.artifacts or []
    if not location.uri and 0 <= location.index < len(artifacts):
        location = artifacts[location.index].location or location
    bases = run.bases or {}
    uri, base = location.uri, location.base
    for _ in range(_DEEPEST_BASE):
        parent = bases.get(base)
        if parent is None or not parent.base or _is_absolute(uri):
            break
        # A base that is relative to another one is a folder below it; the last one is the root.
        uri, base = f"{parent.uri.rstrip('/')}/{uri}" if parent.uri else uri, parent.base
    return _remove_root(unquote(uri), bases)


def _is_absolute(uri: str) -> bool:
    return uri.startswith(("/", "file:")) or "://" in uri


def _remove_root(uri: str, bases: dict[str, ArtifactLocation]) -> str:
    """Return a path relative to the base that contains it."""
    path = _remove_scheme(uri)
    roots = {_remove_scheme(unquote(base.uri)).rstrip("/") for base in bases.values() if not base.base}
    for root in sorted(filter(None, roots), key=len, reverse=True):
        if path.startswith(f"{root}/"):
            return path[len(root) + 1 :]
    return path.removeprefix("./")


def _remove_scheme(uri: str) -> str:
    """Return the path of a `file:` URI; others as they are."""
    return "/" + uri.removeprefix("file:").lstrip("/") if uri.startswith("file:") else uri
