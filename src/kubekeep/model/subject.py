"""Subjects of findings: the common base, and the subjects outside of manifests: hosts and processes. No I/O.

`model.resource` has Kubernetes resources, `model.image` container images. Consumers use the properties of the base and never
depend on the type of a subject.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from kubekeep.model.definition import Definition
from kubekeep.model.location import Location, Path
from kubekeep.model.source import Source

_GROUP: Final = "kubekeep.io"


def format_name(kind: str, namespace: str, name: str) -> str:
    """Format a display name: `Deployment shop/web`, or `Node a` without a namespace."""
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


class SubjectDocument(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """The JSON form of a subject in findings, camelCase without absent facts; `type` is the tag of its class."""


class NamedSubject(SubjectDocument, frozen=True, tag_field="type", tag="other"):
    """A subject of a type that this version of the schema does not describe."""

    kind: str
    name: str
    namespace: str = ""


class HostSubject(SubjectDocument, frozen=True, tag="host", tag_field="type"):
    """A node of a cluster, or a machine outside of one."""

    name: str
    cluster: str = ""


class ProcessSubject(SubjectDocument, frozen=True, tag="process", tag_field="type"):
    """A running process; without a `workload`, directly on the host."""

    host: str
    executable: str
    cluster: str = ""
    pid: int = 0
    namespace: str = ""
    workload: str = ""
    container: str = ""
    image: str = ""


class Subject(msgspec.Struct, frozen=True):
    """The thing with the problem. A type of subject overrides the properties that apply to it.

    `name`, and `kind` unless the name of the class is right, are required. `related` are parts that locations may refer to,
    `source` the origin of its text.
    """

    @property
    def group(self) -> str:
        """The API group; that of Kubekeep for subjects that are no resources."""
        return _GROUP

    @property
    def version(self) -> str:
        """The API version without the group."""
        return ""

    @property
    def api_version(self) -> str:
        """Group and version, as `apps/v1`."""
        return f"{self.group}/{self.version}".strip("/")

    @property
    def kind(self) -> str:
        """The kind, such as `Deployment` or `Process`."""
        return type(self).__name__

    @property
    def name(self) -> str:
        """Its name, unique for its kind and namespace."""
        raise NotImplementedError

    @property
    def namespace(self) -> str:
        """Its namespace; empty if it has none."""
        return ""

    @property
    def stable_name(self) -> str:
        """The name in fingerprints, which is the same in every scan."""
        return self.name

    @property
    def object(self) -> dict[str, Any]:
        """Its document, which selectors of exceptions and reports of objects read."""
        metadata = {"name": self.name, **({"namespace": self.namespace} if self.namespace else {})}
        return {"apiVersion": self.api_version, "kind": self.kind, "metadata": metadata}

    @property
    def related(self) -> tuple[Subject, ...]:
        """Resources that it was joined with."""
        return ()

    @property
    def document(self) -> Any:
        """The document of its object if it holds more than the object; None otherwise."""
        return None

    @property
    def source(self) -> Source | None:
        """The file that it was read from; None without one."""
        return None

    @property
    def unknown(self) -> tuple[Path, ...]:
        """Paths of values that are not known yet."""
        return ()

    @property
    def missing(self) -> tuple[str, ...] | None:
        """The missing permissions to list it, for a related role that the input does not contain; None if it is there."""
        return None

    @property
    def replicas(self) -> int | None:
        """Number of equal subjects that it stands for; None if it is one."""
        return None

    @property
    def runs_in_containers(self) -> bool:
        """True for an image: containers of workloads run it."""
        return False

    @property
    def may_contain_pods(self) -> bool:
        """False for a document that never contains a pod template, as the list of packages of an image."""
        return True

    @property
    def is_builtin(self) -> bool:
        """True for an API group of Kubernetes itself."""
        return False

    @property
    def kind_names(self) -> frozenset[str]:
        """Names that controls and exceptions may use for the kind."""
        return frozenset({f"{self.group}/{self.kind}"})

    @property
    def label(self) -> str:
        """Display name, `Deployment shop/web`; without a namespace if none is set."""
        return format_name(self.kind, self.namespace, self.name)

    @property
    def identity(self) -> str:
        """`<group>/<version>/<namespace>/<kind>/<name>`, Kubescape's identity of an object."""
        return f"{self.group}/{self.version}/{self.namespace}/{self.kind}/{self.name}"

    @property
    def id(self) -> str:
        """Identity within a scan."""
        return self.identity

    def locate(self, path: Path) -> Location | None:  # noqa: ARG002 - for subjects with a text
        """Return the location of `path` in the original file; None without a file."""
        return None

    def locate_fields(self, paths: Sequence[Path]) -> list[tuple[Location | None, bool]]:
        """Return for each path its location and true if the subject has it."""
        return [(self.locate(path), False) for path in paths]

    @property
    def has_problems(self) -> bool:
        """True if it lists problems itself, beside those that rules find."""
        return True

    def list_problems(self) -> Iterator[tuple[Definition, Any]]:
        """Yield the definition and the verdict (`model.verdict`, which needs this module) of each problem that it lists."""
        yield from ()

    def describe(self) -> SubjectDocument:
        """Return its JSON form in findings."""
        return NamedSubject(kind=self.kind, name=self.name, namespace=self.namespace)


class Host(Subject, frozen=True):
    """A node of a cluster, or a machine outside of one (empty `cluster`)."""

    name: str
    cluster: str = ""

    @property
    def stable_name(self) -> str:
        """The cluster and the name."""
        return f"{self.cluster}/{self.name}"

    def describe(self) -> HostSubject:
        """Return its JSON form in findings."""
        return HostSubject(name=self.name, cluster=self.cluster)


class Container(msgspec.Struct, frozen=True):
    """A running container: its workload with namespace, its name in the pod, and the digest of its image."""

    namespace: str
    workload: str
    name: str
    image: str = ""


class Process(Subject, frozen=True):
    """A running process on a host, in a container or directly on the host. `executable` is its absolute path."""

    host: Host
    executable: str
    pid: int = 0
    container: Container | None = None

    @property
    def name(self) -> str:
        """The executable, with the container or the host that it runs in."""
        owner = self.host.name if self.container is None else f"{self.container.workload}/{self.container.name}"
        return f"{owner}:{self.executable}"

    @property
    def namespace(self) -> str:
        """The namespace of its container; empty on the host."""
        return "" if self.container is None else self.container.namespace

    @property
    def stable_name(self) -> str:
        """The cluster and the name, without the process id; a container may be moved to another host."""
        return f"{self.host.cluster}/{self.name}"

    def describe(self) -> ProcessSubject:
        """Return its JSON form in findings."""
        container = self.container or Container("", "", "")
        return ProcessSubject(
            host=self.host.name,
            cluster=self.host.cluster,
            executable=self.executable,
            pid=self.pid,
            namespace=container.namespace,
            workload=container.workload,
            container=container.name,
            image=container.image,
        )
