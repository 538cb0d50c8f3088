"""VEX documents as values that OpenVEX, CycloneDX and CSAF share: products, statements and their status. No I/O.

Never decides if a statement applies to a package.
"""

from __future__ import annotations

import datetime as dt
import enum
from typing import Final

import msgspec

from kubekeep.images.package_url import format_package_url
from kubekeep.model.package import Package


class VexStatus(enum.StrEnum):
    """Status of a vulnerability in a product, with the terms of OpenVEX."""

    NOT_AFFECTED = "not_affected"
    AFFECTED = "affected"
    FIXED = "fixed"
    UNDER_INVESTIGATION = "under_investigation"

    @property
    def suppresses(self) -> bool:
        """True if a vulnerability with this status needs no action."""
        return self in {VexStatus.NOT_AFFECTED, VexStatus.FIXED}


COMPONENT_NOT_PRESENT: Final = "component_not_present"
JUSTIFICATIONS: Final = (
    COMPONENT_NOT_PRESENT,
    "vulnerable_code_not_present",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "inline_mitigations_already_exist",
)
"""Justifications of "not_affected" of the VEX working group, as OpenVEX and CSAF write them."""


class VexIdentity(msgspec.Struct, frozen=True, omit_defaults=True):
    """A product or component as a document identifies it.

    One identifier has to match, and a hash must not contradict. names: IRIs, references of images, names of SBOM subjects. cpes: as in the document. hashes: algorithm as
    "sha256", and value. reference: `bom-ref` in a document that the context names. version_range: a range that Kubekeep does
    not compare, so that no version matches.
    """

    names: tuple[str, ...] = ()
    purls: tuple[Package, ...] = ()
    cpes: tuple[str, ...] = ()
    hashes: tuple[tuple[str, str], ...] = ()
    reference: str = ""
    version_range: str = ""

    @property
    def has_identifier(self) -> bool:
        """True if anything can be compared with it."""
        return bool(self.names or self.purls or self.cpes or self.hashes or self.reference)

    @property
    def label(self) -> str:
        """The most exact identifier, for people."""
        if self.purls:
            return format_package_url(self.purls[0])
        hashes = (f"{algorithm}:{value}" for algorithm, value in self.hashes)
        label = next(iter((*self.names, self.reference, *hashes, *self.cpes)), "")
        return f"{label} {self.version_range}".strip() if self.version_range else label


class VexTarget(msgspec.Struct, frozen=True, omit_defaults=True):
    """A component that a statement is about. context: the products that contain it, all of which have to match."""

    component: VexIdentity
    context: tuple[VexIdentity, ...] = ()

    @property
    def label(self) -> str:
        """Component and products, for people."""
        return " in ".join(filter(None, (self.component.label, *(product.label for product in self.context))))


class ProductStatement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One statement of a document: the status of one vulnerability in products.

    justification: a term of OpenVEX, else empty. impact: text about a product that is not affected. action: advice for one
    that is affected. timestamp: its own, else that of the document. position: in the document. flaw: the rule of the
    format that it breaks; such a statement never suppresses a vulnerability.
    """

    vulnerability: str
    status: VexStatus
    targets: tuple[VexTarget, ...]
    aliases: tuple[str, ...] = ()
    justification: str = ""
    impact: str = ""
    action: str = ""
    notes: str = ""
    supplier: str = ""
    timestamp: dt.datetime | None = None
    position: str = ""
    flaw: str = ""

    @property
    def names(self) -> frozenset[str]:
        """Identifiers of the vulnerability in upper case."""
        return frozenset(name.upper() for name in (self.vulnerability, *self.aliases))

    @property
    def text(self) -> str:
        """The explanation for people."""
        return self.impact or self.action or self.notes


class VexDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The statements of one document.

    origin: the file or attestation. format: as "OpenVEX 0.2.0". identifier and version: of two documents with the same
    identifier, only the higher version counts. author_url: namespace of the publisher (CSAF). is_collected: True for a
    document of a VEX repository, which is mostly about other software: only statements that apply are reported.
    """

    origin: str = ""
    format: str = ""
    identifier: str = ""
    version: tuple[int, ...] = (1,)
    author: str = ""
    author_url: str = ""
    timestamp: dt.datetime | None = None
    statements: tuple[ProductStatement, ...] = ()
    is_collected: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """Format without its version, and identifier."""
        return (self.format.partition(" ")[0], self.identifier)


def find_flaw(status: VexStatus, justification: str, impact: str, action: str) -> str:
    """Return the rule of the VEX working group that a statement breaks; empty if none."""
    if status is VexStatus.NOT_AFFECTED:
        if justification and justification not in JUSTIFICATIONS:
            return f"unknown justification {justification[:80]!r}"
        if not (justification or impact):
            return "not_affected needs a justification or an impact statement"
    if status is VexStatus.AFFECTED and not action:
        return "affected needs an action statement"
    return ""
