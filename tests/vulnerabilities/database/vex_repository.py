"""VEX repositories of tests: archives, and manifests on the server of the tests."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from tests.vulnerabilities.database.bucket import Bucket
from tests.vulnerabilities.vex.shop import about, openvex

UPDATED = "2026-11-01T00:00:00Z"
MANIFEST = "/.well-known/vex-repository.json"
ARCHIVE = "/v0/vex.tar.gz"
_COMPRESSORS: Mapping[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


def suppress(*products: object, **fields: object) -> bytes:
    """Return a document that states that products are not affected by CVE-2026-1001."""
    return openvex(about(*products, **fields))  # type: ignore[arg-type]


def lay_out(documents: Mapping[str, bytes], updated: str = UPDATED) -> dict[str, bytes]:
    """Return the files of a repository with a document for each package URL."""
    paths = {purl: f"pkg/{number}/vex.json" for number, purl in enumerate(documents)}
    entries = [{"id": purl, "location": path} for purl, path in paths.items()]
    index = json.dumps({"updated_at": updated, "packages": entries}).encode()
    return {"index.json": index, **{paths[purl]: content for purl, content in documents.items()}}


def pack(files: Mapping[str, bytes], kind: str = "gz", folder: str = "") -> bytes:
    """Return an archive: a tar archive with a compression, or a zip archive. folder: of all files."""
    named = {f"{folder}/{name}" if folder else name: content for name, content in files.items()}
    stream = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as zip_archive:
            for name, content in named.items():
                zip_archive.writestr(name, content)
        return stream.getvalue()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in named.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return _COMPRESSORS[kind](stream.getvalue())


def publish(
    bucket: Bucket,
    archive: bytes,
    *,
    path: str = ARCHIVE,
    manifest: str = MANIFEST,
    folder: str = "",
    interval: str = "24h",
    first: str = "",
) -> None:
    """Publish an archive with the manifest that names it. first: path of a location before that of the archive."""
    urls = [f"{bucket.address}{part}" for part in filter(None, (first, path + (f"//{folder}" if folder else "")))]
    version = {
        "spec_version": "v0.1",
        "locations": [{"url": url} for url in urls],
        "update_interval": interval,
    }
    document = {"name": "Test", "description": "", "versions": {"v0": version}, "latest_version": "v0"}
    bucket.files[manifest] = json.dumps(document).encode()
    bucket.files[path] = archive


SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def create_key(kind: str) -> SigningKey:
    """Return a new private key."""
    match kind:
        case "ecdsa":
            return ec.generate_private_key(ec.SECP256R1())
        case "rsa":
            return rsa.generate_private_key(65537, 2048)
        case _:
            return ed25519.Ed25519PrivateKey.generate()


def sign(key: SigningKey, content: bytes) -> bytes:
    """Return a signature in base64."""
    match key:
        case ec.EllipticCurvePrivateKey():
            signature = key.sign(content, ec.ECDSA(hashes.SHA256()))
        case rsa.RSAPrivateKey():
            signature = key.sign(content, padding.PKCS1v15(), hashes.SHA256())
        case _:
            signature = key.sign(content)
    return base64.b64encode(signature)


def write_public_key(key: SigningKey, path: Path) -> Path:
    """Write the public key in PEM."""
    path.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return path


def write_sbom(
    path: Path, *purls: str, image: str = "", source: str = "", hashes: Mapping[str, str] = MappingProxyType({})
) -> Path:
    """Write an SBOM with packages, of an image or of an application.

    source: name of the source package of packages of Debian. hashes: SHA-256 by package URL.
    """
    name, _, tag = image.rpartition(":")
    subject = {"type": "container", "name": name, "version": tag} if image else {"type": "application", "name": "shop"}
    components = []
    for purl in purls:
        base, _, version = purl.partition("?")[0].rpartition("@")
        component: dict[str, object] = {"type": "library", "bom-ref": purl, "name": base.rpartition("/")[2]}
        component |= {"version": version, "purl": purl}
        if source and purl.startswith("pkg:deb/"):
            component["purl"] = f"{purl}&upstream={source}"
        if purl in hashes:
            component["hashes"] = [{"alg": "SHA-256", "content": hashes[purl]}]
        components.append(component)
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"bom-ref": "subject", **subject}},
        "components": components,
    }
    path.write_text(json.dumps(document))
    return path
