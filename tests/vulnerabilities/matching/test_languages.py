"""Hard cases of packages of languages: spelling of names, pre-releases, ranges, several records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from kubekeep.model.package import NO_DISTRIBUTION, Distribution, Package, PackageLocation
from kubekeep.vulnerabilities.advisory import Advisory
from kubekeep.vulnerabilities.matching import match_packages
from tests.vulnerabilities.matching.records import (
    TODAY,
    ListedSource,
    build_package,
    build_record,
    scan,
    summarise,
)

NAMES = (
    # npm: scopes.
    ("pkg:npm/%40babel/traverse@7.23.0", "GHSA-1: npm @babel/traverse <7.23.2", "GHSA-1 7.23.2"),
    ("pkg:npm/traverse@7.23.0", "GHSA-1: npm @babel/traverse <7.23.2", "none"),
    ("pkg:npm/%40babel/traverse@7.23.0", "GHSA-1: npm traverse <7.23.2", "none"),
    ("pkg:npm/@babel/traverse@7.23.0", "GHSA-1: npm @babel/traverse <7.23.2", "GHSA-1 7.23.2"),
    ("pkg:npm/JSONStream@1.0.0", "GHSA-1: npm JSONStream <1.3.5", "GHSA-1 1.3.5"),
    # PyPI: PEP 503.
    ("pkg:pypi/pyyaml@5.3", "GHSA-1: PyPI PyYAML <5.4", "GHSA-1 5.4"),
    ("pkg:pypi/zope.interface@5.0", "GHSA-1: PyPI zope-interface <6", "GHSA-1 6"),
    ("pkg:pypi/Zope_Interface@5.0", "GHSA-1: PyPI zope.interface <6", "GHSA-1 6"),
    ("pkg:pypi/ruamel-yaml@0.15", "GHSA-1: PyPI ruamel..yaml <0.16", "GHSA-1 0.16"),
    # Maven: group and artifact; shaded and relocated artifacts are other packages.
    (
        "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1",
        "GHSA-1: Maven org.apache.logging.log4j:log4j-core >=2.13.0,<2.15.0|>=2.4,<2.12.2",
        "GHSA-1 2.15.0",
    ),
    (
        "pkg:maven/org.apache.logging.log4j/log4j-api@2.14.1",
        "GHSA-1: Maven org.apache.logging.log4j:log4j-core <2.15.0",
        "none",
    ),
    ("pkg:maven/org.myorg.spring/spring-core@5.0.0", "GHSA-1: Maven org.springframework:spring-core <5.3", "none"),
    (
        "pkg:maven/log4j-core@2.14.1",
        "GHSA-1: Maven org.apache.logging.log4j:log4j-core <2.15.0",
        "? the group id is unknown, and advisories name group and artifact",
    ),
    (
        "pkg:maven/com.fasterxml.jackson.core/jackson-databind@2.9.10.4",
        "GHSA-1: Maven com.fasterxml.jackson.core:jackson-databind <2.9.10.5",
        "GHSA-1 2.9.10.5",
    ),
    (
        "pkg:maven/org.eclipse.jetty/jetty-server@9.4.31.v20200723",
        "GHSA-1: Maven org.eclipse.jetty:jetty-server <9.4.32.v20200930",
        "GHSA-1 9.4.32.v20200930",
    ),
    (
        "pkg:maven/com.google.guava/guava@31.1-jre",
        "GHSA-1: Maven com.google.guava:guava <32.0.0-android",
        "GHSA-1 32.0.0-android",
    ),
    ("pkg:maven/io.netty/netty@4.1.0.Beta1", "GHSA-1: Maven io.netty:netty <4.1.0.Final", "GHSA-1 4.1.0.Final"),
    ("pkg:maven/a.b/c@1.0-SNAPSHOT", "GHSA-1: Maven a.b:c <1.0", "GHSA-1 1.0"),
    (
        "pkg:maven/androidx.core/core@1.0",
        "GHSA-1: Maven:https://maven.google.com androidx.core:core <1.1",
        "GHSA-1 1.1",
    ),
    # Others.
    ("pkg:composer/Symfony/HTTP-Kernel@v5.4.19", "GHSA-1: Packagist symfony/http-kernel <5.4.20", "GHSA-1 5.4.20"),
    (
        "pkg:composer/drupal/core@9.0.0",
        "DRUPAL-1: Packagist:https://packages.drupal.org/8 drupal/core <9.0.1",
        "DRUPAL-1 9.0.1",
    ),
    ("pkg:nuget/newtonsoft.json@12.0.3", "GHSA-1: NuGet Newtonsoft.Json <13.0.1", "GHSA-1 13.0.1"),
    ("pkg:nuget/A@1.0.0.1", "GHSA-1: NuGet A <1.0.0.2", "GHSA-1 1.0.0.2"),
    ("pkg:nuget/A@1.0", "GHSA-1: NuGet A =1.0.0", "GHSA-1"),
    ("pkg:cargo/time@0.1.42", "RUSTSEC-1: crates.io time <0.2.23", "RUSTSEC-1 0.2.23"),
    ("pkg:cargo/time@0.2.23-alpha.1", "RUSTSEC-1: crates.io time <0.2.23", "RUSTSEC-1 0.2.23"),
    ("pkg:cargo/time@0.2.23-alpha.1", "RUSTSEC-1: crates.io time >=0.2.0-0,<0.2.22", "none"),
    ("pkg:gem/nokogiri@1.15.0?platform=x86_64-linux", "GHSA-1: RubyGems nokogiri <1.15.4", "GHSA-1 1.15.4"),
    ("pkg:gem/nokogiri@1.15.4-x86_64-linux", "GHSA-1: RubyGems nokogiri <1.15.4", "none"),
    ("pkg:gem/rails@7.0.0.rc1", "GHSA-1: RubyGems rails <7.0.0", "GHSA-1 7.0.0"),
    ("pkg:gem/RedCloth@4.2.9", "GHSA-1: RubyGems RedCloth <4.3", "GHSA-1 4.3"),
    ("pkg:gem/redcloth@4.2.9", "GHSA-1: RubyGems RedCloth <4.3", "none"),
    ("pkg:hex/phoenix@1.6.0", "GHSA-1: Hex phoenix <1.6.14", "GHSA-1 1.6.14"),
    ("pkg:hex/acme/private@1.6.0", "GHSA-1: Hex private <1.6.14", "GHSA-1 1.6.14"),
    ("pkg:pub/http@0.13.2", "GHSA-1: Pub http <0.13.3", "GHSA-1 0.13.3"),
    (
        "pkg:swift/github.com/apple/swift-nio@2.40.0",
        "GHSA-1: SwiftURL github.com/apple/swift-nio <2.42.0",
        "GHSA-1 2.42.0",
    ),
    (
        "pkg:swift/github.com/apple/swift-nio@2.40.0",
        "GHSA-1: SwiftURL https://github.com/apple/swift-nio.git <2.42.0",
        "GHSA-1 2.42.0",
    ),
    ("pkg:cran/commonmark@1.7", "RSEC-1: CRAN commonmark <1.8", "RSEC-1 1.8"),
    ("pkg:bioconductor/Rsamtools@1.7", "RSEC-1: CRAN Rsamtools <1.8", "? no data"),
    ("pkg:hackage/aeson@1.5", "HSEC-1: Hackage aeson <2.0.1.0", "HSEC-1 2.0.1.0"),
    ("pkg:conan/openssl@1.1.1?user=a&channel=b", "X-1: ConanCenter openssl <1.1.2", "X-1 1.1.2"),
    ("pkg:julia/HTTP@1.5.0?uuid=cd3eb016-35fb-5094-929b-558a96fad6f3", "JLSEC-1: Julia HTTP <1.5.1", "JLSEC-1 1.5.1"),
    (
        "pkg:github/tj-actions/changed-files@v44.0.0",
        "GHSA-1: GitHub~Actions tj-actions/changed-files <46.0.1",
        "GHSA-1 46.0.1",
    ),
    (
        "pkg:githubactions/tj-actions/changed-files@v44.0.0",
        "GHSA-1: GitHub~Actions tj-actions/changed-files <46.0.1",
        "GHSA-1 46.0.1",
    ),
    ("pkg:opam/cohttp@5.0", "OSEC-1: opam cohttp <6", "OSEC-1 6"),
    # Bitnami's revision counts builds of the package: 1.25.3-4 is not a pre-release of 1.25.3.
    ("pkg:bitnami/nginx@1.25.3-4?arch=amd64", "BIT-1: Bitnami nginx <1.25.3", "none"),
    ("pkg:bitnami/nginx@1.25.3-4", "BIT-1: Bitnami nginx <=1.25.3", "BIT-1"),
    ("pkg:bitnami/java@11.0.15-1", "BIT-1: Bitnami java >=11.0.15-1,<=11.0.15-1", "BIT-1"),
    ("pkg:bitnami/java@11.0.15-2", "BIT-1: Bitnami java >=11.0.15-1,<=11.0.15-1", "none"),
    ("pkg:bitnami/nginx@1.25.2-10", "BIT-1: Bitnami nginx <1.25.3", "BIT-1 1.25.3"),
    # Programs that were built from source have the versions of Bitnami's records, without a revision.
    ("pkg:generic/nginx@1.25.2", "BIT-1: Bitnami nginx <1.25.3", "BIT-1 1.25.3"),
    ("pkg:generic/nginx@1.25.3", "BIT-1: Bitnami nginx <1.25.3", "none"),
    ("pkg:generic/httpd@2.4.58", "BIT-1: Bitnami apache <2.4.59", "BIT-1 2.4.59"),
    ("pkg:generic/postgresql@16.1", "BIT-1: Bitnami postgresql >=16.0.0,<16.2.0", "BIT-1 16.2.0"),
    ("pkg:generic/postgresql@16.2", "BIT-1: Bitnami postgresql >=16.0.0,<16.2.0", "none"),
    ("pkg:generic/openjdk@17.0.9%2B9", "BIT-1: Bitnami java >=12.0.0,<17.0.10", "BIT-1 17.0.10"),
    ("pkg:generic/openjdk@17.0.10%2B7", "BIT-1: Bitnami java >=12.0.0,<17.0.10", "none"),
    ("pkg:generic/openjdk@1.8.0_392-b08", "BIT-1: Bitnami java >=8.0.0,<8.0.401", "BIT-1 8.0.401"),
    ("pkg:generic/openjdk@1.8.0_402-b06", "BIT-1: Bitnami java >=8.0.0,<8.0.401", "none"),
    # The same name in another ecosystem.
    ("pkg:npm/requests@2.0.0", "GHSA-1: PyPI requests <3", "? no data"),
    ("pkg:pypi/zlib@1.0", "GHSA-1: npm zlib <3 & PyPI zlib <1", "none"),
)

RANGES = (
    # PEP 440: pre-releases, local versions, other spellings.
    ("pkg:pypi/a@2.0rc1", "X-1: PyPI a <2.0", "X-1 2.0"),
    ("pkg:pypi/a@2.0.post1", "X-1: PyPI a <2.0.post2", "X-1 2.0.post2"),
    ("pkg:pypi/a@2.0+cu118", "X-1: PyPI a <2.0", "none"),
    ("pkg:pypi/a@2.0.0", "X-1: PyPI a =2.0", "X-1"),
    ("pkg:pypi/a@1!1.0", "X-1: PyPI a <2.0", "none"),
    # Boundaries.
    ("pkg:npm/a@1.0.0", "X-1: npm a >=1.0.0,<1.2.0", "X-1 1.2.0"),
    ("pkg:npm/a@0.9.9", "X-1: npm a >=1.0.0,<1.2.0", "none"),
    ("pkg:npm/a@1.2.0", "X-1: npm a >=1.0.0,<1.2.0", "none"),
    ("pkg:npm/a@1.2.0-rc.1", "X-1: npm a >=1.0.0,<1.2.0", "X-1 1.2.0"),
    ("pkg:npm/a@1.2.0+build5", "X-1: npm a >=1.0.0,<1.2.0", "none"),
    ("pkg:npm/a@1.2.0", "X-1: npm a <=1.2.0", "X-1"),
    ("pkg:npm/a@1.2.1", "X-1: npm a <=1.2.0", "none"),
    ("pkg:npm/a@0.0.0", "X-1: npm a all", "X-1"),
    ("pkg:npm/a@1.10.0", "X-1: npm a <1.9.0", "none"),
    # Several branches: the fix of the branch, and the next one if a branch has none.
    ("pkg:npm/a@1.5.0", "X-1: npm a >=1.0.0,<1.5.3|>=2.0.0,<2.1.0", "X-1 1.5.3"),
    ("pkg:npm/a@2.0.5", "X-1: npm a >=1.0.0,<1.5.3|>=2.0.0,<2.1.0", "X-1 2.1.0"),
    ("pkg:npm/a@1.6.0", "X-1: npm a >=1.0.0,<1.5.3|>=2.0.0,<2.1.0", "none"),
    ("pkg:npm/a@1.5.0", "X-1: npm a >=1.0.0,<=1.9.9|>=2.0.0,<2.1.0", "X-1 2.1.0"),
    ("pkg:npm/a@1.5.0", "X-1: npm a >=1.0.0,<1.5.1 & npm a >=1.4.0,<1.6.0", "X-1 1.6.0"),
    # Listed versions only, and listed versions beside a range of another type.
    ("pkg:pypi/a@1.5", "X-1: PyPI a =1.5,1.6", "X-1"),
    ("pkg:pypi/a@1.7", "X-1: PyPI a =1.5,1.6", "none"),
    ("pkg:pypi/a@1.5", "X-1: PyPI a =1.5|<1.4", "X-1"),
)


def _check(package: str, record: Advisory, expected: str) -> None:
    result = summarise(scan(package, record))
    if expected == "? no data":
        assert result.startswith("? the database has no advisories for"), result
    else:
        assert result == expected


@pytest.mark.parametrize(("package", "record", "expected"), [*NAMES, *RANGES])
def test_package_of_language(package: str, record: str, expected: str) -> None:
    _check(package, build_record(record), expected)


@pytest.mark.parametrize(
    ("version", "events", "expected"),
    [
        # Unsorted events, several introduced in a row, limits, commits.
        ("1.5.0", [{"fixed": "1.6.0"}, {"introduced": "1.0.0"}], "X-1 1.6.0"),
        ("1.5.0", [{"introduced": "2.0.0"}, {"fixed": "2.1.0"}, {"fixed": "1.6.0"}, {"introduced": "0"}], "X-1 1.6.0"),
        ("1.5.0", [{"introduced": "0"}, {"introduced": "1.0.0"}, {"fixed": "1.2.0"}], "none"),
        ("1.1.0", [{"introduced": "0"}, {"introduced": "1.0.0"}, {"fixed": "1.2.0"}], "X-1 1.2.0"),
        ("1.5.0", [{"introduced": "0"}, {"limit": "1.5.0"}], "none"),
        ("1.4.0", [{"introduced": "0"}, {"limit": "1.5.0"}], "X-1"),
        ("1.4.0", [{"introduced": "0"}, {"limit": "*"}], "X-1"),
        ("1.4.0", [], "none"),
    ],
)
def test_events(version: str, events: list[dict[str, str]], expected: str) -> None:
    affected = {"package": {"ecosystem": "npm", "name": "a"}, "ranges": [{"type": "SEMVER", "events": events}]}
    _check(f"pkg:npm/a@{version}", build_record("X-1: npm a <1", affected=[affected]), expected)


def test_ranges_of_commits_never_match_versions() -> None:
    events = [{"introduced": "0"}, {"fixed": "9" * 40}]
    affected = {
        "package": {"ecosystem": "npm", "name": "a"},
        "ranges": [{"type": "GIT", "repo": "x", "events": events}],
    }
    _check("pkg:npm/a@1.0.0", build_record("X-1: npm a <1", affected=[affected]), "none")


@pytest.mark.parametrize(
    ("path", "distribution", "is_skipped"),
    [
        ("usr/lib/python3/dist-packages/requests-2.28.1.egg-info/PKG-INFO", "debian", True),
        ("/usr/lib/python3/dist-packages/requests-2.28.1.egg-info/PKG-INFO", "ubuntu", True),
        ("usr/local/lib/python3.11/dist-packages/requests-2.28.1.dist-info/METADATA", "debian", False),
        ("usr/lib/python3.9/site-packages/requests-2.28.1.dist-info/METADATA", "rhel", True),
        ("usr/lib/python3.9/site-packages/requests-2.28.1.dist-info/METADATA", "alpine", False),
        ("usr/local/lib/python3.9/site-packages/requests-2.28.1.dist-info/METADATA", "rhel", False),
        ("", "debian", False),
    ],
)
def test_package_that_the_distribution_installed(path: str, distribution: str, *, is_skipped: bool) -> None:
    package = build_package("pkg:pypi/requests@2.28.1")
    if path:
        package = msgspec.structs.replace(package, locations=(PackageLocation(path),))
    source = ListedSource([build_record("GHSA-1: PyPI requests <2.31")])
    report = match_packages([package], Distribution(distribution, "12"), source, today=TODAY)
    assert len(report.vulnerabilities) == (0 if is_skipped else 1)
    assert len(report.not_assessed) == (1 if is_skipped else 0)


def test_package_with_evidence_is_not_skipped() -> None:
    """Our own reader knows the files that a distribution owns: the others in the folder are not its packages."""
    location = PackageLocation("usr/lib/python3/dist-packages/requests-2.28.1.dist-info/METADATA", "sha256:1")
    package = msgspec.structs.replace(
        build_package("pkg:pypi/requests@2.28.1"), locations=(location,), evidence="Python metadata"
    )
    source = ListedSource([build_record("GHSA-1: PyPI requests <2.31")])
    assert match_packages([package], Distribution("debian", "12"), source, today=TODAY).vulnerabilities


GO = (
    # Package URLs are lower-case, records are not.
    (
        "pkg:golang/github.com/masterminds/goutils@v1.1.0",
        "GO-1: Go github.com/Masterminds/goutils <1.1.1",
        "GO-1 v1.1.1",
    ),
    ("pkg:golang/github.com/Masterminds/goutils@1.1.0", "GO-1: Go github.com/Masterminds/goutils <1.1.1", "GO-1 1.1.1"),
    # The major version is part of the path.
    ("pkg:golang/github.com/foo/bar/v2@v2.0.0", "GO-1: Go github.com/foo/bar <3", "none"),
    ("pkg:golang/github.com/foo/bar@v2.0.0#v2", "GO-1: Go github.com/foo/bar/v2 <2.1.0", "GO-1 v2.1.0"),
    (
        "pkg:golang/github.com/foo/bar@v2.0.0%2Bincompatible",
        "GO-1: Go github.com/foo/bar <2.1.0+incompatible",
        "GO-1 v2.1.0+incompatible",
    ),
    # Pseudo-versions.
    (
        "pkg:golang/golang.org/x/crypto@v0.0.0-20211202192323-5770296d904e",
        "GO-1: Go golang.org/x/crypto <0.0.0-20220314234659-1baeb1ce4c0b",
        "GO-1 v0.0.0-20220314234659-1baeb1ce4c0b",
    ),
    (
        "pkg:golang/golang.org/x/crypto@v0.0.0-20220315160706-3147a52a75dd",
        "GO-1: Go golang.org/x/crypto <0.0.0-20220314234659-1baeb1ce4c0b",
        "none",
    ),
    (
        "pkg:golang/golang.org/x/crypto@v0.0.0-20220315160706-3147a52a75dd",
        "GO-1: Go golang.org/x/crypto <0.17.0",
        "GO-1 v0.17.0",
    ),
    (
        "pkg:golang/github.com/foo/bar@v1.2.4-0.20220101000000-abcdefabcdef",
        "GO-1: Go github.com/foo/bar <1.2.4",
        "GO-1 v1.2.4",
    ),
    (
        "pkg:golang/github.com/foo/bar@v1.2.4-0.20220101000000-abcdefabcdef",
        "GO-1: Go github.com/foo/bar <1.2.3",
        "none",
    ),
    # The standard library.
    ("pkg:golang/stdlib@1.21.3", "GO-1: Go stdlib <1.20.11|>=1.21.0-0,<1.21.4", "GO-1 1.21.4"),
    ("pkg:golang/stdlib@go1.21.3", "GO-1: Go stdlib <1.20.11|>=1.21.0-0,<1.21.4", "GO-1 go1.21.4"),
    ("pkg:golang/stdlib@1.21rc2", "GO-1: Go stdlib <1.20.11|>=1.21.0-0,<1.21.4", "GO-1 1.21.4"),
    ("pkg:golang/stdlib@1.20.12", "GO-1: Go stdlib <1.20.11|>=1.21.0-0,<1.21.4", "none"),
    ("pkg:golang/stdlib@1.22.0", "GO-1: Go stdlib <1.20.11|>=1.21.0-0,<1.21.4", "none"),
    ("pkg:golang/stdlib@1.21.3", "GO-1: Go toolchain <1.21.4", "none"),
    ("pkg:golang/stdlib@1.9", "GO-1: Go stdlib <1.10.0", "GO-1 1.10.0"),
    # A main module without a version.
    ("pkg:golang/github.com/foo/bar@%28devel%29", "GO-1: Go github.com/foo/bar <2", "? the version is unknown"),
    ("pkg:golang/github.com/foo/bar", "GO-1: Go github.com/foo/bar <2", "? the version is unknown"),
    (
        "pkg:golang/k8s.io/kubernetes@v1.27.0",
        "GO-1: Go k8s.io/other <1 & Kubernetes k8s.io/kubernetes >=1.27.0,<1.27.3",
        "GO-1 v1.27.3",
    ),
)


@pytest.mark.parametrize(("package", "record", "expected"), GO)
def test_go(package: str, record: str, expected: str) -> None:
    _check(package, build_record(record), expected)


class LinkedImports(msgspec.Struct):
    """Import paths and symbols of an executable, in lower case."""

    imports: Mapping[str, frozenset[str] | None]

    def get_imports(self, package: Package) -> Mapping[str, frozenset[str] | None] | None:
        """Return the same imports for each module."""
        return self.imports if package.type == "golang" else None


ENTRY = {"path": "golang.org/x/crypto/ssh", "symbols": ["NewServerConn"]}
WINDOWS = {"path": "golang.org/x/crypto/ssh", "goos": ["windows"]}
ARM = {"path": "golang.org/x/crypto/ssh", "goarch": ["arm64"]}


@pytest.mark.parametrize(
    ("imports", "linked", "platform", "is_affected"),
    [
        ([ENTRY], None, "", True),
        ([ENTRY], {"golang.org/x/crypto/ssh": frozenset({"newserverconn"})}, "", True),
        ([ENTRY], {"golang.org/x/crypto/ssh": frozenset({"dial"})}, "", False),
        ([ENTRY], {"golang.org/x/crypto/ssh": None}, "", True),
        ([ENTRY], {"golang.org/x/crypto/bcrypt": None}, "", False),
        # A function of an unknown path.
        ([ENTRY], {"": frozenset({"newserverconn"})}, "", True),
        ([ENTRY], {"": frozenset({"dial"}), "golang.org/x/crypto/ssh": frozenset({"dial"})}, "", False),
        # Mistakes of records: upper case, and the name of the package before that of the function.
        ([{"path": "regexp", "symbols": ["regexp.Compile"]}], {"regexp": frozenset({"compile"})}, "", True),
        (
            [{"path": "net/Mail", "symbols": ["Reader.ReadMimeHeader"]}],
            {"net/mail": frozenset({"reader.readmimeheader"})},
            "",
            True,
        ),
        # No function has to be linked for types and constants.
        ([{"path": "golang.org/x/crypto/bcrypt"}], {"golang.org/x/crypto/ssh": frozenset({"dial"})}, "", True),
        ([WINDOWS], None, "linux/amd64", False),
        ([WINDOWS], None, "windows/amd64", True),
        ([WINDOWS], None, "", True),
        ([WINDOWS, ENTRY], None, "linux/amd64", True),
        ([ARM], None, "linux/amd64", False),
        ([ARM], None, "linux/arm64/v8", True),
        ([{"path": 5}, "x"], {"a": None}, "linux/amd64", True),
    ],
)
def test_imports(
    imports: list[Any], linked: dict[str, frozenset[str] | None] | None, platform: str, *, is_affected: bool
) -> None:
    record = _build_go_record(imports)
    used = LinkedImports(linked) if linked is not None else None
    report = scan("pkg:golang/golang.org/x/crypto@v0.1.0", record, platform=platform, used_symbols=used)
    assert bool(report.vulnerabilities) == is_affected


def _build_go_record(imports: list[Any]) -> Advisory:
    affected = {
        "package": {"ecosystem": "Go", "name": "golang.org/x/crypto"},
        "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "0.17.0"}]}],
        "ecosystem_specific": {"imports": imports},
    }
    return build_record("GO-1: Go x <1", affected=[affected], aliases=["CVE-2024-1000", "GHSA-1"])


def test_symbols_are_listed() -> None:
    record = _build_go_record([ENTRY, {"path": "golang.org/x/crypto/bcrypt"}])
    vulnerability = scan("pkg:golang/golang.org/x/crypto@v0.1.0", record).vulnerabilities[0]
    assert vulnerability.symbols == ("golang.org/x/crypto/ssh.NewServerConn", "golang.org/x/crypto/bcrypt")


def test_platform_is_linux_in_an_image_of_a_distribution() -> None:
    package = "pkg:golang/golang.org/x/crypto@v0.1.0"
    assert not scan(package, _build_go_record([WINDOWS]), Distribution("debian", "12")).vulnerabilities
    assert scan(package, _build_go_record([WINDOWS]), NO_DISTRIBUTION).vulnerabilities


def test_curated_record_of_go_suppresses_another_record_visibly() -> None:
    """The record of GitHub has versions only; that of Go says that the vulnerable import path is absent."""
    other = build_record("GHSA-1: Go golang.org/x/crypto <0.17.0", aliases=["CVE-2024-1000"])
    used = LinkedImports({"golang.org/x/crypto/bcrypt": None})
    report = scan("pkg:golang/golang.org/x/crypto@v0.1.0", [_build_go_record([ENTRY]), other], used_symbols=used)
    (vulnerability,) = report.vulnerabilities
    assert vulnerability.id == "CVE-2024-1000"
    assert vulnerability.vex is not None
    assert vulnerability.vex.status == "not_affected"
    assert vulnerability.vex.justification == "vulnerable_code_not_present"
