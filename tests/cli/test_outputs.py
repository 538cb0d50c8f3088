"""Destinations of reports: files for formats that are not for terminals, binary output for pipes only. Real processes."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pypdf
import pytest

from kubekeep.reports import formats

BAD = Path(__file__).parents[2] / "examples" / "online-shop" / "operations" / "debug-pod.yaml"
SCAN = ("scan", "control", "C-0057", str(BAD))
FILES = [name for name, entry in formats().items() if entry.to_file_by_default]
WITHOUT_TYPST = "import sys; sys.modules['typst'] = None; from kubekeep.cli.main import main; main(sys.argv[1:])"


def kubekeep(*arguments: str, cwd: Path, program: tuple[str, ...] = ("-m", "kubekeep")) -> tuple[int, bytes, str]:
    """Return the exit code, standard output and standard error."""
    run = subprocess.run(
        [sys.executable, *program, *arguments], capture_output=True, check=False, cwd=cwd, stdin=subprocess.DEVNULL
    )
    assert b"Traceback" not in run.stderr
    return run.returncode, run.stdout, run.stderr.decode()


def test_binary_format_goes_to_a_file() -> None:
    assert {name for name, entry in formats().items() if entry.binary} <= set(FILES)
    assert "pdf" in FILES


@pytest.mark.parametrize("name", FILES)
def test_default_output_file_is_report(name: str, tmp_path: Path) -> None:
    code, stdout, stderr = kubekeep(*SCAN, "-f", name, cwd=tmp_path)
    file = f"report{formats()[name].extension}"
    assert (code, stdout, stderr) == (0, b"", f"{name}: {file}\n")
    assert [entry.name for entry in tmp_path.iterdir()] == [file]


def test_binary_report_with_one_text_report(tmp_path: Path) -> None:
    code, stdout, _ = kubekeep(*SCAN, "-f", "pretty,pdf", cwd=tmp_path)
    assert (code, (tmp_path / "report.pdf").read_bytes()[:5]) == (0, b"%PDF-")
    assert b"C-0057" in stdout
    assert kubekeep(*SCAN, "-f", "pretty,json,pdf", cwd=tmp_path)[0] == 2


def test_output_names_the_file(tmp_path: Path) -> None:
    assert kubekeep(*SCAN, "-f", "pdf,json", "-o", "out", cwd=tmp_path)[0] == 0
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out.json", "out.pdf"]
    reader = pypdf.PdfReader(tmp_path / "out.pdf")
    assert "Containers do not run privileged" in "".join(page.extract_text() for page in reader.pages)


def test_formats_with_same_extension_have_own_files(tmp_path: Path) -> None:
    assert kubekeep(*SCAN, "-f", "json,gitlab-sast,oscal", "-o", "out", cwd=tmp_path)[0] == 0
    names = sorted(entry.name for entry in tmp_path.iterdir())
    assert names == ["out.gitlab-sast.json", "out.json", "out.oscal.json"]
    assert b"summaryDetails" in (tmp_path / "out.json").read_bytes()
    code, _, stderr = kubekeep(*SCAN, "-f", "json,sarif", "-o", "/dev/null", cwd=tmp_path)
    assert code == 2
    assert "two formats have the same file" in stderr


def test_binary_output_is_written_to_a_pipe(tmp_path: Path) -> None:
    code, stdout, _ = kubekeep(*SCAN, "-f", "pdf", "-o", "/dev/stdout", cwd=tmp_path)
    assert code == 0
    assert len(pypdf.PdfReader(io.BytesIO(stdout)).pages) > 3
    assert not list(tmp_path.iterdir())


def test_binary_output_is_not_written_to_a_terminal(tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    try:
        run = subprocess.run(
            [sys.executable, "-m", "kubekeep", *SCAN, "-f", "pdf", "-o", os.ttyname(terminal)],
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            check=False,
            cwd=tmp_path,
        )
    finally:
        os.close(controller)
        os.close(terminal)
    assert run.returncode == 2
    assert b"pdf is not text for a terminal: name a file with --output" in run.stderr


def test_missing_library_is_reported_before_the_scan(tmp_path: Path) -> None:
    code, stdout, stderr = kubekeep(*SCAN, "-f", "pdf", cwd=tmp_path, program=("-c", WITHOUT_TYPST))
    assert (code, stdout) == (2, b"")
    assert "typst is not installed: pip install 'kubekeep[pdf]'" in stderr
    assert kubekeep(*SCAN, cwd=tmp_path, program=("-c", WITHOUT_TYPST))[0] == 0


def test_discovered_configuration_writes_no_file(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "kubekeep.yaml").write_text("format: pdf\n")
    (tmp_path / "pod.yaml").write_bytes(BAD.read_bytes())
    for words in (("scan", "control", "C-0057", "."), ("config", "check", ".")):
        code, _, stderr = kubekeep(*words, cwd=tmp_path)
        assert code == 2
        assert "kubekeep.yaml:1:1: format: the format is written to a file: name it with --output" in stderr
        assert not (tmp_path / "report.pdf").exists()
    assert kubekeep("scan", "control", "C-0057", ".", "-o", "here", cwd=tmp_path)[0] == 0
    assert kubekeep("scan", "control", "C-0057", ".", "--config", "kubekeep.yaml", cwd=tmp_path)[0] == 0
    assert (tmp_path / "here.pdf").exists()
    assert (tmp_path / "report.pdf").exists()
