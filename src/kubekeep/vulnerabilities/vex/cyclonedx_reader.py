"""Reader of VEX in CycloneDX 1.4 to 1.7: `vulnerabilities[].analysis`, also in an SBOM. No I/O.

A reference to a component (`affects[].ref`) is a `bom-ref` of the document, a package URL, or a BOM-Link to a component
of another document. Vulnerabilities without an analysis state nothing and are skipped.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator
from typing import Final

import msgspec

from kubekeep.images.sbom.cyclonedx_reader import create_bom_link
from kubekeep.model.package import Package
from kubekeep.vulnerabilities.vex.document import (
    JUSTIFICATIONS,
    ProductStatement,
    VexDocument,
    VexIdentity,
    VexStatus,
    VexTarget,
    find_flaw,
)
from kubekeep.vulnerabilities.vex.identities import PACKAGE_URL, parse_purl, read_hash, read_iri, read_purl
from kubekeep.vulnerabilities.vex.nodes import DocumentNode, TargetCounter

PROPERTY: Final = "kubekeep:vex:justification"
"""Property with the justification of OpenVEX, which CycloneDX has other terms for."""
_STATES: Final = {
    "not_affected": VexStatus.NOT_AFFECTED,
    "false_positive": VexStatus.NOT_AFFECTED,
    "exploitable": VexStatus.AFFECTED,
    "in_triage": VexStatus.UNDER_INVESTIGATION,
    "resolved": VexStatus.FIXED,
    "resolved_with_pedigree": VexStatus.FIXED,
}
_JUSTIFICATIONS: Final = {
    "code_not_present": "vulnerable_code_not_present",
    "code_not_reachable": "vulnerable_code_not_in_execute_path",
    "protected_by_compiler": "inline_mitigations_already_exist",
    "protected_at_runtime": "inline_mitigations_already_exist",
    "protected_at_perimeter": "inline_mitigations_already_exist",
    "protected_by_mitigating_control": "inline_mitigations_already_exist",
}
"""Terms of OpenVEX; `requires_configuration`, `requires_dependency` and `requires_environment` have none."""
_REQUIRES: Final = ("requires_configuration", "requires_dependency", "requires_environment")
_LINK: Final = re.compile(r"(urn:cdx:[0-9a-f-]{36}/[1-9][0-9]{0,8})(?:#(.+))?", re.DOTALL | re.IGNORECASE)
_MAX_COMPONENTS: Final = 500_000
_DEEPEST: Final = 50


class _Components:
    """The components of a document by `bom-ref`, with their context: its subject, and assemblies that contain them."""

    def __init__(self, root: DocumentNode, link: str) -> None:
        subject = root.get("metadata").get("component")
        self._link = link
        self._subject = subject if subject.value is not None else None
        self._nodes: dict[str, tuple[DocumentNode, tuple[DocumentNode, ...]]] = {}
        self._ambiguous: set[str] = set()
        top = (*root.get("components").entries(), *subject.get("components").entries())
        stack: list[tuple[DocumentNode, tuple[DocumentNode, ...]]] = [(node, ()) for node in top]
        count = 0
        while stack:
            count += 1
            node, outer = stack.pop()
            if count > _MAX_COMPONENTS:
                raise node.error(f"exceeds the limit of {_MAX_COMPONENTS:,} components")
            if reference := node.get("bom-ref").text():
                if reference in self._nodes:
                    self._ambiguous.add(reference)
                self._nodes[reference] = (node, outer)
            if node.has("components"):
                if len(outer) == _DEEPEST:
                    raise node.error(f"is nested more than {_DEEPEST} times")
                stack.extend((child, (*outer, node)) for child in node.get("components").entries())

    @property
    def context(self) -> tuple[VexIdentity, ...]:
        """The subject of the document; () without one."""
        return () if self._subject is None else (self._identify_subject(self._subject),)

    def find(self, reference: str) -> VexTarget | None:
        """Return the component with a `bom-ref`, None if there is none. Raises VexError if two components have it."""
        if self._subject is not None and reference == self._subject.get("bom-ref").text():
            return VexTarget(self._identify_subject(self._subject))
        if reference not in self._nodes:
            return None
        node, outer = self._nodes[reference]
        if reference in self._ambiguous:
            raise node.get("bom-ref").error("occurs twice")
        return VexTarget(_read_component(node), (*self.context, *map(_read_component, outer)))

    def _identify_subject(self, node: DocumentNode) -> VexIdentity:
        identity = _read_component(node)
        return msgspec.structs.replace(identity, names=(*identity.names, self._link)) if self._link else identity


def read_cyclonedx_vex(root: DocumentNode, origin: str) -> VexDocument:
    """Return the statements of a document. Raises VexError."""
    serial, version = root.get("serialNumber").text(), root.get("version").version()
    metadata = root.get("metadata")
    timestamp = metadata.get("timestamp").moment()
    components = _Components(root, create_bom_link(serial, str(version[0])))
    counter = TargetCounter()
    statements = []
    for node in root.get("vulnerabilities").entries():
        analysis = node.get("analysis")
        if not analysis.has("state"):
            continue
        moment = analysis.get("lastUpdated").moment() or analysis.get("firstIssued").moment() or timestamp
        statements += [
            msgspec.structs.replace(statement, timestamp=moment)
            for statement in _read_statements(node, components, counter)
        ]
    return VexDocument(
        origin=origin,
        format=f"CycloneDX {root.get('specVersion').text()[:10]}".strip(),
        identifier=serial,
        version=version,
        author=_read_author(metadata),
        timestamp=timestamp,
        statements=tuple(statements),
    )


def _read_author(metadata: DocumentNode) -> str:
    names = [entry.get("name").text() for entry in metadata.get("authors").entries()]
    organisations = (metadata.get(key) for key in ("supplier", "manufacturer", "manufacture"))
    names += [organisation.get("name").text() for organisation in organisations]
    return next(filter(None, names), "")


def _read_component(node: DocumentNode) -> VexIdentity:
    version, group = node.get("version").text(), node.get("group").text()
    name = "/".join(filter(None, (group, node.get("name").text())))
    hashes = [
        pair
        for entry in node.get("hashes").entries()
        for pair in read_hash(entry.get("alg").text(), entry.get("content").text())
    ]
    purls: tuple[Package, ...] = ()
    if node.get("purl").text():
        purl = read_purl(node.get("purl"))
        purls = (purl if purl.version or not version else set_version(purl, version),)
    if version.startswith("sha256:"):
        hashes += read_hash("sha256", version)
        version = ""
    names = () if purls or not name else (f"{name}@{version}" if version else name,)
    cpes = (node.get("cpe").text(),) if node.has("cpe") else ()
    return VexIdentity(names=names, purls=purls, cpes=cpes, hashes=tuple(dict.fromkeys(hashes)))


def set_version(purl: Package, version: str) -> Package:
    """Return the package with a version that stands beside its package URL."""
    return msgspec.structs.replace(purl, version=version)


def _read_statements(node: DocumentNode, components: _Components, counter: TargetCounter) -> Iterator[ProductStatement]:
    """Yield the statement of a vulnerability; one more for each set of versions that contradicts it."""
    name = node.get("id").text()
    if not name:
        raise node.error("has no id")
    status, justification, impact, detail, flaw = _read_analysis(node)
    targets = []
    flaws = []
    for affected in node.get("affects").entries():
        target, problem = _read_target(affected, components, status)
        flaws.append(problem)
        targets.append(target)
    counter.add(len(targets), node)
    action = _read_action(node) if status is VexStatus.AFFECTED else ""
    if status is VexStatus.AFFECTED and not action:
        action = detail
    base = ProductStatement(
        vulnerability=name,
        aliases=tuple(
            dict.fromkeys(filter(None, (entry.get("id").text() for entry in node.get("references").entries())))
        ),
        status=status,
        targets=(),
        justification=justification,
        impact=impact,
        action=action,
        notes=detail if status in {VexStatus.FIXED, VexStatus.UNDER_INVESTIGATION} else "",
        position=node.position,
        flaw=flaw or find_flaw(status, justification, impact, action),
    )
    if not targets:
        yield msgspec.structs.replace(base, flaw="the statement names no product")
    for problem in dict.fromkeys(flaws):
        chosen = tuple(target for target, other in zip(targets, flaws, strict=True) if other == problem)
        yield msgspec.structs.replace(base, targets=chosen, flaw=problem or base.flaw)


def _read_analysis(node: DocumentNode) -> tuple[VexStatus, str, str, str, str]:
    """Return status, justification of OpenVEX, impact, detail, and the flaw of the analysis."""
    analysis = node.get("analysis")
    state, term = analysis.get("state").text(), analysis.get("justification").text()
    detail = analysis.get("detail").text()
    if state not in _STATES:
        raise analysis.get("state").error(f"is not one of {', '.join(_STATES)}")
    status = _STATES[state]
    if status is not VexStatus.NOT_AFFECTED:
        return status, "", "", detail, ""
    properties = {entry.get("name").text(): entry.get("value").text() for entry in node.get("properties").entries()}
    justification = properties.get(PROPERTY, "")
    if justification not in JUSTIFICATIONS:
        justification = _JUSTIFICATIONS.get(term, "")
    flaw = f"unknown justification {term[:80]!r}" if term and term not in {*_JUSTIFICATIONS, *_REQUIRES} else ""
    prefix = term.replace("_", " ") if term in _REQUIRES else "false positive" if state == "false_positive" else ""
    return status, justification, ": ".join(filter(None, (prefix, detail))), detail, flaw


def _read_action(node: DocumentNode) -> str:
    """Return the advice for an affected product: recommendation, workaround, or the response of the analysis."""
    texts = [node.get("recommendation").text(), node.get("workaround").text()]
    responses = (text.replace("_", " ") for text in node.get("analysis").get("response").texts())
    return next(filter(None, (*texts, ", ".join(responses))), "")


def _read_target(node: DocumentNode, components: _Components, status: VexStatus) -> tuple[VexTarget, str]:
    """Return the component that an entry of `affects` names, and the flaw of the entry."""
    reference = node.get("ref").text()
    if not reference:
        raise node.error("has no ref")
    target, flaw = _resolve(node.get("ref"), reference, components)
    versions = list(node.get("versions").entries())
    if not versions or flaw:
        return target, flaw
    exact = [entry.get("version").text() for entry in versions if entry.has("version")]
    contradicting = [entry for entry in versions if status.suppresses and entry.get("status").text() == "affected"]
    if contradicting:
        return target, f"{contradicting[0].position} is affected, which contradicts the analysis"
    if len(exact) != len(versions):
        return target, f"{node.position}.versions has a range, which Kubekeep does not compare: name the versions"
    return _restrict(target, exact, node)


def _restrict(target: VexTarget, versions: list[str], node: DocumentNode) -> tuple[VexTarget, str]:
    """Return the target for exactly these versions."""
    purls = target.component.purls
    if not purls:
        return target, f"{node.position}.versions restricts a component without a package URL"
    restricted = [set_version(purl, version) for purl in purls for version in versions if purl.version in {"", version}]
    if not restricted:
        return target, f"{node.position}.versions contradicts the version of the component"
    identity = msgspec.structs.replace(target.component, purls=tuple(restricted), hashes=())
    return msgspec.structs.replace(target, component=identity), ""


def _resolve(node: DocumentNode, reference: str, components: _Components) -> tuple[VexTarget, str]:
    if target := components.find(reference):
        return target, ""
    if reference.lower().startswith("urn:cdx:"):
        match = _LINK.fullmatch(reference)
        if match is None:
            raise node.error("is not a BOM-Link")
        document = VexIdentity(names=(match[1].lower(),))
        fragment = match[2] or ""
        return (VexTarget(_read_fragment(fragment), (document,)) if fragment else VexTarget(document)), ""
    if reference.lower().startswith(PACKAGE_URL):
        return VexTarget(read_iri(node), components.context), ""
    return VexTarget(VexIdentity(names=(reference,))), f"{node.position} names no component of the document"


def _read_fragment(fragment: str) -> VexIdentity:
    """Return the component in a BOM-Link: its `bom-ref`, percent-encoded, which may be a package URL."""
    for text in (fragment, urllib.parse.unquote(fragment)):
        if text.lower().startswith(PACKAGE_URL):
            try:
                return VexIdentity(purls=(parse_purl(text),), reference=urllib.parse.unquote(fragment))
            except ValueError:
                continue
    return VexIdentity(reference=urllib.parse.unquote(fragment))
