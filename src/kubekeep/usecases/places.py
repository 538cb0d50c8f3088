"""What the files of a scan say at and around its findings, while they are at hand: comments that waive.

Reads each file once; never judges, and never fails for a file that is gone.
"""

from __future__ import annotations

import codecs
import datetime as dt
import functools
from collections.abc import Iterator, Sequence
from typing import Final

from kubekeep.assess import commented
from kubekeep.assess.commented import Commented
from kubekeep.assess.comments import MARKER, Comment, Syntax, comments
from kubekeep.assess.select import Selection, UnknownNameError, controls_named
from kubekeep.model.assessment import ResourceResult
from kubekeep.model.control import Control
from kubekeep.model.location import line_starts
from kubekeep.model.resource import FileType, Resource
from kubekeep.model.waiver import WaiverUse
from kubekeep.sources import yaml_text
from kubekeep.sources.inputs import Inputs
from kubekeep.sources.tree import DEFAULT_LIMITS, Document

_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MARKERS: Final = tuple(MARKER.encode(name) for name in ("UTF-8", "UTF-16-LE", "UTF-16-BE"))


def waived(
    results: Sequence[ResourceResult], source: Inputs, selection: Selection, now: dt.datetime
) -> tuple[list[ResourceResult], tuple[WaiverUse, ...]]:
    """`results` with what comments in their files waive, and what became of these comments."""
    found: dict[str, Commented] = {}
    seen: set[tuple[str, str]] = set()
    for file, resource in _files(results):
        key = file, resource.source.base if resource.source is not None else ""
        path = "" if key in seen else source.path_of(file, resource)
        seen.add(key)
        if not path or path in found:
            continue
        found[path] = Commented(file, _comments(file, source.content(path), resource))
    if not any(file.comments for file in found.values()):
        return list(results), ()

    @functools.cache
    def control_of(name: str) -> Control | None:
        try:
            return controls_named((name,), selection.library, selection.controls)[0]
        except UnknownNameError:
            return None

    return commented.waive(results, found, source.path_of, control_of, now)


def _files(results: Sequence[ResourceResult]) -> Iterator[tuple[str, Resource]]:
    """The files that results come from, as they are shown, with a resource that names them."""
    for result in results:
        resource = result.resource
        whole = resource.locate(())
        if whole is not None:
            yield whole.file, resource
        if resource.source is not None:
            yield resource.source.path, resource
            if (origin := resource.source.origin) is not None:
                yield from ((file, resource) for file in origin.values)
                if origin.chart:
                    yield f"{origin.folder}/values.yaml", resource
        for verdict in result.verdicts.values():
            for evidence in verdict.evidence:
                if (location := evidence.location) is not None:
                    yield location.file, resource
                    if location.setting is not None:
                        yield location.setting.file, resource


def _comments(file: str, data: bytes | None, resource: Resource) -> tuple[Comment, ...]:
    if data is None or file.endswith(".json") or not any(marker in data for marker in _MARKERS):
        return ()
    try:
        text = data.decode("UTF-16" if data.startswith(_UTF16) else "UTF-8").removeprefix("\ufeff")
    except UnicodeDecodeError:
        return ()
    if file.endswith(".tf"):
        return comments(text, Syntax.TERRAFORM)
    found = list(yaml_text.documents(text, line_starts(text), DEFAULT_LIMITS))
    is_template = resource.source is not None and resource.source.file_type is FileType.HELM and "{{" in text
    if is_template and not all(item is None or isinstance(item, Document) for item in found):
        return comments(text, Syntax.TEMPLATE)
    scalars = [span for item in found if isinstance(item, Document) for span in item.marks.scalars()]
    return comments(text, Syntax.YAML, sorted(scalars))
