"""`kubekeep host collect`: documents about a node, for a scan. Never changes the node; no network access."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from kubekeep.cli.atomic_files import write_text
from kubekeep.model.text import visible

_INCOMPLETE: Final = 3


@click.group(short_help="Collect what a node tells, for a scan.")
def command() -> None:
    """Collect what only the node itself tells: command lines, files and settings of its programs."""


@command.command("collect", short_help="Write the documents about this node.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to this file, in JSON if it is called so, else in YAML.",
)
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False),
    default="/",
    show_default=True,
    help="Where the root of the node is: the folder that it is mounted at in a container.",
)
@click.option(
    "--node-name", default="", help="What the cluster calls the node; else the kubelet's word, or the host name."
)
def collect_command(output: Path | None, root: str, node_name: str) -> None:
    """Write documents about this node that `kubekeep scan` takes: the kubelet, the control plane, kube-proxy, CNI, the system.

    Run it as root: what others may not read is left out, and said. Keys, tokens and kubeconfigs are never read; of such
    files the documents have mode and owner.
    """
    if sys.platform != "linux":
        raise click.UsageError("nodes are looked at on Linux only")
    from kubekeep.usecases.host import collect, format_documents, list_kinds  # noqa: PLC0415 - it needs Linux

    try:
        node_data = collect(root, node_name)
    except OSError as error:
        raise click.BadParameter(f"{visible(root)}: {error.strerror}", param_hint="--root") from error
    except ValueError as error:
        raise click.UsageError(f"{error}: say it with --node-name") from error
    for sentence in node_data.not_read:
        click.echo(f"not read: {visible(sentence)}", err=True)
    text = format_documents(node_data, as_json=output is not None and output.suffix.lower() == ".json")
    write_text(text, output)
    if "KubeletInfo" not in list_kinds(node_data):
        click.echo("no kubelet is seen: run it on a node, or name the node's root with --root", err=True)
        sys.exit(_INCOMPLETE)
