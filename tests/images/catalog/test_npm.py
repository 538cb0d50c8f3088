"""npm, Yarn, pnpm and Bun: installed packages against `npm ls`, lock files against the installation they describe."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from kubekeep.images.catalog import npm, npm_locks
from kubekeep.images.content import LayerFile
from kubekeep.images.layers import read_folder
from tests.images.catalog.reading import RECORDED, list_names, read_packages

LOCKS = ("npm-1", "npm-2", "npm-3", "yarn-1", "yarn-4", "pnpm-7", "pnpm-8", "pnpm-9", "bun")


@pytest.mark.parametrize("folder", LOCKS)
def test_lock_files(folder: str) -> None:
    """The project has an alias, a scope, nested versions and a workspace; `npm ls --all --json --long` lists 25 packages."""
    expected = {tuple(pair) for pair in json.loads((RECORDED / "locks/packages.json").read_text())}
    name = next(file.name for file in (RECORDED / "locks" / folder).iterdir() if "lock" in file.name)

    packages = read_packages(npm_locks, f"{folder}/{name}")

    assert list_names(packages) == expected
    assert all(package.declared and package.type == "npm" for package in packages)


def test_plug_and_play() -> None:
    expected = {tuple(pair) for pair in json.loads((RECORDED / "locks/packages.json").read_text())}
    packages = read_packages(npm, "yarn-4/.pnp.cjs")
    assert list_names(packages) == expected
    assert not any(package.declared for package in packages)


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_installed_packages_of_npm() -> None:
    """The packages below npm itself, as `npm ls` of the same version lists them."""
    root = subprocess.run(["npm", "root", "-g"], capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    folder = Path(root, "npm")
    listing = subprocess.run(
        ["npm", "ls", "--all", "--json", "--long"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,  # Development dependencies are not part of the release.
        timeout=60,
    ).stdout
    expected: set[tuple[str, str]] = set()
    pending = [json.loads(listing)]
    while pending:
        for package in pending.pop().get("dependencies", {}).values():
            # An entry without a path is missing, and one without dependencies is described elsewhere in the tree.
            if package.get("version") and package.get("path"):
                expected.add((package["name"], package["version"]))
            pending.append(package)
    actual: set[tuple[str, str]] = set()
    for file in folder.glob("node_modules/**/package.json"):
        path = str(file.relative_to(Path(root).parent))
        parent = file.parent.parent
        if parent.name == "node_modules" or (parent.name.startswith("@") and parent.parent.name == "node_modules"):
            record = npm.read(LayerFile(path, file.read_bytes()))
            actual |= list_names(record.packages) if record else set()
    assert len(expected) > 50
    assert actual == expected


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("app/node_modules/next/node_modules/esm/package.json", '{"type": "module"}'),
        ("app/node_modules/a/package.json", '{"name": "a"}'),
        ("app/node_modules/a/package.json", '{"version": "1.0.0"}'),
        ("app/node_modules/a/package.json", '{"name": "", "version": ""}'),
        ("app/node_modules/a/package.json", '{"name": 1, "version": []}'),
        ("app/node_modules/a/test/x/node_modules/b/package.json", '{"name": "b", "version": "1.0.0"}'),
        ("app/node_modules/a/package.json", '{"name": "../../etc", "version": "1.0.0"}'),
        ("app/node_modules/a/package.json", '{"name": "a/b/c", "version": "1.0.0"}'),
        ("app/node_modules/a/package.json", '{"name": "a", "version": "1.0.0\\n"}'.replace("\\n", "\\u0000")),
    ],
)
def test_no_package(path: str, content: str) -> None:
    assert read_packages(npm, path, content) == ()


def test_noise_matches_no_pattern() -> None:
    """Compiled copies of Next.js lie in no folder node_modules, and an application is not a package of a registry."""
    patterns = [pattern for pattern in npm.PATTERNS if pattern.endswith("package.json")]
    assert all("node_modules/" in pattern or "yarn-v" in pattern for pattern in patterns)


@pytest.mark.parametrize(
    ("fields", "licences"),
    [
        ('"license": "MIT"', ("MIT",)),
        ('"license": "(MIT OR Apache-2.0)"', ("(MIT OR Apache-2.0)",)),
        ('"license": {"type": "BSD-3-Clause", "url": "https://example.com"}', ("BSD-3-Clause",)),
        ('"licenses": [{"type": "MIT"}, {"type": "Apache 2.0"}]', ("MIT", "Apache-2.0")),
        ('"license": null', ()),
        ('"license": 7', ()),
        ('"license": "http://www.apache.org/licenses/LICENSE-2.0"', ("Apache-2.0",)),
    ],
)
def test_licences(fields: str, licences: tuple[str, ...]) -> None:
    (package,) = read_packages(
        npm, "node_modules/@a/b/package.json", f'{{"name": "@a/b", "version": "1.0.0", {fields}}}'
    )
    assert (package.namespace, package.name, package.licences) == ("@a", "b", licences)


def test_git_and_file_dependencies() -> None:
    lock = """{"lockfileVersion": 3, "packages": {
        "": {"name": "shop", "version": "1.0.0"},
        "node_modules/a": {"version": "1.0.0", "resolved": "git+ssh://git@github.com/a/a.git#abc"},
        "node_modules/b": {"version": "2.0.0", "resolved": "file:../b.tgz"},
        "node_modules/c": {"resolved": "packages/c", "link": true}}}"""
    (package,) = read_packages(npm_locks, "package-lock.json", lock)
    assert package.qualifiers == (("vcs_url", "git+ssh://git@github.com/a/a.git#abc"),)

    yarn = 'a@^1.0.0, "a@npm:real@2":\n  version "2.0.1"\n\n"b@file:./b":\n  version "1.0.0"\n\n"c@npm:@s/real@2":\n  version "2.1.0"\n'
    assert list_names(read_packages(npm_locks, "yarn.lock", yarn)) == {("a", "2.0.1"), ("@s/real", "2.1.0")}


def test_lock_files_beyond_the_memory_for_a_file(tmp_path: Path) -> None:
    """Files above 8 MiB are in temporary files while their catalogue reads them."""
    packages = {"": {"name": "shop"}, "node_modules/a": {"version": "1.0.0", "description": "x" * (9 << 20)}}
    (tmp_path / "package-lock.json").write_text(json.dumps({"lockfileVersion": 3, "packages": packages}))
    (tmp_path / "requirements.txt").write_text("# comment\n" * (1 << 20) + "flask==3.0.0\n")
    content = read_folder(tmp_path)
    assert content.problems == ()
    assert {package.name for record in content.records for package in record.packages} == {"a", "flask"}
