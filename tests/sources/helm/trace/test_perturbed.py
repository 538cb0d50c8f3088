"""Charts changed in one line or value and rendered again by Helm: the change must appear where it was traced."""

from __future__ import annotations

import copy
import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubekeep.model.location import Path as Steps
from kubekeep.model.location import format_path, has_path, value_at
from tests.sources.helm.reading import helm_program
from tests.sources.helm.trace.charts import (
    TracedDocument,
    get_reference_documents,
    list_paths,
    parse_document,
    trace_chart,
)
from tests.sources.helm.trace.test_styles import COMMON, MAPPED, write_chart

_LINE = re.compile(r"^(\s*(?:- )?)([A-Za-z][\w./-]*)(:(?:\s.*)?)$")
_CHANGES = 25
_Key = tuple[str, str, str]


@pytest.fixture(params=["library", "map", "created"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "created":
        subprocess.run([helm_program(), "create", str(tmp_path / "shop")], check=True, capture_output=True)
        return tmp_path / "shop"
    return write_chart(tmp_path, COMMON if request.param == "library" else MAPPED)


def _render_objects(folder: Path, values: Path | None = None) -> dict[_Key, Any]:
    """Return the objects that Helm renders, {} for a chart that Helm rejects."""
    try:
        outputs = get_reference_documents(folder, values)
    except RuntimeError:
        return {}
    objects: dict[_Key, Any] = {}
    for name, texts in outputs.items():
        for text in texts:
            value = yaml.safe_load(text)
            if isinstance(value, dict) and "kind" in value:
                objects[name, value["kind"], str(value["metadata"].get("name"))] = parse_document(text)[0]
    return objects


def _trace_documents(folder: Path, to: Path) -> dict[_Key, TracedDocument]:
    documents = trace_chart(folder, to)
    return {
        (document.template, document.value["kind"], str(document.value["metadata"]["name"])): document
        for document in documents
    }


def test_changed_line_is_traced_line(folder: Path, tmp_path: Path) -> None:
    documents = _trace_documents(folder, tmp_path / "copy")
    lines = [
        (file, number, match)
        for file in sorted(folder.rglob("templates/*"))
        if file.is_file() and file.name != "NOTES.txt"
        for number, line in enumerate(file.read_text().split("\n"))
        if (match := _LINE.match(line)) and match[2] not in ("kind", "apiVersion", "metadata")
    ]
    checked = 0
    for file, number, match in random.Random(1).sample(lines, min(_CHANGES, len(lines))):
        changed = tmp_path / "changed"
        shutil.rmtree(changed, ignore_errors=True)
        shutil.copytree(folder, changed)
        text = file.read_text().split("\n")
        text[number] = f"{match[1]}{match[2]}Zq{match[3]}"
        (changed / file.relative_to(folder)).write_text("\n".join(text))
        for key, value in _render_objects(changed).items():
            for path in _list_paths_with_suffix(value, "Zq") if key in documents else ():
                location = documents[key].locate(*path)
                assert location.region is not None
                assert (location.file, location.region.start.line) == (file.relative_to(folder).as_posix(), number + 1)
                checked += 1
    assert checked > 5


def _list_paths_with_suffix(value: Any, end: str) -> Iterator[Steps]:
    """Yield the paths whose last key has a suffix, without the suffix."""
    for path, _ in list_paths(value):
        if path and str(path[-1]).endswith(end):
            yield tuple(step.removesuffix(end) if isinstance(step, str) else step for step in path)


def test_changed_value_is_traced_setting(folder: Path, tmp_path: Path) -> None:
    documents = _trace_documents(folder, tmp_path / "copy")
    values = yaml.safe_load((folder / "values.yaml").read_text())
    leaves = [
        (path, value)
        for path, value in list_paths(values)
        if isinstance(value, str | int) and not isinstance(value, bool) and value != ""
    ]
    checked = 0
    for path, value in random.Random(1).sample(leaves, min(_CHANGES, len(leaves))):
        changed = copy.deepcopy(values)
        sentinel = 987_654 if isinstance(value, int) else "zqzq"
        value_at(changed, path[:-1])[path[-1]] = sentinel
        file = tmp_path / "values.json"
        file.write_text(yaml.safe_dump(changed))
        for key, changed_object in _render_objects(folder, file).items():
            for changed_path, changed_value in list_paths(changed_object):
                # A value that is only part of the printed text shares it with others.
                if (
                    changed_value != sentinel
                    or key not in documents
                    or not has_path(documents[key].value, changed_path)
                ):
                    continue
                setting = documents[key].locate(*changed_path).setting
                assert setting is not None, (key, changed_path)
                assert setting.key == format_path(path)
                checked += 1
    assert checked > 2
