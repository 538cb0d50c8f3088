"""One SBOM of several: each package once, with the subjects that contain it. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from kubekeep.ecosystems.shared.registry import is_distribution_type
from kubekeep.images.content import ContentProblem
from kubekeep.images.distributions import distribution_qualifier, package_namespace
from kubekeep.images.sbom.document import Sbom, SbomPart, SbomSubject, refer, unite_packages
from kubekeep.images.sbom.identity import identify


def merge(sboms: Sequence[Sbom], name: str) -> Sbom:
    """Return the SBOM of all subjects; `name` is that of the whole if there are several.

    Documents with the same subject are joined. The result has no tool: the caller is the tool.
    """
    if len(sboms) == 1:
        return msgspec.structs.replace(
            sboms[0],
            tool="",
            tool_version="",
            origins=_list_origins(sboms),
            format="",
            omitted=(),
            identifier="",
            references=(),
            entries=(),
        )
    sboms = _state_releases(sboms)
    united = unite_packages(package for sbom in sboms for package in sbom.packages)
    parts = _join_parts((part for sbom in sboms for part in _list_parts(sbom)), united.references)
    problems = (problem for sbom in sboms for problem in _list_problems(sbom, has_one_subject=len(parts) == 1))
    whole = Sbom(
        subject=SbomSubject(name),
        created=max(sbom.created for sbom in sboms),
        packages=united.packages,
        problems=tuple(dict.fromkeys(problems)),
        origins=_list_origins(sboms),
    )
    if len(parts) > 1:
        return msgspec.structs.replace(whole, parts=parts)
    return msgspec.structs.replace(whole, subject=parts[0].subject, distribution=parts[0].distribution)


def _state_releases(sboms: Sequence[Sbom]) -> Sequence[Sbom]:
    """Return the SBOMs; if their distributions differ, each with its release in its package URLs."""
    releases = {(sbom.distribution.id, sbom.distribution.version_id) for sbom in sboms}
    return [_state_release(sbom) for sbom in sboms] if len(releases) > 1 else sboms


def _state_release(sbom: Sbom) -> Sbom:
    """Return the SBOM with the release in the package URLs of its distribution, which the whole has no more."""
    distribution = sbom.distribution
    if not distribution.id or sbom.parts:
        return sbom
    stated = ("distro", distribution_qualifier(distribution))
    packages = [
        msgspec.structs.replace(package, qualifiers=tuple(sorted((*package.qualifiers, stated))))
        if is_distribution_type(package.type)
        and package.namespace == package_namespace(distribution)
        and "distro" not in dict(package.qualifiers)
        else package
        for package in sbom.packages
    ]
    references = {identify(old): identify(new) for old, new in zip(sbom.packages, packages, strict=True)}
    return msgspec.structs.replace(sbom, packages=tuple(refer(package, references) for package in packages))


def _list_origins(sboms: Iterable[Sbom]) -> tuple[tuple[str, str], ...]:
    """Return the programs that wrote the documents, each once."""
    tools = ((sbom.tool, sbom.tool_version) for sbom in sboms if sbom.tool)
    return tuple(dict.fromkeys((*tools, *(origin for sbom in sboms for origin in sbom.origins))))


def _list_parts(sbom: Sbom) -> tuple[SbomPart, ...]:
    """Return the subjects of an SBOM with their packages."""
    whole = SbomPart(sbom.subject, sbom.distribution, tuple(map(identify, sbom.packages)))
    return sbom.parts or (whole,)


def _join_parts(parts: Iterable[SbomPart], references: dict[str, str]) -> tuple[SbomPart, ...]:
    """Return each subject once, in the order of the documents, with references to the merged packages."""
    by_identity: dict[str, SbomPart] = {}
    for part in parts:
        known = by_identity.get(part.subject.identity, SbomPart(part.subject))
        own = (references.get(reference, reference) for reference in part.packages)
        by_identity[part.subject.identity] = msgspec.structs.replace(
            known,
            distribution=known.distribution if known.distribution.id else part.distribution,
            packages=tuple(sorted({*known.packages, *own})),
        )
    return tuple(by_identity.values())


def _list_problems(sbom: Sbom, *, has_one_subject: bool) -> Iterable[ContentProblem]:
    """Return the problems; they name their subject if the merged document has several."""
    if has_one_subject or sbom.parts:
        return sbom.problems
    return tuple(
        msgspec.structs.replace(problem, message=f"{problem.message} ({sbom.subject.name})")
        for problem in sbom.problems
    )
