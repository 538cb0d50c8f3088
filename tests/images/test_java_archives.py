"""Java archives in layers: stored, deflated, nested, with start scripts, and damaged ones."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.images.layer_files import build_tar, entry, read_native

MANIFEST = b"Manifest-Version: 1.0\r\nImplementation-Title: app\r\n"
PROPERTIES = "META-INF/maven/org.example/lib/pom.properties"
POM = "META-INF/maven/org.example/lib/pom.xml"


def build_jar(files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return stream.getvalue()


LIBRARY = build_jar(
    {
        "META-INF/MANIFEST.MF": MANIFEST,
        PROPERTIES: b"groupId=org.example\nartifactId=lib\nversion=1.0\n",
        POM: b"<project/>",
        "org/example/A.class": b"\xca\xfe\xba\xbe" * 100,
        "org/example/B.class": b"",
        "org/example/util/C.class": b"",
        "Main.class": b"",
        "other.xml": b"unread",
    }
)
FACTS = (
    hashlib.sha1(LIBRARY).hexdigest(),  # noqa: S324 - the name of a Maven artifact
    MANIFEST,
    [(PROPERTIES, b"groupId=org.example\nartifactId=lib\nversion=1.0\n"), (POM, b"<project/>")],
    [("", 1), ("org/example", 2), ("org/example/util", 1)],
)


def nest(levels: int, compression: int) -> bytes:
    archive = LIBRARY
    for _ in range(levels):
        archive = build_jar({"lib/a.jar": archive}, compression)
    return archive


@pytest.mark.parametrize("name", ["a.jar", "opt/A.WAR", "x.hpi", "y.ear"])
def test_facts_of_an_archive(name: str, tmp_path: Path) -> None:
    for limits in ({}, {"memory": 100}):
        native = read_native(build_tar({name: LIBRARY}), tmp_path, limits=limits)
        assert native.archives() == [(name, *FACTS)]
        assert native.problems == []


def test_descriptors_of_libraries_in_a_folder(tmp_path: Path) -> None:
    paths = [f"private/{PROPERTIES}", f"xMETA-INF/{PROPERTIES}", f"x{PROPERTIES}", "META-INF/pom.xml", PROPERTIES]
    native = read_native(build_tar({"a.jar": build_jar(dict.fromkeys(paths, b"version=1"))}), tmp_path)
    ((_, _, _, descriptors, _),) = native.archives()
    assert [path for path, _ in descriptors] == [f"private/{PROPERTIES}", f"xMETA-INF/{PROPERTIES}", PROPERTIES]


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_nested_archives(compression: int, tmp_path: Path) -> None:
    archive = build_tar({"app.jar": nest(3, compression)})
    for limits in ({}, {"memory": 100}):
        archives = read_native(archive, tmp_path, limits=limits).archives()
        assert [fields[0] for fields in archives] == [
            "app.jar",
            "app.jar!/lib/a.jar",
            "app.jar!/lib/a.jar!/lib/a.jar",
            "app.jar!/lib/a.jar!/lib/a.jar!/lib/a.jar",
        ]
        assert archives[-1][1:] == FACTS
    native = read_native(build_tar({"app.jar": nest(5, compression)}), tmp_path)
    assert len(native.archives()) == 4
    assert "exceed the limit of 4 levels" in native.problems[0][1]


def test_start_scripts_and_zip64(tmp_path: Path) -> None:
    large = io.BytesIO()
    with zipfile.ZipFile(large, "w") as archive:
        for number in range(66_000):
            archive.writestr(f"p/{number}.class", b"")
        with archive.open("META-INF/MANIFEST.MF", "w", force_zip64=True) as stream:
            stream.write(MANIFEST)
    script = b"#!/bin/sh\nexec java -jar $0\n"
    files = {"a.jar": script + LIBRARY, "b.jar": large.getvalue(), "c.jar": script + large.getvalue()}
    archives = {fields[0]: fields for fields in read_native(build_tar(files), tmp_path).archives()}
    assert archives["a.jar"][2:] == FACTS[1:]
    for name in ("b.jar", "c.jar"):
        assert archives[name][2:] == (MANIFEST, [], [("p", 66_000)])


def test_hard_links_to_archives(tmp_path: Path) -> None:
    archive = build_tar([(entry("a.jar"), nest(1, 0)), (entry("b.war", type=b"1", linkname="a.jar"), b"")])
    paths = [fields[0] for fields in read_native(archive, tmp_path).archives()]
    assert paths == ["a.jar", "a.jar!/lib/a.jar", "b.war", "b.war!/lib/a.jar"]


def change(archive: bytes, signature: bytes, offset: int, value: bytes) -> bytes:
    """Replace bytes after the last occurrence of a signature."""
    position = archive.rindex(signature) + offset
    return archive[:position] + value + archive[position + len(value) :]


CENTRAL, END, LOCAL = b"PK\x01\x02", b"PK\x05\x06", b"PK\x03\x04"


def test_damaged_archives_are_problems(tmp_path: Path) -> None:
    one = build_jar({"META-INF/MANIFEST.MF": MANIFEST * 100})
    stored = build_jar({"META-INF/MANIFEST.MF": MANIFEST}, zipfile.ZIP_STORED)
    bomb = build_jar({"META-INF/MANIFEST.MF": b" " * (3 << 20)})
    cases = {
        "text.jar": b"no archive",
        "short.jar": one[:-5],
        "start.war": one[:40],
        "byte.ear": b"\0",
        # An end without entries behind the content of an archive.
        "hidden.jar": one[: one.rindex(CENTRAL)] + build_jar({}),
        "size.jar": change(one, CENTRAL, 24, struct.pack("<I", 10)),
        "larger.jar": change(one, CENTRAL, 24, struct.pack("<I", 100_000)),
        "huge.jar": change(one, CENTRAL, 24, struct.pack("<I", 0xFFFFFFF0)),
        "stored.jar": change(one, CENTRAL, 20, struct.pack("<I", 0xFFFFFFF0)),
        "offset.jar": change(one, CENTRAL, 42, struct.pack("<I", 0x7FFFFFFF)),
        "method.jar": change(one, CENTRAL, 10, struct.pack("<H", 99)),
        "encrypted.jar": change(one, CENTRAL, 8, struct.pack("<H", 1)),
        "crc.jar": change(one, CENTRAL, 16, b"\0\0\0\0"),
        "name.jar": change(one, CENTRAL, 28, struct.pack("<H", 0xFFFF)),
        "directory.jar": change(one, END, 12, struct.pack("<I", 0xFFFFFF)),
        "start.jar": change(one, END, 16, struct.pack("<I", 0xFFFFFF)),
        "zip64.jar": change(one, END, 12, b"\xff" * 8),
        "local.jar": change(one, LOCAL, 0, b"XXXX"),
        "data.jar": change(one, LOCAL, 60, b"\xff" * 20),
        "bomb.jar": bomb,
        "lying.jar": change(bomb, CENTRAL, 24, struct.pack("<I", 1000)),
        "plain.jar": change(stored, CENTRAL, 24, struct.pack("<I", 10)),
    }
    native = read_native(build_tar(cases), tmp_path)
    problems = {path.partition("!")[0]: message for path, message in native.problems}
    assert set(problems) == set(cases)
    assert all(problems.values())
    assert all(manifest == b"" for _, _, manifest, _, _ in native.archives())


def test_empty_archives_are_no_problems(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.comment = b"no content"
    files = {"empty.jar": b"", "none-1.2.3.war": build_jar({}), "comment-1.0.jar": stream.getvalue()}
    files["outer.war"] = build_jar({"WEB-INF/lib/a-1.0.jar": b"", "WEB-INF/lib/b-1.0.jar": build_jar({})})
    native = read_native(build_tar(files), tmp_path)
    assert native.problems == []
    assert [fields[0] for fields in native.archives()] == ["outer.war"]
    # A comment of another size than the file has is damage.
    damaged = {"cut.jar": stream.getvalue()[:-1], "more.jar": build_jar({})[:-2] + b"\xff\xff"}
    assert {path for path, _ in read_native(build_tar(damaged), tmp_path).problems} == set(damaged)


def test_overlapping_entries_are_limited(tmp_path: Path) -> None:
    """Many entries with the same data, as in the zip bombs of David Fifield."""
    inner = build_jar({"META-INF/MANIFEST.MF": MANIFEST, "x": os.urandom(10_000)})
    single = build_jar({"a.jar": inner}, zipfile.ZIP_STORED)
    start = single.rindex(CENTRAL)
    size = struct.unpack("<I", single[-10:-6])[0]
    directory = single[start : start + size] * 1000
    end = struct.pack("<4sHHHHIIH", END, 0, 0, 1000, 1000, len(directory), start, 0)
    archive = build_tar({"bomb.jar": single[:start] + directory + end})
    native = read_native(archive, tmp_path, limits={"archive_unpacked": 100_000})
    assert len(native.archives()) == 1 + 100_000 // len(inner)
    assert native.problems[0] == ("bomb.jar!/a.jar", "the nested archives exceed the limit of 1 GiB")


def test_limits_of_archives(tmp_path: Path) -> None:
    archive = build_tar({"a.jar": LIBRARY, "b.jar": LIBRARY})
    native = read_native(archive, tmp_path, limits={"archive_entries": 3})
    assert len(native.problems) == 2
    assert "limit of 1,000,000 entries" in native.problems[0][1]
    native = read_native(archive, tmp_path, limits={"facts": 1800})
    assert len(native.archives()) == 1
    assert native.problems[-1] == ("b.jar", "the metadata of all archives and executables exceeds the limit of 128 MiB")
