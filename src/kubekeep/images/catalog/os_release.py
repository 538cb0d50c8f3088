"""The distribution of an image, from `os-release` or from older release files. Never guesses one from packages.

Links between the places of the files need no handling: the reader yields the file that a link points to under its own path.
"""

from __future__ import annotations

import functools
import re
import shlex
from typing import Final

from kubekeep.ecosystems.shared.registry import index_distributions
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.model.package import Distribution

PATTERNS: Final = (
    "etc/os-release",
    "usr/lib/os-release",
    "etc/alpine-release",
    "etc/debian_version",
    "etc/{almalinux,centos,fedora,oracle,redhat,rocky,system}-release",
    "etc/SuSE-release",
)
MAX_SIZE: Final = 64 * 2**10
"""Largest release file in bytes; real ones have less than 1,000."""


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the distribution that the file names. Raises ValueError if the file is too large."""
    if file.spill or len(file.content) > MAX_SIZE:
        raise ValueError(f"release file of more than {MAX_SIZE} bytes")
    text = file.content.decode("utf-8", "replace").strip()
    name = file.path.rpartition("/")[2]
    if name == "os-release":
        distribution = _read_os_release(text)
    elif name == "alpine-release":
        distribution = Distribution("alpine", text, name="Alpine Linux") if _is_version(text) else None
    elif name == "debian_version":
        distribution = _read_debian_version(text)
    else:
        distribution = _read_release_line(text)
    return CatalogRecord(file.path, "os_release", distribution=distribution) if distribution else None


def _read_os_release(text: str) -> Distribution | None:
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.strip().partition("=")
        if equals and not key.startswith("#"):
            fields[key] = _unquote(value)
    # The default of the format is `linux`, which names no distribution.
    identifier = fields.get("ID", "").lower()
    if not identifier or identifier == "linux":
        return None
    return Distribution(
        identifier,
        fields.get("VERSION_ID", ""),
        name=fields.get("PRETTY_NAME") or fields.get("NAME", ""),
        version_codename=fields.get("VERSION_CODENAME", ""),
        id_like=tuple(fields.get("ID_LIKE", "").split()),
        variant_id=fields.get("VARIANT_ID", ""),
    )


def _unquote(value: str) -> str:
    """Return a value as a shell would read it; one with a damaged quote stays as it is."""
    if not value or value.isalnum():
        return value
    try:
        return " ".join(shlex.split(value, comments=False))
    except ValueError:
        return value.strip("\"'")


def _is_version(text: str) -> bool:
    return bool(re.fullmatch(r"\d[\w.]{0,40}", text))


def _read_debian_version(text: str) -> Distribution | None:
    """Return Debian 12 for `12.5`; `forky/sid` is a release without a number."""
    if _is_version(text):
        return Distribution("debian", text.partition(".")[0], name="Debian GNU/Linux")
    if re.fullmatch(r"[a-z]{1,40}/sid", text):
        return Distribution("debian", name="Debian GNU/Linux", version_codename=text.partition("/")[0])
    return None


def _read_release_line(text: str) -> Distribution | None:
    """Return the distribution of a line such as `CentOS release 6.10 (Final)` or `openSUSE 13.2 (x86_64)`."""
    line = text.partition("\n")[0]
    match = _compile_line().match(line)
    starts = ((entry.release_line, entry.id) for entry in index_distributions().values() if entry.release_line)
    identifier = next((identifier for start, identifier in starts if line.lower().startswith(start)), "")
    return Distribution(identifier, match[1], name=line[:200]) if match and identifier else None


@functools.cache
def _compile_line() -> re.Pattern[str]:
    return re.compile(r"[^\d]{1,100} (\d[\d.]{0,20})")
