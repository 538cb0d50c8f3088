"""Libraries of .NET: proved by files beside `deps.json`, in programs of a single file, and assemblies on their own."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping

import pytest

from kubekeep.images.catalog.dotnet_assemblies import read_assembly, read_fields
from kubekeep.images.content import ImageContent
from kubekeep.images.layers import read_layers
from kubekeep.images.merge import merge
from tests.images.catalog.version_resources import build_assembly, build_bundle, build_resource
from tests.images.layer_files import MemoryImage, build_tar

FIELDS = {
    "CompanyName": "Newtonsoft",
    "FileVersion": "13.0.3.27908",
    "OriginalFilename": "Newtonsoft.Json.dll",
    "ProductVersion": "13.0.3+0a2e291c0d9c0c7675d445703e51750363a549ef",
}


def describe(*libraries: str, target: str = "net8.0") -> bytes:
    """Return a `deps.json` of libraries such as `A/1.0 lib/net8.0/A.dll`."""
    rows = [library.split(" ") for library in libraries]
    return json.dumps(
        {
            "runtimeTarget": {"name": target},
            "targets": {target: {key: {"runtime": {path: {} for path in paths}} for key, *paths in rows}},
            "libraries": {key: {"type": "package", "path": key.lower()} for key, *_ in rows},
        }
    ).encode()


def read_image(*layers: Mapping[str, bytes]) -> ImageContent:
    return merge(read_layers(MemoryImage(*map(build_tar, layers))))


def list_packages(*layers: Mapping[str, bytes]) -> list[str]:
    image = read_image(*layers)
    assert image.problems == ()
    return [f"{package.name} {package.version}" for package in image.packages if package.type == "nuget"]


A = "A/1.0.0 lib/net8.0/A.dll"
B = "B/2.0.0 lib/net8.0/B.dll"


@pytest.mark.parametrize(
    ("file", "is_listed"),
    [
        ("app/A.dll", True),
        ("app/lib/net8.0/A.dll", True),
        ("root/.nuget/packages/a/1.0.0/lib/net8.0/A.dll", True),
        ("opt/cache/a/1.0.0/lib/net8.0/A.dll", True),
        ("app/plugins/A.dll", False),
        ("other/A.dll", False),
        ("app/A.dll.config", False),
        ("root/.nuget/packages/a/1.0.1/lib/net8.0/A.dll", False),
    ],
)
def test_libraries_need_a_file(file: str, *, is_listed: bool) -> None:
    files = {"app/app.deps.json": describe(A, B), file: b"x"}
    assert list_packages(files) == (["A 1.0.0"] if is_listed else [])


def test_files_in_other_layers() -> None:
    listing = {"app/app.deps.json": describe(A, B)}
    files = {"app/A.dll": b"x", "app/B.dll": b"x"}
    assert list_packages(listing, files) == ["A 1.0.0", "B 2.0.0"]
    assert list_packages(files, listing) == ["A 1.0.0", "B 2.0.0"]
    assert list_packages(files, listing, {"app/.wh.A.dll": b""}) == ["B 2.0.0"]
    assert list_packages(listing | files, {"app/.wh..wh..opq": b""}) == []
    assert list_packages(files, {"app/.wh..wh..opq": b"", **listing}) == []


def test_kinds_of_files() -> None:
    document = {
        "runtimeTarget": {"name": "t"},
        "targets": {
            "t": {
                "Native/1.0.0": {"runtimeTargets": {"runtimes/linux-x64/native/libn.so": {"assetType": "native"}}},
                "Text/1.0.0": {"resources": {"lib/net8.0/de/Text.resources.dll": {"locale": "de"}}},
                "Empty/1.0.0": {"runtime": {}},
                "runtimepack.Pack/8.0.1": {"runtime": {"System.Runtime.dll": {}}},
                "app/1.0.0": {"runtime": {"app.dll": {}}},
                "Hostile/1.0.0": {"runtime": {"../../etc/passwd": {}, "/etc/passwd": {}, "a/" * 100 + "b": {}}},
            }
        },
        "libraries": {
            "Native/1.0.0": {"type": "package"},
            "Text/1.0.0": {"type": "package", "path": "../text"},
            "Empty/1.0.0": {"type": "package"},
            "Absent/1.0.0": {"type": "package"},
            "runtimepack.Pack/8.0.1": {"type": "runtimepack"},
            "app/1.0.0": {"type": "project"},
            "Hostile/1.0.0": {"type": "package"},
        },
    }
    paths = ("runtimes/linux-x64/native/libn.so", "de/Text.resources.dll", "System.Runtime.dll", "app.dll")
    files = {f"app/{path}": b"x" for path in paths} | {
        "etc/passwd": b"x",
        "app/app.deps.json": json.dumps(document).encode(),
    }
    assert list_packages(files) == ["Native 1.0.0", "Pack 8.0.1", "Text 1.0.0"]


def test_assemblies() -> None:
    content = build_assembly(FIELDS)
    assert list_packages({"app/Newtonsoft.Json.dll": content}) == ["Newtonsoft.Json 13.0.3"]
    # The list beside it describes all assemblies of the folder, and those for several systems.
    listing = {"app/app.deps.json": describe(A)}
    assert list_packages({"app/Newtonsoft.Json.dll": content} | listing) == []
    assert list_packages({"app/runtimes/unix/lib/net8.0/Newtonsoft.Json.dll": content}, listing) == []
    assert list_packages({"app/plugins/Newtonsoft.Json.dll": content} | listing) == ["Newtonsoft.Json 13.0.3"]
    assert list_packages({"app/Newtonsoft.Json.dll": build_assembly(FIELDS, is_managed=False)}) == []
    assert list_packages({"app/Newtonsoft.Json.dll": content}, {"app/.wh.Newtonsoft.Json.dll": b""}) == []


@pytest.mark.parametrize(
    ("path", "changes", "version"),
    [
        ("Newtonsoft.Json.dll", {}, "13.0.3"),
        ("lib/newtonsoft.json.DLL", {"ProductVersion": "13.0.4-beta1"}, "13.0.4-beta1"),
        ("Newtonsoft.Json.dll", {"ProductVersion": "2.0.15.0"}, "2.0.15"),
        ("Newtonsoft.Json.dll", {"ProductVersion": "", "FileVersion": "2.0.15.0"}, "2.0.15"),
        ("Newtonsoft.Json.dll", {"ProductVersion": "13.0.3.27908"}, ""),
        ("Newtonsoft.Json.dll", {"ProductVersion": "", "FileVersion": "13.0.3.27908"}, ""),
        ("Newtonsoft.Json.dll", {"ProductVersion": "13.0 release"}, ""),
        # An application or its parts, texts in other languages, assemblies for compilers.
        ("Shop.dll", {"OriginalFilename": "Shop.dll", "CompanyName": "Shop"}, ""),
        ("Newtonsoft.Json.dll", {"CompanyName": ""}, ""),
        ("Newtonsoft.Json.exe", {}, ""),
        ("Other.dll", {}, ""),
        ("de/Newtonsoft.Json.resources.dll", {"OriginalFilename": "Newtonsoft.Json.resources.dll"}, ""),
        ("usr/share/dotnet/packs/x/ref/net8.0/Newtonsoft.Json.dll", {}, ""),
    ],
)
def test_versions_of_assemblies(path: str, changes: Mapping[str, str], version: str) -> None:
    assembly = read_assembly(path, build_resource({**FIELDS, **changes}))
    assert (assembly.version if assembly else "") == version
    assert assembly is None or (assembly.name, assembly.company) == ("Newtonsoft.Json", "Newtonsoft")


def test_damaged_resources() -> None:
    resource = build_resource(FIELDS)
    assert read_fields(resource) == FIELDS
    random_bytes = random.Random(1)
    for size in range(len(resource)):
        read_fields(resource[:size])
    for _ in range(2000):
        damaged = bytearray(resource)
        for _ in range(random_bytes.randint(1, 8)):
            damaged[random_bytes.randrange(len(damaged))] = random_bytes.randrange(256)
        read_fields(bytes(damaged))
        read_fields(random_bytes.randbytes(300))


def test_programs_of_a_single_file() -> None:
    content = build_bundle(describe(A, "None/1.0.0"))
    assert list_packages({"app/tool": content}) == ["A 1.0.0"]
    assert list_packages({"app/tool": build_bundle(b"")}) == []
    (problem,) = read_image({"app/tool": build_bundle(b"{no")}).problems
    assert problem.path == "app/tool"


def test_damaged_programs() -> None:
    random_bytes = random.Random(1)
    files = {}
    for name, content in (("a.dll", build_assembly(FIELDS)), ("tool", build_bundle(describe(A)))):
        for size in range(0, len(content), 17):
            files[f"{size}/{name}"] = content[:size]
        for number in range(300):
            damaged = bytearray(content)
            for _ in range(random_bytes.randint(1, 8)):
                damaged[random_bytes.randrange(4, len(damaged))] = random_bytes.randrange(256)
            files[f"d{number}/{name}"] = bytes(damaged)
    read_image(files)
