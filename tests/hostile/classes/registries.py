"""Answers of an OCI registry from which a library is pulled."""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import json
import random
import tarfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from tests.hostile.classes.rules import CONTROL, CONTROL_REGO
from tests.hostile.member import Expected, Member, Run, hostile_class
from tests.hostile.samples import TEXTS, damage, dump, gzip_bomb, mutate
from tests.hostile.server import Answer, add_site, get_port

_KIND: Final = "application/vnd.kubekeep.library.v1"
_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_METADATA: Final = "http://169.254.169.254/latest/meta-data/"


@functools.cache
def _pack_library() -> bytes:
    """Return the layer of a valid library."""
    stream = io.BytesIO()
    files = {"control.yaml": dump(CONTROL), "control.rego": CONTROL_REGO}
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(f"controls/workload/pod-named/{name}")
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return gzip.compress(stream.getvalue(), mtime=0)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _describe(layer: bytes) -> dict[str, Any]:
    """Return the manifest of a layer."""
    return {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "artifactType": _KIND,
        "annotations": {"org.opencontainers.image.title": "a"},
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": _digest(b"{}"), "size": 2},
        "layers": [{"mediaType": f"{_KIND}.tar+gzip", "digest": _digest(layer), "size": len(layer)}],
    }


def _check_absent(run: Run) -> None:
    assert run.code == 0 or not any(name.startswith("rules") for name in run.files), "wrote a part of a library"


def _pull(
    name: str, site: Callable[[str, str], Answer], expected: Expected = Expected.REPORTED, version: str = ":1.0"
) -> Member:
    number, port = add_site(site), get_port()
    arguments = ("library", "pull", f"oci://127.0.0.1:{port}/{number}/a{version}", "rules", "--plain-http")
    environment = {"TEST_PORT": str(port), "DOCKER_CONFIG": "{work}"}
    return Member(name, {}, expected, arguments, ("rules",), environment=environment, check=_check_absent)


def _serve(manifest: Answer, blob: Answer, others: Mapping[str, Answer] | None = None) -> Callable[[str, str], Answer]:
    def answer(_: str, path: str) -> Answer:
        for start, other in (others or {}).items():
            if path.startswith(start):
                return other
        return manifest if "/manifests/" in path else blob

    return answer


def _serve_manifest(document: Any, layer: bytes | None = None) -> Callable[[str, str], Answer]:
    layer = _pack_library() if layer is None else layer
    body = document if isinstance(document, bytes) else dump(document).encode("utf-8", "surrogatepass")
    return _serve(Answer(body, headers={"Content-Type": _MANIFEST}), Answer(layer))


@hostile_class("manifests of a registry")
def manifests(source: random.Random) -> Iterator[Member]:
    """Manifests in which one value is of another type, damaged and nested ones, indexes, and wrong digests."""
    layer = _pack_library()
    valid = _describe(layer)
    yield _pull("valid", _serve_manifest(valid), Expected.READ)
    for name, changed in mutate(valid, source, 30):
        yield _pull(name, _serve_manifest(changed), Expected.EITHER)
    for name, content in damage(json.dumps(valid).encode(), source, 12):
        yield _pull(name, _serve_manifest(content), Expected.EITHER)
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{"mediaType": _MANIFEST, "digest": "sha256:" + "a" * 64, "size": 9}],
    }
    contents: dict[str, Any] = {
        "index": index,
        "index of itself": {**index, "config": valid["config"], "layers": valid["layers"]},
        "empty": b"",
        "not JSON": b"\xff\x00",
        "nested": b"[" * 100_000,
        "nested annotations": b'{"annotations": ' + b'{"a":' * 100_000,
        "HTML": b"<html>",
        "5 MiB": b" " * (5 << 20),
        "no layers": {**valid, "layers": []},
        "many layers": {**valid, "layers": valid["layers"] * 20_000},
        "huge layer": {**valid, "layers": [{**valid["layers"][0], "size": 10**30}]},
        "long annotations": {**valid, "annotations": {str(n): "x" * 1_000 for n in range(3_000)}},
        "another digest": {**valid, "layers": [{**valid["layers"][0], "digest": "sha256:" + "0" * 64}]},
        "digest with a path": {**valid, "layers": [{**valid["layers"][0], "digest": "sha256:../../../etc/passwd"}]},
        "other algorithm": {**valid, "layers": [{**valid["layers"][0], "digest": "md5:" + "0" * 32}]},
    }
    for name, content in contents.items():
        yield _pull(
            name,
            _serve_manifest(content),
            Expected.EITHER if name.startswith(("long", "index of")) else Expected.REPORTED,
        )
    yield _pull("another manifest for a digest", _serve_manifest(valid), version="@sha256:" + "a" * 64)
    for name, text in TEXTS.items():
        annotated = {
            **valid,
            "annotations": {
                "org.opencontainers.image.title": text,
                "org.opencontainers.image.version": text,
                text: text,
            },
        }
        yield _pull(f"annotations with {name}", _serve_manifest(annotated), Expected.EITHER)
        yield _pull(f"type with {name}", _serve_manifest({**valid, "artifactType": text}))


@hostile_class("layers of a registry")
def layers(source: random.Random) -> Iterator[Member]:
    """Damaged layers, other archives, and layers that differ from their descriptor."""
    valid = _pack_library()
    plain = gzip.decompress(valid)
    for name, content in damage(plain, source, 24):
        layer = gzip.compress(content, mtime=0)
        yield _pull(f"archive: {name}", _serve_manifest(_describe(layer), layer), Expected.EITHER)
    for name, layer in damage(valid, source, 12):
        yield _pull(f"compressed: {name}", _serve_manifest(_describe(layer), layer), Expected.EITHER)
        yield _pull(f"other than described: {name}", _serve_manifest(_describe(valid), layer))
    for name, layer in (
        ("bomb", gzip_bomb()),
        ("bomb in a bomb", gzip.compress(gzip_bomb())),
        ("empty", b""),
        ("text", b"text"),
        ("zip", b"PK\x03\x04" + bytes(100)),
        ("not compressed", plain),
        ("twice", gzip.compress(valid)),
        ("two archives", valid + valid),
    ):
        yield _pull(name, _serve_manifest(_describe(layer), layer))


@hostile_class("connections of a registry")
def connections(source: random.Random) -> Iterator[Member]:
    """Redirects, challenges and token servers that lead elsewhere, and answers that are cut off or without an end."""
    del source
    layer = _pack_library()
    good, blob = Answer(dump(_describe(layer)).encode()), Answer(layer)
    port = get_port()
    targets = (
        "file:///etc/passwd",
        _METADATA,
        "http://[::ffff:169.254.169.254]/",
        "http://169.254.169.254.:80/",
        "http://0.0.0.0/",
        "ftp://127.0.0.1/",
        "gopher://127.0.0.1/",
        "//",
        "http://[",
        "http://a\x7f/",
        "",
        "javascript:alert(1)",
        "data:,x",
        "?",
        f"http://user:password@127.0.0.1:{port}/x",
        "\u202e",
        "x" * 5_000,
    )
    for number, target in enumerate(targets):
        moved = Answer(status=307, headers={"Location": target.encode().decode("latin-1")})
        yield _pull(f"manifest moves to {number} {target[:30]!r}", _serve(moved, blob))
        yield _pull(f"layer moves to {number} {target[:30]!r}", _serve(good, moved))
        quoted = target.encode().decode("latin-1")
        challenge = Answer(status=401, headers={"WWW-Authenticate": f'Bearer realm="{quoted}",service="a",scope="b"'})
        yield _pull(f"token server {number} {target[:30]!r}", _serve(challenge, challenge))
    for header in (
        "",
        "Basic",
        "Bearer",
        "Bearer realm",
        'Bearer realm="',
        "Negotiate",
        'Bearer realm="' + "\\\\" * 5_000,
        'Basic realm="\x1b[31m"',
        "Bearer " + 'a="b",' * 5_000,
    ):
        unauthorized = Answer(b"[" * 50_000, status=401, headers={"WWW-Authenticate": header})
        yield _pull(f"challenge {header[:20]!r}", _serve(unauthorized, unauthorized))
    for body in (
        b"",
        b"[",
        b"5",
        b'{"token": 5}',
        b'{"token": "\\u001b[31m\\r\\nX: y"}',
        b'{"token": "\\ud800"}',
        b"[" * 100_000,
        b'{"token": "' + b"x" * 100_000 + b'"}',
        b" " * (5 << 20),
    ):
        number = add_site(lambda _, __, body=body: Answer(body))  # type: ignore[misc]
        realm = Answer(status=401, headers={"WWW-Authenticate": f'Bearer realm="http://127.0.0.1:{port}/{number}/t"'})
        yield _pull(f"token {body[:30]!r}", _serve(realm, realm))
    for name, answer in (
        ("cut off", Answer(good.body[:50], headers={"Content-Length": str(len(good.body))})),
        ("no length", Answer(good.body, headers={"Content-Length": None})),
        ("negative length", Answer(good.body, headers={"Content-Length": "-5"})),
        ("two lengths", Answer(good.body, headers={"content-length": "5"})),
        ("wrong chunks", Answer(b"zz\r\n", headers={"Transfer-Encoding": "chunked", "Content-Length": None})),
        ("endless", Answer(b"x" * 65536, headers={"Content-Length": None}, repeat=10_000)),
        (
            "endless chunks",
            Answer(
                b"1000\r\n" + b"x" * 0x1000 + b"\r\n",
                headers={"Transfer-Encoding": "chunked", "Content-Length": None},
                repeat=10_000,
            ),
        ),
        ("no content", Answer(status=204)),
        ("compressed", Answer(gzip.compress(good.body), headers={"Content-Encoding": "gzip"})),
        ("error with controls", Answer(b'{"errors": [{"code": "\\u001b[31m", "message": "\\u202e"}]}', status=500)),
        ("error of another type", Answer(b'{"errors": {"a": 5}}', status=403)),
        ("nested error", Answer(b'{"errors":' + b"[" * 100_000, status=404)),
        ("status 999", Answer(b"x", status=999)),
    ):
        yield _pull(f"manifest {name}", _serve(answer, blob), Expected.EITHER)
        yield _pull(f"layer {name}", _serve(good, answer), Expected.EITHER)
