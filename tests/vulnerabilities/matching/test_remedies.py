"""Advised versions: above the installed one by the scheme of the package, and named by a record."""

from __future__ import annotations

from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from kubekeep.model.package import Package, convert_source_version
from kubekeep.model.vulnerability import Vulnerability
from kubekeep.vulnerabilities.upgrades import Upgrade, advise
from kubekeep.vulnerabilities.versions.registry import get_scheme
from tests.vulnerabilities.matching.distribution_cases import D12, R9
from tests.vulnerabilities.matching.records import build_record, scan

_DISTRIBUTIONS: Final = {"Debian:12": ("pkg:deb/debian", D12), "Rocky~Linux:9": ("pkg:rpm/rocky", R9)}
_LANGUAGES: Final = {"npm": "pkg:npm", "PyPI": "pkg:pypi", "Maven": "pkg:maven/org.example", "crates.io": "pkg:cargo"}
numbers = st.integers(0, 12)
upstreams = st.builds("{}.{}.{}".format, st.integers(1, 3), numbers, numbers)
revisions = st.builds("{}-{}".format, upstreams, st.integers(1, 4))
epochs = st.sampled_from(["", "1:", "2:"])


def check(ecosystem: str, package: Package, vulnerability: Vulnerability, named: set[str]) -> None:
    """Check the fixed version of a vulnerability against the installed version and the records."""
    scheme = get_scheme(ecosystem.replace("~", " "))
    assert scheme is not None
    assert not vulnerability.fixed_version or (vulnerability.source_fix or vulnerability.fixed_version) in named
    if vulnerability.fixed_source:
        assert package.source is not None
        assert vulnerability.fixed_source == package.source.name
        assert scheme.key(vulnerability.fixed_version) > scheme.key(package.source.version)
    elif vulnerability.fixed_version:
        epoch = dict(package.qualifiers).get("epoch", "")
        installed = f"{epoch}:{package.version}" if epoch and package.type == "rpm" else package.version
        assert scheme.key(vulnerability.fixed_version) > scheme.key(installed)


def check_upgrade(ecosystem: str, upgrade: Upgrade) -> None:
    """Check that an upgrade is above the version it names, for each of its packages."""
    scheme = get_scheme(ecosystem.replace("~", " "))
    assert scheme is not None
    assert scheme.key(upgrade.fixed_version) > scheme.key(upgrade.version)
    for package in upgrade.packages:
        own = convert_source_version(package.version, upgrade.version, upgrade.fixed_version)
        assert not own or scheme.key(own) > scheme.key(package.version)


@settings(max_examples=400)
@given(
    st.sampled_from(sorted(_DISTRIBUTIONS)),
    epochs,
    revisions,
    st.one_of(st.tuples(epochs, st.just("")), st.tuples(epochs, st.just("+b2")), st.tuples(epochs, revisions)),
    st.lists(st.tuples(epochs, revisions, st.sampled_from(["tools", "tools-bin"])), min_size=1, max_size=4),
)
def test_upgrades_of_distributions(
    ecosystem: str,
    source_epoch: str,
    source_version: str,
    binary: tuple[str, str],
    fixes: list[tuple[str, str, str]],
) -> None:
    kind, qualifiers = _DISTRIBUTIONS[ecosystem]
    epoch, suffix = binary
    # The version of the source, with another epoch or a rebuild, or one of its own.
    version = suffix if suffix[:1].isdigit() else f"{source_version}{suffix if kind.startswith('pkg:deb') else ''}"
    if kind.startswith("pkg:rpm"):
        # File names of source packages have no epoch.
        source_epoch, qualifiers = "", f"{qualifiers}&epoch={epoch[:1]}" if epoch else qualifiers
    else:
        version = f"{epoch}{version}"
    text = f"{kind}/tools-bin@{version}?{qualifiers} from tools@{source_epoch}{source_version}"
    records = [
        build_record(f"CVE-2026-{number}: {ecosystem} {name} <{fix_epoch}{fix}")
        for number, (fix_epoch, fix, name) in enumerate(fixes, 1000)
    ]
    report = scan(text, records)
    named = {f"{fix_epoch}{fix}" for fix_epoch, fix, _ in fixes}
    for vulnerability in report.vulnerabilities:
        check(ecosystem, vulnerability.package, vulnerability, named)
    for upgrade in advise(report):
        check_upgrade(ecosystem, upgrade)


@given(st.sampled_from(sorted(_LANGUAGES)), upstreams, st.lists(upstreams, min_size=1, max_size=4))
def test_upgrades_of_languages(ecosystem: str, version: str, fixes: list[str]) -> None:
    name = "org.example:tools" if ecosystem == "Maven" else "tools"
    records = [build_record(f"GHSA-{number}: {ecosystem} {name} <{fix}") for number, fix in enumerate(fixes)]
    report = scan(f"{_LANGUAGES[ecosystem]}/tools@{version}", records)
    for vulnerability in report.vulnerabilities:
        check(ecosystem, vulnerability.package, vulnerability, {*fixes})
    for upgrade in advise(report):
        check_upgrade(ecosystem, upgrade)
