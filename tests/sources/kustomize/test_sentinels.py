"""Property: on random kustomizations each value has the location of the line it was written on, never a wrong file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kubekeep.model.location import Path as Steps
from kubekeep.model.location import format_path
from tests.sources.kustomize.builds import build_with_kustomize, describe_line, resources
from tests.sources.kustomize.sentinels import KustomizationTree

SENTINEL = re.compile(r"s\d{5}")


@pytest.mark.parametrize("seed", range(12))
def test_values_are_located_at_their_source(seed: int, tmp_path: Path) -> None:
    folder = KustomizationTree(tmp_path, seed).write()
    built_resources = resources(tmp_path, folder)
    assert [resource.object for resource in built_resources.values()] == build_with_kustomize(tmp_path / folder)
    wrong_lines, wrong_files, count = [], [], 0
    for resource in built_resources.values():
        for path, text in _list_sentinels(resource.object, ()):
            count += 1
            location = resource.locate(path)
            assert location is not None
            if text not in describe_line(tmp_path, location):
                wrong_lines.append(f"{resource.kind} {format_path(path)} {text}: {describe_line(tmp_path, location)}")
            if text not in (tmp_path / location.file).read_text(encoding="utf-8"):
                wrong_files.append(wrong_lines[-1])
    assert wrong_files == []
    assert count > 10
    assert len(wrong_lines) <= count * 0.02, wrong_lines


def _list_sentinels(value: Any, path: Steps) -> Iterator[tuple[Steps, str]]:
    """Yield the paths of unique values with the text of the value."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _list_sentinels(child, (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _list_sentinels(child, (*path, index))
    elif isinstance(value, str) and (texts := SENTINEL.findall(value)):
        yield path, texts[-1]
    elif isinstance(value, int) and value > 10_000:
        yield path, str(value)
