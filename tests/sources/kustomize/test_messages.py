"""Error texts of kustomize become a location and a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubekeep.sources.kustomize.documents import SourceFiles
from kubekeep.sources.kustomize.graph import build_graph
from kubekeep.sources.kustomize.messages import describe_failure, is_base_missing
from kubekeep.sources.kustomize.source_map import Build
from kubekeep.sources.kustomize.tool import ProcessResult
from kubekeep.sources.tree import DEFAULT_LIMITS
from tests.sources.kustomize.builds import write_tree

FILES = {
    "over/kustomization.yaml": "resources:\n- ../base\npatches:\n- path: patch.yaml\n",
    "over/patch.yaml": "kind: Pod\n",
    "base/kustomization.yaml": "resources:\n- pod.yaml\n- gone.yaml\n",
    "base/pod.yaml": "kind: Pod\n",
}
FRAGMENTS = (
    "error: ",
    "Error: ",
    "accumulating resources: ",
    "accumulation err='",
    "'",
    ": ",
    "must build at directory: ",
    "recursed accumulation of path '",
    "/base",
    "/over",
    "pod.yaml",
    "patch.yaml",
    "gone.yaml",
    "line 7",
    "line 99999999",
    'E1124 1 run.go:72] "command failed" err="',
    '"',
    "err=<",
    ">",
    "\n",
    "\\",
    "\0",
    "\x1b",
    "\ufffd",
)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Return the build of an overlay on a base with a missing file."""
    root = write_tree(tmp_path_factory.mktemp("tree"), FILES).resolve()
    files = SourceFiles(DEFAULT_LIMITS)
    graph = build_graph(str(root / "over"), files, max_bytes=1_000_000, allow_helm=False)
    return Build(str(root / "over"), "over", graph, files)


def shorten(build: Build, text: str) -> str:
    """Return location and message for an error text; ROOT stands for the tree's folder."""
    root = str(Path(build.node.folder).parent)
    result = ProcessResult(1, b"", text.replace("ROOT", root).encode())
    location, message = describe_failure(result, build)
    return f"{location} {message.removeprefix('kustomize build failed: ')}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("error: something", "over/kustomization.yaml something"),
        ("# Warning: 'bases' is deprecated.\nError: x\n", "over/kustomization.yaml x"),
        ('E1124 1 run.go:72] "command failed" err="a \\"b\\" c"', 'over/kustomization.yaml a "b" c'),
        ('E1124 1 run.go:72] "command failed" err=<\n\ttwo\n\tlines\n >', "over/kustomization.yaml two lines"),
        (
            (
                "error: accumulating resources: accumulation err='accumulating resources from '../base': "
                "read ROOT/base: is a directory': recursed accumulation of path 'ROOT/base': "
                "accumulating resources: accumulation err='accumulating resources from 'gone.yaml': no such file': "
                "must build at directory: not a valid directory: ROOT/base/gone.yaml"
            ),
            "base/kustomization.yaml:3 accumulating resources from 'gone.yaml': no such file",
        ),
        ("error: yaml: line 7: bad in File: patch.yaml", "over/patch.yaml:7 yaml: line 7: bad in File: patch.yaml"),
    ],
)
def test_messages_are_short_and_have_locations(build: Build, text: str, expected: str) -> None:
    assert shorten(build, text) == expected


def test_exceeded_limit_replaces_the_error(build: Build) -> None:
    location, message = describe_failure(ProcessResult(-9, b"", b"error: killed", "more than 20 seconds"), build)
    assert str(location) == "over/kustomization.yaml"
    assert "more than 20 seconds" in message


@pytest.mark.parametrize(
    ("text", "is_missing"),
    [
        ('error: no resource matches strategic merge patch "Deployment.v1.apps/x.[noNs]": no matches for Id', True),
        ("error: accumulating resources from 'gone.yaml'", False),
    ],
)
def test_missing_base_is_recognised(text: str, is_missing: bool) -> None:  # noqa: FBT001
    assert is_base_missing(ProcessResult(1, b"", text.encode())) is is_missing


@settings(deadline=None)
@given(st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=4)), max_size=20))
def test_any_error_text_becomes_printable(build: Build, parts: list[str]) -> None:
    root = str(Path(build.node.folder).parent)
    text = "".join(part if not part.startswith("/") else root + part for part in parts)
    location, message = describe_failure(ProcessResult(1, b"", text.encode("utf-8", "replace")), build)
    assert message.isprintable()
    assert location.file.startswith(("over/", "base/"))
