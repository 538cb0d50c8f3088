"""`kubekeep kubescape`: translates Kubescape's command line to a Kubekeep command and runs it.

Also the `kubescape` program of a separate package. Never evaluates and writes no report itself.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from kubekeep._native import VERSION
from kubekeep.cli.console.standard_output import standard_output
from kubekeep.cli.kubescape import flags
from kubekeep.cli.kubescape.download import download
from kubekeep.cli.kubescape.flags import FlagValueType, KubescapeFlag
from kubekeep.cli.kubescape.parse import FlagError, FlagValue, get_value, parse
from kubekeep.cli.kubescape.translate import (
    KubescapeLogin,
    TranslatedCommand,
    find_login,
    scan,
    split_scan_type,
    submits,
    translate_options,
)
from kubekeep.model.assessment import Assessment
from kubekeep.usecases.catalog import list_controls, list_frameworks

_UNSUPPORTED: Final = {
    "update": "install a newer package; there is no update check",
    "config": "there is no account to configure; `kubekeep config` explains kubekeep.yaml",
    "patch": "images are not patched; `kubekeep image advise` names the upgrades",
    "vap": "the library has no admission policies yet; `kubekeep scan --policies` evaluates yours",
    "operator": "there is no operator yet",
    "prerequisites": "there is no operator yet",
    "submit": "`kubekeep scan --submit` sends results to a Kubekeep server",
    "delete": "exceptions are files: `kubekeep exceptions` lists them",
}
"""Unsupported commands of Kubescape, with the reason or an alternative."""
_LAYOUTS: Final = {"pretty-print": "pretty", "csv": "csv", "json": "json", "yaml": "json"}
"""Kubescape's formats of lists, with the equivalent ones of `kubekeep list`."""


class _ScorePrinter:
    """Printer of Kubescape's line with the score, which scripts read; not beside a pretty report."""

    def __init__(self, values: Sequence[FlagValue]) -> None:
        self._silent = "pretty-printer" in (get_value(values, "format") or "pretty-printer")

    def __call__(self, assessment: Assessment) -> None:
        if not self._silent:
            score = round_score(assessment.compliance or 0.0)
            click.echo(f"Overall compliance-score (100- Excellent, 0- All failed): {score}", err=True)


def round_score(score: float) -> int:
    """Return the score as an integer, which is 100 only for a perfect score."""
    return min(round(score), 99) if score < 100 else 100


def _scan(positional: list[str], values: list[FlagValue]) -> int:
    scan_type, rest = split_scan_type(positional)
    translated = scan(positional, values)
    access_key = get_value(values, "access-key") if submits(values) else ""
    with _write_login(find_login(scan_type, rest, values)) as login, _write_token(access_key) as token:
        translated = msgspec.structs.replace(translated, words=(*login, *token, *translated.words))
        if scan_type == "image":
            return _run("image.scan", translated)
        return _run("scan", translated, _ScorePrinter(values))


@contextlib.contextmanager
def _write_login(login: KubescapeLogin | None) -> Iterator[tuple[str, ...]]:
    """Yield the option with the credentials, in a file that only this user can read and that is deleted afterwards."""
    if login is None:
        yield ()
        return
    entry = {"username": login.username, "password": login.password, "registrytoken": login.token}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "config.json")
        file.touch(mode=0o600)
        file.write_text(json.dumps({"auths": {login.registry: {key: text for key, text in entry.items() if text}}}))
        yield ("--registry-config", str(file))


@contextlib.contextmanager
def _write_token(token: str) -> Iterator[tuple[str, ...]]:
    """Yield the option with the token of a server, in a file as that of `_write_login`."""
    if not token:
        yield ()
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "token")
        file.touch(mode=0o600)
        file.write_text(token)
        yield (f"--{flags.TOKEN_FILE}", str(file))


def _download(positional: list[str], values: list[FlagValue]) -> int:
    translate_options(values)
    download(positional, get_value(values, "output"))
    return 0


def _serve(positional: list[str], values: list[FlagValue]) -> int:
    """Serve MCP for the cluster and the working folder, as Kubescape's server does."""
    if positional:
        raise FlagError(f"mcpserver: unexpected {positional[0]}")
    transport = get_value(values, "transport") or "stdio"
    if transport not in {"stdio", "sse"}:
        raise FlagError(f"mcpserver: unknown transport {transport}: use stdio or sse")
    port = get_value(values, "port") or "8080"
    return _run("mcp", TranslatedCommand(("--allow-cluster", *(("--http", port) if transport == "sse" else ()))))


def _fix(positional: list[str], values: list[FlagValue]) -> int:
    options, notes = translate_options(values)
    if len(positional) != 1:
        raise FlagError("fix: name one report in JSON")
    if not options and not sys.stdin.isatty():
        raise FlagError("fix: cannot ask for confirmation: not a terminal; use --no-confirm or --dry-run")
    return _run("fix", TranslatedCommand((*options, "--include-risky", "--report", positional[0]), notes))


def _run_same_command(name: str, positional: list[str], values: list[FlagValue]) -> int:
    """Run our command of the same name with the same words."""
    options, notes = translate_options(values)
    return _run(name, TranslatedCommand((*options, "--", *positional), notes))


def _list(positional: list[str], values: list[FlagValue]) -> int:
    """Print the names as in Kubescape's lists; the pretty format is our own list."""
    translate_options(values)
    layout = get_value(values, "format") or "pretty-print"
    if positional not in (["frameworks"], ["controls"], ["exceptions"]):
        raise FlagError("list: name frameworks, controls or exceptions")
    # JSON is also valid YAML.
    if layout in {"json", "yaml"} and positional != ["exceptions"]:
        rows = _frameworks() if positional == ["frameworks"] else _controls()
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2 if layout == "yaml" else None))
        return 0
    if layout == "csv" and positional == ["controls"]:
        _write_csv(_controls())
        return 0
    if layout not in _LAYOUTS:
        raise FlagError(f"list: unknown format {layout}")
    listing = "exception-sets" if positional == ["exceptions"] else positional[0]
    return _run("list", TranslatedCommand((listing, "--format", _LAYOUTS[layout])))


def _frameworks() -> list[str]:
    return [framework.name for framework in list_frameworks()]


def _controls() -> list[dict[str, Any]]:
    frameworks = list_frameworks()
    controls = sorted((control for control in list_controls() if control.ids), key=lambda control: control.id)
    return [
        {
            "id": control.id,
            "name": control.title,
            "frameworks": [framework.name for framework in frameworks if framework.has(control)],
        }
        for control in controls
    ]


def _write_csv(rows: Sequence[dict[str, Any]]) -> None:
    import csv  # noqa: PLC0415 - for one layout of one command

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("id", "name", "frameworks"))
    writer.writerows((row["id"], row["name"], ";".join(row["frameworks"])) for row in rows)


def _version(positional: list[str], values: list[FlagValue]) -> int:
    if positional:
        raise FlagError(f"version: unexpected {positional[0]}")
    if get_value(values, "format") == "json":
        click.echo(json.dumps({"version": f"v{VERSION}", "commit": "", "date": ""}))
    else:
        click.echo(f"Your current version is: v{VERSION} (kubekeep)")
    return 0


def _run(name: str, translated: TranslatedCommand, listener: Callable[[Assessment], None] | None = None) -> int:
    """Run one of our commands. Kubescape has one exit code for all errors."""
    for note in translated.notes:
        click.echo(note, err=True)
    command: click.Command = importlib.import_module(f"kubekeep.cli.{name}").command
    program = f"kubekeep {name.replace('.', ' ')}"
    try:
        # Print errors without the usage line, which would name another program.
        code = command.main(args=list(translated.words), prog_name=program, obj=listener, standalone_mode=False)
    except click.ClickException as error:
        raise FlagError(error.format_message()) from error
    except click.Abort:
        return 1
    except SystemExit as end:
        code = end.code
    return 0 if code in {0, None} else 1


_COMMANDS: Final[dict[str, tuple[tuple[KubescapeFlag, ...], Callable[[list[str], list[FlagValue]], int]]]] = {
    "scan": (flags.EVERY_SCAN, _scan),
    "list": (flags.LIST, _list),
    "fix": (flags.FIX, _fix),
    "diff": (flags.DIFF, functools.partial(_run_same_command, "diff")),
    "decrypt": ((), functools.partial(_run_same_command, "decrypt")),
    "completion": ((), functools.partial(_run_same_command, "completion")),
    "version": (flags.VERSION, _version),
    "download": (flags.DOWNLOAD, _download),
    "mcpserver": (flags.SERVE, _serve),
}


def list_flags() -> dict[str, tuple[KubescapeFlag, ...]]:
    """Return the flags by command, for the documentation."""
    flags_by_command = {"every command": flags.ROOT} | {
        f"kubescape {name}": command_flags for name, (command_flags, _) in _COMMANDS.items() if command_flags
    }
    scan_flags = {f"kubescape scan {name}": command_flags for name, command_flags in flags.SUBCOMMANDS.items()}
    return flags_by_command | {"kubescape scan": flags.SCAN} | scan_flags


def list_unsupported_commands() -> dict[str, str]:
    """Return the unsupported commands with their reason, for the documentation."""
    return dict(_UNSUPPORTED)


@click.command(
    short_help="Run a command line of Kubescape.",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def command(words: tuple[str, ...]) -> None:
    """Run WORDS, a command line of Kubescape, with the equivalent commands and options of Kubekeep."""
    sys.exit(run(words))


def run(words: Sequence[str]) -> int:
    """Run a command line of Kubescape without its first word; return the exit code, 0 or 1."""
    index = _find_command(words)
    try:
        if index is None:
            parse(words, (*flags.ROOT, flags.HELP))
        if index is None or words[index] == "help":
            click.echo(_help())
            return 0
        return _task(words[index], [*words[:index], *words[index + 1 :]])
    except FlagError as error:
        click.echo(f"Error: {error}", err=True)
        return 1


def _task(name: str, rest: Sequence[str]) -> int:
    """Run the command `name`. Raises FlagError."""
    if name in _UNSUPPORTED:
        raise FlagError(f"kubescape {name} is not supported: {_UNSUPPORTED[name]}")
    if name not in _COMMANDS:
        raise FlagError(f"unknown command {name!r} for kubescape")
    command_flags, task = _COMMANDS[name]
    positional, values = parse(rest, (*flags.ROOT, flags.HELP, *command_flags))
    if name != "scan":
        values = [(flag, value) for flag, value in values if flag not in (flags.CONTEXT, flags.SERVER)]
    if get_value(values, flags.HELP.name) == "true":
        click.echo(_help())
        return 0
    return task(positional, values)


def _find_command(words: Sequence[str]) -> int | None:
    """Return the index of the command: the first word that is neither a flag nor its value."""
    flags_with_value = {
        word
        for flag in (*flags.ROOT, *flags.SCAN)
        if flag.value_type is not FlagValueType.SWITCH
        for word in (f"--{flag.name}", flag.short and f"-{flag.short}")
    }
    skip = False
    for index, word in enumerate(words):
        if not skip and not word.startswith("-"):
            return index
        skip = not skip and word in flags_with_value
    return None


def _help() -> str:
    lines = ["Supported commands of Kubescape:", ""]
    lines += [f"  {name}" for name in _COMMANDS]
    lines += ["", "Not supported:", ""]
    lines += [f"  {name:14} {why}" for name, why in _UNSUPPORTED.items()]
    return "\n".join([*lines, "", "Flags: https://kubekeep.io/docs/reference/kubescape/"])


def main() -> None:
    """The `kubescape` program."""
    with standard_output():
        sys.exit(run(sys.argv[1:]))
