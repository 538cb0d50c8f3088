"""Images with packages of Debian: minimal, with language packages of the distribution, and distroless."""

from __future__ import annotations

import shutil
from pathlib import Path

from images.builders.image import ImageBuild, Row, read, read_packages

PACKAGES = read_packages("debian", "packages")
REMOVED = read_packages("debian", "removed")
"""Removed packages with configuration files left: state `config-files`."""
UNPACKED = "cowsay"
FOREIGN = read_packages("debian", "foreign")
DISTROLESS = (
    ("base-files", "netbase", "tzdata"),
    ("libc6", "libssl3", "openssl", "libgcc-s1", "gcc-12-base", "libstdc++6"),
    ("python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "python3-distutils", "zlib1g", "libexpat1"),
)
"""The packages of each layer of the image without a shell."""
LANGUAGES = ("pypi", "gem", "npm", "maven", "golang", "cargo", "composer")


def install(image: ImageBuild, *packages: str) -> None:
    """Install packages with apt, without services."""
    policy = image.write("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    image.run("apt-get", "update", "-qq")
    image.run(
        "apt-get",
        "install",
        "-qq",
        "-o",
        "Dpkg::Use-Pty=0",
        "-o",
        "Dpkg::Options::=--force-unsafe-io",
        "--no-install-recommends",
        "-y",
        *packages,
    )
    clean(image)
    policy.unlink()


def clean(image: ImageBuild) -> None:
    """Remove the lists and archives of apt."""
    image.run("apt-get", "clean")
    image.run("rm", "-rf", "/var/lib/apt/lists")


def list_dpkg(image: ImageBuild) -> list[Row]:
    """Return the packages with unpacked files, without removed ones with configuration files left."""
    text = image.run("dpkg-query", "-W", "-f", "${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\n")
    rows = [line.split("\t") for line in text.splitlines()]
    return [tuple(row[1:]) for row in rows if row[0] not in ("config-files", "not-installed")]


def build_minimal(image: ImageBuild) -> None:
    """Build a minimal Debian 13."""
    image.start("trixie")
    image.record("deb", list_dpkg(image))


def build_debian(image: ImageBuild) -> None:
    """Build Debian 12 with its packages of seven languages.

    Also a diversion, a foreign architecture, packages removed with their configuration files left, and one that is
    unpacked but not configured. Only six is installed by pip; no other language package may be listed.
    """
    image.start("bookworm")
    image.run("dpkg", "--add-architecture", "i386")
    install(image, *PACKAGES, *FOREIGN, *REMOVED)
    image.commit()
    image.run("apt-get", "remove", "-qq", "-y", *REMOVED)
    image.run("dpkg-divert", "--local", "--rename", "--add", "/usr/bin/rg")
    image.run("apt-get", "update", "-qq")
    image.run("apt-get", "download", "-qq", UNPACKED)
    image.run("sh", "-c", f"dpkg --unpack {UNPACKED}_*.deb && rm {UNPACKED}_*.deb")
    clean(image)
    wheels = image.root / "wheels"
    read("pip", "download", "--quiet", "--no-deps", "--dest", str(wheels), "six==1.17.0")
    image.run("pip", "install", "--quiet", "--break-system-packages", "--root-user-action", "ignore", "--no-index",
              "--find-links", "/wheels", "--force-reinstall", "six==1.17.0")  # fmt: skip
    image.run("rm", "-r", "/wheels")
    image.record("deb", list_dpkg(image))
    for kind in LANGUAGES:
        image.record(kind, [("six", "1.17.0")] if kind == "pypi" else [])


def build_distroless(image: ImageBuild) -> None:
    """Build an image without a shell and without the database of dpkg: each package has a file in `status.d`."""
    helper = ImageBuild(image.folder, f"{image.name}-helper")
    helper.start("bookworm")
    helper.run("apt-get", "update", "-qq")
    image.start()
    rows: list[Row] = []
    for packages in DISTROLESS:
        helper.run("rm", "-rf", "/download")
        helper.run("mkdir", "/download")
        helper.run("sh", "-c", f"cd /download && apt-get download -qq {' '.join(packages)}")
        rows += [_unpack(image, path, helper.bundle / "control") for path in (helper.root / "download").glob("*.deb")]
        image.commit()
    helper.discard()
    image.record("deb", rows)
    image.record("pypi", [])


def _unpack(image: ImageBuild, archive: Path, control: Path) -> Row:
    """Unpack a Debian archive, write its control file and checksums as distroless images have them."""
    read("dpkg-deb", "--extract", str(archive), str(image.root))
    shutil.rmtree(control, ignore_errors=True)
    read("dpkg-deb", "--control", str(archive), str(control))
    text = read("dpkg-deb", "--show", "--showformat", "${Package}\t${Version}\t${Architecture}", str(archive))
    row = tuple(text.split("\t"))
    image.copy(control / "control", f"var/lib/dpkg/status.d/{row[0]}")
    image.copy(control / "md5sums", f"var/lib/dpkg/status.d/{row[0]}.md5sums")
    return row
