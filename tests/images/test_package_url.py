"""Package URLs: the test data of the specification, and the conventions of other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubekeep.images.foreign_packages import normalise_package
from kubekeep.images.package_url import format_package_url, parse_package_url
from kubekeep.model.package import Package, SourcePackage

CASES = msgspec.json.decode((Path(__file__).parent / "package_urls" / "test-suite-data.json").read_bytes())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["description"])
def test_specification(case: dict[str, Any]) -> None:
    if case["is_invalid"]:
        with pytest.raises(ValueError, match="package URL"):
            parse_package_url(case["purl"])
        return
    for text in (case["purl"], case["canonical_purl"]):
        package = parse_package_url(text)
        assert format_package_url(package) == case["canonical_purl"]
        assert package.type == case["type"].lower()
        assert package.name == parse_package_url(case["canonical_purl"]).name
        assert dict(package.qualifiers) == (case["qualifiers"] or {})


@pytest.mark.parametrize(
    ("package", "url"),
    [
        (
            Package(
                type="deb", namespace="debian", name="attr", version="1:2.4.47-2+b1", qualifiers=(("arch", "amd64"),)
            ),
            "pkg:deb/debian/attr@1:2.4.47-2%2Bb1?arch=amd64",
        ),
        (
            Package(type="npm", namespace="@angular", name="core", version="17.0.0"),
            "pkg:npm/%40angular/core@17.0.0",
        ),
        (
            Package(type="golang", namespace="github.com/blang/semver", name="v4", version="v4.0.0"),
            "pkg:golang/github.com/blang/semver/v4@v4.0.0",
        ),
        (Package(type="generic", name="ä b", version="1~rc1"), "pkg:generic/%C3%A4%20b@1~rc1"),
    ],
)
def test_round_trip(package: Package, url: str) -> None:
    assert format_package_url(package) == url
    assert parse_package_url(url) == package


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("pkg:deb/debian/a%ff", "not UTF-8"),
        ("pkg:deb/debian/a?arch=x&ARCH=y", "occurs twice"),
        ("pkg:deb/debian%2Fx/a", "encoded slash"),
        ("pkg:npm/a?b", "invalid qualifier"),
        ("pkg:deb/" + "a" * 100_000, "more than 16384"),
        ("http://example.com", "does not begin with pkg:"),
    ],
)
def test_invalid(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_package_url(text)


@pytest.mark.parametrize(
    ("foreign", "expected"),
    [
        (
            "pkg:rpm/alma/bash@5.1.8-6.el9?arch=x86_64&distro=alma-9.4",
            "pkg:rpm/almalinux/bash@5.1.8-6.el9?arch=x86_64&distro=almalinux-9.4",
        ),
        ("pkg:rpm/redhat/tar@2:1.34-6?distro=redhat-9.4", "pkg:rpm/redhat/tar@1.34-6?distro=rhel-9.4&epoch=2"),
        ("pkg:rpm/rhel/tar@0:1.34-6", "pkg:rpm/redhat/tar@1.34-6"),
        ("pkg:rpm/amazon/tar@1.34-6?modularitylabel=a:1&epoch=0", "pkg:rpm/amzn/tar@1.34-6?rpmmod=a:1"),
        ("pkg:deb/debian/bsdutils@2.41-5?arch=amd64&epoch=1", "pkg:deb/debian/bsdutils@1:2.41-5?arch=amd64"),
        ("pkg:apk/alpine/musl@1.2.5-r0?distro=3.20.1", "pkg:apk/alpine/musl@1.2.5-r0?distro=alpine-3.20.1"),
        ("pkg:golang/github.com/blang/semver@v4.0.0#v4", "pkg:golang/github.com/blang/semver/v4@v4.0.0"),
        ("pkg:golang/github.com/blang/semver@v3.5.1#v4", "pkg:golang/github.com/blang/semver@v3.5.1#v4"),
        ("pkg:pypi/Foo_Bar@1", "pkg:pypi/foo-bar@1"),
        ("pkg:npm/next@UNKNOWN", "pkg:npm/next"),
    ],
)
def test_foreign(foreign: str, expected: str) -> None:
    package = normalise_package(parse_package_url(foreign))
    assert format_package_url(package) == expected
    assert normalise_package(package) == package


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("pkg:rpm/redhat/a@1-2?upstream=bash-5.1.8-6.el9.src.rpm", SourcePackage("bash", "5.1.8-6.el9")),
        ("pkg:deb/debian/a@1-2?upstream=gcc-12%4012.2.0-14", SourcePackage("gcc-12", "12.2.0-14")),
        ("pkg:apk/alpine/a@1-r2?upstream=busybox", SourcePackage("busybox", "1-r2")),
        ("pkg:deb/debian/a@1.2-3?epoch=1&upstream=b", SourcePackage("b", "1:1.2-3")),
        ("pkg:deb/debian/a@1:1.2-3?epoch=1&upstream=b", SourcePackage("b", "1:1.2-3")),
        ("pkg:apk/alpine/a@1-r2", None),
    ],
)
def test_source_package(url: str, source: SourcePackage | None) -> None:
    assert normalise_package(parse_package_url(url)).source == source
