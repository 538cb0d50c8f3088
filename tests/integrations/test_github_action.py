"""The GitHub action's step as a runner runs it: SARIF in every case, gates, outputs, hostile inputs, no network."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.integrations.github_runner import ACTION, STEP, run_step
from tests.integrations.samples import (
    BROKEN,
    HARMLESS,
    NO_KUBERNETES,
    PRIVILEGED,
    base_environment,
    commit_all,
    is_successful,
    needs_namespaces,
    read_sarif,
    write_files,
)

FRAGMENTS = ("'", '"', "$(touch pwned)", "`touch pwned`", "; touch pwned", "&& touch pwned", "${{ 1 }}", "%0A::error::")


@pytest.fixture(autouse=True)
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    return folder


def test_findings_without_a_gate_pass(tmp_path: Path, repository: Path) -> None:
    write_files(repository, {"deploy/pod.yaml": PRIVILEGED})
    step = run_step(tmp_path, {"formats": "html,junit"})
    assert step.code == 0
    results = read_sarif(step.sarif)
    assert results
    assert results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "deploy/pod.yaml"
    assert step.outputs["exit-code"] == "0"
    assert step.outputs["scanned"] == "true"
    assert step.outputs["findings"] == step.outputs["new-findings"] == str(len(results))
    assert sum(int(step.outputs[name]) for name in ("critical", "high", "medium", "low")) == len(results)
    assert int(step.outputs["critical"]) >= 1
    assert step.summary.startswith("## Kubekeep: ")
    assert any(command.startswith("::error file=deploy/pod.yaml,line=8,") for command in step.commands)
    assert {path.suffix for path in Path(step.outputs["reports"]).iterdir()} >= {".sarif", ".md", ".html", ".xml"}
    assert set(step.outputs) == set(ACTION["outputs"])


@pytest.mark.parametrize(
    ("inputs", "gate"),
    [
        ({"fail-on": "critical"}, "priority"),
        ({"severity-threshold": "high"}, "severity"),
        ({"compliance-threshold": "100"}, "compliance"),
        ({"args": "--max-failures total=0"}, "total"),
        ({"baseline": "baseline.json", "fail-on-new": "true"}, "new"),
    ],
)
def test_gate_fails_the_job_after_the_reports_are_written(
    inputs: dict[str, str], gate: str, tmp_path: Path, repository: Path
) -> None:
    write_files(repository, {"known/pod.yaml": HARMLESS})
    create = ["kubekeep", "baseline", "create", ".", "-o", "baseline.json"]
    subprocess.run(create, cwd=repository, env=base_environment(tmp_path), check=True, timeout=60, capture_output=True)
    write_files(repository, {"pod.yaml": PRIVILEGED})
    step = run_step(tmp_path, inputs)
    assert step.code == 1, step.log
    assert re.search(f"gate FAILED: .*{gate}|{gate}.*FAILED", step.log), step.log
    assert read_sarif(step.sarif)
    assert (step.outputs["exit-code"], step.outputs["scanned"]) == ("1", "true")
    assert step.summary.startswith("## Kubekeep: ")


def test_baseline_separates_new_findings(tmp_path: Path, repository: Path) -> None:
    write_files(repository, {"pod.yaml": PRIVILEGED})
    create = ["kubekeep", "baseline", "create", ".", "-o", "baseline.json"]
    subprocess.run(create, cwd=repository, env=base_environment(tmp_path), check=True, timeout=60, capture_output=True)
    step = run_step(tmp_path, {"baseline": "baseline.json", "fail-on-new": "true"})
    assert (step.code, step.outputs["new-findings"]) == (0, "0")
    assert int(step.outputs["findings"]) > 5


def test_sarif_is_written_when_nothing_is_found(tmp_path: Path, repository: Path) -> None:
    write_files(repository, {"settings.yaml": HARMLESS})
    step = run_step(tmp_path, {"fail-on": "low"})
    assert step.code == 0
    assert read_sarif(step.sarif) == []
    assert is_successful(step.sarif)
    assert (step.outputs["findings"], step.outputs["scanned"]) == ("0", "true")


@pytest.mark.parametrize(
    ("files", "inputs", "code", "scanned"),
    [
        ({"pod.yaml": BROKEN}, {}, 3, "false"),
        ({"compose.yaml": NO_KUBERNETES}, {}, 3, "false"),
        ({}, {}, 3, "false"),
        ({"pod.yaml": PRIVILEGED}, {"paths": "missing"}, 2, "false"),
        ({"pod.yaml": PRIVILEGED}, {"paths": "pod.yaml\nmissing/"}, 2, "false"),
        ({"pod.yaml": PRIVILEGED}, {"paths": "other-*.yaml"}, 3, "false"),
        ({"pod.yaml": PRIVILEGED}, {"frameworks": "unknown-framework"}, 2, "false"),
        ({"pod.yaml": PRIVILEGED}, {"args": "--no-such-option"}, 2, "false"),
        ({"pod.yaml": PRIVILEGED}, {"args": "'unclosed"}, 2, "false"),
        ({"pod.yaml": PRIVILEGED}, {"args": "-- other"}, 2, "false"),
        ({"pod.yaml": PRIVILEGED}, {"baseline": "missing.json"}, 2, "false"),
        ({"pod.yaml": PRIVILEGED}, {"fail-on-new": "yes"}, 2, "false"),
        ({"pod.yaml": PRIVILEGED}, {"install": "latest"}, 2, "false"),
        ({"pod.yaml": PRIVILEGED}, {"install": "missing.whl"}, 2, "false"),
    ],
)
def test_sarif_is_written_when_the_scan_has_an_error(
    files: dict[str, str], inputs: dict[str, str], code: int, scanned: str, tmp_path: Path, repository: Path
) -> None:
    write_files(repository, files)
    step = run_step(tmp_path, inputs, environment={"PIP_NO_INDEX": "1"})
    assert (step.code, step.outputs["exit-code"], step.outputs["scanned"]) == (code, str(code), scanned)
    assert read_sarif(step.sarif) == []
    assert not is_successful(step.sarif) or "nothing was assessed: " in step.log
    assert step.summary.startswith("## Kubekeep")
    assert any(command.startswith("::error title=Kubekeep::") for command in step.commands)


def test_unread_part_does_not_hide_the_findings(tmp_path: Path, repository: Path) -> None:
    write_files(repository, {"pod.yaml": PRIVILEGED, "broken.yaml": BROKEN})
    step = run_step(tmp_path, {"paths": "*.yaml"})
    assert (step.code, step.outputs["scanned"]) == (3, "true")
    assert read_sarif(step.sarif)


def test_missing_program_is_an_error(tmp_path: Path, repository: Path) -> None:
    write_files(repository, {"pod.yaml": PRIVILEGED})
    step = run_step(tmp_path, {}, environment={"PATH": "/usr/bin:/bin"})
    assert step.code == 2
    assert "kubekeep cannot be run: No such file or directory; check the input install" in step.log
    assert read_sarif(step.sarif) == []


def test_args_cannot_move_the_reports(tmp_path: Path, repository: Path) -> None:
    write_files(repository, {"pod.yaml": PRIVILEGED})
    step = run_step(tmp_path, {"args": "--format json --output elsewhere"})
    assert step.code == 0
    assert read_sarif(step.sarif)
    assert [path.name for path in repository.iterdir()] == ["pod.yaml"]


@pytest.mark.parametrize("name", ["paths", "exceptions", "args", "fail-on", "frameworks", "install", "baseline"])
def test_inputs_are_never_commands(name: str, tmp_path: Path, repository: Path) -> None:
    write_files(repository, {"pod.yaml": PRIVILEGED})
    # Quotes in pairs, so that `args` can be split.
    text = "\n".join(f"x{fragment}" for fragment in (*FRAGMENTS, "'", '"'))
    step = run_step(tmp_path, {name: text}, environment={"GITHUB_HEAD_REF": text, "GITHUB_REF_NAME": text})
    assert step.code in {2, 3}
    read_sarif(step.sarif)
    assert not list(tmp_path.rglob("pwned"))
    assert all(re.match(r"::(error|warning|notice|group|endgroup)\b", command) for command in step.commands)
    assert set(step.outputs) == set(ACTION["outputs"])


def test_paths_with_special_characters_are_scanned(tmp_path: Path, repository: Path) -> None:
    names = [
        "a b/$(touch pwned)/pod.yaml",
        "`touch pwned`/it's.yaml",
        'quote"/pod.yaml',
        "-dash/pod.yaml",
        "::error::x/pod.yaml",
    ]
    for number, name in enumerate(names):
        write_files(repository, {name: PRIVILEGED.replace("debug", f"debug-{number}")})
    step = run_step(tmp_path, {"paths": "\n".join(name.rpartition("/")[0] for name in names)})
    assert step.code == 0, step.log
    uris = {result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in read_sarif(step.sarif)}
    assert len(uris) == len(names)
    assert not list(tmp_path.rglob("pwned"))


def test_annotations_are_bounded_and_names_are_never_commands(tmp_path: Path, repository: Path) -> None:
    for number in range(30):
        write_files(repository, {f"::set-output name=x::{number}\n::warning::y.yaml": PRIVILEGED})
    write_files(repository, {"::add-mask::a.yaml": BROKEN})
    step = run_step(tmp_path, {})
    levels = Counter(re.split(r"[ :]", command.strip(":"))[0] for command in step.commands)
    assert set(levels) == {"error", "warning", "notice", "group", "endgroup"}
    assert max(levels.values()) == 10


def test_changed_files_only_reports_the_pull_request(tmp_path: Path, repository: Path) -> None:
    environment = base_environment(tmp_path)
    write_files(repository, {"old.yaml": PRIVILEGED})
    base = commit_all(repository, environment)
    write_files(repository, {"new.yaml": PRIVILEGED.replace("debug", "other")})
    commit_all(repository, environment)
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7, "base": {"sha": base}}}))
    only_changed = {"changed-files-only": "true"}
    step = run_step(tmp_path, only_changed, environment={"GITHUB_EVENT_PATH": str(event)})
    assert step.code == 0
    uris = {result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in read_sarif(step.sarif)}
    assert uris == {"new.yaml"}

    event.write_text(json.dumps({"ref": "refs/heads/main"}))
    step = run_step(tmp_path, only_changed, environment={"GITHUB_EVENT_PATH": str(event)})
    assert "changed-files-only: not a pull request, so all resources are reported" in step.log
    assert "old.yaml" in step.sarif.read_text()

    event.write_text(json.dumps({"pull_request": {"base": {"sha": "--output=/etc/passwd"}}}))
    step = run_step(tmp_path, only_changed, environment={"GITHUB_EVENT_PATH": str(event)})
    assert (step.code, step.outputs["scanned"]) == (2, "false")


def test_shallow_checkout_names_the_cause(tmp_path: Path, repository: Path) -> None:
    environment = base_environment(tmp_path)
    write_files(repository, {"old.yaml": PRIVILEGED})
    base = commit_all(repository, environment)
    write_files(repository, {"new.yaml": PRIVILEGED})
    commit_all(repository, environment)
    clone = tmp_path / "clone"
    clone.mkdir()
    subprocess.run(
        ["git", "clone", "-q", "--depth=1", repository.as_uri(), clone / "repository"],
        env=environment,
        check=True,
        timeout=60,
    )
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"base": {"sha": base}}}))
    step = run_step(clone, {"changed-files-only": "true"}, environment={"GITHUB_EVENT_PATH": str(event)})
    assert step.code == 2
    assert "the clone is shallow" in step.log


@needs_namespaces
def test_scan_needs_no_network(tmp_path: Path, repository: Path) -> None:
    write_files(repository, {"pod.yaml": PRIVILEGED})
    step = run_step(tmp_path, {"fail-on": "critical"}, prefix=("unshare", "-n"))
    assert step.code == 1
    assert read_sarif(step.sarif)


def test_token_is_not_in_the_environment_of_the_scan(tmp_path: Path) -> None:
    program = write_files(tmp_path / "bin", {"kubekeep": "#!/bin/sh\nenv\n"}) / "kubekeep"
    program.chmod(0o755)
    path = f"{program.parent}:/usr/bin:/bin"
    step = run_step(tmp_path, {"token": "ghs_secret"}, environment={"PATH": path})
    assert "INPUT_PATHS=." in step.log
    assert "ghs_secret" not in step.log
    assert (step.code, step.outputs["scanned"]) == (3, "false")


def test_script_holds_no_expression() -> None:
    assert len(ACTION["runs"]["steps"]) == 1
    assert "${{" not in STEP["run"]
    passed = {re.fullmatch(r"\$\{\{ inputs\.([a-z-]+) \}\}", text)[1] for text in STEP["env"].values()}  # type: ignore[index] # a mismatch fails
    assert passed == set(ACTION["inputs"])


def test_files_are_fixed_on_request_only(tmp_path: Path, repository: Path) -> None:
    write_files(
        repository, {"deploy/pod.yaml": PRIVILEGED, "with space/pod.yaml": PRIVILEGED, "other.yaml": PRIVILEGED}
    )
    commit_all(repository, base_environment(tmp_path))
    inputs = {"paths": "deploy\nwith space", "controls": "C-0057"}
    assert run_step(tmp_path, inputs).outputs["fixed-files"] == "0"
    assert list_changed(repository) == []
    step = run_step(tmp_path, {**inputs, "fix-files": "true", "fail-on": "high"})
    assert (step.code, step.outputs["fixed-files"]) == (1, "2"), "the findings are those of the commit"
    assert list_changed(repository) == ["deploy/pod.yaml", "with space/pod.yaml"]
    assert "privileged: true" not in (repository / "deploy" / "pod.yaml").read_text()
    again = run_step(tmp_path, {**inputs, "fix-files": "true", "fail-on": "high"})
    assert (again.code, again.outputs["fixed-files"]) == (0, "0")


def list_changed(repository: Path) -> list[str]:
    command = ["git", "-C", str(repository), "diff", "--name-only", "-z"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [name for name in names.split("\0") if name]
