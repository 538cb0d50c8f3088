"""Audit of the locked dependencies, Python packages, crates and packages of the pages, for known vulnerabilities at OSV.

A known vulnerability fails, and so does an answer that is not complete. A service that cannot be reached skips the audit with
one line. Needs no package and no program; changes no files. The argument is the address of another service with the API of OSV.
"""

from __future__ import annotations

import http.client
import json
import re
import sys
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).parent.parent
SERVICE: Final = "https://api.osv.dev"
PYTHON_LOCKS: Final = (
    "requirements.lock",
    "requirements-run.lock",
    "integrations/github/requirements.lock",
    "integrations/packages/binary/requirements.lock",
)
_SECONDS: Final = 60
_BATCH: Final = 1000
"""Queries of one request, at most, by the limit of OSV."""


class Package(NamedTuple):
    """A locked package."""

    ecosystem: str
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.ecosystem})"


KNOWN: Final = (
    Package("PyPI", "jinja2", "2.4.1"),
    Package("crates.io", "smallvec", "0.6.9"),
    Package("npm", "lodash", "4.17.15"),
)
"""One package of each ecosystem with published advisories: a service without any for them has no data of the ecosystem."""


class UnreachableError(Exception):
    """A service that cannot be reached, or is out of order, with the reason."""


class AuditError(Exception):
    """An audit without a complete result, with the reason."""


def main(arguments: Sequence[str]) -> int:
    """Print the known vulnerabilities; return 1 if there are any, or if the audit has no complete result."""
    service = arguments[0] if arguments else SERVICE
    try:
        packages = list_packages(ROOT)
        vulnerabilities = list(_list_vulnerabilities(service, packages))
    except UnreachableError as error:
        print(f"audit skipped: {service} cannot be reached: {error}", file=sys.stderr)
        return 0
    except AuditError as error:
        print(f"audit failed: {error}", file=sys.stderr)
        return 1
    for vulnerability in vulnerabilities:
        print(vulnerability, file=sys.stderr)
    print(f"{len(packages)} packages, {len(vulnerabilities)} known vulnerabilities")
    return bool(vulnerabilities)


def list_packages(root: Path) -> list[Package]:
    """Return the packages of all lock files of a repository. Raises AuditError if a file locks none."""
    packages: set[Package] = set()
    for path in PYTHON_LOCKS:
        locked = re.findall(r"^([\w.-]+)==([^\s;\\]+)", (root / path).read_text(encoding="utf-8"), re.MULTILINE)
        packages |= _require({Package("PyPI", name, version) for name, version in locked if name != "kubekeep"}, path)
    crates = tomllib.loads((root / "rust/Cargo.lock").read_text(encoding="utf-8"))["package"]
    # Crates without a source are those of the workspace.
    published = {Package("crates.io", crate["name"], crate["version"]) for crate in crates if "source" in crate}
    packages |= _require(published, "rust/Cargo.lock")
    entries = json.loads((root / "web/package-lock.json").read_text(encoding="utf-8"))["packages"]
    installed = {
        Package("npm", entry.get("name", path.rpartition("node_modules/")[2]), entry["version"])
        for path, entry in entries.items()
        if path
    }
    return sorted(packages | _require(installed, "web/package-lock.json"))


def _require(packages: set[Package], path: str) -> set[Package]:
    if not packages:
        raise AuditError(f"{path} locks no packages")
    return packages


def _list_vulnerabilities(service: str, packages: Sequence[Package]) -> Iterator[str]:
    """Yield each package with a vulnerability. Raises AuditError if the service has no advisories of an ecosystem."""
    advisories = _query(service, [*KNOWN, *packages])
    for package in KNOWN:
        if not advisories[package]:
            raise AuditError(
                f"{service} has no advisories of {package.ecosystem}: none for {package.name} {package.version}"
            )
    for package in packages:
        for advisory in sorted(advisories[package]):
            if _is_vulnerability(_request(f"{service}/v1/vulns/{advisory}")):
                yield f"{package}: {advisory}"


def _query(service: str, packages: Sequence[Package]) -> dict[Package, set[str]]:
    """Return the identifiers of the advisories of each package."""
    advisories: dict[Package, set[str]] = {package: set() for package in packages}
    pending: list[tuple[Package, str]] = [(package, "") for package in packages]
    while pending:
        batch, pending = pending[:_BATCH], pending[_BATCH:]
        queries = [
            {
                "package": {"ecosystem": package.ecosystem, "name": package.name},
                "version": package.version,
                **({"page_token": token} if token else {}),
            }
            for package, token in batch
        ]
        results = _request(f"{service}/v1/querybatch", {"queries": queries}).get("results")
        if not isinstance(results, list) or len(results) != len(batch):
            raise AuditError(f"{service} has not answered all of {len(batch)} queries")
        for (package, _), result in zip(batch, results, strict=True):
            advisories[package] |= {advisory["id"] for advisory in result.get("vulns", ())}
            if token := result.get("next_page_token"):
                pending.append((package, token))
    return advisories


def _is_vulnerability(advisory: dict[str, Any]) -> bool:
    """Return False for a withdrawn advisory, and for a notice of RustSec, such as of a crate without a maintainer."""
    notices = [affected.get("database_specific", {}).get("informational") for affected in advisory.get("affected", ())]
    return "withdrawn" not in advisory and not (notices and all(notices))


def _request(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the JSON object at an address. Raises UnreachableError without an answer of the service."""
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, content, {"Content-Type": "application/json"})  # noqa: S310 - an address of ours
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as response:  # noqa: S310 - an address of ours
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        if error.code >= 500:
            raise UnreachableError(f"status {error.code}") from error
        raise AuditError(f"{url} answered with status {error.code}") from error
    except OSError as error:
        raise UnreachableError(str(getattr(error, "reason", error))) from error
    except (ValueError, http.client.HTTPException) as error:
        raise AuditError(f"{url} did not answer with JSON") from error
    if not isinstance(answer, dict):
        raise AuditError(f"{url} did not answer with a JSON object")
    return answer


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
