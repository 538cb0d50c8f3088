"""Parameter values: every supported format is read, and invalid values are errors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from kubekeep.library.params import ParamsError, find_params, read_params
from kubekeep.model.resource import Resource

EXPECTED = {"insecureCapabilities": ("NET_RAW", "SYS_ADMIN")}
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
def test_every_format_is_read(tmp_path: Path, text: str) -> None:
    file = tmp_path / "inputs"
    file.write_text(text)
    assert read_params(file) == EXPECTED


def test_retired_names_are_ignored(tmp_path: Path) -> None:
    file = tmp_path / "inputs.json"
    file.write_text('{"wlKnownNames": ["coredns"], "insecureCapabilities": ["NET_RAW", "SYS_ADMIN"]}')
    assert read_params(file) == EXPECTED


@pytest.mark.parametrize("text", ["[]", '{"a": "b"}', '{"a": [1]}', "{", '{"noSuchParameter": []}', ""])
def test_invalid_values_are_errors(tmp_path: Path, text: str) -> None:
    file = tmp_path / "inputs.json"
    file.write_text(text)
    with pytest.raises(ParamsError, match=r"inputs\.json"):
        read_params(file)
    with pytest.raises(ParamsError, match="No such file"):
        read_params(tmp_path / "missing.json")


def test_pipe_is_refused(tmp_path: Path) -> None:
    """A pipe without a writer would block for ever, and a configuration file in a scanned folder may name one."""
    os.mkfifo(tmp_path / "inputs.json")
    with pytest.raises(ParamsError, match="not a regular file"):
        read_params(tmp_path / "inputs.json")


def test_pipe_of_a_shell_is_read() -> None:
    reader, writer = os.pipe()
    os.write(writer, b'{"insecureCapabilities": ["NET_RAW"]}')
    os.close(writer)
    try:
        assert read_params(Path(f"/dev/fd/{reader}")) == {"insecureCapabilities": ("NET_RAW",)}
    finally:
        os.close(reader)


def test_control_input_object() -> None:
    spec = {"controls": {"insecureCapabilities": ["NET_RAW", "SYS_ADMIN"]}}
    entry = {"apiVersion": "kubescape.io/v1", "kind": "ControlInput", "metadata": {"name": "default"}, "spec": spec}
    other = {**entry, "metadata": {"name": "other"}}
    assert find_params([Resource(other), Resource(entry)]) == EXPECTED
    assert find_params([Resource(other)]) == {}
    with pytest.raises(ParamsError, match="noSuchParameter"):
        find_params([Resource({**entry, "spec": {"controls": {"noSuchParameter": []}}})])


@pytest.mark.parametrize("spec", [None, {}, {"controls": {}}])
def test_object_without_controls_sets_nothing(spec: object) -> None:
    entry = {"apiVersion": "kubescape.io/v1", "kind": "ControlInput", "metadata": {"name": "default"}, "spec": spec}
    assert find_params([Resource(entry)]) == {}


@pytest.mark.parametrize("spec", [5, {"control": {"insecureCapabilities": []}}, {"controls": 5}])
def test_invalid_spec_is_an_error(spec: object) -> None:
    entry = {"apiVersion": "kubescape.io/v1", "kind": "ControlInput", "metadata": {"name": "default"}, "spec": spec}
    with pytest.raises(ParamsError, match=r"^kubescape\.io/ControlInput default: Expected "):
        find_params([Resource(entry)])


def test_control_characters_are_escaped() -> None:
    spec: dict[str, Any] = {"controls": {"a\x1b[2J": []}}
    entry = {"apiVersion": "kubescape.io/v1", "kind": "ControlInput", "metadata": {"name": "default"}, "spec": spec}
    with pytest.raises(ParamsError) as error:
        find_params([Resource(entry)])
    assert str(error.value).endswith(r"unknown parameter a\x1b[2J")
