"""An image of seven layers with upgrades, removals and new installations of packages in lower layers."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

from images.build import WHITEOUT
from images.builders.debian import clean, install, list_dpkg
from images.builders.go import list_go
from images.builders.image import ImageBuild, Row, read
from images.builders.java import copy_artifact
from images.builders.python import list_pip

SECURITY = "deb http://deb.debian.org/debian-security bookworm-security main\n"
APPLICATION = "srv/app/node_modules"
PIP = ("pip", "install", "--quiet", "--break-system-packages", "--root-user-action", "ignore", "--no-index",
       "--find-links", "/wheels")  # fmt: skip
JARS = {
    "opt/java/text.jar": "org.apache.commons:commons-text:1.9",
    "opt/java/core.jar": "org.springframework:spring-core:5.3.20",
}
NEWER_JAR = "org.apache.commons:commons-text:1.12.0"


def build_mixed(image: ImageBuild) -> None:
    """Build the image, unpack it again, and run the package managers in that root file system."""
    image.start("bookworm")
    install(image, "python3-pip", "python3-requests", "curl", "nano", "git", "libarchive13")
    image.commit()
    image.write("etc/apt/sources.list.d/security.list", SECURITY)
    image.run("apt-get", "update", "-qq")
    image.run("apt-get", "upgrade", "-qq", "-y")
    image.run("apt-get", "purge", "-qq", "-y", "--auto-remove", "nano", "curl")
    clean(image)
    image.commit()
    _install_pip(image, "requests==2.31.0", "flask==3.0.3", "jinja2==3.1.4")
    _install_node(image, "express@4.19.2", "ws@8.17.0", "@types/node@20.14.0")
    _install_go(image, "github.com/mikefarah/yq/v4@v4.44.3")
    for path, coordinates in JARS.items():
        _install_jar(image, path, coordinates)
    image.commit()
    _install_pip(image, "requests==2.32.3", "jinja2==3.1.4", "urllib3==2.2.3")
    image.run("pip", "uninstall", "--quiet", "--yes", "--break-system-packages", "flask")
    _install_node(image, "express@4.21.1")
    _install_go(image, "github.com/yannh/kubeconform/cmd/kubeconform@v0.6.7")
    _install_jar(image, "opt/java/text.jar", NEWER_JAR)
    image.commit()
    install(image, "curl")
    image.run("rm", "-r", "/opt/java", f"/{APPLICATION}/ws")
    _install_jar(image, "opt/java/text.jar", NEWER_JAR)
    image.commit()
    _add_opaque_layer(image)
    _record(image)


def _install_pip(image: ImageBuild, *packages: str) -> None:
    read("pip", "download", "--quiet", "--dest", str(image.root / "wheels"), "--python-version", "3.11",
         "--only-binary", ":all:", *packages)  # fmt: skip
    image.run(*PIP, *packages)
    image.run("rm", "-r", "/wheels")


def _install_node(image: ImageBuild, *packages: str) -> None:
    folder = image.root / APPLICATION
    image.write("srv/app/package.json", (folder.parent / "package.json").read_text()
                if folder.exists() else '{"name": "shop", "version": "1.0.0"}\n')  # fmt: skip
    read("npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", *packages, cwd=folder.parent)


def _install_go(image: ImageBuild, program: str) -> None:
    """Build a program of Go; each has the same path in the image."""
    folder = image.bundle / "go"
    read("nice", "go", "install", "-trimpath", "-ldflags=-s -w", program,
         environment={"CGO_ENABLED": "0", "GOBIN": str(folder)})  # fmt: skip
    built = next(folder.iterdir())
    image.copy(built, "usr/local/bin/tool")
    built.unlink()


def _install_jar(image: ImageBuild, path: str, coordinates: str) -> None:
    copy_artifact(coordinates, image.bundle / "jars")
    built = next((image.bundle / "jars").iterdir())
    image.copy(built, path)
    built.unlink()


def _add_opaque_layer(image: ImageBuild) -> None:
    """Add a layer hiding all packages of npm below it, with one of its own, then unpack the image again."""
    source = image.bundle / "source"
    source.mkdir()
    (source / "package.json").write_text('{"name": "other-shop", "version": "1.0.0"}\n')
    read("npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "koa@2.15.3", cwd=source)
    archive = image.bundle / "opaque.tar"
    with tarfile.open(archive, "w") as file:
        folder = tarfile.TarInfo(APPLICATION)
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        file.addfile(folder)
        file.addfile(tarfile.TarInfo(f"{APPLICATION}/{WHITEOUT}{WHITEOUT}.opq"))
        for path in sorted((source / "node_modules").rglob("*")):
            file.add(path, f"{APPLICATION}/{path.relative_to(source / 'node_modules')}", recursive=False)
        file.add(source / "package.json", "srv/app/package.json")
        file.add(source / "package-lock.json", "srv/app/package-lock.json")
    read("umoci", "raw", "add-layer", "--image", f"{image.layout}:latest", str(archive))
    shutil.rmtree(image.bundle)
    read("umoci", "unpack", "--image", f"{image.layout}:latest", str(image.bundle))


def _record(image: ImageBuild) -> None:
    image.record("deb", list_dpkg(image))
    image.record("pypi", list_pip(image, "pip", "list", "--path", "/usr/local/lib/python3.11/dist-packages"))
    image.record("golang", list_go(image.root / "usr/local/bin/tool"))
    image.record("maven", [("org.apache.commons/commons-text", "1.12.0")])
    image.record("npm", _list_npm(image.root / "srv/app"))


def _list_npm(folder: Path) -> list[Row]:
    """Return the list of npm (`PATH:NAME@VERSION`), without the application."""
    lines = read("npm", "ls", "--all", "--parseable", "--long", cwd=folder).splitlines()[1:]
    packages = [line.split(":")[1].rpartition("@") for line in lines]
    return [(name, version) for name, _, version in packages]
