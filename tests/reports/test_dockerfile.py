"""Findings in Dockerfiles in every report format: the exact line, and no secret of the file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
import pytest
from tests.reports.rendering import render_text

from kubekeep.model.assessment import Assessment
from kubekeep.model.scanned_source import SourceRepository
from kubekeep.reports import load, names
from kubekeep.reports.format import Extra
from kubekeep.usecases.request import ReportNeeds, RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan

SECRETS: Final = ("correct-horse", "battery-staple", "b7e1c0aa94d35f28", "hunter-two", "opensesame")
FILE: Final = f"""\
ARG API_TOKEN={SECRETS[2]}
FROM alpine:3.22
ENV DB_PASSWORD {SECRETS[0]}
ENV PORT=80 \\
    ADMIN_PASSWORD="{SECRETS[1]}" \\
    PLAIN={SECRETS[4]}
RUN mysql -u root -p{SECRETS[3]} < dump.sql && \\
    curl -u deploy:{SECRETS[0]} https://example.com
LABEL build.password={SECRETS[1]}
USER root
"""
LINES: Final = {1, 3, 5, 7, 8, 9}


@pytest.fixture(scope="module")
def dockerfile(tmp_path_factory: pytest.TempPathFactory) -> Assessment:
    folder: Path = tmp_path_factory.mktemp("shop")
    (folder / "Dockerfile").write_text(FILE)
    assessment = scan(
        ScanRequest(
            ScanInput(paths=(str(folder),)),
            rules=RuleOptions(frameworks=("images",)),
            needs=ReportNeeds(extras=frozenset(Extra) - {Extra.SOURCE}),
        )
    )
    return msgspec.structs.replace(assessment, source=SourceRepository("github.com/example/shop"))


def test_lines(dockerfile: Assessment) -> None:
    evidence = dockerfile.results[0].verdicts["image-credentials"].evidence
    assert {entry.location.region.start.line for entry in evidence if entry.location and entry.location.region} == LINES
    assert all(entry.excerpt is not None for entry in evidence)


@pytest.mark.parametrize("name", names())
def test_no_secret_in_a_report(name: str, dockerfile: Assessment) -> None:
    text = render_text(name, dockerfile)
    assert [secret for secret in SECRETS if secret in text] == []
    if load(name).name not in {"cyclonedx", "gitlab-container-scanning", "openreports", "policyreport", "prometheus"}:
        assert "image-root-user" in text or "Images run as a non-root user" in text
