"""What kustomize says about a failure becomes a place and a sentence, whatever it says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubekeep.sources.kustomize.child import Outcome
from kubekeep.sources.kustomize.graph import walk
from kubekeep.sources.kustomize.messages import failure, lacks_base
from kubekeep.sources.kustomize.trace import Build
from kubekeep.sources.kustomize.written import Pages
from kubekeep.sources.tree import DEFAULT_LIMITS
from tests.sources.kustomize.builds import written

FILES = {
    "over/kustomization.yaml": "resources:\n- ../base\npatches:\n- path: patch.yaml\n",
    "over/patch.yaml": "kind: Pod\n",
    "base/kustomization.yaml": "resources:\n- pod.yaml\n- gone.yaml\n",
    "base/pod.yaml": "kind: Pod\n",
}
FRAGMENTS = ("error: ", "Error: ", "accumulating resources: ", "accumulation err='", "'", ": ", "must build at directory: ",
             "recursed accumulation of path '", "/base", "/over", "pod.yaml", "patch.yaml", "gone.yaml", "line 7", "line 99999999",
             'E1124 1 run.go:72] "command failed" err="', '"', "err=<", ">", "\n", "\\", "\0", "\x1b", "\ufffd")  # fmt: skip


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    root = written(tmp_path_factory.mktemp("tree"), FILES).resolve()
    pages = Pages(DEFAULT_LIMITS)
    graph = walk(str(root / "over"), pages, most_bytes=1_000_000, allow_helm=False)
    return Build(str(root / "over"), "over", graph, pages)


def said(build: Build, text: str) -> str:
    root = str(Path(build.node.folder).parent)
    outcome = Outcome(1, b"", text.replace("ROOT", root).encode())
    location, message = failure(outcome, build)
    return f"{location} {message.removeprefix('kustomize could not build it: ')}"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("error: something", "over/kustomization.yaml something"),
        ("# Warning: 'bases' is deprecated.\nError: x\n", "over/kustomization.yaml x"),
        ('E1124 1 run.go:72] "command failed" err="a \\"b\\" c"', 'over/kustomization.yaml a "b" c'),
        ('E1124 1 run.go:72] "command failed" err=<\n\ttwo\n\tlines\n >', "over/kustomization.yaml two lines"),
        (
            (
                "error: accumulating resources: accumulation err='accumulating resources from '../base': read ROOT/base: is a "
                "directory': recursed accumulation of path 'ROOT/base': accumulating resources: accumulation err='accumulating "
                "resources from 'gone.yaml': no such file': must build at directory: not a valid directory: ROOT/base/gone.yaml"
            ),
            "base/kustomization.yaml:3 accumulating resources from 'gone.yaml': no such file",
        ),
        ("error: yaml: line 7: bad in File: patch.yaml", "over/patch.yaml:7 yaml: line 7: bad in File: patch.yaml"),
    ],
)
def test_messages_are_short_and_placed(build: Build, text: str, wanted: str) -> None:
    assert said(build, text) == wanted


def test_a_limit_is_told_instead(build: Build) -> None:
    location, message = failure(Outcome(-9, b"", b"error: killed", "more than 20 seconds"), build)
    assert str(location) == "over/kustomization.yaml"
    assert "more than 20 seconds" in message


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        ('error: no resource matches strategic merge patch "Deployment.v1.apps/x.[noNs]": no matches for Id', True),
        ("error: accumulating resources from 'gone.yaml'", False),
    ],
)
def test_a_component_without_its_base_is_known(text: str, lacks: bool) -> None:  # noqa: FBT001
    assert lacks_base(Outcome(1, b"", text.encode())) is lacks


@settings(deadline=None)
@given(st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=4)), max_size=20))
def test_any_message_becomes_a_sentence(build: Build, parts: list[str]) -> None:
    root = str(Path(build.node.folder).parent)
    text = "".join(part if not part.startswith("/") else root + part for part in parts)
    location, message = failure(Outcome(1, b"", text.encode("utf-8", "replace")), build)
    assert message.isprintable()
    assert location.file.startswith(("over/", "base/"))
