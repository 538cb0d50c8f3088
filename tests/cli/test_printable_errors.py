"""Messages and exit codes for hostile arguments and files: nothing they quote controls a terminal or a CI system."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.command_line import run_command_line

HOSTILE = "a\x1b[31m\u202e\n::error::owned"
SHOWN = "a\\x1b[31m\\u202e\\x0a::error::owned"
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: b}]}\n"
POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: "a\\e[31m\\u202e\\n::error::owned"
  annotations: {kubekeep.io/severity: high}
spec: {}
"""


def run(folder: Path, *arguments: str, code: int, **variables: str) -> str:
    """Return the errors of a command; asserts its exit code."""
    result = run_command_line(*arguments, folder=folder, variables=variables)
    assert result.returncode == code, result.stderr
    return result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("scan", "control", HOSTILE, "."),
        ("scan", ".", "--changed-since", HOSTILE),
        ("version", HOSTILE),
        (HOSTILE,),
        (f"--{HOSTILE}",),
        ("explain", HOSTILE),
    ],
)
def test_quoted_arguments_are_escaped(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "a.yaml").write_text(POD)
    errors = run(tmp_path, *arguments, code=2)
    assert not [line for line in errors.splitlines() if line.startswith("::")]
    assert all(char == "\n" or char.isprintable() for char in errors)


def test_quoted_names_of_the_input_are_escaped(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(POD)
    (tmp_path / "p.yaml").write_text(POLICY)
    assert SHOWN in run(tmp_path, "scan", "a.yaml", "--policies", "p.yaml", code=2)


def test_names_of_reports_are_escaped(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(POD)
    errors = run(tmp_path, "scan", "control", "C-0057", "a.yaml", "-o", "r\x1b[31m\n::x.json", "-f", "json", code=0)
    assert errors == "json: r\\x1b[31m\\x0a::x.json\n"


@pytest.mark.parametrize("output", ["a" * 300 + ".json", "missing/r.json", "loop.json"])
def test_unwritable_reports_are_reported(tmp_path: Path, output: str) -> None:
    (tmp_path / "a.yaml").write_text(POD)
    (tmp_path / "loop.json").symlink_to("loop.json")
    assert output in run(tmp_path, "scan", "control", "C-0057", "a.yaml", "-o", output, "-f", "json", code=3)


@pytest.mark.parametrize("columns", ["0", "1", "999999999999", "9" * 5_000])
def test_any_width_is_accepted(tmp_path: Path, columns: str) -> None:
    (tmp_path / "a.yaml").write_text(POD)
    assert not run(tmp_path, "scan", "control", "C-0057", "a.yaml", code=0, COLUMNS=columns)


@pytest.mark.parametrize("name", ["control.yaml", "control.rego", "cases/fail.b.yaml"])
def test_pipes_in_a_library_are_refused(tmp_path: Path, name: str) -> None:
    run(tmp_path, "control", "new", "workload/team-label", "--dir", "rules", code=0)
    path = tmp_path / "rules" / "workload" / "team-label" / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    assert "not a file" in run(tmp_path, "control", "test", "rules", code=2)


def test_endless_parameters_are_refused(tmp_path: Path) -> None:
    errors = run(tmp_path, "scan", ".", "--controls-config", "/dev/zero", code=2)
    assert "/dev/zero: not a regular file" in errors


def test_empty_folder_is_not_unchanged(tmp_path: Path) -> None:
    errors = run(tmp_path, "scan", ".", "--changed-since", "HEAD", code=3)
    assert errors.startswith("nothing was assessed: ")


@pytest.mark.parametrize("name", ["nosuch.yaml", "sbom:nosuch.json", "https://registry.invalid/nosuch.yaml"])
def test_messages_about_unread_input_name_it_once(name: str) -> None:
    text = run_command_line("scan", name).stderr.partition(" looks like an image")[0].partition("; ")[0]
    assert text.count("nosuch") == 1, text


def test_messages_about_unread_images_name_them_once() -> None:
    text = run_command_line("image", "scan", "./nosuch.tar", "--no-vulnerabilities").stderr
    assert text.count("nosuch.tar: ") == 1, text
