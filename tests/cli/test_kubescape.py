"""Kubescape command lines as in existing scripts, run through the drop-in."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import pytest
from tests.cluster.cluster import Cluster
from tests.command_line import run_command_line
from tests.images.access_fixtures import copy_image
from tests.images.example import REFERENCE
from tests.registry.service import run_registry
from tests.registry.test_login import HTPASSWD, PASSWORD, USER

from kubekeep._native import VERSION
from kubekeep.cli import kubescape, main
from kubekeep.cli.diff import command as diff
from kubekeep.cli.fix import command as fix
from kubekeep.cli.kubescape import flags
from kubekeep.cli.kubescape.flags import FlagEffect, FlagValueType, KubescapeFlag
from kubekeep.cli.kubescape.parse import FlagError, parse
from kubekeep.cli.kubescape.translate import scan as translate_scan
from kubekeep.cli.scan import command as scan
from kubekeep.library.kubescape_names import load_kubescape_names
from kubekeep.library.load import builtin
from kubekeep.posture.select import find_controls

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "examples" / "online-shop"
SHIM = ROOT / "integrations" / "kubescape"
SCORE = "Overall compliance-score (100- Excellent, 0- All failed): "


POD = "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: []}}"


def run(*words: str, cwd: Path = SHOP, code: int = 0) -> subprocess.CompletedProcess[str]:
    result = run_command_line("kubescape", *words, folder=cwd)
    assert result.returncode == code, result.stderr
    return result


SWITCH = KubescapeFlag("verbose", "v", FlagValueType.SWITCH, option="verbose")
FORMAT = KubescapeFlag("format", "f", option="format")
VALUES = KubescapeFlag("values", "", FlagValueType.LIST, option="values")
SET = KubescapeFlag("set", "", FlagValueType.ARRAY, option="set")
QUIET = KubescapeFlag("quiet", "q", FlagValueType.SWITCH, option="quiet")


@pytest.mark.parametrize(
    ("words", "positional", "values"),
    [
        (["a", "-v", "b"], ["a", "b"], [("verbose", "true")]),
        (["--verbose=false", "-"], ["-"], [("verbose", "false")]),
        (["-v=0"], [], [("verbose", "false")]),
        (["-vf", "json", "a"], ["a"], [("verbose", "true"), ("format", "json")]),
        (["-fjson", "--format=sarif"], [], [("format", "sarif")]),
        (["--verbose", "--verbose=false"], [], [("verbose", "false")]),
        (["--values", "a,b", "--values", "c,"], [], [("values", "a"), ("values", "b"), ("values", "c")]),
        (["--set", "a={1,2}", "--set", "a="], [], [("set", "a={1,2}"), ("set", "a=")]),
        (["-f=json", "-vq"], [], [("format", "json"), ("verbose", "true"), ("quiet", "true")]),
        (["--format", "--verbose"], [], [("format", "--verbose")]),
        (["--", "-v", "--x"], ["-v", "--x"], []),
    ],
)
def test_arguments_are_parsed_like_pflag(
    words: list[str], positional: list[str], values: list[tuple[str, str]]
) -> None:
    parsed, parsed_values = parse(words, (SWITCH, FORMAT, VALUES, SET, QUIET))
    assert parsed == positional
    assert [(flag.name, value) for flag, value in parsed_values] == values


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--nonsense"], "unknown flag: --nonsense"),
        (["-x"], "unknown shorthand flag: 'x' in -x"),
        (["--format"], "flag needs an argument: --format"),
        (["-vf"], "flag needs an argument: --format"),
        (["--verbose=maybe"], "invalid argument 'maybe' for --verbose"),
    ],
)
def test_invalid_arguments_are_errors(words: list[str], message: str) -> None:
    with pytest.raises(FlagError, match=message):
        parse(words, (SWITCH, FORMAT))


def test_same_flags_are_existing_options() -> None:
    special = {"PATH", "workload", "include-controls", ""}
    for command, kubescape_flags in ((scan, flags.EVERY_SCAN), (fix, flags.FIX), (diff, flags.DIFF)):
        options = {
            name: option
            for option in command.params
            if isinstance(option, click.Option)
            for name in (*option.opts, *option.secondary_opts)
        }
        for flag in kubescape_flags:
            if flag.effect is not FlagEffect.SAME or flag.option in special:
                continue
            option = options[f"--{flag.option}"]
            assert option.is_flag is (flag.value_type is FlagValueType.SWITCH), flag
            assert not flag.negative_option or f"--{flag.negative_option}" in options
            assert flag.value_type not in {FlagValueType.LIST, FlagValueType.ARRAY} or option.multiple, flag


def test_flags_are_unique_and_flags_without_effect_have_a_reason() -> None:
    for table in (flags.EVERY_SCAN, flags.FIX, flags.DIFF, flags.LIST):
        names = [flag.name for flag in (*flags.ROOT, *table)]
        shorts = [flag.short for flag in (*flags.ROOT, *table) if flag.short]
        assert len(names) == len({*names})
        assert len(shorts) == len({*shorts})
        assert all(flag.why for flag in table if flag.effect is not FlagEffect.SAME)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("scan .", "framework workloadscan,allcontrols -- ."),
        ("scan . --view resource", "--view resource framework allcontrols,nsa,mitre -- ."),
        ("scan", "framework clusterscan,mitre,nsa --"),
        ("scan --view control", "--view control framework allcontrols,nsa,mitre --"),
        ("scan framework nsa --kubeconfig k", "--kubeconfig k framework nsa --"),
        ("scan --kube-context prod control C-0057 --dry-run", "--kube-context prod --dry-run control C-0057 --"),
        ("scan workload shop/pod/a", "--framework workloadscan,allcontrols workload shop/pod/a --"),
        ("scan framework nsa,mitre a b", "framework nsa,mitre -- a b"),
        ("scan control C-0057,C-0016 -", "control C-0057,C-0016 -- -"),
        ("scan . --include-controls C-0057", "control C-0057 -- ."),
        ("scan . --include-controls C-0016 --include-controls C-0057", "control C-0057 -- ."),
        ("scan framework nsa . --include-controls C-0057,C-0005,c-0055", "control C-0057,C-0005,c-0055 -- ."),
        ("scan framework mitre . --include-controls C-0057,C-0005", "control C-0057 -- ."),
        ("scan control C-0057,C-0016 . --include-controls privileged-container", "control privileged-container -- ."),
        (
            "scan . -e kube-system,kube-public",
            "--exclude-namespaces kube-system,kube-public framework workloadscan,allcontrols -- .",
        ),
        ("scan framework nsa . --exceptions a --exceptions b", "--exceptions b framework nsa -- ."),
        ("scan framework nsa . --hide --hide=false --submit --submit=false", "framework nsa -- ."),
        ("scan framework nsa . -e a -e b", "--exclude-namespaces b framework nsa -- ."),
        ("scan framework nsa . -f json -f sarif,junit", "--format sarif,junit framework nsa -- ."),
        (
            "scan framework nsa . --set a=1,b=2 --set c=3 --exclude-path x/ --exclude-path y/",
            "--set a=1,b=2 --set c=3 --exclude-path x/ --exclude-path y/ framework nsa -- .",
        ),
        (
            "scan framework nsa . --exclude-controls C-0057,C-0016 --exclude-controls C-0005",
            "--exclude-controls C-0057 --exclude-controls C-0016 --exclude-controls C-0005 framework nsa -- .",
        ),
        (
            "scan workload Deployment/web . -n shop",
            "--framework workloadscan,allcontrols workload shop/Deployment/web -- .",
        ),
        ("scan workload web/Deployment/web .", "--framework workloadscan,allcontrols workload web/Deployment/web -- ."),
        (
            "scan workload Deployment/web --file-path a.yaml",
            "--framework workloadscan,allcontrols workload Deployment/web -- a.yaml",
        ),
        (
            "scan workload Deployment/web . --api-version apps/v1",
            "--framework workloadscan,allcontrols workload Deployment.v1.apps/web -- .",
        ),
        ("scan . --skip-controls C-0057", "--exclude-controls C-0057 framework workloadscan,allcontrols -- ."),
        ("scan . --compliance-threshold 0 --severity-threshold=", "framework workloadscan,allcontrols -- ."),
        ("scan framework nsa . --compliance-threshold 0.00 --fail-coverage-below 00", "framework nsa -- ."),
        (
            "scan framework nsa . --compliance-threshold 79.5 --fail-coverage-below 1e1",
            "--compliance-threshold overall=79.5 --fail-coverage-below overall=10.0 framework nsa -- .",
        ),
        ("scan . --values a.yaml,b.yaml", "--values a.yaml --values b.yaml framework workloadscan,allcontrols -- ."),
        ("scan . -f pretty-printer,json", "--format pretty,json framework workloadscan,allcontrols -- ."),
        ("scan framework nsa . -f markdown", "--format markdown --output report.md framework nsa -- ."),
        ("scan framework nsa . -f markdown -o a", "--format markdown --output a framework nsa -- ."),
        (
            "scan . --honor-inline-exceptions=false",
            "--no-honor-inline-exceptions framework workloadscan,allcontrols -- .",
        ),
        ("scan --host-scan", "framework clusterscan,mitre,nsa --"),
        ("scan --host-scan=false", "--no-host-scan framework clusterscan,mitre,nsa --"),
        ("scan . --submit=false --format-version v2", "framework workloadscan,allcontrols -- ."),
    ],
)
def test_scan_is_translated(line: str, expected: str) -> None:
    _, *words = line.split()
    result = translate_scan(*parse(words, (*flags.ROOT, *flags.EVERY_SCAN)))
    assert result.words == ("--no-config", *expected.split())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("scan . --submit --keep-local", "--keep-local and --submit cannot be combined"),
        ("list frameworks --account abc", "--account is not supported"),
        ("scan . --scan-images --registry-username a --registry-password b", "require --registry-authority"),
        ("scan . --scan-images --registry-username a", "used together"),
        ("scan . --format-version v1", "--format-version v1 is not supported"),
        ("scan . --only-fixable=maybe", "invalid argument 'maybe' for --only-fixable"),
        ("scan . --output workload -n shop", "unknown flag: --namespace: only `scan workload` supports it"),
        ("scan image nginx -u someone", "a user name and a password of a registry are used together"),
        ("scan image", "scan image: name an image"),
        ("scan image nginx -v -s", "unknown shorthand flag"),
        ("submit results a.json", "`kubekeep scan --submit` sends results to a Kubekeep server"),
        ("scan --kubeconfig nowhere", "'nowhere' does not exist"),
        ("scan . --kube-context prod", "--kube-context requires a live cluster"),
        ("scan . --dry-run", "--dry-run requires a live cluster"),
        ("scan framework", "name at least one framework"),
        ("scan . --nonsense", "unknown flag: --nonsense"),
        ("scan framework nonsense .", "unknown framework 'nonsense'"),
        ("scan control C-9999 .", "unknown control 'C-9999'"),
        ("scan . --include-controls C-9999", "unknown control 'C-9999'"),
        ("scan framework nonsense . --include-controls C-0057", "unknown framework 'nonsense'"),
        ("scan framework nsa . --include-controls C-0057,C-9999", "unknown control 'C-9999'"),
        (
            "scan framework mitre . --include-controls C-0005,C-0016",
            "none of --include-controls C-0005,C-0016 is in framework mitre",
        ),
        ("scan control C-9999 . --include-controls C-0057", "unknown control 'C-9999'"),
        ("scan control C-0016 . --include-controls C-0057", "none of --include-controls C-0057 is in control C-0016"),
        ("scan workload shop/Deployment/web . --include-controls C-9999", "unknown control 'C-9999'"),
        ("scan framework , .", "name at least one framework"),
        ("scan nowhere.yaml", "nowhere.yaml"),
        ("nonsense", "unknown command 'nonsense'"),
        ("--nonsense", "unknown flag: --nonsense"),
        ("download", "name artifacts, framework NAME, control NAME or controls-inputs"),
        ("download framework nonsense", "unknown"),
        ("download framework C-0057", "unknown framework 'C-0057'"),
        ("download artifacts -o a.json", "need a folder"),
        ("mcpserver --transport carrier-pigeon", "unknown transport"),
        ("mcpserver now", "unexpected now"),
        ("operator --help", "kubescape operator is not supported"),
        ("operator scan configurations", "kubescape operator is not supported"),
        ("list", "frameworks, controls or exceptions"),
        ("list exceptions -f xml", "unknown format xml"),
        ("fix report.json", "use --no-confirm or --dry-run"),
        ("scan . --format xml", "unknown format 'xml'"),
    ],
)
def test_unsupported_features_are_errors(line: str, message: str) -> None:
    result = run(*line.split(), code=1)
    assert message in result.stdout + result.stderr
    assert "Usage:" not in result.stderr, "the usage line names another program"


THRESHOLDS = ("", " 0", "0_0", "\u0660", ".", "-", "0.0.0", "0x0", "1e999", "inf", "nan", "-1", "100.1", "nsa=0", "0,0")


@pytest.mark.parametrize("flag", ["--compliance-threshold", "--fail-coverage-below"])
@pytest.mark.parametrize("value", THRESHOLDS)
def test_threshold_that_is_no_percentage_is_rejected(flag: str, value: str) -> None:
    with pytest.raises(FlagError, match=f"invalid argument {re.escape(repr(value))} for {flag}"):
        translate_scan(*parse(["framework", "nsa", ".", flag, value], flags.EVERY_SCAN))


def test_threshold_applies_to_score_of_all_controls() -> None:
    words = ("scan", "framework", "nsa,mitre", ".", "-f", "json", "-o", "/dev/null")
    result = run(*words, "--compliance-threshold", "99", code=1)
    assert "% (overall), limit 99 %" in result.stderr
    assert "gate passed" in run(*words, "--compliance-threshold", "1").stderr


def test_image_flag_does_not_weaken_gate() -> None:
    result = run("scan", "framework", "nsa", ".", "--severity-threshold", "low", "--only-fixable", code=1)
    assert "--only-fixable has no effect: it is for `scan image`" in result.stderr
    assert "with a fix" not in result.stderr


def test_excluded_controls_are_reported() -> None:
    result = translate_scan(
        *parse(["framework", "mitre", ".", "--include-controls", "C-0057,C-0005"], flags.EVERY_SCAN)
    )
    assert result.notes == ("C-0005 is excluded: it is not in framework mitre",)


def test_workload_is_evaluated_by_the_included_controls(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(POD)
    words = ("scan", "workload", "Pod/a", "a.yaml", "-f", "json", "-o", "report.json")
    run(*words, "--include-controls", "C-0057,C-0016", cwd=tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    assert {*report["summaryDetails"]["controls"]} == {"C-0057", "C-0016"}


BUNDLE = {
    "name": "Mine",
    "controls": [
        {
            "name": "No Pod",
            "controlID": "X-0001",
            "baseScore": 5,
            "rules": [
                {
                    "name": "no-pod",
                    "ruleLanguage": "Rego",
                    "match": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["Pod"]}],
                    "rule": "package armo_builtins\nimport rego.v1\n"
                    'deny contains {"alertMessage": "a Pod", "alertObject": {"k8sApiObjects": [pod]}} '
                    "if some pod in input",
                }
            ],
        }
    ],
}


@pytest.mark.parametrize("names", ["all", "ALL", "nsa,all"])
def test_scan_of_all_frameworks(names: str) -> None:
    result = translate_scan(*parse(["framework", names, "."], flags.EVERY_SCAN)).words
    assert result[1] == "framework"
    assert result[2].split(",") == [framework.name for framework in builtin().frameworks.values()]


@pytest.mark.parametrize(
    "line",
    [
        "a.yaml",
        "a.yaml --include-controls X-0001",
        "a.yaml --view resource",
        "framework all a.yaml",
        "workload Pod/a a.yaml",
    ],
)
def test_bundles_replace_the_library(line: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(POD)
    (tmp_path / "mine.json").write_text(json.dumps(BUNDLE))
    run("scan", *line.split(), "--use-from", "mine.json", "-f", "json", "-o", "report.json", cwd=tmp_path)
    assert {*json.loads((tmp_path / "report.json").read_text())["summaryDetails"]["controls"]} == {"X-0001"}


def test_help_as_a_value_is_not_a_help_request(tmp_path: Path) -> None:
    (tmp_path / "help").write_text(POD)
    for words in (
        ("scan", "framework", "nsa", "help"),
        ("scan", "framework", "nsa", "-", "--exceptions", "-h"),
        ("scan", "framework", "nsa", "--", "--help"),
    ):
        result = run(*words, cwd=tmp_path, code=0 if "help" in words else 1)
        assert "Supported commands of Kubescape" not in result.stdout
    (tmp_path / "--help").write_text(POD)
    assert "Framework" in run("scan", "framework", "nsa", "--", "--help", cwd=tmp_path).stdout


@pytest.mark.parametrize("task", ["framework", "control", "workload"])
@pytest.mark.parametrize("names", [[], [""]])
def test_empty_name_is_an_error(task: str, names: list[str]) -> None:
    with pytest.raises(FlagError, match=f"^scan {task}: name "):
        translate_scan(*parse([task, *names, *(["."] if names else [])], flags.EVERY_SCAN))


def test_scan_with_report_file_prints_the_score(tmp_path: Path) -> None:
    target = tmp_path / "report"
    result = run("scan", "framework", "nsa", ".", "--format", "json", "--output", str(target), "--keep-local")
    score = json.loads((tmp_path / "report.json").read_text())["summaryDetails"]["complianceScore"]
    assert f"{SCORE}{min(round(score), 99)}\n" in result.stderr
    assert SCORE not in run("scan", "framework", "nsa", ".").stderr


@pytest.mark.parametrize(("score", "whole"), [(0.0, 0), (59.6, 60), (99.7, 99), (100.0, 100)])
def test_only_perfect_score_is_100(score: float, whole: int) -> None:
    assert kubescape.round_score(score) == whole


def test_failed_gate_exits_with_1() -> None:
    result = run("scan", "framework", "nsa", ".", "--severity-threshold", "high", code=1)
    assert "gate FAILED" in result.stderr


def test_flags_without_effect_are_reported(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(POD)
    result = run("scan", "a.yaml", "--scan-timeout", "5m", "--logger", "debug", cwd=tmp_path)
    assert "--scan-timeout has no effect: the time of a scan is not limited" in result.stderr
    assert "logger" not in result.stderr


def test_without_a_path_the_cluster_is_scanned(cluster: Cluster, namespace: str) -> None:
    container = {"name": "c", "image": "example.com/c", "securityContext": {"privileged": True}}
    metadata = {"name": "a", "namespace": namespace}
    cluster.apply([{"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}])
    words = ("--kubeconfig", str(cluster.kubeconfig), "--include-namespaces", namespace, "-f", "json")
    result = json.loads(run("--kube-context", "admin", "scan", *words).stdout)["summaryDetails"]
    assert [framework["name"] for framework in result["frameworks"]] == ["ClusterScan", "MITRE", "NSA"]
    assert result["controls"]["C-0057"]["ResourceCounters"]["failedResources"] == 1
    assert "gate FAILED" in run("scan", "control", "C-0057", *words, "--severity-threshold", "high", code=1).stderr
    assert "missing permission" not in run("scan", *words[:2], "--dry-run").stderr
    listed = run("--kube-context", "nobody", "list", "frameworks", "-f", "json").stdout
    assert "NSA" in json.loads(listed), "only a scan reaches a cluster"


def test_flags_may_precede_the_command(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(POD)
    result = run("--format", "json", "-l", "debug", "--keep-local", "scan", "a.yaml", cwd=tmp_path)
    assert json.loads(result.stdout)["summaryDetails"]["controls"]


def test_kubescape_lists() -> None:
    controls = json.loads(run("list", "controls", "--format", "json").stdout)
    assert all(list(control) == ["id", "name", "frameworks"] for control in controls)
    assert len(controls) == 281
    assert {"NSA", "MITRE", "AllControls"} <= {*json.loads(run("list", "frameworks", "-f", "json").stdout)}
    exceptions = run("list", "exceptions", "-f", "yaml").stdout
    assert "eks" in {entry["name"] for entry in json.loads(exceptions)}, "JSON is YAML too"
    rows = list(csv.reader(io.StringIO(run("list", "controls", "-f", "csv").stdout)))
    assert rows[0] == ["id", "name", "frameworks"]
    assert "NSA" in next(row[2] for row in rows if row[0] == "C-0057").split(";")


def test_version_and_help() -> None:
    assert list(json.loads(run("version", "-f", "json").stdout)) == ["version", "commit", "date"]
    assert run("version").stdout.startswith("Your current version is: v")
    for words in ([], ["--help"], ["-h"], ["scan", "--help"], ["scan", ".", "-vh"], ["help"], ["help", "scan"]):
        assert "Supported commands of Kubescape" in run(*words).stdout


def test_installed_kubescape_program_runs(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(SHIM, source)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(tmp_path / "site"), str(source)], check=True, capture_output=True)
    result = subprocess.run(
        [str(tmp_path / "site" / "bin" / "kubescape"), "version"], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (0, run("version").stdout)


def test_kubescape_program_has_package_version() -> None:
    shim = tomllib.loads((SHIM / "pyproject.toml").read_text())["project"]["version"]
    assert shim == VERSION


IMAGE = ROOT / "examples" / "catalog-image"
CVE = "CVE-2021-44228"


def scan_image(folder: Path, *words: str, code: int = 0) -> dict[str, Any]:
    """Return the JSON report of a scan of the example image, with the advisories of the repository's tests."""
    run("scan", "image", f"oci:{IMAGE}", "-f", "json", "-o", "report.json", *words, cwd=folder, code=code)
    report = json.loads((folder / "report.json").read_text())
    assert isinstance(report, dict)
    return report


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("image nginx", "-- nginx"),
        ("image nginx:1.29 -u a -p b --platform linux/arm64", "--platform linux/arm64 -- nginx:1.29"),
        ("image nginx --severity-threshold high --only-fixable", "--severity-threshold high --only-fixable -- nginx"),
        ("image nginx --only-fixable", "-- nginx"),
        ("image nginx --exceptions e.json -f pretty-printer", "--exceptions e.json --format pretty -- nginx"),
        ("image nginx --skip-db-update --values a.yaml --include-namespaces a", "-- nginx"),
        ("image nginx --registry-mapping docker.io=mirror.example", "--mirror docker.io=mirror.example -- nginx"),
        ("image nginx --include-controls C-0036", "control C-0036 -- nginx"),
    ],
)
def test_image_scan_is_translated(line: str, expected: str) -> None:
    result = translate_scan(*parse(line.split(), (*flags.ROOT, *flags.EVERY_SCAN))).words
    assert result == ("--no-config", *expected.split())


def test_images_of_workloads_are_scanned(tmp_path: Path) -> None:
    words = translate_scan(
        *parse(["a.yaml", "--scan-images", "--image-platform", "linux/arm64"], flags.EVERY_SCAN)
    ).words
    assert words[1:4] == ("--images", "--platform", "linux/arm64")
    (tmp_path / "a.yaml").write_text(POD.replace("[]", f"[{{name: c, image: 'oci:{IMAGE}'}}]"))
    result = run("scan", "a.yaml", "--scan-images", cwd=tmp_path, code=1)
    assert "incomplete" in result.stderr, "images of workloads are in registries only"


def test_scan_of_an_image_behind_a_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "registry"
    folder.mkdir()
    (folder / "htpasswd").write_text(HTPASSWD)
    auth = {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with run_registry(folder, auth=auth) as service:
        name = f"{service.address}/shop/catalog:2.3"
        copy_image(f"oci:{IMAGE}:{REFERENCE}", f"docker://{name}", f"--dest-creds={USER}:{PASSWORD}")
        words = ("scan", "image", name, "-f", "json", "-o", "report.json")
        run(*words, "-u", USER, "-p", PASSWORD, cwd=tmp_path, code=1)
        report = (tmp_path / "report.json").read_text()
        assert "shop/catalog" in report
        assert PASSWORD not in report
        assert not [file for file in temporary.rglob("config.json") if file.is_file()], "the password is deleted"
        refused = run(*words, "-u", USER, "-p", "wrong", cwd=tmp_path, code=1)
        assert "401" in (tmp_path / "report.json").read_text() + refused.stderr
        variables = {"KUBESCAPE_REGISTRY_USERNAME": USER, "KUBESCAPE_REGISTRY_PASSWORD": PASSWORD}
        result = run_command_line("kubescape", *words, folder=tmp_path, variables=variables)
        assert "401" not in (tmp_path / "report.json").read_text() + result.stderr


def test_download_stands_for_the_library(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(POD)
    run("download", "artifacts", "-o", "artifacts", cwd=tmp_path)
    run("download", "framework", "nsa", "--output", "nsa.json", cwd=tmp_path)
    assert json.loads((tmp_path / "nsa.json").read_text())["name"] == "NSA"
    assert "C-0057" in (tmp_path / "artifacts" / "nsa.json").read_text()
    expected = run("scan", "framework", "nsa", "a.yaml", "-f", "csv", cwd=tmp_path).stdout
    for option in (("--use-artifacts-from", "artifacts"), ("--use-from", "nsa.json"), ("--use-from", "artifacts")):
        result = run("scan", "framework", "nsa", "a.yaml", "-f", "csv", *option, cwd=tmp_path)
        assert result.stdout == expected
        assert "the library of the package is used" in result.stderr
    inputs = tmp_path / "artifacts" / "controls-inputs.json"
    run("scan", "framework", "nsa", "a.yaml", "--controls-config", str(inputs), cwd=tmp_path)
    (tmp_path / "artifacts" / "own.json").write_text(json.dumps(BUNDLE))
    result = run("scan", "a.yaml", "--use-artifacts-from", "artifacts", "-f", "json", "-o", "r", cwd=tmp_path, code=1)
    assert "the library of the package is used" not in result.stderr, "rules of the user are never left out"


def test_mcp_server_answers() -> None:
    request = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "tests", "version": "1"},
        },
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "kubekeep", "kubescape", "mcpserver"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        process.stdin.close()
        process.wait(120)
    assert answer["result"]["serverInfo"]["name"] == "kubekeep"


def test_names_of_kubescape_select_controls(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(POD)
    for number, name in load_kubescape_names().items():
        if list(load_kubescape_names().values()).count(name) == 1:
            assert [control.ids[0] for control in find_controls([name.upper()])] in ([number], [*_with_number(number)])
    words = ("scan", "control", "privileged container,HostPath mount", "a.yaml", "-f", "json", "-o", "report.json")
    run(*words, cwd=tmp_path)
    controls = json.loads((tmp_path / "report.json").read_text())["summaryDetails"]["controls"]
    assert {*controls} == {"C-0057", "C-0048"}
    assert (
        "use C-0198 or C-0218"
        in run("scan", "control", "Minimize the admission of root containers", ".", code=1).stderr
    )


def _with_number(number: str) -> list[str]:
    return [control.ids[0] for control in builtin().controls.values() if number in control.ids]


def test_texts_about_missing_features_are_true() -> None:
    """A text that says no about the subject of one of our commands names the command to use instead."""
    commands = {*main.kubekeep.list_commands(click.Context(main.kubekeep))}
    texts = [*kubescape.list_unsupported_commands().values()]
    texts += [flag.why for table in kubescape.list_flags().values() for flag in table]
    assert list_untrue_texts(["images are not scanned", "there is no MCP server yet"], commands)
    assert not list_untrue_texts(texts, commands)
    for name in re.findall(r"`kubekeep ([a-z-]+)", " ".join(texts)):
        assert name in commands
    assert not {"mcpserver", "download"} & {*kubescape.list_unsupported_commands()}


def list_untrue_texts(texts: Iterable[str], commands: set[str]) -> list[str]:
    untrue = []
    for text in texts:
        missing = re.findall(r"there (?:is|are) no ([\w ]+)|^(\w+) (?:is|are) not", text.casefold())
        words = {word.removesuffix("s") for phrase in missing for word in " ".join(phrase).split()}
        if words & commands and "`kubekeep " not in text:
            untrue.append(text)
    return untrue
