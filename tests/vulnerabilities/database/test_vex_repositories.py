"""VEX repositories: updates from a server, import, export and status, through the command line."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kubekeep.vulnerabilities.database import schema
from kubekeep.vulnerabilities.database.vex_repositories.address import get_manifest_url
from kubekeep.vulnerabilities.database.vex_repositories.manifest import read_manifest
from kubekeep.vulnerabilities.database.vex_repositories.reader import VexRepositoryFile, get_repository_path
from tests.command_line import run_command_line
from tests.registry.conftest import write_keys
from tests.registry.service import run_registry
from tests.registry.test_login import create_certificate
from tests.vulnerabilities.database.bucket import Bucket, run_bucket
from tests.vulnerabilities.database.records import create_record, run_db, write_lines
from tests.vulnerabilities.database.test_update import publish as publish_records
from tests.vulnerabilities.database.vex_repository import (
    ARCHIVE,
    MANIFEST,
    create_key,
    lay_out,
    pack,
    publish,
    sign,
    suppress,
    write_public_key,
)

LEFT_PAD = "pkg:npm/left-pad"
DOCUMENT = suppress(LEFT_PAD)


def update(bucket: Bucket, database: Path, *options: str | Path, code: int = 0, name: str = "hub") -> str:
    return run_db(
        "update", "--vex-repository", f"{name}={bucket.address}", *options, code=code, database=database
    ).stderr


def list_packages(database: Path, name: str = "hub") -> list[str]:
    repository = VexRepositoryFile(get_repository_path(database, name))
    try:
        return sorted(purl for purl, _ in repository.find([LEFT_PAD.removeprefix("pkg:"), "npm/other", "deb/curl"]))
    finally:
        repository.close()


def list_facts(database: Path, name: str = "hub") -> dict[str, Any]:
    repository = VexRepositoryFile(get_repository_path(database, name))
    repository.close()
    return repository.facts


def set_facts(database: Path, **facts: object) -> None:
    """Change facts of a file as its last update would have written them."""
    path = get_repository_path(database, "hub")
    connection = schema.open_for_writing(path, schema.STATEMENTS)
    schema.write_facts(connection, **facts)
    connection.close()
    schema.seal_file(path)


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zip"])
@pytest.mark.parametrize("folder", ["", "vexhub-main"])
def test_archives(bucket: Bucket, tmp_path: Path, kind: str, folder: str) -> None:
    archive = pack(lay_out({LEFT_PAD: DOCUMENT, "pkg:deb/debian/curl": suppress("pkg:deb/debian/curl")}), kind, folder)
    publish(bucket, archive, folder=folder)
    assert update(bucket, tmp_path / "database") == "VEX (hub): 2 documents loaded\n"
    assert list_packages(tmp_path / "database") == ["pkg:deb/debian/curl", LEFT_PAD]


def test_interval_and_entity_tags(bucket: Bucket, tmp_path: Path) -> None:
    database = tmp_path / "database"
    publish_records(bucket, tmp_path, create_record("A-1"))
    publish(bucket, pack(lay_out({LEFT_PAD: DOCUMENT})), interval="1h30m")
    update(bucket, database, "npm", "--source", bucket.address)
    assert list_facts(database)["interval"] == 5400
    # Before the interval has passed, the repository is not requested, unless it is named.
    bucket.take_requests()
    assert "VEX (hub): 1 document, checked within the update interval\n" in run_db("update", database=database).stderr
    assert not [request for request in bucket.take_requests() if "vex" in request]
    assert update(bucket, database) == "VEX (hub): no change in 1 document\n"
    assert bucket.take_requests() == [f"{MANIFEST} 304", f"{ARCHIVE} 304"]
    # After the interval, and then not again: the check counts even if nothing has changed.
    set_facts(database, current=list_facts(database)["current"] - 5_400_000_000)
    assert "VEX (hub): no change in 1 document\n" in run_db("update", database=database).stderr
    assert "within the update interval" in run_db("update", database=database).stderr
    publish(bucket, pack(lay_out({LEFT_PAD: DOCUMENT, "pkg:npm/other": DOCUMENT}, "2026-11-02T00:00:00Z")))
    assert update(bucket, database) == "VEX (hub): 2 documents loaded\n"
    assert list_facts(database)["interval"] == 24 * 3600
    # A name of an ecosystem or a feed updates nothing else.
    assert "VEX" not in run_db("update", "npm", database=database).stderr


def test_update_of_imported_advisories_and_a_repository(bucket: Bucket, tmp_path: Path) -> None:
    database = tmp_path / "database"
    run_db("import", write_lines(tmp_path / "a.jsonl", [create_record("A-1")]), database=database)
    assert "only imported feeds" in run_db("update", code=3, database=database).stderr
    publish(bucket, pack(lay_out({LEFT_PAD: DOCUMENT})), interval="0s")
    update(bucket, database)
    assert run_db("update", database=database).stderr == "VEX (hub): no change in 1 document\n"


def test_locations_are_tried_in_order(bucket: Bucket, tmp_path: Path) -> None:
    publish(bucket, pack(lay_out({LEFT_PAD: DOCUMENT})), first="/missing.tar.gz")
    assert update(bucket, tmp_path / "database") == "VEX (hub): 1 document loaded\n"
    assert bucket.take_requests() == [f"{MANIFEST} 200", "/missing.tar.gz 404", f"{ARCHIVE} 200"]
    bucket.files["/missing.tar.gz"] = b"<html>"
    update(bucket, tmp_path / "database")
    del bucket.files[ARCHIVE]
    stderr = update(bucket, tmp_path / "database", code=3)
    assert re.search(
        r"missing.tar.gz is not usable: .* is neither a tar nor a zip archive; .*responded with 404", stderr
    )
    assert list_packages(tmp_path / "database") == [LEFT_PAD]


@pytest.mark.parametrize(
    ("url", "manifest"),
    [
        ("https://vex.example", "https://vex.example/.well-known/vex-repository.json"),
        ("https://vex.example/", "https://vex.example/.well-known/vex-repository.json"),
        ("https://a:b@vex.example:8443", "https://a:b@vex.example:8443/.well-known/vex-repository.json"),
        ("https://vex.example/own/manifest.json", "https://vex.example/own/manifest.json"),
        ("https://github.com/acme/vex", "https://raw.githubusercontent.com/acme/vex/main/vex-repository.json"),
        ("https://github.com/acme/vex.git/", "https://raw.githubusercontent.com/acme/vex/main/vex-repository.json"),
    ],
)
def test_urls(url: str, manifest: str) -> None:
    assert get_manifest_url(url) == manifest


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("hub", "use NAME=URL"),
        ("Hub=https://vex.example", "use NAME=URL"),
        ("../x=https://vex.example", "use NAME=URL"),
        ("hub=ftp://vex.example", "is not a URL with https"),
        ("hub=https://vex.example/folder", "is not the URL of a VEX repository"),
        ("hub=https://github.com/acme", "is not the URL of a VEX repository"),
        ("hub=https://secret@github.com/acme/vex", "credentials are sent to their own host only"),
    ],
)
def test_invalid_repositories(tmp_path: Path, value: str, message: str) -> None:
    result = run_db("update", "--vex-repository", value, code=None, database=tmp_path / "database")
    assert result.exit_code in (2, 3)
    assert message in " ".join(result.stderr.split())
    assert "secret" not in result.output


def test_manifests() -> None:
    def write(**fields: Any) -> bytes:
        version = {"locations": [{"url": "https://a/x.tar.gz//sub/folder?token=1"}], "update_interval": "1h", **fields}
        other = {"spec_version": "v1.0", "locations": [{"url": "https://a/new.zip"}]}
        return json.dumps({"versions": {"v0": version, "v1": other, "v2": {"locations": 1}}}).encode()

    manifest = read_manifest(write())
    assert (manifest.locations[0].url, manifest.interval) == ("https://a/new.zip", 86400)
    (location,) = read_manifest(write().replace(b'"v1"', b'"v3"')).locations
    assert (location.url, location.folder) == ("https://a/x.tar.gz?token=1", "sub/folder")
    for text, seconds in {"1h30m": 5400, "1.5h": 5400, "90s": 90, "0s": 0, "100000h": 30 * 86400}.items():
        assert read_manifest(write(update_interval=text).replace(b'"v1"', b'"v3"')).interval == seconds


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (b"<html>", "is not the manifest of a VEX repository"),
        (b"[" * 100_000, "is not the manifest of a VEX repository"),
        (b'{"versions": {"v7": {}}}', "it has the versions v7; this program reads v0 and v1"),
        (b'{"versions": {"v0": {"locations": []}}}', "version v0 has no locations"),
        (b'{"versions": {"v0": {"locations": [{"url": 1}]}}}', "version v0: Expected `str`"),
        (
            b'{"versions": {"v0": {"locations": [{"url": "https://a"}], "update_interval": "1 day"}}}',
            "is not a duration such as 24h",
        ),
        (b'{"versions": {"v0": {"locations": [{"url": "file:///etc/passwd"}]}}}', "is not a URL with https"),
        (b'{"versions": {"v0": {"locations": [{"url": "http://169.254.169.254/x"}]}}}', "is not followed"),
        (b'{"versions": {"v0": {"locations": [{"url": "http://[::1"}]}}}', "not a valid URL"),
    ],
)
def test_hostile_manifests(bucket: Bucket, tmp_path: Path, manifest: bytes, message: str) -> None:
    database = tmp_path / "database"
    publish(bucket, pack(lay_out({LEFT_PAD: DOCUMENT})))
    update(bucket, database)
    before = get_repository_path(database, "hub").read_bytes()
    bucket.files[MANIFEST] = manifest
    assert message in update(bucket, database, code=3)
    assert get_repository_path(database, "hub").read_bytes() == before


def test_credentials_proxy_and_authority(tmp_path: Path) -> None:
    """Credentials go to the origin of the manifest only; the archive may be on another server."""
    certificate, context = create_tls(tmp_path)
    database = tmp_path / "database"
    with run_bucket(context) as bucket, run_bucket(context) as other:
        publish(bucket, b"")
        archive = f"{other.address}{ARCHIVE}"
        version = {"locations": [{"url": archive}], "update_interval": "24h"}
        bucket.files[MANIFEST] = json.dumps({"versions": {"v0": version}}).encode()
        other.files[ARCHIVE] = pack(lay_out({LEFT_PAD: DOCUMENT}))
        secret = bucket.address.replace("://", "://user:secret@")
        result = run_db("update", "--vex-repository", f"hub={secret}", code=3, database=database)
        assert "CERTIFICATE_VERIFY_FAILED" in result.stderr
        result = run_db("update", "--vex-repository", f"hub={secret}", "--ca", certificate, database=database)
        assert result.stderr == "VEX (hub): 1 document loaded\n"
        assert bucket.logins == ["user:secret"]
        assert other.logins == [""]
        assert b"secret" not in get_repository_path(database, "hub").read_bytes()
        bucket.files[ARCHIVE] = other.files[ARCHIVE]
        version["locations"] = [{"url": f"{bucket.address}{ARCHIVE}"}]
        bucket.files[MANIFEST] = json.dumps({"versions": {"v0": version}}).encode()
        run_db("update", "--vex-repository", f"hub={secret}", "--ca", certificate, database=database)
        assert bucket.logins == ["user:secret"] * 3
        # A server with TLS must not name an archive without it.
        version["locations"] = [{"url": f"http://127.0.0.1:1{ARCHIVE}"}]
        bucket.files[MANIFEST] = json.dumps({"versions": {"v0": version}}).encode()
        words = ("update", "--vex-repository", f"hub={secret}", "--ca", certificate)
        assert ": not followed" in run_db(*words, code=3, database=database).stderr


def test_proxy(bucket: Bucket, tmp_path: Path) -> None:
    """A proxy of the environment gets the requests with the full URL."""
    publish(bucket, pack(lay_out({LEFT_PAD: DOCUMENT})))
    manifest = bucket.files[MANIFEST].replace(bucket.address.encode(), b"http://vex.invalid")
    bucket.files = {f"http://vex.invalid{MANIFEST}": manifest, f"http://vex.invalid{ARCHIVE}": bucket.files[ARCHIVE]}
    variables = {"HTTP_PROXY": bucket.address, "NO_PROXY": "", "http_proxy": None, "no_proxy": None}
    words = ("db", "update", "--vex-repository", "hub=http://vex.invalid", "--database", tmp_path / "database")
    assert run_command_line(*words, variables=variables).stderr == "VEX (hub): 1 document loaded\n"


@pytest.mark.parametrize("kind", ["ecdsa", "rsa", "ed25519"])
def test_signed_repositories(bucket: Bucket, tmp_path: Path, kind: str) -> None:
    database, key, other = tmp_path / "database", create_key(kind), create_key("ecdsa")
    public = write_public_key(key, tmp_path / "ours.pub")
    archive = pack(lay_out({LEFT_PAD: DOCUMENT}))
    publish(bucket, archive)
    assert "is not signed" in update(bucket, database, "--vex-key", public, code=3)
    bucket.files[f"{ARCHIVE}.sig"] = sign(other, archive)
    assert "no valid signature by the key" in update(bucket, database, "--vex-key", public, code=3)
    bucket.files[f"{ARCHIVE}.sig"] = b"not base64!"
    assert "is not base64" in update(bucket, database, "--vex-key", public, code=3)
    assert not get_repository_path(database, "hub").exists()
    bucket.files[f"{ARCHIVE}.sig"] = sign(key, archive) + b"\n"
    update(bucket, database, "--vex-key", public)
    status = run_db("status", database=database).stdout
    assert status.rstrip().endswith(f"{bucket.address} (signed)")
    assert json.loads(run_db("status", "-o", "json", database=database).stdout)["sources"][0]["isSigned"]
    # The key is remembered: a new archive needs a signature, also if the repository is named without the key.
    changed = pack(lay_out({LEFT_PAD: DOCUMENT, "pkg:npm/other": DOCUMENT}, "2026-11-02T00:00:00Z"))
    publish(bucket, changed)
    assert "no valid signature" in update(bucket, database, code=3)
    set_facts(database, interval=0)
    assert "no valid signature" in run_db("update", code=3, database=database).stderr
    bucket.files[f"{ARCHIVE}.sig"] = sign(key, changed)
    assert "2 documents loaded" in update(bucket, database)
    # Everyone can repeat an old archive with its signature.
    publish(bucket, archive)
    bucket.files[f"{ARCHIVE}.sig"] = sign(key, archive)
    assert "an older archive does not replace a newer one" in update(bucket, database, code=3)
    assert list_packages(database) == [LEFT_PAD, "pkg:npm/other"]


def test_new_key_for_unsigned_documents(bucket: Bucket, tmp_path: Path) -> None:
    """The documents that are there were not verified: they are loaded again, although they have not changed."""
    database, key = tmp_path / "database", create_key("ecdsa")
    archive = pack(lay_out({LEFT_PAD: DOCUMENT}))
    publish(bucket, archive)
    update(bucket, database)
    public = write_public_key(key, tmp_path / "ours.pub")
    assert "is not signed" in update(bucket, database, "--vex-key", public, code=3)
    bucket.files[f"{ARCHIVE}.sig"] = sign(key, archive)
    bucket.take_requests()
    assert "1 document loaded" in update(bucket, database, "--vex-key", public)
    assert f"{ARCHIVE} 200" in bucket.take_requests()


def test_signature_by_openssl(bucket: Bucket, tmp_path: Path) -> None:
    subprocess.run(
        ["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", "ours.key"], cwd=tmp_path, check=True
    )
    subprocess.run(["openssl", "ec", "-in", "ours.key", "-pubout", "-out", "ours.pub"], cwd=tmp_path, check=True)
    (tmp_path / "archive").write_bytes(archive := pack(lay_out({LEFT_PAD: DOCUMENT})))
    subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", "ours.key", "-out", "raw", "archive"], cwd=tmp_path, check=True
    )
    encoded = subprocess.run(["openssl", "base64", "-in", "raw"], cwd=tmp_path, check=True, capture_output=True)
    publish(bucket, archive)
    bucket.files[f"{ARCHIVE}.sig"] = encoded.stdout
    assert "1 document loaded" in update(bucket, tmp_path / "database", "--vex-key", tmp_path / "ours.pub")


def test_invalid_keys(tmp_path: Path) -> None:
    (tmp_path / "bad.pub").write_text("no key")
    options = ("--vex-repository", "hub=https://vex.example", "--vex-key", tmp_path / "bad.pub")
    assert "not a public key in PEM" in run_db("update", *options, code=2, database=tmp_path / "database").stderr
    words = ("update", "--vex-key", tmp_path / "bad.pub")
    assert "requires --vex-repository" in run_db(*words, code=2, database=tmp_path / "database").stderr


def test_damaged_file_does_not_forget_its_key(bucket: Bucket, tmp_path: Path) -> None:
    database = tmp_path / "database"
    publish(bucket, pack(lay_out({LEFT_PAD: DOCUMENT})))
    update(bucket, database)
    get_repository_path(database, "hub").write_bytes(b"SQLite format 3\0")
    stderr = update(bucket, database, code=3)
    assert "then name the VEX repository again, with its key" in stderr
    get_repository_path(database, "hub").unlink()
    update(bucket, database)


def test_unreadable_documents_are_named_and_left_out(bucket: Bucket, tmp_path: Path) -> None:
    database = tmp_path / "database"
    files = lay_out(
        {LEFT_PAD: DOCUMENT, "pkg:npm/other": b"{}", "no package URL": DOCUMENT, "pkg:deb/debian/curl": b"["}
    )
    index = json.loads(files["index.json"])
    index["packages"] += [
        {"id": "pkg:npm/a", "location": "../../etc/passwd"},
        {"id": "pkg:npm/b", "location": "/etc/passwd"},
        {"id": "pkg:npm/c", "location": "missing.json"},
        {"id": LEFT_PAD, "location": "pkg/1/vex.json"},
        {"id": f"{LEFT_PAD}@1.0.0", "location": "pkg/0/vex.json"},
        {"id": "pkg:deb/debian/curl?distro=debian-12", "location": "pkg/0/vex.json"},
    ]
    publish(bucket, pack(files | {"index.json": json.dumps(index).encode()}))
    stderr = update(bucket, database, code=3)
    assert "VEX (hub): 1 document loaded\n" in stderr
    assert "not read: pkg/1/vex.json: not a VEX document" in stderr
    assert "not read: pkg/3/vex.json: not" in stderr
    assert "not read: index.json: no package URL: " in stderr
    assert "not read: index.json: pkg:npm/a: '../../etc/passwd' is not a relative path in the repository" in stderr
    assert "not read: index.json: pkg:npm/b: '/etc/passwd' is not a relative path in the repository" in stderr
    assert "not read: missing.json is missing in the archive" in stderr
    assert "pkg:npm/left-pad is listed twice" in stderr
    for purl in (f"{LEFT_PAD}@1.0.0", "pkg:deb/debian/curl?distro=debian-12"):
        assert f"not read: index.json: {purl}: the package URL of an index must have no version" in stderr
    assert list_packages(database) == [LEFT_PAD]


def test_shrunk_and_empty_archives_are_refused(bucket: Bucket, tmp_path: Path) -> None:
    database = tmp_path / "database"
    publish(bucket, pack(lay_out({f"pkg:npm/p{number}": DOCUMENT for number in range(5)})))
    update(bucket, database)
    publish(bucket, pack(lay_out({LEFT_PAD: DOCUMENT, "pkg:npm/other": DOCUMENT})))
    assert "has 2 packages and the database 5: the archive seems incomplete" in update(bucket, database, code=3)
    publish(bucket, pack(lay_out({LEFT_PAD: b"{}"})))
    assert "none of its documents can be read" in update(bucket, database, code=3)
    publish(bucket, pack(lay_out({f"pkg:npm/p{number}": DOCUMENT for number in range(3)})))
    assert "3 documents loaded" in update(bucket, database)


def test_import_of_archives_and_folders(bucket: Bucket, tmp_path: Path) -> None:
    database = tmp_path / "database"
    files = lay_out({LEFT_PAD: DOCUMENT})
    (tmp_path / "vexhub-main.tar.gz").write_bytes(pack(files, folder="vexhub-main"))
    result = run_db("import", tmp_path / "vexhub-main.tar.gz", database=database)
    assert "imported 1 document into the VEX repository vexhub-main from " in result.stderr
    for name, content in (files | {"vex-repository.json": b'{"name": "10-acme", "versions": {}}'}).items():
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert "VEX repository 10-acme" in run_db("import", tmp_path / "folder", database=database).stderr
    assert "VEX repository own" in run_db("import", tmp_path / "folder", "--feed", "own", database=database).stderr
    (tmp_path / "VEX Hub.zip").write_bytes(pack(files, "zip"))
    assert "add --feed NAME" in run_db("import", tmp_path / "VEX Hub.zip", code=3, database=database).stderr
    status = run_db("status", "--max-age", "1d", code=1, database=database)
    assert re.findall(r"VEX \((.*?)\) +1 +\d+ days +2026-11-01T00:00Z", status.stdout) == [
        "10-acme",
        "own",
        "vexhub-main",
    ]
    assert "import newer data of 10-acme, own, vexhub-main" in status.stderr
    # They have no source, so that an update leaves them as they are.
    publish(bucket, pack(files))
    assert update(bucket, database) == "VEX (hub): 1 document loaded\n"
    assert "run `kubekeep db update`" not in run_db("status", "--max-age", "1d", code=1, database=database).stderr
    (tmp_path / "old.zip").write_bytes(pack(lay_out({LEFT_PAD: DOCUMENT}, "2026-10-01T00:00:00Z"), "zip"))
    stderr = run_db("import", tmp_path / "old.zip", "--feed", "own", code=3, database=database).stderr
    assert "is of 2026-11-01 00:00 in the database and of 2026-10-01 00:00" in stderr
    run_db("import", tmp_path / "old.zip", "--feed", "own", "--allow-older", database=database)


def test_import_replaces_signed_documents_only_with_a_signature(bucket: Bucket, tmp_path: Path) -> None:
    database, key = tmp_path / "database", create_key("ecdsa")
    archive = pack(lay_out({LEFT_PAD: DOCUMENT}))
    publish(bucket, archive)
    bucket.files[f"{ARCHIVE}.sig"] = sign(key, archive)
    update(bucket, database, "--vex-key", write_public_key(key, tmp_path / "ours.pub"))
    path = tmp_path / "hub.tar.gz"
    path.write_bytes(new := pack(lay_out({LEFT_PAD: DOCUMENT, "pkg:npm/other": DOCUMENT}, "2026-11-02T00:00:00Z")))
    assert "is signed: put the signature" in run_db("import", path, code=3, database=database).stderr
    (tmp_path / "hub.tar.gz.sig").write_bytes(sign(create_key("ecdsa"), new))
    assert "no valid signature" in run_db("import", path, code=3, database=database).stderr
    (tmp_path / "hub.tar.gz.sig").write_bytes(sign(key, new))
    run_db("import", path, database=database)
    assert list_packages(database) == [LEFT_PAD, "pkg:npm/other"]
    # The source and the key are still known.
    publish(bucket, new)
    assert "no valid signature" in update(bucket, database, code=3)
    # A bundle of a database in which the repository is not signed.
    other = tmp_path / "other"
    run_db("import", path, database=other)
    run_db("export", tmp_path / "x.bundle", database=other)
    stderr = run_db("import", tmp_path / "x.bundle", "--allow-older", code=3, database=database).stderr
    assert "has no signature by the same key" in stderr


def test_export_import_and_push(bucket: Bucket, tmp_path: Path) -> None:
    database = tmp_path / "database"
    records = write_lines(tmp_path / "a.jsonl", [create_record("A-1")])
    run_db("import", records, database=database)
    publish(bucket, pack(lay_out({LEFT_PAD: DOCUMENT})))
    update(bucket, database, name="20-hub")
    run_db("export", tmp_path / "x.bundle", "--ecosystem", "npm", database=database)
    assert "imported 2 files" in run_db("import", tmp_path / "x.bundle", database=tmp_path / "bundle").stderr
    run_db("import", database, database=tmp_path / "folder")
    private, public = write_keys(tmp_path, "ours")
    with run_registry(tmp_path / "registry") as service:
        reference = f"oci://{service.address}/advisories:1"
        run_db("push", reference, "--plain-http", "--key", private, database=database)
        options = ("--plain-http", "--key", public)
        assert "imported 2 files" in run_db("import", reference, *options, database=tmp_path / "pulled").stderr
    expected = get_repository_path(database, "20-hub").read_bytes()
    for name in ("bundle", "folder", "pulled"):
        assert get_repository_path(tmp_path / name, "20-hub").read_bytes() == expected
    # A database with VEX repositories only can be transferred too.
    shutil.rmtree(database / "feeds")
    run_db("export", tmp_path / "y.bundle", database=database)
    run_db("import", tmp_path / "y.bundle", database=tmp_path / "only")
    assert "VEX (20-hub)" in run_db("status", database=tmp_path / "only").stdout


def test_changed_file_is_refused(bucket: Bucket, tmp_path: Path) -> None:
    database = tmp_path / "database"
    publish(bucket, pack(lay_out({LEFT_PAD: DOCUMENT})))
    update(bucket, database)
    with sqlite3.connect(get_repository_path(database, "hub")) as connection:
        connection.execute("UPDATE packages SET id = 'pkg:npm/other'")
    assert "has been changed by another program" in run_db("status", code=3, database=database).stderr


def create_tls(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Return the certificate of a server on this machine, and the settings of the server."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(create_certificate(key).public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return folder / "server.pem", context
