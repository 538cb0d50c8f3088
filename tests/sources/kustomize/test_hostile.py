"""Broken, endless and malicious kustomizations: each is an `UnreadInput` with a location, within the limits."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.resource import Resource
from kubekeep.sources.kustomize.build import Kustomizations
from kubekeep.sources.kustomize.tool import ProcessLimits, run
from kubekeep.sources.process_limits import RenderingTime
from kubekeep.sources.tree import Limits
from tests.sources.kustomize.builds import build, list_folders, resources, write_tree

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: one}\nspec: {}\n"
K = "k/kustomization.yaml"


def read_error(root: Path, reader: Kustomizations | None = None) -> str:
    """Return location and message of the only result of kustomization `k`; asserts that the tree is unchanged."""
    state_before = _list_files(root)
    results = build(root, "k", reader)
    assert _list_files(root) == state_before
    assert [type(result) for result in results] == [UnreadInput], results
    (result,) = results
    assert isinstance(result, UnreadInput)
    message = f"{result.location} {result.message}"
    assert str(root) not in message
    assert "/tmp" not in message  # noqa: S108 - of the private folder
    assert message.isprintable()
    return message


def _list_files(root: Path) -> list[tuple[str, int, int]]:
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
def test_remote_bases_are_refused(url: str, field: str, tmp_path: Path) -> None:
    root = write_tree(
        tmp_path, {K: f"resources:\n- ../base\n{field if field != 'resources' else 'transformers'}: []\n"}
    )
    write_tree(
        root, {"base/kustomization.yaml": f"namePrefix: x-\n{field}:\n- pod.yaml\n- {url}\n", "base/pod.yaml": POD}
    )
    message = read_error(root)
    assert message.startswith("base/kustomization.yaml:4 remote base")
    assert "not fetched" in message
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
    message = read_error(write_tree(tmp_path, {K: text}))
    assert message.startswith(("k/kustomization.yaml:1 remote", "k/kustomization.yaml:2 remote"))


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Return a local server socket that records connection attempts."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        yield server


def test_no_connection_to_an_address_set_by_a_patch(tmp_path: Path, listener: socket.socket) -> None:
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    files = {
        K: "resources: [pod.yaml]\ntransformers: [../t]\n",
        "k/pod.yaml": POD,
        "t/kustomization.yaml": f'resources: [t.yaml]\npatches:\n- target: {{kind: PatchTransformer}}\n  patch: \'[{{"op": "add", "path": "/path", "value": "http://{address}/p"}}]\'\n',
        "t/t.yaml": "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: x}\ntarget: {kind: Pod}\n",
    }
    assert "k/kustomization.yaml" in read_error(write_tree(tmp_path, files))
    if shutil.which("unshare") is not None:
        with pytest.raises(TimeoutError):
            listener.accept()


def test_cycle_is_reported(tmp_path: Path) -> None:
    files = {K: "resources: [../a]\n", "a/kustomization.yaml": "resources: [../k]\n"}
    assert "cycle" in read_error(write_tree(tmp_path, files))


def test_link_out_of_the_root_is_not_followed(tmp_path: Path) -> None:
    root = write_tree(tmp_path, {K: "resources: [pod.yaml]\n", "secret/pod.yaml": POD})
    (root / "k/pod.yaml").symlink_to(root / "secret/pod.yaml")
    message = read_error(root)
    assert message.startswith("k/kustomization.yaml:1 ")
    assert "not in or below" in message


def test_linked_kustomization_is_not_read(tmp_path: Path) -> None:
    root = write_tree(tmp_path, {"k/pod.yaml": POD, "secret/kustomization.yaml": "resources: [pod.yaml]\n"})
    (root / "k/kustomization.yaml").symlink_to(root / "secret/kustomization.yaml")
    message = read_error(root)
    assert message.startswith("k/kustomization.yaml symbolic link to a file outside of its folder: not followed")


def test_file_outside_the_root_is_not_read(tmp_path: Path) -> None:
    files = {"a/pod.yaml": POD, K: "configMapGenerator:\n- name: x\n  files: [../a/pod.yaml]\n"}
    message = read_error(write_tree(tmp_path, files))
    assert message.startswith("k/kustomization.yaml:3 ")
    assert "not in or below" in message


def test_huge_file_is_not_read(tmp_path: Path) -> None:
    root = write_tree(tmp_path, {K: "configMapGenerator:\n- name: x\n  files: [big]\n", "k/big": "x" * 20_000})
    message = read_error(root, Kustomizations(Limits(bytes=10_000)))
    assert message.startswith("k/kustomization.yaml:3 'big' is larger than 10000 bytes")


def test_alias_bomb_is_stopped(tmp_path: Path) -> None:
    layers = "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
    bomb = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: one}}\nspec:\n  a0: &a0 [x, x]\n{layers}"
    root = write_tree(tmp_path, {K: "resources: [pod.yaml]\npatches:\n- path: bomb.yaml\n", "k/pod.yaml": POD})
    message = read_error(
        write_tree(root, {"k/bomb.yaml": bomb}), Kustomizations(process_limits=ProcessLimits(seconds=5))
    )
    assert message.startswith("k/kustomization.yaml")


@pytest.mark.skipif(sys.platform != "linux", reason="limits of the kernel are set on Linux only")
def test_build_has_limits_that_outlive_kubekeep(tmp_path: Path) -> None:
    limits = ProcessLimits(seconds=10, memory=1 << 28)
    result = run(
        ("/bin/sh", "-c", "/bin/sleep 1; /bin/cat /proc/self/limits"),
        environment={},
        folder=str(tmp_path),
        limits=limits,
    )
    values = dict(re.findall(r"^Max (data size|cpu time) +(\S+)", result.output.decode(), re.MULTILINE))
    assert values == {"data size": str(1 << 30), "cpu time": "41"}


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
    root = write_tree(
        tmp_path,
        {
            K: f"resources: [pod.yaml]\n{field}: [fill.yaml]\n",
            "k/pod.yaml": POD,
            "k/fill.yaml": FUNCTION.replace("{function}", function),
            "k/evil.sh": "#!/bin/sh\ntouch $(dirname $0)/ran\n",
        },
    )
    (root / "k/evil.sh").chmod(0o755)
    assert read_error(root).startswith(
        "k/kustomization.yaml:2 the plugin 'Fill' runs a program or a container: refused"
    )


def test_plugins_of_a_folder_are_not_run(tmp_path: Path) -> None:
    files = {K: "generators: [../g]\n", "g/kustomization.yaml": "resources: [fill.yaml]\n"}
    message = read_error(
        write_tree(tmp_path, {**files, "g/fill.yaml": FUNCTION.replace("{function}", "exec: {path: ./x}")})
    )
    assert message.startswith("g/kustomization.yaml:1 the plugin 'Fill' runs a program")


def test_charts_are_refused_by_default(tmp_path: Path) -> None:
    message = read_error(
        write_tree(tmp_path, {K: "namespace: x\nhelmCharts:\n- name: shop\n  repo: https://host.test\n"})
    )
    assert message.startswith("k/kustomization.yaml:3 helmCharts: charts in kustomizations require --enable-helm")


@pytest.mark.parametrize(
    ("chart", "reason"),
    [
        ("{name: shop, releaseName: --post-renderer=./evil.sh}", "would be an option of helm"),
        ("{name: ../../other}", "outside the folder of the kustomization"),
        ("{name: shop, repo: https://host.test}", "not fetched"),
        ("{name: shop, configHome: ./helm}", "can run programs"),
        ("{name: linked}", "symbolic links"),
    ],
)
def test_unsafe_charts_are_refused(chart: str, reason: str, tmp_path: Path) -> None:
    root = write_tree(tmp_path, {K: f"helmCharts:\n- {chart}\n", "k/charts/linked/Chart.yaml": "name: linked\n"})
    (root / "k/charts/linked/out").symlink_to("/")
    message = read_error(root, Kustomizations(allow_helm=True))
    assert message.startswith("k/kustomization.yaml:2 helmCharts: ")
    assert reason in message


def test_unknown_field_is_reported(tmp_path: Path) -> None:
    message = read_error(write_tree(tmp_path, {K: "resource:\n- pod.yaml\n"}))
    assert 'unknown field "resource"' in message.replace("\\", "")


def test_invalid_yaml_of_a_kustomization_has_a_line(tmp_path: Path) -> None:
    message = read_error(write_tree(tmp_path, {K: "resources:\n- a\n  b: [\n"}))
    assert message.startswith("k/kustomization.yaml:")
    assert "yaml" in message.lower()


@pytest.mark.parametrize("text", ["- a\n", "just text\n", "\ufeffresources: {}\n", "resources: 7\n", "a: !!binary x\n"])
def test_kustomization_of_another_shape_is_reported(text: str, tmp_path: Path) -> None:
    assert read_error(write_tree(tmp_path, {K: text})).startswith("k/kustomization.yaml")


def test_invalid_yaml_of_a_manifest_has_a_line(tmp_path: Path) -> None:
    message = read_error(write_tree(tmp_path, {K: "resources:\n- pod.yaml\n", "k/pod.yaml": POD + "a: b: c\n"}))
    assert message.startswith("k/pod.yaml:5 ")


def test_two_kustomization_files_are_reported(tmp_path: Path) -> None:
    root = write_tree(tmp_path, {K: "resources: [pod.yaml]\n", "k/Kustomization": "{}\n", "k/pod.yaml": POD})
    assert "multiple kustomization files" in read_error(root)


def test_duplicate_name_is_reported(tmp_path: Path) -> None:
    message = read_error(write_tree(tmp_path, {K: "resources: [a.yaml, b.yaml]\n", "k/a.yaml": POD, "k/b.yaml": POD}))
    assert "already registered id" in message


def test_endless_chain_is_not_followed(tmp_path: Path) -> None:
    for level in range(200):
        write_tree(tmp_path, {f"k{level}/kustomization.yaml": f"resources: [../k{level + 1}]\n"})
    write_tree(tmp_path, {K: "resources: [../k0]\n"})
    assert "levels: not built" in read_error(tmp_path)


def test_too_many_references_are_refused(tmp_path: Path) -> None:
    text = "resources:\n" + "".join(f"- p{number}.yaml\n" for number in range(30_000))
    assert "references: not built" in read_error(write_tree(tmp_path, {K: text}))


def _build_doubling_tree(root: Path, levels: int) -> None:
    """Write bases that each level includes twice under other names: 2 ** levels objects."""
    write_tree(root, {"l0/kustomization.yaml": "resources: [pod.yaml]\n", "l0/pod.yaml": POD})
    for level in range(1, levels):
        for side in "ab":
            text = f"resources: [../l{level - 1}]\nnamePrefix: {side}{level}-\n"
            write_tree(root, {f"{side}{level}/kustomization.yaml": text})
        write_tree(root, {f"l{level}/kustomization.yaml": f"resources: [../a{level}, ../b{level}]\n"})
    write_tree(root, {K: f"resources: [../l{levels - 1}]\n"})


def test_exponential_bases_are_stopped(tmp_path: Path) -> None:
    _build_doubling_tree(tmp_path, 20)
    assert "more than 1 seconds" in read_error(tmp_path, Kustomizations(process_limits=ProcessLimits(seconds=1)))


def test_time_of_all_kustomizations_is_limited(tmp_path: Path) -> None:
    root = write_tree(tmp_path, {K: "resources: [pod.yaml]\n", "k/pod.yaml": POD})
    rendering_time = RenderingTime(0, each=0)
    resources(root, "k", Kustomizations(rendering_time=rendering_time))
    assert "it used more than 0 seconds for all charts and kustomizations" in read_error(
        root, Kustomizations(rendering_time=rendering_time)
    )


def test_large_output_is_stopped(tmp_path: Path) -> None:
    root = write_tree(
        tmp_path, {K: "resources: [pod.yaml]\ncommonAnnotations:\n  a: " + "x" * 3_000_000, "k/pod.yaml": POD}
    )
    assert "more than 1 MiB of output" in read_error(root, Kustomizations(process_limits=ProcessLimits(output=1 << 20)))


def test_pipe_does_not_block_the_scan(tmp_path: Path) -> None:
    root = write_tree(tmp_path, {K: "resources: [pipe]\n"})
    os.mkfifo(root / "k/pipe")
    assert read_error(root, Kustomizations(process_limits=ProcessLimits(seconds=1, wall_seconds=1))).startswith(
        "k/kustomization.yaml"
    )


@pytest.mark.parametrize(
    "name", ["new\nline.yaml", "--enable-exec", "\x1b[31m.yaml", "\u202emoc.yaml", "'quo\"te.yaml"]
)
def test_hostile_file_names_are_harmless(name: str, tmp_path: Path) -> None:
    quoted = '"' + name.replace('"', '\\"').replace("\n", "\\n").replace("\x1b", "\\e") + '"'
    root = write_tree(tmp_path, {K: f"resources:\n- {quoted}\n- missing.yaml\n"})
    (root / "k" / name).write_text(POD)
    assert "missing.yaml" in read_error(root)


def test_nul_in_a_path_is_harmless(tmp_path: Path) -> None:
    assert read_error(write_tree(tmp_path, {K: 'resources: ["a\\0b"]\npatches: [{path: "a\\0b"}]\n'}))


def test_hostile_folder_name_is_printable(tmp_path: Path) -> None:
    name = "--help\x1b[31m"
    root = write_tree(tmp_path, {f"{name}/kustomization.yaml": "resources: [pod.yaml]\n", f"{name}/pod.yaml": POD})
    (resource,) = build(root, name)
    assert isinstance(resource, Resource)
    assert resource.source is not None
    assert resource.source.path.isprintable()


def test_failure_does_not_affect_other_kustomizations(tmp_path: Path) -> None:
    root = write_tree(
        tmp_path, {"a/kustomization.yaml": "resources: [x]\n", "b/kustomization.yaml": "resources: [pod.yaml]\n"}
    )
    write_tree(root, {"b/pod.yaml": POD, "c/kustomization.yaml": "resources: [https://host.test/x]\n"})
    assert [type(result) for result in Kustomizations().read(list_folders(root))] == [
        UnreadInput,
        Resource,
        UnreadInput,
    ]


def test_deep_object_is_located_at_its_kustomization(tmp_path: Path) -> None:
    deep = "[" * 300 + "]" * 300
    root = write_tree(tmp_path, {K: "resources: [pod.yaml]\n", "k/pod.yaml": f"{POD}extra: {deep}\n"})
    (resource,) = build(root, "k")
    assert isinstance(resource, Resource)
    assert str(resource.locate(("extra",))) == "k/kustomization.yaml"


@pytest.mark.parametrize("script", ["sleep 600", "exec >&- 2>&-; sleep 600", "sleep 600 & sleep 600 & exit 0"])
def test_child_is_killed_at_its_time_limit(script: str, tmp_path: Path) -> None:
    started = time.monotonic()
    result = run(
        ["/bin/sh", "-c", script],
        environment={"PATH": os.defpath},
        folder=str(tmp_path),
        limits=ProcessLimits(seconds=0.5, wall_seconds=1),
    )
    assert result.exceeded_limit == "more than 1 seconds"
    assert time.monotonic() - started < 300, "the child is killed"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")
def test_time_without_the_processor_is_not_counted(tmp_path: Path) -> None:
    script = "(sleep 2; kill -CONT $$) & kill -STOP $$; echo done"
    result = run(
        ["/bin/sh", "-c", script],
        environment={"PATH": os.defpath},
        folder=str(tmp_path),
        limits=ProcessLimits(seconds=0.5),
    )
    assert (result.exceeded_limit, result.output) == ("", b"done\n")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc")
@pytest.mark.parametrize("script", ["{}", "import subprocess, sys; subprocess.run([sys.executable, '-c', {!r}])"])
def test_child_and_its_children_are_killed_at_the_memory_limit(script: str, tmp_path: Path) -> None:
    hungry = script.format("import time; x = b'x' * (300 << 20); time.sleep(60)")
    limits = ProcessLimits(seconds=30, memory=200 << 20)
    result = run([sys.executable, "-c", hungry], environment={}, folder=str(tmp_path), limits=limits)
    assert result.exceeded_limit == "more than 200 MiB of memory"
