"""Unread files in images that an exception accepts by path, with a reason and an expiry date, by the real program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kubekeep.model.exception import ExceptionStatus
from tests.cli.test_vulnerabilities import kubekeep
from tests.images.example import LAYERS, write_layout

FILE = "srv/vendor/licence.jar"
DAMAGED = "PK\x03\x04 damaged archive"


def scan(folder: Path, exception: str, code: int) -> dict[str, Any]:
    """Scan an image with a damaged archive; return the JSON report."""
    write_layout(folder / "image", (*LAYERS, ("COPY vendor", {FILE: (0o644, DAMAGED)})))
    (folder / "exceptions.yaml").write_text(exception)
    arguments = ("image", "scan", f"oci:{folder / 'image'}", "--no-vulnerabilities", "--audit-exceptions")
    kubekeep(*arguments, "--exceptions", "exceptions.yaml", "-f", "json", "-o", "a.json", folder=folder, code=code)
    report: dict[str, Any] = json.loads((folder / "a.json").read_text())
    return report


def write_exception(
    *, path: str = f".*/image!/{FILE}", reason: str = "an SBOM exists", until: str = "2999-12-31"
) -> str:
    return f"- reason: {reason}\n  expirationDate: {until}\n  unread: [{{path: '{path}'}}]\n"


def test_unread_file_makes_the_scan_incomplete(tmp_path: Path) -> None:
    report = scan(tmp_path, "[]", code=3)
    assert FILE in json.dumps(report["kubekeep"]["unread"])


def test_accepted_file_is_named_in_a_note(tmp_path: Path) -> None:
    report = scan(tmp_path, write_exception(), code=0)
    assert not report["kubekeep"]["unread"]
    text = json.dumps(report)
    assert f"accepted as not read: oci:{tmp_path / 'image'}!/{FILE}" in text
    assert "(an SBOM exists, until 2999-12-31)" in text
    assert f'"{ExceptionStatus.MATCHED.value}"' in text


@pytest.mark.parametrize(
    ("exception", "reason"),
    [
        (write_exception(until="2020-01-01"), "expired"),
        (write_exception(path=".*"), "it would accept every file of every image"),
        (write_exception(path=".*!/.*"), "it would accept every file of every image"),
        (
            write_exception(path=".*!/srv/vendor/other.jar"),
            "no part of the input that could not be read has such a path",
        ),
        (write_exception().replace("  expirationDate: 2999-12-31\n", ""), "accepted only with expirationDate"),
        (write_exception().replace("- reason: an SBOM exists\n  ", "- "), "accepted only with reason"),
        (write_exception() + "  posturePolicies: [{controlID: C-0057}]\n", "use two exceptions"),
    ],
)
def test_other_exceptions_accept_nothing(exception: str, reason: str, tmp_path: Path) -> None:
    report = scan(tmp_path, exception, code=3)
    assert report["kubekeep"]["unread"]
    assert reason in json.dumps(report)
