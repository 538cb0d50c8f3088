"""The scanned image or SBOM as VEX documents may identify it. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.images.sbom.document import Sbom, SubjectKind
from kubekeep.model.package import NO_DISTRIBUTION, Distribution, Package
from kubekeep.registry.reference import DOCKER_HUB, ArtifactReference, canonical_name, parse_image_name
from kubekeep.vulnerabilities.vex.document import VexIdentity
from kubekeep.vulnerabilities.vex.identities import parse_purl
from kubekeep.vulnerabilities.vex.purl_matching import matches_purl

_SYSTEMS: Final = {
    "rhel": ("redhat", "enterprise_linux"),
    "debian": ("debian", "debian_linux"),
    "ubuntu": ("canonical", "ubuntu_linux"),
    "alpine": ("alpinelinux", "alpine_linux"),
    "almalinux": ("almalinux", "almalinux"),
    "rocky": ("rocky", "rocky_linux"),
    "fedora": ("fedoraproject", "fedora"),
    "sles": ("suse", "linux_enterprise_server"),
    "ol": ("oracle", "linux"),
}
"""Vendor and product in the CPE of a distribution, by its id in `os-release`."""
_PATHS: Final = ("oci:", "oci-archive:", "docker-archive:", "dir:", "sbom:", ".", "/")
"""Beginnings of references to local files."""
_STORES: Final = ("docker://", "oci://", "containerd://", "docker-daemon:")
"""Beginnings of references to images by name."""


class VexSubject(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The scanned software with everything that identifies it.

    names: references and names. image: parsed reference of an image in a registry. digests: of the manifest and of the
    index, as "sha256:...". purls: package URLs that its SBOM states. documents: BOM-Links and namespaces of its SBOM.
    references: package URLs by `bom-ref` of that SBOM. packages: all packages, not only the vulnerable ones.
    """

    names: tuple[str, ...] = ()
    image: ArtifactReference | None = None
    digests: tuple[str, ...] = ()
    platform: str = ""
    purls: tuple[Package, ...] = ()
    documents: tuple[str, ...] = ()
    references: Mapping[str, str] = {}
    distribution: Distribution = NO_DISTRIBUTION
    packages: tuple[Package, ...] = ()

    def matches(self, identity: VexIdentity) -> bool:
        """Return True if the document means this subject."""
        hashes = {
            algorithm: {digest.partition(":")[2] for digest in self.digests if digest.startswith(f"{algorithm}:")}
            for algorithm in ("sha256", "sha512")
        }
        comparable = [value in hashes[name] for name, value in identity.hashes if hashes.get(name)]
        if not all(comparable) or self._has_other_digest(identity.purls):
            return False
        return (
            bool(comparable)
            or any(map(self._matches_name, identity.names))
            or (not identity.version_range and any(map(self._matches_purl, identity.purls)))
        )

    def matches_system(self, identity: VexIdentity) -> bool:
        """Return True if a CPE names the distribution, as `cpe:/o:redhat:enterprise_linux:9`."""
        return any(map(self._matches_cpe, identity.cpes))

    def _matches_purl(self, purl: Package) -> bool:
        if purl.type in {"oci", "docker"}:
            return self._matches_image(purl) or any(matches_purl(purl, own) for own in self.purls)
        return any(matches_purl(purl, own) for own in self.purls)

    def _matches_name(self, name: str) -> bool:
        return name in self.names or name in self.documents or _normalise_reference(name) in self.names

    def _has_other_digest(self, purls: Iterable[Package]) -> bool:
        """Return True if package URLs name digests of images, and none of them is one of this subject."""
        digests = {purl.version for purl in purls if purl.type in {"oci", "docker"} and purl.version[:7] == "sha256:"}
        return bool(digests and self.digests) and digests.isdisjoint(self.digests)

    def _matches_image(self, purl: Package) -> bool:
        """Compare the digest if there is one, since it is the identity of the content; else repository and tag."""
        qualifiers = dict(purl.qualifiers)
        if purl.version.startswith("sha256:"):
            return purl.version in self.digests
        if self.image is None or purl.name != self.image.repository.rpartition("/")[2]:
            return False
        repository = qualifiers.pop("repository_url", "")
        tag = qualifiers.pop("tag", "") or purl.version
        architecture, system = qualifiers.pop("arch", ""), qualifiers.pop("os", "")
        own_system, _, own_architecture = self.platform.partition("/")
        return (
            not qualifiers
            and _matches_repository(purl, repository, self.image)
            and (not tag or tag == self.image.tag)
            and (not architecture or architecture == own_architecture.partition("/")[0])
            and (not system or system == own_system)
        )

    def _matches_cpe(self, cpe: str) -> bool:
        parts = _split_cpe(cpe)
        system = _SYSTEMS.get(self.distribution.id)
        if system is None or (parts["vendor"], parts["product"]) != system:
            return False
        version = parts["version"]
        own = self.distribution.version_id
        return version in {"", "*", "-"} or own == version or own.startswith(f"{version}.")


def create_image_subject(
    reference: str,
    *,
    digests: Sequence[str] = (),
    platform: str = "",
    distribution: Distribution = NO_DISTRIBUTION,
    packages: Sequence[Package] = (),
) -> VexSubject:
    """Return the identities of an image. digests: of its manifest, and of the index that it was selected from."""
    image = _parse_image(reference)
    names = [reference, _normalise_reference(reference)]
    known = list(digests)
    if image is not None:
        names += [f"{image.name}@{digest}" for digest in digests]
        if image.digest:
            known.append(image.digest)
    return VexSubject(
        names=tuple(dict.fromkeys(names)),
        image=image,
        digests=tuple(dict.fromkeys(known)),
        platform=platform,
        distribution=distribution,
        packages=tuple(packages),
    )


def create_sbom_subject(sbom: Sbom) -> VexSubject:
    """Return the identities of the subject of an SBOM."""
    subject = sbom.subject
    documents = (sbom.identifier,) if sbom.identifier else ()
    references = dict(sbom.references)
    if subject.kind is SubjectKind.IMAGE:
        image = create_image_subject(
            subject.name,
            digests=(subject.digest,) if subject.digest else (),
            platform=subject.platform,
            distribution=sbom.distribution,
            packages=sbom.packages,
        )
        versions = [f"{subject.name}:{subject.version}", f"{subject.name}@{subject.version}"] if subject.version else []
        return msgspec.structs.replace(
            image,
            names=(*image.names, *versions),
            purls=_parse_purls(subject.purl),
            documents=documents,
            references=references,
        )
    names = (subject.name, f"{subject.name}@{subject.version}") if subject.version else (subject.name,)
    return VexSubject(
        names=tuple(filter(None, names)),
        digests=(subject.digest,) if subject.digest else (),
        purls=_parse_purls(subject.purl),
        documents=documents,
        references=references,
        distribution=sbom.distribution,
        packages=sbom.packages,
    )


def _parse_image(reference: str) -> ArtifactReference | None:
    """Return the image in a registry or store that a reference names; None for a path."""
    if reference.startswith(_PATHS) and not reference.startswith("oci://"):
        return None
    name = next((reference.removeprefix(prefix) for prefix in _STORES if reference.startswith(prefix)), reference)
    try:
        return parse_image_name(name)
    except ValueError:
        return None


def _normalise_reference(text: str) -> str:
    """Return the reference of an image with registry and organisation; the text itself without a tag or digest."""
    image = _parse_image(text)
    if image is None or not (image.tag or image.digest):
        return text
    return f"{image.name}@{image.digest}" if image.digest else f"{image.name}:{image.tag}"


def _parse_purls(text: str) -> tuple[Package, ...]:
    try:
        return (parse_purl(text),) if text else ()
    except ValueError:
        return ()


def _matches_repository(purl: Package, repository: str, image: ArtifactReference) -> bool:
    """Compare a repository with or without the name of the image, as both are in use; `pkg:docker` has it as namespace."""
    if purl.type == "docker":
        registry = repository or DOCKER_HUB
        path = f"{purl.namespace}/{purl.name}" if purl.namespace else f"library/{purl.name}"
        return _normalise_repository(f"{registry}/{path}") == image.canonical_name
    if not repository:
        return True
    return _normalise_repository(repository) in {image.canonical_name, image.canonical_name.rpartition("/")[0]}


def _normalise_repository(text: str) -> str:
    return canonical_name(text.removeprefix("https://").rstrip("/"))


def _split_cpe(cpe: str) -> dict[str, str]:
    """Return vendor, product and version of a CPE 2.2 or 2.3."""
    text = cpe.lower()
    fields = text.removeprefix("cpe:2.3:").split(":") if text.startswith("cpe:2.3:") else text[5:].split(":")
    fields += [""] * 4
    return {"vendor": fields[1], "product": fields[2], "version": fields[3]}
