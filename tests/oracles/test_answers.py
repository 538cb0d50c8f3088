"""Recorded answers: a test gets the answer of the program or of its record, and a wrong or superfluous record is an error."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.oracles.answers import Answer, AnswerFile, Case, read_answers, write_answers
from tests.oracles.program import REFERENCES

_TESTS = Path(__file__).parents[1]
_WORKERS = ("-p", "xdist.plugin", "-n2")
_PROGRAM = """package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	content, _ := os.ReadFile(os.Args[1])
	input, _ := io.ReadAll(os.Stdin)
	fmt.Printf("%s %s", content, input)
	if len(os.Args) > 2 {
		os.WriteFile("copy", content, 0o600)
		fmt.Fprint(os.Stderr, "no more arguments")
		os.Exit(3)
	}
}
"""
_CONFTEST = """
from pathlib import Path
from tests.oracles.program import REFERENCES, GoProgram
REFERENCES["echo"] = GoProgram(Path(__file__).parent / "echo")
"""
_MODULE = """
import pytest
from tests.oracles.references import ProgramError, get_answer

@pytest.mark.parametrize("word", ["one", "two"])
def test_word(word, tmp_path):
    (tmp_path / "file").write_text("read:")
    answer = get_answer("echo", "folder/file", stdin=word, inputs={"folder": tmp_path})
    assert (answer.code, answer.stdout, answer.stderr) == (0, f"read: {word}", "")

def test_failure(tmp_path):
    (tmp_path / "file").write_text("read:")
    inputs = {"file": tmp_path / "file"}
    answer = get_answer("echo", "file", "more", inputs=inputs, outputs=("copy",), may_fail=True)
    assert (answer.code, answer.stderr, answer.files) == (3, "no more arguments", {"copy": b"read:"})
    with pytest.raises(ProgramError, match="echo failed with exit code 3: no more arguments"):
        get_answer("echo", "file", "more", inputs=inputs, outputs=("copy",))
"""


@pytest.fixture(scope="module")
def recorded_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a test module, the program that it uses, and its recorded answers."""
    if shutil.which("go") is None:
        assert "CI" not in os.environ, "CI requires Go"
        pytest.skip("go is not installed")
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "echo").mkdir()
    (folder / "echo" / "go.mod").write_text("module echo\n\ngo 1.21\n")
    (folder / "echo" / "main.go").write_text(_PROGRAM)
    (folder / "conftest.py").write_text(_CONFTEST)
    (folder / "test_echo.py").write_text(_MODULE)
    (folder / "pytest.ini").write_text("[pytest]\n")
    result = run_tests(folder, "--references=record")
    assert result.returncode == 0, result.stdout
    return folder


@pytest.fixture
def project(recorded_project: Path, tmp_path: Path) -> Path:
    """Return a copy of the folder for one test."""
    folder = tmp_path / "project"
    shutil.copytree(recorded_project, folder)
    return folder


def run_tests(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the tests of a project in a process without the plugins that they do not use."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.oracles.plugin", "-p", "no:cacheprovider", *arguments]
    environment = os.environ | {
        "PYTHONPATH": str(_TESTS.parent),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "GOCACHE": os.environ.get("GOCACHE") or str(Path.home() / ".cache" / "go-build"),
    }
    return subprocess.run(command, cwd=folder, env=environment | variables, capture_output=True, text=True, check=False)


def read_recorded(folder: Path) -> AnswerFile:
    return read_answers(folder / "answers" / "test_echo.jsonl")


def test_recorded_answers_need_no_program(project: Path) -> None:
    shutil.rmtree(project / "cache")
    result = run_tests(project, PATH="/nonexistent")
    assert result.returncode == 0, result.stdout
    assert not (project / "cache").exists()


def test_recorded_answers_equal_those_of_the_program(project: Path) -> None:
    assert len(read_recorded(project).answers) == 3
    result = run_tests(project, "--references=compare")
    assert result.returncode == 0, result.stdout


def test_worker_processes_record_the_same(project: Path) -> None:
    content = (project / "answers" / "test_echo.jsonl").read_bytes()
    (project / "answers" / "test_echo.jsonl").unlink()
    assert run_tests(project, "--references=record", *_WORKERS).returncode == 0
    assert (project / "answers" / "test_echo.jsonl").read_bytes() == content


def test_other_answer_of_the_program_is_an_error(project: Path) -> None:
    recorded = read_recorded(project)
    wrong = {
        case: Answer(answer.code, "wrong", answer.stderr, answer.files) for case, answer in recorded.answers.items()
    }
    write_answers(project / "answers" / "test_echo.jsonl", AnswerFile(recorded.versions, wrong))
    result = run_tests(project, "--references=compare")
    assert result.returncode == 1
    assert "echo gives another answer than the one in" in result.stdout
    assert "'read: one' instead of 'wrong' at character 0 of the output" in result.stdout
    assert "3 failed" in result.stdout


@pytest.mark.parametrize(
    ("before", "after"),
    [('"one", "two"', '"one", "three"'), ("read:", "changed:"), ('"folder/file"', '"folder//file"')],
)
def test_case_without_answer_is_an_error(before: str, after: str, project: Path) -> None:
    (project / "test_echo.py").write_text(_MODULE.replace(before, after))
    result = run_tests(project)
    assert result.returncode == 1
    assert "has no answer of echo to this case" in result.stdout
    assert "test_echo.py --references record" in result.stdout


def test_answer_of_another_version_is_an_error(project: Path) -> None:
    (project / "echo" / "main.go").write_text(f"{_PROGRAM}// changed\n")
    result = run_tests(project)
    assert result.returncode == 1
    assert "has answers of another version of echo" in result.stdout
    assert run_tests(project, "--references=record").returncode == 0
    assert run_tests(project).returncode == 0


@pytest.mark.parametrize("workers", [(), _WORKERS], ids=["one process", "workers"])
def test_unused_answer_is_an_error_of_the_complete_run(workers: tuple[str, ...], project: Path) -> None:
    (project / "test_echo.py").write_text(_MODULE.replace('"one", "two"', '"one"'))
    assert run_tests(project).returncode == 0
    result = run_tests(project, "--references=compare", *workers)
    assert result.returncode == 1
    assert "no test used 1 answers of echo" in result.stdout
    assert run_tests(project, "--references=record").returncode == 0
    assert len(read_recorded(project).answers) == 2


@pytest.mark.parametrize("selection", [("-k", "one"), ("test_echo.py::test_failure",), ("-k", "word", *_WORKERS)])
def test_run_of_some_tests_keeps_the_other_answers(selection: tuple[str, ...], project: Path) -> None:
    recorded = read_recorded(project)
    assert run_tests(project, "--references=compare", *selection).returncode == 0
    assert run_tests(project, "--references=record", *selection).returncode == 0
    assert read_recorded(project) == recorded


def test_long_answer_is_kept(tmp_path: Path) -> None:
    content = AnswerFile({"a": "1"}, {Case("a", "0"): Answer(1, "é\n" * 9000, "x", {"file": b"\0" * 9000})})
    write_answers(tmp_path / "answers" / "a.jsonl", content)
    assert read_answers(tmp_path / "answers" / "a.jsonl") == content
    assert (tmp_path / "answers" / "a.jsonl").stat().st_size < 500


def test_recorded_answers_belong_to_a_module_and_to_programs() -> None:
    files = sorted(_TESTS.rglob("answers/test_*.jsonl"))
    assert files
    for file in files:
        assert (file.parents[1] / f"{file.stem}.py").is_file(), f"{file} has no test module"
        versions = read_answers(file).versions
        assert versions == {name: REFERENCES[name].version for name in versions}, f"{file}: record the answers again"
