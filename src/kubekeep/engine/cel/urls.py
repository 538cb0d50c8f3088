"""URLs as Go takes them apart. Never fetches one."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from kubekeep.engine.cel.functions import Functions
from kubekeep.engine.cel.values import CelError, Opaque

URLS: Final = Functions()

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):", re.ASCII)
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_PATH_SAFE: Final = "$&+,/:;=@-_.~"
_ENCODED: Final = re.compile(r"[A-Za-z0-9\-_.~$&+,/:;=@!'()*\[\]%]*", re.ASCII)
_HOST: Final = re.compile(r"(?:[A-Za-z0-9\-_.~!$&'()*+,;=:\"<>]|[^\x00-\x7f]|%[0-9A-Fa-f]{2})*", re.ASCII)


class Url(Opaque):
    """The parts of a URL; `path` and `query` as they were written."""

    __slots__ = ("host", "path", "query", "scheme", "text")
    type_name = "kubernetes.URL"

    def __init__(self, text: str) -> None:
        """Raises CelError for text that is neither absolute nor a path."""
        problem = f"URL parse error during conversion from string: parse {text!r}: "
        if not text or _CONTROL.search(text):
            raise CelError(problem + ("invalid control character in URL" if text else "empty url"))
        self.text = text
        match = _SCHEME.match(text)
        self.scheme = match[1].lower() if match else ""
        rest = (text[match.end() :] if match else text).partition("#")[0]
        if not self.scheme and not rest.startswith("/"):
            raise CelError(problem + "invalid URI for request")
        rest, _, self.query = rest.partition("?")
        self.host = ""
        if rest.startswith("//") and (self.scheme or not rest.startswith("///")):
            authority, slash, after = rest[2:].partition("/")
            rest = slash + after
            self.host = authority.rpartition("@")[2]
            if not _is_host(self.host):
                raise CelError(problem + f"invalid host {self.host!r}")
        self.path = rest if rest.startswith("/") or not self.scheme else ""
        if _BAD_ESCAPE.search(self.path):
            raise CelError(problem + "invalid URL escape")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Url) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    @property
    def _port(self) -> tuple[str, str]:
        """Host and port, of which the port may be empty."""
        name, colon, port = self.host.rpartition(":")
        if colon and (not port or port.isdigit()) and not name.endswith(":"):
            return name, port
        return self.host, ""

    @property
    def hostname(self) -> str:
        """The host without brackets and port."""
        return self._port[0].removeprefix("[").removesuffix("]")

    @property
    def port(self) -> str:
        """The port, empty if there is none."""
        return self._port[1]

    @property
    def escaped_path(self) -> str:
        """The path as it was written, if that is valid, else escaped anew."""
        if _ENCODED.fullmatch(self.path):
            return self.path
        return quote(unquote_to_bytes(self.path), safe=_PATH_SAFE)

    @property
    def parameters(self) -> dict[str, list[str]]:
        """The values of each parameter of the query; what is not valid is left out."""
        found: dict[str, list[str]] = {}
        for part in self.query.split("&"):
            if not part or ";" in part or _BAD_ESCAPE.search(part):
                continue
            key, _, value = part.partition("=")
            found.setdefault(_decoded(key), []).append(_decoded(value))
        return found


def _decoded(text: str) -> str:
    return unquote_to_bytes(text.replace("+", " ")).decode(errors="replace")


def _is_host(host: str) -> bool:
    if host.startswith("["):
        inside, bracket, after = host[1:].partition("]")
        return bool(bracket and inside) and re.fullmatch(r"(?::[0-9]*)?", after) is not None
    _, colon, port = host.rpartition(":")
    return _HOST.fullmatch(host) is not None and (not colon or not port or (port.isascii() and port.isdigit()))


@URLS.function("isURL", "string -> bool")
def _is_url(text: str) -> bool:
    try:
        Url(text)
    except CelError:
        return False
    return True


URLS.function("url", "string -> kubernetes.URL")(Url)
URLS.declare(
    {
        "getScheme": lambda url: url.scheme,
        "getHost": lambda url: url.host,
        "getHostname": lambda url: url.hostname,
        "getPort": lambda url: url.port,
        "getEscapedPath": lambda url: url.escaped_path,
    },
    "kubernetes.URL -> string",
    member=True,
)
URLS.member("getQuery", "kubernetes.URL -> map(string, list(string))")(lambda url: url.parameters)
