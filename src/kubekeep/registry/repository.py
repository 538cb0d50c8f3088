"""A repository of an OCI registry: manifests and blobs in and out, by the distribution specification 1.1.

Everything that comes is bounded in size and held to its digest. Credentials go only to the registry itself and to the
token server that it names, never after a redirect, never into a message.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Final, NoReturn, Self

import httpx2
import msgspec

from kubekeep.model.text import visible
from kubekeep.registry.artifact import MANIFEST, Descriptor, digest_of
from kubekeep.registry.challenge import Challenge, challenge
from kubekeep.registry.credentials import Keychain, Login
from kubekeep.registry.errors import RefusedError, RegistryError
from kubekeep.registry.reference import Reference

_MOST_TEXT: Final = 4 << 20
"""Bytes of a manifest, as registries bound them, and of every answer that is no blob."""
_REDIRECTS: Final = 5
_TIMEOUT: Final = httpx2.Timeout(60, connect=15)
_HOSTS: Final = {"docker.io": "registry-1.docker.io"}
"""Where a registry is served from another host than the one it is called by."""
_TOLD: Final = 200


class _Reply(msgspec.Struct, frozen=True):
    status: int
    headers: httpx2.Headers
    body: bytes


class _Errors(msgspec.Struct, frozen=True):
    class Problem(msgspec.Struct, frozen=True):
        code: str = ""
        message: str = ""

    errors: tuple[Problem, ...] = ()


class _Token(msgspec.Struct, frozen=True):
    token: str = ""
    access_token: str = ""


class Repository:
    """One repository, spoken to over TLS that is verified; with `plain_http`, without TLS.

    Its methods raise RegistryError where the registry cannot be reached or says no.
    """

    def __init__(self, reference: Reference, keychain: Keychain, *, plain_http: bool = False) -> None:
        """Nothing is sent before it is asked for."""
        self._registry = reference.registry
        self._schemes = ("https", "http") if plain_http else ("https",)
        host = _HOSTS.get(reference.registry, reference.registry)
        self._root = httpx2.URL(f"{self._schemes[-1]}://{host}/v2/{reference.repository}/")
        self._keychain = keychain
        self._authorization = ""
        # A proxy and the authorities of a company come from the environment and from the system.
        self._client = httpx2.Client(
            timeout=_TIMEOUT, headers={"User-Agent": "kubekeep", "Accept-Encoding": "identity"}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def manifest(self, version: str) -> bytes | None:
        """The manifest of a tag or a digest; None when there is none. Raises RefusedError for another digest."""
        reply = self._ask("GET", f"manifests/{version}", headers={"Accept": MANIFEST})
        if reply.status == httpx2.codes.NOT_FOUND:
            return None
        self._expect(reply, httpx2.codes.OK)
        if version.startswith("sha256:") and digest_of(reply.body) != version:
            raise RefusedError(f"{self._registry} sent another manifest than {version}: {digest_of(reply.body)}")
        return reply.body

    def blob(self, descriptor: Descriptor, most: int) -> bytes:
        """The content of `descriptor`. Raises RefusedError for more than `most` bytes, or for other content."""
        if descriptor.size > most:
            raise RefusedError(f"{descriptor.digest} has {descriptor.size:,} bytes, {most:,} at most")
        reply = self._ask("GET", f"blobs/{descriptor.digest}", most=descriptor.size)
        self._expect(reply, httpx2.codes.OK)
        if len(reply.body) != descriptor.size or digest_of(reply.body) != descriptor.digest:
            raise RefusedError(f"{self._registry} sent other content than {descriptor.digest}")
        return reply.body

    def put_blob(self, content: bytes) -> None:
        """Store `content`, unless it is there."""
        digest = digest_of(content)
        if self._ask("HEAD", f"blobs/{digest}").status == httpx2.codes.OK:
            return
        reply = self._ask("POST", "blobs/uploads/")
        self._expect(reply, httpx2.codes.ACCEPTED)
        place = self._joined(self._root, reply.headers.get("location", "")).copy_merge_params({"digest": digest})
        reply = self._ask("PUT", place, content=content, headers={"Content-Type": "application/octet-stream"})
        self._expect(reply, httpx2.codes.CREATED)

    def put_manifest(self, version: str, content: bytes) -> None:
        """Store the manifest `content` as `version`: a tag, or its digest."""
        reply = self._ask("PUT", f"manifests/{version}", content=content, headers={"Content-Type": MANIFEST})
        self._expect(reply, httpx2.codes.CREATED)

    def _ask(
        self,
        method: str,
        place: str | httpx2.URL,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        most: int = _MOST_TEXT,
    ) -> _Reply:
        """The reply from `place`, after the one challenge that the registry may make."""
        url = self._root.join(place) if isinstance(place, str) else place
        reply = self._follow(method, url, content, headers or {}, most)
        if reply.status == httpx2.codes.UNAUTHORIZED:
            asked = challenge(reply.headers.get_list("www-authenticate"))
            if asked and (answer := self._answer(asked)):
                self._authorization = answer
                reply = self._follow(method, url, content, headers or {}, most)
        return reply

    def _follow(
        self, method: str, url: httpx2.URL, content: bytes | None, headers: dict[str, str], most: int
    ) -> _Reply:
        for _ in range(_REDIRECTS):
            known = {"Authorization": self._authorization} if self._authorization and self._is_registry(url) else {}
            reply = self._send(self._client.build_request(method, url, content=content, headers=headers | known), most)
            target = reply.headers.get("location")
            if method not in {"GET", "HEAD"} or not httpx2.codes.is_redirect(reply.status) or target is None:
                return reply
            url = self._joined(url, target)
        raise RegistryError(f"{self._registry} redirects more than {_REDIRECTS} times")

    def _send(self, request: httpx2.Request, most: int) -> _Reply:
        body = bytearray()
        try:
            response = self._client.send(request, stream=True)
            try:
                # Errors are told in full, whatever was expected instead of them.
                bound = most if response.is_success else _MOST_TEXT
                for chunk in response.iter_raw():
                    body += chunk
                    if len(body) > bound:
                        raise RefusedError(f"{request.url.host} sent more than {bound:,} bytes")
            finally:
                response.close()
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise RegistryError(f"{request.url.host} cannot be reached: {visible(str(error))}") from error
        return _Reply(response.status_code, response.headers, bytes(body))

    def _answer(self, asked: Challenge) -> str:
        """The Authorization header that answers a challenge; empty when we have nothing to say."""
        login = self._keychain.login(self._registry) or Login()
        if asked.scheme == "basic":
            return login.basic
        if login.registry_token:
            return f"Bearer {login.registry_token}"
        return f"Bearer {self._token(asked, login)}"

    def _token(self, asked: Challenge, login: Login) -> str:
        """A token for what the registry asks for, from the server that it names."""
        realm = self._joined(self._root, asked.parameters.get("realm", ""))
        names = ("service", "scope")
        wanted: dict[str, Any] = {name: asked.parameters[name] for name in names if name in asked.parameters}
        if login.refresh_token:
            form = {"grant_type": "refresh_token", "client_id": "kubekeep", "refresh_token": login.refresh_token}
            request = self._client.build_request("POST", realm, data={**wanted, **form})
        else:
            known = {"Authorization": login.basic} if login.basic else {}
            request = self._client.build_request("GET", realm.copy_merge_params(wanted), headers=known)
        reply = self._send(request, _MOST_TEXT)
        if reply.status != httpx2.codes.OK:
            self._fail(reply, realm.host)
        try:
            found = msgspec.json.decode(reply.body, type=_Token)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise RegistryError(f"{realm.host} sent no token") from None
        return found.token or found.access_token

    def _joined(self, base: httpx2.URL, target: str) -> httpx2.URL:
        """Where `target` leads from `base`; never from TLS to plain text."""
        try:
            url = base.join(target)
        except httpx2.InvalidURL as error:
            raise RegistryError(f"{self._registry} names an address that is none: {error}") from error
        if url.scheme not in self._schemes or not url.host:
            raise RegistryError(f"{self._registry} leads to {url.scheme}://{url.host}, which is not followed")
        return url

    def _is_registry(self, url: httpx2.URL) -> bool:
        return (url.scheme, url.host, url.port) == (self._root.scheme, self._root.host, self._root.port)

    def _expect(self, reply: _Reply, status: int) -> None:
        if reply.status != status:
            self._fail(reply, self._registry)

    def _fail(self, reply: _Reply, host: str) -> NoReturn:
        try:
            problems = msgspec.json.decode(reply.body, type=_Errors).errors
        except (msgspec.DecodeError, UnicodeDecodeError):
            problems = ()
        said = "; ".join(f"{item.code} {item.message}".strip() for item in problems)
        if reply.status == httpx2.codes.UNAUTHORIZED:
            said = said or "log in with `docker login`"
        raise RegistryError(f"{host} answers {reply.status}{': ' if said else ''}{visible(said)[:_TOLD]}")
