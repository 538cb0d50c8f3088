"""Property: on random kustomizations each value leads to the line that it was written on, and never to a wrong file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.sources.kustomize.builds import line, plainly, resources
from tests.sources.kustomize.sentinels import Trees

from kubekeep.model.location import Path as Steps
from kubekeep.model.location import format_path

SENTINEL = re.compile(r"s\d{5}")


@pytest.mark.parametrize("seed", range(12))
def test_values_lead_to_where_they_were_written(seed: int, tmp_path: Path) -> None:
    folder = Trees(tmp_path, seed).write()
    found = resources(tmp_path, folder)
    assert [item.object for item in found.values()] == plainly(tmp_path / folder)
    wrong, files, count = [], [], 0
    for resource in found.values():
        for path, text in _sentinels(resource.object, ()):
            count += 1
            place = resource.locate(path)
            assert place is not None
            if text not in line(tmp_path, place):
                wrong.append(f"{resource.kind} {format_path(path)} {text}: {line(tmp_path, place)}")
            if text not in (tmp_path / place.file).read_text(encoding="utf-8"):
                files.append(wrong[-1])
    assert files == []
    assert count > 10
    assert len(wrong) <= count * 0.02, wrong


def _sentinels(value: Any, path: Steps) -> Iterator[tuple[Steps, str]]:
    """The paths of values that stand nowhere else, with the text that tells where."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _sentinels(child, (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _sentinels(child, (*path, index))
    elif isinstance(value, str) and (texts := SENTINEL.findall(value)):
        yield path, texts[-1]
    elif isinstance(value, int) and value > 10_000:
        yield path, str(value)
