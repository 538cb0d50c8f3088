"""The part of a GitHub runner that the action needs: inputs, environment, the shell of a step, workflow commands."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from tests.integrations.samples import ROOT, base_environment

ACTION: Final[dict[str, Any]] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEP: Final[dict[str, Any]] = ACTION["runs"]["steps"][0]
_EXPRESSION: Final = re.compile(r"\$\{\{ inputs\.([a-z-]+) \}\}")


class FinishedStep(msgspec.Struct, frozen=True):
    """A finished step. commands: the workflow commands that the runner obeys."""

    code: int
    log: str
    outputs: dict[str, str]
    summary: str
    commands: list[str]

    @property
    def sarif(self) -> Path:
        """The SARIF file."""
        return Path(self.outputs["sarif"])


def run_step(
    folder: Path, inputs: dict[str, str], *, prefix: tuple[str, ...] = (), environment: dict[str, str] | None = None
) -> FinishedStep:
    """Run the step of the action in `folder`/repository, as a runner does with `shell: bash`."""
    values = {name: str(entry["default"]) for name, entry in ACTION["inputs"].items()}
    assert inputs.keys() <= values.keys()
    values |= {"token": "", "install": "none"} | inputs
    step_environment = {
        name: _EXPRESSION.sub(lambda match: values[match[1]], text) for name, text in STEP["env"].items()
    }
    script, output, summary = folder / "step.sh", folder / "output", folder / "summary"
    script.write_text(STEP["run"], encoding="utf-8")
    output.write_text("")
    summary.write_text("")
    result = subprocess.run(
        [*prefix, "bash", "--noprofile", "--norc", "-e", "-o", "pipefail", script],
        cwd=folder / "repository",
        env=base_environment(folder)
        | {
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(summary),
            "RUNNER_TEMP": str(folder / "temporary"),
        }
        | step_environment
        | (environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
    outputs = dict(line.split("=", 1) for line in output.read_text(encoding="utf-8").splitlines())
    return FinishedStep(
        result.returncode,
        result.stdout,
        outputs,
        summary.read_text(encoding="utf-8"),
        read_commands(result.stdout),
    )


def read_commands(log: str) -> list[str]:
    """Return the lines that a runner obeys: commands outside of the part that stop-commands disables."""
    commands = []
    token = ""
    for line in re.split(r"\r\n|\r|\n", log):
        if token:
            token = "" if line == f"::{token}::" else token
        elif line.startswith("::stop-commands::"):
            token = line.removeprefix("::stop-commands::")
        elif line.lstrip().startswith("::") or "##[" in line:
            commands.append(line)
    assert not token, "the commands stay disabled"
    return commands
