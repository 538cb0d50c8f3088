"""Ruby and PHP: installed gems against `gem list`, installed packages against `composer show`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kubekeep.images.catalog import php, ruby
from kubekeep.images.content import LayerFile
from tests.images.catalog.reading import list_names, read_packages


@pytest.mark.skipif(shutil.which("gem") is None, reason="Ruby is not installed")
def test_installed_gems() -> None:
    listing = subprocess.run(["gem", "list", "--local"], capture_output=True, text=True, check=True, timeout=60).stdout
    expected = set()
    for name, versions in re.findall(r"(?m)^(\S+) \((.*)\)$", listing):
        for version in versions.removeprefix("default: ").replace("default: ", "").split(", "):
            expected.add((name, version.split(" ")[0]))
    paths = subprocess.run(["gem", "env", "gempath"], capture_output=True, text=True, check=True, timeout=60).stdout
    actual: set[tuple[str, str]] = set()
    for folder in paths.strip().split(":"):
        for file in (
            *Path(folder).glob("specifications/*.gemspec"),
            *Path(folder).glob("specifications/default/*.gemspec"),
        ):
            record = ruby.read(LayerFile(str(file).lstrip("/"), file.read_bytes()))
            actual |= list_names(record.packages) if record else set()
    assert len(expected) > 30
    assert actual == expected


STUB = """# -*- encoding: utf-8 -*-
# stub: nokogiri 1.16.5 x86_64-linux lib

Gem::Specification.new do |s|
  s.name = "nokogiri".freeze
  s.version = "1.16.5"
  s.platform = "x86_64-linux".freeze
  s.authors = ["Mike Dalessio".freeze, "Aaron Patterson".freeze]
  s.licenses = ["MIT".freeze]
end
"""


def test_specification() -> None:
    (package,) = read_packages(ruby, "specifications/nokogiri-1.16.5-x86_64-linux.gemspec", STUB)
    assert (package.type, package.name, package.version) == ("gem", "nokogiri", "1.16.5")
    assert package.qualifiers == (("platform", "x86_64-linux"),)
    assert (package.licences, package.supplier) == (("MIT",), "Mike Dalessio, Aaron Patterson")


@pytest.mark.parametrize(
    "text",
    [
        'Gem::Specification.new do |s|\n  s.name = "a"\n  s.version = A::VERSION\nend\n',
        'Gem::Specification.new do |s|\n  s.name = "a#{1}"\n  s.version = "1.0"\nend\n',
        'Gem::Specification.new do |s|\n  s.name = `id`\n  s.version = "1.0"\nend\n',
    ],
)
def test_computed_specification(text: str) -> None:
    assert read_packages(ruby, "bundler/gems/a-1/a.gemspec", text) == ()


def test_lock_file() -> None:
    lock = """GIT
  remote: https://github.com/rack/rack.git
  revision: abc
  specs:
    rack (3.0.0)

PATH
  remote: .
  specs:
    shop (1.0.0)

GEM
  remote: https://rubygems.org/
  specs:
    nokogiri (1.16.5-x86_64-linux)
      racc (~> 1.4)
    racc (1.8.0)

PLATFORMS
  x86_64-linux

DEPENDENCIES
  nokogiri

BUNDLED WITH
   2.5.10
"""
    packages = read_packages(ruby, "Gemfile.lock", lock)
    assert list_names(packages) == {("rack", "3.0.0"), ("nokogiri", "1.16.5"), ("racc", "1.8.0")}
    assert packages[0].qualifiers == (("vcs_url", "git+https://github.com/rack/rack.git@abc"),)


@pytest.mark.skipif(shutil.which("composer") is None, reason="Composer is not installed")
def test_installed_by_composer(tmp_path: Path) -> None:
    for name, version in (("acme/log", "1.2.3"), ("Acme/Http", "v2.0.0")):
        folder = tmp_path / name.replace("/", "-")
        folder.mkdir()
        (folder / "composer.json").write_text(
            json.dumps({"name": name.lower(), "version": version, "license": ["MIT", "GPL-2.0"]})
        )
    project = {
        "name": "acme/shop",
        "require": {"acme/log": "*", "acme/http": "*"},
        "repositories": [
            {"packagist.org": False},
            {"type": "path", "url": "./acme-log"},
            {"type": "path", "url": "./Acme-Http"},
        ],
    }
    (tmp_path / "composer.json").write_text(json.dumps(project))
    environment = {"COMPOSER_ALLOW_SUPERUSER": "1", "HOME": str(tmp_path), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    options = ["--no-interaction", "--no-plugins", "--quiet"]
    subprocess.run(["composer", "install", *options], cwd=tmp_path, env=environment, check=True, timeout=60)
    command = ["composer", "show", "--format=json", "--no-interaction", "--no-plugins"]
    listing = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    expected = {(entry["name"], entry["version"]) for entry in json.loads(listing.stdout)["installed"]}

    packages = read_packages(
        php, "vendor/composer/installed.json", (tmp_path / "vendor/composer/installed.json").read_text()
    )
    assert list_names(packages) == expected == {("acme/log", "1.2.3"), ("acme/http", "v2.0.0")}
    assert packages[0].licences == ("MIT OR GPL-2.0-only",)
    assert list_names(read_packages(php, "composer.lock", (tmp_path / "composer.lock").read_text())) == expected


def test_installed_by_composer_1() -> None:
    content = '[{"name": "monolog/monolog", "version": "1.2.3", "license": ["MIT"], "authors": [{"name": "A"}]}, {"name": "x"}]'
    (package,) = read_packages(php, "vendor/composer/installed.json", content)
    assert (package.namespace, package.name, package.supplier) == ("monolog", "monolog", "A")
