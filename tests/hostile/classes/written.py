"""Files that are written: reports, fixes, new controls, configuration, exceptions and caches."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Final

from tests.hostile.member import Content, Expected, Link, Member, Run, Special, hostile_class
from tests.hostile.samples import POD, TEXTS, damage

_INPUT: Final[dict[str, Content]] = {"in/a.yaml": POD, "other": "untouched"}


def _check_other(run: Run) -> None:
    assert run.files["other"] == b"untouched"


def _write(
    name: str,
    expected: Expected,
    target: str,
    outputs: tuple[str, ...] = (),
    files: Mapping[str, Content] | None = None,
) -> Member:
    arguments = ("scan", "control", "C-0057", "in", "-f", "json", "-o", target)
    return Member(name, {**_INPUT, **(files or {})}, expected, arguments, outputs)


@hostile_class("paths of reports")
def report_paths(source: random.Random) -> Iterator[Member]:
    """Targets of reports that are links, folders, pipes or devices, or have hostile names."""
    del source
    for target in (
        "missing/r.json",
        "folder",
        "/dev/full",
        "/proc/self/mem",
        "a" * 300 + ".json",
        "other/r.json",
        "loop.json",
        ".",
    ):
        yield _write(
            f"target {target[:20]}",
            Expected.REFUSED,
            target,
            (),
            {"folder": Special.FOLDER, "loop.json": Link("loop.json")},
        )
    for target in ("/dev/null", "-", "/dev/stdout", "/dev/stderr"):
        yield _write(f"device {target}", Expected.EITHER, target)
    yield _write(
        "link to a file", Expected.READ, "l.json", ("l.json", "t.json"), {"l.json": Link("t.json"), "t.json": "old"}
    )
    yield _write("link to a new file", Expected.READ, "l.json", ("l.json", "new.json"), {"l.json": Link("new.json")})
    yield _write("link to a missing folder", Expected.REFUSED, "l.json", (), {"l.json": Link("x/new.json")})
    yield _write("socket", Expected.REFUSED, "s.json", (), {"s.json": Special.SOCKET})
    for name, text in TEXTS.items():
        target = text.replace("/", "_").replace("\x00", "").strip()[:60] or "blank"
        target = f"report{target}"
        yield _write(f"name with {name}", Expected.EITHER, target)
    yield _write("over the input", Expected.EITHER, "in/a.yaml", ("in/a.yaml",))


@hostile_class("files to fix")
def fixed_files(source: random.Random) -> Iterator[Member]:
    """Manifests with unusual syntax, damaged bytes and links, as files that `fix` changes."""
    arguments = ("fix", "control", "C-0057,C-0016,C-0013,C-0017", "in", "--yes")
    for name, content in damage(f"{POD}---\n{POD.replace('web', 'api')}".encode(), source, 24):
        yield Member(
            name,
            {"in/a.yaml": content, "other": "untouched"},
            Expected.EITHER,
            arguments,
            ("in/a.yaml",),
            check=_check_other,
        )
    tail = "    securityContext:\n      privileged: true"
    for number, text in enumerate(
        (
            "    securityContext: {privileged: true}",
            "    securityContext: &a {privileged: true}",
            "    securityContext: *a",
            "    'securityContext':\n      ? privileged\n      : true",
            '    securityContext:\n      privileged: !!bool "true"',
            "    securityContext:\n      <<: &x {privileged: true}",
            "    securityContext: {\n  privileged: true}",
            "    securityContext:\n\t privileged: true",
            "    securityContext:\n      privileged: true # \u202e",
            "    securityContext:\r\n      privileged: true\r\n",
            '    "security\\x43ontext":\n      privileged: true',
            "    securityContext:\n      privileged:\n        true",
            "    securityContext:\n      privileged: true\n      privileged: true",
            "    securityContext:\n      privileged: y\u00e9s",
            "    securityContext: {privileged: true, }",
            "    securityContext: { ? privileged : true }",
        )
    ):
        changed = POD.replace(tail, text)
        yield Member(
            f"syntax {number}",
            {"in/a.yaml": changed, "other": "untouched"},
            Expected.EITHER,
            arguments,
            ("in/a.yaml",),
            check=_check_other,
        )
    links: dict[str, Content] = {"in/a.yaml": Link("../other.yaml"), "other.yaml": POD, "other": "untouched"}
    yield Member("link out of the folder", links, Expected.REPORTED, arguments)
    yield Member(
        "patch to a folder",
        {"in/a.yaml": POD, "x": Special.FOLDER},
        Expected.REFUSED,
        ("fix", "control", "C-0057", "in", "-o", "x"),
    )
    yield Member(
        "patch to a full disk",
        {"in/a.yaml": POD},
        Expected.EITHER,
        ("fix", "control", "C-0057", "in", "-o", "/dev/full"),
    )


@hostile_class("new files")
def new_files(source: random.Random) -> Iterator[Member]:
    """Names and folders for `control new`, `init`, `exceptions add` and `baseline create`."""
    del source
    names = (
        "../x/y",
        "/x/y",
        "x",
        "x/y/z",
        "",
        "/",
        "x/",
        "/y",
        "X/Y",
        "x/y z",
        "x/..",
        "./x",
        "x/\x1b",
        "x/\u202e",
        "-/-",
        "x/privileged-container",
        "a" * 300 + "/b",
        "x/" + "a" * 300,
    )
    for number, name in enumerate(names):
        yield Member(
            f"control {number} {name[:12]!r}", {}, Expected.EITHER, ("control", "new", name, "--dir", "report")
        )
    existing: tuple[Content, ...] = (
        "x",
        Link("../secret"),
        Link("missing"),
        Special.FIFO,
        Special.FOLDER,
        Link("/dev/full"),
    )
    for content in existing:
        yield Member(f"init over {str(content)[:20]}", {"kubekeep.yaml": content}, Expected.EITHER, ("init",))
        yield Member(
            f"init of a job over {str(content)[:20]}",
            {".gitlab-ci.yml": content},
            Expected.EITHER,
            ("init", "--ci", "gitlab"),
            ("kubekeep.yaml", ".gitlab"),
        )
        add = ("exceptions", "add", "e.yaml", "--control", "C-0057", "--kind", "Pod", "--name", "web", "--reason", "r")
        yield Member(
            f"exceptions over {str(content)[:20]}", {"e.yaml": content}, Expected.EITHER, add, ("e.yaml", "missing")
        )
        create = ("baseline", "create", "in", "-o", "b.json")
        yield Member(
            f"baseline over {str(content)[:20]}",
            {"b.json": content, "in/a.yaml": POD},
            Expected.EITHER,
            create,
            ("b.json", "missing"),
        )
