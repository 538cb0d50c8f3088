"""Values for parameters: every form that people have them in, and nothing wrong passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kubekeep.library.params import ParamsError, params_of, read_params
from kubekeep.model.resource import Resource

WANTED = {"insecureCapabilities": ("NET_RAW", "SYS_ADMIN")}
FLAT = '{"insecureCapabilities": ["NET_RAW", "SYS_ADMIN"]}'
CONFIGURATION = f'{{"name": "default", "settings": {{"postureControlInputs": {FLAT}}}}}'
CONTROL_INPUT = """
apiVersion: kubescape.io/v1
kind: ControlInput
metadata:
  name: default
spec:
  controls:
    insecureCapabilities: [NET_RAW, SYS_ADMIN]
"""


@pytest.mark.parametrize("text", [FLAT, CONFIGURATION, CONTROL_INPUT, "insecureCapabilities: [NET_RAW, SYS_ADMIN]\n"])
def test_every_form_is_read(tmp_path: Path, text: str) -> None:
    file = tmp_path / "inputs"
    file.write_text(text)
    assert read_params(file) == WANTED


def test_names_that_nothing_reads_any_more_are_let_go(tmp_path: Path) -> None:
    file = tmp_path / "inputs.json"
    file.write_text('{"wlKnownNames": ["coredns"], "insecureCapabilities": ["NET_RAW", "SYS_ADMIN"]}')
    assert read_params(file) == WANTED


@pytest.mark.parametrize("text", ["[]", '{"a": "b"}', '{"a": [1]}', "{", '{"noSuchParameter": []}', ""])
def test_wrong_values_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "inputs.json"
    file.write_text(text)
    with pytest.raises(ParamsError, match=r"inputs\.json"):
        read_params(file)
    with pytest.raises(ParamsError, match="No such file"):
        read_params(tmp_path / "missing.json")


def test_the_object_of_a_cluster() -> None:
    said = {"controls": {"insecureCapabilities": ["NET_RAW", "SYS_ADMIN"]}}
    entry = {"apiVersion": "kubescape.io/v1", "kind": "ControlInput", "metadata": {"name": "default"}, "spec": said}
    other = {**entry, "metadata": {"name": "other"}}
    assert params_of([Resource(other), Resource(entry)]) == WANTED
    assert params_of([Resource(other)]) == {}
    with pytest.raises(ParamsError, match="noSuchParameter"):
        params_of([Resource({**entry, "spec": {"controls": {"noSuchParameter": []}}})])


@pytest.mark.parametrize("said", [None, {}, {"controls": {}}])
def test_an_object_that_sets_nothing(said: object) -> None:
    entry = {"apiVersion": "kubescape.io/v1", "kind": "ControlInput", "metadata": {"name": "default"}, "spec": said}
    assert params_of([Resource(entry)]) == {}


@pytest.mark.parametrize("said", [5, {"control": {"insecureCapabilities": []}}, {"controls": 5}])
def test_an_object_that_says_nonsense(said: object) -> None:
    entry = {"apiVersion": "kubescape.io/v1", "kind": "ControlInput", "metadata": {"name": "default"}, "spec": said}
    with pytest.raises(ParamsError, match=r"^kubescape\.io/ControlInput default: Expected "):
        params_of([Resource(entry)])


def test_names_steer_no_terminal() -> None:
    said: dict[str, Any] = {"controls": {"a\x1b[2J": []}}
    entry = {"apiVersion": "kubescape.io/v1", "kind": "ControlInput", "metadata": {"name": "default"}, "spec": said}
    with pytest.raises(ParamsError) as found:
        params_of([Resource(entry)])
    assert str(found.value).endswith(r"no control has a parameter a\x1b[2J")
