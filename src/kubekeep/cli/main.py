"""The `kubekeep` command: its subcommands and the meaning of exit codes. Imports a subcommand only to run it."""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any, Final

import click

from kubekeep.cli.console.lazy_group import HELP_ALL, SHOWS_ALL
from kubekeep.cli.console.signal_wakeup import wake_main_thread
from kubekeep.cli.console.standard_output import INCOMPLETE, READER_GONE, standard_output

_SECTIONS: Final = {
    "Find problems": {
        "scan": "Scan manifests, charts, overlays, repositories or a cluster.",
        "image": "Scan, verify and sign images, and list their packages.",
        "registry": "List and scan the images of registries.",
        "sbom": "Show, scan, compare and merge SBOM documents.",
        "paths": "Show attack paths and the changes that break them.",
        "watch": "Watch a cluster and print changed verdicts.",
    },
    "Work with findings": {
        "findings": "List, show and decide on the findings of a server.",
        "fix": "Fix findings in the files, after showing the changes.",
        "diff": "Compare two reports.",
        "baseline": "Record known findings in a baseline file.",
        "exceptions": "Add, list and check exceptions.",
        "vex": "Create, show and convert VEX documents.",
        "decrypt": "Decrypt a report.",
    },
    "Controls and frameworks": {
        "explain": "Explain a control or a framework.",
        "list": "List frameworks, controls or sets of exceptions.",
        "search": "Search controls and frameworks.",
        "control": "Create and test your own controls.",
        "library": "Share libraries of controls through OCI registries.",
    },
    "Data for scans": {
        "db": "Update, check and share the advisory database.",
        "host": "Collect data of a node for a scan.",
        "cloud": "Describe a managed cluster for a scan.",
    },
    "Set up": {
        "init": "Write a configuration file and a CI job.",
        "login": "Log in at a server for results.",
        "logout": "Remove the token for a server.",
        "config": "Check and explain the configuration file.",
        "lsp": "Start the language server for editors.",
        "server": "Serve the results of all clusters, repositories and images.",
        "mcp": "Serve the tools to an AI assistant (Model Context Protocol).",
        "kubescape": "Run a command line of Kubescape.",
        "completion": "Print a shell completion script.",
        "version": "Print the version.",
    },
}
"""Short help by command, in the sections of the help text."""
_COMMANDS: Final = {name: text for section in _SECTIONS.values() for name, text in section.items()}

_EPILOG: Final = """\b
Exit codes:
  0    all gates passed
  1    a gate failed, a library was rejected, or an image is not verified
  2    the command line is invalid
  3    something could not be read, evaluated or submitted
  130  interrupted; 141 if the output was closed
"""
_WITH_DEBUG: Final = ("scan", "watch", "host", "cloud", "paths", "fix", "diff")
"""Commands that accept `--debug` among their own options too."""
_PROGRAMS: Final = {"kubectl-kubekeep": "kubectl kubekeep"}
"""Names in help texts by file name of the program; kubectl runs the first as a plugin."""
_COMPLETE: Final = "_KUBEKEEP_COMPLETE"
"""Variable that completion scripts set; click would derive another from the name of the plugin."""
_KUBECTL_COMPLETION: Final = "kubectl_complete-kubekeep"
_WRONG: Final = 2
_COLLECTION_THRESHOLD: Final = 10_000
"""Objects after which the garbage collector looks for cycles among the youngest; Python's default is 700."""
_INTERRUPTED: Final = 130
"""Exit code of shells for a program terminated by SIGINT."""


class _CommandGroup(click.Group):
    """A group with one module per command."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"kubekeep.cli.{cmd_name}").command
        if cmd_name in _WITH_DEBUG and not any(param.name == "debug" for param in command.params):
            command.params.append(_debug_option())
        return command

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        with _printable_errors():
            return super().make_context(info_name, args, parent, **extra)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; `--help-all` is accepted by every command, and differs from `--help` in long help texts."""
        if HELP_ALL in args:
            ctx.meta[SHOWS_ALL] = True
            args = ["--help" if word == HELP_ALL else word for word in args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        if sys.stdout.isatty() and not importlib.import_module("kubekeep.cli.settings").settings().colour:
            ctx.color = False
        try:
            with _printable_errors():
                return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            # Click would exit with the code of a failed gate.
            click.echo("interrupted", err=True)
            ctx.exit(_INTERRUPTED)
        except BrokenPipeError:
            # Click would exit with the same code.
            sys.stdout = None
            ctx.exit(READER_GONE)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            from kubekeep.cli.console.unknown_command import refuse_unknown  # noqa: PLC0415 - only for an error

            refuse_unknown(ctx, args[0], _COMMANDS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for heading, commands in _SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl(list(commands.items()))


@contextlib.contextmanager
def _printable_errors() -> Iterator[None]:
    """Escape control characters in the message of an error: it may quote arguments, files and names of the input."""
    try:
        yield
    except click.ClickException as error:
        # Help starts without it.
        from kubekeep.model.text import escape_message  # noqa: PLC0415

        message = escape_message(error.format_message())
        # Not `message`: subclasses of click add their own parts.
        error.format_message = lambda: message  # type: ignore[method-assign]
        raise


class _DebugOption(click.Option):
    """An option of every command, so that it is in no group."""

    section = "Report"
    rank = 6
    is_common = False


def _debug_option() -> click.Option:
    """Return the option `--debug`; its module is loaded only if it is used."""

    def enable(_: click.Context, __: click.Parameter, requested: bool) -> None:  # noqa: FBT001 - click's signature
        if requested:
            importlib.import_module("kubekeep.cli.console.diagnostics").enable_debug()

    return _DebugOption(
        ["--debug"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=enable,
        help="Print stages, processes and requests with times to stderr.",
    )


def _version(ctx: click.Context, _: click.Parameter, requested: bool) -> None:  # noqa: FBT001 - click's signature
    if requested:
        ctx.invoke(importlib.import_module("kubekeep.cli.version").command, layout="text")
        ctx.exit()


@click.group(cls=_CommandGroup, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version and exit."
)
def kubekeep() -> None:
    """Find and fix security problems in Kubernetes manifests and clusters.

    \b
    kubekeep scan deploy/            # files; without a path, the cluster
    kubekeep image scan nginx:1.29   # vulnerabilities and secrets of an image
    kubekeep fix deploy/ --dry-run   # the changes of the files
    """  # noqa: D301 - click takes the character itself


def _invoked_name() -> str:
    """Return the file name under which the program was started, without `.exe`."""
    return os.path.basename(sys.argv[0]).removesuffix(".exe")  # noqa: PTH119 - pathlib takes longer


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line and exit with its code."""
    if _invoked_name() == _KUBECTL_COMPLETION:
        importlib.import_module("kubekeep.cli.kubectl").complete(kubekeep, sys.argv[1:])
        return
    # Importing the program fills the youngest generation of the garbage collector dozens of times. At exit, the collector
    # would walk over all objects once more.
    gc.set_threshold(_COLLECTION_THRESHOLD)
    wake_main_thread()
    atexit.register(gc.freeze)
    with standard_output():
        try:
            os.getcwd()  # noqa: PTH109 - only if it exists
        except FileNotFoundError:
            click.echo("the working folder has been deleted: change to another folder", err=True)
            sys.exit(_WRONG)
        try:
            kubekeep.main(args=arguments, prog_name=_PROGRAMS.get(_invoked_name(), "kubekeep"), complete_var=_COMPLETE)
        except Exception as error:  # noqa: BLE001 - an exit code of 1 would be that of a failed gate
            click.echo(
                importlib.import_module("kubekeep.cli.console.diagnostics").describe_unexpected_error(error), err=True
            )
            sys.exit(INCOMPLETE)


kubekeep.params.append(_debug_option())
