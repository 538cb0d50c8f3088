"""Compare findings with those of Grype and Trivy on the same database: `scanners.py FOLDER ADVISORIES...`.

ADVISORIES are OSV records. A part of them is written into a database of each scanner with its own library (the programs in
`grype` beside this file and in `tests/oracles/trivy-db`), beside records for Debian, Ubuntu, Alpine and Red Hat that name
the same CVEs. Each scanner and `kubekeep sbom scan` after `kubekeep db import` then compare one SBOM per distribution and one
of languages with it. Prints the numbers of findings, and each finding of one of the two. The programs are `--grype` and
`--trivy`; without one, its database is imported and not compared.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.oracles.program import GoProgram, program

PER_ECOSYSTEM = 60
"""Records of each ecosystem."""
BUILT = "2026-11-27T06:00:00Z"
TRIVY_LANGUAGES = {
    "PyPI": "pip::GitHub Security Advisory pip",
    "Go": "go::GitHub Security Advisory Go",
    "npm": "npm::GitHub Security Advisory npm",
    "RubyGems": "rubygems::GitHub Security Advisory RubyGems",
    "Packagist": "composer::GitHub Security Advisory Composer",
    "crates.io": "cargo::GitHub Security Advisory Rust",
}
GRYPE_LANGUAGES = {
    "PyPI": ("python", "python"),
    "Go": ("go-module", "go"),
    "npm": ("npm", "semver"),
    "RubyGems": ("gem", "gem"),
    "Packagist": ("php-composer", "semver"),
    "crates.io": ("rust-crate", "semver"),
}
TYPES = {
    "PyPI": "pypi",
    "Go": "golang",
    "npm": "npm",
    "RubyGems": "gem",
    "Packagist": "composer",
    "crates.io": "cargo",
}
SYSTEMS = {
    "debian": ("deb", "dpkg", "debian", "12", "", "debian 12", "debian-12"),
    "ubuntu": ("deb", "dpkg", "ubuntu", "22", "04", "ubuntu 22.04", "ubuntu-22.04"),
    "alpine": ("apk", "apk", "alpine", "3", "20", "alpine 3.20", "alpine-3.20.1"),
    "almalinux": ("rpm", "rpm", "", "9", "", "alma 9", "almalinux-9"),
    "amzn": ("rpm", "rpm", "amazonlinux/amzn", "2023", "", "amazon linux 2023", "amzn-2023"),
    "rhel": ("rpm", "rpm", "redhat/rhel", "9", "", "", "rhel-9"),
}
"""Type of packages, of versions, name and version in Grype, platform in Trivy, qualifier of package URLs.

Grype compares AlmaLinux with Red Hat.
"""
FIXED = {"dpkg": "1.{0}.0-1", "apk": "1.{0}.0-r0", "rpm": "1.{0}.0-1"}


def main() -> None:
    """Write the databases and SBOMs, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("advisories", type=Path, nargs="+")
    parser.add_argument("--records", type=int, default=PER_ECOSYSTEM, help="number of records of each ecosystem")
    parser.add_argument("--grype", type=Path, help="the program grype")
    parser.add_argument("--trivy", type=Path, help="the program trivy")
    options = parser.parse_args()
    folder: Path = options.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    records = list(select_records(options.advisories, options.records))
    sboms = write_sboms(folder, records)
    if options.grype:
        database = write_grype(folder / "grype-archive", records)
        run_program([options.grype, "db", "import", database], folder)
        findings = {name: run_grype(options.grype, folder, path) for name, path in sboms.items()}
        compare("Grype", folder, database, sboms, findings)
    database = write_trivy(folder / "trivy" / "db", records)
    findings = {name: run_trivy(options.trivy, folder, path) for name, path in sboms.items()} if options.trivy else {}
    compare("Trivy", folder, database, sboms, findings)


def select_records(paths: Iterable[Path], most: int) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield ecosystem, record and entry of records with ranges of versions, a fixed number of each ecosystem."""
    for path in paths:
        count = 0
        for line in path.read_text().splitlines():
            record = json.loads(line)
            entries = [entry for entry in record["affected"] if entry["package"]["ecosystem"] in TYPES]
            if not entries or record.get("withdrawn") or not list_constraints(entries[0]):
                continue
            yield entries[0]["package"]["ecosystem"], record, entries[0]
            count += 1
            if count == most:
                break


def list_constraints(entry: dict[str, Any]) -> list[str]:
    """Return the ranges of an entry as constraints."""
    constraints = []
    for versions in entry.get("ranges", ()):
        if versions["type"] == "GIT":
            continue
        low = ""
        for event in versions["events"]:
            if "introduced" in event:
                low = event["introduced"]
            elif low:
                end = f"<{event['fixed']}" if "fixed" in event else f"<={event['last_affected']}"
                constraints.append(end if low == "0" else f">={low}, {end}")
                low = ""
    return constraints


def get_fix(entry: dict[str, Any]) -> str:
    """Return the first fixed version."""
    events = (event for versions in entry["ranges"] if versions["type"] != "GIT" for event in versions["events"])
    return str(next((event["fixed"] for event in events if "fixed" in event), ""))


def get_name(record: dict[str, Any]) -> str:
    """Return the CVE, else the id."""
    return str(next((name for name in record.get("aliases", ()) if name.startswith("CVE-")), record["id"]))


def iterate_systems(records: list[Any]) -> Iterator[tuple[str, int, str, str]]:
    """Yield system, number, package and CVE of generated records of distributions."""
    cves = [get_name(record) for _, record, _ in records if get_name(record).startswith("CVE-")]
    for system in SYSTEMS:
        for number, cve in enumerate(cves[:PER_ECOSYSTEM]):
            yield system, number, f"lib-{number % 20}", cve


def write_grype(folder: Path, records: list[Any]) -> Path:
    """Write a database of Grype and return its file."""
    lines = []
    for ecosystem, record, entry in records:
        kind, version_type = GRYPE_LANGUAGES[ecosystem]
        fix = get_fix(entry)
        ranges = [
            {
                "version": {"type": version_type, "constraint": " || ".join(list_constraints(entry))},
                "fix": {"version": fix, "state": "fixed"} if fix else {"state": "not-fixed"},
            }
        ]
        package: dict[str, Any] = {"ecosystem": kind, "name": entry["package"]["name"], "blob": {"ranges": ranges}}
        blob = {"id": record["id"], "description": record.get("summary", ""), "aliases": record.get("aliases", [])}
        lines.append({"provider": "github", "name": record["id"], "blob": blob, "packages": [package]})
    for system, number, name, cve in iterate_systems(records):
        kind, version_type, family, major, minor, _, _ = SYSTEMS[system]
        if not family:
            continue
        version = FIXED[version_type].format(number)
        package = {
            "ecosystem": kind,
            "name": name,
            "system": family.split("/")[0],
            "id": family.split("/")[-1],
            "major": major,
            "minor": minor,
        }
        constraint = "" if number % 7 == 0 else f"< {version}"
        state = {"state": "wont-fix"} if number % 7 == 0 else {"version": version, "state": "fixed"}
        ranges = [{"version": {"type": version_type, "constraint": constraint}, "fix": state}]
        package["blob"] = {"ranges": ranges}
        lines.append({"provider": system, "name": cve, "blob": {"id": cve}, "packages": [package]})
    folder.mkdir(parents=True, exist_ok=True)
    binary = GoProgram(Path(__file__).with_name("grype")).build()
    run_with_lines([str(binary), str(folder)], lines)
    archive = folder / "vulnerability-db.tar.gz"
    with tarfile.open(archive, "w:gz") as stream:
        stream.add(folder / "vulnerability.db", "vulnerability.db")
    return archive


def write_trivy(folder: Path, records: list[Any]) -> Path:
    """Write a database of Trivy and return its file."""
    lines: list[dict[str, Any]] = [
        {"source": platform, "value": {"ID": "ghsa", "Name": platform.partition("::")[2]}}
        for platform in TRIVY_LANGUAGES.values()
    ]
    for ecosystem, record, entry in records:
        fix, name = get_fix(entry), get_name(record)
        value = {
            "VulnerableVersions": list_constraints(entry),
            "VendorIDs": [record["id"]],
            **({"PatchedVersions": [fix]} if fix else {}),
        }
        lines.append(
            {"vulnerability": name, "value": {"Title": record.get("summary", ""), "VendorSeverity": {"nvd": 3}}}
        )
        package = entry["package"]["name"]
        lines.append({"platform": TRIVY_LANGUAGES[ecosystem], "package": package, "id": name, "value": value})
    for system, number, name, cve in iterate_systems(records):
        _, version_type, *_, platform, _ = SYSTEMS[system]
        if not platform:
            continue
        entry = {"Status": 5} if number % 7 == 0 else {"FixedVersion": FIXED[version_type].format(number)}
        lines.append({"platform": platform, "package": name, "id": cve, "value": entry})
    folder.mkdir(parents=True, exist_ok=True)
    run_with_lines([str(program("trivy-db")), str(folder), BUILT], lines)
    return folder / "trivy.db"


def run_with_lines(command: list[str], lines: list[dict[str, Any]]) -> None:
    """Run a program with JSON Lines as its input."""
    subprocess.run(command, input="\n".join(map(json.dumps, lines)), text=True, check=True)


def write_sboms(folder: Path, records: list[Any]) -> dict[str, Path]:
    """Write an SBOM for each distribution, and one of languages with a vulnerable and a fixed version of each package."""
    purls = []
    for ecosystem, _, entry in records:
        name = entry["package"]["name"]
        for version in ("0.0.1", get_fix(entry) or "999.0.0", "1.2.3"):
            prefix = "v" if ecosystem == "Go" and not version.startswith("v") else ""
            encoded = name.replace("@", "%40")
            purls.append(f"pkg:{TYPES[ecosystem]}/{encoded}@{prefix}{version}")
    paths = {"languages": write_sbom(folder / "languages.cdx.json", dict.fromkeys(purls), None)}
    for system, (kind, version_type, *_, qualifier) in SYSTEMS.items():
        end = {"dpkg": "-1", "apk": "-r0", "rpm": "-1"}[version_type]
        purls = [
            f"pkg:{kind}/{'redhat' if system == 'rhel' else system}/lib-{number}@1.{number + 20}.0{end}?arch=x86_64&distro={qualifier}"
            for number in range(20)
        ]
        name, _, version = qualifier.partition("-")
        paths[system] = write_sbom(folder / f"{system}.cdx.json", purls, (name, version))
    return paths


def write_sbom(path: Path, purls: Iterable[str], system: tuple[str, str] | None) -> Path:
    """Write a document of CycloneDX and return its path."""
    components = []
    for purl in purls:
        name, _, version = purl.partition("?")[0].partition("/")[2].rpartition("@")
        name = name.replace("%40", "@")
        if system:
            name = name.rpartition("/")[2]
        components.append({"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl})
    if system:
        components.append({"type": "operating-system", "bom-ref": "os", "name": system[0], "version": system[1]})
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": components}
    path.write_text(json.dumps(document))
    return path


def run_grype(binary: Path, folder: Path, sbom: Path) -> set[tuple[str, str]]:
    """Return package URL and id of the findings of Grype."""
    matches = json.loads(run_program([binary, f"sbom:{sbom}", "-o", "json"], folder))["matches"]
    return {(match["artifact"]["purl"], match["vulnerability"]["id"]) for match in matches}


def run_trivy(binary: Path, folder: Path, sbom: Path) -> set[tuple[str, str]]:
    """Return package URL and id of the findings of Trivy."""
    command = [binary, "sbom", "--skip-db-update", "--cache-dir", folder / "trivy", "-f", "json", "-q", sbom]
    return {
        (entry["PkgIdentifier"]["PURL"], entry["VulnerabilityID"])
        for part in json.loads(run_program(command, folder)).get("Results", ())
        for entry in part.get("Vulnerabilities", ())
    }


def run_program(command: list[Any], folder: Path) -> bytes:
    """Return the output of a program that uses no network."""
    variables = {
        "GRYPE_DB_CACHE_DIR": str(folder / "grype"),
        "GRYPE_DB_AUTO_UPDATE": "false",
        "GRYPE_DB_VALIDATE_AGE": "false",
        "GRYPE_CHECK_FOR_APP_UPDATE": "false",
    }
    return subprocess.run(command, env=os.environ | variables, check=True, stdout=subprocess.PIPE).stdout


def compare(
    name: str, folder: Path, database: Path, sboms: dict[str, Path], findings: dict[str, set[tuple[str, str]]]
) -> None:
    """Import the database, scan with it, and print the findings of one of the two."""
    own_database = folder / f"kubekeep-{name.lower()}"
    command = [sys.executable, "-m", "kubekeep"]
    subprocess.run([*command, "db", "import", database, "--database", own_database, "--allow-older"], check=True)
    for sbom, path in sboms.items():
        report = folder / f"{sbom}.{name.lower()}.json"
        subprocess.run(
            [*command, "sbom", "scan", path, "--database", own_database, "-f", "json", "-o", report],
            check=False,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        entries = json.loads(report.read_text())["vulnerabilities"]
        # Names in package URLs of Go are normalised.
        own = {(entry["purl"].lower(), frozenset((entry["id"], *entry.get("aliases", ())))) for entry in entries}
        (folder / f"{sbom}.{name.lower()}-findings.json").write_text(
            json.dumps(sorted(findings.get(sbom, ())), indent=0)
        )
        theirs = {(purl.lower(), name) for purl, name in findings.get(sbom, ())}
        missing = [pair for pair in sorted(theirs) if not any(pair[0] == purl and pair[1] in ids for purl, ids in own)]
        extra = [
            (purl, sorted(ids)) for purl, ids in own if findings and not any((purl, each) in theirs for each in ids)
        ]
        print(f"{name} {sbom}: {len(theirs)} findings, kubekeep {len(own)}, missing {len(missing)}, more {len(extra)}")
        for pair in missing:
            print("  missing", *pair)
        for purl, ids in sorted(extra):
            print("  more", purl, *ids)


if __name__ == "__main__":
    main()
