"""Property: reading and replaying a kustomization of any shape never raises."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kubekeep.sources.kustomize.documents import SourceFiles
from kubekeep.sources.kustomize.graph import build_graph
from kubekeep.sources.kustomize.source_map import Build, ObjectSourceMap
from kubekeep.sources.tree import DEFAULT_LIMITS

WORDS = (
    "name",
    "kind",
    "metadata",
    "labels",
    "path",
    "patch",
    "target",
    "op",
    "value",
    "add",
    "remove",
    "-",
    "$patch",
    "delete",
    "replace",
    "containers",
    "image",
    "pod.yaml",
    "/spec/containers/0",
    "/spec/a/-",
    "builtin",
    "pairs",
    "apiVersion",
    "v1",
    "Pod",
    "one",
    "files",
    "envs",
    "literals",
    "a=b",
    "behavior",
    "merge",
    "select",
    "((",
    "fieldPaths",
    "spec.containers.[name=x].image",
    "targets",
    "count",
    "newTag",
    "helmCharts",
    "PatchTransformer",
    "spec",
    "\0",
    "~",
    "/",
    "..",
    "",
)
FIELDS = (
    "resources",
    "bases",
    "components",
    "patches",
    "patchesStrategicMerge",
    "patchesJson6902",
    "images",
    "replicas",
    "labels",
    "commonLabels",
    "commonAnnotations",
    "namespace",
    "namePrefix",
    "nameSuffix",
    "configMapGenerator",
    "secretGenerator",
    "generatorOptions",
    "replacements",
    "transformers",
    "generators",
    "validators",
    "crds",
    "configurations",
    "openapi",
    "helmCharts",
    "helmGlobals",
    "imageTags",
    "kind",
    "metadata",
)
SCALARS = st.one_of(st.sampled_from(WORDS), st.integers(0, 3), st.booleans(), st.none(), st.floats(allow_nan=False))
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(WORDS), inner, max_size=4)),
    max_leaves=12,
)
TEXTS = JUNK.map(yaml.safe_dump)
VALUES = st.one_of(JUNK, TEXTS, st.lists(st.one_of(JUNK, TEXTS), max_size=3))
SHAPED = st.fixed_dictionaries(
    {},
    optional={
        "patches": st.lists(
            st.fixed_dictionaries({"patch": TEXTS}, optional={"target": JUNK, "path": SCALARS}), max_size=3
        ),
        "patchesStrategicMerge": st.lists(TEXTS, max_size=2),
        "transformers": st.lists(TEXTS, max_size=2),
        "images": st.lists(
            st.dictionaries(st.sampled_from(("name", "newName", "newTag", "digest")), SCALARS), max_size=2
        ),
        "configMapGenerator": st.lists(
            st.dictionaries(st.sampled_from(("name", "files", "envs", "literals", "behavior")), VALUES), max_size=2
        ),
    },
)
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "one", "labels": {"a": "b"}},
    "spec": {"containers": [{"name": "x", "image": "one:1", "env": [{"name": "a", "value": "b"}]}], "a": [1, [2], {}]},
}
PATHS = (
    (),
    ("metadata", "labels", "a"),
    ("metadata", "namespace"),
    ("spec", "containers", 0, "image"),
    ("spec", "containers", 0, "env", 0, "value"),
    ("spec", "a", 1, 0),
    ("spec", "a", 2),
    ("spec", "missing", 5, "x"),
)


@settings(deadline=None, max_examples=300)
@given(
    st.one_of(JUNK, st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4), SHAPED), st.one_of(st.just(POD), JUNK)
)
def test_any_kustomization_can_be_replayed(fields: Any, document: Any) -> None:
    if isinstance(fields, dict):
        fields = {"resources": ["pod.yaml"], **fields}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        (root / "kustomization.yaml").write_text(yaml.safe_dump(fields), encoding="utf-8")
        (root / "pod.yaml").write_text(yaml.safe_dump(POD), encoding="utf-8")
        source_files = SourceFiles(DEFAULT_LIMITS)
        graph = build_graph(str(root), source_files, max_bytes=1_000_000, allow_helm=True)
        source_map = ObjectSourceMap(Build(str(root), "k", graph, source_files), 0)
        files = {source_map.locate(document, path).file for path in PATHS}
    assert files <= {"k/kustomization.yaml", "k/pod.yaml"}
