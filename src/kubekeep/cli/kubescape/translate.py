"""Translation of Kubescape command lines to ours. Runs nothing.

Reads the rules named in the command line. A flag without an equivalent is an error, since the result would differ
from the request.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.cli.kubescape.download import is_download
from kubekeep.cli.kubescape.flags import (
    REGISTRY_CONFIG,
    SUBCOMMANDS,
    TOKEN_FILE,
    FlagEffect,
    FlagValueType,
    KubescapeFlag,
)
from kubekeep.cli.kubescape.parse import FlagError, FlagValue, get_value
from kubekeep.cli.settings import kubescape_login
from kubekeep.model.errors import KubekeepError
from kubekeep.registry.reference import parse_image_name
from kubekeep.usecases.rule_names import RuleNames

_ONLY_IMAGES: Final = ("--only-fixable",)
"""Flags that Kubescape applies to images only; ours would weaken the gate of manifests."""
_SCAN_TYPES: Final = frozenset({"framework", "control", "workload", "image"})
_FOR_SUBMISSION: Final = ("--server", "--access-key", "--account")
"""Flags that have an effect with --submit only."""
_FORMATS: Final = {"pretty-printer": "pretty"}
_THRESHOLDS: Final = frozenset({"compliance-threshold", "fail-coverage-below"})
_MAX_PERCENT: Final = 100
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""Decimal numbers in Go: Python also accepts others, such as with surrounding spaces."""
_FILE_FRAMEWORKS: Final = ("workloadscan", "allcontrols")
"""Default frameworks of Kubescape for files, and for a workload in any input."""
_CLUSTER_FRAMEWORKS: Final = ("clusterscan", "mitre", "nsa")
"""Default frameworks of Kubescape for a cluster."""
_VIEW_FRAMEWORKS: Final = ("allcontrols", "nsa", "mitre")
"""Default frameworks of Kubescape with `--view control` or `--view resource`."""


class KubescapeLogin(msgspec.Struct, frozen=True):
    """Credentials for one registry."""

    registry: str
    username: str
    password: str
    token: str

    def __repr__(self) -> str:
        return f"KubescapeLogin({self.registry!r})"


class TranslatedCommand(msgspec.Struct, frozen=True):
    """Arguments of one of our commands, and messages about flags without effect."""

    words: tuple[str, ...]
    notes: tuple[str, ...] = ()


def scan(positional: Sequence[str], values: Sequence[FlagValue]) -> TranslatedCommand:
    """Translate `kubescape scan` to our `scan`. Raises FlagError for unsupported flags."""
    scan_type, rest = split_scan_type(positional)
    _check(scan_type, values)
    values, unsent = _check_submission(values)
    translated = _translate_scan(scan_type, rest, values)
    return msgspec.structs.replace(translated, notes=(*unsent, *translated.notes))


def submits(values: Sequence[FlagValue]) -> bool:
    """Return True for a scan whose results are sent to a server."""
    return get_value(values, "submit") == "true"


def _check_submission(values: Sequence[FlagValue]) -> tuple[list[FlagValue], tuple[str, ...]]:
    """Return the flags without those for --submit if it is not used, and messages about them. Raises FlagError."""
    if not submits(values):
        return _leave_out(values, _FOR_SUBMISSION, "it is for --submit")
    if get_value(values, "keep-local") == "true":
        raise FlagError("--keep-local and --submit cannot be combined")
    return list(values), ()


def _translate_scan(scan_type: str, rest: list[str], values: Sequence[FlagValue]) -> TranslatedCommand:
    if scan_type == "image":
        return _scan_image(rest, values)
    values, ignored = _leave_out(values, _ONLY_IMAGES, "it is for `scan image`")
    values, replaced = _leave_out_downloads(values)
    options, notes = translate_options(values)
    notes = (*ignored, *replaced, *notes)
    leading_words = _translate_words(scan_type, rest, values)
    return TranslatedCommand(
        ("--no-config", *options, *_file(values), *leading_words.words, "--", *rest), (*notes, *leading_words.notes)
    )


def split_scan_type(positional: Sequence[str]) -> tuple[str, list[str]]:
    """Return the type of the scan, "" for none, and the other words."""
    if positional and positional[0] in _SCAN_TYPES:
        return positional[0], list(positional[1:])
    return "", list(positional)


def _scan_image(references: Sequence[str], values: Sequence[FlagValue]) -> TranslatedCommand:
    """Translate `kubescape scan image` to `image scan`. Raises FlagError."""
    from kubekeep.cli.image.scan import command  # noqa: PLC0415 - only for images

    if not references:
        raise FlagError("scan image: name an image, such as nginx:1.29")
    # The included controls are words of the command, not an option.
    known = {"include-controls"} | {
        name.removeprefix("--") for param in command.params for name in (*param.opts, *param.secondary_opts)
    }
    without_effect = [
        str(flag) for flag, _ in values if flag.effect is FlagEffect.SAME and flag.option and flag.option not in known
    ]
    if not get_value(values, "severity-threshold"):
        without_effect += _ONLY_IMAGES
    values, ignored = _leave_out(values, without_effect, "it does not concern images")
    options, notes = translate_options(values)
    included = ",".join(_split_names(get_value(values, "include-controls")))
    words = ("--no-config", *options, *_file(values), *(("control", included) if included else ()))
    return TranslatedCommand((*words, "--", *references), (*ignored, *notes))


def _leave_out(
    values: Sequence[FlagValue], names: Sequence[str], reason: str
) -> tuple[list[FlagValue], tuple[str, ...]]:
    """Return the flags without those called `names`, and a message about each of these that was used."""
    left_out = dict.fromkeys(str(flag) for flag, value in values if str(flag) in names and value != "false")
    notes = tuple(f"{name} has no effect: {reason}" for name in left_out)
    return [(flag, value) for flag, value in values if str(flag) not in names], notes


def _leave_out_downloads(values: Sequence[FlagValue]) -> tuple[list[FlagValue], tuple[str, ...]]:
    """Return the flags without the files of `download`, which stand for the library of the package."""
    kept = [
        (flag, value)
        for flag, value in values
        if flag.name not in {"use-from", "use-artifacts-from"} or not is_download(Path(value))
    ]
    is_replaced = len(kept) < len(values)
    return kept, (("the library of the package is used in place of its downloaded files",) if is_replaced else ())


def find_login(scan_type: str, references: Sequence[str], values: Sequence[FlagValue]) -> KubescapeLogin | None:
    """Return the credentials in the flags, else those in the environment. Raises FlagError for an incomplete login."""
    variables = kubescape_login()
    username = get_value(values, "username") or get_value(values, "registry-username") or variables.username
    password = get_value(values, "password") or get_value(values, "registry-password") or variables.password
    token = get_value(values, "registry-token") or variables.token
    registry = get_value(values, "registry-authority")
    is_image = scan_type == "image"
    if not (username or password or token) or not (is_image or get_value(values, "scan-images") == "true"):
        return None
    if is_image and not registry and references:
        with contextlib.suppress(ValueError):
            registry = parse_image_name(references[0]).registry
    if bool(username) != bool(password):
        raise FlagError("a user name and a password of a registry are used together: add the missing one")
    if not registry:
        raise FlagError("credentials of a registry require --registry-authority, the host that they are for")
    return KubescapeLogin(registry, username, password, token)


def _file(values: Sequence[FlagValue]) -> tuple[str, ...]:
    """Return the output option for a report that Kubescape writes to a file by default and we do not."""
    is_file_in_kubescape = get_value(values, "format").strip() == "markdown" and not get_value(values, "output")
    return ("--output", "report.md") if is_file_in_kubescape else ()


def _check(scan_type: str, values: Sequence[FlagValue]) -> None:
    """Raise FlagError for a flag that only another type of scan has."""
    for flag, _ in values:
        owner = next((name for name, subcommand_flags in SUBCOMMANDS.items() if flag in subcommand_flags), scan_type)
        if owner != scan_type:
            raise FlagError(f"unknown flag: {flag}: only `scan {owner}` supports it")


def _translate_words(scan_type: str, rest: list[str], values: Sequence[FlagValue]) -> TranslatedCommand:
    """Return the words before the paths; remove them from `rest`."""
    included = _split_names(get_value(values, "include-controls"))
    match scan_type:
        case "framework" | "control":
            names = _split_names(rest.pop(0)) if rest else []
            if not names:
                raise FlagError(f"scan {scan_type}: name at least one {scan_type}")
            if scan_type == "framework" and "all" in map(str.lower, names):
                names = list_all_frameworks(values)
            return _narrow(scan_type, names, included, values)
        case "workload":
            if not rest or not rest[0]:
                raise FlagError("scan workload: name it as [namespace/]kind/name")
            name = _workload(rest.pop(0), values)
            rest.extend(filter(None, [get_value(values, "chart-path") or get_value(values, "file-path")]))
            left_out = _words("--exclude-controls", ",".join(list_other_controls(included, values)) if included else "")
            return TranslatedCommand(
                (
                    *_words("--framework", list_default_frameworks(scan_type, values, live=not rest)),
                    *left_out,
                    "workload",
                    name,
                )
            )
        case _ if included:
            return TranslatedCommand(("control", ",".join(included)))
        case _:
            return TranslatedCommand(_words("framework", list_default_frameworks(scan_type, values, live=not rest)))


def _narrow(
    scan_type: str, names: Sequence[str], included: Sequence[str], values: Sequence[FlagValue]
) -> TranslatedCommand:
    """Return a scan for `names`, restricted to the included controls, if any."""
    if not included:
        return TranslatedCommand((scan_type, ",".join(names)))
    remaining = intersect(scan_type, names, included, values)
    unmatched = [name for name in included if name not in remaining]
    notes = tuple(f"{name} is excluded: it is not in {scan_type} {','.join(names)}" for name in unmatched)
    return TranslatedCommand(("control", ",".join(remaining)), notes)


def _words(word: str, value: str) -> tuple[str, ...]:
    return (word, value) if value else ()


def _split_names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _workload(name: str, values: Sequence[FlagValue]) -> str:
    """Return the workload in our syntax: `namespace/kind.version.group/name`."""
    parts = name.split("/")
    version = get_value(values, "api-version")
    if version and len(parts) >= 2:
        group, _, number = version.rpartition("/")
        parts[-2] = ".".join(filter(None, (parts[-2], number, group)))
    namespace = get_value(values, "namespace")
    return "/".join([*([namespace] if namespace and len(parts) == 2 else []), *parts])


def translate_options(values: Sequence[FlagValue]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return our options for the flags, and messages about flags without effect. Raises FlagError."""
    formats = _split_names(get_value(values, "format"))
    options = ["--kubescape-metrics"] if "prometheus" in formats else []
    notes: list[str] = []
    for flag, value in values:
        match flag.effect:
            case FlagEffect.REFUSED if not (flag.value_type is FlagValueType.SWITCH and value == "false"):
                raise FlagError(f"{flag} is not supported: {flag.why}")
            case FlagEffect.REPORTED:
                notes.append(f"{flag} has no effect: {flag.why}")
            case FlagEffect.SAME:
                options += _options(flag, value)
            case _:
                pass
    return tuple(options), tuple(notes)


def _options(flag: KubescapeFlag, value: str) -> list[str]:
    if flag.value_type is FlagValueType.SWITCH:
        name = flag.option if value == "true" else flag.negative_option
        return [f"--{name}"] if name else []
    if flag.name == "format-version" and value not in {"", "v2"}:
        raise FlagError(f"{flag} {value} is not supported: reports in JSON have the layout of v2")
    option_value = _translate_value(flag, value)
    return [f"--{flag.option}", option_value] if option_value else []


def _translate_value(flag: KubescapeFlag, value: str) -> str:
    """Return the value of our option; empty for none. Empty values are accepted: they are Kubescape's defaults."""
    match flag.name:
        case "include-controls" | "namespace" | "file-path" | "chart-path" | "api-version" | "format-version":
            return ""
        case "view" if value == "security":
            return ""
        case _ if flag.option in {REGISTRY_CONFIG, TOKEN_FILE}:
            return ""
        case "format":
            return ",".join(_FORMATS.get(name.strip(), name.strip()) for name in value.split(","))
        case name if name in _THRESHOLDS:
            return _limit(flag, value)
        case _:
            return value


def _limit(flag: KubescapeFlag, value: str) -> str:
    """Return a limit for the score of all controls; zero means none in Kubescape."""
    number = float(value) if _NUMBER.fullmatch(value) else math.inf
    if not 0 <= number <= _MAX_PERCENT:
        raise FlagError(f"invalid argument {value!r} for {flag}: expected a number from 0 to {_MAX_PERCENT}")
    return f"overall={number}" if number else ""


def list_all_frameworks(values: Sequence[FlagValue]) -> list[str]:
    """Return the names of `framework all`: those of bundles, or else the library's."""
    return _load_names(values).list_frameworks()


def list_default_frameworks(scan_type: str, values: Sequence[FlagValue], *, live: bool) -> str:
    """Return the default frameworks, comma separated; `live` is True for a cluster.

    Empty if bundles contain none of them: everything in the bundles is evaluated then.
    """
    if scan_type == "workload":
        names: tuple[str, ...] = _FILE_FRAMEWORKS
    elif get_value(values, "view") in {"control", "resource"}:
        names = _VIEW_FRAMEWORKS
    else:
        names = _CLUSTER_FRAMEWORKS if live else _FILE_FRAMEWORKS
    if _bundles(values):
        bundled = _load_names(values).list_bundled()
        names = tuple(name for name in names if name in bundled)
    return ",".join(names)


def intersect(scan_type: str, names: Sequence[str], included: Sequence[str], values: Sequence[FlagValue]) -> list[str]:
    """Return the controls of `included` that are in `names`, frameworks or controls according to `scan_type`.

    Raises FlagError for an unknown name, and if no control remains.
    """
    rule_names = _load_names(values)
    try:
        if scan_type == "framework":
            remaining = rule_names.intersect_frameworks(names, included)
        else:
            remaining = rule_names.intersect_controls(names, included)
    except KubekeepError as error:
        raise FlagError(str(error)) from error
    if not remaining:
        raise FlagError(
            f"none of --include-controls {','.join(included)} is in {scan_type} {','.join(names)}: no control remains"
        )
    return remaining


def list_other_controls(included: Sequence[str], values: Sequence[FlagValue]) -> list[str]:
    """Return every control except `included`. Raises FlagError for an unknown name."""
    try:
        return _load_names(values).list_others(included)
    except KubekeepError as error:
        raise FlagError(str(error)) from error


def _bundles(values: Sequence[FlagValue]) -> list[Path]:
    return [Path(value) for flag, value in values if flag.name in {"use-from", "use-artifacts-from"} and value]


def _load_names(values: Sequence[FlagValue]) -> RuleNames:
    custom = get_value(values, "custom-rules")
    try:
        return RuleNames([Path(custom)] if custom else [], _bundles(values))
    except KubekeepError as error:
        raise FlagError(str(error)) from error
