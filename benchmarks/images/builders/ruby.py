"""An image with gems of Debian's Ruby and of JRuby, in all the places used by gem and Bundler."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path

from images.builders.debian import install
from images.builders.image import ImageBuild, Row, read, read_packages
from images.builders.java import copy_artifact

JRUBY = "org.jruby:jruby-dist:9.4.9.0:tar.gz:bin"
GEMS = read_packages("ruby", "gems")
VENDORED = read_packages("ruby", "vendored")
USER = read_packages("ruby", "user")
SPECIFICATION = """Gem::Specification.new do |s|
  s.name, s.version, s.platform = "{name}", "{version}", "{platform}"
  s.summary, s.authors, s.files, s.license = "{name}", ["Example"], ["lib/{name}.rb"], "MIT"
  s.add_dependency "rake", ">= 12"
end
"""
LIST_SPECIFICATIONS = 'Gem::Specification.each { |s| puts [s.name, s.version, s.loaded_from].join("\t") }'
"""`gem list` does not print folders, and its plugins fail if a variable excludes the folders of Debian."""


def build_ruby(image: ImageBuild) -> None:
    """Build an image with gems in the system folder, the home folder and `vendor/bundle`, and with JRuby.

    Debian owns its Ruby with the default gems, which may not be listed again. An upper layer uninstalls a gem.
    """
    image.start("bookworm")
    install(image, "ruby", "ruby-rack", "bundler")
    image.commit()
    _install_gems(image, GEMS, "--no-user-install")
    _install_gems(image, USER, "--user-install")
    vendored = "/srv/app/vendor/bundle/ruby/3.1.0"
    _install_gems(image, VENDORED, "--install-dir", vendored)
    jruby = _install_jruby(image)
    image.commit()
    image.run("gem", "uninstall", "--executables", "--ignore-dependencies", "fluentd")
    rows = _list_gems(image, "")
    rows += _list_gems(image, vendored)
    rows += parse_gems(read(str(jruby / "bin/jruby"), "-S", "gem", "list"))
    image.record("gem", rows)


def _install_gems(image: ImageBuild, gems: list[str], *options: str) -> None:
    """Build gems with the Ruby of the image and install them."""
    for gem in gems:
        name, version, platform = (*gem.split(":"), "ruby")[:3]
        image.write(f"build/lib/{name}.rb", "")
        image.write("build/gem.gemspec", SPECIFICATION.format(name=name, version=version, platform=platform))
        image.run("sh", "-c", "cd /build && gem build --quiet gem.gemspec --output out.gem")
        image.run("gem", "install", "--quiet", "--local", "--ignore-dependencies", "--force", "--no-document", *options,
                  "/build/out.gem")  # fmt: skip
        image.run("rm", "-r", "/build")


def _install_jruby(image: ImageBuild) -> Path:
    """Unpack JRuby from Maven Central below `/opt`."""
    copy_artifact(JRUBY, image.bundle / "download")
    with tarfile.open(next((image.bundle / "download").iterdir())) as archive:
        archive.extractall(image.root / "opt", filter="tar")
    return next((image.root / "opt").glob("jruby-*"))


def _list_gems(image: ImageBuild, folder: str) -> list[Row]:
    """Return the gems in the default folders of RubyGems, or in one other, except those of Debian."""
    variables = {"GEM_PATH": folder} if folder else {}
    lines = image.run("ruby", "-e", LIST_SPECIFICATIONS, **variables).splitlines()
    rows = [line.split("\t") for line in lines]
    return [(name, version) for name, version, path in rows if not path.startswith("/usr/")]


def parse_gems(text: str) -> list[Row]:
    """Return the gems of `gem list`: `NAME (VERSION, default: VERSION PLATFORM)`."""
    rows: list[Row] = []
    for line in text.splitlines():
        if match := re.fullmatch(r"(\S+) \((.*)\)", line):
            versions = [part.strip().removeprefix("default: ").split() for part in match[2].split(",")]
            rows += [(match[1], version[0]) for version in versions]
    return rows
