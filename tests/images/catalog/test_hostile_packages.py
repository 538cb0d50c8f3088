"""Hostile package metadata: every catalogue ends quickly, with packages, none, or a ValueError that gives the reason."""

from __future__ import annotations

import itertools
import json
import resource
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from kubekeep.images.catalog import (
    beam,
    conan,
    dart,
    dotnet,
    go,
    go_files,
    haskell,
    java,
    julia,
    maven_files,
    npm,
    npm_locks,
    php,
    python,
    python_locks,
    r,
    ruby,
    rust,
    swift,
    wordpress,
)
from kubekeep.images.content import Archive, Executable, LayerFile

SECONDS = 20
"""Limit of processor time for one case. Each needs less than one second; quadratic work would need hours."""
MANY = 200_000
DEEP_JSON = b'{"a":' * MANY
DEEP_LIST = b"[" * MANY
LAUGHS = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>'
YAML_LAUGHS = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n" % (key, key, *[key - 1] * 9) for key in range(98, 110)
)


@pytest.fixture(autouse=True)
def limited_time() -> Iterator[None]:
    """Give the process a limit of processor time, so that a case without end fails the run instead of stopping it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(usage.ru_utime + usage.ru_stime) + SECONDS, hard))
    yield
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


@pytest.mark.parametrize(
    ("module", "path", "content"),
    [
        (npm, "node_modules/a/package.json", DEEP_JSON),
        (npm, "node_modules/a/package.json", b"\xff\xfe\x00"),
        (npm, "node_modules/a/package.json", b""),
        (npm, "node_modules/a/package.json", b"[]"),
        (npm, "node_modules/a/package.json", b" " * (65 * 2**20)),
        (npm, ".pnp.cjs", b"RAW_RUNTIME_STATE = '" + b"\\\\'" * MANY),
        (npm, ".pnp.cjs", b"RAW_RUNTIME_STATE = '" + DEEP_LIST + b"';"),
        (npm_locks, "package-lock.json", DEEP_JSON),
        (npm_locks, "package-lock.json", b'{"packages": []}'),
        (
            npm_locks,
            "package-lock.json",
            b'{"dependencies": ' + b'{"a": {"dependencies": ' * 150 + b"{}" + b"}}" * 150 + b"}",
        ),
        (npm_locks, "pnpm-lock.yaml", b"packages: " + DEEP_LIST),
        (npm_locks, "pnpm-lock.yaml", YAML_LAUGHS),
        (npm_locks, "pnpm-lock.yaml", b"packages:\n\t- x\n"),
        (npm_locks, "pnpm-lock.yaml", b'packages: {"/' + b"@" * MANY + b'": {}}'),
        (npm_locks, "yarn.lock", b"__metadata:\n  version: 8\n" + YAML_LAUGHS),
        (npm_locks, "bun.lock", b'{"packages": ' + DEEP_LIST),
        (npm_locks, "bun.lock", b'"' + b'\\"' * MANY),
        (python, "a.dist-info/METADATA", b"Name: ../../etc/passwd\nVersion: 1\n"),
        (python, "a.dist-info/METADATA", b"Name: a\x00b\nVersion: 1\n"),
        (python, "a.dist-info/METADATA", b"Name: a\nVersion: 1\x1b[2J\n"),
        (python, "a.dist-info/METADATA", b"Name: " + b"a" * MANY + b"\nVersion: 1\n"),
        (python, "conda-meta/a.json", DEEP_JSON),
        (python_locks, "poetry.lock", b"a = " + DEEP_LIST),
        (python_locks, "uv.lock", b"a" + b".a" * MANY + b" = 1\n"),
        (python_locks, "uv.lock", b"[" + b"a." * 190 + b"a]\n" * 10 + b"x"),
        (python_locks, "pylock.toml", b"\xff\xff"),
        (python_locks, "Pipfile.lock", DEEP_JSON),
        (php, "vendor/composer/installed.json", DEEP_LIST),
        (php, "vendor/composer/installed.json", b'{"packages": {"a": 1}}'),
        (dotnet, "a.deps.json", DEEP_JSON),
        (dotnet, "packages.config", LAUGHS),
        (dotnet, "packages.config", LAUGHS.decode().encode("utf-16")),
        (dotnet, "packages.config", b"<a>" * 1000),
        (maven_files, "pom.xml", LAUGHS),
        (rust, "Cargo.lock", b'[[package]]\nname = "a"\nname = "b"\n'),
        (julia, "Manifest.toml", b"a = {" * MANY),
        (beam, "mix.lock", b"%{" * MANY),
        (beam, "mix.lock", b"}"),
        (beam, "mix.lock", b'"' + b"\\\\" * MANY),
        (beam, "rebar.lock", b"{" + b"a," * 3_000_000),
        (beam, "lib/a/ebin/a.app", b"os:cmd(id)."),
        (dart, "pubspec.lock", b"packages: {{{"),
        (swift, "Package.resolved", DEEP_JSON),
        (swift, "Podfile.lock", YAML_LAUGHS),
        (conan, "conan.lock", DEEP_LIST),
        (r, "renv.lock", DEEP_JSON),
        (haskell, "stack.yaml.lock", YAML_LAUGHS),
        (java, "opt/java/release", b'JAVA_VERSION="../../x"\n'),
        (ruby, "specifications/a.gemspec", b"x" * (2 * 2**20)),
    ],
    ids=itertools.count(),
)
def test_unreadable(module: ModuleType, path: str, content: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w") as error:
        module.read(LayerFile(path, content))
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    ("module", "path", "content"),
    [
        (ruby, "specifications/a.gemspec", b"\n" * MANY * 5),
        (ruby, "specifications/a.gemspec", b"  s.name = " * 90_000),
        (ruby, "specifications/a.gemspec", b"s.licenses = [" + b'"a",' * MANY),
        (ruby, "Gemfile.lock", b"GEM\n" + b"    a (1" * MANY),
        (go_files, "go.mod", b"require (\n" + b"a " * MANY),
        (go_files, "go.mod", b"replace =>\nrequire\n)\n("),
        (python, "a.egg-info", b"Classifier: License :: " * 40_000),
        (python, "a.egg-info", b""),
        (python_locks, "requirements.txt", b"a" * 10_000_000),
        (python_locks, "requirements.txt", b"a [" * MANY),
        (npm_locks, "yarn.lock", b'"' * MANY + b"\n" + b"@" * MANY + b':\n  version "1.0.0"\n'),
        (npm_locks, "pnpm-lock.yaml", b'packages: {"/' + b"@" * 900 + b'": {}, 1: []}'),
        (npm_locks, "bun.lock", b'{"packages": {"a": [' + b'",",' * MANY + b"1]}}"),
        (wordpress, "wp-content/plugins/a/a.php", b" * " * MANY),
        (java, "release", b"\n" * MANY),
        (conan, "conan.lock", b'{"requires": ["' + b"/" * MANY + b'", 7, null]}'),
        (dart, "pubspec.lock", b"packages: [1, 2]\n"),
        (swift, "Podfile.lock", b"PODS: [1, {}, [], {1: 2}]\n"),
        (swift, "Package.resolved", b'{"pins": [1, {"location": "' + b":/" * MANY + b'"}]}'),
        (dotnet, "packages.lock.json", b'{"dependencies": {"a": [], "b": {"c": 1, "../d": {"resolved": "1"}}}}'),
        (php, "composer.lock", b'{"packages": [{"name": "../a", "version": "1"}, {"name": 1}]}'),
        (haskell, "cabal.project.freeze", b"any." * MANY),
        (beam, "rebar.lock", b"[[],[[]],{a}]."),
        (maven_files, "gradle.lockfile", b"a:b:$c=x\n:::\n../../x:y:1=z\n"),
        (r, "library/a/DESCRIPTION", b"Package: a b\nVersion: 1\nBuilt: x\n"),
    ],
    ids=itertools.count(),
)
def test_worthless(module: ModuleType, path: str, content: bytes) -> None:
    assert module.read(LayerFile(path, content)) is None


def test_too_many_packages() -> None:
    lock = json.dumps({"packages": [{"name": f"a/b{number}", "version": "1"} for number in range(100_001)]}).encode()
    with pytest.raises(ValueError, match="lists 100001 packages"):
        php.read(LayerFile("vendor/composer/installed.json", lock))


def test_large_lock_file() -> None:
    """A lock file of 50 MB with 60,000 packages."""
    packages = {
        f"node_modules/a{number}": {"version": "1.0.0", "resolved": "x" * 400, "integrity": "y" * 400}
        for number in range(60_000)
    }
    content = json.dumps({"lockfileVersion": 3, "packages": packages}).encode()
    assert len(content) > 50_000_000
    record = npm_locks.read(LayerFile("package-lock.json", content))
    assert record is not None
    assert len(record.packages) == 60_000


@pytest.mark.parametrize(
    "modules",
    [
        "",
        "\t\t\t\n" * MANY,
        "dep\t../../etc\tv1\nmod\t\x1b[2J\tv1\n=>\t/etc\tv1\n",
        "mod\ta\t(devel)\nbuild\t-ldflags=" + "-X main." * MANY,
        "mod\ta\t(devel)\nbuild\t-ldflags=" + "-X" + "a" * 5_000_000,
        "dep\t" + "a" * 5_000_000 + "\tv1\n",
    ],
    ids=itertools.count(),
)
def test_build_information(modules: str) -> None:
    record = go.read_executable(Executable("a", "go1.22.1", modules))
    assert record is not None
    assert {package.name for package in record.packages} <= {"stdlib", "a"}


@pytest.mark.parametrize("content", [DEEP_JSON, b"{", b"\x00"])
def test_auditable_crates(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        rust.read_executable(Executable("a", cargo=content))


ARCHIVES: dict[str, Callable[[], Archive]] = {
    "manifest": lambda: Archive("a-1.0.jar", "", manifest=b"A" * (2 * 2**20)),
    "descriptors": lambda: Archive("a-1.0.jar", "", descriptors=(("META-INF/maven/a/b/pom.properties", b""),) * 6_000),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_beyond_limits(name: str) -> None:
    assert java.read_archives([ARCHIVES[name]()]) == []


@pytest.mark.parametrize(
    "archive",
    [
        Archive("..-1.0.jar", ""),
        Archive("-" * 5000 + "1.jar", ""),
        Archive("a" + "-1.1" * 100 + "x.jar", ""),
        Archive("a.jar", "", manifest=b"Implementation-Version: \x1b[2J\nImplementation-Title: ../../x\n"),
        Archive(
            "a.jar", "", descriptors=(("META-INF/maven/a/b/pom.properties", b"groupId=../..\nartifactId=a\nversion=1"),)
        ),
        Archive(
            "a.jar", "", descriptors=(("META-INF/maven/a/b/pom.properties", b"groupId=${g}\nartifactId=a\nversion=1"),)
        ),
        Archive("a.jar", "", descriptors=(("META-INF/maven/a/b/pom.xml", LAUGHS),)),
        Archive("a.jar", "", manifest=b"\n " * MANY),
        Archive("a.jar", "", folders=tuple((f"a/b/c{number}", 1) for number in range(MANY))),
    ],
    ids=itertools.count(),
)
def test_worthless_archives(archive: Archive) -> None:
    records = java.read_archives([archive])
    assert all(
        package.name.isprintable() and ".." not in package.name for record in records for package in record.packages
    )
    assert not any(package.namespace for record in records for package in record.packages)


def test_many_archives_of_one_version() -> None:
    archives = [Archive(f"lib/a{number}-1.0.jar", "", folders=(("x", 1),)) for number in range(20_000)]
    assert len(java.read_archives(archives)) == 20_000
