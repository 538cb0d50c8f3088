"""Subjects of findings: a resource, an image or a part of it, a host, a process. No I/O."""

from __future__ import annotations

import msgspec

from kubekeep.model.resource import Resource


class AffectedPackage(msgspec.Struct, frozen=True):
    """A software package: its package URL (purl specification) with name and version, and its file if known."""

    purl: str
    file: str = ""


class Image(msgspec.Struct, frozen=True):
    """A container image, or a part of it.

    `digest` is the manifest digest (OCI image specification); `layer` the digest of the layer with the problem, and
    `package` the affected package.
    """

    reference: str
    digest: str = ""
    platform: str = ""
    layer: str = ""
    package: AffectedPackage | None = None


class Host(msgspec.Struct, frozen=True):
    """A node of a cluster, or a machine outside of one (empty `cluster`)."""

    name: str
    cluster: str = ""


class Container(msgspec.Struct, frozen=True):
    """A running container: its workload with namespace, its name in the pod, and the digest of its image."""

    namespace: str
    workload: str
    name: str
    image: str = ""


class Process(msgspec.Struct, frozen=True):
    """A running process on a host, in a container or directly on the host. `executable` is its absolute path."""

    host: Host
    executable: str
    pid: int = 0
    container: Container | None = None


Subject = Resource | Image | Host | Process
"""The thing with the problem."""
