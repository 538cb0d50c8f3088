"""Hostile charts: each ends in an error within the limits, and nothing outside the chart is read or written."""

from __future__ import annotations

import gzip
import http.server
import io
import os
import socket
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.resource import Resource
from kubekeep.sources.helm.limits import ChartLimits
from kubekeep.sources.helm.reader import ChartReader
from kubekeep.sources.helm.renderers import build_environment, split_manifests
from kubekeep.sources.options import DEFAULT_RELEASE, HelmOptions
from kubekeep.sources.process_limits import RenderingTime
from kubekeep.sources.source import Root
from tests.sources.helm.reading import KUBERNETES, OPTIONS, build_options, read_chart, write_chart

SMALL: Final = ChartLimits(
    entries=200, bytes=4 * 2**20, file_bytes=2**20, seconds=60, memory=400 * 2**20, output=2 * 2**20
)
BRIEF: Final = msgspec.structs.replace(SMALL, seconds=3)
POD: Final = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n"
METADATA: Final = "apiVersion: v2\nname: c\nversion: 1.0.0\n"
FORBIDDEN_TEXT: Final = "the-secret-of-another-file"


def get_single_unread(results: tuple[list[Resource], list[UnreadInput]]) -> UnreadInput:
    """Return the only unread input, if there is no resource and the message is short and printable."""
    resources, unread = results
    assert resources == []
    assert len(unread) == 1
    assert len(unread[0].message) < 1500
    assert unread[0].message.isprintable()
    assert "kubekeep-helm-" not in unread[0].message
    return unread[0]


TEMPLATES: Final = {
    "endless loop": ("{{ range until 100000 }}{{ range until 100000 }}{{ $x := 1 }}{{ end }}{{ end }}", "3 seconds"),
    "endless recursion": ('{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}', "c/templates/t.yaml"),
    "endless tpl": ('{{ $t := "{{ tpl .t . }}" }}{{ tpl $t (dict "t" $t "Template" .Template) }}', ""),
    "endless output": ("{{ range until 100000 }}{{ range until 100000 }}a: b\n{{ end }}{{ end }}", ""),
    "large output": ('a: {{ repeat 4000000 "x" }}', "printed more than 2097152 bytes"),
    "memory": (
        '{{ $x := "a" }}{{ range until 40 }}{{ $x = printf "%s%s" $x $x }}{{ end }}a: {{ len $x }}',
        "400 MiB of memory",
    ),
    "deep blocks": ("{{ if 1 }}" * 5000 + "a" + "{{ end }}" * 5000, ""),
    "deep parentheses": ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", ""),
    "long pipe": ("{{ 1" + " | print" * 20_000 + " }}" + "{{ fail `done` }}", ""),
    "many includes": (
        "".join(f'{{{{ define "a{n}" }}}}' + f'{{{{ include "a{n + 1}" . }}}}' * 10 + "{{ end }}" for n in range(12))
        + '{{ define "a12" }}x{{ end }}{{ include "a0" . }}',
        "",
    ),
    "huge until": ("a: {{ until 2000000000 | len }}", ""),
    "huge repeat": ('a: {{ repeat 2000000000 "abcdef" | len }}', ""),
    "panic": ('a: {{ repeat -1 "x" }}', ""),
    "aliases in output": (
        "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
        + POD,
        "",
    ),
    "deep output": (POD + 'deep: {{ repeat 3000 "[" }}{{ repeat 3000 "]" }}', ""),
    "control characters": (POD + '  labels: {a: "\x01\x1b[31m"}', ""),
    "null bytes": (POD + '  labels: {a: "\x00"}', ""),
    "long message": ('{{ fail (repeat 100000 "x\x1b[31m") }}', "..."),
}


ENDLESS: Final = frozenset({"endless loop", "many includes"})
"""Templates that only the time limit stops."""


@pytest.mark.parametrize("name", TEMPLATES)
def test_hostile_template_is_stopped(name: str, renderer: str | None, tmp_path: Path) -> None:
    template, message = TEMPLATES[name]
    folder = write_chart(tmp_path / "c", {"templates/t.yaml": template})

    unread = get_single_unread(read_chart(folder, renderer, limits=BRIEF if name in ENDLESS else SMALL))

    assert message in f"{unread.location} {unread.message}"
    assert unread.location.file.startswith("c/")


def test_attempts_share_time_limit(renderer: str | None, tmp_path: Path) -> None:
    folder = write_chart(tmp_path / "c", {"templates/t.yaml": TEMPLATES["endless loop"][0]})
    started = sum(os.times()[2:4])
    results = read_chart(folder, renderer, limits=msgspec.structs.replace(BRIEF, seconds=6))
    assert get_single_unread(results).message == "the chart was not rendered: it took longer than 6 seconds"
    # The processor time of child processes: two attempts of six seconds each would take twelve.
    assert sum(os.times()[2:4]) - started < 11


def _read_within(rendering_time: RenderingTime, renderer: str | None, root: Root) -> list[Resource | UnreadInput]:
    with ChartReader(OPTIONS, helm=renderer, rendering_time=rendering_time) as charts:
        return list(charts.read([root]))


def test_time_of_all_charts_is_limited(renderer: str | None, tmp_path: Path) -> None:
    folder = write_chart(tmp_path / "c", {"templates/t.yaml": POD})
    rendering_time = RenderingTime(0, each=0)
    (first,), (second,) = (
        _read_within(rendering_time, renderer, Root("helm", str(folder), "c", str(tmp_path))) for _ in range(2)
    )
    assert isinstance(first, Resource)
    assert isinstance(second, UnreadInput)
    assert second.message == (
        "the chart was not rendered: Helm used more than 0 seconds for all charts and kustomizations"
    )


def test_next_chart_is_rendered_after_kill(renderer: str | None, tmp_path: Path) -> None:
    roots = []
    for name in ("endless loop", "memory", "good"):
        template = TEMPLATES[name][0] if name in TEMPLATES else POD
        folder = write_chart(tmp_path / name.replace(" ", "-"), {"templates/t.yaml": template})
        roots.append(Root("helm", str(folder), folder.name, str(tmp_path)))

    limits = msgspec.structs.replace(SMALL, seconds=6)
    with ChartReader(OPTIONS, helm=renderer, limits=limits) as charts:
        results = list(charts.read(roots))

    assert [type(result) for result in results] == [UnreadInput, UnreadInput, Resource]


def test_large_output_is_rendered_without_instrumentation(renderer: str | None, tmp_path: Path) -> None:
    text = POD + 'spec:\n  hostname: {{ repeat 300000 "x" }}\n'
    folder = write_chart(tmp_path / "c", {f"templates/t{number}.yaml": text for number in range(5)})

    resources, unread = read_chart(folder, renderer, limits=SMALL)

    assert unread == []
    locations = [resource.locate(("spec", "hostname")) for resource in resources]
    assert [location.file for location in locations if location] == [
        f"c/templates/t{number}.yaml" for number in range(5)
    ]


@pytest.mark.parametrize("space", [" ", "\t", "\n", " \n"])
def test_long_white_space_is_split_in_linear_time(space: str) -> None:
    # In quadratic time this takes hours.
    long = space * 2_000_000
    assert split_manifests(f"a: b{long}c\n---{long}d: e{long}\n---\n{long}---\nf: g") == [
        f"a: b{long}c\n",
        "d: e\n",
        "---\nf: g\n",
    ]


def test_copies_do_not_count_against_limits_of_helm(renderer: str | None, tmp_path: Path) -> None:
    filler = "# " + "x" * 997 + "\n"
    template = POD + "spec: {hostname: {{ .Values.host }}}\n"
    files: dict[str, str | bytes] = {
        "values.yaml": "host: h\n",
        "templates/large.yaml": template + filler * 5_240,
        **{f"templates/t{number}.yaml": template + filler * 2_000 for number in range(3)},
    }
    resources, unread = read_chart(write_chart(tmp_path / "c", files), renderer)
    assert unread == []
    assert sorted(str(resource.locate(("spec", "hostname"))) for resource in resources) == [
        "c/templates/large.yaml",
        *(f"c/templates/t{number}.yaml:5" for number in range(3)),
    ]


def test_copies_do_not_count_against_the_size_of_a_chart(renderer: str | None, tmp_path: Path) -> None:
    text = POD + "spec: {hostname: {{ .Values.host }}}\n# " + "x" * 4_500_000
    files = {f"templates/t{number}.yaml": text for number in range(12)}
    resources, unread = read_chart(write_chart(tmp_path / "c", {"values.yaml": "host: h\n", **files}), renderer)
    assert ([item.message for item in unread], len(resources)) == ([], 12)


ESCAPES: Final = {
    "Files.Get": '{{ .Files.Get "../../secret.txt" }}{{ .Files.Get "/etc/hostname" }}',
    "Files.Glob": '{{ range $n, $c := .Files.Glob "../**" }}{{ $n }}{{ end }}',
    "Files.Lines": '{{ range .Files.Lines "../secret.txt" }}{{ . }}{{ end }}',
    "lookup": '{{ lookup "v1" "Secret" "kube-system" "" | toJson }}',
    "environment": '{{ (tpl "{{ .Values.x | default \\"none\\" }}" .) }}',
    "names": '{{ getHostByName "localhost" }}',
}


@pytest.mark.parametrize("name", ESCAPES)
def test_templates_cannot_leave_chart(name: str, renderer: str | None, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text(FORBIDDEN_TEXT)
    folder = write_chart(
        tmp_path / "c", {"templates/t.yaml": f"{POD}  annotations:\n    seen: |-\n      x{ESCAPES[name]}\n"}
    )

    resources, unread = read_chart(folder, renderer)

    assert unread == []
    printed = resources[0].object["metadata"]["annotations"]["seen"]
    assert printed in ("x", "x{}", "xnone")


@pytest.mark.parametrize("function", ["env", "expandenv", "readFile"])
def test_host_functions_are_not_defined(function: str, renderer: str | None, tmp_path: Path) -> None:
    folder = write_chart(tmp_path / "c", {"templates/t.yaml": f'a: {{{{ {function} "HOME" }}}}'})

    assert f'function "{function}" not defined' in get_single_unread(read_chart(folder, renderer)).message


def test_chart_is_not_modified(renderer: str | None, tmp_path: Path) -> None:
    dependency = 'dependencies: [{name: d, version: 1.0.0, repository: "file://../d"}]\n'
    write_chart(tmp_path / "d", {"templates/d.yaml": POD}, METADATA.replace(": c", ": d"))
    folder = write_chart(tmp_path / "c", {"templates/t.yaml": POD}, METADATA + dependency)
    times_before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    resources, unread = read_chart(folder, renderer)

    assert (len(resources), unread) == (2, [])
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == times_before


def test_user_plugins_and_settings_are_ignored(
    renderer: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = tmp_path / "plugins" / "evil"
    write_chart(plugin, {"plugin.yaml": f"name: evil\nversion: 1.0.0\ncommand: touch {tmp_path}/ran\n"})
    for name, value in (("HELM_PLUGINS", str(plugin.parent)), ("HELM_NAMESPACE", "elsewhere"), ("HELM_DEBUG", "true")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    folder = write_chart(tmp_path / "c", {"templates/t.yaml": POD + "  namespace: {{ .Release.Namespace }}\n"})

    resources, unread = read_chart(folder, renderer)

    assert unread == []
    assert resources[0].namespace == "default"
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def http_service() -> Iterator[tuple[str, list[str]]]:
    """Yield the address of an HTTP service on loopback, and the list of paths requested from it."""
    requests: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            """Write nothing: the test keeps its own record."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", requests
    server.shutdown()
    server.server_close()
    thread.join()


def test_no_network_access(renderer: str | None, tmp_path: Path, http_service: tuple[str, list[str]]) -> None:
    address, requests = http_service
    dependency = f'dependencies: [{{name: d, version: 1.0.0, repository: "{address}"}}]\n'
    schema = f'{{"$ref": "{address}/schema.json"}}'
    first = write_chart(tmp_path / "first", {"templates/t.yaml": POD}, METADATA + dependency)
    second = write_chart(
        tmp_path / "second", {"templates/t.yaml": POD, "values.yaml": "a: 1\n", "values.schema.json": schema}
    )

    assert "missing in charts/ directory: d" in get_single_unread(read_chart(first, renderer)).message
    assert "which is not read" in read_chart(second, renderer, limits=SMALL)[1][0].message
    get_single_unread(read_chart(first, renderer, build_options(files=(f"{address}/values.yaml",))))
    assert requests == []


@pytest.mark.parametrize("reference", ["file://{}", "{}", "https://example.com/{}", "#/$defs/a"])
@pytest.mark.parametrize("key", ["$ref", "$schema"])
def test_schema_references_are_not_read(reference: str, key: str, renderer: str | None, tmp_path: Path) -> None:
    """Helm would read the reference of a schema; such a chart is rendered without its schema, and this is reported."""
    (tmp_path / "secret.json").write_text('{"const": "' + FORBIDDEN_TEXT + '"}')
    target = reference.format(tmp_path / "secret.json")
    schema = f'{{"n": {"1" * 5000}, "$defs": {{"a": {{}}}}, "properties": {{"a": {{"{key}": "{target}"}}}}}}'
    folder = write_chart(
        tmp_path / "c", {"templates/t.yaml": POD, "values.yaml": "a: 1\n", "values.schema.json": schema}
    )

    resources, unread = read_chart(folder, renderer)

    assert FORBIDDEN_TEXT not in str(unread)
    assert len(resources) == 1
    is_rejected = key == "$schema" or not target.startswith("#")
    assert [str(entry.location) for entry in unread] == ["c/values.schema.json"] * is_rejected


LINKS: Final = {
    "out": ("../../secret.txt", "outside the scanned folder"),
    "absolute": ("/etc/passwd", "outside the scanned folder"),
    "nowhere": ("nothing-there", "a missing target or a cycle"),
    "itself": ("link.yaml", "a missing target or a cycle"),
    "circle": ("..", "cycle"),
    "root": ("/", "outside the scanned folder"),
}


@pytest.mark.parametrize("name", LINKS)
def test_links_outside_folder_are_rejected(name: str, renderer: str | None, tmp_path: Path) -> None:
    target, message = LINKS[name]
    (tmp_path / "secret.txt").write_text(FORBIDDEN_TEXT)
    folder = write_chart(tmp_path / "c", {"templates/t.yaml": POD})
    (folder / "templates" / "link.yaml").symlink_to(target)

    unread = get_single_unread(read_chart(folder, renderer, base=folder.parent if name == "circle" else folder))

    assert unread.location.file.endswith("templates/link.yaml")
    assert message in unread.message


@pytest.mark.parametrize("name", [".helmignore", "Chart.yaml", "values.yaml"])
def test_chart_files_linked_outside_are_rejected(name: str, renderer: str | None, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text(METADATA)
    folder = write_chart(tmp_path / "c", {"templates/t.yaml": POD})
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(tmp_path / "secret.txt")

    assert "outside the scanned folder" in get_single_unread(read_chart(folder, renderer, base=folder)).message


def test_links_inside_folder_are_followed(renderer: str | None, tmp_path: Path) -> None:
    write_chart(tmp_path / "d", {"templates/d.yaml": POD}, METADATA.replace(": c", ": d"))
    folder = write_chart(tmp_path / "c", {"templates/t.yaml": POD})
    (folder / "charts").mkdir()
    (folder / "charts" / "d").symlink_to("../../d")

    resources, unread = read_chart(folder, renderer)

    assert unread == []
    assert sorted(resource.source.path for resource in resources if resource.source) == [
        "c/charts/d/templates/d.yaml",
        "c/templates/t.yaml",
    ]


def test_many_links_exceed_limit(renderer: str | None, tmp_path: Path) -> None:
    folder = write_chart(tmp_path / "c", {"templates/t.yaml": POD})
    for level in range(12):
        (folder / f"l{level}").mkdir()
        for number in range(8):
            (folder / f"l{level}" / f"n{number}").symlink_to(f"../l{level + 1}" if level < 11 else "../Chart.yaml")

    assert "more than 200 files and folders" in get_single_unread(read_chart(folder, renderer, limits=SMALL)).message


def test_special_files_do_not_block(renderer: str | None, tmp_path: Path) -> None:
    folder = write_chart(tmp_path / "c", {"templates/t.yaml": POD})
    os.mkfifo(folder / "templates" / "pipe.yaml")

    assert "not a regular file" in get_single_unread(read_chart(folder, renderer)).message

    (folder / "templates" / "pipe.yaml").unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(folder / "socket"))
        assert get_single_unread(read_chart(folder, renderer)).location.file == "c/socket"


def test_many_templates_exceed_limit(renderer: str | None, tmp_path: Path) -> None:
    archive = pack_chart(*((f"c/templates/t{number}.yaml", b"") for number in range(300)))
    (tmp_path / "c.tgz").write_bytes(archive)
    folder = write_chart(tmp_path / "c", {f"templates/t{number}.yaml": "" for number in range(300)})

    for path in (tmp_path / "c.tgz", folder):
        assert "more than 200 files and folders" in get_single_unread(read_chart(path, renderer, limits=SMALL)).message


def pack_chart(*members: tuple[tarfile.TarInfo | str, bytes]) -> bytes:
    """Build a packed chart of a Chart.yaml and these members."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for member, content in (("c/Chart.yaml", METADATA.encode()), *members):
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            if info.isreg():
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def build_special_member(kind: bytes, name: str = "c/templates/x", target: str = "") -> tarfile.TarInfo:
    """Build a member that is not a regular file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def build_truncated_archive() -> bytes:
    """Build a packed chart that is cut off within its last member."""
    content = gzip.decompress(pack_chart(("c/values.yaml", b"a: 1\n" * 1000)))
    return gzip.compress(content[:2500])


ARCHIVES: Final = {
    "traversal": (pack_chart(("c/../../evil.yaml", b"x")), "outside the folder of the chart"),
    "traversal at the top": (pack_chart(("../evil.yaml", b"x")), "outside the folder of the chart"),
    "absolute": (pack_chart(("/etc/evil.yaml", b"x")), "outside the folder of the chart"),
    "absolute inside": (pack_chart(("c//etc/evil.yaml", b"x")), "outside the folder of the chart"),
    "backslashes": (pack_chart(("c\\..\\..\\evil.yaml", b"x")), "outside the folder of the chart"),
    "drive": (pack_chart(("c/C:/evil.yaml", b"x")), "outside the folder of the chart"),
    "symbolic link": (pack_chart((build_special_member(tarfile.SYMTYPE, target="/etc/passwd"), b"")), "is a link"),
    "hard link": (pack_chart((build_special_member(tarfile.LNKTYPE, target="c/Chart.yaml"), b"")), "is a link"),
    "device": (pack_chart((build_special_member(tarfile.CHRTYPE), b"")), "is a special file"),
    "pipe": (pack_chart((build_special_member(tarfile.FIFOTYPE), b"")), "is a special file"),
    "bomb": (pack_chart(*((f"c/f{n}", b"\0" * 2**20) for n in range(8))), "larger than 4194304 bytes"),
    "large file": (pack_chart(("c/values.yaml", b"a" * (2**20 + 1))), "larger than 1048576 bytes"),
    "bomb of zeros": (gzip.compress(bytes(64 * 2**20)), "not a packed chart"),
    "cut off": (build_truncated_archive(), "not a packed chart"),
    "no gzip": (b"PK\x03\x04 something else", "not a packed chart"),
    "empty": (b"", "not a packed chart"),
    "no chart": (gzip.compress(bytes(10240)), "not a packed chart"),
    "escape sequence": (pack_chart(("c/../\x1b[31m", b"x")), "outside the folder of the chart"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_hostile_archive_is_rejected(name: str, renderer: str | None, tmp_path: Path) -> None:
    archive, message = ARCHIVES[name]
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "c.tgz").write_bytes(archive)

    unread = get_single_unread(read_chart(folder / "c.tgz", renderer, limits=SMALL))

    assert unread.location.file.startswith("c.tgz")
    assert message in unread.message
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "c.tgz"]


@pytest.mark.parametrize("name", ["bomb", "symbolic link", "no gzip"])
def test_hostile_packed_subchart_is_rejected(name: str, renderer: str | None, tmp_path: Path) -> None:
    archive, message = ARCHIVES[name]
    folder = write_chart(tmp_path / "p", {"charts/c.tgz": archive, "templates/t.yaml": POD})

    unread = get_single_unread(read_chart(folder, renderer, limits=SMALL))

    assert unread.location.file.startswith("p/charts/c.tgz")
    assert message in unread.message


def test_subchart_depth_limit(renderer: str | None, tmp_path: Path) -> None:
    archive = pack_chart()
    for _ in range(20):
        archive = pack_chart(("c/charts/c.tgz", archive))
    (tmp_path / "c.tgz").write_bytes(archive)

    assert "deeper than 16" in get_single_unread(read_chart(tmp_path / "c.tgz", renderer)).message


def test_subchart_alias_limit(renderer: str | None, tmp_path: Path) -> None:
    entries = ", ".join(f"{{name: c, version: 1.0.0, alias: a{number}}}" for number in range(50))
    folder = tmp_path / "c"
    for level in range(4):
        write_chart(folder / "/".join(["charts/c"] * level), {}, f"{METADATA}dependencies: [{entries}]\n")

    assert "more than 2000 sub-charts" in get_single_unread(read_chart(folder, renderer)).message


METADATAS: Final = {
    "not yaml": ("a: [", "cannot load Chart.yaml"),
    "a list": ("- a\n", "not a mapping"),
    "empty": ("", "chart.metadata.name is required"),
    "no name": ("apiVersion: v2\nversion: 1.0.0\n", "chart.metadata.name is required"),
    "wrong version of the format": ("apiVersion: v9\nname: c\nversion: 1.0.0\n", ""),
    "no version": ("apiVersion: v2\nname: c\n", "version"),
    "a name that leads out": ("apiVersion: v2\nname: ../../c\nversion: 1.0.0\n", "invalid"),
    "dots": ('apiVersion: v2\nname: ".."\nversion: 1.0.0\n', "invalid"),
    "control characters": ('apiVersion: v2\nname: "c\\e[31m\\n---"\nversion: 1.0.0\n', "invalid"),
    "a number": ("apiVersion: v2\nname: 5\nversion: 1.0.0\n", "required"),
    "aliases": (
        METADATA
        + "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 10)}]\n" for n in range(8)),
        "alias",
    ),
    "deep": (METADATA + "a: " + "[" * 5000 + "]" * 5000, "nested deeper"),
    "control bytes": (METADATA + "a: \x00\n", "cannot load Chart.yaml"),
    "case": (METADATA + "type: Library\n", "must be application or library"),
    "type": (METADATA + "type: virus\n", "must be application or library"),
}


@pytest.mark.parametrize("name", METADATAS)
def test_invalid_chart_yaml_is_reported(name: str, helm: str, tmp_path: Path) -> None:
    metadata, message = METADATAS[name]
    folder = write_chart(tmp_path / "c", {"templates/t.yaml": POD}, metadata)

    resources, unread = read_chart(folder, helm)

    if not message:  # Helm 3 takes any version of the format
        assert len(resources) == 1
        return
    assert get_single_unread((resources, unread)).location.file == "c/Chart.yaml"
    assert message in unread[0].message


VALUES: Final = {
    "UTF-16": ("a: é\n".encode("utf-16"), True),
    "byte order mark": (b"\xef\xbb\xbfa: 1\n", True),
    "latin-1": ("a: é\n".encode("latin-1"), False),
    "not a mapping": (b"- a\n", False),
    "deep": (b"a: " + b"[" * 20_000 + b"]" * 20_000, False),
    "aliases": (
        b"a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + b"".join(b"%c: &%c [%s]\n" % (98 + n, 98 + n, b", ".join([b"*%c" % (97 + n)] * 10)) for n in range(8)),
        False,
    ),
    "too large": (b"a: " + b"x" * 2**20, False),
    "binary": (bytes(range(256)), False),
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("where", ["chart", "option"])
def test_unusual_values_are_read_or_reported(name: str, where: str, renderer: str | None, tmp_path: Path) -> None:
    content, is_read = VALUES[name]
    own = {"values.yaml": content} if where == "chart" else {}
    folder = write_chart(tmp_path / "c", {"templates/t.yaml": POD, **own})
    (tmp_path / "given.yaml").write_bytes(content)
    options = OPTIONS if where == "chart" else build_options(files=(str(tmp_path / "given.yaml"),))

    resources, unread = read_chart(folder, renderer, options, SMALL)

    if is_read and not (name == "UTF-16" and where == "chart" and renderer is None):  # Helm 4 reads UTF-8 only
        assert (len(resources), unread) == (1, [])
    else:
        file = get_single_unread((resources, unread)).location.file
        assert file in ("c/values.yaml", str(tmp_path / "given.yaml"), "c/Chart.yaml")


def test_dependency_cycle_is_reported(renderer: str | None, tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        entry = f'dependencies: [{{name: {other}, version: 1.0.0, repository: "file://../{other}"}}]\n'
        write_chart(tmp_path / name, {"templates/t.yaml": POD}, METADATA.replace(": c", f": {name}") + entry)

    unread = get_single_unread(read_chart(tmp_path / "a", renderer))

    assert unread.message == "dependency 'a' refers back to this chart"
    assert str(unread.location) == "b/Chart.yaml:4"


@pytest.mark.parametrize("target", ["../outside", "/", "../../../../../etc", "../nothing-here"])
def test_dependencies_outside_folder_are_rejected(target: str, renderer: str | None, tmp_path: Path) -> None:
    write_chart(tmp_path / "outside", {"templates/d.yaml": POD}, METADATA.replace(": c", ": d"))
    entry = f'dependencies: [{{name: d, version: 1.0.0, repository: "file://{target}"}}]\n'
    folder = write_chart(tmp_path / "in" / "c", {"templates/t.yaml": POD}, METADATA + entry)
    base = tmp_path if target.endswith("here") else folder.parent

    message = get_single_unread(read_chart(folder, renderer, base=base)).message

    assert "outside the scanned folder" in message or "no chart in" in message


@pytest.mark.parametrize("release", ["-f/etc/passwd", "--debug", "../x", "UPPER", "x" * 80, "a b", ""])
def test_release_name_is_not_an_option(release: str, renderer: str | None, tmp_path: Path) -> None:
    folder = write_chart(tmp_path / "c", {"templates/t.yaml": POD + "  labels: {r: {{ .Release.Name | quote }}}\n"})

    resources, unread = read_chart(folder, renderer, HelmOptions(release=release, kube_version=KUBERNETES))

    shown = [resource.object["metadata"]["labels"]["r"] for resource in resources]
    assert shown == [release or DEFAULT_RELEASE] or len(unread) == 1


def test_forged_source_comments(renderer: str | None, tmp_path: Path) -> None:
    forged = f"{POD}---\n# Source: c/templates/other.yaml\n{POD}------\n# Source: c/templates/other.yaml\n{POD}"
    folder = write_chart(tmp_path / "c", {"templates/t.yaml": forged, "templates/other.yaml": POD})

    resources, unread = read_chart(folder, renderer)

    paths = [resource.source.path for resource in resources if resource.source is not None]
    assert paths.count("c/templates/other.yaml") == 1
    assert len(paths) + len(unread) >= 3


def test_renderer_environment_is_isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", FORBIDDEN_TEXT)
    seen = build_environment("/nowhere")

    assert FORBIDDEN_TEXT not in str(seen)
    assert {seen[name] for name in ("HOME", "HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")} == {"/nowhere"}


@pytest.mark.parametrize("name", ["a\\b.yaml", "a\nb.yaml", "a\x1b[31m.yaml", "a\udcff.yaml"])
def test_ambiguous_file_names_are_rejected(name: str, renderer: str | None, tmp_path: Path) -> None:
    folder = write_chart(tmp_path / "c", {"templates/t.yaml": POD})
    (folder / "templates" / name).write_text(POD)

    assert "is not a valid name for a file of a chart" in get_single_unread(read_chart(folder, renderer)).message
