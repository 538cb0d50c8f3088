"""Ignore files compared with git, for generated and hostile patterns, trees and files."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kubekeep._native import IgnorePatterns
from kubekeep.sources.ignore import MOST_BYTES, MOST_PATTERN, MOST_PATTERNS, MOST_WILDCARDS, NAMES, Ignores

TREE = (
    *("a", "b.yaml", "ab/a", "ab/b", "ab/a.yaml", "foo/a b", "foo/ab/a", "foo/ab/b.yaml", "foo/ab/ba/a", "foo/ab/ba/]"),
    *("-/a", "-/-", "-/foo/b", "-/foo/foo.yaml", "b/a/b/a/b", "b/a/b/a/a.b", "b/]", "b/a.b/ab", "b/b/#", "b/!a"),
)
ATOMS = (
    *(
        "a",
        "b",
        "ab",
        "foo",
        ".yaml",
        "-",
        "#",
        "!",
        " ",
        "*",
        "**",
        "?",
        "/",
        "**/",
        "/**",
        "/**/",
        "\\a",
        "\\*",
        "\\ ",
    ),
    *("[ab]", "[!a]", "[^b]", "[a-b]", "[b-a]", "[]a]", "[!]a]", "[a-]", "[--0]", "[!-]", "[a", "[", "]"),
    *("[[:alpha:]]", "[![:punct:]]", "[[:a]", "[a-[:digit:]]", "\t"),
)
LINES = st.lists(st.lists(st.sampled_from(ATOMS), min_size=1, max_size=5).map("".join), max_size=5)


def is_comparable(line: str) -> bool:
    """Return False for patterns that versions of git or the library treat differently (ADR 22)."""
    _, problems = IgnorePatterns.parse([line])
    asterisks = any("**" in name and name != "**" for name in line.removeprefix("!").split("/"))
    return not problems and not asterisks and "\\/" not in line and "//" not in line


def ignored_below(folder: Path, patterns: tuple[str, ...] = ()) -> set[str]:
    """Return all ignored paths below a folder, queried in the order of a walk."""
    ignores = Ignores(str(folder), patterns)
    ignored_paths = set()
    for path in sorted(folder.rglob("*")):
        if ".git" not in path.parts and path.name not in {*NAMES, ".gitignore"}:
            is_folder = path.is_dir() and not path.is_symlink()
            if ignores.ignored(str(path), is_folder=is_folder):
                ignored_paths.add(path.relative_to(folder).as_posix())
    return ignored_paths


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    git(folder, "init", "--quiet")
    for name in TREE:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def git(folder: Path, *arguments: str, input: str = "") -> str:
    program = shutil.which("git")
    assert program
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    command = [program, "-C", str(folder), *arguments]
    return subprocess.run(command, input=input, capture_output=True, text=True, env=environment, check=False).stdout


def ignored_by_git(folder: Path) -> set[str]:
    paths = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if ".git" not in path.parts]
    queries = "\0".join(path for path in paths if Path(path).name not in {*NAMES, ".gitignore"})
    return set(git(folder, "check-ignore", "--no-index", "--stdin", "-z", input=queries).split("\0")) - {""}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(["", "ab", "foo", "foo/ab", "b", "b/a"]), LINES, min_size=1, max_size=3))
@example({"": ["*", "!foo/", "!foo/*.yaml"], "foo": ["!ab", "*.yaml"]})
@example({"": ["foo**/b", "b/**", "!/**"], "b/a": ["/b/"]})
@example({"": ["**/?*[^b][!a]", "ab/**/"]})
def test_ignored_files_equal_git(repository: Path, files: dict[str, list[str]]) -> None:
    files = {folder: [line for line in lines if is_comparable(line)] for folder, lines in files.items()}
    written = [repository / folder / name for folder in files for name in (NAMES[1], ".gitignore")]
    for file in written:
        folder = file.parent.relative_to(repository).as_posix()
        file.write_text("\n".join(files["" if folder == "." else folder]), newline="")
    try:
        assert ignored_below(repository) == ignored_by_git(repository)
    finally:
        for file in written:
            file.unlink()


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_line_ends_and_byte_order_mark_are_accepted(tmp_path: Path, ending: str) -> None:
    (tmp_path / ".kubekeepignore").write_text(f"\ufeff# mine{ending}{ending}a.yaml  {ending}b\\ {ending}", newline="")
    for name in ("a.yaml", "b ", "b", "c.yaml"):
        (tmp_path / name).touch()
    assert ignored_below(tmp_path) == {"a.yaml", "b "}


def test_names_that_are_not_unicode_are_matched(tmp_path: Path) -> None:
    (tmp_path / ".kubekeepignore").write_bytes(b"caf\xe9*\n")
    ignores = Ignores(str(tmp_path))
    assert ignores.ignored(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.yaml"), is_folder=False)
    assert not ignores.ignored(str(tmp_path / "café.yaml"), is_folder=False)


def test_precedence_of_patterns(tmp_path: Path) -> None:
    """Precedence: command line before files, deeper folders before higher ones, ours before Kubescape's."""
    (tmp_path / "deploy" / "dev").mkdir(parents=True)
    for name in ("a.yaml", "deploy/a.yaml", "deploy/b.yaml", "deploy/c.yaml", "deploy/dev/a.yaml"):
        (tmp_path / name).touch()
    (tmp_path / ".kubescapeignore").write_text("a.yaml\nb.yaml\n")
    (tmp_path / ".kubekeepignore").write_text("!b.yaml\n")
    (tmp_path / "deploy" / ".kubescapeignore").write_text("!a.yaml\n/c.yaml\n")
    assert ignored_below(tmp_path) == {"a.yaml", "deploy/c.yaml"}
    assert ignored_below(tmp_path, ("!c.yaml", "/deploy/a.yaml")) == {"a.yaml", "deploy/a.yaml"}
    assert ignored_below(tmp_path, ("**/dev/",)) == {"a.yaml", "deploy/c.yaml", "deploy/dev", "deploy/dev/a.yaml"}


def test_working_folder_without_ignore_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".kubekeepignore").write_text("a.yaml\n")
    assert Ignores(".").ignored("a.yaml", is_folder=False)
    assert Ignores(".").ignored(os.path.join("deploy", "a.yaml"), is_folder=False)  # noqa: PTH118 - as typed
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / ".kubekeepignore").write_text("/b.yaml\n")
    for root in ("deploy", "./deploy/", "./deploy/.", "x/../deploy"):
        assert Ignores(root).ignored(os.path.join("deploy", "b.yaml"), is_folder=False)  # noqa: PTH118 - as typed
    without = Ignores(".", ["b.yaml"], files=False)
    assert not without.ignored("a.yaml", is_folder=False)
    assert without.ignored("b.yaml", is_folder=False)


def test_ignored_files_are_counted(tmp_path: Path) -> None:
    for name in ("a.yaml", "vendor/b.yaml", "vendor/more/c.yaml", "d.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    ignores = Ignores(str(tmp_path), ["a.yaml", "vendor"])
    assert ignores.ignored(str(tmp_path / "a.yaml"), is_folder=False)
    assert ignores.ignored(str(tmp_path / "vendor"), is_folder=True)
    assert ignores.ignored(str(tmp_path / "vendor"), is_folder=True)
    assert not ignores.ignored(str(tmp_path / "d.yaml"), is_folder=False)
    assert (ignores.counts.files, ignores.counts.folders) == (1, 1)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[ab", "unclosed character class; missing ']'"),
        ("[a\\", "unclosed character class; missing ']'"),
        ("[[:alpha", "unclosed character class; missing ']'"),
        ("[b-a]", "invalid range; 'b' > 'a'"),
        ("a\\", "dangling '\\'"),
        ("!", "the pattern is empty"),
        ("/", "the pattern is empty"),
        ("a" * (MOST_PATTERN + 1), "longer than 1024 characters"),
    ],
)
def test_invalid_patterns_are_reported(tmp_path: Path, line: str, reason: str) -> None:
    (tmp_path / ".kubekeepignore").write_text(f"a.yaml\n{line}\n")
    ignores = Ignores(str(tmp_path))
    assert ignores.ignored(str(tmp_path / "a.yaml"), is_folder=False)
    (problem,) = ignores.problems
    assert str(problem.location) == f"{tmp_path}/.kubekeepignore:2"
    assert problem.message == f"this pattern has no effect: {line[:80]}: {reason}"
    (problem,) = Ignores(str(tmp_path), [line], files=False).problems
    assert str(problem.location) == "--exclude-path"


def test_many_invalid_lines_are_summarised(tmp_path: Path) -> None:
    (tmp_path / ".kubekeepignore").write_text("[\n" * 5000)
    ignores = Ignores(str(tmp_path))
    assert not ignores.ignored(str(tmp_path / "a"), is_folder=False)
    assert len(ignores.problems) == 11
    assert ignores.problems[-1].message == "4990 more patterns without effect"


def test_links_and_special_files_are_not_ignore_files(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("*\n")
    for name in ("link", "dangling", "folder", "pipe", "large"):
        (tmp_path / name).mkdir()
    (tmp_path / "link" / ".kubekeepignore").symlink_to("../list")
    (tmp_path / "dangling" / ".kubekeepignore").symlink_to("nowhere")
    (tmp_path / "folder" / ".kubekeepignore").mkdir()
    os.mkfifo(tmp_path / "pipe" / ".kubekeepignore")
    (tmp_path / "large" / ".kubekeepignore").write_text("*\n" * (MOST_BYTES // 2 + 1))
    ignores = Ignores(str(tmp_path))
    for name in ("link", "dangling", "folder", "pipe", "large"):
        assert not ignores.ignored(str(tmp_path / name / "a.yaml"), is_folder=False)
    assert [(str(problem.location), problem.message) for problem in ignores.problems] == [
        (f"{tmp_path}/{name}/.kubekeepignore", f"cannot be read, has no effect: {reason}")
        for name, reason in (
            ("link", "symbolic link: not followed"),
            ("dangling", "symbolic link: not followed"),
            ("folder", "not a regular file"),
            ("pipe", "not a regular file"),
            ("large", "larger than 1048576 bytes"),
        )
    ]


def test_number_of_patterns_is_limited(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / ".kubekeepignore").write_text("".join(f"name-{i}\n" for i in range(MOST_PATTERNS - 1)))
    (tmp_path / "below" / ".kubekeepignore").write_text("one\ntwo\n")
    ignores = Ignores(str(tmp_path))
    assert ignores.ignored(str(tmp_path / "below" / "one"), is_folder=False)
    assert ignores.ignored(str(tmp_path / "below" / "name-9000"), is_folder=False)
    assert not ignores.ignored(str(tmp_path / "below" / "two"), is_folder=False)
    (problem,) = ignores.problems
    assert str(problem.location) == f"{tmp_path}/below/.kubekeepignore:2"
    assert problem.message == "more than 10000 patterns: the remaining patterns have no effect"


def test_too_many_wildcards(tmp_path: Path) -> None:
    """Compiled, these patterns would take half a gigabyte."""
    (tmp_path / ".kubekeepignore").write_text("".join("*a?" * 300 + f"{i}\n" for i in range(1000)))
    ignores = Ignores(str(tmp_path))
    assert ignores.ignored(str(tmp_path / ("ab" * 300 + "32")), is_folder=False)
    assert not ignores.ignored(str(tmp_path / ("ab" * 300 + "33")), is_folder=False)
    (problem,) = ignores.problems
    assert str(problem.location) == f"{tmp_path}/.kubekeepignore:34"
    assert problem.message == f"more than {MOST_WILDCARDS} wildcards: the remaining patterns have no effect"


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*" + "a*" * 500 + "b", "a" * 255),
        ("**/" + "a/**/" * 160 + "b", "a/" * 2000 + "c"),
        ("**/" + "*a/" * 300 + "b", ("a" * 200 + "/") * 20 + "c"),
        ("**/" + "a*" * 500 + "b", ("a" * 255 + "/") * 16 + "c"),
        ("*" + "?" * 200 + "*" + "[!b]" * 50 + "b", "a" * 255),
        ("**/" * 300 + "b", "a/" * 2000 + "c"),
    ],
)
def test_hostile_patterns_match_in_linear_time(pattern: str, path: str) -> None:
    """With backtracking, each of these patterns takes years."""
    patterns, problems = IgnorePatterns.parse([pattern])
    assert patterns.verdict(path, False) is None
    assert problems == []
