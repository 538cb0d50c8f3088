"""`kubekeep diff`, `kubekeep baseline` and the gate on new findings, as processes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.command_line import run_command_line

SHOP = Path(__file__).parents[2] / "examples" / "online-shop"


def kubekeep(*words: str | Path, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    result = run_command_line(*words, folder=cwd)
    assert result.returncode == code, result.stderr
    return result


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a baseline and a report of the shop, and a report with resolved and new findings."""
    folder = tmp_path_factory.mktemp("reports")
    shutil.copytree(SHOP, folder / "shop")
    (folder / "kubekeep.yaml").write_text("format: sarif\nseverity-threshold: low\n")
    kubekeep("baseline", "create", "shop", cwd=folder)
    kubekeep("scan", "shop", "--no-config", "-f", "json", "-o", "main.json", cwd=folder)
    cart = folder / "shop" / "checkout" / "cart.yaml"
    text = cart.read_text().replace("[NET_ADMIN]", "[NET_ADMIN, SYS_ADMIN]")
    assert "SYS_ADMIN" in text
    cart.unlink()
    cart.with_name("basket.yaml").write_text(f"# moved\n{text}")
    (folder / "shop" / "operations" / "debug-pod.yaml").unlink()
    kubekeep("scan", "shop", "--no-config", "-f", "json", "-o", "branch.json", cwd=folder)
    kubekeep("scan", "shop", "--no-config", "-f", "json", "-o", "hidden.json", "--hide", cwd=folder)
    return folder


def test_diff_lists_changes_of_a_branch(reports: Path) -> None:
    result = json.loads(kubekeep("diff", "main.json", "branch.json", "-f", "json", cwd=reports).stdout)
    path = "spec.template.spec.containers[0].securityContext.capabilities.add[1]"
    assert {entry["path"] for entry in result["new"]} == {path}
    assert {entry["resourceID"].rpartition("/")[2] for entry in result["resolved"]} == {"debug"}
    assert "incomparable" not in result
    assert len(result["unchanged"]) == 75


def test_comparison_gate(reports: Path) -> None:
    words = ("diff", "main.json", "branch.json", "--fail-on-new")
    assert "gate FAILED: new findings: 3, limit 0" in kubekeep(*words, cwd=reports, code=1).stderr
    result = kubekeep(*words, "--severity-threshold", "critical", cwd=reports)
    assert "gate passed: new findings: 0 of Critical or above" in result.stderr
    kubekeep("diff", "branch.json", "main.json", cwd=reports)
    kubekeep("diff", "main.json", "main.json", "--fail-on-new", cwd=reports)


def test_comparison_is_written_to_a_file(reports: Path) -> None:
    kubekeep("diff", "kubekeep-baseline.json", "branch.json", "-f", "markdown", "-o", "comment", cwd=reports)
    assert (reports / "comment.md").read_text().startswith("## Findings: 3 new, ")
    kubekeep("diff", "main.json", "branch.json", "-o", "missing/x", cwd=reports, code=3)


def test_scan_reports_new_findings_since_a_baseline(reports: Path) -> None:
    words = ("scan", "shop", "--no-config", "--fail-on-new", "--baseline")
    for base in ("kubekeep-baseline.json", "main.json"):
        result = kubekeep(*words, base, "-f", "sarif", cwd=reports, code=1)
        assert f"gate FAILED: new findings: 3, limit 0 (baseline {base})" in result.stderr
        states = [entry.get("baselineState") for entry in json.loads(result.stdout)["runs"][0]["results"]]
        assert {*states} == {"updated", "new", "unchanged", "absent"} - ({"new"} if "new" not in states else set())
    result = kubekeep(*words, "branch.json", cwd=reports)
    assert "Baseline  0 new, " in result.stdout
    result = kubekeep(*words, "kubekeep-baseline.json", "--baseline-severity-threshold", "critical", cwd=reports)
    assert "gate passed: new findings: 0 of Critical or above" in result.stderr


def test_json_counts_new_findings(reports: Path) -> None:
    words = ("scan", "shop", "--no-config", "-f", "json", "--baseline", "kubekeep-baseline.json")
    report = json.loads(kubekeep(*words, cwd=reports).stdout)
    baseline = report["kubekeep"]["baseline"]
    assert (baseline["new"], baseline["incomparable"], baseline["granularity"]) == (3, 0, "evidence")
    changes = [
        entry.get("change")
        for result in report["results"]
        for control in result["controls"]
        for rule in control["rules"]
        for entry in rule.get("paths", ())
    ]
    assert {*changes} == {"new", "unchanged"}


def test_excepted_finding_is_not_resolved(reports: Path) -> None:
    policies = [{"controlID": "C-0057"}]
    (reports / "exceptions.json").write_text(json.dumps([{"name": "known", "posturePolicies": policies}]))
    words = ("scan", "shop", "--no-config", "--exceptions", "exceptions.json", "--baseline", "branch.json")
    shown = kubekeep(*words, "--fail-on-new", cwd=reports)
    assert re.search(
        r"Baseline 0 new, \d+ unchanged, 0 resolved, 2 covered by exceptions since branch\.json",
        " ".join(shown.stdout.split()),
    )
    baseline = json.loads(kubekeep(*words, "-f", "json", cwd=reports).stdout)["kubekeep"]["baseline"]
    assert (baseline["new"], baseline["resolved"], baseline["accepted"]) == (0, 0, 2)
    sarif = json.loads(kubekeep(*words, "-f", "sarif", cwd=reports).stdout)["runs"][0]["results"]
    assert "absent" not in {entry.get("baselineState") for entry in sarif}


def test_unselected_controls_do_not_fail_the_comparison(reports: Path) -> None:
    words = ("scan", "control", "C-0057", "shop/catalog", "--no-config", "--fail-on-new")
    result = kubekeep(*words, "--baseline", "kubekeep-baseline.json", cwd=reports)
    assert "cannot be compared: C-0" in result.stdout
    assert "gate passed" in result.stderr


def test_baseline_from_a_report(reports: Path) -> None:
    result = kubekeep("baseline", "from-report", "main.json", "-o", "again.json", cwd=reports)
    assert result.stderr == "baseline: again.json, 69 findings in 87 fields\n"
    assert (reports / "again.json").read_text() == (reports / "kubekeep-baseline.json").read_text()
    kubekeep("baseline", "from-report", "kubekeep-baseline.json", "-o", "x.json", cwd=reports, code=2)
    assert not (reports / "x.json").exists()


def test_empty_scan_writes_no_baseline(tmp_path: Path) -> None:
    kubekeep("baseline", "create", ".", cwd=tmp_path, code=3)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("scan shop --exclude-controls C-9999", 2, "unknown control 'C-9999'"),
        ("scan control C-0057 shop --exclude-controls c-0057", 2, "every control is excluded"),
        ("scan control C-9999 shop", 2, "unknown control 'C-9999'"),
        ("scan control , shop", 2, "`scan control` requires names"),
        ("scan framework , shop", 2, "`scan framework` requires names"),
        ("scan workload , shop", 2, "`scan workload` requires a kind and a name"),
        ("scan framework nsx shop", 2, "unknown framework 'nsx'"),
        ("scan shop --compliance-threshold nsa=80", 2, "a limit for nsa, which is not in this scan"),
        ("scan shop --fail-coverage-below overal=80", 2, "did you mean overall?"),
        ("scan shop --max-failures hihg=0", 2, "'hihg' is not one of critical, high"),
        ("scan shop --max-failures high=0,high=1", 2, "each name once"),
        ("scan shop --max-failures high=0,High=1", 2, "each name once"),
        ("scan shop --compliance-threshold overall=99,Overall=1", 2, "each name once"),
        ("scan shop --max-failures high=-1", 2, "'-1' is not a whole number from 0"),
        ("scan shop --compliance-threshold nan", 2, "'nan' is not a number from 0 to 100"),
        ("scan shop --severity-threshold hihg", 2, "'hihg' is not one of"),
        ("scan shop --min-severity high --max-severity low", 2, "nothing would be shown"),
        ("scan shop --label-selector app=web,", 2, "not a label selector"),
        ("scan shop --baseline missing.json", 2, "missing.json: no such file"),
        ("scan shop --baseline kubekeep.yaml", 2, "kubekeep.yaml: not a baseline or a report"),
        ("scan shop --fail-on-new", 2, "--fail-on-new requires --baseline"),
        ("scan shop --baseline main.json --baseline-severity-threshold high", 2, "has no effect without --fail-on-new"),
        ("scan shop --only-fixable", 2, "--only-fixable has no effect without --fail-on"),
        ("scan shop --include-kinds Deploment", 3, "no resource in the input has kind Deploment"),
        ("scan shop --include-namespaces shpo", 3, "no resource in the input has namespace shpo"),
        ("scan shop --include-kinds Deploment", 3, "nothing was assessed"),
        ("scan shop --include-namespaces shpo", 3, "nothing was assessed"),
        (
            "scan shop --include-kinds Service,Deploment",
            0,
            "kind Deploment, and Kubernetes has no such kind; did you mean",
        ),
        ("scan shop --exclude-kinds Deploment", 0, "kind Deploment, and Kubernetes has no such kind; did you mean"),
        ("scan shop --exclude-namespaces shpo", 0, "no resource in the input has namespace shpo"),
        ("scan shop --label-selector app=nobody", 3, "nothing was assessed"),
        ("scan empty", 3, "nothing was assessed"),
        ("scan unreadable", 3, "nothing was assessed: unreadable/x.yaml:1: not YAML"),
        ("scan control C-0069 shop", 3, "nothing was assessed"),
        ("diff main.json missing.json", 2, "missing.json: no such file"),
        (
            "scan shop --baseline hidden.json",
            2,
            "hidden.json: names are pseudonymised; use `kubekeep diff` to compare it with a report",
        ),
        ("diff main.json hidden.json", 2, "hidden.json: names are pseudonymised, but not in main.json: create both"),
        ("diff main.json kubekeep-baseline.json", 2, "kubekeep-baseline.json: not a report"),
        ("diff main.json branch.json -f words", 2, "unknown format 'words'"),
    ],
)
def test_invalid_combinations_are_rejected(words: str, code: int, message: str, reports: Path) -> None:
    (reports / "empty").mkdir(exist_ok=True)
    (reports / "unreadable").mkdir(exist_ok=True)
    (reports / "unreadable" / "x.yaml").write_text("a: b: c\n")
    extra_options = ("--no-config",) if words.startswith("scan") else ()
    assert message in " ".join(kubekeep(*words.split(), *extra_options, cwd=reports, code=code).stderr.split())


def test_unmatched_filter_and_unchanged_resources_have_different_messages(tmp_path: Path) -> None:
    shutil.copytree(SHOP, tmp_path / "shop")
    for words in (
        ("init", "-q"),
        ("add", "."),
        ("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "-q", "-m", "shop"),
    ):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    scan = ("scan", "shop", "--no-config", "--changed-since", "HEAD", "--include-kinds")
    result = kubekeep(*scan, "Pod", cwd=tmp_path)
    assert "no resource in scope of a control has changed since HEAD" in result.stderr
    assert "no resource in the input has" not in result.stderr
    assert "kind Deploment" in kubekeep(*scan, "Deploment", cwd=tmp_path, code=3).stderr


def test_hidden_severities_still_count_for_gates(reports: Path) -> None:
    words = ("scan", "shop", "--no-config", "--max-severity", "low", "-f", "json", "--severity-threshold", "high")
    result = kubekeep(*words, cwd=reports, code=1)
    report = json.loads(result.stdout)
    assert {entry["severity"] for entry in report["summaryDetails"]["controls"].values()} == {"Low"}
    note = "showing only controls of severity Low or below; scores and gates include all controls"
    assert note in report["kubekeep"]["notes"]
    assert note in result.stderr


def test_only_selected_resources_are_evaluated(reports: Path) -> None:
    words = ("scan", "shop", "--no-config", "-f", "json", "--include-kinds", "Deployment", "-e", "kube-*")
    report = json.loads(kubekeep(*words, cwd=reports).stdout)
    assert {entry["object"]["kind"] for entry in report["resources"]} == {"Deployment"}
    assert report["kubekeep"]["choice"] == "without namespaces kube-*; kinds Deployment"
