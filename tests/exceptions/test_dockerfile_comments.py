"""Suppression comments in Dockerfiles: the lines they cover, text that is no comment, and their effect in a scan."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubekeep.exceptions.inline.comments import find_comments
from kubekeep.exceptions.inline.insert import insert_comment
from kubekeep.model.exception import ExceptionStatus
from kubekeep.model.source import CommentSyntax
from kubekeep.usecases.request import RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan

FILE = """\
# syntax=docker/dockerfile:1
# kubekeep:ignore base-image-tag reason=only the first stage
FROM alpine AS build

# kubekeep:ignore C-0001
# another comment
RUN a && \\
    # kubekeep:ignore C-0002
    # a comment

    b && \\
    c
RUN <<EOF
# kubekeep:ignore C-0404
x
EOF
# kubekeep:ignore C-0003
RUN <<EOF
y
EOF
FROM alpine # kubekeep:ignore C-0405
# a # kubekeep:ignore C-0406
RUN echo kubekeep:ignore C-0407
USER root
# kubekeep:ignore C-0004
"""


def test_covered_lines() -> None:
    comments = find_comments(FILE, CommentSyntax.DOCKERFILE)
    assert {comment.names[0]: (comment.first, comment.last) for comment in comments if not comment.problem} == {
        "base-image-tag": (3, 3),
        "C-0001": (7, 12),
        "C-0002": (11, 11),
        "C-0003": (18, 20),
        "C-0004": (25, 25),
    }
    assert [(comment.region.start.line, comment.problem) for comment in comments if comment.problem] == [
        (14, "it is inside of a heredoc: move it above the instruction"),
        (21, "a comment in a Dockerfile needs a line of its own"),
        (22, "kubekeep:ignore must be at the start of its comment"),
    ]


def test_end_on_the_next_line_is_a_problem() -> None:
    (comment,) = find_comments("# kubekeep:ignore C-0001\n# until=2027-01-01\nFROM a\n", CommentSyntax.DOCKERFILE)
    assert comment.problem == "the end of the comment must be on the same line"


def test_invalid_file_has_no_comments() -> None:
    assert find_comments("# kubekeep:ignore C-0001\nFRM a\nRUN <<E\n", CommentSyntax.DOCKERFILE) == ()


@pytest.mark.parametrize("line", [3, 7, 11, 12, 24])
def test_insertion_covers_its_line(line: int) -> None:
    comment = "# kubekeep:ignore C-0009 until=2999-12-31 reason=x"
    insertion = insert_comment(FILE, line, comment, CommentSyntax.DOCKERFILE)
    assert insertion is not None
    text = FILE[: insertion.at] + insertion.text + FILE[insertion.at :]
    assert text.splitlines()[line - 1].strip() == comment


def test_no_insertion_into_a_heredoc() -> None:
    assert insert_comment(FILE, 15, "# kubekeep:ignore C-0009 reason=x", CommentSyntax.DOCKERFILE) is None


def test_scan(tmp_path: Path) -> None:
    text = (
        "# kubekeep:ignore base-image-tag reason=built here\nFROM alpine AS a\nFROM alpine\n"
        "RUN chmod 777 /a && \\\n  # kubekeep:ignore image-world-writable-files\n  chmod 777 /b\n"
        "# kubekeep:ignore copied-secrets\nUSER 7\n"
    )
    (tmp_path / "Dockerfile").write_text(text)
    rules = RuleOptions(controls=("base-image-tag", "image-world-writable-files", "copied-secrets"))
    assessment = scan(ScanRequest(ScanInput(paths=(str(tmp_path),)), rules=rules))
    (result,) = assessment.results
    verdicts = {
        slug: [(evidence.location.region.start.line, evidence.exception is not None) for evidence in verdict.evidence]  # type: ignore[union-attr]
        for slug, verdict in result.verdicts.items()
        if verdict.evidence
    }
    assert verdicts == {
        "base-image-tag": [(2, True), (3, False)],
        "image-world-writable-files": [(4, False), (6, True)],
    }
    assert [use.status for use in assessment.exceptions] == [
        ExceptionStatus.MATCHED,
        ExceptionStatus.MATCHED,
        ExceptionStatus.UNUSED,
    ]
