"""Advisories: OSV records in files and archives, servers of advisories, bundles, files of the database, and Grype's."""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import json
import random
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from click.testing import CliRunner

from kubekeep.cli.main import kubekeep
from kubekeep.vulnerabilities.database.compression import zstd
from tests.hostile.classes.sboms import CANARY_SBOM, RECORDS, SBOM, check_canary, create_record, list_vulnerabilities
from tests.hostile.grype import CONSTRAINTS, TABLE_CHANGES, write_grype_database
from tests.hostile.member import REPORT, Content, Expected, Link, Member, Run, Special, hostile_class
from tests.hostile.samples import TEXTS, VALUES, damage, dump, gzip_bomb, mutate
from tests.hostile.server import Answer, add_site, get_port
from tests.vulnerabilities.database.records import EPSS, KEV, write_lines

_CANARY: Final = json.dumps(RECORDS[2])
_KEYS: Final = {
    "id",
    "name",
    "ecosystem",
    "package",
    "events",
    "type",
    "introduced",
    "fixed",
    "ranges",
    "affected",
    "withdrawn",
    "0",
    "1",
}
"""Keys whose value decides if the record affects the package."""
_FILES: Final[dict[str, Content]] = {"a.json": dump(SBOM), "canary.json": CANARY_SBOM}


def _scan(
    name: str,
    files: Mapping[str, Content],
    expected: Expected = Expected.EITHER,
    options: tuple[str, ...] = ("--advisories", "in"),
    check: Callable[[Run], None] | None = check_canary,
) -> Member:
    arguments = ("sbom", "scan", "a.json", "canary.json", *options, *REPORT)
    return Member(name, {**_FILES, **files}, expected, arguments, check=check)


def _check_record(run: Run) -> None:
    """Assert that the changed record is applied, or reported as unread."""
    check_canary(run)
    assert "ACME-1001" in list_vulnerabilities(run) or run.code in {2, 3}, "lost an advisory in silence"


def _check_named(run: Run) -> None:
    """Assert that the vulnerability of the canary is in the report, or the report names why not."""
    is_named = run.code in {2, 3} and (run.unread or run.report.get("notAssessed") or not run.report)
    assert "ACME-1003" in list_vulnerabilities(run) or is_named, "the vulnerability of the canary is missing"


@hostile_class("OSV records")
def records(source: random.Random) -> Iterator[Member]:
    """Records in which one value is of another type, damaged files of them, and conflicting records."""
    canary = {"in/canary.json": _CANARY}
    yield _scan("valid", {**canary, "in/a.json": dump(RECORDS[0])}, check=_check_record)
    for name, changed in mutate(RECORDS[0], source, 60):
        is_decisive = name.partition(" is ")[0].split(".")[-1] in _KEYS
        yield _scan(name, {**canary, "in/a.json": dump(changed)}, check=check_canary if is_decisive else _check_record)
    for name, content in damage(dump(RECORDS[0]).encode(), source, 16):
        yield _scan(name, {**canary, "in/a.jsonl": content})
    first = RECORDS[0]
    affected = first["affected"][0]
    documents: dict[str, Any] = {
        "alias of itself": {**first, "aliases": ["ACME-1001"]},
        "alias of the canary": {**first, "aliases": ["ACME-1003", "CVE-ACME-1003"]},
        "withdrawn copy of the canary": {
            **RECORDS[2],
            "id": "ACME-9",
            "aliases": ["ACME-1003"],
            "withdrawn": "2026-01-01T00:00:00Z",
        },
        "many aliases": {**first, "aliases": [f"CVE-2026-{n}" for n in range(100_000)]},
        "many ranges": {**first, "affected": [affected] * 20_000},
        "many events": {
            **first,
            "affected": [
                {
                    **affected,
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": str(n)} for n in range(100_000)]}],
                }
            ],
        },
        "many versions": {**first, "affected": [{**affected, "versions": [str(n) for n in range(300_000)]}]},
        "long version": {**first, "affected": [{**affected, "versions": ["1" * 1_000_000]}]},
        "long number": {
            **first,
            "affected": [
                {
                    **affected,
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "9" * 100_000}]}],
                }
            ],
        },
        "far future": {**first, "modified": "9999-12-31T23:59:59-23:59", "published": "9999-12-31T23:59:59Z"},
        "far past": {**first, "modified": "0001-01-01T00:00:00+23:59", "published": "0000-00-00T00:00:00Z"},
        "long score": {**first, "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/" + "AV:N/" * 20_000}]},
        "many scores": {**first, "severity": first["severity"] * 20_000},
        "long text": {**first, "details": "A" * 5_000_000},
        "long id": {**first, "id": "A" * 300},
        "id with controls": {**first, "id": "A\x1b[31m"},
        "33 MiB": {**first, "details": "a" * (33 << 20)},
        "repeated name": {
            **first,
            "affected": [{**affected, "package": {"ecosystem": "npm", "name": "left-pad" * 50_000}}],
        },
        "nested": {**first, "database_specific": json.loads("[" * 400 + "]" * 400)},
    }
    for name, document in documents.items():
        yield _scan(name, {**canary, "in/a.json": dump(document)})
    for name, pattern in {
        "versions of Debian": "Debian:12",
        "versions of Alpine": "Alpine:v3.20",
        "versions of PyPI": "PyPI",
        "versions of Maven": "Maven",
        "versions of Go": "Go",
    }.items():
        hard = {
            **create_record("ACME-1", "left-pad", pattern),
            "affected": [
                {
                    "package": {"ecosystem": pattern, "name": n},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": v}, {"fixed": f"{v}.1"}]}],
                }
                for n in ("left-pad", "requests")
                for v in ("1." * 20_000, "9" * 50_000, "~" * 20_000, "1-" * 20_000, "\u0661", "")
            ],
        }
        yield _scan(name, {**canary, "in/a.json": dump(hard)})


def _zip(entries: Iterable[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in entries:
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return stream.getvalue()


@functools.cache
def _zip_bomb() -> bytes:
    return _zip([("a.json", bytes(200 << 20))])


def _scan_bomb(name: str, file: str, pack: Callable[[], bytes]) -> Callable[[], Member]:
    """Return a function that packs a bomb, which takes most of a second, and builds the member."""
    return lambda: _scan(name, {f"in/{file}": pack(), "in/canary.json": _CANARY}, check=_check_named)


@hostile_class("archives of advisories")
def archives(source: random.Random) -> Iterator[Member | Callable[[], Member]]:
    """Damaged archives, bombs, entries with paths, and compressed files that do not end."""
    record = dump(RECORDS[0]).encode()
    valid = _zip([("ACME-1001.json", record), ("ACME-1003.json", _CANARY.encode())])
    yield _scan("valid", {"in/all.zip": valid}, check=_check_record)
    for name, content in damage(valid, source, 32):
        yield _scan(name, {"in/all.zip": content, "in/canary.json": _CANARY})
    bombs: dict[str, tuple[str, Callable[[], bytes]]] = {
        "bomb": ("a.zip", _zip_bomb),
        "bomb of lines": ("a.zip", lambda: _zip([("a.jsonl", b"\n" * (200 << 20))])),
        "bomb of a list": ("a.zip", lambda: _zip([("a.json", b"[" + b"{}," * (30 << 20) + b"{}]")])),
        "gzip bomb": ("a.json.gz", gzip_bomb),
        "gzip bomb of spaces": ("a.jsonl.gz", lambda: gzip.compress(b" " * (200 << 20))),
        "zstd bomb": ("a.json.zst", lambda: zstd.compress(bytes(200 << 20))),
        "zstd bomb of lines": ("a.jsonl.zst", lambda: zstd.compress(b"{}\n" * (60 << 20))),
    }
    for name, (file, pack) in bombs.items():
        yield _scan_bomb(name, file, pack)
    contents: dict[str, tuple[str, bytes]] = {
        "half a gzip": ("a.json.gz", gzip.compress(record)[:-9]),
        "half a zstd": ("a.json.zst", zstd.compress(record)[:-9]),
        "wrong gzip": ("a.json.gz", record),
        "zip named gz": ("a.json.gz", valid),
        "zip in a zip": ("a.zip", _zip([("b.zip", valid)])),
        "entry out of the folder": ("a.zip", _zip([("../../../secret", b"x"), ("../ACME.json", record)])),
        "entry with controls": ("a.zip", _zip([("\x1b[31m\u202e.json", b"{")])),
        "same entry": ("a.zip", _zip([("a.json", record), ("b.json", record)]).replace(b"b.json", b"a.json")),
        "many entries": ("a.zip", _zip((f"{n}.json", b"{}") for n in range(20_000))),
        "empty archive": ("a.zip", _zip([])),
        "empty file": ("a.json", b""),
        "no object": ("a.json", b"5"),
        "nested": ("a.json", b"[" * 200_000),
        "nested object": ("a.json", b'{"a":' * 200_000),
        "one long line": ("a.jsonl", b"x" * (40 << 20)),
        "null bytes": ("a.jsonl", bytes(1 << 20)),
        "not UTF-8": ("a.json", record.replace(b"left-pad", b"left-\xff")),
        "UTF-16": ("a.json", record.decode().encode("utf-16")),
    }
    for name, (file, content) in contents.items():
        yield _scan(name, {f"in/{file}": content, "in/canary.json": _CANARY}, check=_check_named)
    others: tuple[Content, ...] = (
        Special.FIFO,
        Special.SOCKET,
        Special.FOLDER,
        Link("/dev/zero"),
        Link("../../../secret"),
        Link("in"),
        Link("missing"),
    )
    for other in others:
        yield _scan(f"file {str(other)[:30]}", {"in/a.json": other, "in/canary.json": _CANARY})
        yield _scan(f"path {str(other)[:30]}", {"in": other}, check=_check_named)


@hostile_class("texts of advisories")
def texts(source: random.Random) -> Iterator[Member]:
    """Texts that attack a report, in all texts of a record, also those of exploit signals."""
    del source
    for name, text in TEXTS.items():
        places: dict[str, dict[str, Any]] = {
            "summary and details": {"summary": text, "details": text},
            "aliases": {"aliases": [text]},
            "references": {
                "references": [{"type": text, "url": text}, {"type": "WEB", "url": f"https://e.example/{text}"}]
            },
            "fixed version": {
                "affected": [
                    {
                        **RECORDS[0]["affected"][0],
                        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": f"9.0.0{text}"}]}],
                    }
                ]
            },
            "times": {"modified": text, "published": text},
            "severity": {"severity": [{"type": text, "score": text}, {"type": "Ubuntu", "score": text}]},
            "own fields": {"database_specific": {"severity": text, "cwe_ids": [text], "source": text}},
            "id": {"id": f"ACME-{text}"},
        }
        for place, fields in places.items():
            record = {**RECORDS[0], **fields}
            check = _check_record if place in {"summary and details", "references", "own fields"} else check_canary
            yield _scan(f"{place} with {name}", {"in/a.json": dump(record), "in/canary.json": _CANARY}, check=check)
        files = {
            **_FILES,
            "in/a.json": dump({**RECORDS[0], **places["summary and details"], "references": [{"url": text}]}),
        }
        explain = ("image", "explain", "sbom:a.json", "ACME-1001", "--advisories", "in")
        yield Member(f"explanation with {name}", files, Expected.EITHER, explain)


def _publish(files: Mapping[str, Answer]) -> int:
    return add_site(lambda _, path: files.get(path.replace("%20", " "), Answer(status=404)))


def _update(name: str, files: Mapping[str, Answer], expected: Expected = Expected.EITHER) -> Member:
    url = f"http://127.0.0.1:{get_port()}/{_publish(files)}"
    signals = ("--kev", f"{url}/kev.json", "--epss", f"{url}/epss.csv.gz")
    arguments = ("db", "update", "npm", "--source", url, *signals, "--database", "report")
    return Member(name, {}, expected, arguments, environment={"TEST_PORT": str(get_port())})


@hostile_class("answers of a server of advisories")
def answers(source: random.Random) -> Iterator[Member]:
    """Archives, lists of changes and exploit signals that are damaged or endless, and answers that lead elsewhere."""
    archive = _zip([("ACME-1001.json", dump(RECORDS[0]).encode()), ("ACME-1003.json", _CANARY.encode())])
    good = {
        "npm/all.zip": Answer(archive),
        "kev.json": Answer(KEV.read_bytes()),
        "epss.csv.gz": Answer(gzip.compress(EPSS.encode())),
    }
    yield _update("valid", good, Expected.READ)
    port = get_port()
    bad: dict[str, Answer] = {
        "empty": Answer(),
        "not found": Answer(status=404),
        "forbidden": Answer(b"x", 403),
        "HTML": Answer(b"<html>"),
        "cut off": Answer(archive[:80], headers={"Content-Length": "70"}),
        "too many requests": Answer(status=204),
        "text as length": Answer(archive, headers={"Content-Length": "x"}),
        "long length": Answer(archive, headers={"Content-Length": "9" * 5_000}),
        "17 GiB": Answer(archive, headers={"Content-Length": str(17 << 30)}),
        "negative length": Answer(archive, headers={"Content-Length": "-1"}),
        "metadata": Answer(status=302, headers={"Location": "http://169.254.169.254/latest/meta-data/"}),
        "file": Answer(status=302, headers={"Location": "file:///etc/passwd"}),
        "no address": Answer(status=302, headers={"Location": "http://["}),
        "itself": Answer(status=302, headers={"Location": ""}),
        "password": Answer(status=302, headers={"Location": f"http://ann:password@127.0.0.1:{port}/x"}),
        "controls": Answer(status=302, headers={"Location": "\x1b[31m"}),
        "long tag": Answer(archive, headers={"ETag": '"' + "x" * 60_000 + '"'}),
        "tag with controls": Answer(archive, headers={"ETag": '"\x1b[31m"'}),
        "part": Answer(archive, 206, {"Content-Range": "bytes 5-9/10"}),
        "not modified": Answer(status=304),
        "status 999": Answer(b"x", 999),
        "nested": Answer(b"[" * 100_000),
        "bomb": Answer(gzip_bomb()),
        "zip bomb": Answer(_zip_bomb()),
        "compressed": Answer(gzip.compress(archive), headers={"Content-Encoding": "gzip"}),
    }
    for name, answer in bad.items():
        for path in good:
            expected = (
                Expected.REPORTED
                if path == "npm/all.zip" and name in {"empty", "not found", "HTML", "metadata"}
                else Expected.EITHER
            )
            yield _update(f"{path} {name}", {**good, path: answer}, expected)
    for name, content in damage(archive, source, 12):
        yield _update(f"archive: {name}", {**good, "npm/all.zip": Answer(content)})
    for name, changed in mutate(json.loads(KEV.read_bytes()), source, 12):
        yield _update(f"KEV: {name}", {**good, "kev.json": Answer(dump(changed).encode("utf-8", "surrogatepass"))})
    for number, line in enumerate(
        (
            "CVE-2021-1,2,3",
            "CVE-2021-1,nan,nan",
            "CVE-2021-1,1e999,0",
            "x",
            ",,",
            "CVE-2021-1,0.5",
            '"' * 500,
            "CVE-2021-1,0.1,0.1\x00",
            "\x1b[31m,0.1,0.1",
            "CVE-2021-1,0.1," + "0" * 200_000,
        )
    ):
        yield _update(
            f"EPSS: line {number}", {**good, "epss.csv.gz": Answer(gzip.compress(f"{EPSS}{line}\n".encode()))}
        )


@functools.cache
def _build() -> Mapping[str, bytes]:
    """Return the files of a database with the records, and a bundle of them as `bundle`."""
    with tempfile.TemporaryDirectory() as folder:
        write_lines(Path(folder, "records.jsonl"), RECORDS)
        for words in (
            ["build", f"{folder}/records.jsonl", "-o", f"{folder}/db"],
            ["export", f"{folder}/bundle", "--database", f"{folder}/db"],
        ):
            result = CliRunner().invoke(kubekeep, ["db", *words])
            assert result.exit_code == 0, result.output
        files = {path.name: path.read_bytes() for path in Path(folder, "db").iterdir() if path.is_file()}
        return {**files, "bundle": Path(folder, "bundle").read_bytes()}


def _tar(members: Iterable[tuple[tarfile.TarInfo | str, bytes]], format_number: int = tarfile.PAX_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=format_number) as tar:
        for entry, content in members:
            info = tarfile.TarInfo(entry) if isinstance(entry, str) else entry
            info.size = len(content) or info.size
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def _index(files: Mapping[str, bytes], **fields: Any) -> bytes:
    entries = [
        {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
    ]
    return json.dumps({"format": "kubekeep-advisories-1", "files": entries, **fields}).encode()


def _check_imported(run: Run) -> None:
    files = [name for name in run.files if name.startswith("report/") and ".lock" not in name]
    assert run.code == 0 or not files, f"a refused import wrote {files}"


def _sparse(size: int) -> bytes:
    """Return a bundle with a file that is a hole of `size` bytes in the old format of GNU."""
    name = "npm.advisories"
    index = json.dumps({"format": "kubekeep-advisories-1", "files": [{"name": name, "size": size, "sha256": "0" * 64}]})
    head = bytearray(tarfile.TarInfo(name).tobuf(tarfile.GNU_FORMAT))
    head[156:157] = b"S"
    # The map of the parts with content, of which there are none, and the real size.
    head[386:410] = b"%011o\0%011o\0" % (size, 0)
    head[483:495] = struct.pack(">BxxxQ", 0x80, size)
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return _tar([("bundle.json", index.encode())])[:-9216].rstrip(b"") + bytes(head) + bytes(1024)


@hostile_class("bundles of advisories")
def bundles(source: random.Random) -> Iterator[Member]:
    """Bundles that are damaged, name files outside of the database, contain links, holes or more than their index."""
    files = {name: content for name, content in _build().items() if name != "bundle"}
    valid = _build()["bundle"]
    arguments = ("db", "import", "b.bundle", "--database", "report")
    link, device = tarfile.TarInfo("npm.advisories"), tarfile.TarInfo("npm.advisories")
    link.type, link.linkname, device.type = tarfile.SYMTYPE, "../../../secret", tarfile.CHRTYPE
    names = (
        "../npm.advisories",
        "/npm.advisories",
        "feeds/../../npm.advisories",
        "feeds/a/b/npm.advisories",
        ".lock",
        "npm.advisories\x00",
        "a/npm.advisories",
        "\x1b[31m.advisories",
        "..",
        "",
        "feeds/A/npm.advisories",
        "n" * 300 + ".advisories",
    )
    negative_size = {
        "format": "kubekeep-advisories-1",
        "files": [{"name": "npm.advisories", "size": -1, "sha256": ""}],
    }
    contents: dict[str, bytes] = {
        "valid": valid,
        "index of a list": _tar([("bundle.json", b"[]")]),
        "nested index": _tar([("bundle.json", b'{"files":' + b"[" * 100_000)]),
        "large index": _tar([("bundle.json", b" " * (5 << 20))]),
        "no index": _tar(files.items()),
        "index at the end": _tar([*files.items(), ("bundle.json", _index(files))]),
        "file twice": _tar([("bundle.json", _index(files)), *files.items(), *files.items()]),
        "more than the index": _tar([("bundle.json", _index(files)), *files.items(), ("b.advisories", b"x")]),
        "link": _tar([("bundle.json", _index({"npm.advisories": b""})), (link, b"")]),
        "device": _tar([("bundle.json", _index({"npm.advisories": b""})), (device, b"")]),
        "hole of 8 GiB": _sparse(8 << 30),
        "other ecosystem": _tar(
            [
                ("bundle.json", _index({"Go.advisories": files["npm.advisories"]})),
                ("Go.advisories", files["npm.advisories"]),
            ]
        ),
        "SQLite of another program": _tar(
            [
                ("bundle.json", _index({"npm.advisories": b"SQLite format 3\0" + bytes(100)})),
                ("npm.advisories", b"SQLite format 3\0" + bytes(100)),
            ]
        ),
        "compressed": gzip.compress(valid),
        "cut in the middle": valid[: len(valid) // 2],
        "other format": _tar([("bundle.json", _index(files, format="\x1b[31m")), *files.items()]),
        "negative size": _tar([("bundle.json", dump(negative_size).encode())]),
    }
    for name, content in contents.items():
        yield Member(
            name,
            {"b.bundle": content},
            Expected.READ if name == "valid" else Expected.REFUSED,
            arguments,
            check=_check_imported,
        )
    for name in names:
        packed = _tar([("bundle.json", _index({name: b"x"})), (name or "x", b"x")])
        yield Member(f"name {name[:20]!r}", {"b.bundle": packed}, Expected.REFUSED, arguments, check=_check_imported)
    for name, content in damage(valid, source, 16):
        yield Member(name, {"b.bundle": content}, Expected.EITHER, arguments, check=_check_imported)
    for value in VALUES:
        content = _tar(
            [
                (
                    "bundle.json",
                    dump({"format": "kubekeep-advisories-1", "files": value}).encode("utf-8", "surrogatepass"),
                )
            ]
        )
        yield Member(
            f"files are {dump(value)[:20]}", {"b.bundle": content}, Expected.EITHER, arguments, check=_check_imported
        )


def _check_database(run: Run) -> None:
    """Assert that the packages are compared with the database, or reported as not assessed."""
    is_named = run.code in {2, 3} or run.unread or run.report.get("notAssessed")
    assert len(list_vulnerabilities(run)) == len(RECORDS) or is_named, "lost vulnerabilities in silence"


@hostile_class("files of the database")
def databases(source: random.Random) -> Iterator[Member]:
    """Damaged files of the database, files of other programs, links and pipes in their place."""
    files: dict[str, Content] = {f"db/{name}": content for name, content in _build().items() if name != "bundle"}
    options = ("--database", "db")
    yield _scan("valid", files, Expected.EITHER, options, _check_database)
    for number in range(48):
        content = bytearray(_build()["npm.advisories"])
        for _ in range(source.choice((1, 4, 64))):
            # Pages with content are at the start.
            content[source.randrange(min(len(content), 1 << source.randrange(7, 17)))] = source.randrange(256)
        yield _scan(f"damage {number}", {**files, "db/npm.advisories": bytes(content)}, options=options, check=None)
    for name, changed in damage(_build()["npm.advisories"], source, 12):
        yield _scan(name, {**files, "db/npm.advisories": changed}, options=options, check=None)
    others: tuple[Content, ...] = (
        "",
        "x" * 100_000,
        b"SQLite format 3\0" + bytes(100),
        Special.FIFO,
        Special.FOLDER,
        Special.SOCKET,
        Link("/dev/zero"),
        Link("missing"),
        Link("npm.advisories"),
        Link("../../../secret"),
    )
    for other in others:
        yield _scan(
            f"file {str(other)[:30]!r}", {**files, "db/npm.advisories": other}, options=options, check=_check_database
        )
        yield _scan(
            f"signals {str(other)[:30]!r}",
            {**files, "db/exploits.signals": other},
            options=options,
            check=_check_database,
        )
    yield _scan(
        "copy under another name",
        {**files, "db/Go.advisories": files["db/npm.advisories"]},
        options=options,
        check=_check_database,
    )


@hostile_class("databases of Grype")
def grype(source: random.Random) -> Iterator[Member]:
    """Databases with damaged pages, values of other types, views that do not end, and texts that attack a report."""
    options = ("--grype-db", "g.db", "--advisories", "none")
    none: dict[str, Content] = {"none/x.json": dump(create_record("ACME-7", "x", "npm"))}
    with tempfile.TemporaryDirectory() as folder:
        valid = write_grype_database(folder, {}, {})
        yield _scan("valid", {**none, "g.db": valid}, options=options, check=_check_database)
        for number in range(20):
            content = bytearray(valid)
            for _ in range(source.choice((1, 4, 64))):
                content[source.randrange(len(content))] = source.randrange(256)
            yield _scan(f"damage {number}", {**none, "g.db": bytes(content)}, options=options, check=None)
        blob = {
            "description": "d",
            "aliases": ["CVE-2026-9"],
            "refs": [{"url": "https://e.example"}],
            "severities": [{"scheme": "CVSS", "value": {"vector": "CVSS:3.1/AV:N"}, "source": "a"}],
        }
        for name, changed in mutate(blob, source, 20):
            if isinstance(changed, dict):
                yield _scan(
                    f"vulnerability: {name}",
                    {**none, "g.db": write_grype_database(folder, {str(k): v for k, v in changed.items() if k}, {})},
                    options=options,
                    check=_check_database,
                )
        package = {
            "cves": ["CVE-2026-9"],
            "qualifiers": {"rpm_modularity": None},
            "ranges": [
                {"version": {"type": "semver", "constraint": "< 3.0.0"}, "fix": {"version": "3.0.0", "state": "fixed"}}
            ],
        }
        for name, changed in mutate(package, source, 20):
            if isinstance(changed, dict):
                yield _scan(
                    f"package: {name}",
                    {**none, "g.db": write_grype_database(folder, {}, {str(k): v for k, v in changed.items() if k})},
                    options=options,
                )
        for number, constraint in enumerate(CONSTRAINTS):
            ranges = {"ranges": [{"version": {"type": "semver", "constraint": constraint}}]}
            yield _scan(
                f"constraint {number}", {**none, "g.db": write_grype_database(folder, {}, ranges)}, options=options
            )
        for number, statements in enumerate(TABLE_CHANGES):
            yield _scan(
                f"tables {number}",
                {**none, "g.db": write_grype_database(folder, {}, {}, *statements)},
                options=options,
                check=_check_named,
            )
        for name, text in TEXTS.items():
            attack = {
                "description": text,
                "aliases": [text],
                "refs": [{"url": text}],
                "severities": [{"scheme": text, "value": text}],
            }
            yield _scan(
                f"texts with {name}", {**none, "g.db": write_grype_database(folder, attack, {})}, options=options
            )
