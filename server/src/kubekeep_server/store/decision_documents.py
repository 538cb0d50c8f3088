"""Decisions in force as files for other programs: exceptions in Kubescape's format, and VEX documents. No I/O.

A decision that a format cannot express is left out, and never widened: what a file covers is what the server covers. Only a VEX
statement about a digest counts under each name of the image.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from kubekeep.exceptions.policy_exception import escape_pattern
from kubekeep.images.package_url import parse_package_url
from kubekeep.model.decision import DecisionKind
from kubekeep.model.definition import FindingKind
from kubekeep.model.image import KIND as IMAGE
from kubekeep.model.package import Package
from kubekeep.model.submission import DefinitionEntry
from kubekeep.model.text import utc_text
from kubekeep.vulnerabilities.vex.document import ProductStatement, VexDocument, VexIdentity, VexStatus, VexTarget
from kubekeep.vulnerabilities.vex.write import write_vex
from kubekeep_server.store.queries.decision_exports import ExportedDecision

_ACTIONS: Final = {
    DecisionKind.ACCEPTED_RISK: "The risk is accepted",
    DecisionKind.WILL_NOT_FIX: "It will not be fixed",
    DecisionKind.IN_PROGRESS: "A fix is in progress",
}
"""Beginnings of the advice for a product that is affected."""


class DecisionFile(NamedTuple):
    """A file of decisions. omitted: numbers of those that it does not contain."""

    content: bytes
    omitted: tuple[int, ...]


class Publisher(NamedTuple):
    """The author of a VEX document, with its address, and the time of the document."""

    name: str
    address: str
    moment: dt.datetime


def write_exceptions(decisions: Iterable[ExportedDecision]) -> DecisionFile:
    """Return the decisions as an exceptions file in JSON. Decisions that cover nothing are not a part of it."""
    entries: list[dict[str, Any]] = []
    omitted = []
    for one in decisions:
        if not one.kind.covers:
            continue
        written = [_create_entry(one, *parts) for parts in _list_parts(one)]
        entries += written
        if not written:
            omitted.append(one.id)
    return DecisionFile((json.dumps(entries, indent=2, ensure_ascii=False) + "\n").encode(), tuple(omitted))


def _list_parts(one: ExportedDecision) -> Iterator[tuple[list[str], list[dict[str, str]]]]:
    """Yield definitions with the attributes of resources, one of which has to match; without any, all do."""
    scope = one.scope
    if scope.fingerprints:
        yield from _list_findings(one)
    elif scope.is_limited_to_images:
        # An exception names an image by its reference, which may have no digest.
        if not scope.images:
            repositories = [{"name": f"{escape_pattern(name)}([:@ ].*)?"} for name in scope.repositories]
            yield list(scope.definitions), [{"kind": IMAGE, **names} for names in repositories or [{}]]
    else:
        # A decision on some sources or subjects covers no problem of an image; an exception without resources would.
        is_general = scope.selects_images
        keys = [key for key in scope.definitions if is_general or not _is_vulnerability(one.definitions.get(key))]
        patterns = {"kind": scope.kinds, "namespace": scope.namespaces, "name": scope.names}
        attributes = {key: _match_any(values) for key, values in patterns.items() if values}
        if keys:
            yield keys, [attributes] if attributes else []


def _list_findings(one: ExportedDecision) -> Iterator[tuple[list[str], list[dict[str, str]]]]:
    for key in one.scope.definitions:
        subjects = [_match(each.kind, each.namespace, each.name) for each in one.findings if each.definition == key]
        if subjects:
            yield [key], subjects


def _create_entry(one: ExportedDecision, definitions: list[str], attributes: list[dict[str, str]]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": f"decision {one.id} ({one.kind})",
        "policyType": "postureExceptionPolicy",
        "actions": ["alertOnly"],
    }
    if attributes:
        entry["resources"] = [{"designatorType": "Attributes", "attributes": each} for each in attributes]
    if one.scope.packages:
        entry["packages"] = [{"purl": purl} for purl in one.scope.packages]
    entry["posturePolicies"] = [{"controlID": escape_pattern(_name(one, key))} for key in definitions]
    return {**entry, "reason": one.reason, "expirationDate": utc_text(one.expires)}


def _name(one: ExportedDecision, key: str) -> str:
    entry = one.definitions.get(key)
    return entry.id if entry is not None else key


def _match(kind: str, namespace: str, name: str) -> dict[str, str]:
    attributes = {"kind": kind, "namespace": namespace, "name": name}
    return {key: escape_pattern(value) for key, value in attributes.items() if value}


def _match_any(values: Iterable[str]) -> str:
    return "|".join(map(escape_pattern, values))


def write_statements(decisions: Iterable[ExportedDecision], name: str, publisher: Publisher) -> DecisionFile:
    """Return the decisions on vulnerabilities as a VEX document in a format of `kubekeep.vulnerabilities.vex.write`.

    The first decision on a vulnerability of a product counts, as on the server. Raises LookupError without a statement, and
    VexError if the format cannot express one.
    """
    statements: list[ProductStatement] = []
    omitted = []
    seen: set[tuple[str, VexTarget]] = set()
    for one in decisions:
        vulnerabilities = [entry for entry in one.definitions.values() if _is_vulnerability(entry)]
        if not vulnerabilities:
            continue
        targets = _list_targets(one)
        if not targets:
            omitted.append(one.id)
        for entry in vulnerabilities:
            remaining = tuple(target for target in targets if (entry.id, target) not in seen)
            seen.update((entry.id, target) for target in remaining)
            if remaining:
                statements.append(_create_statement(one, entry, remaining))
    if not statements:
        raise LookupError("no decision in force is about a vulnerability of some images or packages")
    document = VexDocument(
        author=publisher.name,
        author_url=publisher.address,
        timestamp=publisher.moment,
        statements=tuple(statements),
    )
    return DecisionFile(write_vex(document, name), tuple(omitted))


def _is_vulnerability(entry: DefinitionEntry | None) -> bool:
    return entry is not None and entry.kind == FindingKind.VULNERABILITY


def _list_targets(one: ExportedDecision) -> list[VexTarget]:
    """Return the products of a decision; none if it is about all images, or about some sources or subjects."""
    scope = one.scope
    if not scope.selects_images:
        return []
    components = [VexIdentity(purls=(parse_package_url(purl),)) for purl in scope.packages]
    # The content of a digest is the same in each repository.
    products = [_identify_digest(digest) for digest in scope.images]
    products = products or [_identify_repository(repository) for repository in scope.repositories]
    if components and products:
        return [VexTarget(component, (product,)) for component in components for product in products]
    return [VexTarget(identity) for identity in components or products]


def _identify_digest(digest: str) -> VexIdentity:
    algorithm, _, value = digest.partition(":")
    return VexIdentity(names=(digest,), hashes=((algorithm, value),))


def _identify_repository(repository: str) -> VexIdentity:
    name = repository.rpartition("/")[2].lower()
    return VexIdentity(purls=(Package(type="oci", name=name, qualifiers=(("repository_url", repository),)),))


def _create_statement(
    one: ExportedDecision, entry: DefinitionEntry, targets: tuple[VexTarget, ...]
) -> ProductStatement:
    is_false = one.kind is DecisionKind.FALSE_POSITIVE
    return ProductStatement(
        vulnerability=entry.id,
        status=VexStatus.NOT_AFFECTED if is_false else VexStatus.AFFECTED,
        targets=targets,
        aliases=tuple(alias for alias in entry.aliases if alias != entry.id),
        impact=one.reason if is_false else "",
        action="" if is_false else f"{_ACTIONS[one.kind]} until {one.expires:%Y-%m-%d}: {one.reason}",
        timestamp=one.changed,
    )
