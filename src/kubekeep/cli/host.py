"""`kubekeep host collect`: documents about a node, for a scan. Never changes the node; no network access."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kubekeep.cli.console.atomic_files import write_text
from kubekeep.cli.console.standard_output import INCOMPLETE
from kubekeep.model.text import visible


@click.group(short_help="Collect data of a node for a scan.")
def command() -> None:
    """Collect data that only the node has: command lines, files and settings of its programs."""


@command.command("collect", short_help="Write the documents about this node.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to this file: JSON if the name ends in .json, else YAML.",
)
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False),
    default="/",
    show_default=True,
    help="Read the root file system of the node in this folder, where a container mounts it.",
)
@click.option(
    "--node-name", default="", help="Set the name of the node. Default: the name of the kubelet, or the host name."
)
def collect_command(output: Path | None, root: str, node_name: str) -> None:
    """Write documents about this node for `kubekeep scan`: kubelet, control plane, kube-proxy, CNI and system.

    Run it as root: files without read permission are skipped and reported. The contents of keys, tokens and kubeconfigs
    are never read, only their mode and owner.
    """
    if sys.platform != "linux":
        raise click.UsageError("host collect runs on Linux only")
    from kubekeep.usecases.host import collect, format_documents, list_kinds  # noqa: PLC0415 - it needs Linux

    try:
        node_data = collect(root, node_name)
    except OSError as error:
        raise click.BadParameter(f"{visible(root)}: {error.strerror}", param_hint="--root") from error
    except ValueError as error:
        raise click.UsageError(f"{error}: set it with --node-name") from error
    for sentence in node_data.not_read:
        click.echo(f"not read: {visible(sentence)}", err=True)
    text = format_documents(node_data, as_json=output is not None and output.suffix.lower() == ".json")
    write_text(text, output)
    if "KubeletInfo" not in list_kinds(node_data):
        click.echo("no kubelet found: run the command on a node, or name the root of the node with --root", err=True)
        sys.exit(INCOMPLETE)
