"""Files fetched by URL, and repositories of Git."""

from __future__ import annotations

import functools
import gzip
import os
import random
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.hostile.member import REPORT, Expected, Member, hostile_class
from tests.hostile.samples import POD, TEXTS, damage, gzip_bomb
from tests.hostile.server import Answer, add_site, get_port, serve_one

_POD: Final = POD.encode()
_YAML: Final = {"Content-Type": "application/yaml"}
_CHUNKED: Final[Mapping[str, str | None]] = {"Transfer-Encoding": "chunked", "Content-Length": None}
_GZIP: Final = {"Content-Encoding": "gzip"}
_METADATA: Final = "http://169.254.169.254/latest/meta-data/"


def _fetch(name: str, site: int, expected: Expected, file: str = "pod.yaml") -> Member:
    url = f"http://127.0.0.1:{get_port()}/{site}/{file}"
    environment = {"TEST_PORT": str(get_port())}
    return Member(name, {}, expected, ("scan", "control", "C-0057", url, *REPORT), environment=environment)


@hostile_class("bodies of a URL")
def bodies(source: random.Random) -> Iterator[Member]:
    """Bodies that are cut off, endless, compressed, slow, or no manifest, with wrong lengths and headers."""
    yield _fetch("valid", serve_one(Answer(_POD, headers=_YAML)), Expected.EITHER)
    length = str(len(_POD))
    answers: dict[str, tuple[Expected, Answer]] = {
        "cut off": (Expected.REPORTED, Answer(_POD[:50], headers={"Content-Length": length})),
        "cut off by one": (Expected.REPORTED, Answer(_POD, headers={"Content-Length": str(len(_POD) + 1)})),
        "longer than declared": (Expected.EITHER, Answer(_POD * 2, headers={"Content-Length": length})),
        "negative length": (Expected.EITHER, Answer(_POD, headers={"Content-Length": "-1"})),
        "text as length": (Expected.EITHER, Answer(_POD, headers={"Content-Length": "x"})),
        "huge length": (Expected.REPORTED, Answer(_POD, headers={"Content-Length": "9" * 25})),
        "length of 1 TiB": (Expected.REPORTED, Answer(_POD, headers={"Content-Length": str(1 << 40)})),
        "length and chunks": (Expected.EITHER, Answer(_POD, headers={"Transfer-Encoding": "chunked"})),
        "chunk of no size": (Expected.REPORTED, Answer(b"zz\r\nabc\r\n0\r\n\r\n", headers=_CHUNKED)),
        "chunk of negative size": (Expected.REPORTED, Answer(b"-5\r\nabc\r\n0\r\n\r\n", headers=_CHUNKED)),
        "chunk of 2**64": (Expected.REPORTED, Answer(b"ffffffffffffffffff\r\nabc", headers=_CHUNKED)),
        "no last chunk": (Expected.REPORTED, Answer(b"3\r\nabc\r\n", headers=_CHUNKED)),
        "endless chunks": (
            Expected.REPORTED,
            Answer(b"10000\r\n" + b" " * 0x10000 + b"\r\n", headers=_CHUNKED, repeat=1_000),
        ),
        "endless trailer": (Expected.EITHER, Answer(b"0\r\n" + b"a: b\r\n" * 1_000, headers=_CHUNKED, repeat=100)),
        "no end": (Expected.REPORTED, Answer(b"x" * 65_536, headers={"Content-Length": None}, repeat=1_000)),
        "bomb": (Expected.REPORTED, Answer(gzip_bomb(), headers=_GZIP)),
        "bomb in a bomb": (Expected.REPORTED, Answer(gzip.compress(gzip_bomb()), headers=_GZIP)),
        "declared twice": (
            Expected.REPORTED,
            Answer(gzip.compress(gzip.compress(_POD)), headers={"Content-Encoding": "gzip, gzip"}),
        ),
        "not compressed": (Expected.REPORTED, Answer(_POD, headers=_GZIP)),
        "half compressed": (Expected.REPORTED, Answer(gzip.compress(_POD)[:-9], headers=_GZIP)),
        "two compressed parts": (Expected.REPORTED, Answer(gzip.compress(_POD) + b"x", headers=_GZIP)),
        "deflate": (Expected.REPORTED, Answer(zlib.compress(_POD), headers={"Content-Encoding": "deflate"})),
        "brotli": (Expected.REPORTED, Answer(_POD, headers={"Content-Encoding": "br"})),
        "encoding with controls": (Expected.REPORTED, Answer(_POD, headers={"Content-Encoding": "\x1b[31m"})),
        "HTML": (Expected.REPORTED, Answer(b"<!DOCTYPE html><html>" + _POD)),
        "HTML by type": (Expected.REPORTED, Answer(_POD, headers={"Content-Type": "text/html"})),
        "HTML behind spaces": (Expected.REPORTED, Answer(b" " * 400 + b"<html>")),
        "UTF-16 as UTF-8": (
            Expected.EITHER,
            Answer(POD.encode("utf-16-le"), headers={"Content-Type": "text/yaml; charset=utf-8"}),
        ),
        "Latin-1": (
            Expected.REPORTED,
            Answer(_POD.replace(b"nginx", b"ngin\xe9"), headers={"Content-Type": "text/yaml; charset=latin-1"}),
        ),
        "unknown charset": (Expected.EITHER, Answer(_POD, headers={"Content-Type": "text/yaml; charset=\x1b[31m"})),
        "empty": (Expected.REPORTED, Answer(b"")),
        "33 MiB": (Expected.REPORTED, Answer(b" " * (33 << 20))),
        "slow": (Expected.EITHER, Answer(_POD[:60], pause=0.02)),
        "header of 1 MB": (Expected.REPORTED, Answer(_POD, headers={"X": "y" * 1_000_000})),
        "many headers": (Expected.EITHER, Answer(_POD, headers={f"X-{n}": "y" for n in range(5_000)})),
        "header with a line": (Expected.EITHER, Answer(_POD, headers={"X": "a\r\nY: b\r\n\r\nz"})),
        "header with a null": (Expected.EITHER, Answer(_POD, headers={"X": "a\x00b"})),
        "archive": (Expected.EITHER, Answer(b"\x1f\x8b" + bytes(100))),
    }
    for name, (expected, answer) in answers.items():
        yield _fetch(name, serve_one(answer), expected)
    for status in (100, 199, 204, 206, 226, 300, 304, 400, 401, 404, 407, 418, 429, 500, 503, 599, 600, 999):
        yield _fetch(f"status {status}", serve_one(Answer(_POD, status)), Expected.REPORTED)
    for name, content in damage(_POD, source, 12):
        yield _fetch(name, serve_one(Answer(content)), Expected.EITHER)
    for file in (
        "a.tgz",
        "a.zip",
        "a.tar.gz",
        "a%00.yaml",
        "..%2f..%2fa.yaml",
        "%1b%5b31m.yaml",
        "a" * 3_000 + ".yaml",
        ".yaml",
        "a.json",
    ):
        yield _fetch(f"file {file[:20]}", serve_one(Answer(_POD)), Expected.EITHER, file)


@hostile_class("redirects of a URL")
def redirects(source: random.Random) -> Iterator[Member]:
    """Redirects to other schemes, metadata services, themselves and nowhere."""
    del source
    port = get_port()
    targets = (
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "file://localhost/etc/passwd",
        _METADATA,
        "http://[::ffff:a9fe:a9fe]/",
        "http://[fd00:ec2::254]/",
        "http://0.0.0.0/",
        "http://[::]/",
        "http://100.100.100.200/",
        "http://224.0.0.1/",
        "ftp://127.0.0.1/",
        "gopher://127.0.0.1/",
        "unix:///var/run/docker.sock",
        "http+unix://x/",
        "javascript:alert(1)",
        "data:text/yaml,a",
        "//169.254.169.254/",
        "\\\\169.254.169.254\\a",
        "http:169.254.169.254",
        "",
        "/",
        "?",
        "#",
        "http://",
        "http://[",
        "http://%31%36%39.254.169.254/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:x/",
        "x" * 100_000,
        "\x1b[31m",
        "\u202e",
        f"http://user:password@127.0.0.1:{port}/x/",
        "http://2852039166/",
        "http://0xa9fea9fe/",
        "http://0251.0376.0251.0376/",
        "http://169.254.43518/",
    )
    for number, target in enumerate(targets):
        moved = Answer(
            status=(301, 302, 303, 307, 308)[number % 5], headers={"Location": target.encode().decode("latin-1")}
        )
        yield _fetch(f"{number} to {target[:40]!r}", serve_one(moved), Expected.REPORTED)
    for length in (1, 4, 6, 50):
        yield _fetch(f"{length} steps", _add_chain(length), Expected.EITHER if length < 6 else Expected.REPORTED)
    yield _fetch(
        "two locations",
        serve_one(Answer(status=302, headers={"Location": "/x", "location": _METADATA})),
        Expected.REPORTED,
    )
    yield _fetch(
        "redirect with a body",
        serve_one(Answer(b"x" * 65_536, 302, {"Location": _METADATA}, repeat=1_000)),
        Expected.REPORTED,
    )
    yield _fetch("refresh", serve_one(Answer(_POD, headers={"Refresh": f"0; url={_METADATA}"})), Expected.EITHER)


def _add_chain(length: int) -> int:
    """Return a site that redirects `length` times before it answers."""

    def answer(_: str, path: str) -> Answer:
        step = int(path.partition("-")[2] or 0)
        return Answer(_POD) if step >= length else Answer(status=302, headers={"Location": f"pod.yaml-{step + 1}"})

    return add_site(answer)


# Git

_IDENTITY: Final = {f"GIT_{who}_{what}": "a" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
_ENVIRONMENT: Final = {
    **_IDENTITY,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "PATH": os.environ["PATH"],
}
_FILE, _PROGRAM, _LINK, _TREE, _MODULE = "100644", "100755", "120000", "040000", "160000"
_Entry = tuple[str, str, str | bytes | Sequence["_Entry"]]
"""Mode, name, and content or entries."""


class _Repository:
    """A bare repository in which objects are written one by one, so that no check of git applies."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._digests: dict[bytes, str] = {}
        self.git("init", "--quiet", "--bare", "--template=", "--initial-branch=main", ".")

    def git(self, *arguments: str, content: bytes = b"") -> str:
        """Run git and return its output."""
        result = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=_ENVIRONMENT, input=content, capture_output=True, check=True
        )
        return result.stdout.decode().strip()

    def write_tree(self, entries: Sequence[_Entry]) -> str:
        """Write a tree as it is, with names that git refuses."""
        tree = bytearray()
        for mode, name, content in entries:
            if mode == _MODULE:
                digest = "a" * 40
            elif mode == _TREE and not isinstance(content, str | bytes):
                digest = self.write_tree(content)
            else:
                body = content.encode() if isinstance(content, str) else content
                assert isinstance(body, bytes)
                digest = self._write_file(body)
            tree += f"{mode.lstrip('0')} {name}".encode("utf-8", "surrogateescape") + b"\0" + bytes.fromhex(digest)
        return self.git("hash-object", "-w", "--literally", "-t", "tree", "--stdin", content=bytes(tree))

    def _write_file(self, content: bytes) -> str:
        digest = self._digests.get(content)
        if digest is None:
            digest = self._digests[content] = self.git("hash-object", "-w", "--stdin", content=content)
        return digest

    def read_files(self) -> dict[str, bytes]:
        """Return the files of the repository by path."""
        root = Path(self.folder)
        return {f"r.git/{file.relative_to(root)}": file.read_bytes() for file in root.rglob("*") if file.is_file()}


def _build(entries: Sequence[_Entry]) -> dict[str, bytes]:
    """Return the files of a repository whose only commit has `entries` and a Pod."""
    with tempfile.TemporaryDirectory() as folder:
        repository = _Repository(folder)
        tree = repository.write_tree([*entries, (_FILE, "zz.yaml", POD)])
        commit = repository.git("commit-tree", "-m", "a", tree)
        repository.git("update-ref", "refs/heads/main", commit)
        return repository.read_files()


def _clone(
    name: str, files: Mapping[str, bytes], expected: Expected = Expected.EITHER, suffix: str = "", *options: str
) -> Member:
    arguments = ("scan", "control", "C-0057", f"file://{{work}}/r.git{suffix}", *REPORT, *options)
    return Member(name, files, expected, arguments)


def _clone_built(
    name: str, entries: Sequence[_Entry], expected: Expected = Expected.EITHER, suffix: str = ""
) -> Callable[[], Member]:
    """Return a function that builds a repository with the entries, which takes some processes, and the member."""
    return lambda: _clone(name, _build(entries), expected, suffix)


@functools.cache
def _build_valid() -> dict[str, bytes]:
    return _build([])


@hostile_class("trees of a repository")
def trees(source: random.Random) -> Iterator[Member | Callable[[], Member]]:
    """Commits with names that lead elsewhere, links, submodules, filters, and trees that are no trees."""
    del source
    yield _clone("valid", _build_valid())
    names = (
        ".git",
        ".GIT",
        ".git ",
        ".git.",
        "git~1",
        "GIT~1",
        ".g\u200cit",
        ".git::$INDEX_ALLOCATION",
        "..",
        ".",
        "",
        "a/../../owned",
        "/owned",
        "C:\\owned",
        "a\\b",
        "\x1b[31m.yaml",
        "\u202e.yaml",
        "-",
        "--output=owned",
        "a\nb.yaml",
        "\udcff.yaml",
        "x" * 300 + ".yaml",
        "con",
        ":(glob)**",
        "HEAD",
        "a.yaml ",
    )
    for name in names:
        entries: list[_Entry] = [(_FILE, name, POD)]
        yield _clone_built(f"file {name[:20]!r}", entries)
        yield _clone_built(
            f"folder {name[:20]!r}", [(_TREE, name, [(_PROGRAM, "config", "[core]\n\tfsmonitor = touch owned")])]
        )
    for target in (
        "/etc/passwd",
        "../../../../secret",
        ".git/config",
        "/dev/zero",
        "a.yaml",
        "..",
        "/",
        "\x1b[31m",
        "x" * 5_000,
        "",
    ):
        yield _clone_built(f"link to {target[:20]!r}", [(_LINK, "a.yaml", target)])
        yield _clone_built(f"folder link to {target[:20]!r}", [(_LINK, "a", target)], suffix="//a")
        yield _clone_built(
            f"link, then a file in it, {target[:20]!r}", [(_LINK, "a", target), (_TREE, "a", [(_FILE, "owned", POD)])]
        )
    for url in (
        "--upload-pack=touch owned",
        "ext::touch owned",
        "file:///etc",
        "-u./owned",
        "http://127.0.0.1:1/",
        "../r.git",
    ):
        modules = f'[submodule "../../a"]\n\tpath = a\n\turl = {url}\n\tupdate = !touch owned\n'
        yield _clone_built(f"submodule {url}", [(_FILE, ".gitmodules", modules), (_MODULE, "a", "")])
    for attributes in (
        "* filter=lfs",
        "* filter=owned diff=owned merge=owned",
        "*.yaml text eol=crlf working-tree-encoding=UTF-16",
        "*.yaml working-tree-encoding=\x1b[31m",
        "* ident export-subst",
        "[attr]a " * 20_000,
        "*.yaml working-tree-encoding=UTF-7",
    ):
        yield _clone_built(f"attributes {attributes[:40]!r}", [(_FILE, ".gitattributes", attributes)])
    nested: _Entry = (_FILE, "a.yaml", POD)
    for _ in range(60):
        nested = (_TREE, "d" * 60, [nested])
    yield _clone_built("deep folders", [nested])
    yield _clone_built("many files", [(_FILE, f"f{number}", "") for number in range(20)] * 200)
    yield _clone_built("the same name twice", [(_FILE, "a.yaml", POD), (_FILE, "a.yaml", "a: [")])
    yield _clone_built("names that differ in case", [(_FILE, "A.yaml", POD), (_FILE, "a.yaml", "a: [")])
    for mode in ("100666", "777777", "0", "140000", "100644 x"):
        yield _clone_built(f"mode {mode}", [(mode, "a.yaml", POD)])
    yield _clone_built("binary", [(_FILE, "a.yaml", bytes(range(256)) * 100)], Expected.REPORTED)
    for name in ("kubekeep.yaml", ".kubekeepignore"):
        yield _clone_built(f"hostile {name}", [(_FILE, name, "output: /owned\ncustom-rules: [/etc]\n*")])


@hostile_class("refs of a repository")
def refs(source: random.Random) -> Iterator[Member]:
    """Damaged repositories, refs and packs, hooks, and settings of a repository that run programs."""
    valid = _build_valid()
    command = "touch {owned}"
    configs = (
        f"[uploadpack]\n\tpackObjectsHook = {command}",
        f"[core]\n\tfsmonitor = {command}",
        f"[core]\n\thooksPath = .\n\tpager = {command}",
        "[include]\n\tpath = ../../secret",
        "[",
        "\x00",
        "[core]\n\trepositoryformatversion = 9\n",
        "[extensions]\n\tobjectFormat = x\n",
        "[core]\n\tworktree = /\n",
        "[uploadpack]\n\tallowFilter = maybe\n",
        "[transfer]\n\thideRefs = refs\n",
        "[a]\n" * 20_000,
    )
    for number, config in enumerate(configs):
        yield _clone(
            f"settings {number} {config[:20]!r}", {**valid, "r.git/config": valid["r.git/config"] + config.encode()}
        )
    for hook in ("post-checkout", "pre-receive", "reference-transaction", "post-index-change"):
        yield _clone(f"hook {hook}", {**valid, f"r.git/hooks/{hook}": b"#!/bin/sh\ntouch /owned\n"})
    for head in (
        b"",
        b"ref: refs/heads/missing",
        b"ref: ../../../secret",
        b"ref: refs/heads/../../config",
        b"a" * 40,
        b"\x00",
        b"ref: " + b"a/" * 50_000,
        b"ref: HEAD",
    ):
        yield _clone(f"HEAD {head[:20]!r}", {**valid, "r.git/HEAD": head})
    main = valid["r.git/refs/heads/main"].strip()
    for ref in (
        "-",
        "--upload-pack=x",
        "a b",
        "a..b",
        "\x1b[31m",
        "\u202e",
        "x" * 200,
        "@{0}",
        "main.lock",
        "heads/main",
        "a:b",
    ):
        yield _clone(
            f"ref {ref[:20]!r}",
            {**valid, f"r.git/refs/heads/{ref}": main + b"\n"},
            Expected.EITHER,
            "",
            "--branch",
            ref,
        )
        yield _clone(
            f"packed ref {ref[:20]!r}",
            {**valid, "r.git/packed-refs": main + f" refs/heads/{ref}\n".encode()},
            Expected.EITHER,
            "?ref=" + ref.replace(" ", "%20"),
        )
    many = b"".join(main + f" refs/heads/b{number}\n".encode() for number in range(50_000))
    yield _clone("many refs", {**valid, "r.git/packed-refs": many})
    yield _clone("a ref for another object", {**valid, "r.git/refs/heads/main": b"b" * 40 + b"\n"}, Expected.REPORTED)
    objects = [name for name in valid if "/objects/" in name]
    for number in range(12):
        name = source.choice(objects)
        for change, content in damage(valid[name], source, 2):
            yield _clone(f"object {number}, {change}", {**valid, name: content})
    for alternates in (b"/etc\n", b"../../..\n", b"objects\n", b"\x00"):
        yield _clone(f"alternates {alternates!r}", {**valid, "r.git/objects/info/alternates": alternates})
    for name, text in TEXTS.items():
        yield _clone(f"address with {name}", valid, Expected.REPORTED, f"/{text.replace(chr(0), '')[:2_000]}")
