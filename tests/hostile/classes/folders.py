"""Folders: links, pipes and devices, ignore files, and repositories."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.hostile.classes.manifests import check_canary
from tests.hostile.member import SCAN, Content, Expected, Link, Member, Special, hostile_class
from tests.hostile.samples import CANARY, POD, TEXTS


def _folder(name: str, expected: Expected, **files: Content) -> Member:
    entries = {f"in/{file}": content for file, content in files.items()}
    return Member(name, {**entries, "in/zz-canary.yaml": CANARY}, expected, check=check_canary)


@hostile_class("entries of folders")
def entries(source: random.Random) -> Iterator[Member]:
    """Links, pipes, sockets and devices with the names of input."""
    del source
    names = ("a.yaml", "a.json", "main.tf", "Chart.yaml", "kustomization.yaml", ".kubekeepignore", "b")
    for file in names:
        yield _folder(f"pipe {file}", Expected.EITHER if file == "b" else Expected.REPORTED, **{file: Special.FIFO})
        yield _folder(f"socket {file}", Expected.EITHER, **{file: Special.SOCKET})
        yield _folder(f"folder {file}", Expected.EITHER, **{file: Special.FOLDER})
        for target in (
            "/etc/passwd",
            "/dev/zero",
            "/dev/stdin",
            "/proc/self/environ",
            "../../../secret",
            file,
            "missing",
            "/",
            ".",
        ):
            yield _folder(f"{file} to {target}", Expected.EITHER, **{file: Link(target)})
    for target in ("..", ".", "in", "/proc", "/dev", "/", "../..", "loop"):
        yield _folder(f"folder link to {target}", Expected.EITHER, loop=Link(target))
    chain: dict[str, Content] = {f"l{n}.yaml": Link(f"l{n + 1}.yaml") for n in range(60)}
    yield _folder("chain of links", Expected.REPORTED, **chain)
    deep = "/".join(["d" * 60] * 50)
    yield _folder("deep folders", Expected.EITHER, **{f"{deep}/a.yaml": POD})
    yield _folder("many files", Expected.READ, **{f"{n}.yaml": "" for n in range(2_000)})


@hostile_class("hidden folders")
def hidden(source: random.Random) -> Iterator[Member]:
    """Folders with names that tools and volumes use: what kubectl would read is never left out in silence."""
    del source
    for name in (
        "..evil",
        "...",
        "....",
        "..data",
        "..2024_01_01_00_00_00.1",
        ".hidden",
        ".github",
        "-",
        "--help",
        "~",
        "$HOME",
        "..\u202e",
        " ",
        "\t",
        "a ",
        "..data2",
        "..20",
        "*",
        "[x]",
        "?",
        "{a,b}",
        "%2e%2e",
    ):
        mounted = name in {"..data", "..2024_01_01_00_00_00.1"}
        yield _folder(
            f"folder {name!r}", Expected.EITHER if mounted else Expected.REPORTED, **{f"{name}/a.yaml": "a: ["}
        )


@hostile_class("ignore files")
def ignore_files(source: random.Random) -> Iterator[Member]:
    """Patterns that take long to compile or match, invalid ones, and files of other types."""
    del source
    patterns = (
        "[",
        "[a",
        "[!",
        "[z-a]",
        "\\",
        "a\\",
        "**" * 500,
        "*" * 1024,
        "a" * 2_000,
        "{a,b",
        "{" * 500,
        "!" * 100,
        "!",
        "/",
        "//",
        "**/" * 300,
        "(a*)*b",
        "(" * 1000,
        "*a" * 500,
        "?" * 1024,
        "[a-z]" * 200,
        "\x00",
        "\x1b[31m",
        "\u202e",
        "\ufeff*",
        "a\rb",
        "[[:alpha:]]",
        "[[:x:]]",
    )
    for number, pattern in enumerate(patterns):
        member = Member(
            f"{number} {pattern[:20]!r}",
            {"in/.kubekeepignore": pattern, "in/" + "a" * 200 + ".yaml": POD, "in/zz-canary.yaml": CANARY},
            Expected.EITHER,
        )
        yield member
    long = "\n".join(f"*{n}*?[a-z]{'*a' * 10}" for n in range(20_000))
    for name, content in (
        ("many patterns", long),
        ("2 MiB", "a\n" * (1 << 20)),
        ("binary", bytes(range(256)) * 10),
        ("UTF-16", "*.yaml".encode("utf-16")),
        ("everything", "*"),
        ("everything again", "*\n!*\n" * 1000),
    ):
        yield Member(name, {"in/.kubekeepignore": content, "in/a.yaml": POD}, Expected.EITHER)
    for name, text in TEXTS.items():
        yield Member(f"pattern with {name}", {"in/.kubekeepignore": f"[{text}", "in/a.yaml": POD}, Expected.EITHER)
        arguments = (*SCAN, "--exclude-path", text.replace("\x00", "")[:50_000])
        yield Member(f"option with {name}", {"in/a.yaml": POD}, Expected.EITHER, arguments)


@hostile_class("broken repositories")
def repositories(source: random.Random) -> Iterator[Member]:
    """Files of Git with settings that run programs, and broken ones, for all options that use Git."""
    del source
    configs = (
        "[core]\n\tfsmonitor = touch owned",
        "[core]\n\thooksPath = .",
        "[core]\n\tsshCommand = touch owned",
        "[core]\n\tpager = touch owned",
        '[filter "a"]\n\tsmudge = touch owned\n\tclean = touch owned',
        "[include]\n\tpath = /etc/passwd",
        "[include]\n\tpath = ../../../../secret",
        "[core]\n\tworktree = /",
        "[extensions]\n\tx = y",
        "[core]\n\trepositoryformatversion = 9",
        "[",
        "\x00",
        "[a]\n" * 10_000,
        "[core]\n\tbare = maybe",
    )
    options = (
        ("--blame",),
        ("--changed-since", "HEAD"),
        ("--changed-since", "--output=owned"),
        ("--changed-since", "a..b\x1b[31m"),
    )
    for number, config in enumerate(configs):
        for option in options[: 2 if number % 2 else 4]:
            files: dict[str, Content] = {
                "in/.git/config": config,
                "in/.git/HEAD": "ref: refs/heads/main",
                "in/.git/objects/a": "",
                "in/.git/refs/a": "",
                "in/a.yaml": POD,
            }
            yield Member(f"{number} with {option}", files, Expected.EITHER, (*SCAN, *option))
    for content in (
        "gitdir: /",
        "gitdir: ../../../../..",
        "gitdir: in",
        "gitdir: .git",
        "x" * 100_000,
        "",
        Special.FIFO,
        Link("/dev/zero"),
    ):
        yield Member(
            f".git is {str(content)[:30]}", {"in/.git": content, "in/a.yaml": POD}, Expected.EITHER, (*SCAN, "--blame")
        )
