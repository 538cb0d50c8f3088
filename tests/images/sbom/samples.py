"""SBOMs for tests: hypothesis strategies of any content, and one realistic example."""

from __future__ import annotations

from hypothesis import strategies as st

from kubekeep.images.content import ContentProblem
from kubekeep.images.sbom.document import Sbom, SbomSubject, SubjectKind, unite_packages
from kubekeep.model.package import NO_DISTRIBUTION, Distribution, Package, PackageLocation, SourcePackage

LAYERS = ("sha256:" + "a" * 64, "sha256:" + "b" * 64)
DIGEST = "sha256:" + "c" * 64

text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(str.strip)
any_text = st.text(max_size=20)
"""Also lone surrogates, as in names of files that are not UTF-8."""
licence = st.one_of(
    st.sampled_from(
        ["MIT", "Apache-2.0", "GPL-2.0-or-later WITH Classpath-exception-2.0", "MIT OR ISC", "BSD", "GPL-2.0+"]
    ),
    any_text,
)
packages = st.builds(
    Package,
    type=st.sampled_from(["", "deb", "rpm", "npm", "pypi", "golang", "maven", "generic"]),
    name=text,
    version=any_text,
    namespace=st.one_of(st.just(""), text),
    qualifiers=st.dictionaries(st.sampled_from(["arch", "classifier", "distro"]), text, max_size=2).map(
        lambda pairs: tuple(sorted(pairs.items()))
    ),
    source=st.one_of(st.none(), st.builds(SourcePackage, text, any_text)),
    licences=st.lists(licence, max_size=3).map(tuple),
    supplier=st.one_of(any_text, st.just("Ann Example <ann@example.com>")),
    evidence=any_text,
    declared=st.booleans(),
    hashes=st.lists(
        st.tuples(st.sampled_from(["SHA-1", "SHA-256", "CRC"]), st.sampled_from(["0" * 40, "ab" * 32, "x"]))
    ).map(tuple),
    locations=st.lists(st.builds(PackageLocation, any_text, st.sampled_from(("", *LAYERS))), max_size=2).map(tuple),
)
subjects = st.builds(
    SbomSubject,
    name=any_text,
    kind=st.sampled_from(SubjectKind),
    version=any_text,
    digest=st.sampled_from(["", DIGEST]),
    platform=st.sampled_from(["", "linux/amd64"]),
)
distributions = st.one_of(
    st.just(NO_DISTRIBUTION),
    st.builds(Distribution, id=text, version_id=any_text, name=any_text, version_codename=any_text),
)


@st.composite
def sboms(draw: st.DrawFn) -> Sbom:
    """Return any SBOM of one subject; each package may require the others."""
    united = unite_packages(draw(st.lists(packages, max_size=4)))
    return Sbom(
        subject=draw(subjects),
        created=draw(st.sampled_from(["", "2026-01-02T03:04:05.123456789Z", "yesterday"])),
        distribution=draw(distributions),
        packages=united.packages,
        problems=tuple(draw(st.lists(st.builds(ContentProblem, any_text, any_text), max_size=2))),
        tool=draw(any_text),
        tool_version=draw(any_text),
    )


def create_image() -> Sbom:
    """Return the SBOM of an image with packages of three types, each with every field."""
    united = unite_packages(
        [
            Package(
                type="deb",
                namespace="debian",
                name="bsdutils",
                version="1:2.41.5-0+deb13u1",
                qualifiers=(("arch", "amd64"), ("distro", "debian-13")),
                source=SourcePackage("util-linux", "2.41.5-0+deb13u1"),
                licences=("GPL-2.0-or-later", "MIT OR ISC", "public-domain"),
                supplier="Ann Example <ann@example.com>",
                dependencies=("pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13",),
                evidence="dpkg status",
                locations=(PackageLocation("var/lib/dpkg/status", LAYERS[0]),),
            ),
            Package(
                type="deb",
                namespace="debian",
                name="libc6",
                version="2.41-12",
                qualifiers=(("arch", "amd64"), ("distro", "debian-13")),
                licences=("LGPL-2.1-or-later",),
                evidence="dpkg status",
                locations=(PackageLocation("var/lib/dpkg/status", LAYERS[0]),),
            ),
            Package(
                type="maven",
                namespace="org.slf4j",
                name="slf4j-api",
                version="2.0.9",
                licences=("MIT", "Apache-2.0 OR EPL-2.0"),
                hashes=(("SHA-1", "0" * 40),),
                evidence="Java archive",
                locations=(
                    PackageLocation("app.jar!/BOOT-INF/lib/slf4j-api-2.0.9.jar", LAYERS[1]),
                    PackageLocation("lib/slf4j-api-2.0.9.jar", LAYERS[0]),
                ),
            ),
            Package(type="npm", namespace="@babel", name="core", version="7.23.0", declared=True),
            Package(type="", namespace="vendor", name="tool", version="1"),
        ]
    )
    return Sbom(
        subject=SbomSubject("registry.example/shop:1.0", SubjectKind.IMAGE, digest=DIGEST, platform="linux/amd64"),
        created="2026-01-02T03:04:05Z",
        distribution=Distribution("debian", "13", "Debian GNU/Linux 13 (trixie)", "trixie", ("linux",), "slim"),
        packages=united.packages,
        problems=(ContentProblem("opt/app.jar", "the central directory is damaged"), ContentProblem("", "no history")),
        tool="Kubekeep",
        tool_version="0.1.0",
    )
