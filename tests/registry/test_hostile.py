"""Malicious archives, pushed to a real registry and pulled again: none is unpacked."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from kubekeep.registry import artifacts
from kubekeep.registry.credentials import Keychain
from kubekeep.registry.errors import RejectedArtifactError
from kubekeep.registry.repository import OciRepository
from kubekeep.usecases.library import KIND, RegistryAccess, pull
from tests.registry.service import Service

NOBODY = Path("/nowhere")


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """Pack members in the format of a library, without checks."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=0)


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def sparse() -> bytes:
    """Return a file of 512 bytes that declares a size of 8 TiB."""
    info = member("lib/a.rego")
    info.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,1"}
    info.pax_headers |= {"GNU.sparse.size": str(8 << 40), "GNU.sparse.name": "lib/a.rego"}
    return archive((info, b"x" * 512))


HOSTILE = {
    "leads up": archive((member("../evil"), b"x")),
    "leads up below": archive((member("controls/../../evil"), b"x")),
    "absolute": archive((member("/tmp/evil"), b"x")),  # noqa: S108 - must not be written
    "a drive": archive((member("controls/C:/evil"), b"x")),
    "backslashes": archive((member("controls\\..\\..\\evil"), b"x")),
    "a link": archive((member("controls/evil", tarfile.SYMTYPE, "../../evil"), b"")),
    "a link, then through it": archive(
        (member("controls/a", tarfile.SYMTYPE, "/tmp"), b""),  # noqa: S108
        (member("controls/a/evil"), b"x"),
    ),
    "a hard link": archive((member("controls/evil", tarfile.LNKTYPE, "/etc/passwd"), b"")),
    "a device": archive((member("controls/evil", tarfile.CHRTYPE), b"")),
    "a pipe": archive((member("controls/evil", tarfile.FIFOTYPE), b"")),
    "elsewhere": archive((member("bin/evil"), b"x")),
    "our own note": archive((member("kubekeep-library.json"), b"{}")),
    "hidden": archive((member("lib/.evil"), b"x")),
    "twice": archive((member("lib/a.rego"), b"x"), (member("lib/a.rego"), b"y")),
    "twice but for case": archive((member("lib/a.rego"), b"x"), (member("lib/A.rego"), b"y")),
    "more than a library": archive((member("lib/a.sh"), b"x")),
    "no library": archive((member("controls/area/one/control.yaml"), b"title: [")),
    "nothing": archive(),
    "long": archive((member("lib/a.rego"), b"#" * ((1 << 20) + 1))),
    "deep": archive((member("controls/" + "a/" * 50 + "b"), b"x")),
    "many": archive(*((member(f"lib/a{number}.rego"), b"") for number in range(20_001))),
    "sparse": sparse(),
    "a bomb": gzip.compress(bytes(100 << 20), mtime=0),
    "not compressed": b"PK\x03\x04",
    "not an archive": gzip.compress(b"nothing" * 1000, mtime=0),
    "half": archive((member("lib/a.rego"), b"x"))[:-20],
    "more behind": archive((member("lib/a.rego"), b"x")) + b"more",
}


@pytest.mark.parametrize("layer", HOSTILE.values(), ids=HOSTILE)
def test_hostile_archive_is_not_unpacked(layer: bytes, service: Service, tmp_path: Path) -> None:
    reference = service.reference("hostile")
    with OciRepository(reference, Keychain(NOBODY), plain_http=True) as repository:
        artifacts.push(repository, reference, KIND, (layer, {}), {})
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
