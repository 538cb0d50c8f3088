"""Build cache of Go programs: one build for concurrent processes, and no program after a failed build."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.oracles.__main__ import build_programs
from tests.oracles.program import GoProgram, NoGoError

_BUILD = "import sys; from pathlib import Path; from tests.oracles.program import GoProgram; print(GoProgram(Path(sys.argv[1])).build())"
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
    """Return variables with a separate cache and a `go` that records the names of its commands."""
    go = shutil.which("go")
    if go is None:
        assert "CI" not in os.environ, "CI requires Go"
        pytest.skip("go is not installed")
    recorder = tmp_path / "bin" / "go"
    recorder.parent.mkdir()
    recorder.write_text(f'#!/bin/sh\necho "$1" >>"{tmp_path}/calls"\nexec "{go}" "$@"\n')
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
    assert (tmp_path / "calls").read_text().split().count("build") == 1


def test_failed_build_leaves_no_program(source: Path, environment: dict[str, str], tmp_path: Path) -> None:
    (source / "main.go").write_text("package main\n\nfunc main() { hello }\n")
    failed = build(source, environment)
    failed.communicate()
    assert failed.returncode == 1
    assert [file.name for file in (tmp_path / "cache" / "kubekeep" / "oracles").iterdir()] == ["hello.lock"]


def test_download_that_fails_is_repeated(source: Path, environment: dict[str, str], tmp_path: Path) -> None:
    """The first command that reads modules fails, as one without a network does."""
    recorder = tmp_path / "bin" / "go"
    failure = f'if [ "$1" = list ] && mkdir "{tmp_path}/failed" 2>/dev/null; then exit 1; fi\n'
    recorder.write_text(recorder.read_text().replace("exec", f"{failure}exec"))
    builder = build(source, environment)
    path = builder.communicate()[0].strip()
    assert (tmp_path / "calls").read_text().split() == ["env", "list", "list", "build"]
    assert subprocess.run([path], check=True, capture_output=True, text=True).stderr == "hello\n"


@pytest.fixture
def cache(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PATH", "XDG_CACHE_HOME", "GOCACHE"):
        monkeypatch.setenv(name, environment[name])


@pytest.mark.usefixtures("cache")
def test_build_flags_are_part_of_the_cache_key(source: Path) -> None:
    plain, stripped = GoProgram(source).build(), GoProgram(source, flags=("-ldflags=-s -w",)).build()
    assert plain.stat().st_size > stripped.stat().st_size


@pytest.mark.usefixtures("cache")
def test_every_source_file_of_the_main_package_is_part_of_the_cache_key(source: Path) -> None:
    (source / "main.go").write_text("package main\n\nfunc main() { println(greeting) }\n")
    outputs = []
    for greeting in ("hello", "goodbye"):
        (source / "greeting.go").write_text(f'package main\n\nconst greeting = "{greeting}"\n')
        outputs.append(subprocess.run([GoProgram(source).build()], check=True, capture_output=True, text=True).stderr)
    assert outputs == ["hello\n", "goodbye\n"]


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("name", ["go.mod", "go.sum"])
def test_versions_of_modules_are_part_of_the_cache_key(name: str, source: Path) -> None:
    before = GoProgram(source).find()
    with (source / name).open("a") as file:
        file.write("\n")
    assert GoProgram(source).find() != before


@pytest.mark.usefixtures("cache")
def test_package_is_part_of_the_cache_key(source: Path) -> None:
    paths = {GoProgram(source, package).find() for package in ("example.com/a", "example.com/b")}
    assert {path.name.rpartition("-")[0] for path in paths} == {"hello"}
    assert len(paths) == 2


@pytest.mark.usefixtures("cache")
def test_version_of_the_compiler_is_part_of_the_cache_key(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The compiler is the one that Go selects in the folder, whose go.mod may name a toolchain."""
    before, version = GoProgram(source).find(), GoProgram(source).version
    newer = tmp_path / "newer" / "go"
    newer.parent.mkdir()
    newer.write_text(f'#!/bin/sh\n[ "$1 $2" = "env GOVERSION" ] && [ "$PWD" = "{source}" ] && echo go9.99.9\n')
    newer.chmod(0o755)
    monkeypatch.setenv("PATH", f"{newer.parent}{os.pathsep}{os.environ['PATH']}")
    assert GoProgram(source).find() != before
    assert GoProgram(source).version == version


def test_missing_go_is_an_error(source: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(NoGoError, match="go is not installed"):
        GoProgram(source).build()


@pytest.mark.usefixtures("cache")
def test_command_builds_what_is_missing(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [build_programs([GoProgram(source)]) for _ in range(2)] == [0, 0]
    first, second = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"hello: built in \d+ s", first)
    assert second == "hello: present"


@pytest.mark.usefixtures("cache")
def test_command_builds_the_other_programs_after_a_failure(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(source, broken)
    (broken / "main.go").write_text("package main\n\nfunc main() { hello }\n")
    assert build_programs([GoProgram(broken), GoProgram(source)]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("broken: not built: ")
    assert first.endswith(f"; sources: {broken}")
    assert second.startswith("hello: built in ")
