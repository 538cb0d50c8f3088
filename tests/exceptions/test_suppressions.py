"""Suppression comments applied to results that other exceptions cover already."""

from __future__ import annotations

import datetime as dt

from kubekeep.exceptions.inline.comment import SuppressionComment
from kubekeep.exceptions.inline.suppressions import CommentedFile, apply_comments
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.control import Control
from kubekeep.model.exception import AppliedException, ExceptionSource, ExceptionStatus
from kubekeep.model.location import Location, Position, Region
from kubekeep.model.resource import Resource
from kubekeep.model.source import Source
from kubekeep.model.verdict import Evidence, Status, Verdict
from kubekeep.sources.manifests.names import YAML


def test_existing_exception_stays() -> None:
    place = Region(Position(1, 1), Position(1, 9))
    source = Source("a.yaml", "/", YAML, 0)
    existing = AppliedException(name="theirs", source=ExceptionSource.FILE)
    evidence = Evidence("spec", exists=True, location=Location("a.yaml", place), exception=existing)
    result = SubjectResult(Resource({"kind": "Pod"}, source), {"privileged": Verdict(Status.PASSED, (evidence,))})
    control = Control(slug="privileged", title="t", severity=8.0, asks="", why="", fix="", ids=("C-0057",))
    changed, (use,) = apply_comments(
        [result],
        {"/a.yaml": CommentedFile("a.yaml", (SuppressionComment(place, 1, 1, ("C-0057",)),))},
        lambda file, _: f"/{file}",
        lambda _: control,
        dt.datetime.now(dt.UTC),
    )
    assert changed == [result]
    assert use.status is ExceptionStatus.MATCHED
