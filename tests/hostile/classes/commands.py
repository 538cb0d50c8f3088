"""Command lines, variables of the environment, and standard input."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from tests.hostile.member import SCAN, Content, Expected, Member, hostile_class
from tests.hostile.samples import POD, TEXTS, damage

_INPUT: Final[dict[str, Content]] = {"in/a.yaml": POD}
_OPTIONS: Final = (
    "--framework",
    "--exclude-controls",
    "--kubernetes-version",
    "--severity-threshold",
    "--max-failures",
    "--compliance-threshold",
    "--fail-coverage-below",
    "--include-namespaces",
    "--exclude-kinds",
    "--label-selector",
    "--exclude-path",
    "--changed-since",
    "--branch",
    "--exception-set",
    "--set",
    "--release-name",
    "--cloud-cluster",
    "--format",
    "--view",
    "--min-severity",
)
_COMMANDS: Final = (
    "explain",
    "search",
    "list",
    "paths",
    "config",
    "control",
    "library",
    "completion",
    "version",
    "diff",
    "exceptions",
    "baseline",
    "init",
    "kubescape",
)


def _argument(text: str) -> str:
    return text.replace("\x00", "")[:20_000]


@hostile_class("values of options")
def options(source: random.Random) -> Iterator[Member]:
    """Options with texts of every kind."""
    del source
    for option in _OPTIONS:
        for name in ("terminal", "right to left", "workflow command", "long marks", "path", "spaces"):
            yield Member(
                f"{option} with {name}",
                _INPUT,
                Expected.EITHER,
                ("scan", "control", "C-0057", "in", option, _argument(TEXTS[name])),
            )
    for name, text in TEXTS.items():
        yield Member(f"control {name}", _INPUT, Expected.REFUSED, ("scan", "control", _argument(text), "in"))
        yield Member(f"workload {name}", _INPUT, Expected.EITHER, ("scan", "workload", _argument(text), "in"))
        yield Member(f"path {name}", {}, Expected.REPORTED, ("scan", "control", "C-0057", f"x{_argument(text)}"))


@hostile_class("selectors")
def selectors(source: random.Random) -> Iterator[Member]:
    """Selectors, limits and patterns that are invalid or take long to match."""
    del source
    for option, values in (
        (
            "--label-selector",
            (
                "a in (",
                "a in ()",
                "!",
                "a=b,,",
                "a==b==c",
                "," * 10_000,
                "a in (" + "b," * 10_000 + ")",
                "\u202e=a",
                "(a)",
            ),
        ),
        ("--include-namespaces", ("*" * 2_000, "[", "[!", "a" * 100_000, "{a,b}", "\\", "?" * 1_000 + "*" * 1_000)),
        (
            "--max-failures",
            (
                "=",
                "high=",
                "high=-1",
                "high=1e9",
                "high=nan",
                "x=1",
                "high=1,high=2",
                "9" * 5_000,
                "high=" + "9" * 5_000,
            ),
        ),
        ("--compliance-threshold", ("nan", "inf", "-1", "101", "1e400", "a=b=c", "0x10", "\u0661", "9" * 5_000)),
        ("--kubernetes-version", ("1", "1.", "1.999", "v1.30", "1.30.0.0", "-1.30", "1." + "9" * 5_000, "\u0661.30")),
    ):
        for number, value in enumerate(values):
            yield Member(f"{option} {number} {value[:20]!r}", _INPUT, Expected.EITHER, (*SCAN, option, value))


@hostile_class("names for commands")
def command_names(source: random.Random) -> Iterator[Member]:
    """Arguments of all commands with texts of every kind."""
    del source
    for command in _COMMANDS:
        for name in ("terminal", "right to left", "path", "lines"):
            yield Member(
                f"{command} {name}",
                _INPUT,
                Expected.EITHER,
                (command, _argument(TEXTS[name])),
                outputs=("kubekeep.yaml", ".", "\x1b"),
            )
    for name, text in TEXTS.items():
        yield Member(f"explain {name}", {}, Expected.EITHER, ("explain", _argument(text)))
        yield Member(f"search {name}", {}, Expected.EITHER, ("search", _argument(text)))
        yield Member(f"exceptions check {name}", {}, Expected.EITHER, ("exceptions", "check", _argument(text)))


@hostile_class("command lines of Kubescape")
def kubescape(source: random.Random) -> Iterator[Member]:
    """Flags of Kubescape in random order, with missing values and texts of every kind."""
    flags = (
        "scan",
        "framework",
        "control",
        "nsa",
        "C-0057",
        "in",
        "--format",
        "json",
        "--output",
        "report",
        "-v",
        "--exceptions",
        "--controls-config",
        "--keep-local",
        "--submit",
        "--account",
        "x",
        "--fail-threshold",
        "150",
        "-t",
        "--compliance-threshold=",
        "--severity-threshold=",
        "=",
        "--",
        "-",
        "--format-version",
        "v2",
        "list",
        "fix",
        "diff",
        "workload",
        "Pod/web",
        "--enable-host-scan=maybe",
    )
    texts = list(TEXTS.values())
    for number in range(40):
        words = source.sample(flags, source.randrange(1, 9))
        if number % 4 == 0:
            words.append(_argument(source.choice(texts)))
        yield Member(
            f"{number} {' '.join(words)[:60]!r}",
            _INPUT,
            Expected.EITHER,
            ("kubescape", *words),
            environment={"KUBECONFIG": "/nonexistent"},
        )


@hostile_class("environment")
def environment(source: random.Random) -> Iterator[Member]:
    """Variables that the command reads, with texts of every kind."""
    del source
    variables = (
        "KUBECONFIG",
        "COLUMNS",
        "NO_COLOR",
        "FORCE_COLOR",
        "TERM",
        "LANG",
        "XDG_CACHE_HOME",
        "GITHUB_TOKEN",
        "HTTPS_PROXY",
        "RAYON_NUM_THREADS",
        "CI",
        "GITHUB_STEP_SUMMARY",
        "DOCKER_CONFIG",
        "SSL_CERT_FILE",
    )
    for variable in variables:
        for name in ("terminal", "path", "number", "lines"):
            yield Member(
                f"{variable} with {name}",
                _INPUT,
                Expected.READ,
                ("scan", "control", "C-0057", "in", "-f", "json", "-o", "report"),
                environment={variable: _argument(TEXTS[name])},
            )
    for columns in ("0", "-1", "1", "99999999999", "x", "1e3", "9" * 5_000):
        yield Member(
            f"COLUMNS {columns[:12]}",
            _INPUT,
            Expected.READ,
            ("scan", "control", "C-0057", "in"),
            environment={"COLUMNS": columns},
        )
    for threads in ("0", "-1", "100000000", "x"):
        yield Member(
            f"RAYON_NUM_THREADS {threads}",
            _INPUT,
            Expected.READ,
            ("scan", "control", "C-0057", "in"),
            environment={"RAYON_NUM_THREADS": threads},
        )


@hostile_class("standard input")
def standard_input(source: random.Random) -> Iterator[Member]:
    """Manifests, archives and other bytes on standard input."""
    arguments = ("scan", "control", "C-0057", "-", "-f", "json", "-o", "report")
    for name, content in damage(POD.encode(), source, 20):
        yield Member(name, {}, Expected.EITHER, arguments, stdin=content)
    for name, text in TEXTS.items():
        yield Member(name, {}, Expected.REPORTED, arguments, stdin=text.encode("utf-8", "surrogatepass"))
    for content in (b"", b"\x00" * 1_000, b"PK\x03\x04", b"\x1f\x8b", b"[" * 100_000, b" " * (33 << 20), b"\xff" * 100):
        yield Member(f"bytes {content[:6]!r}", {}, Expected.REPORTED, arguments, stdin=content)
    yield Member(
        "twice",
        {},
        Expected.EITHER,
        ("scan", "control", "C-0057", "-", "-", "-f", "json", "-o", "report"),
        stdin=POD.encode(),
    )
