"""Options such as `--set`: parsed assignments equal Helm's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kubekeep.sources.helm.limits import DEFAULT_CHART_LIMITS
from kubekeep.sources.helm.release import read_user_values
from kubekeep.sources.helm.set_options import (
    convert_value,
    parse_assignments,
    parse_json_assignments,
    rename_files,
    set_value,
)
from kubekeep.sources.options import ChartValues
from kubekeep.sources.tree import DEFAULT_LIMITS
from tests.sources.helm.reading import build_options, read_chart, write_chart

SETS = (
    "a=1",
    "a=1,b=2",
    "a.b.c=x",
    "a={1,2,x}",
    "a={}",
    "a[0]=1",
    "a[2].b=1",
    "a[0][1]=x",
    r"a\.b=1",
    r"a\.b.c=x\,y",
    r"a=\{1\}",
    "a=",
    "a=null",
    "a=true,b=TRUE,c=false",
    "a=007,b=0,c=-5,d=1.5,e=1e3",
    "a.b=1,a.c=2",
    "a=x=y",
    "nodeSelector.kubernetes\\.io/role=master",
    "a={x,y},b=z",
)


def _apply_assignments(text: str) -> None:
    for entry in parse_assignments(text):
        set_value({}, entry.path, entry.values)


def _read_option(text: str, field: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    option: dict[str, Any] = {field: (text,)}
    layers = read_user_values((ChartValues(**option),), DEFAULT_CHART_LIMITS, DEFAULT_LIMITS).layers
    for layer in layers:
        set_value(values, (), layer.value)
    return values


@pytest.mark.parametrize("field", ["set", "set_string"])
@pytest.mark.parametrize("text", SETS)
def test_assignments_equal_helm(text: str, field: str, helm: str, tmp_path: Path) -> None:
    template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  all: {{ .Values | toJson | quote }}\n"
    folder = write_chart(tmp_path / "c", {"templates/t.yaml": template})

    resources, unread = read_chart(folder, helm, build_options(**{field: (text,)}))

    assert unread == []
    assert _read_option(text, field) == json.loads(resources[0].object["data"]["all"])


@pytest.mark.parametrize("text", ['a=1,b={"c":[1,2]}', 'a.b="x"', "a=,b=2", 'a[1]={"x":1}'])
def test_json_assignments_equal_helm(text: str, helm: str, tmp_path: Path) -> None:
    template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  all: {{ .Values | toJson | quote }}\n"
    folder = write_chart(tmp_path / "c", {"templates/t.yaml": template})

    resources, unread = read_chart(folder, helm, build_options(set_json=(text,)))

    assert unread == []
    assert _read_option(text, "set_json") == json.loads(resources[0].object["data"]["all"])


@pytest.mark.parametrize("text", ["a", "a=1,b", "a[99999]=1"])
def test_invalid_assignment_is_rejected(text: str) -> None:
    with pytest.raises(ValueError):
        _apply_assignments(text)


def test_invalid_json_is_rejected() -> None:
    with pytest.raises(ValueError):
        list(parse_json_assignments("a={"))


def test_set_file_paths_are_renamed() -> None:
    names = iter(("one", "two", "three"))
    paths: list[str] = []

    def rename(path: str) -> str:
        paths.append(path)
        return next(names)

    assert rename_files(r"a.b=/x\,y,c={/p,/q}", rename) == "a.b=one,c={two,three}"
    assert paths == ["/x,y", "/p", "/q"]


def test_value_types_equal_helm() -> None:
    assert [convert_value(text) for text in ("1", "01", "1.5", "true", "null", "x")] == [
        1,
        "01",
        "1.5",
        True,
        None,
        "x",
    ]
