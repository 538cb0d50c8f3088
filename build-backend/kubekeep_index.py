"""Index of the library in wheels, with byte code of the rules: without it, a scan takes up to three times as long.

The native module of a wheel makes the index from the files in the same wheel. A wheel whose module does not run on this
machine gets the index of another wheel with the same files. Run as a program, it does this for wheels of other platforms.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_INDEX: Final = "kubekeep/library/index.msgpack"
_NATIVE: Final = "kubekeep/_native."
_CANNOT_RUN: Final = 3
_PROGRAM: Final = f"""
import sys
sys.path.insert(0, sys.argv[1])
try:
    import kubekeep._native
except ImportError as error:
    print(error, file=sys.stderr)
    sys.exit({_CANNOT_RUN})
from kubekeep.posture.byte_code import build_index
build_index(sealed=True)
"""


class WheelError(Exception):
    """Wheel that cannot get an index. The message states the reason and the next step."""


def add_index(wheel: Path, source: Path) -> None:
    """Add the index of the wheel `source`, often the same file, to a wheel. Raises WheelError."""
    if wheel != source and _list_files(wheel) != _list_files(source):
        raise WheelError(f"{wheel.name} and {source.name} contain different files: build both from the same sources.")
    _write_index(wheel, _read_index(source) or _make_index(source))


def _list_files(wheel: Path) -> dict[str, bytes]:
    """Return digests of the files that the index depends on, apart from the native module."""
    with zipfile.ZipFile(wheel) as archive:
        return {
            # A checkout on Windows may have other ends of lines.
            name: hashlib.sha256(archive.read(name).replace(b"\r\n", b"\n")).digest()
            for name in archive.namelist()
            if name.startswith("kubekeep/") and not name.startswith(_NATIVE) and name != _INDEX
        }


def _read_index(wheel: Path) -> bytes | None:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(_INDEX) if _INDEX in archive.namelist() else None


def _make_index(wheel: Path) -> bytes:
    """Make the index in an unpacked copy of the wheel."""
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        # The order of sets, which the index contains, depends on the seed.
        environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        process = subprocess.run(
            [sys.executable, "-c", _PROGRAM, folder],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if process.returncode == _CANNOT_RUN:
            raise WheelError(
                f"The native module of {wheel.name} does not run on this machine, but the index of the library is made "
                f"with it. Build a wheel for this machine first and pass it: --config-settings index-wheel=PATH.\n"
                f"{process.stderr}"
            )
        if process.returncode:
            raise WheelError(f"The index of the library cannot be made:\n{process.stderr}")
        return Path(folder, _INDEX).read_bytes()


def _write_index(wheel: Path, index: bytes) -> None:
    """Write the wheel again with the index and a row for it in RECORD."""
    partial = wheel.with_suffix(".part")
    with zipfile.ZipFile(wheel) as archive, zipfile.ZipFile(partial, "w") as target:
        record = next(entry for entry in archive.infolist() if entry.filename.endswith(".dist-info/RECORD"))
        target.writestr(_describe(_INDEX, record), index)
        for entry in archive.infolist():
            if entry.filename not in (_INDEX, record.filename):
                target.writestr(entry, archive.read(entry))
        rows = [row for row in archive.read(record).decode().splitlines() if not row.startswith(f"{_INDEX},")]
        digest = base64.urlsafe_b64encode(hashlib.sha256(index).digest()).rstrip(b"=").decode()
        rows.insert(-1, f"{_INDEX},sha256={digest},{len(index)}")
        target.writestr(record, "\n".join([*rows, ""]))
    partial.replace(wheel)


def _describe(name: str, like: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """Return an entry of the archive with the date, mode and compression of another one."""
    entry = zipfile.ZipInfo(name, like.date_time)
    entry.external_attr = like.external_attr
    entry.compress_type = like.compress_type
    return entry


def main(arguments: Sequence[str] | None = None) -> int:
    """Add the index to the wheels that are named; return 1 if one cannot get it."""
    parser = argparse.ArgumentParser(description="Add the index of the library to wheels.")
    parser.add_argument(
        "source", type=Path, help="wheel of the same sources that has the index or runs on this machine"
    )
    parser.add_argument("wheels", type=Path, nargs="+", metavar="wheel")
    options = parser.parse_args(arguments)
    try:
        for wheel in options.wheels:
            add_index(wheel, options.source)
    except WheelError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
