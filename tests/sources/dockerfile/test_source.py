"""Detection of Dockerfiles by name, in folders and on the command line, and what a scan reports about them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.resource import Resource
from kubekeep.sources.dockerfile.names import is_dockerfile_name
from kubekeep.sources.inputs import read
from kubekeep.sources.options import ReadOptions


@pytest.mark.parametrize(
    "name",
    ["Dockerfile", "Containerfile", "Dockerfile.prod", "Containerfile.arm64", "api.Dockerfile", "api.dockerfile"],
)
def test_names(name: str) -> None:
    assert is_dockerfile_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "dockerfile.go",
        "Dockerfile.dockerignore",
        "Dockerfile.j2",
        "Dockerfile.prod.tmpl",
        "Dockerfile~",
        "Dockerfile.x~",
        ".dockerfile",
        "MyDockerfile",
        "Dockerfiles",
        "file",
        "docker-compose.yaml",
    ],
)
def test_other_names(name: str) -> None:
    assert not is_dockerfile_name(name)


def read_all(*paths: Path, options: ReadOptions = ReadOptions()) -> tuple[list[Resource], list[UnreadInput]]:  # noqa: B008 - a frozen value
    with read([str(path) for path in paths], options=options) as inputs:
        entries = list(inputs)
    resources = [entry for entry in entries if isinstance(entry, Resource)]
    return resources, [entry for entry in entries if isinstance(entry, UnreadInput)]


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def test_folder(tmp_path: Path) -> None:
    write(tmp_path, "shop/Dockerfile", "FROM a\n")
    write(tmp_path, "shop/web/web.Dockerfile", "FROM b\n")
    write(tmp_path, "shop/notes.txt", "FROM c\n")
    resources, unread = read_all(tmp_path / "shop")
    assert not unread
    assert [(resource.kind, resource.name) for resource in resources] == [
        ("Dockerfile", "shop/Dockerfile"),
        ("Dockerfile", "web/web.Dockerfile"),
    ]
    assert {resource.source.file_type.name for resource in resources if resource.source} == {"Dockerfile"}


def test_name_does_not_depend_on_the_folder_of_the_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, "shop/Dockerfile", "FROM a\n")
    monkeypatch.chdir(file.parent)
    for path in (file, Path("Dockerfile"), Path(), tmp_path):
        (resource,), _ = read_all(path)
        assert resource.name == "shop/Dockerfile"


def test_invalid_file_is_reported_with_its_line(tmp_path: Path) -> None:
    file = write(tmp_path, "Dockerfile", "FROM a\n\nRUNN b\n")
    resources, (unread,) = read_all(file)
    assert not resources
    assert str(unread.location) == f"{file}:3"
    assert unread.message == "not a Dockerfile: unknown instruction RUNN"


def test_unsaved_text(tmp_path: Path) -> None:
    file = write(tmp_path, "Dockerfile", "FROM a\n")
    (resource,), _ = read_all(tmp_path, options=ReadOptions(unsaved={str(file.resolve()): b"FROM b\nUSER 7\n"}))
    assert resource.object["stages"][0]["user"] == "7"


@pytest.mark.parametrize(
    ("ignore_file", "expected"),
    [
        (None, False),
        (".dockerignore", True),
        ("web/.dockerignore", True),
        ("web/Dockerfile.dockerignore", True),
        ("other/.dockerignore", False),
    ],
)
def test_ignore_file(tmp_path: Path, ignore_file: str | None, *, expected: bool) -> None:
    write(tmp_path, "web/Dockerfile", "FROM a\nCOPY . .\n")
    if ignore_file:
        write(tmp_path, ignore_file, "*")
    (resource,), _ = read_all(tmp_path)
    assert resource.object["context"] == {"hasIgnoreFile": expected}


def test_archive(tmp_path: Path) -> None:
    import tarfile  # noqa: PLC0415

    write(tmp_path, "shop/Dockerfile", "FROM a\n")
    with tarfile.open(tmp_path / "shop.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "shop", "shop")
    (resource,), _ = read_all(tmp_path / "shop.tar.gz")
    assert resource.name == "shop/Dockerfile"
