"""Container images as subjects of findings, and the packages in them as evidence. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kubekeep.model.definition import Definition
from kubekeep.model.listed_vulnerabilities import list_problems
from kubekeep.model.resource import Resource
from kubekeep.model.subject import SubjectDocument
from kubekeep.model.verdict import Verdict

API_VERSION: Final = "image.kubekeep.io/v1"
KIND: Final = "ContainerImage"


class ImageSubject(SubjectDocument, frozen=True, tag="image", tag_field="type"):
    """A container image. The digest is that of its manifest (OCI image specification)."""

    reference: str
    digest: str = ""
    platform: str = ""


class PackageList(Resource, frozen=True, gc=False, kw_only=True):
    """The document of an image or SBOM that lists packages, and their vulnerabilities if they were compared.

    is_compared: True if the packages were compared with advisories. packages: `ImagePackages` as MessagePack, on request.
    """

    is_compared: bool = False
    packages: bytes = b""

    @property
    def may_contain_pods(self) -> bool:
        """False: the document has thousands of values, and none of them is a pod template."""
        return False

    @property
    def has_problems(self) -> bool:
        """True if the packages were compared with advisories."""
        return self.is_compared

    def list_problems(self) -> Iterator[tuple[Definition, Verdict]]:
        """Yield the verdict on each vulnerability, and on the packages as a whole."""
        return list_problems(self)


class Image(PackageList, frozen=True, gc=False, kw_only=True):
    """A container image with the document that rules read. digest: of the manifest (OCI image specification)."""

    digest: str = ""
    platform: str = ""

    @property
    def runs_in_containers(self) -> bool:
        """True: containers of workloads run it."""
        return True

    @property
    def stable_name(self) -> str:
        """The digest, if it is known: the same image may have several tags."""
        return self.digest or self.name

    def describe(self) -> SubjectDocument:
        """Return its JSON form in findings."""
        return ImageSubject(reference=self.name, digest=self.digest, platform=self.platform)


def trim_tag(reference: str) -> str:
    """Return the repository of a reference: `ghcr.io/shop/web` of `ghcr.io/shop/web:1@sha256:...`."""
    name = reference.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name
