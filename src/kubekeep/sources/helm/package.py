"""A loaded chart as the one archive that Helm gets, with files of ours added. Never touches the disk."""

from __future__ import annotations

import gzip
import io
import posixpath
import tarfile
from collections.abc import Iterator, Mapping

from kubekeep.sources.helm.chart import Chart

_TOP = "chart"


def packed(chart: Chart, added: Mapping[str, bytes]) -> bytes:
    """The chart with all its sub-charts, and `added` by their path in it. Not compressed: it is read once, here."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in (*_files(chart), *added.items()):
            member = tarfile.TarInfo(posixpath.join(_TOP, name))
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return gzip.compress(stream.getvalue(), compresslevel=0, mtime=0)


def _files(chart: Chart) -> Iterator[tuple[str, bytes]]:
    todo = [chart]
    while todo:
        at = todo.pop()
        yield from ((posixpath.join(at.place, name), data) for name, data in at.files.items())
        todo.extend(at.subcharts)
