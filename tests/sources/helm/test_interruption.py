"""Endless charts that are interrupted: the reader does not wait for them, and no child process remains."""

from __future__ import annotations

import contextlib
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.resource import Resource
from kubekeep.sources.helm.limits import ChartLimits
from kubekeep.sources.helm.reader import ChartReader
from kubekeep.sources.source import Root
from tests.cluster.cluster import eventually
from tests.sources.helm.reading import OPTIONS, read_chart, write_chart

ENDLESS = "{{ range until 100000 }}{{ range until 100000 }}{{ $x := 1 }}{{ end }}{{ end }}"
POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n"


def test_closing_reader_does_not_wait(renderer: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = Root("helm", str(write_chart(tmp_path / "good", {"templates/t.yaml": POD})), "good", str(tmp_path))
    endless = []
    for number in range(4):
        folder = write_chart(tmp_path / f"loop{number}", {"templates/t.yaml": ENDLESS})
        endless.append(Root("helm", str(folder), folder.name, str(tmp_path)))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def is_rendering(working_folder: str) -> bool:
        # The SDK's child stays in the removed folder of the last chart.
        return working_folder.startswith(str(tmp_path)) and Path(working_folder).name.isdecimal()

    with ThreadPoolExecutor(1) as reader:
        with ChartReader(OPTIONS, helm=renderer, limits=ChartLimits(seconds=3000)) as charts:
            # Read alone, because the SDK's single child could render an endless chart first.
            first = next(charts.read([good]))
            second = reader.submit(lambda: next(charts.read(endless)))
            eventually(lambda: any(map(is_rendering, working_folders())))
        left = second.result()

    assert isinstance(first, Resource)
    assert isinstance(left, UnreadInput)
    assert "3000 seconds" not in left.message


def test_killed_chart_leaves_no_child(renderer: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_chart(tmp_path / "c", {"templates/t.yaml": ENDLESS})
    # All working folders of child processes are below this folder.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    _, unread = read_chart(folder, renderer, limits=ChartLimits(seconds=3))
    assert len(unread) == 1

    assert [folder for folder in working_folders() if folder.startswith(str(tmp_path))] == []


def working_folders() -> list[str]:
    """List the working folders of all processes."""
    folders = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            folders.append(str((process / "cwd").readlink()))
    return folders
