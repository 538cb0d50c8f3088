"""`kubekeep init`: write a configuration file, and on request a job for a CI system. Never replaces a file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from kubekeep._native import VERSION
from kubekeep.cli.console.atomic_files import open_text
from kubekeep.model.text import visible

_CONFIGURATION: Final = """\
# Options of kubekeep in this repository. `kubekeep config check` validates this file and explains the values.
framework: [recommended]
fail-on: critical
# exclude-path: [vendor/]
# exceptions: [exceptions.yaml]
"""
_GITHUB: Final = """\
name: Kubekeep
on:
  push:
    branches: [main]
  pull_request:

permissions: {}

jobs:
  scan:
    runs-on: ubuntu-latest
    permissions:
      contents: read
      security-events: write
    steps:
      - uses: actions/checkout@v5
        with:
          persist-credentials: false
      - uses: kubekeep/kubekeep@v0
        id: kubekeep
        with:
          paths: .
      - if: ${{ !cancelled() && steps.kubekeep.outputs.scanned == 'true' }}
        uses: github/codeql-action/upload-sarif@v4
        with:
          sarif_file: ${{ steps.kubekeep.outputs.sarif }}
"""
_GITLAB: Final = f"""\
# Include this file in .gitlab-ci.yml:
#   include: {{local: .gitlab/kubekeep.yml}}
include:
  - remote: https://raw.githubusercontent.com/kubekeep/kubekeep/v{VERSION}/integrations/gitlab/templates/scan.yml
    inputs:
      paths: .
"""
_JOBS: Final = {
    "github": (Path(".github/workflows/kubekeep.yml"), _GITHUB),
    "gitlab": (Path(".gitlab/kubekeep.yml"), _GITLAB),
}


@click.command(short_help="Write a configuration file and a CI job.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True), default=".")
@click.option("--ci", type=click.Choice(list(_JOBS)), help="Also write a job for this CI system.")
def command(folder: Path, ci: str | None) -> None:
    """Write kubekeep.yaml into FOLDER, and on request a job for a CI system.

    \b
    kubekeep init
    kubekeep init --ci github
    """  # noqa: D301 - click takes the character itself
    files = {Path("kubekeep.yaml"): _CONFIGURATION}
    if ci:
        path, text = _JOBS[ci]
        files[path] = text
    existing = [path for path in files if (folder / path).exists() or (folder / path).is_symlink()]
    if list(files)[-1] in existing:
        raise click.UsageError(f"{', '.join(map(str, existing))}: the file exists and is not replaced")
    for path in existing:
        # A second job uses the configuration of the first.
        click.echo(f"kept: {visible(str(folder / path))}")
        del files[path]
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        with open_text(folder / path) as stream:
            stream.write(text)
        click.echo(f"written: {visible(str(folder / path))}")
    click.echo(f"next: kubekeep scan {visible(str(folder))}")
