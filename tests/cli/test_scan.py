"""`kubekeep scan` for users and pipelines: exit codes, gates, formats and files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.command_line import run_command_line

SHOP = Path(__file__).parents[2] / "examples" / "online-shop"
GOOD = SHOP / "checkout" / "migrate.yaml"
BAD = SHOP / "operations" / "debug-pod.yaml"


def kubekeep(*arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return run_command_line(*arguments, folder=cwd, stdin=stdin)


def test_findings_have_file_line_and_fix() -> None:
    result = kubekeep("scan", "control", "C-0057", BAD, "--view", "control")
    assert result.returncode == 0
    assert f"{BAD}:15" in result.stdout
    assert "set spec.containers[0].securityContext.privileged to false" in result.stdout
    assert "\x1b" not in result.stdout, "no colour in a pipe"


@pytest.mark.parametrize("name", ["C-0057", "c-0057", "privileged-container", "Containers do not run PRIVILEGED"])
def test_controls_are_selected_by_number_or_slug_in_any_case(name: str) -> None:
    report = json.loads(kubekeep("scan", "control", name, BAD, "-f", "json").stdout)
    assert list(report["summaryDetails"]["controls"]) == ["C-0057"]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("control", "C-00O57"), "did you mean C-0057?"),
        (("framework", "nsaa"), "did you mean nsa?"),
        (("framework", "zzz"), "kubekeep list frameworks"),
    ],
)
def test_unknown_name_is_an_error_with_suggestion(words: tuple[str, str], hint: str) -> None:
    result = kubekeep("scan", *words, BAD)
    assert result.returncode == 2
    assert hint in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("words", [(), ("framework",), ("framework", "nsa"), ("control", "C-0057")])
def test_scan_requires_a_path(words: tuple[str, ...]) -> None:
    assert kubekeep("scan", *words).returncode == 2


def test_severity_gate() -> None:
    failed = kubekeep("scan", "control", "C-0057", BAD, "--severity-threshold", "High")
    assert (failed.returncode, failed.stderr) == (
        1,
        "gate FAILED: severity: 1 failed controls of High or above, limit 0\n",
    )
    passed = kubekeep("scan", "control", "C-0057", BAD, "--severity-threshold", "critical")
    assert (passed.returncode, passed.stderr) == (
        0,
        "gate passed: severity: 0 failed controls of Critical or above, limit 0\n",
    )
    assert kubekeep("scan", BAD, "--severity-threshold", "terrible").returncode == 2


def test_compliance_gate() -> None:
    result = kubekeep("scan", "control", "C-0057", BAD, GOOD, "--compliance-threshold", "51")
    assert result.returncode == 1
    assert "compliance: 50.00 % (overall), limit 51 %" in result.stderr
    assert kubekeep("scan", "control", "C-0057", BAD, GOOD, "--compliance-threshold", "50").returncode == 0


def test_coverage_gate_counts_cluster_controls() -> None:
    result = kubekeep("scan", "framework", "nsa", GOOD, "--fail-coverage-below", "100")
    assert result.returncode == 1
    assert "limit 100 %" in result.stderr
    assert kubekeep("scan", "framework", "pss-restricted", GOOD, "--fail-coverage-below", "100").returncode == 0


def test_several_formats_are_written_to_files(tmp_path: Path) -> None:
    result = kubekeep("scan", BAD, "--format", "json,sarif", "-f", "junit", "-o", tmp_path / "report")
    assert result.stdout == ""
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["report.json", "report.sarif", "report.xml"]
    assert kubekeep("scan", BAD, "-f", "json,sarif").returncode == 2
    assert "unknown format" in kubekeep("scan", BAD, "-f", "jsn").stderr


def test_unwritable_report_is_an_error(tmp_path: Path) -> None:
    result = kubekeep("scan", BAD, "-f", "json", "-o", tmp_path / "missing" / "report.json")
    assert result.returncode == 3
    assert "missing" in result.stderr


def test_standard_input() -> None:
    result = kubekeep("scan", "control", "C-0057", "-", stdin=BAD.read_bytes())
    assert "<stdin>:15" in result.stdout


def test_process_substitution() -> None:
    command = f'"$0" -m kubekeep scan --view control control C-0057 <(cat "{BAD}")'
    result = subprocess.run(["bash", "-c", command, sys.executable], capture_output=True, text=True, check=False)
    assert result.returncode == 0
    assert "set spec.containers[0].securityContext.privileged to false" in result.stdout


def test_unread_input_is_reported_and_exits_with_3(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: x\n")
    (tmp_path / "pod.yaml").write_bytes(BAD.read_bytes())
    result = kubekeep("scan", "control", "C-0057", ".", cwd=tmp_path)
    assert result.returncode == 3
    assert "broken.yaml:" in result.stdout
    assert "pod.yaml:15" in result.stdout
    gated = kubekeep("scan", "control", "C-0057", ".", "--severity-threshold", "low", cwd=tmp_path)
    assert gated.returncode == 1, "a failed gate takes precedence"


@pytest.mark.parametrize("content", [None, "", "just: data\n"])
def test_empty_assessment_is_not_a_success(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "file.yaml").write_text(content)
    result = kubekeep("scan", tmp_path)
    assert result.returncode == 3
    assert "nothing was assessed" in result.stderr


def test_parameters(tmp_path: Path) -> None:
    config = tmp_path / "inputs.json"
    config.write_text('{"imageRepositoryAllowList": ["quay.io/"]}')
    unset = json.loads(kubekeep("scan", "control", "C-0078", BAD, "-f", "json").stdout)
    assert unset["summaryDetails"]["controls"]["C-0078"]["statusInfo"]["subStatus"] == "configuration"
    result = kubekeep("scan", "control", "C-0078", BAD, "--controls-config", config, "-f", "json")
    assert json.loads(result.stdout)["summaryDetails"]["controls"]["C-0078"]["status"] == "failed"
    config.write_text('{"imageRepositoryAlowList": []}')
    rejected = kubekeep("scan", BAD, "--controls-config", config)
    assert rejected.returncode == 2
    assert "imageRepositoryAlowList" in rejected.stderr


@pytest.mark.parametrize(("version", "code"), [("1.25", 0), ("v1.34.2", 0), ("latest", 0), ("1.4", 2), ("2.0", 2)])
def test_kubernetes_version(version: str, code: int) -> None:
    assert kubekeep("scan", "control", "C-0057", GOOD, "--kubernetes-version", version).returncode == code


def test_closed_pipe_is_not_an_error() -> None:
    command = [sys.executable, "-m", "kubekeep", "list", "controls"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_workload_scan_includes_dependencies() -> None:
    result = kubekeep("scan", "workload", "deployment/catalog", SHOP, "-f", "json")
    report = json.loads(result.stdout)
    names = [(entry["object"]["kind"], entry["object"]["metadata"]["name"]) for entry in report["resources"]]
    assert sorted(names) == [("Deployment", "catalog"), ("NetworkPolicy", "deny-by-default")]
    unknown_result = kubekeep("scan", "workload", "deployment/catalogue", SHOP)
    assert unknown_result.returncode == 2
    assert "did you mean deployment/catalog?" in unknown_result.stderr
    assert kubekeep("scan", "workload", "deployment/catalog").returncode == 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_terminated_scan_stops_charts_and_leaves_no_files(name: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    templates = tmp_path / "slow" / "templates"
    templates.mkdir(parents=True)
    (templates.parent / "Chart.yaml").write_text("apiVersion: v2\nname: slow\nversion: 1.0.0\n")
    (templates / "slow.yaml").write_text("{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}")
    # A shell starts background programs with SIGINT ignored.
    start = "import signal, runpy; signal.signal(signal.SIGINT, signal.default_int_handler);"
    command = (sys.executable, "-c", f"{start} runpy.run_module('kubekeep', run_name='__main__', alter_sys=True)")
    with subprocess.Popen(
        (*command, "scan", "--no-config", templates.parent),
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        while not list((tmp_path / "temporary").glob("kubekeep-helm-*/0/*.tgz")):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(getattr(signal, name))
        assert process.wait(15) == code, "shorter than the time limit of a chart"
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("nope.yaml",), 3, "nothing was assessed: nope.yaml: no such file or directory"),
        (("nginx:1.29",), 3, "nginx:1.29 looks like an image: `kubekeep image scan nginx:1.29` scans it"),
        ((".",), 3, "nothing was assessed: no YAML, JSON or Terraform file in ."),
        (("frameworks", "nsa", "."), 2, "did you mean `scan framework nsa .`?"),
    ],
)
def test_input_without_objects_gets_one_line(tmp_path: Path, words: tuple[str, ...], code: int, message: str) -> None:
    result = kubekeep("scan", *words, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (code, "")
    assert message in result.stderr.splitlines()[-1]


def test_format_by_extension_and_standard_output(tmp_path: Path) -> None:
    assert kubekeep("scan", BAD, "-o", "report.json", cwd=tmp_path).returncode == 0
    assert json.loads((tmp_path / "report.json").read_text())["summaryDetails"]
    csv = kubekeep("scan", BAD, "-f", "csv", "-o", "-", cwd=tmp_path)
    assert csv.stdout.startswith("Control Name,")
    kubekeep("scan", BAD, "-f", "gitlab-sast", "-o", "report", cwd=tmp_path)
    kubekeep("scan", BAD, "-f", "prometheus", "-o", "report", cwd=tmp_path)
    files = {file.name for file in tmp_path.iterdir()}
    assert files == {"report.json", "report.gitlab-sast.json", "report.prom"}


def test_quiet_and_priority_gate(tmp_path: Path) -> None:
    result = kubekeep("scan", BAD, "--quiet", "--fail-on", "critical", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "gate FAILED: priority: 1 finding of Critical or above, limit 0\n"
    assert kubekeep("scan", "control", "C-0018", BAD, "--fail-on", "critical", cwd=tmp_path).returncode == 0


def test_strict_fails_on_unknown_fields(tmp_path: Path) -> None:
    text = BAD.read_text().replace("securityContext:", "securityContxt:")
    (tmp_path / "pod.yaml").write_text(text)
    assert kubekeep("scan", "pod.yaml", cwd=tmp_path).returncode == 0
    strict = kubekeep("scan", "pod.yaml", "--strict", cwd=tmp_path)
    assert (strict.returncode, "unknown field securityContxt" in strict.stdout) == (1, True)


def test_colour_on_request(tmp_path: Path) -> None:
    assert "\x1b[" in kubekeep("scan", BAD, "--color", "always", cwd=tmp_path).stdout
    assert "\x1b[" not in kubekeep("scan", BAD, cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("words", "is_repeatable"),
    [
        ((str(SHOP),), True),
        ((str(SHOP), "--severity-threshold", "critical"), True),
        ((str(SHOP), "--exclude-kinds", "Job"), False),
        (("workload", "shop/deployment/catalog", str(SHOP)), False),
    ],
)
def test_next_commands_repeat_the_scan(words: tuple[str, ...], is_repeatable: bool) -> None:  # noqa: FBT001
    output = kubekeep("scan", *words).stdout
    assert (f"kubekeep fix {SHOP}" in output) == is_repeatable
    assert ("the same command with --view resource" in output) != is_repeatable


def test_unread_input_is_reported_beside_a_failed_gate() -> None:
    result = kubekeep("scan", SHOP, "no-such-file", "--fail-on", "critical", "-q")
    assert result.returncode == 1
    assert "gate FAILED" in result.stderr
    assert "incomplete: 1 part of the input not read" in result.stderr


REMOTE_PARTS = {
    "application.yaml": (
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: cache}\n"
        "spec: {source: {repoURL: 'https://charts.test', chart: redis}}\n"
    ),
    "set.yaml": (
        "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: all}\n"
        "spec: {generators: [], template: {}}\n"
    ),
    "release.yaml": (
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: cache}\nspec: {chartRef: {name: a}}\n"
    ),
    "kustomization-of-flux.yaml": (
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: cache}\n"
        "spec: {path: apps, sourceRef: {kind: OCIRepository, name: a}}\n"
    ),
    "main.tf": 'module "cluster" {\n  source = "kubernetes_cluster/aws"\n}\n',
    "release.tf": 'resource "helm_release" "cache" {\n  chart = "redis"\n}\n',
}


@pytest.mark.parametrize("name", REMOTE_PARTS)
def test_what_lies_elsewhere_is_in_every_report_and_no_error(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(REMOTE_PARTS[name])
    (tmp_path / "good.yaml").write_bytes(GOOD.read_bytes())
    result = kubekeep("scan", ".", "-f", "sarif", cwd=tmp_path)
    (run,) = json.loads(result.stdout)["runs"]
    (invocation,) = run["invocations"]
    (notification,) = invocation["toolExecutionNotifications"]
    assert (result.returncode, invocation["executionSuccessful"], notification["level"]) == (0, True, "note")
    assert f"not assessed  {name}:" in kubekeep("scan", ".", cwd=tmp_path).stdout
    strict = kubekeep("scan", ".", "--strict", cwd=tmp_path)
    assert strict.returncode == 1
    assert "0 parts not read, 1 not assessed" in strict.stdout + strict.stderr


OTHER_FORMS = {
    "tekton.dev/v1 Task": "spec:\n  steps:\n  - {name: a, image: 'a:1'}\n",
    "tekton.dev/v1 Pipeline": "spec:\n  tasks: [{name: t, taskSpec: {\n  steps: [{name: a, image: 'a:1'}]}}]\n",
    "argoproj.io/v1alpha1 Workflow": "spec:\n  templates: [{name: t,\n  container: {image: 'a:1'}}]\n",
    "argoproj.io/v1alpha1 CronWorkflow": "spec:\n  workflowSpec: {templates: [{name: t,\n  script: {image: 'a:1'}}]}\n",
    "serving.kserve.io/v1beta1 InferenceService": "spec:\n  predictor: {\n  model: {image: 'a:1'}}\n",
    "a.test/v1 Custom": "spec:\n  runner: {\n  containers: [{name: a, image: 'a:1'}]}\n",
}


@pytest.mark.parametrize("name", OTHER_FORMS)
def test_containers_in_other_forms_are_not_assessed(name: str, tmp_path: Path) -> None:
    version, kind = name.split()
    text = f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n{OTHER_FORMS[name]}"
    (tmp_path / "a.yaml").write_text(text)
    (tmp_path / "good.yaml").write_bytes(GOOD.read_bytes())
    result = kubekeep("scan", ".", cwd=tmp_path)
    assert result.returncode == 0
    group = version.partition("/")[0]
    lines = [number for number, line in enumerate(text.splitlines(), 1) if "image" in line or "containers" in line]
    assert (
        f"not assessed  a.yaml:{lines[0]}" in result.stdout or f"not assessed  a.yaml:{lines[0] - 1}" in result.stdout
    )
    assert f"form of a {kind} of {group}" in " ".join(result.stdout.split())


def test_custom_pod_templates_are_assessed(tmp_path: Path) -> None:
    text = "apiVersion: a.test/v1\nkind: A\nmetadata: {name: a}\nspec: {template: {spec: {containers: [{image: 'a:1'}]}}}\n"
    (tmp_path / "a.yaml").write_text(text)
    result = kubekeep("scan", ".", cwd=tmp_path)
    assert "not assessed" not in result.stdout
    assert "C-0013" in result.stdout
