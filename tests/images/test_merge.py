"""Merging of layers: whiteouts, databases in several layers, origin of packages, owned files."""

from __future__ import annotations

import pytest

from kubekeep.images.content import CatalogRecord, ImageContent, LayerContent
from kubekeep.images.merge import merge
from kubekeep.model.package import Package, PackageLocation
from tests.images.tar_layers import add_records, build_layer

RELEASE = {"etc/os-release": 'ID=debian\nVERSION_ID="13"\n'}
STATUS = "var/lib/dpkg/status"


def status(*packages: str) -> str:
    """Return a status file with packages such as `bash 5.2`."""
    pairs = (package.split(" ") for package in packages)
    return "\n".join(
        f"Package: {name}\nStatus: install ok installed\nVersion: {version}\nArchitecture: amd64\n"
        for name, version in pairs
    )


def npm(path: str, name: str, version: str, *, declared: bool = False) -> CatalogRecord:
    return CatalogRecord(path, "npm", (Package(type="npm", name=name, version=version, declared=declared),))


def list_names(image: ImageContent, kind: str = "deb") -> list[str]:
    return [f"{package.name} {package.version}" for package in image.packages if package.type == kind]


def list_origins(image: ImageContent, layers: list[LayerContent]) -> dict[str, list[int]]:
    """Return the numbers of the layers of each package."""
    numbers = {layer.diff_id: number for number, layer in enumerate(layers)}
    return {package.name: [numbers[place.layer] for place in package.locations] for package in image.packages}


def test_packages_keep_the_lowest_layer() -> None:
    layers = [
        build_layer(RELEASE | {STATUS: status("bash 1", "curl 1", "tar 1")}),
        build_layer({STATUS: status("bash 1", "curl 2", "tar 1", "vim 1")}),
        build_layer({STATUS: status("bash 1", "curl 2", "vim 1", "zip 1")}),
    ]
    image = merge(layers)
    assert list_names(image) == ["bash 1", "curl 2", "vim 1", "zip 1"]
    assert list_origins(image, layers) == {"bash": [0], "curl": [1], "vim": [1], "zip": [2]}
    assert all(package.namespace == "debian" for package in image.packages)


def test_package_that_was_removed_and_installed_again() -> None:
    contents = (["a 1", "b 1"], ["a 1"], ["a 1", "b 1"])
    layers = [build_layer({STATUS: status(*names), f"x/{number}": ""}) for number, names in enumerate(contents)]
    assert list_origins(merge(layers), layers) == {"a": [0], "b": [2]}


@pytest.mark.parametrize(
    "upper",
    [
        {"var/lib/dpkg/.wh.status": ""},
        {"var/lib/.wh.dpkg": ""},
        {".wh.var": ""},
        {"var/lib/dpkg/.wh..wh..opq": ""},
        {"var/.wh..wh..opq": ""},
        {"var/lib/dpkg": "a file"},
        {"var/lib/dpkg/status": ""},
        {"var/lib/dpkg/status/nested": "a folder now"},
    ],
)
def test_hidden_database(upper: dict[str, str]) -> None:
    layers = [build_layer(RELEASE | {STATUS: status("bash 1")}), build_layer(upper)]
    assert list_names(merge(layers)) == []
    assert merge(layers).distribution.id == "debian"


@pytest.mark.parametrize(
    "upper",
    [
        {"var/lib/dpkg/.wh.status-old": ""},
        {"var/lib/dpkg2": ""},
        {"var/lib/.wh..wh..opq": "", STATUS: status("bash 1")},
        {"var/lib/dpkg/status-old": ""},
    ],
)
def test_visible_database(upper: dict[str, str]) -> None:
    layers = [build_layer(RELEASE | {STATUS: status("bash 1")}), build_layer(upper)]
    assert list_names(merge(layers)) == ["bash 1"]


def test_file_in_a_folder_that_was_a_file() -> None:
    layers = [
        build_layer(RELEASE | {"var/lib/dpkg": "a file"}),
        build_layer({STATUS: status("bash 1")}),
        build_layer({"var/lib/dpkg/other": ""}),
    ]
    assert list_origins(merge(layers), layers) == {"bash": [1]}


def test_whiteouts_hide_only_lower_layers() -> None:
    layers = [
        build_layer({STATUS: status("bash 1")}),
        build_layer({"var/.wh..wh..opq": "", STATUS: status("bash 1", "zip 1")}),
    ]
    assert list_origins(merge(layers), layers) == {"bash": [1], "zip": [1]}


def test_distroless_parts_add_up() -> None:
    part = "Package: {0}\nVersion: 1\nArchitecture: amd64\nDepends: libc6, tzdata | zoneinfo\n"
    layers = [
        build_layer(RELEASE | {f"var/lib/dpkg/status.d/{name}": part.format(name)})
        for name in ("libc6", "tzdata", "base-files")
    ]
    image = merge(layers)
    assert list_origins(image, layers) == {"libc6": [0], "tzdata": [1], "base-files": [2]}
    base = next(package for package in image.packages if package.name == "base-files")
    assert [url.partition("@")[0] for url in base.dependencies] == ["pkg:deb/debian/libc6", "pkg:deb/debian/tzdata"]


def test_dependencies_of_the_same_architecture() -> None:
    text = "Package: {0}\nStatus: install ok installed\nVersion: 1\nArchitecture: {1}\nDepends: {2}\n"
    parts = [("libc6", "amd64", "x"), ("libc6", "i386", "x"), ("wine", "i386", "libc6"), ("doc", "all", "libc6")]
    layer = build_layer({STATUS: "\n".join(text.format(*part) for part in parts)})
    packages = {(package.name, dict(package.qualifiers)["arch"]): package for package in merge([layer]).packages}
    assert packages["wine", "i386"].dependencies == ("pkg:deb/libc6@1?arch=i386",)
    assert packages["doc", "all"].dependencies == ("pkg:deb/libc6@1?arch=amd64", "pkg:deb/libc6@1?arch=i386")


def test_licences_of_another_package_of_the_source() -> None:
    text = "Package: {0}\nStatus: install ok installed\nSource: gcc\nVersion: 1\nArchitecture: amd64\n"
    files = {
        STATUS: "\n".join(text.format(name) for name in ("gcc-base", "libgcc")),
        "usr/share/doc/gcc-base/copyright": "See /usr/share/common-licenses/GPL-3",
    }
    assert [package.licences for package in merge([build_layer(files)]).packages] == [("GPL-3.0-only",)] * 2


def test_equal_packages_at_several_paths() -> None:
    layers = [
        add_records(build_layer({}), npm("a/node_modules/x/package.json", "x", "1")),
        add_records(
            build_layer({}),
            npm("b/node_modules/x/package.json", "x", "1"),
            npm("c/node_modules/x/package.json", "x", "2"),
        ),
    ]
    first, second = merge(layers).packages
    assert (first.version, second.version) == ("1", "2")
    assert first.locations == (
        PackageLocation("a/node_modules/x/package.json", layers[0].diff_id),
        PackageLocation("b/node_modules/x/package.json", layers[1].diff_id),
    )


def test_package_in_a_copied_file_keeps_its_layer() -> None:
    # `chown -R` copies all files into the upper layer without a change of their content.
    layers = [
        add_records(build_layer({"x": str(number)}), npm("node_modules/x/package.json", "x", "1"))
        for number in range(3)
    ]
    assert list_origins(merge(layers), layers) == {"x": [0]}


def test_declared_packages() -> None:
    lock = "package-lock.json"
    layer = add_records(
        build_layer({}),
        npm("node_modules/x/package.json", "x", "1"),
        CatalogRecord(
            lock,
            "npm",
            (
                Package(type="npm", name="x", version="1", declared=True),
                Package(type="npm", name="y", version="1", declared=True),
            ),
        ),
    )
    x, y = merge([layer]).packages
    assert [place.path for place in x.locations] == ["node_modules/x/package.json"]
    assert not x.declared
    assert y.declared


def owner(path: str) -> dict[str, str]:
    return {STATUS: status("nodejs 20"), "var/lib/dpkg/info/nodejs.list": f"/.\n/usr\n/{path}\n"}


@pytest.mark.parametrize(
    ("listed", "evidence"),
    [
        ("usr/lib/node_modules/npm/package.json", "usr/lib/node_modules/npm/package.json"),
        ("lib/node_modules/npm/package.json", "usr/lib/node_modules/npm/package.json"),
        ("usr/lib/node_modules/npm/package.json", "lib/node_modules/npm/package.json"),
        ("usr/sbin/app", "usr/bin/app"),
        ("usr/share/java/app.jar", "usr/share/java/app.jar!/lib/inner.jar"),
    ],
)
def test_owned_files_are_suppressed(listed: str, evidence: str) -> None:
    image = merge([add_records(build_layer(owner(listed)), npm(evidence, "npm", "10"))])
    assert list_names(image, "npm") == []
    assert image.suppressed_count == 1
    assert list_names(image) == ["nodejs 20"]


@pytest.mark.parametrize(
    "evidence", ["usr/local/lib/npm/package.json", "usr/lib/npm/package.json2", "opt/lib/npm/package.json"]
)
def test_other_files_are_kept(evidence: str) -> None:
    image = merge([add_records(build_layer(owner("usr/lib/npm/package.json")), npm(evidence, "npm", "10"))])
    assert list_names(image, "npm") == ["npm 10"]
    assert image.suppressed_count == 0


def test_owned_file_that_another_program_replaced() -> None:
    path = "usr/lib/node_modules/npm/package.json"
    base = add_records(build_layer(owner(path)), npm(path, "npm", "10"))
    replaced = add_records(build_layer({"x": ""}), npm(path, "npm", "11"))
    upgraded = add_records(build_layer(owner(path) | {STATUS: status("nodejs 22")}), npm(path, "npm", "11"))
    assert list_names(merge([base, replaced]), "npm") == ["npm 11"]
    assert list_names(merge([base, upgraded]), "npm") == []
    assert list_names(merge([base, upgraded]), "deb") == ["nodejs 22"]


def test_removed_owner_suppresses_nothing() -> None:
    path = "usr/lib/node_modules/npm/package.json"
    base = add_records(build_layer(owner(path)), npm(path, "npm", "10"))
    upper = build_layer({STATUS: "", "var/lib/dpkg/info/.wh.nodejs.list": ""})
    assert list_names(merge([base, upper]), "npm") == ["npm 10"]


@pytest.mark.parametrize(
    ("diverter", "evidence", "expected"),
    [
        (":", "usr/bin/app", ["npm 10"]),
        (":", "usr/bin/app.real", []),
        ("other", "usr/bin/app.real", []),
        ("other", "usr/bin/app", []),
    ],
)
def test_diversions(diverter: str, evidence: str, expected: list[str]) -> None:
    files = owner("usr/bin/app") | {"var/lib/dpkg/diversions": f"/usr/bin/app\n/usr/bin/app.real\n{diverter}\n"}
    assert list_names(merge([add_records(build_layer(files), npm(evidence, "npm", "10"))]), "npm") == expected


def test_topmost_mode_counts() -> None:
    lower = build_layer(
        {"bin/su": "", "bin/ping": "", "bin/mount": ""},
        modes=dict.fromkeys(["bin/su", "bin/ping", "bin/mount"], 0o4755),
    )
    upper = build_layer({"bin/ping": "", "bin/.wh.mount": ""})
    image = merge([lower, upper])
    assert [(mode.path, mode.mode) for mode in image.modes] == [("bin/su", 0o4755)]


def test_problems_of_hidden_files_are_dropped() -> None:
    damaged = build_layer({"var/lib/rpm/rpmdb.sqlite": "no database", "usr/lib/sysimage/rpm/Packages": "x"})
    problems = merge([damaged]).problems
    assert [problem.path for problem in problems] == ["usr/lib/sysimage/rpm/Packages", "var/lib/rpm/rpmdb.sqlite"]
    assert [problem.path for problem in merge([damaged, build_layer({"var/.wh.lib": ""})]).problems] == [
        "usr/lib/sysimage/rpm/Packages"
    ]


def test_no_layers() -> None:
    assert merge([]) == ImageContent()
