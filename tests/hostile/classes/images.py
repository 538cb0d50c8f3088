"""Container images in layouts, archives and registries: manifests, configurations, layers, lists and referrers."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from kubekeep.vulnerabilities.database.compression import zstd
from tests.hostile.classes.sboms import RECORDS, create_record
from tests.hostile.member import REPORT, Content, Expected, Link, Member, Run, Special, hostile_class
from tests.hostile.samples import TEXTS, damage, dump, gzip_bomb, mutate
from tests.hostile.server import Answer, Site, add_site, get_port

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
_ADVISORIES: Final = "\n".join(map(json.dumps, (RECORDS[1], create_record("ACME-1004", "x", "Debian:12"))))
"""An advisory for a package in the layer, and one for another package of the distribution, which is so assessed too."""
_METADATA: Final = "usr/lib/python3/dist-packages/requests-2.31.0.dist-info/METADATA"
_PACKAGE: Final = b"Metadata-Version: 2.1\nName: requests\nVersion: 2.31.0\nLicense: Apache-2.0\n"
_RELEASE: Final = b'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n'
_STATUS: Final = b"""\
Package: openssl
Status: install ok installed
Version: 3.0.11-1
Architecture: amd64
Maintainer: a <a@example.com>
Source: openssl
Description: a

"""
_FILES: Final = {_METADATA: _PACKAGE, "etc/os-release": _RELEASE, "var/lib/dpkg/status": _STATUS}


def digest(content: bytes) -> str:
    """Return the digest of a blob."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _describe(content: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(content), "size": len(content)}


def pack(members: Iterable[tuple[tarfile.TarInfo | str, bytes]]) -> bytes:
    """Return a tar archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for entry, content in members:
            info = tarfile.TarInfo(entry) if isinstance(entry, str) else entry
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


CACHE: Final = {"XDG_CACHE_HOME": "{work}/cache"}
"""Variables for commands that keep the content of layers in a cache."""


class Image:
    """The parts of an image, which a member changes before it is written."""

    def __init__(self, layer: bytes = b"", media_type: str = _LAYER) -> None:
        self.layer = layer or pack(_FILES.items())
        self.config: Any = {
            "os": "linux",
            "architecture": "amd64",
            "created": "2026-01-01T00:00:00Z",
            "author": "a",
            "config": {
                "User": "0",
                "Env": ["PATH=/bin"],
                "Cmd": ["sh"],
                "Entrypoint": ["a"],
                "Labels": {"a": "b"},
                "ExposedPorts": {"22/tcp": {}},
                "Volumes": {"/a": {}},
                "WorkingDir": "/",
            },
            "rootfs": {"type": "layers", "diff_ids": [digest(self.layer)]},
            "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "RUN a", "comment": "a"}],
        }
        self.media_type = media_type

    def write_config(self) -> bytes:
        """Return the configuration."""
        return dump(self.config).encode("utf-8", "surrogatepass")

    def describe(self) -> Any:
        """Return the manifest."""
        return {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _describe(self.write_config(), _CONFIG),
            "layers": [_describe(self.layer, self.media_type)],
            "annotations": {"a": "b"},
        }

    def write_layout(self, manifest: Any = None, **others: bytes) -> dict[str, Content]:
        """Return the files of a layout. others: the content of `index`, and further blobs."""
        manifest = self.describe() if manifest is None else manifest
        text = manifest if isinstance(manifest, bytes) else dump(manifest).encode("utf-8", "surrogatepass")
        index = (
            others.pop("index", None)
            or dump({"schemaVersion": 2, "mediaType": INDEX, "manifests": [_describe(text, MANIFEST)]}).encode()
        )
        blobs = (text, self.layer, self.write_config(), *others.values())
        return {
            "image/oci-layout": '{"imageLayoutVersion": "1.0.0"}',
            "image/index.json": index,
            **{f"image/blobs/sha256/{digest(blob)[7:]}": blob for blob in blobs},
        }


def _check_package(run: Run) -> None:
    """Assert that the vulnerable package is in the report, or the report names what was not read."""
    identifiers = {control["controlID"] for result in run.report.get("results", []) for control in result["controls"]}
    assert "ACME-1002" in identifiers or run.code in {2, 3}, "lost a vulnerability in silence"


def _check_assessed(run: Run) -> None:
    """Assert that all packages of an unchanged image are assessed: `_check_package` would else prove nothing."""
    assert run.code == 0, run.unread
    assert not run.report["notAssessed"], run.report["notAssessed"]
    _check_package(run)


def _scan(
    name: str,
    files: Mapping[str, Content],
    expected: Expected = Expected.EITHER,
    check: Callable[[Run], None] | None = None,
    reference: str = "oci:image",
) -> Member:
    arguments = ("image", "scan", reference, "--advisories", "advisories.jsonl", *REPORT)
    return Member(
        name,
        {"advisories.jsonl": _ADVISORIES, **files},
        expected,
        arguments,
        ("cache",),
        environment=CACHE,
        check=check,
    )


@hostile_class("layouts of images")
def layouts(source: random.Random) -> Iterator[Member]:
    """Manifests, configurations and indexes in which one value is of another type, and damaged layouts."""
    image = Image()
    yield _scan("valid", image.write_layout(), check=_check_assessed)
    for name, changed in mutate(image.describe(), source, 40):
        yield _scan(f"manifest: {name}", image.write_layout(changed), check=_check_package)
    for name, changed in mutate(image.config, source, 40):
        reconfigured = Image()
        reconfigured.config = changed
        yield _scan(f"configuration: {name}", reconfigured.write_layout(), check=_check_package)
    files = image.write_layout()
    for name, changed in mutate(json.loads(files["image/index.json"]), source, 20):  # type: ignore[arg-type]
        yield _scan(f"index: {name}", {**files, "image/index.json": dump(changed)}, check=_check_package)
    blobs = [name for name in files if "blobs" in name]
    others: tuple[Content, ...] = (
        "",
        "x",
        Special.FIFO,
        Special.FOLDER,
        Special.SOCKET,
        Link("/dev/zero"),
        Link("../../../../secret"),
        Link("../../../../../secret"),
        Link("missing"),
    )
    for number, blob in enumerate(blobs):
        for other in others:
            yield _scan(f"blob {number} is {str(other)[:30]!r}", {**files, blob: other}, Expected.REPORTED)
    for other in others:
        yield _scan(f"index is {str(other)[:30]!r}", {**files, "image/index.json": other}, Expected.REPORTED)
        yield _scan(f"layout is {str(other)[:30]!r}", {"image": other}, Expected.REPORTED)


@hostile_class("archives of images")
def archives(source: random.Random) -> Iterator[Member]:
    """Damaged archives of `docker save` and of layouts, links between members, and bombs."""
    image = Image()
    layout = pack(
        (name.removeprefix("image/"), content.encode() if isinstance(content, str) else content)  # type: ignore[misc]
        for name, content in image.write_layout().items()
    )
    config = image.write_config()
    name = f"{digest(config)[7:]}.json"
    manifest = [{"Config": name, "RepoTags": ["a:1"], "Layers": ["a/layer.tar"]}]
    saved = pack([("manifest.json", dump(manifest).encode()), (name, config), ("a/layer.tar", image.layer)])
    for kind, content in {"oci-archive": layout, "docker-archive": saved}.items():
        yield _scan(f"valid {kind}", {"image.tar": content}, check=_check_package, reference=f"{kind}:image.tar")
        for change, damaged in damage(content, source, 24):
            yield _scan(f"{kind}: {change}", {"image.tar": damaged}, reference=f"{kind}:image.tar")
    for change, changed in mutate(manifest, source, 24):
        packed = pack(
            [
                ("manifest.json", dump(changed).encode("utf-8", "surrogatepass")),
                (name, config),
                ("a/layer.tar", image.layer),
            ]
        )
        yield _scan(
            f"manifest: {change}", {"image.tar": packed}, check=_check_package, reference="docker-archive:image.tar"
        )
    link = tarfile.TarInfo("a/layer.tar")
    link.type = tarfile.SYMTYPE
    for target in ("../../../secret", "/etc/passwd", "layer.tar", "../manifest.json", "\x1b[31m", "x" * 5_000):
        link.linkname = target
        packed = pack([("manifest.json", dump(manifest).encode()), (name, config), (link, b"")])
        yield _scan(
            f"layer is a link to {target[:20]!r}",
            {"image.tar": packed},
            Expected.REPORTED,
            reference="docker-archive:image.tar",
        )
    for path in ("../secret", "/etc/passwd", "", "a\x00b", "\x1b[31m"):
        packed = pack([("manifest.json", dump([{**manifest[0], "Layers": [path]}]).encode()), (name, config)])
        yield _scan(
            f"layer at {path[:20]!r}", {"image.tar": packed}, Expected.REPORTED, reference="docker-archive:image.tar"
        )


def _link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


@hostile_class("layers of images")
def layers(source: random.Random) -> Iterator[Member | Callable[[], Member]]:
    """Damaged layers, bombs, entries with paths, links and hostile names, and hostile files of packages in them."""
    plain = Image().layer
    compressors: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd.compress}
    for kind, compress in compressors.items():
        for name, content in damage(compress(plain), source, 12):
            image = Image(plain, f"{_LAYER}+{kind}")
            manifest = {**image.describe(), "layers": [_describe(content, f"{_LAYER}+{kind}")]}
            yield _scan(f"{kind}: {name}", image.write_layout(manifest, layer=content), check=_check_package)
    for name, content in damage(plain, source, 16):
        yield _scan(f"tar: {name}", Image(content).write_layout())
    package = (_METADATA, _PACKAGE)
    for name, content in {
        "gzip bomb": gzip_bomb(),
        "zstd bomb": zstd.compress(bytes(200 << 20)),
        "gzip of a bomb": gzip.compress(gzip_bomb()),
        "many members": gzip.compress(b"") * 20_000 + gzip.compress(plain),
    }.items():
        image = Image(plain, f"{_LAYER}+{'zstd' if 'zstd' in name else 'gzip'}")
        manifest = {**image.describe(), "layers": [_describe(content, image.media_type)]}
        yield _scan(
            name,
            image.write_layout(manifest, layer=content),
            Expected.EITHER if name == "many members" else Expected.REPORTED,
        )
    hole = tarfile.TarInfo("hole")
    hole.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 40)}
    entries: dict[str, list[tuple[tarfile.TarInfo | str, bytes]]] = {
        "paths out of the image": [("../../../secret", b"x"), ("/etc/passwd", b"x"), package],
        "link of metadata": [_link(_METADATA, "/etc/passwd"), package],
        "link of the database": [_link("var/lib/dpkg/status", "../../../../../secret"), package],
        "hard link to itself": [_link("a", "a", tarfile.LNKTYPE), package],
        "loop of links": [_link("var/lib/dpkg", "dpkg"), package],
        "device": [_link("var/lib/dpkg/status", "", tarfile.CHRTYPE), package],
        "hole": [(hole, b"0\n"), package],
        "whiteout of everything": [package, (".wh..wh..opq", b"")],
        "whiteout with a path": [(".wh.../../x", b""), ("usr/.wh..", b""), (".wh.", b""), package],
        "same entry": [(_METADATA, b"x"), package],
        "long name": [("n" * 60_000, b""), package],
        "many entries": [*((f"f{n}", b"") for n in range(60_000)), package],
        "deep path": [("a/" * 10_000 + "b", b""), package],
        "hostile release": [("etc/os-release", b"ID=" + b"\x1b[31m" * 100 + b"\nVERSION_ID=$(id)\n"), package],
        "damaged database of RPM": [("var/lib/rpm/rpmdb.sqlite", b"SQLite format 3\0" + bytes(1_000)), package],
        "damaged Packages": [("var/lib/rpm/Packages.db", b"RpmP" + bytes(1_000)), package],
        "damaged archive": [("app.jar", b"PK\x03\x04" + bytes(1_000)), package],
        "damaged executable": [("usr/bin/a", b"\x7fELF" + bytes(1_000)), package],
        "nested package.json": [("a/package.json", b'{"name":' + b"[" * 100_000), package],
        "long lock": [("a/package-lock.json", b'{"packages": {' + b'"a":{},' * 100_000 + b'"b":{}}}'), package],
        "SBOM in the image": [
            ("opt/bitnami/a/.spdx-a.spdx", b'{"spdxVersion": "SPDX-2.3", "packages": ' + b"[" * 50_000),
            package,
        ],
        "long line": [("var/lib/dpkg/status", b"Package: " + b"a" * 5_000_000), package],
        "bidi name": [("a\u202e.py", b""), ("a\x1b[31m", b""), package],
    }
    for name, members in entries.items():
        yield _scan_packed(name, members)


def _scan_packed(name: str, entries: Iterable[tuple[tarfile.TarInfo | str, bytes]]) -> Callable[[], Member]:
    """Return a function that packs the entries, which are many for some members, and builds the member."""
    return lambda: _scan(name, Image(pack(entries)).write_layout(), check=_check_package)


@hostile_class("texts of images")
def texts(source: random.Random) -> Iterator[Member]:
    """Texts that attack a report, in configurations, annotations and packages."""
    del source
    for name, text in TEXTS.items():
        value = text.replace("\n", " ")
        status = _STATUS.replace(b"openssl", value.encode("utf-8", "surrogatepass")[:2_000] or b"a").replace(
            b"3.0.11", value.encode()[:2_000]
        )
        image = Image(
            pack(
                [
                    (_METADATA, _PACKAGE.replace(b"Apache-2.0", value.encode())),
                    ("var/lib/dpkg/status", status),
                    ("etc/os-release", b'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="' + value.encode() + b'"\n'),
                ]
            )
        )
        image.config = {
            **image.config,
            "author": text,
            "config": {
                "User": text,
                "Env": [f"A={text}", text],
                "Cmd": [text],
                "Entrypoint": [text],
                "Labels": {text: text, "org.opencontainers.image.base.name": text},
                "WorkingDir": text,
            },
            "history": [{"created_by": text, "comment": text, "author": text}],
        }
        manifest = {**image.describe(), "annotations": {text: text, "org.opencontainers.image.title": text}}
        files = image.write_layout(manifest)
        yield _scan(name, files, check=_check_package)
        for arguments in (
            ("image", "sbom", "oci:image"),
            ("image", "sbom", "oci:image", "-f", "cyclonedx"),
            ("image", "sbom", "oci:image", "-f", "spdx-tag-value"),
            ("image", "advise", "oci:image", "--advisories", "advisories.jsonl"),
        ):
            yield Member(
                f"{' '.join(arguments)} with {name}",
                {**files, "advisories.jsonl": _ADVISORIES},
                Expected.EITHER,
                arguments,
                ("cache",),
                environment=CACHE,
            )


def serve(image: Image, others: Mapping[str, Answer] | None = None, manifest: Any = None) -> Site:
    """Return a registry with an image. others: answers by a part of the path, which replace others."""
    described = image.describe() if manifest is None else manifest
    text = dump(described).encode("utf-8", "surrogatepass")
    blobs = {digest(blob): Answer(blob) for blob in (image.write_config(), image.layer)}

    def answer(_: str, path: str) -> Answer:
        for part, other in (others or {}).items():
            if part in path:
                return other
        if path.endswith(("/manifests/1", f"/manifests/{digest(text)}")):
            return Answer(text, headers={"Content-Type": MANIFEST, "Docker-Content-Digest": digest(text)})
        if path.startswith("a/tags/list"):
            return Answer(b'{"name": "a", "tags": ["1"]}')
        return blobs.get(path.rpartition("/")[2], Answer(b'{"errors": []}', 404))

    return answer


def use_registry(
    name: str,
    site: Site,
    arguments: tuple[str, ...],
    files: Mapping[str, Content] | None = None,
    check: Callable[[Run], None] | None = None,
    outputs: tuple[str, ...] = (),
) -> Member:
    """Return a member with the arguments, in which `{reference}` and `{registry}` name the registry."""
    number, port = add_site(site), get_port()
    words = {"{reference}": f"127.0.0.1:{port}/{number}/a:1", "{repository}": f"127.0.0.1:{port}/{number}/a"}
    replaced = tuple(words.get(word, word) for word in arguments)
    environment = {**CACHE, "TEST_PORT": str(port), "DOCKER_CONFIG": "{work}"}
    return Member(
        name,
        {"advisories.jsonl": _ADVISORIES, **(files or {})},
        Expected.EITHER,
        (*replaced, "--plain-http"),
        ("cache", *outputs),
        environment=environment,
        check=check,
    )


@hostile_class("registries of images")
def registries(source: random.Random) -> Iterator[Member]:
    """Answers of registries to a scan of an image: errors with texts, other content, redirects and lists of tags."""
    image = Image()
    scan = ("image", "scan", "{reference}", "--advisories", "advisories.jsonl", *REPORT)
    yield use_registry("valid", serve(image), scan, check=_check_package)
    for name, text in TEXTS.items():
        error = dump({"errors": [{"code": text, "message": text, "detail": {"a": text}}]}).encode(
            "utf-8", "surrogatepass"
        )
        for status in (401, 403, 404):
            failed = Answer(error, status, {"WWW-Authenticate": 'Basic realm="a"'} if status == 401 else {})
            yield use_registry(
                f"error {status} with {name}", serve(image, {"/manifests/": failed}), scan, check=_check_package
            )
    for name, changed in mutate(image.describe(), source, 20):
        yield use_registry(f"manifest: {name}", serve(image, manifest=changed), scan, check=_check_package)
    lists: dict[str, Answer] = {
        "no list": Answer(b"5"),
        "nested": Answer(b'{"tags":' + b"[" * 100_000),
        "numbers": Answer(b'{"tags": [1, null, {}, "1"]}'),
        "null": Answer(b'{"tags": null}'),
        "no tags": Answer(b'{"tags": []}'),
        "many": Answer(dump({"tags": [f"t{n}" for n in range(100)]}).encode()),
        "paths": Answer(dump({"tags": ["../../x", "/etc", "a/b", "", " ", "1"]}).encode()),
        "next is itself": Answer(b'{"tags": ["1"]}', headers={"Link": '</v2/x>; rel="next"'}),
        "next elsewhere": Answer(b'{"tags": ["1"]}', headers={"Link": '<http://169.254.169.254/>; rel="next"'}),
        "next with controls": Answer(b'{"tags": ["1"]}', headers={"Link": '<\x1b[31m>; rel="next"'}),
        "endless next": Answer(b'{"tags": ["1"]}', headers={"Link": '<?n=1>; rel="next"'}),
        "5 MiB": Answer(b" " * (5 << 20)),
        "HTML": Answer(b"<html>"),
        "forbidden": Answer(b"x", 403),
        "cut off": Answer(b'{"tags": ["1"', headers={"Content-Length": "50"}),
        **{
            f"tag with {name}": Answer(dump({"tags": [text[:200], "1"]}).encode("utf-8", "surrogatepass"))
            for name, text in TEXTS.items()
        },
    }
    for name, listed in lists.items():
        for arguments in (
            ("registry", "list", "{repository}", "-f", "json"),
            ("registry", "scan", "{repository}", "--advisories", "advisories.jsonl", *REPORT),
        ):
            yield use_registry(f"{arguments[1]} tags: {name}", serve(image, {"/tags/list": listed}), arguments)
