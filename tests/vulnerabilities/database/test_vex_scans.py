"""Scans with the VEX repositories of a database, by the command line: `db update`, then scans of images and SBOMs."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kubekeep.sources.sboms.file import read_document
from kubekeep.vulnerabilities.database.vex_repositories.reader import get_repository_path
from kubekeep.vulnerabilities.options import VulnerabilityOptions
from kubekeep.vulnerabilities.scanner import VulnerabilityScanner
from tests.command_line import run_command_line
from tests.vulnerabilities.database.bucket import Bucket, run_bucket
from tests.vulnerabilities.database.records import create_record, run_db, write_lines
from tests.vulnerabilities.database.vex_repository import (
    lay_out,
    pack,
    publish,
    suppress,
    write_sbom,
)
from tests.vulnerabilities.vex.documents import csaf
from tests.vulnerabilities.vex.shop import about, openvex, within

CVE = "CVE-2026-1001"
IMAGE = "registry.example/team/shop:1.2"
OCI = "pkg:oci/shop?repository_url=registry.example/team/shop"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database in which all versions of a few packages have the vulnerability."""
    records = [
        create_record(f"GHSA-{number}", name, ecosystem, aliases=[CVE])
        for number, (ecosystem, name) in enumerate(
            (
                ("npm", "left-pad"),
                ("npm", "lodash"),
                ("npm", "@scope/util"),
                ("Debian", "openssl"),
                ("PyPI", "requests"),
            )
        )
    ]
    run_db("import", write_lines(tmp_path / "records.jsonl", records), database=tmp_path / "database")
    return tmp_path / "database"


def load(database: Path, documents: Mapping[str, bytes], name: str = "hub") -> None:
    """Load a repository from a server on this machine."""
    with run_bucket() as server:
        publish(server, pack(lay_out(documents)))
        run_db("update", "--vex-repository", f"{name}={server.address}", database=database)


def scan(database: Path, sbom: Path, *options: str | Path, code: int = 0) -> dict[str, Any]:
    """Return the JSON report of an SBOM."""
    report = database.parent / "report.json"
    words = ("sbom", "scan", sbom, "--database", database, "-f", "json", "-o", report, *options)
    done = run_command_line(*words, folder=database.parent)
    assert done.returncode == code, done.stdout + done.stderr
    document: dict[str, Any] = json.loads(report.read_text())
    return document


def list_suppressed(report: dict[str, Any]) -> dict[str, str]:
    """Return the origin of the statement by package, of the suppressed vulnerabilities."""
    return {entry["package"]: entry["vex"]["origin"] for entry in report["vulnerabilities"] if entry["excepted"]}


def list_uses(database: Path, sbom: Path) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return origin, state and products of the statements that a scan reports."""
    with contextlib.closing(VulnerabilityScanner(VulnerabilityOptions(database=str(database)))) as scanner:
        report = scanner.assess_sbom(read_document(str(sbom), io.BytesIO()))
        assert scanner.list_problems() == []
    return sorted((use.statement.origin, str(use.state), use.products) for use in report.vex)


def test_reason_in_the_reports(bucket: Bucket, database: Path, tmp_path: Path) -> None:
    documents = {"pkg:npm/left-pad": suppress("pkg:npm/left-pad@1.0.0"), "pkg:npm/lodash": suppress("pkg:npm/lodash@1")}
    publish(bucket, pack(lay_out(documents)))
    run_db("update", "--vex-repository", f"20-hub={bucket.address}", database=database)
    sbom = write_sbom(tmp_path / "app.json", "pkg:npm/left-pad@1.0.0", "pkg:npm/lodash@4.17.20")
    assert list_suppressed(scan(database, sbom)) == {"left-pad": "20-hub: pkg:npm/left-pad"}
    # Statements about other versions are not reported.
    assert list_uses(database, sbom) == [("20-hub: pkg:npm/left-pad", "applied", ("pkg:npm/left-pad@1.0.0",))]
    words = ("sbom", "scan", sbom, "--database", database, "-f", "cyclonedx", "-o", tmp_path / "report.cdx.json")
    assert run_command_line(*words, folder=tmp_path).returncode == 0
    assert "20-hub: pkg:npm/left-pad" in (tmp_path / "report.cdx.json").read_text()
    explained = run_command_line("image", "explain", f"sbom:{sbom}", CVE, "--database", database, folder=tmp_path)
    assert "20-hub: pkg:npm/left-pad" in explained.stdout
    # A gate does not count it.
    only = write_sbom(tmp_path / "only.json", "pkg:npm/left-pad@1.0.0")
    scan(database, only, "--max-failures", "total=0")
    scan(database, sbom, "--max-failures", "total=0", code=1)


def test_names_are_normalised_and_source_packages_apply(database: Path, tmp_path: Path) -> None:
    source = "pkg:deb/debian/openssl"
    load(
        database,
        {
            "pkg:npm/%40scope/util": suppress("pkg:npm/%40scope/util"),
            "pkg:pypi/Requests": suppress("pkg:pypi/requests"),
            source: suppress(f"{source}?arch=src"),
        },
    )
    purls = ("pkg:npm/%40scope/util@1.0.0", "pkg:pypi/requests@2.0", "pkg:deb/debian/libssl3@3.0?distro=debian-13")
    sbom = write_sbom(tmp_path / "app.json", *purls, source="openssl")
    suppressed = list_suppressed(scan(database, sbom))
    assert set(suppressed.values()) == {"hub: pkg:npm/%40scope/util", "hub: pkg:pypi/requests", f"hub: {source}"}


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(suppress("pkg:npm/lodash"), id="product"),
        pytest.param(suppress("pkg:npm/left-pad", "pkg:npm/lodash", "pkg:npm/lodash@4.17.20"), id="products"),
        pytest.param(suppress(within("pkg:npm/left-pad", "pkg:npm/lodash")), id="subcomponent"),
        pytest.param(suppress(within(OCI, "pkg:npm/lodash")), id="image"),
        pytest.param(suppress(OCI, IMAGE, "shop"), id="whole-image"),
        pytest.param(
            suppress({"@id": "pkg:npm/left-pad", "identifiers": {"purl": "pkg:npm/lodash@4.17.20"}}),
            id="two-identifiers",
        ),
        pytest.param(suppress({"@id": "pkg:npm/left-pad", "hashes": {"sha-256": "a" * 64}}), id="hash-of-another"),
        pytest.param(openvex(about("pkg:npm/lodash", status="fixed")), id="fixed"),
    ],
)
def test_document_of_one_package_decides_nothing_about_others(database: Path, tmp_path: Path, document: bytes) -> None:
    load(database, {"pkg:npm/left-pad": document})
    purls = ("pkg:npm/left-pad@1.0.0", "pkg:npm/lodash@4.17.20")
    sbom = write_sbom(tmp_path / "app.json", *purls, image=IMAGE, hashes={"pkg:npm/lodash@4.17.20": "a" * 64})
    assert "lodash" not in list_suppressed(scan(database, sbom))
    # The same statements in a file of the user apply to their products.
    (tmp_path / "own.json").write_bytes(document)
    own = list_suppressed(scan(database, sbom, "--vex", tmp_path / "own.json"))
    assert ("lodash" in own) == (document != suppress(within("pkg:npm/left-pad", "pkg:npm/lodash")))


def test_statement_of_a_package_in_one_product(database: Path, tmp_path: Path) -> None:
    """The publisher of a package may limit a statement to a product."""
    load(database, {"pkg:npm/lodash": suppress(within(OCI, "pkg:npm/lodash"))})
    purls = ("pkg:npm/left-pad@1.0.0", "pkg:npm/lodash@4.17.20")
    inside = write_sbom(tmp_path / "shop.json", *purls, image=IMAGE)
    assert list(list_suppressed(scan(database, inside))) == ["lodash"]
    other = write_sbom(tmp_path / "other.json", *purls, image="registry.example/team/other:1")
    assert list_suppressed(scan(database, other)) == {}


@pytest.mark.parametrize(
    ("identifier", "product", "is_suppressed"),
    [
        (OCI, OCI, True),
        (OCI, "pkg:oci/shop", True),
        (OCI, f"{OCI}&tag=1.1", False),
        (OCI, "pkg:oci/shop?repository_url=other.example/team/shop", False),
        ("pkg:oci/shop", OCI, True),
        ("pkg:oci/shop", "pkg:oci/shop", False),
        ("pkg:oci/shop?repository_url=other.example/team/shop", "pkg:oci/shop", False),
        ("pkg:oci/other?repository_url=registry.example/team/other", OCI, False),
    ],
)
def test_documents_of_images(
    database: Path, tmp_path: Path, identifier: str, product: str, *, is_suppressed: bool
) -> None:
    load(database, {identifier: suppress(within(product, "pkg:npm/lodash"))})
    sbom = write_sbom(tmp_path / "shop.json", "pkg:npm/left-pad@1.0.0", "pkg:npm/lodash@4.17.20", image=IMAGE)
    assert list(list_suppressed(scan(database, sbom))) == (["lodash"] if is_suppressed else [])


def test_image_under_many_names(database: Path, tmp_path: Path) -> None:
    document = suppress(within(OCI, "pkg:npm/lodash"))
    names = (
        OCI,
        f"{OCI}/",
        f"{OCI}//",
        OCI.replace("=", "=https://"),
        "pkg:oci/shop?repository_url=registry.example/team",
    )
    files = lay_out({OCI: document})
    index = json.loads(files["index.json"])
    index["packages"] = [{"id": name, "location": "pkg/0/vex.json"} for name in names]
    (tmp_path / "hub.zip").write_bytes(pack(files | {"index.json": json.dumps(index).encode()}, "zip"))
    run_db("import", tmp_path / "hub.zip", database=database)
    sbom = write_sbom(tmp_path / "shop.json", "pkg:npm/left-pad@1.0.0", "pkg:npm/lodash@4.17.20", image=IMAGE)
    assert len(list_uses(database, sbom)) == 1


def test_priorities(database: Path, tmp_path: Path) -> None:
    """The first repository with a package counts, even if a later one has a newer statement."""
    sbom = write_sbom(tmp_path / "app.json", "pkg:npm/left-pad@1.0.0", "pkg:npm/lodash@4.17.20")
    documents = {
        purl: suppress(purl, timestamp="2026-10-01T00:00:00Z") for purl in ("pkg:npm/left-pad", "pkg:npm/lodash")
    }
    load(database, documents, "20-hub")
    expected = {"left-pad": "20-hub: pkg:npm/left-pad", "lodash": "20-hub: pkg:npm/lodash"}
    assert list_suppressed(scan(database, sbom)) == expected
    load(database, {"pkg:npm/lodash": openvex(about("pkg:npm/lodash", status="affected"))}, "10-acme")
    assert list_suppressed(scan(database, sbom)) == {"left-pad": "20-hub: pkg:npm/left-pad"}
    assert list_uses(database, sbom) == [
        ("10-acme: pkg:npm/lodash", "applied", ("pkg:npm/lodash",)),
        ("20-hub: pkg:npm/left-pad", "applied", ("pkg:npm/left-pad",)),
    ]
    get_repository_path(database, "10-acme").rename(get_repository_path(database, "30-acme"))
    assert list_suppressed(scan(database, sbom)) == expected


def test_files_decide_together_with_repositories(database: Path, tmp_path: Path) -> None:
    purl = "pkg:npm/left-pad"
    load(
        database, {purl: openvex(about(purl), **{"@id": "https://hub/1"}, timestamp="2026-05-01T00:00:00Z", version=2)}
    )
    sbom = write_sbom(tmp_path / "app.json", "pkg:npm/left-pad@1.0.0")
    own = tmp_path / "own.json"

    def scan_with(**fields: Any) -> dict[str, str]:
        own.write_bytes(openvex(about(purl, status="affected"), **fields))
        return list_suppressed(scan(database, sbom, "--vex", own))

    assert scan_with(timestamp="2026-06-01T00:00:00Z") == {}
    assert scan_with(timestamp="2026-04-01T00:00:00Z") == {"left-pad": "hub: pkg:npm/left-pad"}
    # A document of a repository supersedes no file of the user, whose higher version supersedes it.
    assert scan_with(timestamp="2026-06-01T00:00:00Z", **{"@id": "https://hub/1"}, version=1) == {}
    assert scan_with(timestamp="2026-04-01T00:00:00Z", **{"@id": "https://hub/1"}, version=3) == {}


def test_equal_identifiers_of_documents_do_not_matter(database: Path, tmp_path: Path) -> None:
    """Publishers copy documents, and none may disable the document of another one."""
    documents = {
        purl: openvex(about(purl), **{"@id": "https://copied/1"}, version=number)
        for number, purl in enumerate(("pkg:npm/left-pad", "pkg:npm/lodash"), 1)
    }
    load(database, documents)
    sbom = write_sbom(tmp_path / "app.json", "pkg:npm/left-pad@1.0.0", "pkg:npm/lodash@4.17.20")
    assert sorted(list_suppressed(scan(database, sbom))) == ["left-pad", "lodash"]


def test_overruled_and_invalid_statements(database: Path, tmp_path: Path) -> None:
    purl = "pkg:npm/left-pad"
    old = about(purl, timestamp="2026-01-01T00:00:00Z")
    new = about(purl, status="under_investigation", timestamp="2026-02-01T00:00:00Z")
    flawed = about(purl, justification="because", timestamp="2026-03-01T00:00:00Z")
    load(database, {purl: openvex(old, new, flawed, about("pkg:npm/lodash"), about(purl, name="CVE-2000-1"))})
    sbom = write_sbom(tmp_path / "app.json", "pkg:npm/left-pad@1.0.0", "pkg:npm/lodash@4.17.20")
    assert list_suppressed(scan(database, sbom)) == {}
    assert [state for _, state, _ in list_uses(database, sbom)] == ["applied", "overruled"]


def test_csaf_documents(database: Path, tmp_path: Path) -> None:
    files = lay_out({"pkg:rpm/redhat/openssl": json.dumps(csaf({"known_not_affected": ["src"]})).encode()})
    index = json.loads(files["index.json"])
    index["packages"][0]["format"] = "csaf"
    (tmp_path / "hub.zip").write_bytes(pack(files | {"index.json": json.dumps(index).encode()}, "zip"))
    assert "imported 1 document" in run_db("import", tmp_path / "hub.zip", database=database).stderr


@pytest.mark.parametrize("size", [100, 30_000])
def test_damaged_repository_makes_the_scan_incomplete(database: Path, tmp_path: Path, size: int) -> None:
    """Repositories after a damaged one are not used: it might overrule them."""
    for name, package in {"10-acme": "left-pad", "20-hub": "lodash", "30-last": "@scope/util"}.items():
        purl = f"pkg:npm/{package}"
        load(database, {purl: suppress(purl)}, name)
    purls = ("pkg:npm/left-pad@1.0.0", "pkg:npm/lodash@4.17.20", "pkg:npm/%40scope/util@1.0.0")
    sbom = write_sbom(tmp_path / "app.json", *purls)
    assert len(list_suppressed(scan(database, sbom))) == 3
    path = get_repository_path(database, "20-hub")
    path.write_bytes(path.read_bytes()[:size])
    report = scan(database, sbom, code=3)
    assert list_suppressed(report) == {"left-pad": "10-acme: pkg:npm/left-pad"}
    assert "20-hub.statements" in json.dumps(report["kubekeep"]["unread"])
    path.unlink()
    assert len(list_suppressed(scan(database, sbom))) == 2


def test_other_advisories_do_not_use_the_repositories(database: Path, tmp_path: Path) -> None:
    load(database, {"pkg:npm/left-pad": suppress("pkg:npm/left-pad")})
    sbom = write_sbom(tmp_path / "app.json", "pkg:npm/left-pad@1.0.0")
    words = ("sbom", "scan", sbom, "--advisories", tmp_path / "records.jsonl", "-f", "json", "-o", tmp_path / "r.json")
    assert run_command_line(*words, folder=tmp_path).returncode == 0
    assert list_suppressed(json.loads((tmp_path / "r.json").read_text())) == {}


def test_database_without_repositories_again(database: Path, tmp_path: Path) -> None:
    load(database, {"pkg:npm/left-pad": suppress("pkg:npm/left-pad")})
    shutil.rmtree(database / "vex")
    sbom = write_sbom(tmp_path / "app.json", "pkg:npm/left-pad@1.0.0")
    assert list_suppressed(scan(database, sbom)) == {}
