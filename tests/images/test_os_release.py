"""The distribution of an image, its names in package URLs, and the end of its support."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec
import pytest

import kubekeep.images
from kubekeep.images.catalog import os_release
from kubekeep.images.content import LayerFile
from kubekeep.images.distributions import distribution_qualifier, normalise_qualifier, package_namespace
from kubekeep.images.end_of_life import end_of_life
from kubekeep.images.merge import merge
from kubekeep.model.package import NO_DISTRIBUTION, Distribution
from tests.images.tar_layers import build_layer

TABLE = Path(kubekeep.images.__file__).parent / "end_of_life.json"
TODAY = dt.date(2026, 11, 28)
UBI = """\
NAME="Red Hat Enterprise Linux"
VERSION="9.4 (Plow)"
ID="rhel"
ID_LIKE="fedora"
VERSION_ID="9.4"
PLATFORM_ID="platform:el9"
PRETTY_NAME="Red Hat Enterprise Linux 9.4 (Plow)"
"""
SID = 'PRETTY_NAME="Debian GNU/Linux forky/sid"\nNAME="Debian GNU/Linux"\nVERSION_CODENAME=forky\nID=debian\n'


def read(path: str, text: str) -> Distribution | None:
    record = os_release.read(LayerFile(path, text.encode()))
    return record.distribution if record else None


@pytest.mark.parametrize(
    ("path", "text", "identifier", "version", "namespace", "qualifier"),
    [
        ("etc/os-release", UBI, "rhel", "9.4", "redhat", "rhel-9.4"),
        ("usr/lib/os-release", SID, "debian", "", "debian", "debian-forky"),
        (
            "etc/os-release",
            "ID='opensuse-leap'\nVERSION_ID='15.6'\n",
            "opensuse-leap",
            "15.6",
            "opensuse",
            "opensuse-leap-15.6",
        ),
        ("etc/os-release", 'ID=amzn\nVERSION_ID="2023"\n', "amzn", "2023", "amzn", "amzn-2023"),
        ("etc/os-release", "ID=wolfi\nVERSION_ID=20230201\n", "wolfi", "20230201", "wolfi", "wolfi-20230201"),
        ("etc/os-release", 'ID="sles"\nVERSION_ID="15.5"\n', "sles", "15.5", "suse", "sles-15.5"),
        ("etc/os-release", "ID='x\n", "x", "", "x", "x"),
        ("etc/alpine-release", "3.20.1\n", "alpine", "3.20.1", "alpine", "alpine-3.20.1"),
        ("etc/debian_version", "12.5\n", "debian", "12", "debian", "debian-12"),
        ("etc/debian_version", "forky/sid\n", "debian", "", "debian", "debian-forky"),
        ("etc/redhat-release", "CentOS release 6.10 (Final)\n", "centos", "6.10", "centos", "centos-6.10"),
        (
            "etc/redhat-release",
            "Red Hat Enterprise Linux Server release 6.10 (Santiago)\n",
            "rhel",
            "6.10",
            "redhat",
            "rhel-6.10",
        ),
        ("etc/system-release", "Amazon Linux AMI release 2018.03\n", "amzn", "2018.03", "amzn", "amzn-2018.03"),
        ("etc/oracle-release", "Oracle Linux Server release 6.10\n", "ol", "6.10", "ol", "ol-6.10"),
        (
            "etc/SuSE-release",
            "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\n",
            "sles",
            "11",
            "suse",
            "sles-11",
        ),
    ],
)
def test_release_files(path: str, text: str, identifier: str, version: str, namespace: str, qualifier: str) -> None:
    distribution = read(path, text)
    assert distribution is not None
    assert (distribution.id, distribution.version_id) == (identifier, version)
    assert package_namespace(distribution) == namespace
    assert distribution_qualifier(distribution) == qualifier
    assert normalise_qualifier(qualifier, namespace) == qualifier


@pytest.mark.parametrize("text", ["", "NAME=x\n", "ID=\n", "#ID=debian\n", "ID=linux\n"])
def test_no_distribution(text: str) -> None:
    assert read("etc/os-release", text) is None
    assert read("etc/redhat-release", "Something else 1\n") is None


def test_os_release_is_preferred() -> None:
    ubuntu = 'ID=ubuntu\nVERSION_ID="24.04"\n'
    layers = [
        build_layer(
            {"usr/lib/os-release": ubuntu, "etc/debian_version": "trixie/sid\n"},
            links={"etc/os-release": "../usr/lib/os-release"},
        )
    ]
    assert merge(layers).distribution == Distribution("ubuntu", "24.04")
    assert merge([build_layer({"bin/busybox": "x"})]).distribution == NO_DISTRIBUTION


def test_upper_layer_replaces_the_release() -> None:
    layers = [
        build_layer({"etc/os-release": 'ID=debian\nVERSION_ID="12"\n'}),
        build_layer({"etc/os-release": 'ID=debian\nVERSION_ID="13"\n'}),
    ]
    assert merge(layers).distribution.version_id == "13"


@pytest.mark.parametrize(
    ("distribution", "standard", "has_ended"),
    [
        (Distribution("debian", "11"), dt.date(2024, 8, 14), True),
        (Distribution("debian", "13"), dt.date(2028, 8, 9), False),
        (Distribution("alpine", "3.20.1"), dt.date(2026, 4, 1), True),
        (Distribution("rhel", "9.4"), dt.date(2032, 5, 31), False),
        (Distribution("centos", "8", name="CentOS Linux 8"), dt.date(2021, 12, 31), True),
        (Distribution("centos", "8", name="CentOS Stream 8"), dt.date(2024, 5, 31), True),
        (Distribution("sles", "15.5"), dt.date(2024, 12, 31), True),
    ],
)
def test_end_of_life(distribution: Distribution, standard: dt.date, has_ended: bool) -> None:  # noqa: FBT001
    end = end_of_life(distribution, TODAY)
    assert end is not None
    assert (end.standard, end.has_ended) == (standard, has_ended)


@pytest.mark.parametrize(
    "distribution", [Distribution("sles", "15.99"), Distribution("debian"), Distribution("x", "1" + ".1" * 50_000)]
)
def test_unknown_end_of_life(distribution: Distribution) -> None:
    assert end_of_life(distribution, TODAY) is None


def test_support_ends_after_its_last_day() -> None:
    debian = Distribution("debian", "11")
    ends = [end_of_life(debian, dt.date(2024, 8, day)) for day in (14, 15)]
    assert [end and end.has_ended for end in ends] == [False, True]


def test_table_of_end_dates() -> None:
    table = msgspec.json.decode(TABLE.read_bytes())
    for name, releases in table["releases"].items():
        for version, dates in releases.items():
            end = end_of_life(Distribution(name.removesuffix("-stream"), version, name=name), TODAY)
            assert end is not None
            assert [end.standard.isoformat(), *([end.extended.isoformat()] if end.extended else [])] == dates
            assert dates == sorted(dates)
