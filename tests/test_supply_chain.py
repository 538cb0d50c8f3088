"""Scripts that check the project's own dependencies: advisories and licences."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from scripts import audit, licenses

ROOT = Path(__file__).parents[1]


def test_audit_without_tools_is_skipped_with_a_line(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    script = tmp_path / "scripts" / "audit.py"
    script.parent.mkdir()
    script.write_text((ROOT / "scripts" / "audit.py").read_text())
    result = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 0
    assert result.stderr.splitlines() == [
        "audit skipped: pip-audit: not installed",
        "audit skipped: cargo-audit: not installed",
    ]


def test_vulnerabilities_are_found() -> None:
    advisory = {"id": "PYSEC-2099-1", "fix_versions": ["1.1"]}
    packages = {"dependencies": [{"name": "example", "version": "1.0", "vulns": [advisory]}], "fixes": []}
    assert list(audit.read_pip_audit(packages)) == ["example 1.0: PYSEC-2099-1"]
    entry = {"package": {"name": "example", "version": "1.0.0"}, "advisory": {"id": "RUSTSEC-2099-0001"}}
    crates = {"vulnerabilities": {"found": True, "count": 1, "list": [entry]}}
    assert list(audit.read_cargo_audit(crates)) == ["example 1.0.0: RUSTSEC-2099-0001"]


def test_package_without_advisory_data_is_no_pass() -> None:
    answer = {"dependencies": [{"name": "example", "skip_reason": "Dependency not found on PyPI"}]}
    with pytest.raises(audit.SkippedError, match="not found on PyPI"):
        list(audit.read_pip_audit(answer))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("Apache-2.0", True),
        ("MIT OR Apache-2.0", True),
        ("MIT/Apache-2.0", True),
        ("GPL-3.0-only OR MIT", True),
        ("LGPL-2.1-or-later", False),
        ("GNU General Public License v3 (GPLv3)", False),
        ("MIT AND AGPL-3.0-only", False),
        ("", False),
    ],
)
def test_copyleft_licences_are_refused(expression: str, *, expected: bool) -> None:
    assert licenses.is_accepted(expression) is expected


def test_licences_of_dependencies() -> None:
    assert licenses.main() == 0
