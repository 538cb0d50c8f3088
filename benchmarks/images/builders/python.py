"""An image with Python distributions in all the places used by pip, setuptools and venv."""

from __future__ import annotations

import json

from images.builders.debian import install
from images.builders.image import ImageBuild, Row, read, read_packages

SYSTEM = read_packages("python", "system")
USER = read_packages("python", "user")
VENV = read_packages("python", "venv")
TARGET = read_packages("python", "target")
LEGACY = read_packages("python", "legacy")
VENDORED = "/opt/venv/lib/python3.11/site-packages/setuptools/_vendor"
"""The distributions in setuptools. It adds them to the import path."""
PYPROJECT = '[project]\nname = "Shop_Front"\nversion = "1.4"\n[build-system]\nrequires = ["setuptools"]\n'
SETUP = 'from setuptools import setup\nsetup(name="{name}", version="{version}", py_modules=["{name}"])\n'
DISTUTILS = 'from distutils.core import setup\nsetup(name="{name}", version="{version}", py_modules=["{name}"])\n'
QUIET = ("--quiet", "--root-user-action", "ignore", "--disable-pip-version-check", "--no-index")


def build_python(image: ImageBuild) -> None:
    """Build an image with a system pip, a user site, two virtual environments, a target folder, and old metadata."""
    image.start("bookworm")
    install(image, "python3-pip", "python3-venv", "python3-requests")
    image.commit()
    _install(image, ("pip",), "--break-system-packages", SYSTEM)
    _install(image, ("pip",), "--break-system-packages", USER, "--user")
    _install(image, ("pip",), "--break-system-packages", TARGET, "--target", "/app/lib")
    image.run("python3", "-m", "venv", "/opt/venv")
    _install(image, ("/opt/venv/bin/pip",), "--upgrade", VENV)
    image.write("src/shop/pyproject.toml", PYPROJECT)
    image.write("src/shop/shop_front.py", "")
    image.run("/opt/venv/bin/pip", "install", *QUIET, "--no-build-isolation", "--editable", "/src/shop")
    image.commit()
    _install_legacy(image)
    image.commit()
    image.run("/opt/venv/bin/pip", "uninstall", "--quiet", "--yes", "boto3", "vine")
    image.run("sh", "-c", "rm -r /app/lib/jwt /app/lib/PyJWT-*.dist-info")
    image.record("pypi", _list_all(image))


def _install(image: ImageBuild, pip: tuple[str, ...], option: str, packages: list[str], *more: str) -> None:
    """Install distributions with the pip of an image, from wheels downloaded by the pip of this machine."""
    wheels = image.root / "wheels"
    read("pip", "download", "--quiet", "--dest", str(wheels), "--python-version", "3.11", "--only-binary", ":all:",
         *packages)  # fmt: skip
    image.run(*pip, "install", *QUIET, "--find-links", "/wheels", option, *more, *packages)
    image.run("rm", "-r", "/wheels")


def _install_legacy(image: ImageBuild) -> None:
    """Install with an old setuptools: an egg folder, two kinds of `egg-info`, and a link of `setup.py develop`."""
    image.run("python3", "-m", "venv", "/opt/legacy")
    _install(image, ("/opt/legacy/bin/pip",), "--upgrade", LEGACY)
    for name, text, command in (
        ("eggfolder", SETUP, ("install",)),
        ("egginfo", SETUP, ("install", "--single-version-externally-managed", "--record", "/dev/null")),
        ("oldstyle", DISTUTILS, ("install",)),
        ("developed", SETUP, ("develop",)),
    ):
        image.write(f"src/{name}/setup.py", text.format(name=name, version="0.9"))
        image.write(f"src/{name}/{name}.py", "")
        image.run("sh", "-c", f"cd /src/{name} && exec /opt/legacy/bin/python setup.py --quiet {' '.join(command)}",
                  SETUPTOOLS_USE_DISTUTILS="stdlib")  # fmt: skip


def _list_all(image: ImageBuild) -> list[Row]:
    """Return the lists of pip in each place, except the folder of the distribution."""
    commands = [
        ("pip", "list", "--path", "/usr/local/lib/python3.11/dist-packages"),
        ("pip", "list", "--user"),
        ("pip", "list", "--path", "/app/lib"),
        ("/opt/venv/bin/pip", "list"),
        ("/opt/venv/bin/pip", "list", "--path", VENDORED),
        ("/opt/legacy/bin/pip", "list"),
    ]
    return [row for command in commands for row in list_pip(image, *command)]


def list_pip(image: ImageBuild, *command: str) -> list[Row]:
    """Return the distributions in the list of pip."""
    entries = json.loads(image.run(*command, "--format", "json", "--disable-pip-version-check"))
    return [(entry["name"], entry["version"]) for entry in entries]
