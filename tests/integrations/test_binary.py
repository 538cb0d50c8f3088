"""The binary of PyInstaller does everything that the installed program does, also in its child processes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest

from kubekeep._native import VERSION
from tests.integrations.conftest import BUILD, DATE
from tests.integrations.samples import ROOT, SCRIPTS, find_program, write_files

pytestmark = pytest.mark.integration

DENY_PRIVILEGED = """\
# @name No privileged containers
package rules

deny contains response if {
	some resource in input
	some container in resource.spec.containers
	container.securityContext.privileged
	response := {
		"alertMessage": "privileged",
		"failedPaths": ["spec.containers[0].securityContext.privileged"],
		"alertObject": {"k8sApiObjects": [resource]},
	}
}
"""
ENDLESS = """\
# @name Endless
package rules

deny contains response if {
	some a in numbers.range(1, 10000)
	some b in numbers.range(1, 10000)
	some c in numbers.range(1, 10000)
	a * b * c == -1
	response := {"alertMessage": "never", "alertObject": {"k8sApiObjects": []}}
}
"""


def run(program: Path, *arguments: object, folder: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program in an environment with few variables."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", **variables}
    return subprocess.run(
        [str(program), *map(str, arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def read_report(program: Path, *arguments: object) -> Any:
    """Return the JSON report of a scan without its time."""
    result = run(program, "scan", *arguments, "-f", "json", "-o", "-")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    report.pop("generationTime")
    return report


def test_version_and_help(binary: Path) -> None:
    assert run(binary, "--version").stdout == f"kubekeep {VERSION}\n"
    assert "Usage: kubekeep watch" in run(binary, "watch", "--help").stdout
    assert run(binary, "scan", "--help").stdout == run(SCRIPTS / "kubekeep", "scan", "--help").stdout
    names = {shell: run(binary, "completion", shell).stdout for shell in ("bash", "zsh", "fish")}
    assert all("_KUBEKEEP_COMPLETE" in text for text in names.values())


@pytest.mark.parametrize("folder", ["online-shop", "attack-paths", "admission-policies"])
def test_scan_equals_that_of_the_installed_program(binary: Path, folder: str) -> None:
    path = f"examples/{folder}"
    report = read_report(binary, path)
    assert report["results"]
    assert report == read_report(SCRIPTS / "kubekeep", path)


def test_every_text_format_is_written(binary: Path, tmp_path: Path) -> None:
    formats = "csv,gitlab-codequality,gitlab-sast,html,junit,markdown,ocsf,oscal,policyreport,prometheus,sarif,yaml"
    result = run(binary, "scan", "examples/online-shop", "-f", formats, "-o", tmp_path / "report")
    assert result.returncode == 0, result.stderr
    assert len(list(tmp_path.iterdir())) == len(formats.split(","))
    assert "<html" in next(tmp_path.glob("*.html")).read_text(encoding="utf-8")


def test_fix_shows_and_writes_changes(binary: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / "online-shop", tmp_path / "shop")
    before = {path: path.read_bytes() for path in (tmp_path / "shop").rglob("*.yaml")}
    result = run(binary, "fix", "--dry-run", "shop", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "+" in result.stdout
    assert before == {path: path.read_bytes() for path in (tmp_path / "shop").rglob("*.yaml")}
    assert "changed" in run(binary, "fix", "--yes", "shop", folder=tmp_path).stderr
    assert before != {path: path.read_bytes() for path in (tmp_path / "shop").rglob("*.yaml")}


def test_custom_rules_run_in_a_process_of_their_own(binary: Path, tmp_path: Path) -> None:
    pod = (ROOT / "examples" / "online-shop" / "operations" / "debug-pod.yaml").read_text(encoding="utf-8")
    write_files(tmp_path, {"pod.yaml": pod, "rules/deny.rego": DENY_PRIVILEGED, "endless/endless.rego": ENDLESS})
    arguments = ("scan", "framework", "custom-rules", "pod.yaml", "--custom-rules")
    result = run(binary, *arguments, "rules", "--debug", "-f", "json", "-o", "-", folder=tmp_path)
    assert re.search(r"started process \d+ for custom rules", result.stderr)
    assert '"custom-deny"' in result.stdout
    assert '"failed"' in result.stdout
    result = run(binary, *arguments, "endless", folder=tmp_path)
    assert result.returncode == 3
    assert "took longer than" in result.stdout + result.stderr


def test_custom_control_is_tested(binary: Path, tmp_path: Path) -> None:
    assert run(binary, "control", "new", "workload/team-label", "--dir", "rules", folder=tmp_path).returncode == 0
    assert "3 cases, 0 failed" in run(binary, "control", "test", "rules", folder=tmp_path).stdout


def test_terraform_is_read(binary: Path, tmp_path: Path) -> None:
    module = 'resource "kubernetes_namespace_v1" "shop" {\n  metadata {\n    name = "shop"\n  }\n}\n'
    write_files(tmp_path, {"main.tf": module})
    result = run(binary, "scan", ".", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "1 resource" in result.stdout


def test_missing_parts_are_reported(binary: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / "storefront-chart", tmp_path / "chart")
    programs = tmp_path / "programs"
    programs.mkdir()
    result = run(binary, "scan", "chart", folder=tmp_path, PATH=str(programs))
    assert result.returncode == 3
    assert "the chart was not rendered: neither the program helm" in result.stderr
    result = run(binary, "scan", "chart", "-f", "pdf", "-o", "x.pdf", folder=tmp_path)
    assert result.returncode == 2
    assert "typst is not installed" in result.stderr


@pytest.mark.skipif(not (SCRIPTS / "kubectl").exists(), reason="the program kubectl is not installed")
def test_kustomize_of_the_system_is_used(binary: Path) -> None:
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    result = run(binary, "scan", "examples/overlays", PATH=path)
    assert result.returncode == 0, result.stderr
    assert "not rendered" not in result.stderr


def test_working_folder_is_not_a_source_of_modules(binary: Path, tmp_path: Path) -> None:
    names = ("json", "click", "kubekeep", "re2", "sitecustomize", "usercustomize", "yaml", "os")
    files = {f"{name}.py": f"open('{tmp_path}/executed', 'w')\n" for name in names}
    write_files(
        tmp_path, files | {"pod.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n", "rules/a.rego": ENDLESS}
    )
    shutil.copy(tmp_path / "click.py", tmp_path / "libpython3.11.so.1.0")
    variables = {"PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": str(tmp_path / "json.py"), "PYTHONHOME": str(tmp_path)}
    result = run(binary, "scan", "pod.yaml", folder=tmp_path, **variables)
    assert result.returncode == 0, result.stderr
    assert not (tmp_path / "executed").exists()


def test_programs_do_not_get_libraries_of_the_binary(binary: Path, tmp_path: Path) -> None:
    git = write_files(tmp_path, {"bin/git": f"#!/bin/sh\nenv > {tmp_path}/environment\nexit 1\n"}) / "bin" / "git"
    git.chmod(0o755)
    path = f"{git.parent}{os.pathsep}{os.environ['PATH']}"
    for variables, expected in (({}, None), ({"LD_LIBRARY_PATH": "/of/the/user"}, "/of/the/user")):
        run(binary, "scan", "https://127.0.0.1:9/repository.git", folder=tmp_path, PATH=path, **variables)
        lines = (tmp_path / "environment").read_text().splitlines()
        assert dict(line.partition("=")[::2] for line in lines).get("LD_LIBRARY_PATH") == expected


def test_kubectl_runs_the_binary(binary: Path) -> None:
    kubectl, path = SCRIPTS / "kubectl", f"{binary.parent}{os.pathsep}{os.environ['PATH']}"
    assert run(kubectl, "kubekeep", "--version", PATH=path).stdout == f"kubekeep {VERSION}\n"
    assert "Usage: kubectl kubekeep scan" in run(kubectl, "kubekeep", "scan", "--help", PATH=path).stdout
    result = run(kubectl, "__complete", "kubekeep", "scan", "framework", "ns", PATH=path)
    assert "nsa\t" in result.stdout


def test_archive_contains_no_trace_of_the_build(archive: Path, binary: Path) -> None:
    with tarfile.open(archive) as content:
        members = content.getmembers()
    assert {(member.uid, member.gid, member.uname, member.gname) for member in members} == {(0, 0, "", "")}
    assert len({member.mtime for member in members}) == 1
    names = {member.name.partition("/")[2] for member in members}
    assert {"kubekeep", "kubectl-kubekeep", "share/man/man1/kubekeep.1", "share/doc/kubekeep/LICENSE"} <= names
    assert not [name for name in names if re.search(r"helm_python|kubectl$|readline|tkinter|PyInstaller", name)]
    # The compiled parts contain the folders of their compilers, which name no file that is read.
    pattern = f"{tempfile.gettempdir()}{os.sep}tmp[.]|{ROOT}/"
    assert not run(find_program("grep"), "-rlE", "--exclude=*.so*", pattern, binary.parent).stdout
    for library in (binary, *binary.parent.rglob("*.so*")):
        output = run(find_program("readelf"), "--dynamic", library).stdout
        assert "Dynamic section" in output, library
        assert not re.search(r"R(?:UN)?PATH.*\[(?!\$ORIGIN)", output), library


def test_build_is_reproducible(archive: Path, wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    environment = os.environ | DATE | {"TMPDIR": str(tmp_path / "elsewhere"), "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    subprocess.run([BUILD, wheel, tmp_path / "out"], check=True, timeout=900, env=environment, cwd=tmp_path)
    for first in archive.parent.iterdir():
        assert (tmp_path / "out" / first.name).read_bytes() == first.read_bytes(), first.name


def test_every_wrong_use_of_the_build_is_refused(tmp_path: Path) -> None:
    result = subprocess.run([BUILD, tmp_path / "none.whl", tmp_path], capture_output=True, check=False, timeout=60)
    assert result.returncode == 2
    assert not list(tmp_path.iterdir())
