"""The index in wheels belongs to the files in them, is used by scans, and is the same for equal files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import kubekeep_index
import pytest
from kubekeep_index import WheelError, add_index

from tests.integrations.samples import PRIVILEGED
from tests.integrations.wheel import build_wheel

INDEX = "kubekeep/library/index.msgpack"
RULE = "kubekeep/library/lib/quantity.rego"
NATIVE = "kubekeep/_native.abi3.so"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel without an index."""
    return build_wheel(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def indexed(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the same wheel with an index."""
    wheel = Path(shutil.copy(plain, tmp_path_factory.mktemp("indexed")))
    add_index(wheel, wheel)
    return wheel


def replace(wheel: Path, folder: Path, contents: dict[str, bytes]) -> Path:
    """Write a copy of a wheel with other contents of some files."""
    copy = folder / wheel.name
    with zipfile.ZipFile(wheel) as archive, zipfile.ZipFile(copy, "w") as changed:
        for entry in archive.infolist():
            changed.writestr(entry, contents.get(entry.filename) or archive.read(entry))
    return copy


def read_file(wheel: Path, name: str) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(name)


def scan(wheel: Path, folder: Path) -> str:
    """Return the debug messages of a scan with the files of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "unpacked")
    (folder / "pod.yaml").write_text(PRIVILEGED)
    process = subprocess.run(
        [sys.executable, "-m", "kubekeep", "scan", folder / "pod.yaml", "--debug"],
        cwd=folder / "unpacked",
        env=os.environ | {"PYTHONPATH": str(folder / "unpacked")},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return process.stderr


def test_scan_uses_the_index(indexed: Path, tmp_path: Path) -> None:
    assert "no index" not in scan(indexed, tmp_path)


def test_scan_without_an_index_says_so_in_debug_messages(plain: Path, tmp_path: Path) -> None:
    assert "no index for the present files of the library: rules are interpreted" in scan(plain, tmp_path)


def test_index_is_in_the_record(indexed: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*command, "--target", str(tmp_path), str(indexed)], check=True, timeout=120)
    assert (tmp_path / INDEX).read_bytes() == read_file(indexed, INDEX)
    with zipfile.ZipFile(indexed) as archive:
        names = archive.namelist()
        record = next(name for name in names if name.endswith("/RECORD"))
        rows = archive.read(record).decode().splitlines()
    assert sorted(row.split(",")[0] for row in rows) == sorted(names)


def test_equal_files_give_equal_wheels(plain: Path, indexed: Path, tmp_path: Path) -> None:
    again = Path(shutil.copy(plain, tmp_path))
    add_index(again, again)
    assert again.read_bytes() == indexed.read_bytes()


def test_wheel_of_another_platform_gets_the_index_of_equal_files(plain: Path, indexed: Path, tmp_path: Path) -> None:
    text = read_file(plain, RULE)
    contents = {NATIVE: b"a module for another processor", RULE: text.replace(b"\n", b"\r\n")}
    other = replace(plain, tmp_path, contents)
    add_index(other, indexed)
    assert read_file(other, INDEX) == read_file(indexed, INDEX)


def test_wheel_never_gets_the_index_of_other_files(plain: Path, indexed: Path, tmp_path: Path) -> None:
    changed = replace(plain, tmp_path, {RULE: read_file(plain, RULE) + b"\n# changed\n"})
    with pytest.raises(WheelError, match="contain different files: build both from the same sources"):
        add_index(changed, indexed)
    assert INDEX not in zipfile.ZipFile(changed).namelist()


def test_module_that_does_not_run_is_an_error(plain: Path, tmp_path: Path) -> None:
    wheel = replace(plain, tmp_path, {NATIVE: b"a module for another processor"})
    content = wheel.read_bytes()
    with pytest.raises(WheelError, match=r"does not run on this machine.*--config-settings index-wheel=PATH"):
        add_index(wheel, wheel)
    assert wheel.read_bytes() == content


def test_rule_that_does_not_compile_is_an_error(plain: Path, tmp_path: Path) -> None:
    wheel = replace(plain, tmp_path, {RULE: b"package kubekeep.lib.quantity\n\nbroken :=\n"})
    with pytest.raises(WheelError, match="cannot be made"):
        add_index(wheel, wheel)


def test_program_adds_the_index_to_wheels(plain: Path, indexed: Path, tmp_path: Path) -> None:
    wheel = replace(plain, tmp_path, {NATIVE: b"a module for another processor"})
    assert kubekeep_index.main([str(wheel), str(wheel)]) == 1
    assert kubekeep_index.main([str(indexed), str(wheel)]) == 0
    assert read_file(wheel, INDEX) == read_file(indexed, INDEX)
