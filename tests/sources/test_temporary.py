"""Sources that need a temporary folder when none can be created."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from kubekeep.model.assessment import UnreadInput
from kubekeep.sources.inputs import read

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("name", ["storefront-chart", "http://127.0.0.1:1/pod.yaml", "missing.tar.gz"])
def test_input_is_reported_with_the_cause_and_the_next_step(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(EXAMPLES / name)
    if "://" in name:
        path = name
    elif name.endswith(".gz"):
        path = str(tmp_path / name)
        Path(path).write_bytes(b"\x1f\x8b")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with read([path]) as source:
        parts = list(source)
    assert parts
    for part in parts:
        assert isinstance(part, UnreadInput)
        assert "cannot create a temporary folder: No such file or directory; set TMPDIR" in part.message


def test_other_inputs_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = tmp_path / "pod.yaml"
    manifest.write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: []}\n")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with read([str(manifest), str(EXAMPLES / "storefront-chart")]) as source:
        parts = list(source)
    assert [part.kind for part in parts if not isinstance(part, UnreadInput)] == ["Pod"]
    assert len(parts) == 2
