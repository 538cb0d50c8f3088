"""Damaged package databases: no package may be lost without a problem, which makes the image incomplete.

A change that leaves well-formed records is no damage: the number of packages is then the same.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from kubekeep.images.content import ContentProblem, ImageContent
from kubekeep.images.layers import read_folder
from kubekeep.images.merge import merge

CASES: Final = 250
"""Damaged databases of each kind; with four kinds and the other tests there are more than a thousand."""
NAMES: Final = ("bash", "libc6", "openssl", "zlib1g", "tar", "curl", "perl-base", "libstdc6")
DPKG: Final = """Package: {name}
Status: install ok installed
Priority: required
Section: admin
Installed-Size: 7164
Maintainer: Example Maintainers <packages@example.org>
Architecture: amd64
Version: 1:{number}.2.37-2+b5
Depends: base-files (>= 2.1.12), debianutils (>= 5.6-0.1)
Conffiles:
 /etc/{name}.conf 89269e1298235f1b12b4c16e4065ad0d
Description: package {name}
 A longer text about the package {name}.
 .
 With two paragraphs: the second one.
Homepage: https://example.org/{name}

"""
APK: Final = """C:Q1Zm9vYmFyYmF6cXV4MTIzNDU2Nzg=
P:{name}
V:{number}.36.1-r20
A:x86_64
S:510054
I:962560
T:package {name}
U:https://example.org/{name}
L:GPL-2.0-only
o:{name}
m:Example <packages@example.org>
t:1700000000
D:so:libc.musl-x86_64.so.1
p:cmd:{name}={number}
F:bin
R:{name}
a:0:0:755
Z:Q1pcfTfDNEbNKQc2s1tia7da05M8Q=

"""
OPKG: Final = """Package: {name}
Version: {number}.36.1-5
Depends: libc
Provides: {name}-full
Status: install user installed
Architecture: mips_24kc
Conffiles:
 /etc/{name}.conf 89269e1298235f1b12b4c16e4065ad0d
Installed-Time: 1732000000

"""
PACMAN: Final = """%NAME%
{name}

%VERSION%
{number}:5.2.037-1

%BASE%
{name}

%DESC%
Package {name}: text

%URL%


%ARCH%
x86_64

%BUILDDATE%
1796140963

%PACKAGER%
Example <packages@example.org>

%SIZE%
3

%LICENSE%
GPL-3.0-or-later
MIT

%VALIDATION%
pgp

%DEPENDS%
glibc>=2.3
sh

"""
METADATA: Final = "Metadata-Version: 2.1\nName: {name}\nVersion: {number}.0\nSummary: package\nLicense: MIT\n\nText.\n"
RELEASES: Final = {
    "dpkg": ("debian", "var/lib/dpkg/status", DPKG),
    "apk": ("alpine", "lib/apk/db/installed", APK),
    "apk in usr": ("wolfi", "usr/lib/apk/db/installed", APK),
    "opkg": ("openwrt", "usr/lib/opkg/status", OPKG),
    "pacman": ("arch", "var/lib/pacman/local/{name}-{number}:5.2.037-1/desc", PACMAN),
    "parts": ("debian", "var/lib/dpkg/status.d/", DPKG.replace("Status: install ok installed\n", "")),
    "python": ("", "usr/lib/python3/site-packages/{name}-{number}.0.dist-info/METADATA", METADATA),
}


def write_tree(root: Path, kind: str) -> list[Path]:
    """Write a system with packages; return the files of its database."""
    distribution, path, template = RELEASES[kind]
    if distribution:
        (root / "etc").mkdir(parents=True)
        (root / "etc/os-release").write_text(f'ID={distribution}\nVERSION_ID="13"\n')
    records = {name: template.format(name=name, number=number) for number, name in enumerate(NAMES, start=1)}
    if kind in ("pacman", "parts", "python"):
        files = []
        for number, (name, text) in enumerate(records.items(), start=1):
            files.append(root / (f"{path}{name}" if kind == "parts" else path.format(name=name, number=number)))
            files[-1].parent.mkdir(parents=True, exist_ok=True)
            files[-1].write_text(text)
            if kind == "pacman":
                (files[-1].parent / "files").write_text(f"%FILES%\nusr/\nusr/bin/\nusr/bin/{name}\n\n")
        return files
    file = root / path
    file.parent.mkdir(parents=True)
    file.write_text("".join(records.values()))
    if kind in ("dpkg", "opkg"):
        (file.parent / "info").mkdir()
        for name in NAMES:
            (file.parent / "info" / f"{name}.list").write_text(f"/.\n/usr\n/usr/bin\n/usr/bin/{name}\n")
    return [file]


def inspect(root: Path) -> ImageContent:
    return merge((read_folder(root),))


Damage = Callable[[bytes, random.Random], bytes]


def cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def remove_middle(content: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(content))
    return content[:start] + content[start + chance.randrange(1, 400) :]


def overwrite(content: bytes, chance: random.Random) -> bytes:
    start, size = chance.randrange(len(content)), chance.choice((1, 8, 64, 512))
    return content[:start] + chance.randbytes(size) + content[start + size :]


def overwrite_with_zeros(content: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(content)) // 512 * 512
    return content[:start] + bytes(512) + content[start + 512 :]


def drop_line(content: bytes, chance: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    del lines[chance.randrange(len(lines))]
    return b"".join(lines)


def change_field(content: bytes, chance: random.Random) -> bytes:
    """Damage the name of a field or the start of its value."""
    lines = content.splitlines(keepends=True)
    number = chance.randrange(len(lines))
    name, colon, value = lines[number].partition(b":")
    lines[number] = chance.choice(
        (name[1:] + colon + value, name + value, name + colon + b" \n", b"\x00" + lines[number])
    )
    return b"".join(lines)


def encode(content: bytes, chance: random.Random) -> bytes:
    text = content.decode()
    return chance.choice((text.encode("utf-16"), text.encode("utf-32"), text.replace("\n", "\r\n").encode(), b""))


DAMAGES: Final[tuple[Damage, ...]] = (
    *(cut, remove_middle, overwrite, overwrite_with_zeros, drop_line, change_field, encode),
    lambda content, chance: chance.randbytes(len(content)),
)


@pytest.mark.parametrize("kind", RELEASES)
def test_no_package_is_lost_in_silence(kind: str, tmp_path: Path) -> None:
    chance = random.Random(kind)
    files = write_tree(tmp_path, kind)
    contents = {file: file.read_bytes() for file in files}
    whole = inspect(tmp_path)
    assert (len(whole.packages), whole.problems) == (len(NAMES), ())
    losses = []
    for number in range(CASES):
        damage = DAMAGES[number % len(DAMAGES)]
        file = chance.choice(files)
        damaged = damage(contents[file], chance)
        file.write_bytes(damaged)
        image = inspect(tmp_path)
        if len(image.packages) < len(NAMES) and not image.problems:
            losses.append((getattr(damage, "__name__", "random"), len(image.packages), damaged[-200:]))
        file.write_bytes(contents[file])
    # A cut between two records leaves a well-formed database; only dpkg has lists of files to compare with.
    assert [loss for loss in losses if not (kind.startswith("apk") and loss[2].endswith(b"\n\n"))] == []


@pytest.mark.parametrize("kind", ["dpkg", "opkg", "apk", "apk in usr"])
def test_well_formed_changes_are_no_damage(kind: str, tmp_path: Path) -> None:
    (file,) = write_tree(tmp_path, kind)
    text = file.read_text()
    changes = [
        text.replace("1:1.2.37", "1:9.2.37").replace("V:1.36", "V:9.36").replace("Version: 1.36", "Version: 9.36"),
        text.replace("package bash", "Paket mit Umläuten"),
        text.replace("\n", "\r\n"),
        text + "\n\n",
        "\ufeff" + text,
    ]
    for change in changes:
        file.write_text(change)
        image = inspect(tmp_path)
        assert (len(image.packages), image.problems) == (len(NAMES), ()), change[:200]


def replace_by_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def replace_by_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def replace_by_dangling_link(file: Path) -> None:
    file.unlink()
    file.symlink_to("missing")


def remove_folder(file: Path) -> None:
    shutil.rmtree(file.parent)


def move_behind_link(file: Path) -> None:
    target = file.parents[len(file.parts) - 1 - file.parts.index("root")] / "data"
    file.parent.rename(target)
    file.parent.symlink_to(os.path.relpath(target, file.parent.parent))


@pytest.mark.parametrize("kind", ["dpkg", "opkg", "apk", "apk in usr"])
@pytest.mark.parametrize(
    "replace", [replace_by_folder, replace_by_pipe, replace_by_dangling_link, remove_folder, move_behind_link]
)
def test_missing_database(replace: Callable[[Path], None], kind: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (file,) = write_tree(root, kind)
    replace(file)
    image = inspect(root)
    assert image.problems or len(image.packages) == len(NAMES)


def test_lists_of_files_show_a_cut_between_records(tmp_path: Path) -> None:
    (file,) = write_tree(tmp_path, "dpkg")
    file.write_text(file.read_text().partition("Package: tar\n")[0])
    (problem,) = inspect(tmp_path).problems
    assert problem == ContentProblem(
        "var/lib/dpkg/status",
        "packages may be missing: var/lib/dpkg/info has the files of curl and 3 others, the status none",
    )


def test_removed_packages_keep_their_lists_of_files(tmp_path: Path) -> None:
    (file,) = write_tree(tmp_path, "dpkg")
    text = file.read_text().replace("install ok installed", "deinstall ok config-files", 1)
    file.write_text(text + "Package: old\nStatus: purge ok not-installed\nPriority: optional\n\n")
    image = inspect(tmp_path)
    assert (len(image.packages), image.problems) == (len(NAMES) - 1, ())


def test_messages_name_the_first_record(tmp_path: Path) -> None:
    (file,) = write_tree(tmp_path, "dpkg")
    file.write_text(
        file.read_text().replace("Package: libc6", "Package: Lib C").replace("Version: 1:3", "Version: 1 3")
    )
    (problem,) = inspect(tmp_path).problems
    assert problem.message == "packages may be missing: 2 records are damaged: record 2 has no valid name"
    assert len(inspect(tmp_path).packages) == len(NAMES) - 2


@pytest.mark.parametrize("replace", [replace_by_pipe, replace_by_dangling_link, lambda file: file.write_text("")])
def test_metadata_of_python(replace: Callable[[Path], None], tmp_path: Path) -> None:
    replace(write_tree(tmp_path, "python")[3])
    (problem,) = inspect(tmp_path).problems
    assert problem.path.endswith("zlib1g-4.0.dist-info/METADATA")


def test_metadata_that_is_linked_to_a_cache(tmp_path: Path) -> None:
    file = write_tree(tmp_path, "python")[3]
    target = tmp_path / "cache" / "0123" / file.parent.name / "METADATA"
    target.parent.mkdir(parents=True)
    file.rename(target)
    file.symlink_to(os.path.relpath(target, file.parent))
    image = inspect(tmp_path)
    assert (len(image.packages), image.problems) == (len(NAMES), ())


UNSUPPORTED: Final = {
    "Portage": "var/db/pkg/app-shells/bash-5.2/PF",
    "Nix": f"nix/store/{'a' * 32}-bash-5.2/bin/bash",
    "XBPS": "var/db/xbps/pkgdb-0.38.plist",
    "Chisel": "var/lib/chisel/manifest.wall",
}


@pytest.mark.parametrize(("name", "path"), UNSUPPORTED.items())
def test_managers_without_support_are_named(name: str, path: str, tmp_path: Path) -> None:
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text("bash\n")
    (problem,) = inspect(tmp_path).problems
    assert problem.message == f"packages of {name} are not read: its database is not supported"


def test_log_of_sqlite(tmp_path: Path) -> None:
    folder = tmp_path / "usr/lib/sysimage/rpm"
    folder.mkdir(parents=True)
    connection = sqlite3.connect(folder / "rpmdb.sqlite")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB)")
    connection.commit()
    assert any("rpmdb.sqlite-wal" in problem.path for problem in inspect(tmp_path).problems)
    connection.close()
