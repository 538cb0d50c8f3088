"""Services of a Sigstore instance for signing, selected from its signing configuration. No I/O."""

from __future__ import annotations

import datetime as dt
from typing import Final

import httpx2
import msgspec

from kubekeep.model.network_address import is_port
from kubekeep.model.text import visible
from kubekeep.signatures.errors import TrustError

_TYPE: Final = "application/vnd.dev.sigstore.signingconfig.v0.2+json"
_LARGEST: Final = 1 << 20
_LOG_VERSIONS: Final = (1, 2)
_MOST_TIMESTAMPS: Final = 8
_THIS_MACHINE: Final = ("localhost", "127.0.0.1", "::1")


class SigningServices(msgspec.Struct, frozen=True):
    """URLs of the services. log: of the transparency log with its major version; empty without one."""

    authority: str
    log: str
    log_version: int
    timestamp_authorities: tuple[str, ...]


class _Period(msgspec.Struct, frozen=True):
    start: dt.datetime | None = None
    end: dt.datetime | None = None


class _Service(msgspec.Struct, frozen=True, rename="camel"):
    url: str
    major_api_version: int = 0
    valid_for: _Period = _Period()
    operator: str = ""


class _Selection(msgspec.Struct, frozen=True):
    selector: str = "ANY"
    count: int = 1


class _SigningConfig(msgspec.Struct, frozen=True, rename="camel"):
    media_type: str
    ca_urls: tuple[_Service, ...] = ()
    rekor_tlog_urls: tuple[_Service, ...] = ()
    rekor_tlog_config: _Selection = _Selection()
    tsa_urls: tuple[_Service, ...] = ()
    tsa_config: _Selection = _Selection()


def select_services(content: bytes, name: str, now: dt.datetime) -> SigningServices:
    """Return the services to use at `now`; `name` is the configuration in messages. Raises TrustError."""
    if len(content) > _LARGEST:
        raise TrustError(f"{name}: larger than {_LARGEST:,} bytes")
    try:
        document = msgspec.json.decode(content, type=_SigningConfig)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TrustError(f"{name}: not a signing configuration of Sigstore: {error}") from error
    if document.media_type != _TYPE:
        raise TrustError(f"{name}: the unsupported type {document.media_type[:100]!r}; expected {_TYPE}")
    authorities = _list_valid(document.ca_urls, (1,), now)
    if not authorities:
        raise TrustError(f"{name}: no certificate authority is in use")
    logs = _list_valid(document.rekor_tlog_urls, _LOG_VERSIONS, now)
    stamps = _list_valid(document.tsa_urls, (1,), now)
    log_count = _count(document.rekor_tlog_config, len(logs), f"{name}: rekorTlogConfig")
    if log_count > 1:
        raise TrustError(f"{name}: {log_count} transparency logs are required; Kubekeep uses one")
    stamp_count = min(_count(document.tsa_config, len(stamps), f"{name}: tsaConfig"), _MOST_TIMESTAMPS)
    log = logs[0] if logs else _Service("")
    if not stamp_count and log.major_api_version != 1:
        raise TrustError(f"{name}: no timestamp authority is in use, and no log that proves the time")
    for service in (authorities[0], *logs[:1], *stamps[:stamp_count]):
        _check_url(service.url, name)
    return SigningServices(
        authorities[0].url.rstrip("/"),
        log.url.rstrip("/"),
        log.major_api_version,
        tuple(service.url for service in stamps[:stamp_count]),
    )


def _check_url(text: str, name: str) -> None:
    """Raise TrustError unless a service is reached by TLS or on this machine: the identity token is a secret."""
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL as error:
        raise TrustError(f"{name}: {visible(text[:200])!r} is not a URL") from error
    if url.userinfo or not url.host or not is_port(url.port):
        raise TrustError(f"{name}: the URL of a service has credentials, or no host")
    if url.scheme != "https" and not (url.scheme == "http" and url.host in _THIS_MACHINE):
        raise TrustError(f"{name}: {visible(text[:200])}: services need https")


def _list_valid(services: tuple[_Service, ...], versions: tuple[int, ...], now: dt.datetime) -> list[_Service]:
    """Return the services in use: of each operator the one with the highest version."""
    operators: dict[str, _Service] = {}
    for service in services:
        if service.major_api_version not in versions or not _is_in_use(service.valid_for, now):
            continue
        present = operators.get(service.operator)
        if present is None or service.major_api_version > present.major_api_version:
            operators[service.operator] = service
    return list(operators.values())


def _is_in_use(period: _Period, now: dt.datetime) -> bool:
    start, end = map(_with_zone, (period.start, period.end))
    return (start is None or start <= now) and (end is None or now <= end)


def _with_zone(time: dt.datetime | None) -> dt.datetime | None:
    return time if time is None or time.tzinfo else time.replace(tzinfo=dt.UTC)


def _count(selection: _Selection, available: int, name: str) -> int:
    """Return the number of services to use."""
    match selection.selector:
        case "ALL":
            return available
        case "EXACT":
            if available < selection.count:
                raise TrustError(f"{name}: {selection.count} services are required, and {available} are in use")
            return max(selection.count, 0)
        case _:
            return min(available, 1)
