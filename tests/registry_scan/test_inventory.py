"""Inventories of packages in a file and in memory, and rematching after changes of advisories, with equal results."""

from __future__ import annotations

import concurrent.futures
import contextlib
import datetime as dt
import random
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from kubekeep.images.registries.state_file import StateError
from kubekeep.model.exploit_signal import ExploitSignal
from kubekeep.model.package import NO_DISTRIBUTION, Distribution, GoSymbols, Package, PackageLocation
from kubekeep.model.severity import Severity
from kubekeep.model.vulnerability import (
    MatchedRecord,
    NotAssessed,
    Vulnerability,
    VulnerabilityRating,
    VulnerabilityReport,
)
from kubekeep.vulnerabilities.advisory import Advisory
from kubekeep.vulnerabilities.inventory import IndexedImage, PackageContext
from kubekeep.vulnerabilities.matching.go_imports import UsedSymbols
from kubekeep.vulnerabilities.package_facts import NO_FACTS, collect_facts
from kubekeep.vulnerabilities.rematching import Matcher, Rematch, RematchReport
from kubekeep.vulnerabilities.source import AdvisorySource, SourceState
from kubekeep.vulnerabilities.sqlite_inventory import SqliteInventory
from tests.registry_scan.memory_inventory import MemoryInventory
from tests.selection.shares import draw_share

TODAY = dt.date(2026, 11, 29)
DEBIAN = PackageContext(Distribution("debian", "13"), "linux/amd64")
BARE = PackageContext(NO_DISTRIBUTION, "linux/amd64")


def pypi(name: str, version: str = "1.0", layer: str = "") -> Package:
    return Package(type="pypi", name=name, version=version, locations=(PackageLocation(f"lib/{name}", layer),))


def deb(name: str) -> Package:
    return Package(type="deb", namespace="debian", name=name, version="1-1")


def list_keys(package: Package, distribution: Distribution) -> Iterable[tuple[str, str]]:
    """Return the keys as matching does: the ecosystem of a distribution's package depends on the distribution."""
    if package.type == "deb":
        return [("Debian" if distribution.id == "debian" else "Ubuntu", package.name)]
    return [("PyPI", package.name)] if package.type == "pypi" else []


class Advisories:
    """Advisories in memory: the severity by ecosystem, name and id. Each change makes a new generation."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], dict[str, Severity]] = {}
        self.changes: list[tuple[str, str]] = []
        self.signals: dict[str, ExploitSignal] = {}
        self.ratings: dict[str, Severity] = {}
        """Ratings of flaws by records about other packages."""
        self.queried: list[str] = []
        self.oldest = 0
        self.ecosystems = {"PyPI", "Debian"}

    def set(self, ecosystem: str, name: str, **records: Severity) -> None:
        self.records[ecosystem, name] = {key.replace("_", "-"): level for key, level in records.items()}
        self.changes.append((ecosystem, name))

    def get_states(self) -> Mapping[str, SourceState]:
        return {ecosystem: SourceState(ecosystem, frozenset((ecosystem,))) for ecosystem in self.ecosystems}

    def find_advisories(self, ecosystem: str, names: Iterable[str]) -> Iterator[tuple[str, Advisory]]:
        for name in names:
            for key in self.records.get((ecosystem, name), {}):
                yield name, Advisory(key)

    def find_rated(self, names: Iterable[str]) -> Iterator[tuple[str, Advisory]]:
        raise AssertionError(f"the matching below rates vulnerabilities: {names}")

    def get_signals(self, cves: Iterable[str]) -> Mapping[str, ExploitSignal]:
        return {cve: self.signals[cve] for cve in cves if cve in self.signals}

    def get_token(self, ecosystem: str) -> str:
        own = [index for index, (changed, _) in enumerate(self.changes, 1) if changed == ecosystem]
        return f"generation {max(own, default=0)}" if ecosystem in self.ecosystems else ""

    def list_changes(self, ecosystem: str, since: str) -> frozenset[str] | None:
        generation = int(since.rpartition(" ")[2])
        if generation < self.oldest:
            return None
        return frozenset(name for changed, name in self.changes[generation:] if changed == ecosystem)

    def match(
        self,
        packages: Sequence[Package],
        distribution: Distribution,
        source: AdvisorySource,
        *,
        today: dt.date,
        platform: str = "",
        fixed_by_changelog: Mapping[str, frozenset[str]] | None = None,
        used_symbols: UsedSymbols | None = None,
    ) -> VulnerabilityReport:
        del fixed_by_changelog, used_symbols
        assert source is self
        assert today == TODAY
        assert platform == "linux/amd64"
        self.queried += [package.name for package in packages]
        vulnerabilities, missing = [], []
        for package in packages:
            for ecosystem, name in list_keys(package, distribution):
                if ecosystem not in self.ecosystems:
                    missing.append(package)
                for key, level in self.records.get((ecosystem, name), {}).items():
                    signal = self.signals.get(key, ExploitSignal())
                    rating = VulnerabilityRating(self.ratings.get(key, level), source=key)
                    records = (MatchedRecord(key, ecosystem, name, package.version),) if key not in self.ratings else ()
                    vulnerabilities.append(
                        Vulnerability(id=key, package=package, rating=rating, signal=signal, records=records)
                    )
        gaps = (NotAssessed("Ubuntu", "no data", tuple(missing), is_incomplete=True),) if missing else ()
        return VulnerabilityReport(tuple(vulnerabilities), gaps)


AnyInventory = SqliteInventory | MemoryInventory


@pytest.fixture
def file_inventory(tmp_path: Path) -> Iterator[SqliteInventory]:
    with SqliteInventory(tmp_path / "state") as opened:
        yield opened


@pytest.fixture(params=["file", "memory"])
def inventory(request: pytest.FixtureRequest) -> AnyInventory:
    opened: AnyInventory = MemoryInventory() if request.param == "memory" else request.getfixturevalue("file_inventory")
    return opened


@pytest.fixture
def advisories() -> Advisories:
    source = Advisories()
    source.set("PyPI", "flask", CVE_2026_0001=Severity.HIGH)
    source.set("Debian", "bash", CVE_2026_0002=Severity.LOW)
    return source


def add(inventory: AnyInventory, digest: str, *packages: Package, context: PackageContext = DEBIAN) -> None:
    inventory.add_images([IndexedImage(digest=digest, packages=packages, context=context)], list_keys)


def run(inventory: AnyInventory, advisories: Advisories) -> RematchReport:
    advisories.queried.clear()
    return match_again(inventory, advisories, advisories.match)


def match_again(inventory: AnyInventory, advisories: Advisories, match: Matcher) -> RematchReport:
    now = dt.datetime.combine(TODAY, dt.time(12), dt.UTC)
    rematch = Rematch(inventory, advisories, version="1", names=list_keys, now=now)
    rematch.match(match)
    report = rematch.compare({"a": ["app:1"], "b": ["app:2"]})
    rematch.record()
    return report


def summarise(report: RematchReport) -> dict[str, tuple[list[str], list[str], list[str]]]:
    return {
        image.digest: (
            [one.id for one in image.new],
            [one.after.id for one in image.changed],
            [one.id for one in image.resolved],
        )
        for image in report.images
    }


def test_affected_images(inventory: AnyInventory) -> None:
    add(inventory, "a", pypi("flask"), deb("bash"))
    add(inventory, "b", pypi("flask", "2.0"), context=BARE)
    add(inventory, "c", deb("bash"), context=PackageContext(Distribution("ubuntu", "24.04")))
    assert inventory.find_images("PyPI", ["flask", "other"]) == {"a", "b"}
    assert inventory.find_images("Debian", ["bash"]) == {"a"}
    assert inventory.find_images("Ubuntu", ["bash"]) == {"c"}
    assert inventory.find_images("PyPI", []) == inventory.find_images("npm", ["flask"]) == set()
    assert inventory.list_ecosystems() == ["Debian", "PyPI", "Ubuntu"]
    inventory.remove_images(["a"])
    assert inventory.find_images("PyPI", ["flask"]) == {"b"}
    assert inventory.find_images("Debian", ["bash"]) == set()
    assert inventory.list_images().keys() == {"b", "c"}


def test_equal_packages_are_matched_once(inventory: AnyInventory, advisories: Advisories) -> None:
    for index in range(20):
        add(inventory, f"image-{index}", pypi("flask", layer=f"layer-{index}"), deb("bash"))
    report = run(inventory, advisories)
    assert sorted(advisories.queried) == ["bash", "flask"]
    assert report.matched == 2
    assert len(report.images) == report.image_count == 20


def test_only_changed_names_are_matched_again(inventory: AnyInventory, advisories: Advisories) -> None:
    add(inventory, "a", pypi("flask"), pypi("django"), deb("bash"))
    add(inventory, "b", pypi("django"))
    assert summarise(run(inventory, advisories)) == {"a": (["CVE-2026-0001", "CVE-2026-0002"], [], [])}
    assert summarise(run(inventory, advisories)) == {}
    assert advisories.queried == []
    advisories.set("PyPI", "django", CVE_2026_0003=Severity.CRITICAL)
    report = run(inventory, advisories)
    assert summarise(report) == {"a": (["CVE-2026-0003"], [], []), "b": (["CVE-2026-0003"], [], [])}
    assert advisories.queried == ["django"]
    assert [image.names for image in report.images] == [("app:1",), ("app:2",)]
    advisories.set("PyPI", "django", CVE_2026_0003=Severity.LOW)
    advisories.set("PyPI", "flask")
    assert summarise(run(inventory, advisories)) == {
        "a": ([], ["CVE-2026-0003"], ["CVE-2026-0001"]),
        "b": ([], ["CVE-2026-0003"], []),
    }


def test_new_images_are_matched_without_a_change(inventory: AnyInventory, advisories: Advisories) -> None:
    add(inventory, "a", pypi("flask"))
    run(inventory, advisories)
    add(inventory, "b", pypi("flask"), pypi("flask", "2.0"))
    assert summarise(run(inventory, advisories)) == {"b": (["CVE-2026-0001", "CVE-2026-0001"], [], [])}
    assert advisories.queried == ["flask"]


def test_unknown_token_matches_everything(inventory: AnyInventory, advisories: Advisories) -> None:
    add(inventory, "a", pypi("flask"), deb("bash"))
    run(inventory, advisories)
    advisories.set("PyPI", "unrelated")
    advisories.oldest = 10
    report = run(inventory, advisories)
    assert report.all_matched == ("PyPI",)
    assert advisories.queried == ["flask"]
    assert report.images == ()


def test_packages_without_data_are_assessed_once_there_is_some(inventory: AnyInventory, advisories: Advisories) -> None:
    add(inventory, "a", deb("bash"), context=PackageContext(Distribution("ubuntu", "24.04"), "linux/amd64"))
    for _ in range(2):
        (gap,) = run(inventory, advisories).not_assessed
        assert (gap.reason, gap.packages, gap.is_incomplete) == ("no data", 1, True)
    advisories.ecosystems.add("Ubuntu")
    advisories.set("Ubuntu", "bash", CVE_2026_0004=Severity.MEDIUM)
    report = run(inventory, advisories)
    assert summarise(report) == {"a": (["CVE-2026-0004"], [], [])}
    assert report.not_assessed == ()


def test_newly_exploited_vulnerability_is_a_change(inventory: AnyInventory, advisories: Advisories) -> None:
    add(inventory, "a", pypi("flask"), deb("bash"))
    run(inventory, advisories)
    advisories.signals["CVE-2026-0001"] = ExploitSignal(known_exploited="2026-11-28")
    (image,) = run(inventory, advisories).images
    assert image.changed[0].after.known_exploited == "2026-11-28"
    assert advisories.queried == ["flask"]
    assert run(inventory, advisories).images == ()
    advisories.signals.clear()
    (image,) = run(inventory, advisories).images
    assert (image.changed[0].before.known_exploited, image.changed[0].after.known_exploited) == ("2026-11-28", "")


def test_new_rating_of_a_flaw_by_another_ecosystem_is_a_change(inventory: AnyInventory, advisories: Advisories) -> None:
    advisories.set("Debian", "bash", CVE_2026_0002=Severity.UNKNOWN)
    advisories.ratings["CVE-2026-0002"] = Severity.UNKNOWN
    advisories.ecosystems.add("npm")
    add(inventory, "a", pypi("flask"), deb("bash"))
    run(inventory, advisories)
    for level in (Severity.HIGH, Severity.LOW):
        advisories.ratings["CVE-2026-0002"] = level
        advisories.set("npm", "bash", CVE_2026_0002=level)
        (image,) = run(inventory, advisories).images
        assert [change.after.level for change in image.changed] == [level.name.lower()]
        assert advisories.queried == ["bash"]
    assert run(inventory, advisories).images == ()
    assert advisories.queried == []


def test_failed_match_changes_nothing(inventory: AnyInventory, advisories: Advisories) -> None:
    add(inventory, "a", pypi("flask"))

    def fail(*_: object, **__: object) -> VulnerabilityReport:
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        match_again(inventory, advisories, fail)
    assert inventory.get_tokens() == {}
    assert summarise(run(inventory, advisories)) == {"a": (["CVE-2026-0001"], [], [])}


def test_programs_share_an_inventory(tmp_path: Path) -> None:
    def fill(number: int) -> None:
        with SqliteInventory(tmp_path / "state") as own:
            for index in range(20):
                add(own, f"image-{(index + number) % 25}", pypi("flask"), pypi(f"own-{index}"))

    with concurrent.futures.ThreadPoolExecutor(4) as executor:
        list(executor.map(fill, range(6)))
    with SqliteInventory(tmp_path / "state") as inventory:
        assert len(inventory.list_images()) == 25
        assert len(inventory.find_images("PyPI", ["flask"])) == 25


def test_damaged_file(tmp_path: Path) -> None:
    with SqliteInventory(tmp_path / "state") as inventory:
        path = inventory.path
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StateError, match="cannot be used"):
        SqliteInventory(tmp_path / "state")


def test_packages_of_an_image_are_replaced(inventory: AnyInventory) -> None:
    add(inventory, "a", pypi("flask"))
    add(inventory, "a", pypi("django"))
    assert inventory.find_images("PyPI", ["flask"]) == set()
    assert inventory.find_images("PyPI", ["django"]) == {"a"}


def test_vulnerabilities_of_replaced_images_are_not_new(inventory: AnyInventory, advisories: Advisories) -> None:
    add(inventory, "a", pypi("flask"), deb("bash"))
    run(inventory, advisories)
    # The next version of the program finds the same package at another path.
    moved = Package(type="pypi", name="flask", version="1.0", locations=(PackageLocation("other"),))
    add(inventory, "a", moved)
    assert summarise(run(inventory, advisories)) == {"a": ([], [], ["CVE-2026-0002"])}


def test_incomplete_images(inventory: AnyInventory, advisories: Advisories) -> None:
    image = IndexedImage(digest="a", packages=(pypi("flask"),), context=DEBIAN, problems=2)
    inventory.add_images([image], list_keys)
    report = run(inventory, advisories)
    assert report.incomplete == ("app:1",)
    assert report.is_incomplete


def test_facts_of_images_separate_packages(inventory: AnyInventory, advisories: Advisories) -> None:
    symbols = GoSymbols("bin/app", zlib.compress(b"net/http\t.Get"))
    package = Package(type="pypi", name="flask", version="1.0", locations=(PackageLocation("bin/app"),))
    for digest, own in (("a", (symbols,)), ("b", (symbols,)), ("c", ())):
        facts = collect_facts((package,), (), own)
        image = IndexedImage(digest=digest, packages=(package,), context=DEBIAN, facts=facts)
        inventory.add_images([image], list_keys)
    assert len(run(inventory, advisories).images) == 3
    assert advisories.queried == ["flask", "flask"]
    groups = list(inventory.iterate_entries(inventory.list_results()))
    linked = [inventory.load_symbols(group.facts) for group in groups]
    imports = [None if own is None else own.get_imports(package) for own in linked]
    assert [None if own is None else dict(own) for own in imports].count({"net/http": frozenset({"get"})}) == 1
    assert None in imports
    inventory.remove_images(["a", "b"])
    (group,) = inventory.iterate_entries(inventory.list_results())
    assert group.facts == NO_FACTS


@pytest.mark.parametrize("seed", draw_share(range(8), 2))
def test_rematches_are_equal_in_a_file_and_in_memory(file_inventory: SqliteInventory, seed: int) -> None:
    dice, memory, advisories = random.Random(seed), MemoryInventory(), Advisories()
    packages = [*map(pypi, "abcd"), *map(deb, "abcd"), pypi("a", "2.0"), pypi("b", layer="other")]
    digests = [f"image-{number}" for number in range(6)]
    changed = 0
    for _ in range(15):
        if dice.random() < 0.7:
            levels = {f"CVE_2026_000{number}": dice.choice([*Severity]) for number in range(dice.randrange(3))}
            advisories.set(dice.choice(("PyPI", "Debian")), dice.choice("abcd"), **levels)
        advisories.signals = {"CVE-2026-0001": ExploitSignal(known_exploited=dice.choice(("", "2026-11-01")))}
        advisories.ecosystems = {"PyPI", "Debian"} if dice.random() < 0.8 else {"PyPI"}
        digest, own = dice.choice(digests), tuple(dice.sample(packages, 3))
        context = dice.choice((DEBIAN, BARE, PackageContext(Distribution("ubuntu", "24.04"), "linux/amd64")))
        removed = [dice.choice(digests)] if dice.random() < 0.3 else []
        for inventory in (file_inventory, memory):
            add(inventory, digest, *own, context=context)
            inventory.remove_images(removed)
        suppressed = {(digest, "CVE-2026-0001", "pkg:pypi/a@1.0"): "accepted"} if dice.random() < 0.5 else {}
        reports = [compare(inventory, advisories, suppressed) for inventory in (file_inventory, memory)]
        assert reports[0] == reports[1]
        changed += len(reports[0].images)
    assert changed


def compare(
    inventory: AnyInventory, advisories: Advisories, suppressions: Mapping[tuple[str, str, str], str]
) -> RematchReport:
    """Match again, and return the changes with the suppressions."""
    now = dt.datetime.combine(TODAY, dt.time(), dt.UTC)
    rematch = Rematch(inventory, advisories, version="1", names=list_keys, now=now)
    rematch.match(advisories.match)
    report = rematch.compare({digest: [digest] for digest in inventory.list_images()}, suppressions=suppressions)
    rematch.record()
    return report


def test_removed_images_leave_no_executables_in_the_file(file_inventory: SqliteInventory) -> None:
    symbols = GoSymbols("bin/app", zlib.compress(b"net/http\t.Get"))
    package = Package(type="pypi", name="flask", version="1.0", locations=(PackageLocation("bin/app"),))
    facts = collect_facts((package,), (), (symbols,))
    image = IndexedImage(digest="a", packages=(package,), context=DEBIAN, facts=facts)
    file_inventory.add_images([image], list_keys)
    assert count_executables(file_inventory) == 1
    file_inventory.remove_images(["a"])
    assert count_executables(file_inventory) == 0


def count_executables(inventory: SqliteInventory) -> int:
    with contextlib.closing(sqlite3.connect(inventory.path)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM executable").fetchone()
    return int(count)
