"""Images in a Docker daemon, by its API on a Unix socket. The archive it sends goes to a temporary file, never to memory.

Podman's service has the same API. Never pulls an image.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final
from urllib.parse import quote

import httpx2
import msgspec

from kubekeep.images.access.archives import ArchiveImage
from kubekeep.images.access.documents import LARGEST_DOCUMENT
from kubekeep.images.access.options import AccessOptions
from kubekeep.images.access.references import ImageReference
from kubekeep.images.access.spill import SpillFile
from kubekeep.images.access.tar_index import TarIndex
from kubekeep.images.errors import ImageAccessError
from kubekeep.model.text import visible
from kubekeep.registry.reference import DEFAULT_TAG

_SCHEME: Final = "unix://"
_CHUNK: Final = 1 << 20
_CONNECT_SECONDS: Final = 10
_SAVE_SECONDS: Final = 600
"""Longest wait for the next bytes: the daemon packs layers before it sends the first one."""
_LONGEST_MESSAGE: Final = 200


class _DaemonError(msgspec.Struct, frozen=True):
    message: str = ""


def open_from_daemon(text: str, reference: ImageReference, options: AccessOptions) -> ArchiveImage:
    """Save the image to a temporary file and open it. Raises ImageAccessError."""
    socket = _find_socket(options.docker_hosts)
    transport = httpx2.HTTPTransport(uds=socket)
    timeout = httpx2.Timeout(_SAVE_SECONDS, connect=_CONNECT_SECONDS)
    with contextlib.ExitStack() as failure:
        spill = SpillFile()
        failure.callback(spill.close)
        try:
            with httpx2.Client(
                transport=transport, timeout=timeout, trust_env=False, base_url="http://docker"
            ) as client:
                _save(client, reference, spill)
        except httpx2.HTTPError as error:
            raise ImageAccessError(f"{socket}: the Docker daemon does not respond: {_explain(error)}") from error
        image = ArchiveImage(text, TarIndex(spill.path), "", options.platform, spill)
        # The image closes the file now.
        failure.pop_all()
    return image


def _find_socket(hosts: tuple[str, ...]) -> str:
    """Return the path of the first socket that exists. Raises ImageAccessError."""
    for host in hosts:
        if not host.startswith(_SCHEME):
            raise ImageAccessError(
                f"DOCKER_HOST is {visible(host)}: only unix:// addresses are supported; "
                "use `docker save` on that machine, and docker-archive:FILE"
            )
        if Path(host.removeprefix(_SCHEME)).exists():
            return host.removeprefix(_SCHEME)
    raise ImageAccessError(
        f"no socket of a Docker daemon at {', '.join(hosts)}; start Docker, set DOCKER_HOST, "
        "or use the image in its registry"
    )


def _save(client: httpx2.Client, reference: ImageReference, spill: SpillFile) -> None:
    """Write the archive of one image to `spill`. Raises ImageAccessError and HTTPError."""
    names = [reference.text]
    if reference.name is not None and not (reference.name.tag or reference.name.digest):
        # Without a tag, the daemon would save all tags; but the text may also be the ID of an image.
        names.insert(0, f"{reference.text}:{DEFAULT_TAG}")
    message = ""
    for name in names:
        with client.stream("GET", f"/images/{quote(name, safe='/:@')}/get") as response:
            if response.status_code == httpx2.codes.OK:
                for chunk in response.iter_raw(_CHUNK):
                    spill.write(chunk)
                spill.finish()
                return
            message = message or _describe(response, name)
    raise ImageAccessError(message)


def _describe(response: httpx2.Response, name: str) -> str:
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > LARGEST_DOCUMENT:
            break
    try:
        message = msgspec.json.decode(bytes(body), type=_DaemonError).message
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        message = ""
    text = visible(message)[:_LONGEST_MESSAGE] or f"status {response.status_code}"
    if response.status_code == httpx2.codes.NOT_FOUND or "no such image" in message.lower():
        return f"the Docker daemon has no such image; pull it with `docker pull {visible(name)}`"
    return f"the Docker daemon responded with an error: {text}"


def _explain(error: httpx2.HTTPError) -> str:
    cause = error.__cause__ or error.__context__
    permission = "Permission denied" in str(error) or isinstance(cause, PermissionError)
    return "no permission; run as root or as a member of the group docker" if permission else visible(str(error))
