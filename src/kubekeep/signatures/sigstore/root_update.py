"""Update of a trusted root from a TUF repository, as TUF's client workflow prescribes; by the library `tuf`.

Works in a private folder that it removes. Never changes a stored state, and never decides which root is used.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec
from tuf.api.exceptions import DownloadError, ExpiredMetadataError, RepositoryError
from tuf.api.metadata import Metadata
from tuf.ngclient.updater import Updater

from kubekeep.model.paths import error_reason
from kubekeep.model.text import visible
from kubekeep.signatures.errors import TrustError
from kubekeep.signatures.sigstore.root_fetcher import RootFetcher, parse_repository
from kubekeep.signatures.sigstore.root_state import RootState, create_state
from kubekeep.signatures.sigstore.trusted_root import read_public_document, read_trusted_root

PUBLIC_REPOSITORY: Final = "https://tuf-repo-cdn.sigstore.dev"
"""Repository of Sigstore's public instance."""
_TARGET: Final = "trusted_root.json"
_SERVICES: Final = "signing_config.v0.2.json"
"""Services for signing; a repository need not have it."""
_PUBLIC_ROOT: Final = "public_good.root.json"
_ONLINE_ROLES: Final = ("timestamp", "snapshot")
_KEPT_ROLES: Final = ("root", *_ONLINE_ROLES, "targets")
_LARGEST_ROOT: Final = 512_000
_LARGEST_TARGET: Final = 4 << 20


class TrustUpdateError(TrustError):
    """A repository cannot be reached, or its content must not be trusted; the stored root is as before."""


class RootRepository(msgspec.Struct, frozen=True, kw_only=True):
    """A TUF repository. first_root: its root.json with which trust begins; empty to continue with the last update.

    authority_file: certificates in PEM for TLS. is_public: it is Sigstore's public instance, or a mirror of it.
    """

    url: str
    first_root: bytes = b""
    authority_file: str = ""
    is_public: bool = False


def update_root(repository: RootRepository, before: RootState | None, now: dt.datetime) -> RootState:
    """Return the state after `before`. Raises TrustUpdateError, and TrustError if the repository has no first root."""
    url = parse_repository(repository.url)
    first_root = _select_first_root(repository, before)
    with (
        tempfile.TemporaryDirectory(prefix="kubekeep-trust-") as text,
        RootFetcher(repository.authority_file) as fetcher,
    ):
        folder = Path(text)
        # A new first root begins a new trust: the metadata before it proves nothing.
        _write_metadata(folder, None if repository.first_root else before)
        try:
            _run_update(folder, url, first_root, fetcher)
        except (DownloadError, RepositoryError) as error:
            raise TrustUpdateError(_explain(url, error)) from error
        except OSError as error:
            raise TrustUpdateError(f"{visible(text)}: {error_reason(error)}") from error
        return _create_state(folder, url, now)


def _select_first_root(repository: RootRepository, before: RootState | None) -> bytes:
    """Return the root of TUF with which the update begins: the newest one that is trusted already."""
    if repository.first_root:
        if len(repository.first_root) > _LARGEST_ROOT:
            raise TrustError(f"the first root of {visible(repository.url)} is larger than {_LARGEST_ROOT:,} bytes")
        return repository.first_root
    known = before.metadata.get("root", "").encode() if before else b""
    if repository.is_public:
        # A newer version of Kubekeep may have a newer root than the last update.
        return max(read_public_document(_PUBLIC_ROOT), known, key=_read_version)
    if not known:
        raise TrustError(f"{visible(repository.url)}: its first root is not known; use --root FILE")
    return known


def _read_version(root: bytes) -> int:
    try:
        return Metadata.from_bytes(root).signed.version
    except RepositoryError:
        return 0


def _write_metadata(folder: Path, before: RootState | None) -> None:
    """Write what the last update proved: the library compares versions with it."""
    (folder / "metadata").mkdir()
    (folder / "targets").mkdir()
    if before is None:
        return
    for role in (*_ONLINE_ROLES, "targets"):
        if role in before.metadata:
            (folder / "metadata" / f"{role}.json").write_bytes(before.metadata[role].encode())
    (folder / "targets" / _TARGET).write_bytes(before.trusted_root.encode())
    if before.signing_config:
        (folder / "targets" / _SERVICES).write_bytes(before.signing_config.encode())


def _run_update(folder: Path, url: str, first_root: bytes, fetcher: RootFetcher) -> None:
    updater = Updater(
        metadata_dir=str(folder / "metadata"),
        metadata_base_url=url,
        target_base_url=f"{url}/targets",
        target_dir=str(folder / "targets"),
        fetcher=fetcher,
        bootstrap=first_root,
    )
    updater.refresh()
    if not _load_target(updater, _TARGET):
        raise RepositoryError(f"it has no {_TARGET}")
    if not _load_target(updater, _SERVICES):
        (folder / "targets" / _SERVICES).write_bytes(b"")


def _load_target(updater: Updater, name: str) -> bool:
    """Load a target that has changed. Return False if there is none with this name."""
    target = updater.get_targetinfo(name)
    if target is None:
        return False
    if target.length > _LARGEST_TARGET:
        raise RepositoryError(f"{name} has {target.length:,} bytes; the limit is {_LARGEST_TARGET:,}")
    if updater.find_cached_target(target) is None:
        updater.download_target(target)
    return True


def _create_state(folder: Path, url: str, now: dt.datetime) -> RootState:
    """Return the state of a finished update. Raises TrustUpdateError if the target is not a trusted root."""
    documents = {path.stem: path.read_bytes() for path in (folder / "metadata").glob("*.json")}
    # Delegated roles count too. The keys of timestamp and snapshot sign for days, for the freshness of an update only.
    lasting = [content for role, content in documents.items() if role not in _ONLINE_ROLES]
    expiries = [_read_expiry(Metadata.from_bytes(content)) for content in lasting]
    content = (folder / "targets" / _TARGET).read_bytes()
    try:
        read_trusted_root(content, f"{visible(url)}: {_TARGET}")
        metadata = {role: documents[role].decode() for role in _KEPT_ROLES}
        targets = (content.decode(), (folder / "targets" / _SERVICES).read_text(encoding="utf-8"))
        return create_state(url, (now, min(expiries)), metadata, targets)
    except (TrustError, UnicodeDecodeError) as error:
        raise TrustUpdateError(str(error)) from error


def _read_expiry(metadata: Metadata[Any]) -> dt.datetime:
    expires: dt.datetime = metadata.signed.expires
    return expires if expires.tzinfo else expires.replace(tzinfo=dt.UTC)


def _explain(url: str, error: Exception) -> str:
    """Return a message that names the file, if the request for it failed, else the repository."""
    text = visible(str(error))
    if isinstance(error, ExpiredMetadataError):
        return f"{visible(url)}: {text}: the repository, or a mirror of it, does not show its present state"
    if isinstance(error, DownloadError):
        return text if text.startswith(visible(url)) else f"{visible(url)}: {text}"
    return f"{visible(url)}: refused: {text}"
