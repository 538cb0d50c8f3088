"""A wheel of this checkout with its compiled native part and without an index, put together without a compiler."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import tomllib
import zipfile
from pathlib import Path

from kubekeep._native import VERSION
from tests.integrations.samples import ROOT


def build_wheel(folder: Path) -> Path:
    """Write the wheel into the folder and return its path."""
    requirements = [entry for entry in importlib.metadata.requires("kubekeep") or [] if "extra ==" not in entry]
    fields = ["Metadata-Version: 2.4", "Name: kubekeep", f"Version: {VERSION}"]
    fields += [f"Requires-Dist: {entry}" for entry in requirements]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    programs = [f"{program} = {function}" for program, function in project["scripts"].items()]
    fields.append(f"License-Expression: {project['license']}")
    name = f"kubekeep-{VERSION}"
    path = folder / f"{name}-cp311-abi3-linux_x86_64.whl"
    contents = {
        str(file.relative_to(ROOT / "src")): file.read_bytes()
        for file in sorted((ROOT / "src" / "kubekeep").rglob("*"))
        if file.is_file() and not {"__pycache__", "cases", "index.msgpack"} & set(file.parts)
    }
    contents[f"{name}.dist-info/METADATA"] = "\n".join([*fields, ""]).encode()
    contents[f"{name}.dist-info/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp311-abi3-linux_x86_64\n"
    contents[f"{name}.dist-info/entry_points.txt"] = "\n".join(["[console_scripts]", *programs, ""]).encode()
    contents[f"{name}.dist-info/licenses/LICENSE"] = (ROOT / "LICENSE").read_bytes()
    record = f"{name}.dist-info/RECORD"
    lines = [f"{file},sha256={_digest(data)},{len(data)}" for file, data in contents.items()]
    contents[record] = "\n".join([*lines, f"{record},,", ""]).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for file, data in contents.items():
            archive.writestr(file, data)
    return path


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
