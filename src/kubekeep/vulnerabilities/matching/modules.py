"""Builds of rpm packages that records distinguish: modules (`nodejs:18`) and flavours. No I/O.

An rpm of a module is never compared with a record of another stream, nor one flavour with another.

AlmaLinux and Red Hat mark builds of modules in the release of the version and name the stream in the title of the record.
Grype's database has a field for it.
"""

from __future__ import annotations

import re
from typing import Final

from kubekeep.model.package import Package
from kubekeep.vulnerabilities.advisory import Advisory, AffectedVersions

_BUILD: Final = re.compile(r"\.module[+_]")
"""Mark of a build of a module in the release of its version, as `.module+el8.9.0+3627` or `.module_el8.9.0+3627`."""
_STREAM: Final = re.compile(r"(?<![\w.:-])([A-Za-z0-9][\w.+-]{0,63}:[A-Za-z0-9][\w.-]{0,31})(?=[\s,]|$)")
_VERSION_STREAM: Final = re.compile(r"\d+(?:\.\d+)*")


def explain_module(package: Package, version: str, record: Advisory, affected: AffectedVersions) -> str:
    """Return the reason why a record is about another module than the package; empty if it can apply."""
    streams = _list_streams(record, affected)
    if streams is None:
        return ""
    label = next((value for key, value in package.qualifiers if key == "rpmmod"), "")
    stream = ":".join(label.split(":")[:2])
    about = " or ".join(streams) or "(unknown)"
    is_about_module = bool(streams) or _has_modular_versions(affected)
    if bool(stream) or _BUILD.search(version) is not None:
        if not is_about_module:
            return f"the package is of the module {stream or '(unknown)'}, and the record is about packages of none"
        if not stream:
            return _explain_unknown_stream(version, streams, affected)
        is_other = bool(streams) and stream not in streams
        return f"the package is of the module {stream}, and the record is about {about}" if is_other else ""
    return f"the record is about the module {about}, and the package is of none" if is_about_module else ""


def explain_flavour(version: str, affected: AffectedVersions) -> str:
    """Return the reason why a record is about another flavour of Oracle Linux, as ksplice or FIPS; empty otherwise."""
    fixed = [event.fixed for entry in affected.ranges for event in entry.events if event.fixed]
    for flavour in ("ksplice", "fips"):
        is_flavour = flavour in version
        if fixed and any((flavour in text) is not is_flavour for text in fixed):
            return f"one of the package and the record is a build for {flavour}, and the other is not"
    return ""


def _list_streams(record: Advisory, affected: AffectedVersions) -> tuple[str, ...] | None:
    """Return the streams that the record names; none for packages without a module; None if it does not matter."""
    stated = (affected.ecosystem_specific or {}).get("rpm_modularity")
    if stated is None:
        stated = (affected.database_specific or {}).get("rpm_modularity")
    if isinstance(stated, str):
        return (stated,) if stated else ()
    fixed = [event.fixed for entry in affected.ranges for event in entry.events if event.fixed]
    if not fixed:
        # A record without fixed versions does not show the builds it is about.
        return None
    if not _has_modular_versions(affected):
        return ()
    # The title names versions of ordinary packages in the same form, as `kernel:4.18.0`.
    return tuple(dict.fromkeys(_STREAM.findall(record.summary.partition(": ")[2] or record.summary)))


def _has_modular_versions(affected: AffectedVersions) -> bool:
    return any(_BUILD.search(event.fixed) for entry in affected.ranges for event in entry.events)


def _explain_unknown_stream(version: str, streams: tuple[str, ...], affected: AffectedVersions) -> str:
    """Compare the version with streams that are versions: the packages of `nodejs:18` have versions 18."""
    numbers = [name.partition(":")[2] for name in streams]
    fixed = [_strip_epoch(event.fixed) for entry in affected.ranges for event in entry.events if event.fixed]
    for number in numbers:
        if _VERSION_STREAM.fullmatch(number) and any(_is_of_stream(text, number) for text in fixed):
            if not _is_of_stream(_strip_epoch(version), number):
                return f"the version is not of the stream {' or '.join(streams)} of the record"
            return ""
    return ""


def _strip_epoch(version: str) -> str:
    return version.partition(":")[2] or version


def _is_of_stream(version: str, stream: str) -> bool:
    return re.match(rf"{re.escape(stream)}(?![\d])", version) is not None
