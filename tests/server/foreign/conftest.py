"""Reports of Kubekeep on a repository with the example shop, a chart and overlays, in the formats that others send."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.command_line import run_command_line
from tests.usecases.test_submissions import create_repository

FORMATS = {"json": "json", "sarif": "sarif", "submission": "submission.json"}


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """Return the reports of one scan by format."""
    folder = create_repository(tmp_path_factory.mktemp("repository") / "web")
    output = tmp_path_factory.mktemp("reports") / "report"
    process = run_command_line("scan", ".", "--format", ",".join(FORMATS), "--output", output, folder=folder)
    assert process.returncode in (0, 1), process.stderr
    return {name: output.with_name(f"report.{ending}").read_bytes() for name, ending in FORMATS.items()}
