"""Settings of the server: options of the command line, then the environment, then the file, then defaults.

The first of these that has a value counts. The only module that reads the environment. Starts nothing.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

PREFIX: Final = "KUBEKEEP_SERVER_"
_MEBIBYTE: Final = 1024 * 1024
_DATABASE_FILE: Final = "kubekeep.sqlite"
_PORTS: Final = 65_535
_ADVISORIES: Final = "advisories"
_LISTS: Final = frozenset({"notification_networks", "trusted_proxies"})

Positive = Annotated[int, msgspec.Meta(ge=1)]
Days = Annotated[int, msgspec.Meta(ge=1, le=36_500)]


class SettingsError(ValueError):
    """A setting that cannot be used; the message names it, the cause and the next step."""


class OidcSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An OpenID provider.

    issuer: its URL, as in its metadata. client_secret_file: file with the secret in its first line; empty for a public client.
    groups_claim: the claim with the groups of a user. roles: by group, `ROLE SCOPE`, such as `viewer cluster/*`.
    """

    issuer: str
    client_id: str
    client_secret_file: str = ""
    groups_claim: str = "groups"
    roles: dict[str, list[str]] = {}


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of one server process. Names of the environment are those of the fields in capitals after `KUBEKEEP_SERVER_`.

    data: folder of the SQLite database. database: URL of the database; empty for SQLite in `data`. listen: HOST:PORT, port 0
    for a free one. public_url: address of the server for its users; empty for the one it listens on. tls_certificate,
    tls_key: PEM files. trusted_proxies: addresses and networks whose `X-Forwarded-For` and `X-Forwarded-Proto` count.
    submission_limit: bytes of a submission after decompression. waiting_limit: bytes of all submissions that are received,
    wait as they were sent, or are stored. writers: transactions at a time on PostgreSQL. scan_days: age after which scans are removed, and images that no
    source has any more. history_days: age after which closed findings are removed. stop_seconds: time for requests to end after
    SIGTERM. log_format: `text` or `json`. kubescape_artifacts: folder that `kubescape download artifacts` has written, for
    Kubescape's operator; empty for none. oidc: only in the file; requires public_url.

    advisories: `off`; `automatic`: updated from their sources every `advisories_hours`; `bundles`: imported from the files in
    `bundles_folder`, without a network. advisories_folder: of the advisory database; empty for `advisories` in `data`.

    decision_approval: the lowest level of findings for which a second person approves decisions, or `off`. decision_days: the
    longest time in which a decision counts.
    notification_networks: networks that destinations of notifications may have beside the internet, such as `10.0.0.0/8`.
    secret_key_file: file with the key of the secrets of destinations; empty for one in `data`, where SQLite is too.
    """

    data: str = "kubekeep-data"
    database: str = ""
    listen: str = "127.0.0.1:8080"
    public_url: str = ""
    tls_certificate: str = ""
    tls_key: str = ""
    trusted_proxies: tuple[str, ...] = ()
    submission_limit: Positive = 256 * _MEBIBYTE
    waiting_limit: Positive = 512 * _MEBIBYTE
    writers: Positive = 4
    scan_days: Days = 365
    history_days: Days = 730
    stop_seconds: Positive = 30
    log_format: Annotated[str, msgspec.Meta(pattern="^(text|json)$")] = "text"
    kubescape_artifacts: str = ""
    oidc: OidcSettings | None = None
    advisories: Annotated[str, msgspec.Meta(pattern="^(off|automatic|bundles)$")] = "off"
    advisories_hours: Positive = 6
    advisories_folder: str = ""
    bundles_folder: str = ""
    decision_approval: Annotated[str, msgspec.Meta(pattern="^(off|low|medium|high|critical)$")] = "off"
    decision_days: Days = 365
    notification_networks: tuple[str, ...] = ()
    secret_key_file: str = ""

    @property
    def advisory_database(self) -> Path:
        """The folder of the advisory database."""
        return Path(self.advisories_folder or Path(self.data) / _ADVISORIES).absolute()

    @property
    def database_url(self) -> str:
        """The URL of the database."""
        return self.database or f"sqlite:///{Path(self.data).absolute() / _DATABASE_FILE}"

    @property
    def address(self) -> tuple[str, int]:
        """The host and the port to listen on."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def has_tls(self) -> bool:
        """True if users reach the server by HTTPS."""
        return bool(self.tls_certificate) or self.public_url.startswith("https://")


def load_settings(file: str, options: Mapping[str, Any]) -> Settings:
    """Return the settings of a file (empty for none), the environment and options (None for one without a value).

    Raises SettingsError.
    """
    values = {**_read_file(file), **_read_environment(), **{key: value for key, value in options.items() if value}}
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{file or 'settings'}: {error}") from error
    _check(settings)
    return settings


def read_secret(path: str) -> str:
    """Return the first line of a file with a secret. Raises SettingsError."""
    try:
        return Path(path).read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}; check its path and permissions") from error


def _read_file(path: str) -> dict[str, Any]:
    if not path:
        return {}
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"{path}: not TOML: {error}") from error


def _read_environment() -> dict[str, Any]:
    values: dict[str, Any] = {}
    names = {field for field in Settings.__struct_fields__ if field != "oidc"}
    for variable, text in os.environ.items():
        name = variable.removeprefix(PREFIX).lower()
        if not variable.startswith(PREFIX) or not text:
            continue
        if name == "config":
            continue
        if name not in names:
            raise SettingsError(f"{variable}: unknown setting; see `kubekeep server --help`")
        values[name] = text.split(",") if name in _LISTS else text
    return values


def _check(settings: Settings) -> None:
    host, _, port = settings.listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > _PORTS:
        raise SettingsError(f"listen: {settings.listen!r} is not HOST:PORT")
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise SettingsError("tls_certificate and tls_key require each other")
    if settings.oidc and not settings.public_url:
        raise SettingsError("oidc requires public_url, to which the provider sends browsers back")
    if (settings.advisories == "bundles") != bool(settings.bundles_folder):
        raise SettingsError('advisories = "bundles" and bundles_folder require each other')
    for network in settings.notification_networks:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise SettingsError(f"notification_networks: {error}") from error
    if settings.submission_limit > settings.waiting_limit:
        raise SettingsError("waiting_limit must be at least submission_limit")
