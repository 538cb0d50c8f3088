"""The configuration file for users: precedence, errors, and the output of `kubekeep config`."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
from tests.command_line import run_command_line

from kubekeep.cli.scan import command as scan

BAD = Path(__file__).parents[2] / "examples" / "online-shop" / "operations" / "debug-pod.yaml"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a repository with a manifest in `deploy`, and return it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / "deploy").mkdir()
    shutil.copy(BAD, tmp_path / "deploy" / "pod.yaml")
    return tmp_path


def kubekeep(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return run_command_line(*arguments, folder=folder, variables={"HOME": "/nonexistent"})


def test_flags_override_file_and_file_overrides_defaults() -> None:
    Path("kubekeep.yaml").write_text("framework: pss-baseline\nseverity-threshold: critical\nformat: [json]\n")
    result = kubekeep("scan", "deploy")
    assert result.returncode == 1
    assert result.stderr.startswith("config: kubekeep.yaml\ngate FAILED: severity: ")
    assert [framework["name"] for framework in json.loads(result.stdout)["summaryDetails"]["frameworks"]] == [
        "PSS-Baseline"
    ]
    flags = kubekeep("scan", "deploy", "--framework", "nsa", "--compliance-threshold", "1", "--format", "json")
    assert [framework["name"] for framework in json.loads(flags.stdout)["summaryDetails"]["frameworks"]] == ["NSA"]
    without_file = kubekeep("scan", "control", "C-0004", "deploy", "--no-config")
    assert (without_file.returncode, without_file.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "frameworks", "controls"),
    [
        (("framework", "pss-baseline"), ["PSS-Baseline"], None),
        (("control", "C-0057"), [], ["C-0057"]),
        (("workload", "shop/pod/debug"), ["PSS-Restricted"], None),
    ],
)
def test_names_on_command_line_replace_names_in_file(
    words: tuple[str, ...], frameworks: list[str], controls: list[str] | None
) -> None:
    Path("kubekeep.yaml").write_text("framework: [pss-restricted]\nformat: json\n")
    details = json.loads(kubekeep("scan", *words, "deploy").stdout)["summaryDetails"]
    assert [framework["name"] for framework in details["frameworks"] or []] == frameworks
    assert controls is None or list(details["controls"]) == controls


def test_folder_with_configuration_is_scanned_completely() -> None:
    Path("deploy/kubekeep.yaml").write_text("framework: pss-baseline\n")
    result = kubekeep("scan", ".", "-f", "json")
    assert result.returncode == 0, "the configuration file is not read as a manifest"
    assert "config" not in result.stderr, "the target is the folder above"


def test_chart_values_reach_the_scan() -> None:
    chart = Path("deploy/web")
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.0.0\n")
    (chart / "values.yaml").write_text("privileged: false\n")
    text = BAD.read_text().replace("privileged: true", "privileged: {{ .Values.privileged }}")
    assert ".Values" in text
    (chart / "templates" / "pod.yaml").write_text(text)
    Path("prod.yaml").write_text("# production\nprivileged: true\n")
    Path("kubekeep.yaml").write_text("framework: pss-baseline\ncharts: {deploy/web: {values: prod.yaml}}\n")
    result = kubekeep("scan", "deploy/web", "--view", "control")
    assert "deploy/web/templates/pod.yaml:15" in result.stdout
    assert "from prod.yaml:2 privileged" in result.stdout
    overview = kubekeep("scan", "deploy/web").stdout
    assert "deploy/web/templates/pod.yaml:15" in overview
    assert "from prod.yaml:2" in overview
    assert "No findings" in kubekeep("scan", "deploy/web", "--set", "privileged=false").stdout, "flags take precedence"
    assert "No findings" in kubekeep("scan", "deploy/web", "--no-config", "--framework", "pss-baseline").stdout


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("framework:\n- nsa\n- nsaa\n", "3:3: framework: unknown framework 'nsaa'; did you mean nsa?"),
        ("format: [json, jsn]\n", "1:16: format: unknown format 'jsn'"),
        ("compliance-threshold: 101\n", "1:1: compliance-threshold: '101' is not a number from 0 to 100"),
        ("\nkubernetes-version: '1.4'\n", "2:1: kubernetes-version: unknown Kubernetes version '1.4'"),
        ("cloud-provider: eksx\n", "1:1: cloud-provider: 'eksx' is not one of 'eks', 'aks', 'gke'."),
        ("values: [gone.yaml]\n", "1:10: values: File 'gone.yaml' does not exist."),
        ("controls-config: inputs.json\n", "1:1: controls-config: inputs.json: No such file or directory"),
        ("frameworks: nsa\n", "1:1: unknown key frameworks: did you mean framework?"),
        ("charts: {deploy: {}}\n", "1:10: deploy is not a chart"),
        ("output: report.json\n", "1:1: output: this key is allowed only in a file named with --config"),
        ("framework: nsa\nframework: mitre\n", "2:1: duplicate key, first on line 1"),
    ],
)
@pytest.mark.parametrize("command", [("scan",), ("config", "check")])
def test_config_error_has_file_line_and_column(command: tuple[str, ...], text: str, expected: str) -> None:
    Path("kubekeep.yaml").write_text(text)
    result = kubekeep(*command, "deploy")
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.removeprefix("config: kubekeep.yaml\n").startswith(f"Error: kubekeep.yaml:{expected}")


def test_flag_error_does_not_name_the_file() -> None:
    Path("kubekeep.yaml").write_text("severity-threshold: high\nframework: nsa\n")
    for arguments in (("--severity-threshold", "terrible"), ("--framework", "nsaa"), ("--format", "jsn")):
        result = kubekeep("scan", "deploy", *arguments)
        assert result.returncode == 2
        assert "kubekeep.yaml:" not in result.stderr


def test_help_ignores_invalid_file() -> None:
    Path("kubekeep.yaml").write_text("nonsense: 1\n")
    assert kubekeep("scan", "--help").returncode == 0
    assert kubekeep("scan", ".").returncode == 2


def test_explicit_file_replaces_discovered_file() -> None:
    Path("ci").mkdir()
    Path("kubekeep.yaml").write_text("nonsense: 1\n")
    Path("ci/strict.yaml").write_text("framework: pss-baseline\nformat: json\noutput: report\n")
    result = kubekeep("scan", "deploy", "--config", "ci/strict.yaml")
    assert result.stderr == "config: ci/strict.yaml\njson: ci/report.json\n"
    assert Path("ci/report.json").exists()
    combined = kubekeep("scan", "deploy", "--config", "ci/strict.yaml", "--no-config")
    assert (combined.returncode, "cannot be combined" in combined.stderr) == (2, True)
    missing_file = kubekeep("scan", "deploy", "--config", "gone.yaml")
    assert (missing_file.returncode, missing_file.stderr) == (2, "Error: gone.yaml: no such file or directory\n")


def test_discovered_config_cannot_write_or_run() -> None:
    for text in ("output: ../stolen\n", "custom-rules: rules\n", "enable-helm: yes\n", "values: ../../etc/passwd\n"):
        Path("deploy/kubekeep.yaml").write_text(text)
        result = kubekeep("scan", "deploy")
        assert result.returncode == 2
        assert "allowed only in a file named with --config" in result.stderr


GOLDEN = """\
# kubekeep.yaml
framework: [nsa, pss-restricted]                  # kubekeep.yaml:2
# controls-config: not set
kubernetes-version: "1.31"                        # kubekeep.yaml:4
snapshot: true                                    # command line
# cloud-provider: not set
incremental: false                                # default
# policies: not set
cluster-policies: false                           # default
# exclude-controls: not set
# include-namespaces: not set
# exclude-namespaces: not set
# include-kinds: not set
# exclude-kinds: not set
# label-selector: not set
# custom-rules: not set
# use-from: not set
# use-artifacts-from: not set
# values: not set
set: ["image.tag=v2"]                             # kubekeep.yaml:3
# set-string: not set
# set-json: not set
# set-file: not set
release-name: release-name                        # default
# release-namespace: not set
# api-versions: not set
enable-helm: false                                # default
# namespace: not set
blame: false                                      # default
# changed-since: not set
# branch: not set
exclude-path: [vendor/, "*.tmp"]                  # command line
no-ignore-file: false                             # default
# exceptions: not set
# exception-set: not set
# honor-inline-exceptions: not set
audit-exceptions: false                           # default
# kubeconfig: not set
# kube-context: not set
# as: not set
# as-group: not set
# as-uid: not set
insecure-skip-tls-verify: false                   # default
# host-scan: not set
# host-data: not set
cloud: false                                      # default
# cloud-cluster: not set
hide: false                                       # default
encrypt: false                                    # default
severity-threshold: high                          # kubekeep.yaml:5
# fail-on: not set
strict: false                                     # default
compliance-threshold: "80"                        # command line
# fail-coverage-below: not set
# max-failures: not set
only-fixable: false                               # default
only-exposed: false                               # default
# baseline: not set
fail-on-new: false                                # default
# baseline-severity-threshold: not set
# baseline-granularity: not set
format: [pretty]                                  # default
# output: not set
verbose: false                                    # default
view: overview                                    # default
# min-severity: not set
# max-severity: not set
quiet: false                                      # default
kubescape-metrics: false                          # default
full: false                                       # default
color: auto                                       # default
submit: false                                     # default
# token-file: not set
# server: not set
# server-ca: not set
server-plain-http: false                          # default
images: false                                     # default
# platform: not set
plain-http: false                                 # default
# registry-ca: not set
# mirror: not set
# registry-config: not set
containerd-namespace: k8s.io                      # default
# containerd-root: not set
# advisories: not set
with-db: false                                    # default
# database: not set
# grype-db: not set
# max-db-age: not set
# vex: not set
no-vulnerabilities: false                         # default
verify-signatures: false                          # default
# image-policy: not set
dry-run: false                                    # default
charts: {"deploy/web":{"set":{"a":"\\u001b"}}}     # kubekeep.yaml:6
"""


def test_effective_configuration_is_printed() -> None:
    Path("deploy/web").mkdir()
    Path("deploy/web/Chart.yaml").touch()
    Path("kubekeep.yaml").write_text(
        "# ours\nframework: [nsa, pss-restricted]\nset: [image.tag=v2]\nkubernetes-version: '1.31'\n"
        'severity-threshold: High\ncharts: {deploy/web: {set: {a: "\\e"}}}\n'
    )
    flags = ("--snapshot", "--exclude-path", "vendor/", "--exclude-path", "*.tmp", "--compliance-threshold", "80")
    result = kubekeep("config", "check", "deploy", *flags)
    assert (result.returncode, result.stderr, result.stdout) == (0, "", GOLDEN)


def test_printed_configuration_is_equivalent() -> None:
    flags = ("--framework", "nsa,mitre", "--set", "a=b c", "--snapshot", "--values", "deploy/pod.yaml")
    Path("kept.yaml").write_text(kubekeep("config", "check", *flags).stdout)
    result = kubekeep("config", "check", "--config", "kept.yaml")
    assert result.returncode == 0, result.stderr
    by_file, by_flags = scan.make_context("scan", ["--config", "kept.yaml"]), scan.make_context("scan", [*flags])
    assert by_file.params | {"formats": ()} == by_flags.params | {"frameworks": ("nsa", "mitre"), "formats": ()}


def test_config_without_a_file() -> None:
    result = kubekeep("config", "check")
    assert result.returncode == 0
    assert result.stdout.startswith("# no configuration file\nframework: [recommended]  ")


def test_schema_is_valid() -> None:
    schema = json.loads(kubekeep("config", "schema").stdout)
    jsonschema.Draft7Validator.check_schema(schema)
    assert "severity-threshold" in schema["properties"]


def test_version_has_one_visible_name_and_a_hidden_alias() -> None:
    origins = {}
    for flag in ("--kubernetes-version", "--kube-version"):
        result = kubekeep("config", "check", "deploy", flag, "1.30")
        assert result.returncode == 0, result.stderr
        origins[flag] = next(line for line in result.stdout.splitlines() if line.startswith("kubernetes-version: "))
        assert "kube-version" not in result.stdout
    assert origins["--kube-version"] == origins["--kubernetes-version"]
    for command in ("scan", "paths"):
        text = kubekeep(command, "--help-all").stdout
        assert "--kubernetes-version" in text
        assert "--kube-version" not in text
    assert "kube-version" not in json.loads(kubekeep("config", "schema").stdout)["properties"]


def test_former_key_of_the_version_is_accepted() -> None:
    Path("kubekeep.yaml").write_text("framework: nsa\nkube-version: '1.30'\n")
    shown = kubekeep("config", "check", "deploy")
    assert shown.returncode == 0, shown.stderr
    assert 'kubernetes-version: "1.30"                        # kubekeep.yaml:2\n' in shown.stdout
    Path("kubekeep.yaml").write_text("kube-version: '1.3'\n")
    assert "kubekeep.yaml:1:1: kube-version: unknown Kubernetes version '1.3'" in kubekeep("scan", "deploy").stderr
    Path("kubekeep.yaml").write_text("kube-version: '1.30'\nkubernetes-version: '1.30'\n")
    both = kubekeep("scan", "deploy")
    assert (both.returncode, "keep one" in both.stderr) == (2, True)
