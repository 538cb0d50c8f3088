"""Scripts that check the project's own dependencies: advisories and licences."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from scripts import audit, licenses

ROOT = Path(__file__).parents[1]


class Osv(BaseHTTPRequestHandler):
    """The API of OSV with the advisories of a test, two per page."""

    advisories: ClassVar[dict[tuple[str, str, str], list[str]]]
    documents: ClassVar[dict[str, dict[str, Any]]]
    status: ClassVar[int]
    lost: ClassVar[int]
    """The number of queries that stay without a result."""

    def do_GET(self) -> None:
        self.answer(self.documents[self.path.removeprefix("/v1/vulns/")])

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        results = [self.find(query) for query in body["queries"]]
        self.answer({"results": results[self.lost :]})

    def find(self, query: dict[str, Any]) -> dict[str, Any]:
        """Return a page of the result of a query."""
        package = query["package"]
        identifiers = self.advisories.get((package["ecosystem"], package["name"], query["version"]), [])
        start = int(query.get("page_token", 0))
        page = {"vulns": [{"id": identifier} for identifier in identifiers[start : start + 2]]} if identifiers else {}
        return page | ({"next_page_token": str(start + 2)} if len(identifiers) > start + 2 else {})

    def answer(self, document: dict[str, Any]) -> None:
        """Send a JSON document."""
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, *_arguments: object) -> None:
        """Log nothing."""


@pytest.fixture
def osv() -> Iterator[str]:
    """Return the address of an OSV that knows no vulnerability of the locked packages."""
    Osv.advisories = {package: ["GHSA-known"] for package in audit.KNOWN}
    Osv.documents = {}
    Osv.status = 200
    Osv.lost = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Osv) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def run_audit(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the audit as CI does."""
    return subprocess.run(
        [sys.executable, ROOT / "scripts/audit.py", *arguments],
        env={"CI": "true", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def get_package(ecosystem: str) -> audit.Package:
    """Return a locked package of an ecosystem."""
    return next(package for package in audit.list_packages(ROOT) if package.ecosystem == ecosystem)


def test_locked_packages_without_vulnerabilities_pass(osv: str) -> None:
    result = run_audit(osv)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"{len(audit.list_packages(ROOT))} packages, 0 known vulnerabilities\n"


def test_packages_of_all_lock_files_are_audited() -> None:
    names = {(package.ecosystem, package.name) for package in audit.list_packages(ROOT)}
    assert {("PyPI", "click"), ("PyPI", "fastapi"), ("PyPI", "pyinstaller"), ("crates.io", "serde")} <= names
    assert {("npm", "react"), ("npm", "@tanstack/react-query")} <= names
    assert ("PyPI", "kubekeep") not in names


@pytest.mark.parametrize("known", audit.KNOWN, ids=lambda known: known.ecosystem)
def test_vulnerability_of_each_ecosystem_fails(osv: str, known: audit.Package) -> None:
    package = get_package(known.ecosystem)
    Osv.advisories[package] = ["GHSA-1", "GHSA-2", "GHSA-3"]
    Osv.documents = {f"GHSA-{number}": {"affected": [{}]} for number in (1, 2, 3)}
    result = run_audit(osv)
    assert result.returncode == 1
    assert result.stderr.splitlines() == [f"{package}: GHSA-{number}" for number in (1, 2, 3)]


def test_withdrawn_advisories_and_notices_pass(osv: str) -> None:
    package = get_package("crates.io")
    notice = {"database_specific": {"informational": "unmaintained"}}
    Osv.advisories[package] = ["RUSTSEC-1", "RUSTSEC-2"]
    Osv.documents = {"RUSTSEC-1": {"affected": [notice]}, "RUSTSEC-2": {"affected": [{}], "withdrawn": "2026-01-01"}}
    assert run_audit(osv).returncode == 0
    Osv.documents["RUSTSEC-1"] = {"affected": [notice, {}]}
    assert run_audit(osv).stderr == f"{package}: RUSTSEC-1\n"


@pytest.mark.parametrize("known", audit.KNOWN, ids=lambda known: known.ecosystem)
def test_service_without_advisories_of_an_ecosystem_fails(osv: str, known: audit.Package) -> None:
    del Osv.advisories[known]
    result = run_audit(osv)
    assert result.returncode == 1
    assert f"has no advisories of {known.ecosystem}" in result.stderr


def test_incomplete_answers_fail(osv: str) -> None:
    Osv.lost = 1
    result = run_audit(osv)
    assert result.returncode == 1
    assert "has not answered all of" in result.stderr


def test_refused_request_fails(osv: str) -> None:
    Osv.status = 404
    result = run_audit(osv)
    assert (result.returncode, result.stderr) == (
        1,
        f"audit failed: {osv}/v1/querybatch answered with status 404\n",
    )


def test_service_that_is_out_of_order_is_named(osv: str) -> None:
    Osv.status = 503
    result = run_audit(osv)
    assert (result.returncode, result.stderr) == (0, f"audit skipped: {osv} cannot be reached: status 503\n")


def test_service_that_cannot_be_reached_is_named() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        for result in (run_audit(address), run_audit(https_proxy=address)):
            service = address if address in result.stderr else audit.SERVICE
            assert result.returncode == 0
            assert result.stderr.startswith(f"audit skipped: {service} cannot be reached: ")
            assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("path", [*audit.PYTHON_LOCKS, "rust/Cargo.lock", "web/package-lock.json"])
def test_lock_file_without_packages_is_an_error(tmp_path: Path, path: str) -> None:
    empty = {".lock": "", ".json": '{"packages": {"": {}}}'}
    for name in (*audit.PYTHON_LOCKS, "rust/Cargo.lock", "web/package-lock.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / path).write_text("package = []\n" if path == "rust/Cargo.lock" else empty[Path(path).suffix])
    with pytest.raises(audit.AuditError, match=f"{path} locks no packages"):
        audit.list_packages(tmp_path)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("Apache-2.0", True),
        ("MIT OR Apache-2.0", True),
        ("MIT/Apache-2.0", True),
        ("GPL-3.0-only OR MIT", True),
        ("LGPL-2.1-or-later", False),
        ("GNU General Public License v3 (GPLv3)", False),
        ("MIT AND AGPL-3.0-only", False),
        ("", False),
    ],
)
def test_copyleft_licences_are_refused(expression: str, *, expected: bool) -> None:
    assert licenses.is_accepted(expression) is expected


def test_licences_of_packages_of_the_pages() -> None:
    packages = {
        "": {"license": "Apache-2.0"},
        "node_modules/@shop/list": {"license": "GPL-3.0"},
        "node_modules/a/node_modules/b": {},
        "node_modules/compiler": {"license": "GPL-3.0", "dev": True},
    }
    licences = dict(licenses.list_page_licenses(json.dumps({"packages": packages})))
    assert licences == {"web of the pages": "Apache-2.0", "@shop/list of the pages": "GPL-3.0", "b of the pages": ""}
    assert [name for name, text in licences.items() if not licenses.is_accepted(text)] == [
        "@shop/list of the pages",
        "b of the pages",
    ]


def test_licences_of_dependencies() -> None:
    assert licenses.main() == 0
