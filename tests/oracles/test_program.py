"""Build cache of Go programs: one build for concurrent processes, and no program after a failed build."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.oracles.program import NoGoError, build_program

_BUILD = "import sys; from pathlib import Path; from tests.oracles.program import build_program; print(build_program(Path(sys.argv[1])))"
_ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "hello"
    folder.mkdir()
    (folder / "go.mod").write_text("module hello\n\ngo 1.21\n")
    (folder / "main.go").write_text('package main\n\nfunc main() { println("hello") }\n')
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return variables with a separate cache and a `go` that records its calls."""
    go = shutil.which("go")
    if go is None:
        assert "CI" not in os.environ, "CI requires Go"
        pytest.skip("go is not installed")
    recorder = tmp_path / "bin" / "go"
    recorder.parent.mkdir()
    recorder.write_text(f'#!/bin/sh\necho called >>"{tmp_path}/calls"\nexec "{go}" "$@"\n')
    recorder.chmod(0o755)
    path = f"{recorder.parent}{os.pathsep}{os.environ['PATH']}"
    kept = subprocess.run([go, "env", "GOCACHE"], check=True, capture_output=True, text=True).stdout.strip()
    return os.environ | {"PATH": path, "XDG_CACHE_HOME": str(tmp_path / "cache"), "GOCACHE": kept}


def build(source: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _BUILD, str(source)],
        cwd=_ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def test_concurrent_builds_run_once(source: Path, environment: dict[str, str], tmp_path: Path) -> None:
    builders = [build(source, environment) for _ in range(3)]
    paths = [builder.communicate()[0].strip() for builder in builders]
    assert len(set(paths)) == 1
    assert subprocess.run([paths[0]], check=True, capture_output=True, text=True).stderr == "hello\n"
    assert (tmp_path / "calls").read_text() == "called\n"


def test_failed_build_leaves_no_program(source: Path, environment: dict[str, str], tmp_path: Path) -> None:
    (source / "main.go").write_text("package main\n\nfunc main() { hello }\n")
    failed = build(source, environment)
    failed.communicate()
    assert failed.returncode == 1
    assert [file.name for file in (tmp_path / "cache" / "kubekeep" / "oracles").iterdir()] == ["hello.lock"]


def test_build_flags_are_part_of_the_cache_key(
    source: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PATH", "XDG_CACHE_HOME", "GOCACHE"):
        monkeypatch.setenv(name, environment[name])
    plain, stripped = build_program(source), build_program(source, flags=["-ldflags=-s -w"])
    assert plain.stat().st_size > stripped.stat().st_size


def test_missing_go_is_an_error(source: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(NoGoError, match="go is not installed"):
        build_program(source)
