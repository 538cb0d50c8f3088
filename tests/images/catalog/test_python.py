"""Python: installed distributions against `pip list`, lock files against the installation they describe."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kubekeep.images.catalog import python, python_locks
from kubekeep.images.content import LayerFile
from tests.images.catalog.reading import RECORDED, list_names, read_packages


def test_installed_distributions() -> None:
    """Distributions of this environment; those in `_vendor` are copies within others, which pip does not list."""
    command = [sys.executable, "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"]
    listing = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if listing.returncode:
        pytest.skip("pip is not installed in this environment")
    expected = {(entry["name"].lower().replace("_", "-"), entry["version"]) for entry in json.loads(listing.stdout)}
    actual: set[tuple[str, str]] = set()
    for folder in {Path(entry) for entry in sys.path if entry.endswith("site-packages")}:
        for file in folder.glob("*.dist-info/METADATA"):
            record = python.read(LayerFile(str(file.relative_to("/")), file.read_bytes()))
            assert record is not None
            actual |= list_names(record.packages)
    assert len(expected) > 50
    assert actual == expected


@pytest.mark.parametrize("path", ["uv/uv.lock", "uv/pylock.toml", "uv/requirements.txt", "pipenv/Pipfile.lock"])
def test_lock_files(path: str) -> None:
    listing = json.loads((RECORDED / "locks/uv/list.json").read_text())
    expected = {(entry["name"].replace("-", "."), entry["version"]) for entry in listing}

    packages = read_packages(python_locks, path)

    assert {(name.replace("-", "."), version) for name, version in list_names(packages)} == expected
    assert all(package.declared for package in packages)


def test_poetry_and_pdm() -> None:
    lock = """
[[package]]
name = "Typing_Extensions"
version = "4.11.0"

[[package]]
name = "shop-models"
version = "1.0.0"
[package.source]
type = "directory"
url = "models"

[[package]]
name = "tool"
version = "2.0.0"
[package.source]
type = "git"
url = "https://github.com/kubekeep/kubekeep.git"
"""
    packages = read_packages(python_locks, "poetry.lock", lock)
    assert list_names(packages) == {("typing-extensions", "4.11.0"), ("tool", "2.0.0")}
    assert packages[1].qualifiers == (("vcs_url", "git+https://github.com/kubekeep/kubekeep.git"),)

    lock = '[[package]]\nname = "idna"\nversion = "3.7"\n[[package]]\nname = "own"\nversion = "1"\npath = "./own"\n'
    assert list_names(read_packages(python_locks, "pdm.lock", lock)) == {("idna", "3.7")}


def test_requirements() -> None:
    text = """
# comment
-r other.txt
requests[socks] == 2.31.0 ; python_version >= "3.8"  # reason
idna==3.7 \\
    --hash=sha256:abc
urllib3>=2
six == 1.*
pkg @ https://example.com/pkg.whl
local===1.0+build.1
"""
    expected = {("requests", "2.31.0"), ("idna", "3.7"), ("local", "1.0+build.1")}
    assert list_names(read_packages(python_locks, "requirements.txt", text)) == expected


METADATA = "Metadata-Version: 2.1\nName: Zope.Interface_x\nVersion: 6.4\n"


@pytest.mark.parametrize(
    ("fields", "licences"),
    [
        ("License-Expression: MIT OR Apache-2.0\nLicense: other\n", ("MIT OR Apache-2.0",)),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License\n", ("MIT",)),
        ("License: BSD 2-Clause\nClassifier: License :: OSI Approved :: BSD License\n", ("BSD-2-Clause",)),
        ("License: Apache License, Version 2.0\n", ("Apache-2.0",)),
        ("License: UNKNOWN\n", ()),
        ("License: Dual License\nClassifier: License :: OSI Approved :: MIT License\n", ("MIT",)),
        ("Classifier: License :: OSI Approved :: BSD License\n", ("BSD License",)),
        (
            "License: MIT\nClassifier: License :: MIT License\nClassifier: License :: Apache Software License\n",
            ("MIT", "Apache-2.0"),
        ),
        ("Author: A\n\nLicense: MIT\n", ()),
    ],
)
def test_licences(fields: str, licences: tuple[str, ...]) -> None:
    (package,) = read_packages(python, "a.dist-info/METADATA", METADATA + fields)
    assert (package.type, package.name, package.version) == ("pypi", "zope.interface-x", "6.4")
    assert package.licences == licences


def test_other_metadata() -> None:
    for path in ("a.egg-info", "a.egg-info/PKG-INFO", "a.egg/EGG-INFO/PKG-INFO"):
        assert list_names(read_packages(python, path, METADATA.replace("\n", "\r\n"))) == {("zope.interface-x", "6.4")}
    conda = '{"name": "numpy", "version": "1.26.4", "build": "py311_0", "channel": "https://conda.anaconda.org/conda-forge/linux-64", "subdir": "linux-64", "license": "BSD-3-Clause"}'
    (package,) = read_packages(python, "opt/conda/conda-meta/numpy.json", conda)
    assert package.type == "conda"
    assert package.qualifiers == (("build", "py311_0"), ("channel", "conda-forge"), ("subdir", "linux-64"))
    assert package.licences == ("BSD-3-Clause",)


def test_test_data() -> None:
    """The egg in the tests of setuptools 57 is no installed distribution; a distribution that setuptools uses is one."""
    metadata = b"Metadata-Version: 1.0\nName: my-test-package\nVersion: 1.0\n"
    packages = "opt/venv/lib/python3.11/site-packages"
    egg = "my_test_package-1.0-py3.7.egg/EGG-INFO/PKG-INFO"

    assert (
        python.read(LayerFile(f"{packages}/pkg_resources/tests/data/my-test-package_unpacked-egg/{egg}", metadata))
        is None
    )
    record = python.read(LayerFile(f"{packages}/setuptools/_vendor/zipp-3.19.2.dist-info/METADATA", metadata))
    assert record is not None
    assert list_names(record.packages) == {("my-test-package", "1.0")}
