""".NET, Elixir and Erlang, Dart, Swift, CocoaPods, Conan, R, Julia, Haskell and WordPress, in the forms of their tools."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from kubekeep.images.catalog import beam, conan, dart, dotnet, haskell, julia, r, swift, wordpress
from tests.images.catalog.reading import list_names, read_packages

DEPENDENCIES = """{
  "runtimeTarget": {"name": ".NETCoreApp,Version=v8.0/linux-x64", "signature": ""},
  "targets": {".NETCoreApp,Version=v8.0": {}, ".NETCoreApp,Version=v8.0/linux-x64": {
    "shop/1.0.0": {"runtime": {"shop.dll": {}}},
    "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/8.0.1": {"runtime": {"System.dll": {}}},
    "Newtonsoft.Json/13.0.1": {"runtime": {"lib/net6.0/Newtonsoft.Json.dll": {}}},
    "System.Net.Http/4.3.0": {"dependencies": {"System.Text/4.3.0": "4.3.0"}},
    "SQLite/1.0.0": {"runtimeTargets": {"runtimes/linux-x64/native/x.so": {}}}}},
  "libraries": {
    "shop/1.0.0": {"type": "project"},
    "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/8.0.1": {"type": "runtimepack"},
    "Newtonsoft.Json/13.0.1": {"type": "package", "sha512": "x"},
    "System.Net.Http/4.3.0": {"type": "package"},
    "SQLite/1.0.0": {"type": "package"}}}"""


def test_dotnet() -> None:
    assert list_names(read_packages(dotnet, "app/shop.deps.json", DEPENDENCIES)) == {
        ("Microsoft.NETCore.App.Runtime.linux-x64", "8.0.1"),
        ("Newtonsoft.Json", "13.0.1"),
        ("SQLite", "1.0.0"),
    }
    lock = '{"version": 1, "dependencies": {"net8.0": {"A": {"type": "Direct", "resolved": "1.0.0"}, "own": {"type": "Project"}}}}'
    assert list_names(read_packages(dotnet, "packages.lock.json", lock)) == {("A", "1.0.0")}
    config = '<?xml version="1.0"?><packages><package id="jQuery" version="3.7.0" targetFramework="net48" /></packages>'
    assert list_names(read_packages(dotnet, "packages.config", config)) == {("jQuery", "3.7.0")}


def test_elixir_and_erlang() -> None:
    lock = """%{
  "castore": {:hex, :castore, "1.0.7", "b651241514e5f6956028147fe6637f7ac13802537e895a724f90bf3e36ddd1dd", [:mix], [], "hexpm", "da7785a4b0d2a021cd1292a60875a784b6caef71e76bf4917bdee1f390455cf5"},
  "heroicons": {:git, "https://github.com/tailwindlabs/heroicons.git", "88ab3a0d790e6a47404cba02800a6b25d2afae50", [tag: "v2.1.1", sparse: "optimized", app: false]},
  "renamed": {:hex, :original, "0.1.0", "hash", [:rebar3], [{:other, "~> 1.0", [hex: :other, repo: "hexpm", optional: false]}], "hexpm", "hash"},
}
"""
    assert list_names(read_packages(beam, "mix.lock", lock)) == {
        ("castore", "1.0.7"),
        ("heroicons", "88ab3a0d790e6a47404cba02800a6b25d2afae50"),
        ("original", "0.1.0"),
    }
    lock = """{"1.2.0",
[{<<"cowboy">>,{pkg,<<"cowboy">>,<<"2.9.0">>},0},
 {<<"own">>,{git,"https://github.com/a/own.git",{ref,"abc"}},1}]}.
[{pkg_hash,[{<<"cowboy">>, <<"865DD8B6607E14CF03282E10E934023A1BD8BE6F6BACF921A7E2A96D800CD452">>}]}].
"""
    assert list_names(read_packages(beam, "rebar.lock", lock)) == {("cowboy", "2.9.0"), ("own", "abc")}
    application = """%% comment with "quotes
{application,cowboy,[{description,"Small, fast"},{vsn,"2.9.0"},{modules,[a,'b c']},{env,[{x,<<"y">>}]}]}.
"""
    (package,) = read_packages(beam, "opt/app/lib/cowboy-2.9.0/ebin/cowboy.app", application)
    assert (package.type, package.name, package.version, package.declared) == ("hex", "cowboy", "2.9.0", False)
    (package,) = read_packages(beam, "usr/local/lib/erlang/releases/26/OTP_VERSION", "26.2.1\n")
    assert (package.type, package.name, package.version) == ("generic", "erlang", "26.2.1")


@pytest.mark.skipif(not Path("/usr/lib/erlang/lib").is_dir(), reason="Erlang is not installed")
def test_applications_of_erlang() -> None:
    files = list(Path("/usr/lib/erlang/lib").glob("*/ebin/*.app"))
    assert files
    for file in files:
        assert read_packages(beam, str(file), file.read_bytes()) == ()


def test_dart() -> None:
    lock = """packages:
  http:
    dependency: "direct main"
    description: {name: http, sha256: "abc", url: "https://pub.dev"}
    source: hosted
    version: "1.2.1"
  own:
    dependency: "direct main"
    description: {path: "../own", relative: true}
    source: path
    version: "0.0.1"
  flutter:
    dependency: "direct main"
    description: flutter
    source: sdk
    version: "0.0.0"
sdks:
  dart: ">=3.3.0 <4.0.0"
"""
    assert list_names(read_packages(dart, "pubspec.lock", lock)) == {("http", "1.2.1")}


def test_swift_and_cocoapods() -> None:
    version_1 = '{"object": {"pins": [{"package": "Alamofire", "repositoryURL": "https://github.com/Alamofire/Alamofire.git", "state": {"branch": null, "revision": "abc", "version": "5.4.3"}}]}, "version": 1}'
    version_2 = '{"pins": [{"identity": "swift-nio", "kind": "remoteSourceControl", "location": "git@github.com:apple/swift-nio.git", "state": {"revision": "abc", "version": "2.65.0"}}], "version": 3}'
    assert list_names(read_packages(swift, "Package.resolved", version_1)) == {
        ("github.com/Alamofire/Alamofire", "5.4.3")
    }
    assert list_names(read_packages(swift, "Package.resolved", version_2)) == {("github.com/apple/swift-nio", "2.65.0")}
    pods = """PODS:
  - AFNetworking (4.0.1):
    - AFNetworking/NSURLSession (= 4.0.1)
  - AFNetworking/NSURLSession (4.0.1)
  - Own (0.1.0)
EXTERNAL SOURCES:
  Own:
    :path: "../Own"
COCOAPODS: 1.15.2
"""
    assert list_names(read_packages(swift, "Podfile.lock", pods)) == {("AFNetworking", "4.0.1")}


def test_conan() -> None:
    version_2 = '{"version": "0.5", "requires": ["zlib/1.2.13#97d5730b529b4224045fe7090592d4c1%1692672717.68", "own/1.0@team/stable"], "build_requires": ["cmake/3.25.3#abc%1"]}'
    packages = read_packages(conan, "conan.lock", version_2)
    assert list_names(packages) == {("zlib", "1.2.13"), ("own", "1.0")}
    assert packages[0].qualifiers == (("rrev", "97d5730b529b4224045fe7090592d4c1"),)
    version_1 = '{"graph_lock": {"nodes": {"0": {"ref": "app/1.0", "context": "host"}, "1": {"ref": "zlib/1.2.11#abc", "context": "host"}, "2": {"ref": "cmake/3.1", "context": "build"}}}}'
    assert list_names(read_packages(conan, "conan.lock", version_1)) == {("app", "1.0"), ("zlib", "1.2.11")}
    information = (
        "[settings]\nos=Linux\n[requires]\nzlib/1.Y.Z\n[full_requires]\nzlib/1.2.11:abc\n[options]\nshared=False\n"
    )
    (package,) = read_packages(conan, "p/conaninfo.txt", information)
    assert (package.name, package.version, package.declared) == ("zlib", "1.2.11", False)


def test_r() -> None:
    installed = "Package: curl\nVersion: 5.2.1\nLicense: MIT + file LICENSE\nRepository: CRAN\nMaintainer: Jeroen Ooms <jeroen@berkeley.edu>\nBuilt: R 4.3.3; x86_64-pc-linux-gnu; 2024-03-01; unix\n"
    (package,) = read_packages(r, "usr/local/lib/R/site-library/curl/DESCRIPTION", installed)
    assert (package.type, package.name, package.version, package.licences) == ("cran", "curl", "5.2.1", ("MIT",))
    assert read_packages(r, "src/library/curl/DESCRIPTION", installed.partition("Built")[0]) == ()
    base = "Package: base\nVersion: 4.3.3\nPriority: base\nBuilt: R 4.3.3; ; 2024-03-01; unix\n"
    (package,) = read_packages(r, "usr/lib/R/library/base/DESCRIPTION", base)
    assert (package.type, package.name, package.version) == ("generic", "r", "4.3.3")
    assert read_packages(r, "usr/lib/R/library/stats/DESCRIPTION", base.replace(": base\nV", ": stats\nV")) == ()
    lock = '{"R": {"Version": "4.3.3"}, "Packages": {"curl": {"Package": "curl", "Version": "5.2.1", "Source": "Repository"}}}'
    assert list_names(read_packages(r, "renv.lock", lock)) == {("curl", "5.2.1")}


def test_julia_and_haskell() -> None:
    project = 'name = "JSON"\nuuid = "682c06a0-de6a-54ab-a142-c8b1cf79cde6"\nversion = "0.21.4"\n'
    (package,) = read_packages(julia, "root/.julia/packages/JSON/abcde/Project.toml", project)
    assert (package.type, package.name, package.version) == ("julia", "JSON", "0.21.4")
    manifest = 'julia_version = "1.10.2"\n[[deps.JSON]]\ngit-tree-sha1 = "abc"\nuuid = "u"\nversion = "0.21.4"\n[[deps.Dates]]\nuuid = "v"\n'
    assert list_names(read_packages(julia, "Manifest.toml", manifest)) == {("JSON", "0.21.4")}
    stack = "packages:\n- completed:\n    hackage: acme-missiles-0.3@sha256:abc,613\n    pantry-tree: {size: 1}\n  original:\n    hackage: acme-missiles-0.3\n"
    assert list_names(read_packages(haskell, "stack.yaml.lock", stack)) == {("acme-missiles", "0.3")}
    freeze = (
        "constraints: any.aeson ==2.2.1.0,\n             aeson +ordered-keymap,\n             any.base ==4.18.2.0\n"
    )
    assert list_names(read_packages(haskell, "cabal.project.freeze", freeze)) == {
        ("aeson", "2.2.1.0"),
        ("base", "4.18.2.0"),
    }


def test_wordpress() -> None:
    version = "<?php\n$wp_version = '6.4.2';\n$wp_db_version = 56657;\n"
    assert list_names(read_packages(wordpress, "var/www/wp-includes/version.php", version)) == {("wordpress", "6.4.2")}
    plugin = "<?php\n/**\n * Plugin Name: Akismet\n * Version: 5.3.1\n */\n"
    path = "var/www/wp-content/plugins/akismet/akismet.php"
    assert list_names(read_packages(wordpress, path, plugin)) == {("wordpress/plugins/akismet", "5.3.1")}
    assert read_packages(wordpress, path, "<?php\n// Version: 1.0\n") == ()


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
def test_installed_packages_of_r() -> None:
    script = 'p <- installed.packages(); cat(paste(p[,"LibPath"], p[,"Package"], p[,"Version"]), sep="\\n")'
    listing = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=True, timeout=60).stdout
    for line in listing.splitlines():
        folder, name, version = line.split()
        packages = read_packages(r, f"{folder}/{name}/DESCRIPTION", Path(folder, name, "DESCRIPTION").read_bytes())
        assert not packages or packages[0].version == version
