"""Credentials in files of layers: every kind with a planted value, and files that hold none."""

from __future__ import annotations

import random
import subprocess
import zlib
from pathlib import Path, PurePosixPath

import pytest

from kubekeep.images.secrets import MARKS, PATTERNS, find_secrets
from tests.secrets.tokens import create_tokens

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
WITHOUT_MARK = {
    *(
        "Facebook application",
        "OpenAI",
        "Google OAuth refresh",
        "Airtable",
        "Discord",
        "crates.io",
        "Cloudflare origin",
        "LaunchDarkly",
        "Mailchimp",
        "Mailgun",
        "Netlify",
    ),
    *("New Relic licence", "NuGet", "Replicate", "Resend", "Twilio", "Vault before 1.10", "JSON Web Token"),
}
"""Formats without a fixed text that is rare in other files."""
TOKENS = create_tokens(random.Random(19))
FILES = {
    "root/.aws/credentials": "[default]\naws_secret_access_key = {value}\n",
    "root/.docker/config.json": '{{"auths": {{"ghcr.io": {{"auth": "{value}"}}}}}}',
    "home/ann/.npmrc": "//registry.npmjs.org/:_authToken={value}\n",
    "root/.pypirc": "[pypi]\nusername = ann\npassword = {value}\n",
    "root/.netrc": "machine example.com login ann password {value}\n",
    "root/.git-credentials": "https://ann:{value}@example.com\n",
    "srv/app/.git/config": '[remote "origin"]\n\turl = https://ann:{value}@example.com/a.git\n',
    "root/.pgpass": "db:5432:shop:ann:{value}\n",
    "root/.kube/config": "users:\n- name: ann\n  user:\n    token: {value}\n",
    "root/.cargo/credentials.toml": '[registry]\ntoken = "{value}"\n',
    "srv/terraform.tfstate": '{{"attributes": {{"master_password": "{value}"}}}}',
    "root/.m2/settings.xml": "<server><password>{value}</password></server>",
    "srv/app/.env": "PORT=80\nDB_PASSWORD={value}\n",
    "srv/app/.env.production": "export API_KEY='{value}'\n",
}


def generate_key(kind: str, folder: Path) -> str:
    """Return a new private key in PEM."""
    if kind == "ssh":
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"], check=True)
        return (folder / "key").read_text()
    options = {"rsa": ["-algorithm", "RSA"], "ec": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]}[kind]
    return subprocess.run(["openssl", "genpkey", *options], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("name", [name for name in TOKENS if name not in WITHOUT_MARK])
def test_token_of_every_vendor(name: str) -> None:
    text = f"# settings\nupstream: first\nvalue: {TOKENS[name]}\n"
    assert any(mark in text.encode() for mark in MARKS)
    detected = find_secrets("srv/app/settings.txt", text.encode())
    assert [secret.line for secret in detected] == [3], TOKENS[name]
    assert TOKENS[name] not in repr(detected)


@pytest.mark.parametrize("path", FILES)
def test_credential_file(path: str) -> None:
    content = FILES[path].format(value="t7Rw2kQz91")
    (secret,) = find_secrets(path, content.encode())
    assert content.splitlines()[secret.line - 1].find("t7Rw2kQz91") >= 0
    assert any(PurePosixPath(path).match(glob.removeprefix("**/")) for glob in PATTERNS)
    placeholder = FILES[path].format(value="${SECRET}")
    assert not find_secrets(path, placeholder.encode())


@pytest.mark.parametrize("kind", ["rsa", "ec", "ssh"])
def test_private_key(kind: str, tmp_path: Path) -> None:
    key = generate_key(kind, tmp_path)
    (secret,) = find_secrets("etc/app/tls.key", f"# key\n{key}".encode())
    assert secret.line == 2
    assert "private key" in secret.kind
    escaped = key.replace("\n", "\\n")
    assert find_secrets("srv/key.json", f'{{"private_key": "{escaped}"}}'.encode())


def test_checksum_of_a_token_is_verified() -> None:
    body = "16C7e42F292c6912E7710c838347Ae"
    number, checksum = zlib.crc32(body.encode()), ""
    while number:
        number, digit = divmod(number, 62)
        checksum = BASE62[digit] + checksum
    (secret,) = find_secrets("srv/app/a.conf", f"ghp_{body}{checksum.rjust(6, '0')}".encode())
    assert secret.is_verified
    (other,) = find_secrets("srv/app/a.conf", f"ghp_{body}abcdef".encode())
    assert not other.is_verified


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("srv/a.py", "key = 'AKIAIOSFODNN7EXAMPLE'"),
        ("srv/a.py", "-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----"),
        ("srv/a.py", "if text.startswith('-----BEGIN PRIVATE KEY-----'): pass"),
        ("srv/a.py", "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
        ("srv/a.js", "hf_hub_download_and_other_names_in_code"),
        ("srv/a.go", "const npm_lifecycle_event_names_of_scripts = 1"),
        ("etc/shadow", "root:*:19000:0:99999:7:::\nann:!:19000::::::"),
        ("srv/app/.env", "DB_PASSWORD=\nAPI_TOKEN=changeme\nSECRET=<your secret>"),
        ("usr/share/doc/a/README", "ghp_16C7e42F292c6912E7710c838347Aeabcdef"),
        ("srv/app/tests/key.pem", "ghp_16C7e42F292c6912E7710c838347Aeabcdef"),
        ("root/.npmrc", "registry=https://registry.npmjs.org/\n//r/:_authToken=${NPM_TOKEN}\n"),
    ],
)
def test_files_without_a_secret(path: str, text: str) -> None:
    assert find_secrets(path, text.encode()) == ()


def test_many_secrets_in_a_file_are_limited() -> None:
    dice = random.Random(1)
    lines = ["hf_" + "".join(dice.choices(BASE62, k=34)) for _ in range(5000)]
    assert len(find_secrets("srv/a.txt", "\n".join(lines).encode())) == 20
