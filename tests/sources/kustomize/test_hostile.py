"""Kustomizations that are broken, endless or made to hurt: each is an Unread with its place, within the limits."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubekeep.model.assessment import Unread
from kubekeep.model.resource import Resource
from kubekeep.sources.kustomize.build import Kustomizations
from kubekeep.sources.kustomize.child import Cost, run
from kubekeep.sources.tree import Limits
from tests.sources.kustomize.builds import build, folders, written

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: one}\nspec: {}\n"
K = "k/kustomization.yaml"


def unread(root: Path, reader: Kustomizations | None = None) -> str:
    """Place and message of the one thing that the kustomization `k` gives; the tree is as it was before."""
    before = _state(root)
    found = build(root, "k", reader)
    assert _state(root) == before
    assert [type(item) for item in found] == [Unread], found
    (item,) = found
    assert isinstance(item, Unread)
    message = f"{item.location} {item.message}"
    assert str(root) not in message
    assert "/tmp" not in message  # noqa: S108 - of the private folder
    assert message.isprintable()
    return message


def _state(root: Path) -> list[tuple[str, int, int]]:
    return sorted((str(path), path.lstat().st_mtime_ns, path.lstat().st_size) for path in root.rglob("*"))


REMOTE = [
    "https://github.com/org/repo//base?ref=v1",
    "http://host.test/objects.yaml",
    "github.com/org/repo/base",
    "git@host.test:org/repo.git",
    "ssh://git@host.test/org/repo",
    "git::https://host.test/org/repo.git//base",
    "file:///srv/repo",
    "host.test/org/repo?ref=main",
    "HTTPS://HOST.TEST/x",
    "gh:org/repo",
]


@pytest.mark.parametrize("url", REMOTE)
@pytest.mark.parametrize("field", ["resources", "components", "bases"])
def test_remote_bases_are_refused_where_they_are_named(url: str, field: str, tmp_path: Path) -> None:
    root = written(tmp_path, {K: f"resources:\n- ../base\n{field if field != 'resources' else 'transformers'}: []\n"})
    written(root, {"base/kustomization.yaml": f"namePrefix: x-\n{field}:\n- pod.yaml\n- {url}\n", "base/pod.yaml": POD})
    message = unread(root)
    assert message.startswith("base/kustomization.yaml:4 remote base")
    assert "nothing is fetched" in message
    assert "the kustomization k was not built" in message


@pytest.mark.parametrize(
    "text",
    [
        "patches:\n- path: https://host.test/p.yaml\n",
        "configMapGenerator:\n- {name: x, files: [a=https://host.test/f]}\n",
        "secretGenerator:\n- {name: x, envs: [http://host.test/f]}\n",
        "crds:\n- https://host.test/crd.yaml\n",
        "openapi:\n  path: https://host.test/schema.json\n",
        "replacements:\n- path: https://host.test/r.yaml\n",
        "patchesStrategicMerge:\n- https://host.test/p.yaml\n",
        "configurations:\n- https://host.test/c.yaml\n",
    ],
)
def test_remote_files_are_refused(text: str, tmp_path: Path) -> None:
    message = unread(written(tmp_path, {K: text}))
    assert message.startswith(("k/kustomization.yaml:1 remote", "k/kustomization.yaml:2 remote"))


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        yield server


def test_nothing_connects_even_where_a_patch_makes_the_address(tmp_path: Path, listener: socket.socket) -> None:
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    files = {
        K: "resources: [pod.yaml]\ntransformers: [../t]\n",
        "k/pod.yaml": POD,
        "t/kustomization.yaml": f'resources: [t.yaml]\npatches:\n- target: {{kind: PatchTransformer}}\n  patch: \'[{{"op": "add", "path": "/path", "value": "http://{address}/p"}}]\'\n',
        "t/t.yaml": "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: x}\ntarget: {kind: Pod}\n",
    }
    assert "k/kustomization.yaml" in unread(written(tmp_path, files))
    if shutil.which("unshare") is not None:
        with pytest.raises(TimeoutError):
            listener.accept()


def test_a_cycle_is_told(tmp_path: Path) -> None:
    files = {K: "resources: [../a]\n", "a/kustomization.yaml": "resources: [../k]\n"}
    assert "cycle" in unread(written(tmp_path, files))


def test_a_link_out_of_the_root_is_not_followed(tmp_path: Path) -> None:
    root = written(tmp_path, {K: "resources: [pod.yaml]\n", "secret/pod.yaml": POD})
    (root / "k/pod.yaml").symlink_to(root / "secret/pod.yaml")
    message = unread(root)
    assert message.startswith("k/kustomization.yaml:1 ")
    assert "not in or below" in message


def test_a_file_outside_of_the_root_is_not_read(tmp_path: Path) -> None:
    files = {"a/pod.yaml": POD, K: "configMapGenerator:\n- name: x\n  files: [../a/pod.yaml]\n"}
    message = unread(written(tmp_path, files))
    assert message.startswith("k/kustomization.yaml:3 ")
    assert "not in or below" in message


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    root = written(tmp_path, {K: "configMapGenerator:\n- name: x\n  files: [big]\n", "k/big": "x" * 20_000})
    message = unread(root, Kustomizations(Limits(bytes=10_000)))
    assert message.startswith("k/kustomization.yaml:3 'big' is larger than 10000 bytes")


def test_aliases_that_multiply_are_stopped(tmp_path: Path) -> None:
    layers = "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
    bomb = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: one}}\nspec:\n  a0: &a0 [x, x]\n{layers}"
    root = written(tmp_path, {K: "resources: [pod.yaml]\npatches:\n- path: bomb.yaml\n", "k/pod.yaml": POD})
    message = unread(written(root, {"k/bomb.yaml": bomb}), Kustomizations(cost=Cost(seconds=5)))
    assert message.startswith("k/kustomization.yaml")


FUNCTION = """\
apiVersion: example.test/v1
kind: Fill
metadata:
  name: x
  annotations:
    config.kubernetes.io/function: |
      {function}
"""


@pytest.mark.parametrize("function", ["container: {image: host.test/evil}", "exec: {path: ./evil.sh}"])
@pytest.mark.parametrize("field", ["transformers", "generators", "validators"])
def test_functions_and_plugins_are_not_run(function: str, field: str, tmp_path: Path) -> None:
    root = written(
        tmp_path,
        {
            K: f"resources: [pod.yaml]\n{field}: [fill.yaml]\n",
            "k/pod.yaml": POD,
            "k/fill.yaml": FUNCTION.replace("{function}", function),
            "k/evil.sh": "#!/bin/sh\ntouch $(dirname $0)/ran\n",
        },
    )
    (root / "k/evil.sh").chmod(0o755)
    assert unread(root).startswith(
        "k/kustomization.yaml:2 the plugin 'Fill' runs a program or a container: not allowed"
    )


def test_plugins_of_a_folder_are_not_run(tmp_path: Path) -> None:
    files = {K: "generators: [../g]\n", "g/kustomization.yaml": "resources: [fill.yaml]\n"}
    message = unread(written(tmp_path, {**files, "g/fill.yaml": FUNCTION.replace("{function}", "exec: {path: ./x}")}))
    assert message.startswith("g/kustomization.yaml:1 the plugin 'Fill' runs a program")


def test_charts_are_not_inflated_unless_allowed(tmp_path: Path) -> None:
    message = unread(written(tmp_path, {K: "namespace: x\nhelmCharts:\n- name: shop\n  repo: https://host.test\n"}))
    assert message.startswith("k/kustomization.yaml:3 helmCharts: charts are not inflated")


@pytest.mark.parametrize(
    ("chart", "reason"),
    [
        ("{name: shop, releaseName: --post-renderer=./evil.sh}", "would be an option of helm"),
        ("{name: ../../other}", "not below the kustomization"),
        ("{name: shop, repo: https://host.test}", "nothing is fetched"),
        ("{name: shop, configHome: ./helm}", "may run programs"),
        ("{name: linked}", "symbolic links"),
    ],
)
def test_charts_stay_offline_and_inside(chart: str, reason: str, tmp_path: Path) -> None:
    root = written(tmp_path, {K: f"helmCharts:\n- {chart}\n", "k/charts/linked/Chart.yaml": "name: linked\n"})
    (root / "k/charts/linked/out").symlink_to("/")
    message = unread(root, Kustomizations(allow_helm=True))
    assert message.startswith("k/kustomization.yaml:2 helmCharts: ")
    assert reason in message


def test_an_unknown_field_is_told(tmp_path: Path) -> None:
    message = unread(written(tmp_path, {K: "resource:\n- pod.yaml\n"}))
    assert 'unknown field "resource"' in message.replace("\\", "")


def test_a_kustomization_that_is_no_yaml_is_told_with_its_line(tmp_path: Path) -> None:
    message = unread(written(tmp_path, {K: "resources:\n- a\n  b: [\n"}))
    assert message.startswith("k/kustomization.yaml:")
    assert "yaml" in message.lower()


@pytest.mark.parametrize("text", ["- a\n", "just text\n", "\ufeffresources: {}\n", "resources: 7\n", "a: !!binary x\n"])
def test_a_kustomization_of_another_shape_is_told(text: str, tmp_path: Path) -> None:
    assert unread(written(tmp_path, {K: text})).startswith("k/kustomization.yaml")


def test_a_resource_that_is_no_yaml_is_told_with_its_line(tmp_path: Path) -> None:
    message = unread(written(tmp_path, {K: "resources:\n- pod.yaml\n", "k/pod.yaml": POD + "a: b: c\n"}))
    assert message.startswith("k/pod.yaml:5 ")


def test_two_kustomization_files_are_told(tmp_path: Path) -> None:
    root = written(tmp_path, {K: "resources: [pod.yaml]\n", "k/Kustomization": "{}\n", "k/pod.yaml": POD})
    assert "multiple kustomization files" in unread(root)


def test_one_name_twice_is_told(tmp_path: Path) -> None:
    message = unread(written(tmp_path, {K: "resources: [a.yaml, b.yaml]\n", "k/a.yaml": POD, "k/b.yaml": POD}))
    assert "already registered id" in message


def test_a_chain_without_end_is_not_followed(tmp_path: Path) -> None:
    for level in range(200):
        written(tmp_path, {f"k{level}/kustomization.yaml": f"resources: [../k{level + 1}]\n"})
    written(tmp_path, {K: "resources: [../k0]\n"})
    assert "levels of them: not built" in unread(tmp_path)


def test_references_without_end_are_not_followed(tmp_path: Path) -> None:
    text = "resources:\n" + "".join(f"- p{number}.yaml\n" for number in range(30_000))
    assert "references: not built" in unread(written(tmp_path, {K: text}))


def _doubling(root: Path, levels: int) -> None:
    """A base that each level takes twice, under other names: 2 to the power of levels objects."""
    written(root, {"l0/kustomization.yaml": "resources: [pod.yaml]\n", "l0/pod.yaml": POD})
    for level in range(1, levels):
        for side in "ab":
            text = f"resources: [../l{level - 1}]\nnamePrefix: {side}{level}-\n"
            written(root, {f"{side}{level}/kustomization.yaml": text})
        written(root, {f"l{level}/kustomization.yaml": f"resources: [../a{level}, ../b{level}]\n"})
    written(root, {K: f"resources: [../l{levels - 1}]\n"})


def test_bases_that_multiply_are_stopped(tmp_path: Path) -> None:
    _doubling(tmp_path, 20)
    started = time.monotonic()
    assert "more than 1 seconds" in unread(tmp_path, Kustomizations(cost=Cost(seconds=1)))
    assert time.monotonic() - started < 10


def test_output_without_end_is_stopped(tmp_path: Path) -> None:
    root = written(
        tmp_path, {K: "resources: [pod.yaml]\ncommonAnnotations:\n  a: " + "x" * 3_000_000, "k/pod.yaml": POD}
    )
    assert "more than 1 MiB of output" in unread(root, Kustomizations(cost=Cost(output=1 << 20)))


def test_a_pipe_does_not_stop_the_scan(tmp_path: Path) -> None:
    root = written(tmp_path, {K: "resources: [pipe]\n"})
    os.mkfifo(root / "k/pipe")
    assert unread(root, Kustomizations(cost=Cost(seconds=1))).startswith("k/kustomization.yaml")


@pytest.mark.parametrize(
    "name", ["new\nline.yaml", "--enable-exec", "\x1b[31m.yaml", "\u202emoc.yaml", "'quo\"te.yaml"]
)
def test_names_do_no_harm(name: str, tmp_path: Path) -> None:
    quoted = '"' + name.replace('"', '\\"').replace("\n", "\\n").replace("\x1b", "\\e") + '"'
    root = written(tmp_path, {K: f"resources:\n- {quoted}\n- missing.yaml\n"})
    (root / "k" / name).write_text(POD)
    assert "missing.yaml" in unread(root)


def test_nul_in_a_path_does_no_harm(tmp_path: Path) -> None:
    assert unread(written(tmp_path, {K: 'resources: ["a\\0b"]\npatches: [{path: "a\\0b"}]\n'}))


def test_a_folder_with_a_hostile_name_is_built_and_shown_safely(tmp_path: Path) -> None:
    name = "--help\x1b[31m"
    root = written(tmp_path, {f"{name}/kustomization.yaml": "resources: [pod.yaml]\n", f"{name}/pod.yaml": POD})
    (found,) = build(root, name)
    assert isinstance(found, Resource)
    assert found.source is not None
    assert found.source.path.isprintable()


def test_one_failure_leaves_the_others(tmp_path: Path) -> None:
    root = written(
        tmp_path, {"a/kustomization.yaml": "resources: [x]\n", "b/kustomization.yaml": "resources: [pod.yaml]\n"}
    )
    written(root, {"b/pod.yaml": POD, "c/kustomization.yaml": "resources: [https://host.test/x]\n"})
    assert [type(item) for item in Kustomizations().read(folders(root))] == [Unread, Resource, Unread]


def test_objects_nested_deep_keep_at_least_their_kustomization(tmp_path: Path) -> None:
    deep = "[" * 300 + "]" * 300
    root = written(tmp_path, {K: "resources: [pod.yaml]\n", "k/pod.yaml": f"{POD}extra: {deep}\n"})
    (found,) = build(root, "k")
    assert isinstance(found, Resource)
    assert str(found.locate(("extra",))) == "k/kustomization.yaml"


@pytest.mark.parametrize("script", ["sleep 60", "exec >&- 2>&-; sleep 60", "sleep 60 & sleep 60 & exit 0"])
def test_a_child_never_outlives_its_time(script: str, tmp_path: Path) -> None:
    started = time.monotonic()
    outcome = run(
        ["/bin/sh", "-c", script], environment={"PATH": os.defpath}, folder=str(tmp_path), cost=Cost(seconds=0.5)
    )
    assert outcome.exceeded == "more than 0.5 seconds"
    assert time.monotonic() - started < 5


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not tell what a process takes")
@pytest.mark.parametrize("script", ["{}", "import subprocess, sys; subprocess.run([sys.executable, '-c', {!r}])"])
def test_a_child_and_its_own_are_stopped_when_they_take_too_much(script: str, tmp_path: Path) -> None:
    hungry = script.format("import time; x = b'x' * (300 << 20); time.sleep(60)")
    cost = Cost(seconds=30, memory=200 << 20)
    outcome = run([sys.executable, "-c", hungry], environment={}, folder=str(tmp_path), cost=cost)
    assert outcome.exceeded == "more than 200 MiB of memory"
