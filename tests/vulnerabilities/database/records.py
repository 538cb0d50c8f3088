"""Records, archives and databases of tests, and the command line as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click.testing
import pytest

from kubekeep.cli.main import kubekeep

DATA = Path(__file__).parents[1] / "data"
OSV = DATA / "osv"
KEV = DATA / "known_exploited_vulnerabilities.json"
EPSS = (
    "#model_version:v2025.03.14,score_date:2026-11-28T12:55:00Z\ncve,epss,percentile\nCVE-2021-44228,0.94358,0.99957\n"
)


def create_record(
    record_id: str,
    name: str = "left-pad",
    ecosystem: str = "npm",
    modified: str = "2026-01-01T00:00:00Z",
    **fields: Any,
) -> dict[str, Any]:
    """Return a record that affects all versions of a package."""
    affected = {
        "package": {"ecosystem": ecosystem, "name": name},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}],
    }
    return {"id": record_id, "modified": modified, "affected": [affected], **fields}


def write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> Path:
    """Write JSON Lines."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def write_zip(path: Path, records: Iterable[Mapping[str, Any]], **others: str) -> Path:
    """Write an archive in the layout of OSV, with further entries."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for record in records:
            archive.writestr(f"{record['id']}.json", json.dumps(record))
        for name, text in others.items():
            archive.writestr(name.replace("__", "."), text)
    return path


def run_db(*words: str | Path, code: int | None = 0, database: Path) -> click.testing.Result:
    """Run `kubekeep db` in this process, and check its exit code unless it is None; a process takes a second."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            patch.delenv(name, raising=False)
        patch.setenv("KUBEKEEP_DATABASE", str(database))
        result = click.testing.CliRunner().invoke(kubekeep, ["db", *map(str, words)])
    assert code is None or result.exit_code == code, (result.output, result.exception)
    return result


def kubekeep_db(
    *words: str | Path, code: int = 0, database: Path | None = None, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run `kubekeep db` as a process, and check its exit code."""
    environment = {name: value for name, value in os.environ.items() if not name.upper().endswith("_PROXY")}
    if database is not None:
        environment["KUBEKEEP_DATABASE"] = str(database)
    result = subprocess.run(
        [sys.executable, "-m", "kubekeep", "db", *map(str, words)],
        capture_output=True,
        check=False,
        text=True,
        env=environment,
        timeout=timeout,
    )
    assert result.returncode == code, (result.stdout, result.stderr)
    assert "Traceback" not in result.stderr
    return result
