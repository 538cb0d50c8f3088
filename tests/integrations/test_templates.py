"""The script steps of the templates for GitLab, CircleCI, Azure, Bitbucket and Jenkins, run by the shells they name.

Each template is expanded as its system does: parameters become environment variables. Nothing is installed, because
this version of Kubekeep is on the PATH.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import yaml

from tests.images.example import write_layout
from tests.integrations.samples import (
    BROKEN,
    FOLDER,
    HARMLESS,
    PRIVILEGED,
    base_environment,
    is_successful,
    needs_namespaces,
    read_sarif,
    write_files,
)


class Script(msgspec.Struct, frozen=True):
    """A script with the shell that runs it and its variables."""

    shell: tuple[str, ...]
    text: str
    variables: dict[str, str]


def load(name: str) -> Any:
    """Return the last document of a template."""
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))[-1]


def expand(pattern: str, texts: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """Return the texts with each parameter that matches the pattern replaced by its value."""
    return {name: re.sub(pattern, lambda match: values[match[1]], text) for name, text in texts.items()}


def expand_gitlab(options: dict[str, str]) -> Script:
    path = FOLDER / "gitlab" / "templates" / "scan.yml"
    header, document = yaml.safe_load_all(path.read_text(encoding="utf-8"))
    defaults = {name: entry["default"] for name, entry in header["spec"]["inputs"].items()}
    job = document["$[[ inputs.job-name ]]"]
    variables = {name: entry["value"] if isinstance(entry, dict) else entry for name, entry in job["variables"].items()}
    assert all(entry["expand"] is False for entry in job["variables"].values() if isinstance(entry, dict))
    expanded = expand(r"\$\[\[ inputs\.([a-z-]+) \]\]", variables, defaults | options)
    return Script(("bash", "-e", "-o", "pipefail", "-c"), "\n".join(job["script"]), expanded)


def expand_circleci(options: dict[str, str]) -> Script:
    command = load("circleci/orb.yml")["commands"]["scan"]
    defaults = {name: entry["default"] for name, entry in command["parameters"].items()}
    step = command["steps"][0]["run"]
    expanded = expand(r"<< parameters\.([a-z-]+) >>", step["environment"], defaults | options)
    return Script((step["shell"], "-c"), step["command"], expanded)


def expand_azure(options: dict[str, str]) -> Script:
    template = load("azure/scan.yml")
    names = {
        re.sub(r"[A-Z]", lambda match: f"-{match[0].lower()}", entry["name"]): entry for entry in template["parameters"]
    }
    values = {entry["name"]: options.get(name, entry["default"]) for name, entry in names.items()}
    step = next(step for step in template["steps"] if "bash" in step)
    expanded = expand(r"\$\{\{ parameters\.([a-zA-Z]+) \}\}", step["env"], values)
    return Script(("bash", "--noprofile", "--norc", "-c"), step["bash"], expanded)


def expand_bitbucket(options: dict[str, str]) -> Script:
    fixed, _, script = load("bitbucket/bitbucket-pipelines.yml")["definitions"]["steps"][0]["step"]["script"]
    variables = {f"KUBEKEEP_{name.upper().replace('-', '_')}": value for name, value in options.items()}
    return Script(("bash", "-e", "-c"), f"{fixed}\n{script}", variables)


def expand_jenkins(options: dict[str, str]) -> Script:
    script = (FOLDER / "jenkins" / "resources" / "kubekeep" / "scan.sh").read_text(encoding="utf-8")
    version = re.search(r"version: '([\d.]+)'", (FOLDER / "jenkins" / "vars" / "kubekeep.groovy").read_text())
    assert version is not None
    variables = {f"KUBEKEEP_{name.upper().replace('-', '_')}": value for name, value in options.items()}
    return Script(("sh", "-xe", "-c"), script, {"KUBEKEEP_VERSION": version[1], **variables})


SYSTEMS: Final[dict[str, Callable[[dict[str, str]], Script]]] = {
    "gitlab": expand_gitlab,
    "circleci": expand_circleci,
    "azure": expand_azure,
    "bitbucket": expand_bitbucket,
    "jenkins": expand_jenkins,
}
systems = pytest.mark.parametrize("system", list(SYSTEMS))


def run(
    system: str, folder: Path, options: dict[str, str], *prefix: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the step of a system in `folder`/repository."""
    script = SYSTEMS[system](options)
    return subprocess.run(
        [*prefix, *script.shell, script.text],
        cwd=folder / "repository",
        env=base_environment(folder) | script.variables | {"PIP_NO_INDEX": "1"} | (environment or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def find_sarif(folder: Path) -> Path:
    """Return the SARIF file that a step wrote."""
    (path,) = (folder / "repository").glob("*/kubekeep.sarif")
    return path


@systems
def test_gate_fails_after_the_reports_are_written(system: str, tmp_path: Path) -> None:
    write_files(tmp_path / "repository", {"deploy/pod.yaml": PRIVILEGED, "other/pod.yaml": PRIVILEGED})
    result = run(system, tmp_path, {"paths": "deploy", "fail-on": "critical"})
    assert result.returncode == 1, result.stderr
    results = read_sarif(find_sarif(tmp_path))
    uris = {result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in results}
    assert uris == {"deploy/pod.yaml"}
    assert "gate FAILED" in result.stderr
    assert "Pod shop/debug" in result.stdout
    formats = {path.name for path in find_sarif(tmp_path).parent.iterdir()}
    expected = {"gitlab": {"kubekeep.gitlab-sast.json", "kubekeep.gitlab-codequality.json"}}
    assert formats == {"kubekeep.sarif", "kubekeep.txt", *expected.get(system, {"kubekeep.xml"})}


@systems
def test_image_is_scanned(system: str, tmp_path: Path) -> None:
    write_layout(tmp_path / "repository" / "build")
    result = run(system, tmp_path, {"paths": "oci:build", "severity-threshold": "high"})
    assert result.returncode == 1, result.stderr
    controls = {entry["ruleId"] for entry in read_sarif(find_sarif(tmp_path))}
    assert controls == {"image-secret-files", "image-root-user", "end-of-life-distribution"}


@systems
def test_sarif_is_written_when_nothing_is_found(system: str, tmp_path: Path) -> None:
    write_files(tmp_path / "repository", {"settings.yaml": HARMLESS})
    assert run(system, tmp_path, {"fail-on": "low"}).returncode == 0
    assert read_sarif(find_sarif(tmp_path)) == []
    assert is_successful(find_sarif(tmp_path))


@pytest.mark.parametrize("system", ["gitlab", "jenkins"])
@pytest.mark.parametrize(
    ("files", "options", "code"),
    [
        ({"pod.yaml": BROKEN}, {}, 3),
        ({"pod.yaml": PRIVILEGED}, {"args": "--no-such-option"}, 2),
        ({"pod.yaml": PRIVILEGED}, {"args": "'unclosed"}, 2),
    ],
)
def test_sarif_is_written_when_the_scan_has_an_error(
    system: str, files: dict[str, str], options: dict[str, str], code: int, tmp_path: Path
) -> None:
    write_files(tmp_path / "repository", files)
    assert run(system, tmp_path, options).returncode == code
    assert read_sarif(find_sarif(tmp_path)) == []
    assert not is_successful(find_sarif(tmp_path))


@systems
@pytest.mark.parametrize("paths", ["missing", "deploy\nmissing", "missing/pod.yaml"])
def test_misspelt_path_closes_no_findings(system: str, paths: str, tmp_path: Path) -> None:
    write_files(tmp_path / "repository", {"deploy/pod.yaml": PRIVILEGED})
    result = run(system, tmp_path, {"paths": paths})
    assert result.returncode == 2
    assert "no such file or folder" in result.stderr
    assert [path.name for path in find_sarif(tmp_path).parent.iterdir()] == ["kubekeep.sarif"]
    assert not is_successful(find_sarif(tmp_path))


@pytest.mark.parametrize(("files", "is_written"), [({}, False), ({"pod.yaml": PRIVILEGED, "a.yaml": BROKEN}, True)])
def test_report_of_nothing_closes_no_findings(files: dict[str, str], is_written: bool, tmp_path: Path) -> None:  # noqa: FBT001
    write_files(tmp_path / "repository", {"README.md": "nothing", **files})
    assert run("gitlab", tmp_path, {}).returncode == 3
    reports = {path.name for path in find_sarif(tmp_path).parent.iterdir()}
    assert ("kubekeep.gitlab-sast.json" in reports) is is_written
    assert ("kubekeep.gitlab-codequality.json" in reports) is is_written


@pytest.mark.parametrize(
    "option",
    [
        {"severity-threshold": "high"},
        {"compliance-threshold": "100"},
        {"frameworks": "pss-restricted", "compliance-threshold": "100"},
        {"controls": "C-0057", "severity-threshold": "high"},
        {"args": "--max-failures total=0"},
    ],
)
def test_each_threshold_fails_the_job(option: dict[str, str], tmp_path: Path) -> None:
    write_files(tmp_path / "repository", {"pod.yaml": PRIVILEGED})
    result = run("gitlab", tmp_path, option)
    assert result.returncode == 1, result.stderr


def test_old_reports_are_removed(tmp_path: Path) -> None:
    write_files(tmp_path / "repository", {"pod.yaml": PRIVILEGED})
    assert run("azure", tmp_path, {}).returncode == 0
    assert run("azure", tmp_path, {"args": "--no-such-option"}).returncode == 2
    assert read_sarif(find_sarif(tmp_path)) == []
    assert [path.name for path in find_sarif(tmp_path).parent.iterdir()] == ["kubekeep.sarif"]


@systems
def test_options_are_never_commands(system: str, tmp_path: Path) -> None:
    hostile = '$(touch pwned)/`touch pwned`/it\'s "x"; touch pwned'
    write_files(tmp_path / "repository", {f"{hostile}/pod.yaml": PRIVILEGED, "-dash/pod.yaml": PRIVILEGED})
    arguments = "--exclude-path '$(touch pwned) *' --exclude-path \"`touch pwned`\""
    result = run(system, tmp_path, {"paths": f"{hostile}\n-dash", "args": arguments})
    assert result.returncode == 0, result.stderr
    uris = {
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for result in read_sarif(find_sarif(tmp_path))
    }
    assert len(uris) == 2
    run(system, tmp_path, {"frameworks": hostile, "baseline": hostile, "exceptions": hostile, "fail-on": hostile})
    assert not list(tmp_path.rglob("pwned"))


@needs_namespaces
def test_scan_needs_no_network(tmp_path: Path) -> None:
    write_files(tmp_path / "repository", {"pod.yaml": PRIVILEGED})
    assert run("gitlab", tmp_path, {"fail-on": "critical"}, "unshare", "-n").returncode == 1
    assert read_sarif(find_sarif(tmp_path))


@pytest.mark.integration
def test_other_version_on_the_path_is_not_used(tmp_path: Path) -> None:
    write_files(tmp_path / "repository", {"pod.yaml": PRIVILEGED})
    old = write_files(tmp_path / "bin", {"kubekeep": "#!/bin/sh\necho kubekeep 0.0.1\n"}) / "kubekeep"
    old.chmod(0o755)
    path = f"{old.parent}{os.pathsep}{os.environ['PATH']}"
    # Without an index the installation fails, and with it the job.
    result = run("jenkins", tmp_path, {}, environment={"PATH": path, "PIP_FIND_LINKS": ""})
    assert result.returncode == 3
    assert "No matching distribution found for kubekeep" in result.stderr
    assert not is_successful(find_sarif(tmp_path))
