"""Malicious archives, pushed to a real registry and pulled again: none is unpacked."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kubekeep.registry import artifacts
from kubekeep.registry.credentials import Keychain
from kubekeep.registry.errors import RejectedArtifactError
from kubekeep.registry.repository import OciRepository
from kubekeep.usecases.library import KIND, RegistryAccess, pull
from tests.registry.service import Service

NOBODY = Path("/nowhere")


def pack_library(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """Pack members in the format of a library, without checks."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(stream.getvalue(), mtime=0)


def create_member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def pack_sparse_file() -> bytes:
    """Return a file of 512 bytes that declares a size of 8 TiB."""
    info = create_member("lib/a.rego")
    info.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,1"}
    info.pax_headers |= {"GNU.sparse.size": str(8 << 40), "GNU.sparse.name": "lib/a.rego"}
    return pack_library((info, b"x" * 512))


HOSTILE: dict[str, Callable[[], bytes]] = {
    "leads up": lambda: pack_library((create_member("../evil"), b"x")),
    "leads up below": lambda: pack_library((create_member("controls/../../evil"), b"x")),
    "absolute": lambda: pack_library((create_member("/tmp/evil"), b"x")),  # noqa: S108 - must not be written
    "a drive": lambda: pack_library((create_member("controls/C:/evil"), b"x")),
    "backslashes": lambda: pack_library((create_member("controls\\..\\..\\evil"), b"x")),
    "a link": lambda: pack_library((create_member("controls/evil", tarfile.SYMTYPE, "../../evil"), b"")),
    "a link, then through it": lambda: pack_library(
        (create_member("controls/a", tarfile.SYMTYPE, "/tmp"), b""),  # noqa: S108
        (create_member("controls/a/evil"), b"x"),
    ),
    "a hard link": lambda: pack_library((create_member("controls/evil", tarfile.LNKTYPE, "/etc/passwd"), b"")),
    "a device": lambda: pack_library((create_member("controls/evil", tarfile.CHRTYPE), b"")),
    "a pipe": lambda: pack_library((create_member("controls/evil", tarfile.FIFOTYPE), b"")),
    "elsewhere": lambda: pack_library((create_member("bin/evil"), b"x")),
    "our own note": lambda: pack_library((create_member("kubekeep-library.json"), b"{}")),
    "hidden": lambda: pack_library((create_member("lib/.evil"), b"x")),
    "twice": lambda: pack_library((create_member("lib/a.rego"), b"x"), (create_member("lib/a.rego"), b"y")),
    "twice but for case": lambda: pack_library(
        (create_member("lib/a.rego"), b"x"), (create_member("lib/A.rego"), b"y")
    ),
    "more than a library": lambda: pack_library((create_member("lib/a.sh"), b"x")),
    "no library": lambda: pack_library((create_member("controls/area/one/control.yaml"), b"title: [")),
    "nothing": pack_library,
    "long": lambda: pack_library((create_member("lib/a.rego"), b"#" * ((1 << 20) + 1))),
    "deep": lambda: pack_library((create_member("controls/" + "a/" * 50 + "b"), b"x")),
    "many": lambda: pack_library(*((create_member(f"lib/a{number}.rego"), b"") for number in range(20_001))),
    "sparse": pack_sparse_file,
    "a bomb": lambda: gzip.compress(bytes(100 << 20), mtime=0),
    "not compressed": lambda: b"PK\x03\x04",
    "not an archive": lambda: gzip.compress(b"nothing" * 1000, mtime=0),
    "half": lambda: pack_library((create_member("lib/a.rego"), b"x"))[:-20],
    "more behind": lambda: pack_library((create_member("lib/a.rego"), b"x")) + b"more",
}


@pytest.mark.parametrize("pack", HOSTILE.values(), ids=HOSTILE)
def test_hostile_archive_is_not_unpacked(pack: Callable[[], bytes], service: Service, tmp_path: Path) -> None:
    reference = service.reference("hostile")
    with OciRepository(reference, Keychain(NOBODY), plain_http=True) as repository:
        artifacts.push(repository, reference, KIND, (pack(), {}), {})
    folder = tmp_path / "a" / "pulled"
    folder.parent.mkdir()
    with pytest.raises(RejectedArtifactError, match="oci://") as refused:
        pull(reference, folder, RegistryAccess(config=NOBODY, plain_http=True))
    assert "\n" not in str(refused.value)
    assert list(tmp_path.rglob("*")) == [folder.parent]


def test_layer_declared_huge(service: Service, tmp_path: Path) -> None:
    """None of its content is fetched."""
    reference = service.reference("huge")
    with OciRepository(reference, Keychain(NOBODY), plain_http=True) as repository:
        repository.put_blob(b"{}")
        digest = artifacts.push(repository, reference, KIND, (b"small", {}), {})
        manifest = service.blob(digest).read_bytes().replace(b'"size":5', b'"size":999999999999')
        repository.put_manifest("1.0", manifest)
    with pytest.raises(RejectedArtifactError, match="999,999,999,999 bytes"):
        pull(reference, tmp_path / "pulled", RegistryAccess(config=NOBODY, plain_http=True))
