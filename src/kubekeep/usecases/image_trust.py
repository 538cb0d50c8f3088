"""Trusted roots of Sigstore for the verification of images: update the stored one, and select the one in use. Never prints."""

from __future__ import annotations

import contextlib
import datetime as dt
from pathlib import Path

import msgspec

from kubekeep.model.paths import error_reason
from kubekeep.model.text import visible
from kubekeep.signatures.errors import TrustError
from kubekeep.signatures.settings import find_trust_folder
from kubekeep.signatures.sigstore.root_state import (
    PRIVATE_FILE,
    PUBLIC_FILE,
    RootState,
    SelectedRoot,
    encode_state,
    read_state,
    select_root,
)
from kubekeep.signatures.sigstore.root_update import PUBLIC_REPOSITORY, RootRepository, TrustUpdateError, update_root
from kubekeep.sinks.file import atomic_bytes


class TrustUpdateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The folder of the stored roots, and the repository to update from.

    url: empty for that of the last update, else of the public instance. root: content of the first root.json of a private
    instance; empty for the instance of the last update. authority_file: certificates in PEM for TLS.
    """

    folder: Path
    url: str = ""
    root: bytes = b""
    authority_file: str = ""


class TrustUpdate(msgspec.Struct, frozen=True):
    """The new state, its file, and if its authorities and logs differ from those before."""

    state: RootState
    path: Path
    has_changed: bool


def update_trust(request: TrustUpdateRequest, now: dt.datetime) -> TrustUpdate:
    """Update the stored root; a failure leaves it as it is. Raises TrustUpdateError, and TrustError for the request.

    The first root of a private instance makes its root the stored one, until `reset_trust`.
    """
    is_private = bool(request.root) or (request.folder / PRIVATE_FILE).exists()
    path = request.folder / (PRIVATE_FILE if is_private else PUBLIC_FILE)
    before = _read_before(path)
    url = request.url or (before.url if before else "" if is_private else PUBLIC_REPOSITORY)
    if not url:
        raise TrustError(f"{visible(str(path))}: the repository is not known; use --url and --root")
    repository = RootRepository(
        url=url, first_root=request.root, authority_file=request.authority_file, is_public=not is_private
    )
    state = update_root(repository, before, now.replace(microsecond=0))
    _publish(path, state, before)
    return TrustUpdate(state, path, before is None or before.trusted_root != state.trusted_root)


def select_trust(now: dt.datetime) -> SelectedRoot:
    """Return the root that verification uses. Raises TrustError."""
    return select_root(find_trust_folder(), now)


def reset_trust(folder: Path) -> tuple[Path, ...]:
    """Remove the stored roots, so that the built-in one is used; return their files. Raises TrustError."""
    removed = []
    for path in (folder / PRIVATE_FILE, folder / PUBLIC_FILE):
        try:
            path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise TrustError(f"{visible(str(path))}: {error_reason(error)}") from error
        removed.append(path)
    return tuple(removed)


def _read_before(path: Path) -> RootState | None:
    """Return the stored state; None for one that cannot be read, which an update replaces."""
    with contextlib.suppress(TrustError):
        return read_state(path)
    return None


def _publish(path: Path, state: RootState, before: RootState | None) -> None:
    """Replace the stored state, unless another process has updated it meanwhile: its state may be the newer one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if _read_before(path) != before:
            raise TrustUpdateError(f"another process has updated {visible(str(path))}: repeat the command")
        with atomic_bytes(path) as stream:
            stream.write(encode_state(state))
    except OSError as error:
        raise TrustUpdateError(f"{visible(str(path))} cannot be written: {error_reason(error)}") from error
