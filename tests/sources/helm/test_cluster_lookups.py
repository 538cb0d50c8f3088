"""Objects that a chart prints only if `lookup` finds something in a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubekeep.model.assessment import UnassessedInput
from kubekeep.sources.helm.cluster_lookups import find_hidden_objects
from tests.sources.helm.reading import read_chart, write_chart

OBJECT = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"
CALL = 'lookup "v1" "Secret" .Release.Namespace "a"'

HIDDEN = {
    "condition": f"{{{{- if ({CALL}) }}}}\n{OBJECT}{{{{- end }}}}\n",
    "condition without brackets": f"{{{{ if {CALL} }}}}\n{OBJECT}{{{{ end }}}}\n",
    "with": f"{{{{- with {CALL} }}}}\n{OBJECT}{{{{- end }}}}\n",
    "range": f"{{{{- range (({CALL}).items) }}}}\n{OBJECT}{{{{- end }}}}\n",
    "variable": f"{{{{- $a := {CALL} }}}}{{{{- if and $a .Values.b }}}}\n{OBJECT}{{{{- end }}}}\n",
    "variable of a variable": f"{{{{- $a := {CALL} }}}}\n{{{{ $b := $a.data }}}}{{{{- if $b }}}}\n{OBJECT}{{{{- end }}}}\n",
    "nested": f"{{{{- if ({CALL}) }}}}{{{{ if .Values.b }}}}\n{OBJECT}{{{{ end }}}}{{{{- end }}}}\n",
    "other case": f"{{{{- if .Values.b }}}}b{{{{ else if ({CALL}) }}}}\n{OBJECT}{{{{- end }}}}\n",
}
SHOWN = {
    "no lookup": f"{{{{- if .Values.b }}}}\n{OBJECT}{{{{- end }}}}\n",
    "negation": f"{{{{- if not ({CALL}) }}}}\n{OBJECT}{{{{- end }}}}\n",
    "else": f"{{{{- if ({CALL}) }}}}\n# a\n{{{{- else }}}}\n{OBJECT}{{{{- end }}}}\n",
    "value": f"{OBJECT}spec: {{{{ with ({CALL}) }}}}{{{{ .data }}}}{{{{ end }}}}\n",
    "comment": f"{{{{/* if ({CALL}) */}}}}\n{OBJECT}",
    "after the block": f"{{{{- if ({CALL}) }}}}{{{{ end }}}}\n{OBJECT}",
    "a value with this name": f"{{{{- if .Values.lookup }}}}\n{OBJECT}{{{{- end }}}}\n",
}


@pytest.mark.parametrize("name", HIDDEN)
def test_hidden_objects_are_found(name: str) -> None:
    assert len(list(find_hidden_objects({"a": f"\n{HIDDEN[name]}"}))) == 1


@pytest.mark.parametrize("name", SHOWN)
def test_other_objects_are_not_reported(name: str) -> None:
    assert list(find_hidden_objects({"a": SHOWN[name], "b": f"{{{{ $x := {CALL} }}}}"})) == []


def test_named_templates_are_followed() -> None:
    partial = f'{{{{- define "has" }}}}{{{{ if ({CALL}) }}}}yes{{{{ end }}}}{{{{ end }}}}'
    template = f'{{{{- if (include "has" .) }}}}\n{OBJECT}{{{{- end }}}}\n'
    assert list(find_hidden_objects({"_a.tpl": partial, "a.yaml": template})) == [("a.yaml", 1)]


def test_hidden_objects_are_not_assessed(renderer: str | None, tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"templates/a.yaml": f"# first\n{HIDDEN['condition']}", "templates/b.yaml": OBJECT}
    resources, unread = read_chart(write_chart(tmp_path / "c", files), renderer)
    assert [resource.name for resource in resources] == ["a"]
    (part,) = unread
    assert isinstance(part, UnassessedInput)
    assert str(part.location) == "c/templates/a.yaml:2"
    assert "lookup" in part.message


def test_actions_without_end_are_no_blocks() -> None:
    text = f"{{{{ if ({CALL}) }}}}" + "{{ if .a }}x{{ end }}" * 20_000 + "{{" * 20_000
    assert list(find_hidden_objects({"a": text})) == []
