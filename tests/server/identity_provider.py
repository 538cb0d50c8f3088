"""An OpenID provider of npm on the loopback address, and the browser of a user who signs in there."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from html import unescape
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import httpx2
import pytest

from tests.oracles.program import find_cache_folder, lock_file

CLIENT_ID: Final = "kubekeep"
CLIENT_SECRET: Final = "secret of the tests: a/b+c=%2F"  # noqa: S105 - of a provider that ends with the test
REDIRECT_URI: Final = "http://127.0.0.1:8080/api/v1/oidc/callback"
_SOURCE: Final = Path(__file__).parent / "oidc_provider"
_NODE_VERSION: Final = 20
_MAX_STEPS: Final = 20


class IdentityProvider:
    """A running provider. issuer: its address."""

    def __init__(self, issuer: str, process: subprocess.Popen[str]) -> None:
        self.issuer = issuer
        self._process = process

    def change_account(self, subject: str, **claims: Any) -> None:
        """Replace the claims of a subject."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps({subject: claims})}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline()

    def sign_in(self, address: str, user: str) -> dict[str, str]:
        """Follow the pages from `address` as a user, and return the parameters of the redirect to the client."""
        with httpx2.Client(base_url=self.issuer, timeout=120) as browser:
            response = browser.get(address)
            for _ in range(_MAX_STEPS):
                if response.is_redirect:
                    target = urljoin(str(response.url), response.headers["location"])
                    if target.startswith(f"{REDIRECT_URI}?"):
                        return dict(httpx2.QueryParams(urlsplit(target).query))
                    response = browser.get(target)
                else:
                    response = _submit_form(browser, response, user)
        raise AssertionError(f"no end of the sign-in: {response.status_code} {response.text}")


@contextlib.contextmanager
def run_identity_provider(
    accounts: Mapping[str, Mapping[str, Any]], client: Mapping[str, Any] | None = None, **settings: Any
) -> Iterator[IdentityProvider]:
    """Run a provider. accounts: claims by subject. client, settings: of `oidc-provider`; None for a client with a secret."""
    document = {
        "accounts": accounts,
        "client": {
            "client_id": CLIENT_ID,
            "redirect_uris": [REDIRECT_URI],
            **({"client_secret": CLIENT_SECRET} if client is None else client),
        },
        "settings": settings,
    }
    process = subprocess.Popen(
        ["node", "provider.mjs"], cwd=_install(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(f"{json.dumps(document)}\n")
        process.stdin.flush()
        yield IdentityProvider(process.stdout.readline().strip(), process)
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def _install() -> Path:
    """Return the folder with the provider and its packages, which are installed into the cache folder once."""
    if shutil.which("npm") is None or _find_node_version() < _NODE_VERSION:
        pytest.skip(f"the OpenID provider of the tests needs npm and Node {_NODE_VERSION}")
    files = sorted(file for file in _SOURCE.iterdir() if file.is_file())
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
    folder = find_cache_folder() / "server" / f"oidc-provider-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    with lock_file(folder / ".lock"):
        if not (folder / ".complete").exists():
            for file in files:
                shutil.copyfile(file, folder / file.name)
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
            (folder / ".complete").touch()
    return folder


def _find_node_version() -> int:
    result = subprocess.run(["node", "--version"], check=False, capture_output=True, text=True)
    match = re.match(r"v(\d+)\.", result.stdout)
    return int(match[1]) if match else 0


def _submit_form(browser: httpx2.Client, response: httpx2.Response, user: str) -> httpx2.Response:
    """Send the form of a page of the provider: the name of the user, or the consent."""
    action = re.search(r'<form[^>]* action="([^"]+)"', response.text)
    if action is None:
        raise AssertionError(f"no form: {response.status_code} {response.text}")
    values = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]+)"', response.text))
    if 'name="login"' in response.text:
        values |= {"login": user, "password": "any"}
    return browser.post(urljoin(str(response.url), unescape(action[1])), data=values)
