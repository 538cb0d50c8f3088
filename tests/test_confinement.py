"""The confinement of file access: paths out of the folders, and links that are put in the place of a folder meanwhile."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubekeep import confinement
from kubekeep.confinement import confine, list_names, open_descriptor, scan_folder
from kubekeep.mcp.tasks.scan import ScanTask, run_scan
from kubekeep.mcp.tasks.task_input import TaskError, TaskInput
from kubekeep.sinks.file import atomic

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec: {containers: [{name: a, image: a.example/a:1}]}\n"
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A folder with a file, a folder, a link to the folder and links out of it; in its confinement."""
    folder, outside = tmp_path / "root", tmp_path / "outside"
    (folder / "sub").mkdir(parents=True)
    outside.mkdir()
    (folder / "sub" / "pod.yaml").write_text(POD % "inside")
    (outside / "pod.yaml").write_text(POD % "outside")
    (folder / "inner").symlink_to("sub")
    (folder / "absolute").symlink_to(folder / "sub")
    (folder / "out").symlink_to(outside)
    (folder / "file").symlink_to(outside / "pod.yaml")
    with confine((str(folder),)):
        yield folder


def read(path: Path | str) -> str:
    with open(path, opener=open_descriptor, encoding="utf-8") as stream:
        return stream.read()


@pytest.mark.parametrize("path", ["sub/pod.yaml", "inner/pod.yaml", "absolute/pod.yaml", "sub/../sub/pod.yaml"])
def test_links_within_the_folder_are_followed(path: str, root: Path) -> None:
    assert "inside" in read(root / path)


@pytest.mark.parametrize("path", ["out/pod.yaml", "file", "../outside/pod.yaml", "/etc/hostname", "/dev/stdin"])
def test_paths_out_of_the_folder_are_refused(path: str, root: Path) -> None:
    with pytest.raises(PermissionError, match="outside of the folders"):
        read(root / path)


def test_folders(root: Path) -> None:
    assert list_names(str(root / "inner")) == ["pod.yaml"]
    assert [entry.name for entry in scan_folder(str(root / "sub"))] == ["pod.yaml"]
    assert set(list_names(str(root))) == {"sub", "inner", "absolute", "out", "file"}
    for refused in (root / "out", root.parent):
        with pytest.raises(PermissionError):
            list_names(str(refused))
        with pytest.raises(PermissionError):
            scan_folder(str(refused))


def test_links_in_the_place_of_a_folder_are_not_followed(root: Path) -> None:
    for parts in (("out", "pod.yaml"), ("file",), ("inner", "pod.yaml")):
        with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
            confinement.open_below(str(root), parts, os.O_RDONLY, 0)


def test_last_link_is_refused_if_the_caller_refuses_links(root: Path) -> None:
    (root / "sub" / "link").symlink_to("pod.yaml")
    with pytest.raises(OSError, match="Too many levels"):
        open_descriptor(root / "sub" / "link", os.O_RDONLY | os.O_NOFOLLOW)
    os.close(open_descriptor(root / "inner" / "pod.yaml", os.O_RDONLY | os.O_NOFOLLOW))


def test_files_are_written_within_the_folder_only(root: Path) -> None:
    with atomic(root / "inner" / "new.yaml") as stream:
        stream.write("new")
    assert (root / "sub" / "new.yaml").read_text() == "new"
    for name in ("out/new.yaml", "file"):
        with pytest.raises(PermissionError), atomic(root / name) as stream:
            stream.write("new")
    assert sorted(path.name for path in (root.parent / "outside").iterdir()) == ["pod.yaml"]
    assert "outside" in (root.parent / "outside" / "pod.yaml").read_text()


def test_confinement_ends(root: Path, tmp_path: Path) -> None:
    with confine((str(tmp_path / "outside"),)):
        assert "outside" in read(root / "file")
    with pytest.raises(PermissionError):
        read(root / "file")


def test_thread_with_other_work_is_not_confined(root: Path) -> None:
    with confine((str(root),), exempt_thread=threading.get_ident()):
        assert "outside" in read(root / "file")
        assert "outside" not in list_names(str(root))


def test_scan_reads_nothing_outside_while_links_are_swapped(tmp_path: Path) -> None:
    """A thread swaps folders for links to the outside, and back, as fast as it can."""
    root, outside, scratch = tmp_path / "root", tmp_path / "outside", tmp_path / "scratch"
    for folder, name in ((root / "a", "inside"), (outside, "outside")):
        folder.mkdir(parents=True)
        (folder / "pod.yaml").write_text(POD % name)
        (folder / "kustomization.yaml").write_text("resources: [pod.yaml]\n")
        (folder / f"{name}-only.yaml").write_text(POD % name)
    scratch.mkdir()
    (root / "link").symlink_to(outside)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            (root / "a").rename(root / ".folder")
            (root / "link").rename(root / "a")
            (root / "a").rename(root / "link")
            (root / ".folder").rename(root / "a")

    thread = threading.Thread(target=swap)
    thread.start()
    task_input = TaskInput(scratch=str(scratch), folder=str(root), path="a", allowed=(str(root),))
    answers = []
    try:
        for _ in range(150):
            try:
                answers.append(repr(run_scan(task_input, ScanTask(controls=("C-0057", "C-0013")))))
            except TaskError as error:
                answers.append(str(error))
    finally:
        stop.set()
        thread.join()
    assert any("inside" in answer for answer in answers)
    leaks = [answer for answer in answers if "Pod outside" in answer or "outside-only" in answer]
    assert not leaks, leaks[0]
