"""SBOM and VEX documents over HTTP: valid by their schemas, complete for their object, and of the scope of the user only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import httpx2
import msgspec
import pytest
from sqlalchemy import Connection

from kubekeep.images.sbom.read import read_sbom
from kubekeep.model.exception import ExceptionSource
from kubekeep.model.finding_document import Suppression
from kubekeep.model.package import Distribution, ImagePackages, Package, PackageLocation
from kubekeep.model.resource import ResourceSubject
from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import ImageEntry, SuppressedEvidence
from kubekeep_server.identity import Grant, Role
from kubekeep_server.store.queries import software
from kubekeep_server.store.scopes import EVERYTHING, resolve_scope
from tests.images.sbom.validation import check_cyclonedx, check_spdx3, check_spdx_json
from tests.server.conftest import Database
from tests.server.embedded import EmbeddedServer, run_server
from tests.server.test_images import (
    BLOG,
    REBUILT,
    WEB,
    build_content,
    build_image,
    build_scan,
    build_vulnerability,
    build_workload,
    run,
)
from tests.server.test_ingest import submit
from tests.server.test_scans_api import encode, post
from tests.vulnerabilities.vex.test_write import validate

SHOP_PATH: Final = "/api/v1/sources/1"
WORKLOAD: Final = f"{SHOP_PATH}/subjects/0000000000000001"
NAMELESS: Final = "sha256:" + "c" * 64
CHECKS: Final = {
    "cyclonedx": lambda content: check_cyclonedx(content, "1.6"),
    "cyclonedx-1.7": lambda content: check_cyclonedx(content, "1.7"),
    "spdx": check_spdx_json,
    "spdx-3": check_spdx3,
}


FORMATS: Final = {"sbom": [*CHECKS], "vex": ["openvex", "cyclonedx"]}


def build_problem(name: str, reason: str) -> Any:
    problem = build_vulnerability(name, WEB, package="curl", is_accepted=True)
    suppression = Suppression(name="vex.json", source=ExceptionSource.STATEMENT.value, reason=reason)
    return msgspec.structs.replace(
        problem, suppressed=(SuppressedEvidence(suppression, problem.suppressed[0].evidence),)
    )


def build_scans() -> list[Any]:
    web = ImageEntry(WEB, ("ghcr.io/shop/web:1",), "linux/amd64", build_content("3.0.1"))
    again = ImageEntry(WEB, ("ghcr.io/shop/web:1",), "linux/amd64", build_content("8.1", name="curl"))
    rebuilt = ImageEntry(REBUILT, ("ghcr.io/shop/web:2",), "linux/amd64", build_content("3.0.1", "3.0.13"))
    accepted = build_vulnerability("CVE-2", WEB, is_accepted=True)
    problems = build_image(WEB, "CVE-1", accepted, build_problem("CVE-3", "not affected: vulnerable_code_not_present"))
    other = build_workload(2, run(REBUILT))
    other = msgspec.structs.replace(other, subject=ResourceSubject("apps/v1", "Deployment", "cart", "checkout"))
    shop = build_scan(
        0, build_workload(1, run(WEB)), other, problems, build_image(REBUILT, "CVE-1"), images=[web, rebuilt]
    )
    nameless = ImageEntry(NAMELESS, (), "", build_content("1.0", name="zlib"))
    blog = build_scan(
        0, build_workload(1, run(WEB)), build_image(NAMELESS, "CVE-1"), source=BLOG, images=[again, nameless]
    )
    return [shop, blog]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with run_server(tmp_path_factory.mktemp("software")) as running:
        yield running


@pytest.fixture(scope="module")
def viewers(server: EmbeddedServer) -> dict[str, httpx2.Client]:
    """Return clients by the scope of their token."""
    administrator = server.client(server.create_token("administrator"))
    for scan in build_scans():
        assert post(administrator, encode(scan)).status_code == 201
    grants: dict[str, dict[str, Any]] = {
        "shop": {"scope": "cluster/shop"},
        "checkout": {"scope": "cluster/shop", "namespaces": ["checkout"]},
        "other": {"scope": "cluster/other"},
    }
    clients = {"all": administrator}
    for name, grant in grants.items():
        new = {"name": name, "grants": [{"role": "viewer", **grant}]}
        clients[name] = server.client(administrator.post("/api/v1/tokens", json=new).json()["token"])
    return clients


def read(client: httpx2.Client, path: str, **query: str) -> bytes:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.content


def list_versions(content: bytes) -> set[str]:
    return {f"{package.name} {package.version}" for package in read_sbom(content, "test").packages}


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("path", [f"/api/v1/images/{WEB}", f"/api/v1/images/{NAMELESS}", WORKLOAD, SHOP_PATH])
def test_sboms_are_valid(viewers: dict[str, httpx2.Client], path: str, name: str) -> None:
    content = read(viewers["all"], f"{path}/sbom", format=name)
    CHECKS[name](content)
    assert content == read(viewers["all"], f"{path}/sbom", format=name)


def test_sbom_of_an_image_has_the_packages_of_all_sources(viewers: dict[str, httpx2.Client]) -> None:
    content = read(viewers["shop"], f"/api/v1/images/{WEB}/sbom")
    assert list_versions(content) == {"openssl 3.0.1", "curl 8.1"}
    sbom = read_sbom(content, "test")
    assert (sbom.subject.name, sbom.subject.digest) == ("ghcr.io/shop/web:1", WEB)


def test_sbom_of_a_source_has_the_images_of_each_package(viewers: dict[str, httpx2.Client]) -> None:
    sbom = read_sbom(read(viewers["all"], f"{SHOP_PATH}/sbom"), "test")
    parts = {part.subject.digest: len(part.packages) for part in sbom.parts}
    assert parts == {WEB: 2, REBUILT: 2}
    assert {package.name for package in sbom.packages} == {"openssl", "curl"}


@pytest.mark.parametrize("name", ["openvex", "cyclonedx"])
@pytest.mark.parametrize("path", [f"/api/v1/images/{WEB}", f"/api/v1/images/{NAMELESS}", WORKLOAD, SHOP_PATH])
def test_vex_documents_are_valid(viewers: dict[str, httpx2.Client], path: str, name: str) -> None:
    validate(read(viewers["all"], f"{path}/vex", format=name), name)


def test_statements_claim_what_is_known(viewers: dict[str, httpx2.Client]) -> None:
    document = json.loads(read(viewers["shop"], f"/api/v1/images/{WEB}/vex"))
    statements = {each["vulnerability"]["name"]: each for each in document["statements"]}
    assert {name: each["status"] for name, each in statements.items()} == {
        "CVE-1": "under_investigation",
        "CVE-2": "affected",
        "CVE-3": "not_affected",
    }
    assert statements["CVE-1"]["status_notes"] == "fixed in 3.0.13"
    assert "exception accepted" in statements["CVE-2"]["action_statement"]
    assert "vulnerable_code_not_present" in statements["CVE-3"]["impact_statement"]
    (product,) = statements["CVE-1"]["products"]
    assert product["@id"].startswith(f"pkg:oci/web@{WEB}?")
    assert product["subcomponents"] == [{"@id": "pkg:deb/debian/openssl@3.0.1"}]


def test_user_of_a_namespace_gets_the_images_that_it_runs(viewers: dict[str, httpx2.Client]) -> None:
    client = viewers["checkout"]
    assert list_versions(read(client, f"/api/v1/images/{REBUILT}/sbom")) == {"openssl 3.0.1", "openssl 3.0.13"}
    assert list_versions(read(client, f"{SHOP_PATH}/sbom")) == {"openssl 3.0.1", "openssl 3.0.13"}
    assert len(json.loads(read(client, f"{SHOP_PATH}/vex"))["statements"]) == 1
    paths = [f"/api/v1/images/{WEB}/sbom", f"/api/v1/images/{WEB}/vex", f"{WORKLOAD}/sbom", f"{WORKLOAD}/vex"]
    assert {client.get(path).status_code for path in paths} == {404}


def test_others_get_nothing(viewers: dict[str, httpx2.Client]) -> None:
    paths = [f"{base}/{name}" for base in (f"/api/v1/images/{WEB}", WORKLOAD, SHOP_PATH) for name in ("sbom", "vex")]
    assert {viewers["other"].get(path).status_code for path in paths} == {404}
    assert viewers["shop"].get(f"/api/v1/images/{NAMELESS}/sbom").status_code == 404
    assert viewers["shop"].get("/api/v1/sources/2/sbom").status_code == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/api/v1/images/{WEB}/sbom?format=spdx-tag-value", 422),
        (f"/api/v1/images/{WEB}/vex?format=csaf", 422),
        ("/api/v1/images/sha256:1/sbom", 422),
        (f"/api/v1/images/sha256:{'d' * 64}/sbom", 404),
        (f"{SHOP_PATH}/subjects/{'0' * 15}9/sbom", 404),
        ("/api/v1/sources/99/vex", 404),
    ],
)
def test_other_objects_do_not_exist(viewers: dict[str, httpx2.Client], path: str, status: int) -> None:
    answer = viewers["all"].get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


TEXTS: Final = (
    "",
    "<script>alert(1)</script>",
    "@",
    ":",
    "a/b:c@d",
    "\N{RIGHT-TO-LEFT OVERRIDE}",
    "x" * 400,
    "\n\r\t\x1b",
    "%00",
)


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: repr(text)[:20])
def test_hostile_texts_are_only_texts(viewers: dict[str, httpx2.Client], text: str) -> None:
    number = TEXTS.index(text)
    digest = f"sha256:{number + 1:064x}"
    package = Package(
        type="deb", namespace=text, name=text or "x", version=text, licences=(text,), supplier=text,
        qualifiers=(("distro", text),), hashes=(("SHA-256", text),), locations=(PackageLocation(text, text),),
    )  # fmt: skip
    content = ImagePackages(Distribution(text, text, text), (package,), problems=1)
    problem = build_vulnerability("CVE-1", digest)
    purl = msgspec.structs.replace(problem.evidence[0].package, purl=text, name=text, fixed_version=text)  # type: ignore[type-var]
    problem = msgspec.structs.replace(problem, evidence=(msgspec.structs.replace(problem.evidence[0], package=purl),))
    entry = ImageEntry(digest, (text,), text, content)
    scan = build_scan(0, build_image(digest, problem), source=SourceCluster(f"hostile-{number}"), images=[entry])
    stored = post(viewers["all"], encode(scan))
    assert stored.status_code in {201, 422}, stored.text
    for path in (f"{name}?format={each}" for name, formats in FORMATS.items() for each in formats):
        answer = viewers["all"].get(f"/api/v1/images/{digest}/{path}")
        assert answer.status_code in ({200, 422} if stored.status_code == 201 else {404}), answer.text
        assert answer.headers["content-type"].startswith("application/")


def test_selections_on_both_databases(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for scan in build_scans():
        submit(database, scan)

    def count(connection: Connection, *arguments: Any) -> list[int]:
        grants = [Grant(Role.VIEWER, "cluster/shop", ("checkout",))]
        scopes = (EVERYTHING, resolve_scope(connection, grants))
        return [len(arguments[0](connection, scope, 1).images) for scope in scopes]

    assert database.run(count, software.load_source_packages) == [2, 1]
    assert database.run(count, software.load_source_problems) == [2, 1]
    monkeypatch.setattr(software, "MOST_ROWS", 1)
    with pytest.raises(ValueError, match="more than 1 packages or problems"):
        database.run(software.load_source_packages, EVERYTHING, 1)
