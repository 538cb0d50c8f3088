"""No report, message or cache contains a secret of an image, an SBOM, a VEX document, an address or a key."""

from __future__ import annotations

import io
import json
import random
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from tests.images.building import CONFIG, MANIFEST, LayoutBuilder
from tests.reports.rendering import extract_pdf_text, remove_whitespace
from tests.secrets.tokens import create_tokens
from tests.vulnerabilities.database.records import create_record

from kubekeep.cli.main import kubekeep
from kubekeep.reports import names
from kubekeep.vulnerabilities.database import download

_TOKENS = list(create_tokens(random.Random(11)).values())
_WORDS = {
    name: f"hunter{name.replace(' ', '')}zq"
    for name in (
        *("variable", "command", "entrypoint", "health", "step", "step with user", "netrc", "label", "annotation"),
        *("argument", "proxy", "source", "kev", "mirror", "login", "key password", "step url"),
    )
}
"""Secrets that only their place tells, by place."""


def _write_image(folder: Path) -> None:
    builder = LayoutBuilder(folder)
    stream = io.BytesIO()
    files = {
        "etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
        "root/.netrc": f"machine example.com login ann password {_WORDS['netrc']}\n",
        "app/package.json": json.dumps({"name": "left-pad", "version": "1.0.0", "license": _TOKENS[0]}),
        "app/token.txt": f"token: {_TOKENS[1]}\n",
    }
    with tarfile.open(fileobj=stream, mode="w") as layer:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            layer.addfile(member, io.BytesIO(text.encode()))
    described = builder.add_blob(stream.getvalue())
    fetch = f"curl -u ann:{_WORDS['step with user']} a"
    config = {
        "os": "linux",
        "architecture": "amd64",
        "author": _TOKENS[2],
        "config": {
            "Env": [f"DB_PASSWORD={_WORDS['variable']}", f"A={_TOKENS[3]}", f"HTTP_PROXY=http://a:{_WORDS['proxy']}@p"],
            "Cmd": ["app", "--password", _WORDS["command"]],
            "Entrypoint": ["sh", "-c", f"mysql -h db -p{_WORDS['entrypoint']}"],
            "Healthcheck": {"Test": ["CMD-SHELL", f"curl -u ann:{_WORDS['health']} http://a"]},
            "Labels": {"password": _WORDS["label"], "a": _TOKENS[4]},
        },
        "history": [
            {"created_by": f"/bin/sh -c DB_PASSWORD={_WORDS['step']} make # buildkit", "comment": _TOKENS[5]},
            {"created_by": f"RUN |1 API_TOKEN={_WORDS['argument']} /bin/sh -c {fetch}"},
            {"created_by": f"ADD https://ann:{_WORDS['step url']}@example.com/a /a", "empty_layer": True},
        ],
        "rootfs": {"type": "layers", "diff_ids": [described["digest"]]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": builder.add_json(config, CONFIG),
        "layers": [described],
        "annotations": {"password": _WORDS["annotation"], "a": _TOKENS[6]},
    }
    builder.write_index([builder.add_json(manifest, MANIFEST)])


def _write_documents(folder: Path) -> None:
    record = create_record("ACME-1", summary="published")
    (folder / "advisories.json").write_text(json.dumps(record))
    statement = {
        "vulnerability": {"name": "ACME-1"},
        "products": [{"@id": "pkg:npm/left-pad@1.0.0"}],
        "status": "not_affected",
        "justification": "vulnerable_code_not_present",
        "impact_statement": f"see {_TOKENS[9]}",
    }
    vex = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://a.example/1",
        "author": _TOKENS[10],
        "timestamp": "2026-01-01T00:00:00Z",
        "version": 1,
        "statements": [statement],
    }
    (folder / "vex.json").write_text(json.dumps(vex))
    component = {
        "type": "library",
        "name": "left-pad",
        "version": "1.0.0",
        "purl": "pkg:npm/left-pad@1.0.0",
        "properties": [{"name": "a", "value": _TOKENS[12]}],
    }
    subject = {"type": "container", "name": "app", "description": _TOKENS[13]}
    (folder / "sbom.json").write_text(
        json.dumps(
            {
                "bomFormat": "CycloneDX",
                "specVersion": "1.6",
                "metadata": {"component": subject},
                "components": [component],
            }
        )
    )


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the text of each report of an image and of an SBOM, of all messages, and of the cache."""
    folder = tmp_path_factory.mktemp("planted")
    _write_image(folder / "image")
    _write_documents(folder)
    results: dict[str, str] = {}
    for words in (("init", "-q"), ("remote", "add", "origin", "https://github.com/example/shop")):
        subprocess.run(["git", *words], cwd=folder, check=True)
    for subject, formats in (
        # An image in a file belongs to no registry.
        (["image", "scan", f"oci:{folder}/image"], {*names()} - {"submission"}),
        (["sbom", "scan", f"{folder}/sbom.json"], names()),
    ):
        output = folder / f"reports-{subject[0]}"
        output.mkdir()
        result = CliRunner().invoke(
            kubekeep,
            [
                *subject,
                *("--advisories", f"{folder}/advisories.json", "--vex", f"{folder}/vex.json", "--verbose"),
                *("--view", "all", "--format", ",".join(formats), "--output", f"{output}/report"),
            ],
            env={"XDG_CACHE_HOME": f"{folder}/cache"},
        )
        assert result.exit_code in {0, 3}, result.output[-2000:]
        results[f"{subject[0]} messages"] = result.output
        for path in output.iterdir():
            content = path.read_bytes()
            text = extract_pdf_text(content) if path.suffix == ".pdf" else content.decode()
            results[f"{subject[0]} {path.name}"] = text
    cache = b"".join(path.read_bytes() for path in (folder / "cache").rglob("*") if path.is_file())
    return results | {"cache": cache.decode(errors="replace")}


def test_no_secret_of_an_image_or_document_is_in(texts: dict[str, str]) -> None:
    assert len(texts) == 2 * len(names()) - 1 + 3
    assert all("ACME-1" in texts[f"{subject} report.json"] for subject in ("image", "sbom"))
    secrets = {**_WORDS, **{f"token {number}": token for number, token in enumerate(_TOKENS[:14])}}
    leaked = [
        f"{place} in {name}"
        for name, text in texts.items()
        for place, secret in secrets.items()
        if remove_whitespace(secret) in remove_whitespace(text)
    ]
    assert leaked == []


def _run(*words: str, folder: Path, **variables: str) -> str:
    docker = {"auths": {"127.0.0.1:1": {"username": "ann", "password": _WORDS["login"]}}}
    (folder / "config.json").write_text(json.dumps(docker))
    environment: dict[str, Any] = {"XDG_CACHE_HOME": f"{folder}/cache", "DOCKER_CONFIG": str(folder), **variables}
    result = CliRunner().invoke(kubekeep, ["--debug", *words], env=environment)
    assert result.exit_code, result.output
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in {"config.json", "key.pem"})
    return result.output + "".join(path.read_bytes().decode(errors="replace") for path in files)


@pytest.mark.parametrize(
    "words",
    [
        ("db", "update", "npm", "--source", f"http://ann:{_WORDS['source']}@127.0.0.1:1/osv?token={_WORDS['kev']}"),
        ("db", "update", "npm", "--source", f"http://ann:{_WORDS['source']}@127.0.0.1:x/osv"),
        ("db", "update", "npm", "--source", f"http://ann:{_WORDS['source']}@/osv"),
        ("db", "update", "npm", "--source", "http://127.0.0.1:1", "--kev", f"http://ann:{_WORDS['kev']}@127.0.0.1:1/k"),
        ("image", "scan", "127.0.0.1:1/a:1", "--plain-http"),
        ("image", "scan", f"ann:{_WORDS['login']}@127.0.0.1:1/a:1", "--plain-http"),
        ("image", "scan", f"http://ann:{_WORDS['login']}@127.0.0.1:1/a:1"),
        ("image", "scan", "docker.io/a:1", "--mirror", f"docker.io=ann:{_WORDS['mirror']}@127.0.0.1:1", "--plain-http"),
        ("image", "verify", f"https://ann:{_WORDS['login']}@127.0.0.1:1/a:1", "--key", "{key}"),
        ("registry", "list", f"ann:{_WORDS['login']}@127.0.0.1:1/a", "--plain-http"),
        ("registry", "list", f"https://ann:{_WORDS['login']}@127.0.0.1:1/a"),
        ("db", "import", f"oci://ann:{_WORDS['login']}@127.0.0.1:1/a:1"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_no_secret_of_an_address_is_in_a_message(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing listens at the addresses: repeat requests at once.
    monkeypatch.setattr(download, "_FIRST_PAUSE", 0)
    (tmp_path / "key.pem").write_text("x")
    replaced = [word.replace("{key}", f"{tmp_path}/key.pem") for word in words]
    text = _run(*replaced, folder=tmp_path)
    assert not [place for place, secret in _WORDS.items() if secret in text], text[-600:]


def test_no_password_of_a_key_is_in_a_message(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    encrypted = key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(_WORDS["key password"].encode())
    )
    (tmp_path / "key.pem").write_bytes(encrypted)
    for password in (_WORDS["key password"], f"{_WORDS['key password']}2"):
        text = _run(
            "image",
            "sign",
            "127.0.0.1:1/a:1",
            "--key",
            f"{tmp_path}/key.pem",
            "--plain-http",
            folder=tmp_path,
            COSIGN_PASSWORD=password,
        )
        assert _WORDS["key password"] not in text
        assert _WORDS["login"] not in text
