"""`kubekeep sbom scan`, `image scan`, `image explain` and `image diff` with advisories, by the real program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.command_line import run_command_line
from tests.images.example import LAYERS, STATUS, write_layout

ROOT = Path(__file__).parents[2]
STOREFRONT = ROOT / "examples" / "sboms" / "storefront.cdx.json"
ADVISORIES = ROOT / "examples" / "advisories"
IMAGE = ROOT / "examples" / "catalog-image"
KUBEKEEP = Path(sys.executable).parent / "kubekeep"


def kubekeep(*arguments: str, folder: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the program in a folder, with caches and data in it. Fails for another exit code."""
    variables = {"KUBEKEEP_DATABASE": None, "XDG_CACHE_HOME": str(folder / "cache"), "NO_COLOR": "1"}
    done = run_command_line(*arguments, folder=folder, variables=variables)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def scan_storefront(folder: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    options = ("--advisories", str(ADVISORIES), "-f", "json", "-o", "report.json")
    kubekeep("sbom", "scan", str(STOREFRONT), *options, *arguments, folder=folder, code=code)
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


def write_osv(path: Path, name: str, *, ecosystem: str, record_id: str = "TEST-1", **fields: Any) -> Path:
    """Write a record that affects all versions of a package below 9999."""
    record = {
        "id": record_id,
        "modified": "2026-01-01T00:00:00Z",
        "affected": [
            {
                "package": {"ecosystem": ecosystem, "name": name},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "9999"}]}],
            }
        ],
    }
    path.write_text(json.dumps(record | fields))
    return path


def test_scan_of_an_sbom_lists_upgrades_first(tmp_path: Path) -> None:
    text = kubekeep("sbom", "scan", str(STOREFRONT), "--advisories", str(ADVISORIES), folder=tmp_path).stdout
    assert "8 vulnerabilities: 1 high · 2 medium · 5 unknown · 8 with a fix" in text
    rows = [line.split() for line in text.splitlines() if "CVE-" in line]
    assert rows[0] == ["HIGH", "werkzeug", "2.3.7", "2.3.8", "142", "CVE-2023-46136"]
    # One upgrade for three vulnerabilities, each with another fixed version.
    assert any(row[1:4] == ["golang.org/x/net", "v0.20.0", "v0.38.0"] for row in rows)


def scan_to(folder: Path, document: str, name: str, *options: str, code: int = 0) -> str:
    """Return the report in the format `name` of a document in the folder."""
    arguments = ("--advisories", str(ADVISORIES), "-f", name, "-o", "report", *options)
    kubekeep("sbom", "scan", document, *arguments, folder=folder, code=code)
    (report,) = folder.glob("report*")
    text = report.read_text()
    report.unlink()
    return text


def list_places(sarif: str) -> dict[str, tuple[str, str, int, int]]:
    """Return the fingerprint, file, line and column of each result by its rule."""
    places = {}
    for result in json.loads(sarif)["runs"][0]["results"]:
        place = result["locations"][0]["physicalLocation"]
        region = place["region"]
        (fingerprint,) = result["partialFingerprints"].values()
        start = (region["startLine"], region["startColumn"])
        places[result["ruleId"]] = (fingerprint, place["artifactLocation"]["uri"], *start)
    return places


def test_findings_of_an_sbom_have_the_line_of_the_component(tmp_path: Path) -> None:
    text = STOREFRONT.read_text()
    (tmp_path / "app.cdx.json").write_text(text)
    before = list_places(scan_to(tmp_path, "app.cdx.json", "sarif"))
    lines = text.split("\n")
    for name, (_, file, line, column) in before.items():
        assert file == "app.cdx.json"
        assert lines[line - 1][column - 1 :] == "{", name
    assert before["CVE-2018-16487"][2:] == (58, 5)
    assert lines[59].strip() == '"name": "lodash",'
    # The same findings in a document of other form have the same identities.
    (tmp_path / "app.cdx.json").write_text("\n\n" + json.dumps(json.loads(text)))
    after = list_places(scan_to(tmp_path, "app.cdx.json", "sarif"))
    assert {name: place[0] for name, place in after.items()} == {name: place[0] for name, place in before.items()}
    assert {place[2] for place in after.values()} == {3}


def test_formats_name_the_line_and_the_file_in_the_image(tmp_path: Path) -> None:
    (tmp_path / "app.cdx.json").write_text(STOREFRONT.read_text())
    assert "::warning file=app.cdx.json,line=58,endLine=59,title=" in scan_to(tmp_path, "app.cdx.json", "github")
    assert "app.cdx.json:58: " in scan_to(tmp_path, "app.cdx.json", "junit")
    assert "| lodash | <code>4.17.4</code> | <code>4.17.11</code> | 58 |" in scan_to(
        tmp_path, "app.cdx.json", "markdown"
    )
    for name in ("json", "gitlab-container-scanning", "ocsf", "csv", "html"):
        report = scan_to(tmp_path, "app.cdx.json", name)
        assert "app.cdx.json:58" in report or '"app.cdx.json","startLine":58' in report or "app.cdx.json,58,5" in report
        assert "srv/web/node_modules/lodash/package.json" in report or name == "csv"
    (quality,) = (
        entry
        for entry in json.loads(scan_to(tmp_path, "app.cdx.json", "gitlab-codequality"))
        if entry["check_name"] == "CVE-2018-16487"
    )
    assert quality["location"] == {"path": "app.cdx.json", "lines": {"begin": 58}}


def test_denied_licence_of_an_sbom_has_the_line_of_the_component(tmp_path: Path) -> None:
    document = json.loads(STOREFRONT.read_text())
    document["components"][1]["licenses"] = [{"license": {"id": "GPL-3.0-only"}}]
    text = json.dumps(document, indent=2)
    (tmp_path / "app.cdx.json").write_text(text)
    (tmp_path / "controls.yaml").write_text('deniedLicences: ["GPL-*"]\n')
    places = list_places(scan_to(tmp_path, "app.cdx.json", "sarif", "--controls-config", "controls.yaml"))
    (place,) = (place for name, place in places.items() if not name.startswith("CVE-"))
    assert place[1:] == ("app.cdx.json", 58, 5)


def test_json_has_the_evidence_of_each_vulnerability(tmp_path: Path) -> None:
    report = scan_storefront(tmp_path)
    entries = {entry["id"]: entry for entry in report["vulnerabilities"]}
    assert set(entries) == {
        "CVE-2023-46136",
        "CVE-2018-16487",
        "CVE-2023-45803",
        "CVE-2021-28363",
        "CVE-2020-28493",
        "CVE-2023-45288",
        "CVE-2024-45338",
        "CVE-2025-22872",
    }
    entry = entries["CVE-2021-28363"]
    assert entry["purl"] == "pkg:pypi/urllib3@1.26.3"
    assert set(entry["aliases"]) == {"GHSA-5phf-pp7p-vc2r", "PYSEC-2021-59"}
    assert (entry["severity"], entry["fixedVersion"]) == ("Unknown", "1.26.4")
    assert entry["path"] == "/usr/lib/python3/dist-packages/urllib3-1.26.3.dist-info/METADATA"
    (evidence,) = entry["evidence"]
    assert (evidence["id"], evidence["range"]) == ("PYSEC-2021-59", ">= 1.26.0, < 1.26.4")
    assert report["notAssessed"] == []


def test_gates(tmp_path: Path) -> None:
    scan_storefront(tmp_path, "--fail-on", "critical", "--only-fixed")
    scan_storefront(tmp_path, "--fail-on", "high", "--only-fixed", code=1)
    scan_storefront(tmp_path, "--severity-threshold", "high", code=1)
    scan_storefront(tmp_path, "--severity-threshold", "critical")
    scan_storefront(tmp_path, "--max-failures", "total=8")
    scan_storefront(tmp_path, "--max-failures", "total=7", code=1)


def test_exceptions_and_baselines_name_vulnerabilities(tmp_path: Path) -> None:
    report = scan_storefront(tmp_path)
    (tmp_path / "old.json").write_text(json.dumps(report))
    scan_storefront(tmp_path, "--baseline", "old.json", "--fail-on-new")
    exceptions = tmp_path / "exceptions.json"
    posture_policies = [{"controlID": "GHSA-hrfv-mqp8-q5rw"}, {"controlID": "CVE-1999-0001"}]
    policy = {
        "name": "not reachable",
        "policyType": "postureExceptionPolicy",
        "actions": ["alertOnly"],
        "resources": [{"designatorType": "Attributes", "attributes": {"kind": ".*"}}],
        "posturePolicies": posture_policies,
    }
    exceptions.write_text(json.dumps([policy]))
    scan_storefront(tmp_path, "--exceptions", "exceptions.json", "--severity-threshold", "high")


def test_advisories_replace_the_database_unless_both_are_requested(tmp_path: Path) -> None:
    record = write_osv(tmp_path / "own.json", "flask", ecosystem="PyPI")
    database = tmp_path / "db"
    kubekeep("db", "build", str(ADVISORIES), "-o", str(database), folder=tmp_path)
    arguments = ("sbom", "scan", str(STOREFRONT), "-f", "json", "-o", "report.json")

    def list_ids(*options: str, code: int) -> set[str]:
        kubekeep(*arguments, *options, folder=tmp_path, code=code)
        return {entry["id"] for entry in json.loads((tmp_path / "report.json").read_text())["vulnerabilities"]}

    # The record alone says nothing about npm and Go.
    assert list_ids("--advisories", str(record), code=3) == {"TEST-1"}
    assert "TEST-1" not in list_ids("--db", str(database), code=0)
    both = list_ids("--advisories", str(record), "--with-db", "--db", str(database), code=0)
    assert {"TEST-1", "CVE-2021-28363"} <= both


def test_without_a_database_nothing_passes(tmp_path: Path) -> None:
    done = kubekeep("sbom", "scan", str(STOREFRONT), folder=tmp_path, code=3)
    assert "kubekeep db update" in done.stdout
    assert "No findings in what was evaluated" in done.stdout
    done = kubekeep("image", "scan", f"oci:{IMAGE}", folder=tmp_path, code=3)
    assert "image-root-user" in done.stdout
    assert "kubekeep db update" in done.stdout
    kubekeep("image", "scan", f"oci:{IMAGE}", "--no-vulnerabilities", folder=tmp_path)


def test_ecosystem_without_data_is_not_assessed(tmp_path: Path) -> None:
    done = kubekeep("image", "scan", f"oci:{IMAGE}", "--advisories", str(ADVISORIES), folder=tmp_path, code=3)
    assert "4 Debian packages not assessed" in " ".join(done.stdout.split())


def test_damaged_advisories_and_statements_make_a_scan_incomplete(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"id": ')
    done = kubekeep("sbom", "scan", str(STOREFRONT), "--advisories", "bad.json", folder=tmp_path, code=3)
    assert "bad.json" in done.stdout
    options = ("--advisories", str(ADVISORIES), "--vex", "bad.json")
    done = kubekeep("sbom", "scan", str(STOREFRONT), *options, folder=tmp_path, code=3)
    assert "bad.json" in done.stdout
    assert "8 vulnerabilities" in done.stdout


def test_old_data_is_not_enough(tmp_path: Path) -> None:
    database = tmp_path / "db"
    records = [
        str(write_osv(tmp_path / f"{ecosystem}.json", "some-package", ecosystem=ecosystem, record_id=f"{ecosystem}-1"))
        for ecosystem in ("Go", "PyPI", "npm")
    ]
    kubekeep("db", "build", *records, "-o", str(database), folder=tmp_path)
    arguments = ("sbom", "scan", str(STOREFRONT), "--db", str(database))
    done = kubekeep(*arguments, "--max-db-age", "1h", folder=tmp_path, code=3)
    assert "packages not assessed" in " ".join(done.stdout.split())
    kubekeep(*arguments, "--max-db-age", "5200w", folder=tmp_path)
    kubekeep(*arguments, "--max-db-age", "soon", folder=tmp_path, code=2)


def write_vex(folder: Path, **fields: str) -> None:
    """Write `shop.openvex.json` with a statement about a package."""
    product = {"@id": "pkg:pypi/werkzeug@2.3.7"}
    document = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://example.com/vex/1",
        "author": "Shop",
        "timestamp": "2026-01-01T00:00:00Z",
        "version": 1,
        "statements": [{"vulnerability": {"name": "CVE-2023-46136"}, "products": [product], **fields}],
    }
    (folder / "shop.openvex.json").write_text(json.dumps(document))


def test_vex_documents_suppress(tmp_path: Path) -> None:
    write_vex(tmp_path, status="not_affected", justification="vulnerable_code_not_in_execute_path")
    report = scan_storefront(tmp_path, "--vex", "shop.openvex.json", "--severity-threshold", "high")
    (entry,) = (entry for entry in report["vulnerabilities"] if entry["id"] == "CVE-2023-46136")
    assert entry["vex"]["status"] == "not_affected"
    write_vex(tmp_path, status="not_affected", justification="component_not_present")
    options = ("--advisories", str(ADVISORIES), "--vex", "shop.openvex.json")
    text = " ".join(kubekeep("sbom", "scan", str(STOREFRONT), *options, folder=tmp_path).stdout.split())
    assert "it states component_not_present, but the package is in the list of packages" in text


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ("pretty", "1 under investigation"),
        ("markdown", "1 under investigation"),
        ("cyclonedx", '"state": "in_triage"'),
        *((name, "under investigation") for name in ("csv", "findings", "html", "json", "ocsf", "sarif")),
    ],
)
def test_vulnerability_under_investigation_is_reported_as_such(layout: str, text: str, tmp_path: Path) -> None:
    write_vex(tmp_path, status="under_investigation")
    options = ("--advisories", str(ADVISORIES), "--vex", "shop.openvex.json", "-f", layout, "-o", "report")
    done = kubekeep("sbom", "scan", str(STOREFRONT), *options, folder=tmp_path)
    assert "1 VEX statement: 0 findings covered" in done.stderr
    (path,) = tmp_path.glob("report*")
    report = path.read_text()
    assert "CVE-2023-46136" in report
    assert text in " ".join(report.split())


@pytest.mark.parametrize(
    ("name", "code", "expected"),
    [
        ("CVE-2021-28363", 0, "1.26.3 is in >= 1.26.0, < 1.26.4"),
        ("GHSA-5phf-pp7p-vc2r", 0, "affected"),
        ("CVE-2018-18074", 0, "2.31.0 is not in the affected range"),
        ("CVE-1999-0001", 1, "No advisory about CVE-1999-0001"),
    ],
)
def test_explanations(name: str, code: int, expected: str, tmp_path: Path) -> None:
    subject = f"sbom:{STOREFRONT}"
    options = ("--advisories", str(ADVISORIES))
    done = kubekeep("image", "explain", subject, name, *options, folder=tmp_path, code=code)
    assert expected in " ".join(done.stdout.split())
    done = kubekeep("image", "explain", subject, name, *options, "-f", "json", folder=tmp_path, code=code)
    assert json.loads(done.stdout)["name"] == name


def test_explanation_of_an_image_names_layer_and_instruction(tmp_path: Path) -> None:
    record = write_osv(tmp_path / "own.json", "flask", ecosystem="PyPI", aliases=["CVE-2026-0001"])
    arguments = ("image", "explain", f"oci:{IMAGE}", "CVE-2026-0001", "--advisories", str(record), "-f", "json")
    (package,) = json.loads(kubekeep(*arguments, folder=tmp_path).stdout)["packages"]
    assert package["affected"]
    (place,) = package["locations"]
    assert place["layer"].startswith("sha256:")
    assert place["createdBy"]


def test_comparison_of_images(tmp_path: Path) -> None:
    record = write_osv(tmp_path / "own.json", "flask", ecosystem="PyPI")
    new = f"oci:{IMAGE}"
    arguments = (
        "image",
        "diff",
        f"sbom:{STOREFRONT}",
        new,
        "--advisories",
        str(record),
        "--advisories",
        str(ADVISORIES),
    )
    done = kubekeep(*arguments, "-f", "json", folder=tmp_path, code=3)
    vulnerabilities = json.loads(done.stdout)["vulnerabilities"]
    assert [entry["id"] for entry in vulnerabilities["unchanged"]] == ["TEST-1"]
    assert "CVE-2021-28363" in {entry["id"] for entry in vulnerabilities["resolved"]}
    reverse = ("image", "diff", new, f"sbom:{STOREFRONT}", "--advisories", str(ADVISORIES), "--fail-on-new", "high")
    assert "1 new of High or above" in kubekeep(*reverse, folder=tmp_path, code=1).stderr


def test_images_of_workloads(tmp_path: Path) -> None:
    record = write_osv(tmp_path / "own.json", "bash", ecosystem="Debian:11")
    kubekeep("scan", f"oci:{IMAGE}", "--advisories", str(record), "-f", "json", "-o", "r.json", folder=tmp_path, code=3)
    report = json.loads((tmp_path / "r.json").read_text())
    (entry,) = report["vulnerabilities"]
    assert (entry["id"], entry["package"], entry["fixedVersion"]) == ("TEST-1", "bash", "9999")
    assert {gap["ecosystem"] for gap in report["notAssessed"]} == {"PyPI"}


def test_standard_input(tmp_path: Path) -> None:
    done = run_command_line(
        "sbom", "scan", "-", "--advisories", ADVISORIES, folder=tmp_path, stdin=STOREFRONT.read_bytes()
    )
    assert done.returncode == 0
    assert "8 vulnerabilities" in done.stdout


def test_advice_compares_base_images(tmp_path: Path) -> None:
    fixed = LAYERS[0][1] | {"var/lib/dpkg/status": (0o644, STATUS.replace("5.1-2+deb11u1", "5.1-2+deb11u9"))}
    for name, layers in (("present", LAYERS[:1]), ("newer", (("ADD rootfs.tar /", fixed),))):
        write_layout(tmp_path / name, layers)
    records = [
        write_osv(tmp_path / "bash.json", "bash", ecosystem="Debian:11", record_id="CVE-2026-0001"),
        write_osv(tmp_path / "flask.json", "flask", ecosystem="PyPI", record_id="CVE-2026-0002"),
    ]
    affected = json.loads(records[0].read_text())
    affected["affected"][0]["ranges"][0]["events"][1]["fixed"] = "5.1-2+deb11u5"
    records[0].write_text(json.dumps(affected))
    options = [text for record in records for text in ("--advisories", str(record))]
    bases = ("--base", "oci:present", "--base", "oci:newer")
    done = kubekeep("image", "advise", f"oci:{IMAGE}", *bases, *options, "-f", "json", folder=tmp_path)
    advice = json.loads(done.stdout)
    assert [(upgrade["package"], upgrade["fixedVersion"]) for upgrade in advice["upgrades"]] == [
        ("bash", "5.1-2+deb11u5"),
        ("flask", "9999"),
    ]
    assert advice["base"] == "oci:present"
    assert (advice["baseVulnerabilities"], advice["ownVulnerabilities"]) == (["CVE-2026-0001"], ["CVE-2026-0002"])
    (candidate,) = advice["candidates"]
    assert (candidate["name"], candidate["improves"]) == ("oci:newer", True)
    assert (candidate["removed"], candidate["added"]) == (["CVE-2026-0001"], [])
    text = kubekeep("image", "advise", f"oci:{IMAGE}", *bases, *options, folder=tmp_path).stdout
    assert "1 fewer, 0 new" in text
    assert "name it with --base" in kubekeep("image", "advise", f"oci:{IMAGE}", *options, folder=tmp_path).stdout


@pytest.mark.parametrize("arguments", [("image", "scan", f"dir:{IMAGE}"), ("scan", f"sbom:{STOREFRONT}")])
@pytest.mark.parametrize("options", [("--no-vulnerabilities",), ("--advisories", str(ADVISORIES))])
def test_matching_is_imported_only_for_vulnerabilities(
    arguments: tuple[str, ...], options: tuple[str, ...], tmp_path: Path
) -> None:
    code = (
        "import sys; from kubekeep.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert end.code in (0, 3), end.code\n"
        "names = ('scanner', 'matching', 'database', 'severity', 'upgrades', 'versions')\n"
        "print([name for name in names if f'kubekeep.vulnerabilities.{name}' in sys.modules])"
    )
    command = [sys.executable, "-c", code, *arguments, *options, "--quiet"]
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=60)
    names = result.stdout.splitlines()[-1]
    if options[0] == "--no-vulnerabilities":
        assert names == "[]"
    else:
        assert names == "['scanner', 'matching', 'database', 'severity', 'upgrades', 'versions']"
