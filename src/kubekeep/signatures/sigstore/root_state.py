"""Updated trusted roots in files: one file per instance of Sigstore, with the TUF metadata that proved it.

One file, so that an update replaces everything at once and people can copy it. Never uses the network; never checks the
signatures of the metadata, which the update has checked.
"""

from __future__ import annotations

import datetime as dt
import functools
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.model.paths import error_reason
from kubekeep.model.text import utc_text, visible
from kubekeep.signatures.errors import TrustError
from kubekeep.signatures.settings import find_trust_folder
from kubekeep.signatures.sigstore.trusted_root import (
    TrustedRoot,
    load_public_root,
    read_public_document,
    read_trusted_root,
)

PUBLIC_FILE: Final = "public.json"
"""State of Sigstore's public instance. A file that cannot be used leaves the built-in root."""
PRIVATE_FILE: Final = "private.json"
"""State of a private instance, which takes the place of the public one. Nothing replaces a file that cannot be used."""
_LARGEST: Final = 16 << 20
_FORMAT: Final = 1
_BUILT_IN: Final = "public_good.json"
_BUILT_IN_SERVICES: Final = "public_good.signing_config.json"


class RootState(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An updated root. expires: when the first of the signed TUF documents with long-lived keys expires.

    metadata: the TUF documents root, timestamp, snapshot and targets, with which the next update begins. signing_config:
    services for signing; empty if the repository has none.
    """

    format: int
    url: str
    updated: dt.datetime
    expires: dt.datetime
    metadata: dict[str, str]
    trusted_root: str
    signing_config: str = ""


class SelectedRoot(msgspec.Struct, frozen=True):
    """The root that verification uses without an explicit file. path: of its file, None for the built-in one.

    signing_config: services of the same instance for signing; empty if they are not known.
    """

    root: TrustedRoot
    content: bytes
    signing_config: bytes
    path: Path | None = None


def load_default_root() -> TrustedRoot:
    """Return the updated root of this user, else the built-in one. Raises TrustError for a private root that is not usable."""
    return select_root(find_trust_folder(), dt.datetime.now(dt.UTC)).root


def select_root(folder: Path | None, now: dt.datetime) -> SelectedRoot:
    """Return the root to use: of a private instance, else the newer of updated and built-in root of the public one.

    Raises TrustError for a private root that cannot be read or has expired: the public root would trust other signers.
    """
    if folder is None:
        return _select_built_in()
    private = _load(folder / PRIVATE_FILE)
    if private is not None:
        if reason := _explain_expired(private, now):
            raise TrustError(f"{visible(str(private.path))}: {reason}")
        return private
    try:
        public = _load(folder / PUBLIC_FILE)
    except TrustError as error:
        return _select_built_in(str(error))
    if public is None:
        return _select_built_in()
    if reason := _explain_expired(public, now) or _explain_old(public):
        return _select_built_in(f"{visible(str(public.path))} is not used: {reason}")
    return public


def read_state(path: Path) -> RootState | None:
    """Return the state in a file; None without one. Raises TrustError."""
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TrustError(f"{visible(str(path))}: {error_reason(error)}") from error
    try:
        if len(content) > _LARGEST:
            raise ValueError(f"larger than {_LARGEST:,} bytes")  # noqa: TRY301
        return _decode(content)
    except ValueError as error:
        reason = f"not a state of a trusted root: {error}; run `kubekeep image trust update`"
        raise TrustError(f"{visible(str(path))}: {reason}") from error


@functools.lru_cache(maxsize=4)
def _decode(content: bytes) -> RootState:
    """Decode a state, once for all images. Raises ValueError."""
    try:
        state = msgspec.json.decode(content, type=RootState)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if state.format != _FORMAT:
        raise ValueError(f"the unsupported format {state.format}")
    if state.updated.tzinfo is None or state.expires.tzinfo is None:
        raise ValueError("a time has no time zone")
    return state


def encode_state(state: RootState) -> bytes:
    """Return the content of a file."""
    return msgspec.json.format(msgspec.json.encode(state))


def create_state(
    url: str,
    times: tuple[dt.datetime, dt.datetime],
    metadata: dict[str, str],
    targets: tuple[str, str],
) -> RootState:
    """Return a state of the present format. times: of update and expiry. targets: trusted root and signing configuration."""
    updated, expires = times
    trusted_root, signing_config = targets
    return RootState(
        format=_FORMAT,
        url=url,
        updated=updated,
        expires=expires,
        metadata=metadata,
        trusted_root=trusted_root,
        signing_config=signing_config,
    )


def _load(path: Path) -> SelectedRoot | None:
    state = read_state(path)
    if state is None:
        return None
    content = state.trusted_root.encode()
    try:
        root = _read_root(content, visible(str(path)))
    except TrustError as error:
        raise TrustError(f"{error}; run `kubekeep image trust update`") from error
    origin = msgspec.structs.replace(root.origin, name=state.url, updated=state.updated, expires=state.expires)
    return SelectedRoot(msgspec.structs.replace(root, origin=origin), content, state.signing_config.encode(), path)


@functools.lru_cache(maxsize=4)
def _read_root(content: bytes, name: str) -> TrustedRoot:
    return read_trusted_root(content, name, kind="updated")


def _select_built_in(note: str = "") -> SelectedRoot:
    root = load_public_root()
    if note:
        root = msgspec.structs.replace(root, origin=msgspec.structs.replace(root.origin, note=note))
    return SelectedRoot(root, read_public_document(_BUILT_IN), read_public_document(_BUILT_IN_SERVICES))


def _explain_expired(selected: SelectedRoot, now: dt.datetime) -> str:
    expires = selected.root.origin.expires
    if expires is None or expires > now:
        return ""
    return f"expired at {utc_text(expires)}: run `kubekeep image trust update`"


def _explain_old(selected: SelectedRoot) -> str:
    """Return a reason if a newer version of Kubekeep has a root with a later authority or log."""
    updated, built_in = selected.root.origin.newest, load_public_root().origin.newest
    if built_in is None or (updated is not None and updated >= built_in):
        return ""
    return "the built-in root is newer: run `kubekeep image trust update`"
