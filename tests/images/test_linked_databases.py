"""Databases of packages behind symbolic links of an image: links and files in one layer or in several."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from kubekeep.images.content import ImageContent
from kubekeep.images.inspection import inspect_image
from kubekeep.images.options import ImageOptions
from tests.images.building import LayoutBuilder
from tests.images.test_damaged_databases import APK, DPKG, METADATA

RELEASE = {"etc/os-release": 'ID=debian\nVERSION_ID="13"\n'}
STATUS = DPKG.format(name="bash", number=1)
OTHER = DPKG.format(name="tar", number=2)
PACKAGES = "usr/lib/python3/site-packages"
Tree = dict[str, str | tuple[str, str]]
"""Content of files by path; a pair `("link", target)` is a symbolic link, `("pipe", "")` a pipe."""


def pack(tree: Tree) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path, content in tree.items():
            entry = tarfile.TarInfo(path)
            if isinstance(content, tuple):
                entry.type = tarfile.SYMTYPE if content[0] == "link" else tarfile.FIFOTYPE
                entry.linkname = content[1]
                archive.addfile(entry)
            else:
                entry.size = len(content.encode())
                archive.addfile(entry, io.BytesIO(content.encode()))
    return stream.getvalue()


def inspect(folder: Path, *layers: Tree, cache: str = "") -> ImageContent:
    builder = LayoutBuilder(folder / "image")
    builder.write_index([builder.add_image([pack(layer) for layer in layers])])
    return inspect_image(f"oci:{folder / 'image'}", ImageOptions(cache_folder=cache)).content


def list_packages(image: ImageContent) -> list[str]:
    return sorted(package.name for package in image.packages)


LINKED: dict[str, list[Tree]] = {
    "absolute link to a folder": [{**RELEASE, "var/lib/dpkg": ("link", "/data"), "data/status": STATUS}],
    "relative link": [{**RELEASE, "var/lib/dpkg": ("link", "../../data"), "data/status": STATUS}],
    "link above": [{**RELEASE, "var/lib": ("link", "/state"), "state/dpkg/status": STATUS}],
    "chain of links": [
        {
            **RELEASE,
            "var/lib/dpkg": ("link", "/usr/lib/apk/dpkg"),
            "usr/lib/apk": ("link", "/a/./b/.."),
            "a/dpkg/status": STATUS,
        }
    ],
    "link to the file": [{**RELEASE, "var/lib/dpkg/status": ("link", "/data/packages"), "data/packages": STATUS}],
    "link in an upper layer": [{**RELEASE, "data/status": STATUS}, {"var/lib/dpkg": ("link", "/data")}],
    "file in an upper layer": [{**RELEASE, "var/lib/dpkg": ("link", "/data")}, {"data/status": STATUS}],
    "link to the file in an upper layer": [
        {**RELEASE, "data/packages": STATUS},
        {"var/lib/dpkg/status": ("link", "/data/packages")},
    ],
    "newer file in an upper layer": [
        {**RELEASE, "var/lib/dpkg": ("link", "/data"), "data/status": OTHER},
        {"data/status": STATUS},
    ],
    "parts": [{**RELEASE, "var/lib/dpkg/status.d": ("link", "/data"), "var/lib/dpkg/x": "", "data/bash": STATUS}],
    "folder beyond the root": [{**RELEASE, "var/lib/dpkg": ("link", "../../../../data"), "data/status": STATUS}],
}


@pytest.mark.parametrize("name", LINKED)
def test_linked_dpkg_database(name: str, tmp_path: Path) -> None:
    for _ in range(2):
        # The second time, the layers are in the cache.
        image = inspect(tmp_path, *LINKED[name], cache=str(tmp_path / "cache"))
        assert (list_packages(image), image.problems) == (["bash"], ()), name
        assert image.packages[0].namespace == "debian"


def test_linked_apk_database(tmp_path: Path) -> None:
    release = {"etc/os-release": "ID=alpine\nVERSION_ID=3.22\n"}
    apk = APK.format(name="bash", number=1)
    image = inspect(tmp_path, {**release, "lib/apk": ("link", "/srv"), "srv/db/installed": apk})
    assert (list_packages(image), image.problems) == (["bash"], ())


def test_usual_links_between_databases_are_read_once(tmp_path: Path) -> None:
    release = {"etc/os-release": "ID=alpine\nVERSION_ID=3.22\n"}
    apk = APK.format(name="bash", number=1)
    image = inspect(tmp_path, {**release, "lib": ("link", "usr/lib"), "usr/lib/apk/db/installed": apk})
    assert (list_packages(image), image.problems) == (["bash"], ())
    assert [place.path for place in image.packages[0].locations] == ["usr/lib/apk/db/installed"]


def test_linked_metadata_of_python(tmp_path: Path) -> None:
    path = f"{PACKAGES}/shop-1.0.dist-info/METADATA"
    for target, files in (("../../x/data", f"{PACKAGES}/x/data"), ("/srv/data", "srv/data")):
        if target.startswith("."):
            target, files = "../data", f"{PACKAGES}/data"  # noqa: PLW2901 - the folder of the link is dist-info
        image = inspect(tmp_path, {path: ("link", target), files: METADATA.format(name="shop", number=1)})
        assert (list_packages(image), image.problems) == (["shop"], ())
        assert image.packages[0].locations[0].path == path


def test_removed_link_leads_nowhere(tmp_path: Path) -> None:
    lower: Tree = {**RELEASE, "var/lib/dpkg": ("link", "/data"), "data/status": STATUS}
    image = inspect(tmp_path, lower, {"var/lib/.wh.dpkg": ""})
    assert list_packages(image) == []
    assert "no packages of debian were read" in image.problems[0].message


@pytest.mark.parametrize(
    "tree",
    [
        {"var/lib/dpkg": ("link", "/missing")},
        {"var/lib/dpkg": ("link", "dpkg")},
        {"var/lib/dpkg": ("link", "/a"), "a": ("link", "/var/lib/dpkg")},
        {"var/lib/dpkg": ("link", "a/" * 30_000)},
        {"var/lib/dpkg/status": ("link", "status")},
        {"var/lib/dpkg/status": ("pipe", "")},
        {"var/lib/dpkg": ("link", "/data"), "data/status": ("pipe", "")},
        {"var": ("link", "one"), "one/lib": ("link", "/two"), "two/dpkg/status": STATUS},
        {"var/lib/dpkg": ("link", "/data"), "data/status": ("link", "/proc/1/root/var/lib/dpkg/status")},
        {"var/lib/dpkg": ("link", "/data"), "data/status": "Package: bash\n"},
        {"var/lib/dpkg": ("link", "/data"), "data/status": ""},
    ],
)
def test_links_to_nothing_are_problems(tree: Tree, tmp_path: Path) -> None:
    image = inspect(tmp_path, {**RELEASE, **tree})
    assert list_packages(image) == []
    assert image.problems
