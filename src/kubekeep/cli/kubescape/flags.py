"""Kubescape's flags by command, each with its effect here. Only data; never parses.

The names, short forms and types are those of Kubescape 4.
"""

from __future__ import annotations

import enum
import itertools
from typing import Final

import msgspec


class FlagValueType(enum.Enum):
    """Types of values, as in pflag: a switch may be written as `--flag`, `--flag=true` or `--flag=false`."""

    SWITCH = "switch"
    VALUE = "value"
    """One value, which may contain commas. The last one applies, as for a switch."""
    LIST = "list"
    """Comma-separated values, accumulated over repeated flags."""
    ARRAY = "array"
    """One uninterpreted value per flag, accumulated."""


class FlagEffect(enum.Enum):
    """Effects of a flag."""

    SAME = "same"
    """One of our options is equivalent, possibly with another name."""
    IDLE = "no effect"
    """The flag is accepted without effect, because there is nothing to change."""
    REPORTED = "accepted, has no effect"
    """The flag is accepted, with a message that it has no effect."""
    REFUSED = "refused"
    """The feature is not supported; without an error, the result would differ from the request."""


class KubescapeFlag(msgspec.Struct, frozen=True):
    """One flag. `option` is the name of our option (for a switch, `negative_option` the one for false); `why` is for users."""

    name: str
    short: str = ""
    value_type: FlagValueType = FlagValueType.VALUE
    effect: FlagEffect = FlagEffect.SAME
    option: str = ""
    negative_option: str = ""
    why: str = ""

    def __str__(self) -> str:
        return f"--{self.name}"


def _same(name: str, short: str = "", *, option: str = "", why: str = "") -> KubescapeFlag:
    return KubescapeFlag(name, short, option=option or name, why=why)


def _list(name: str) -> KubescapeFlag:
    return KubescapeFlag(name, "", FlagValueType.LIST, option=name)


def _array(name: str) -> KubescapeFlag:
    return KubescapeFlag(name, "", FlagValueType.ARRAY, option=name)


def _switch(name: str, short: str = "", *, option: str = "", negative_option: str = "", why: str = "") -> KubescapeFlag:
    return KubescapeFlag(
        name, short, FlagValueType.SWITCH, option=option or name, negative_option=negative_option, why=why
    )


def _idle(
    name: str,
    why: str,
    short: str = "",
    *,
    value_type: FlagValueType = FlagValueType.SWITCH,
    effect: FlagEffect = FlagEffect.IDLE,
) -> KubescapeFlag:
    return KubescapeFlag(name, short, value_type, effect, why=why)


def _reported(
    name: str, why: str, short: str = "", *, value_type: FlagValueType = FlagValueType.VALUE
) -> KubescapeFlag:
    return KubescapeFlag(name, short, value_type, FlagEffect.REPORTED, why=why)


def _refused(name: str, why: str, short: str = "", *, value_type: FlagValueType = FlagValueType.VALUE) -> KubescapeFlag:
    return KubescapeFlag(name, short, value_type, FlagEffect.REFUSED, why=why)


_NO_ACCOUNT: Final = "lists and downloads need no account: nothing is sent anywhere"
_NO_VALUE: Final = "fixes never contain invented values"
_LIBRARY: Final = "the library is part of the package; nothing is downloaded"
REGISTRY_CONFIG: Final = "registry-config"
"""Our option for credentials."""

TOKEN_FILE: Final = "token-file"  # noqa: S105 - the name of an option
"""Our option for the token of a server."""

HELP: Final = _idle("help", "it prints the help", "h")
"""The help flag of every command; no table contains it, because it is not translated."""

CONTEXT: Final = _same("kube-context", why="for scans; other commands ignore it, because they use no cluster")
"""The cluster flag of every command."""

SERVER: Final = _same("server", why="a Kubekeep server, for scans with --submit; it has no effect otherwise")
"""The server flag of every command."""

ROOT: Final = (
    SERVER,
    _idle("logger", "messages are written to standard error", "l", value_type=FlagValueType.VALUE),
    _idle("logger-name", "messages are written to standard error", value_type=FlagValueType.VALUE),
    _idle("cache-dir", "nothing is cached", value_type=FlagValueType.VALUE),
    CONTEXT,
    _idle("environment", "Kubescape ignores it as well", value_type=FlagValueType.VALUE),
    _idle("env", "Kubescape ignores it as well", value_type=FlagValueType.VALUE),
)
"""The flags of every command."""

_POLICIES: Final = (
    _same("controls-config"),
    _same("exceptions"),
    _switch("audit-exceptions"),
    _switch("honor-inline-exceptions", negative_option="no-honor-inline-exceptions"),
    _same("use-artifacts-from"),
    _same("custom-rules"),
    _list("use-from"),
    _idle("use-default", _LIBRARY),
    _refused("controls-version", "the library is part of the package: install another version of it"),
    _list("exclude-controls"),
    _same("skip-controls", option="exclude-controls", why="it excludes controls, not the rules that they share"),
    _same("include-controls", why="it restricts the scan to these controls; an error if none remains"),
)

_INPUTS: Final = (
    _same("exclude-namespaces", "e"),
    _same("include-namespaces"),
    _same("include-kinds"),
    _same("exclude-kinds"),
    _array("exclude-path"),
    _switch("no-ignore-file"),
    _same("label-selector"),
    _list("values"),
    _array("set"),
    _array("set-string"),
    _array("set-file"),
    _same("release-name"),
    _same("release-namespace"),
    _same("kubeconfig"),
    KubescapeFlag(
        "host-scan",
        "",
        FlagValueType.SWITCH,
        negative_option="no-host-scan",
        why="data of a node agent is read unless it is false",
    ),
    _switch("dry-run"),
    _idle("enable-streaming", "resources are always streamed"),
    _reported("incremental", "there is no cache of verdicts", value_type=FlagValueType.SWITCH),
    _reported("scan-timeout", "the time of a scan is not limited"),
    _reported("control-timeout", "the time of a control is not limited"),
)

_GATES: Final = (
    _same("severity-threshold"),
    _same("compliance-threshold", why="for all controls together, as in the line with the score; 0 is no limit"),
    _same("fail-coverage-below", why="for all controls together; 0 is no limit"),
    _idle("fail-on-degraded-config", "there is no fallback: an unreadable configuration ends the scan"),
    _switch("only-fixable", why="for `scan image` with --severity-threshold; it has no effect in other scans"),
    _reported("fail-threshold", "Kubescape ignores it as well", "t"),
    _same("baseline"),
    _switch("baseline-fail-on-new", option="fail-on-new"),
    _same("baseline-severity-threshold"),
    _same("baseline-granularity"),
)

_OUTPUT: Final = (
    _same("format", "f"),
    _same("output", "o"),
    _switch("verbose", "v"),
    _same("min-severity"),
    _same("max-severity"),
    KubescapeFlag("view", option="view", why="`security` is the default view"),
    _switch("hide"),
    _switch("encrypt"),
    _idle("show-evidence", "evidence is always shown", "E"),
    _refused("show-secrets", "no report shows a secret", value_type=FlagValueType.SWITCH),
    KubescapeFlag("format-version", why="v2 only"),
    _refused(
        "omit-raw-resources", "reports contain the objects, without their secrets", value_type=FlagValueType.SWITCH
    ),
    _refused("labels-to-copy", "reports contain the objects with their labels", value_type=FlagValueType.LIST),
    _reported("print-attack-tree", "`kubekeep paths` shows attack paths", value_type=FlagValueType.SWITCH),
    _reported("enable-rego-prints", "rules do not print", value_type=FlagValueType.SWITCH),
    _reported("cluster-name", "reports do not name the cluster"),
)

_SERVICE: Final = (
    _reported("account", "the token of the server names the account"),
    _same("access-key", option=TOKEN_FILE, why="it is written to a temporary file, only for --submit"),
    _switch("submit", why="to the Kubekeep server in --server or of `kubekeep login`"),
    _idle("keep-local", "nothing is sent without --submit; an error with it"),
)

_LOGIN: Final = "it is written to a temporary file in the format of Docker's config.json, only for the registry"

_IMAGES: Final = (
    _switch("scan-images", option="images"),
    _reported("image-scan-concurrency", "there is no such setting"),
    _same("image-platform", option="platform"),
    _reported(
        "use-default-matchers", "packages are compared by ecosystem, never by CPE", value_type=FlagValueType.SWITCH
    ),
    KubescapeFlag("registry-mapping", "", FlagValueType.LIST, option="mirror"),
    _same("registry-username", option=REGISTRY_CONFIG, why=_LOGIN),
    _same("registry-password", option=REGISTRY_CONFIG, why=_LOGIN),
    _same("registry-token", option=REGISTRY_CONFIG, why=_LOGIN),
    _same("registry-authority", option=REGISTRY_CONFIG, why="the registry of the credentials"),
    _reported(
        "grype-db-url", "`kubekeep db update` loads advisories, `kubekeep scan --grype-db` reads Grype's database"
    ),
    _idle("skip-db-update", "a scan never updates the database: run `kubekeep db update`"),
)

SCAN: Final = (*_POLICIES, *_INPUTS, *_GATES, *_OUTPUT, *_SERVICE, *_IMAGES)
"""The flags of `scan`, `scan framework` and `scan control`."""

SUBCOMMANDS: Final = {
    "workload": (
        KubescapeFlag("namespace", "n", option="workload", why="it is written before the kind and the name"),
        KubescapeFlag("file-path", option="PATH"),
        KubescapeFlag("chart-path", option="PATH", why="the chart is scanned for this workload"),
        KubescapeFlag("api-version", option="workload", why="it is written after the kind"),
    ),
    "image": (
        _same("username", "u", option=REGISTRY_CONFIG, why=_LOGIN),
        _same("password", "p", option=REGISTRY_CONFIG, why=_LOGIN),
        _same("platform"),
    ),
}
"""The flags of `scan workload` and `scan image` in addition to those of `scan`."""

EVERY_SCAN: Final = (*SCAN, *itertools.chain.from_iterable(SUBCOMMANDS.values()))
"""The flags of all scans: the type of the scan is known only after parsing."""

FIX: Final = (
    _switch("no-confirm", option="yes"),
    _switch("dry-run"),
    _idle("skip-user-values", _NO_VALUE),
    _refused("base-path", "reports name the scanned folder"),
    _refused("container-profile", "there are no container profiles"),
)
"""The flags of `fix`."""

DIFF: Final = (
    _switch("fail-on-new"),
    _same("severity-threshold"),
    _same("format", "f"),
    _same("output", "o"),
    _same("granularity", option="baseline-granularity"),
)
"""The flags of `diff`."""

LIST: Final = (
    KubescapeFlag("format", "f"),
    _refused("account", _NO_ACCOUNT),
    _refused("access-key", _NO_ACCOUNT),
    _idle("id", "Kubescape ignores it as well"),
)
"""The flags of `list`."""

VERSION: Final = (KubescapeFlag("format", "f"),)
"""The flags of `version`."""

DOWNLOAD: Final = (
    _same("output", "o"),
    _refused("account", _NO_ACCOUNT),
    _refused("access-key", _NO_ACCOUNT),
)
"""The flags of `download`."""

SERVE: Final = (
    KubescapeFlag("transport", "t", option="http", why="`sse` serves streamable HTTP, its successor"),
    KubescapeFlag("port", "p", option="http"),
)
"""The flags of `mcpserver`."""
