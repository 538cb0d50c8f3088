"""Controls, packages and vulnerabilities of the demo, from the files `posture.json` and `images.json`. Values only.

`posture.json` has definitions of Kubekeep's library with evidence as scans write it. `images.json` has package URLs in two
versions, with the advisories that a scan of both reports. These come from OSV records of AlmaLinux (MIT), Bitnami
(Apache-2.0), Go and PyPI (CC-BY-4.0), and RubyGems (public domain), and from the public facts of CVEs in Maven, npm and Debian
packages. Dates in CISA's catalogue (CC0) are real, EPSS scores are examples.
"""

from __future__ import annotations

import functools
from importlib import resources

import msgspec

from kubekeep.model.finding_document import EvidenceDocument
from kubekeep.model.submission import DefinitionEntry, GapEntry


class PackageProblem(msgspec.Struct, frozen=True, array_like=True):
    """A vulnerability of a package. definition: its key. fixed_version: empty without one."""

    definition: str
    fixed_version: str = ""


class PackageVersion(msgspec.Struct, frozen=True):
    """A package URL with its vulnerabilities."""

    purl: str
    problems: tuple[PackageProblem, ...] = ()


class StackPackage(PackageVersion, frozen=True):
    """A package of a stack. newer: the version after an upgrade; None if there is none."""

    newer: PackageVersion | None = None


class Stack(msgspec.Struct, frozen=True):
    """Packages that images have together, such as those of an operating system."""

    name: str
    packages: tuple[StackPackage, ...]


class Weakness(msgspec.Struct, frozen=True):
    """A finding of a control: evidence with the placeholders {pod}, {container}, {image}, {namespace} and {name}."""

    name: str
    definition: str
    evidence: tuple[EvidenceDocument, ...]


class _Posture(msgspec.Struct, frozen=True):
    definitions: tuple[DefinitionEntry, ...]
    weaknesses: tuple[Weakness, ...]
    gaps: tuple[GapEntry, ...]


class _Images(msgspec.Struct, frozen=True):
    definitions: tuple[DefinitionEntry, ...]
    stacks: tuple[Stack, ...]


class Catalog(msgspec.Struct, frozen=True):
    """All data of the demo. controls and vulnerabilities: by key. weaknesses and stacks: by name.

    gaps: of controls that need data which no cluster of the demo has.
    """

    controls: dict[str, DefinitionEntry]
    weaknesses: dict[str, Weakness]
    gaps: tuple[GapEntry, ...]
    vulnerabilities: dict[str, DefinitionEntry]
    stacks: dict[str, Stack]


@functools.cache
def load_catalog() -> Catalog:
    """Return the data of the package."""
    folder = resources.files(__package__)
    posture = msgspec.json.decode(folder.joinpath("posture.json").read_bytes(), type=_Posture)
    images = msgspec.json.decode(folder.joinpath("images.json").read_bytes(), type=_Images)
    return Catalog(
        controls={entry.key: entry for entry in posture.definitions},
        weaknesses={weakness.name: weakness for weakness in posture.weaknesses},
        gaps=posture.gaps,
        vulnerabilities={entry.key: entry for entry in images.definitions},
        stacks={stack.name: stack for stack in images.stacks},
    )
