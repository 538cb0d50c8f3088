"""Content of layers and images: the values between reading, cataloguing and merging. No I/O.

Paths have no leading slash and no `.` or `..` parts.
"""

from __future__ import annotations

from typing import Final

import msgspec

from kubekeep.model.package import NO_DISTRIBUTION, Distribution, FixedVulnerabilities, GoSymbols, Package

ANY_FOLDER: Final = "**/"
"""Before a path of a file that may be in any folder."""


class LayerFile(msgspec.Struct, frozen=True):
    """A file of a layer that a catalogue reads.

    Large databases are not in `content` but in the temporary file `spill`, which exists while the layer is read.
    """

    path: str
    content: bytes
    spill: str = ""


class Archive(msgspec.Struct, frozen=True):
    """A Java archive, on its own or in another one (`app.jar!/BOOT-INF/lib/a.jar`).

    manifest: META-INF/MANIFEST.MF. descriptors: `pom.properties` and `pom.xml` files by their path in the archive.
    folders: folders with classes and their numbers of classes, as `("org/slf4j", 12)`. sha1: of the archive.
    """

    path: str
    sha1: str
    manifest: bytes = b""
    descriptors: tuple[tuple[str, bytes], ...] = ()
    folders: tuple[tuple[str, int], ...] = ()


class GoVariable(msgspec.Struct, frozen=True):
    """A string variable of a Go executable: `main.version`. is_linked: the linker stored the value (`-X`)."""

    name: str
    value: str
    is_linked: bool


class GoLinkedValue(msgspec.Struct, frozen=True):
    """A value that the Go linker stored (`-X`) in a variable whose name was stripped.

    readers: the functions that read the variable, each with texts that it uses beside.
    """

    value: str
    readers: tuple[tuple[str, tuple[str, ...]], ...]


class Executable(msgspec.Struct, frozen=True):
    """An ELF, PE or Mach-O file with embedded facts.

    go_version and go_modules: the two texts of Go's build information (debug/buildinfo). cargo: the decompressed JSON of
    cargo-auditable. versions: matches of the version patterns for this file name, as `("node", "22.1.0")`. go_symbols: as
    the text of `GoSymbols`; empty if they were not requested or are unknown. go_variables and go_linked: values that may
    be the version, only if the main module has none. version_resource: of a .NET assembly. dotnet_libraries: the
    `deps.json` in a .NET program of a single file.
    """

    path: str
    go_version: str = ""
    go_modules: str = ""
    cargo: bytes = b""
    versions: tuple[tuple[str, str], ...] = ()
    go_symbols: bytes = b""
    go_variables: tuple[GoVariable, ...] = ()
    go_linked: tuple[GoLinkedValue, ...] = ()
    version_resource: bytes = b""
    dotnet_libraries: bytes = b""


class FileMode(msgspec.Struct, frozen=True, gc=False):
    """A file whose permission bits matter: setuid, setgid, or writable by everyone.

    layer: diff id of its layer, set when layers are merged.
    """

    path: str
    mode: int
    owner: int
    group: int
    layer: str = ""


class ContentProblem(msgspec.Struct, frozen=True, gc=False):
    """A file of a layer that could not be read, or not completely, and the reason."""

    path: str
    message: str


class CatalogRecord(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Facts from one file of a layer; it is valid only while no upper layer deletes or replaces the file.

    catalog: the module that read the file. packages: without locations. owned: paths that a package manager installed,
    one per line. disowned: paths that packages list but whose files the administrator replaced (`dpkg-divert --local`).
    licences: licences by package name that another file describes (Debian's copyright files). fixes: of a changelog.
    go_symbols: of a Go executable, for scans only. uninstalled: names of packages that the database lists without files in
    place. damage: the reason why packages of the file may be missing; empty for a complete file. proofs: for each package
    the paths of which the image must have one (`ANY_FOLDER` before a path: in any folder); none if the file is proof enough.
    """

    path: str
    catalog: str
    packages: tuple[Package, ...] = ()
    owned: str = ""
    disowned: str = ""
    licences: tuple[tuple[str, tuple[str, ...]], ...] = ()
    distribution: Distribution | None = None
    fixes: tuple[FixedVulnerabilities, ...] = ()
    go_symbols: GoSymbols | None = None
    uninstalled: tuple[str, ...] = ()
    damage: str = ""
    proofs: tuple[tuple[str, ...], ...] = ()


class DetectedSecret(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A credential in a file of a layer, without its value.

    is_verified: a checksum in the token proves it. layer: diff id of its layer, set when layers are merged. removed: an
    upper layer hides the file, but everyone who pulls the image can read it.
    """

    path: str
    kind: str
    line: int
    is_verified: bool = False
    layer: str = ""
    removed: bool = False


class LayerContent(msgspec.Struct, frozen=True):
    """Everything that one pass over a layer yields.

    digest and size: of the blob as stored. diff_id: of the uncompressed archive. paths: all entries except folders,
    sorted, one per line. removed and opaque: whiteouts of the OCI image specification, as the removed path and as the
    folder whose lower content is hidden. symbolic_links: those at the places of files that catalogues read, and of the folders
    above databases, with their targets as written, sorted.
    """

    digest: str
    size: int
    diff_id: str
    unpacked_size: int
    records: tuple[CatalogRecord, ...] = ()
    paths: str = ""
    removed: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()
    modes: tuple[FileMode, ...] = ()
    secrets: tuple[DetectedSecret, ...] = ()
    problems: tuple[ContentProblem, ...] = ()
    symbolic_links: tuple[tuple[str, str], ...] = ()


class ImageContent(msgspec.Struct, frozen=True):
    """Everything that is visible in an image after its layers are joined.

    packages: each identity once, sorted by package URL, with all its locations. suppressed_count: packages that are not
    listed because a package of the distribution installed the files that prove them. modes: of the files that remain,
    sorted by path. secrets: of all layers, because a hidden file is still in the image. problems: of the files that
    remain; packages may be missing. fixes: of all changelogs. go_symbols: of the Go executables where they are known.
    """

    distribution: Distribution = NO_DISTRIBUTION
    packages: tuple[Package, ...] = ()
    suppressed_count: int = 0
    modes: tuple[FileMode, ...] = ()
    secrets: tuple[DetectedSecret, ...] = ()
    problems: tuple[ContentProblem, ...] = ()
    fixes: tuple[FixedVulnerabilities, ...] = ()
    go_symbols: tuple[GoSymbols, ...] = ()
