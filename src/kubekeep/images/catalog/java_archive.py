"""Facts of a Java archive: coordinates from Maven's files, name and version from manifest and file name.

Does not decide the group of an archive without Maven's files.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from kubekeep.images.catalog.documents import is_name, is_plain, read_xml
from kubekeep.images.catalog.language_licences import read_licence
from kubekeep.images.content import Archive

MAXIMUM_MANIFEST: Final = 1024 * 1024
MAXIMUM_DESCRIPTORS: Final = 5_000
CLASS_FOLDERS: Final = ("BOOT-INF/classes/", "WEB-INF/classes/")
PACKAGINGS: Final = {"jar": "jar", "war": "war", "ear": "ear", "hpi": "hpi", "jpi": "hpi", "par": "par", "aar": "aar"}
VERSION_PART: Final = r"(?:final|release|ga|snapshot|sp|cr|rc|m|b|v|alpha|beta|pre|ea|jre|jdk|java|android|incubating|redhat|build|graal|sub)?[.-]?\d*"
VERSION: Final = rf"(?i)v?\d+(?:\.\d+)*(?:[a-z]\d*)?(?:[.+-]{VERSION_PART}){{0,8}}"
CLASSIFIER: Final = (
    r"(?i)(all|app|boot|bundle|distribution|exec|executable|fat|full|hadoop\d?|jar-with-dependencies|jakarta|javadoc"
    r"|linux[\w-]*|macos[\w-]*|min|minimal|native[\w-]*|no-?deps|nohttp|no_aop|osx[\w-]*|runner|runtime|shaded|sources"
    r"|standalone|tests?|uber|win[\w-]*|jdk\d+|java\d+)"
)


class Coordinates(msgspec.Struct, frozen=True, gc=False):
    """Group, artifact and version of a library in Maven's repository."""

    group: str
    artifact: str
    version: str


class ArchiveFacts(msgspec.Struct, frozen=True):
    """The facts of one archive.

    main: exact coordinates, or None if no file of Maven names them. group: as in the file name, mostly empty. name, version, classifier: of the main library;
    empty if unknown. attributes: of the manifest, with lower-case names. folders: those with classes, without the
    class folder of an application. shaded: path of `pom.properties` and coordinates of each further library in it.
    """

    path: str
    group: str
    name: str
    version: str
    classifier: str
    packaging: str
    evidence: str
    attributes: dict[str, str]
    folders: tuple[tuple[str, int], ...]
    main: Coordinates | None = None
    shaded: tuple[tuple[str, Coordinates], ...] = ()
    licences: tuple[str, ...] = ()
    supplier: str = ""


def read_facts(archive: Archive) -> ArchiveFacts:
    """Return the facts of an archive. Raises ValueError if its files exceed limits."""
    if len(archive.manifest) > MAXIMUM_MANIFEST or len(archive.descriptors) > MAXIMUM_DESCRIPTORS:
        raise ValueError("its manifest or its number of Maven files exceeds a limit")
    attributes = read_manifest(archive.manifest)
    stem, _, extension = archive.path.rpartition("/")[2].rpartition(".")
    listed = _list_coordinates(archive)
    name, version, classifier = split_name(stem, _list_versions(attributes))
    group, name = _split_group(archive.path, name)
    position = _find_main(listed, stem, name, version, attributes)
    main = None
    if position is not None:
        main = _correct_version(listed[position][1], stem)
        name, version, classifier = main.artifact, main.version, _find_classifier(stem, main)
        evidence = "Maven pom.properties"
    else:
        evidence = "Java file name" if version else "Java manifest"
        if not version:
            name = _read_tomcat_name(name, attributes) or _read_name(attributes)
        version = version or next(iter(_list_versions(attributes)), "") or _read_section_version(archive.manifest)
    is_runtime = attributes.get("implementation-title") == "Java Runtime Environment"  # Its `release` file names it.
    is_valid = is_name(name) and "/" not in name and is_plain(version) and not is_runtime
    return ArchiveFacts(
        path=archive.path,
        group=group,
        name=name if is_valid else "",
        version=version if is_valid else "",
        classifier=classifier,
        packaging=PACKAGINGS.get(extension.lower(), "jar"),
        evidence=evidence,
        attributes=attributes,
        folders=tuple(_strip_class_folder(folder, count) for folder, count in archive.folders),
        main=main,
        shaded=tuple(entry for index, entry in enumerate(listed) if index != position),
        licences=_read_licences(archive, main, attributes),
        supplier=_read_supplier(attributes),
    )


def _correct_version(main: Coordinates, stem: str) -> Coordinates:
    """Add the Java version that the build of some libraries appends after it has written `pom.properties`."""
    if re.fullmatch(re.escape(f"{main.artifact}-{main.version}") + r"\.jre\d+", stem):
        return msgspec.structs.replace(main, version=stem.removeprefix(f"{main.artifact}-"))
    return main


def read_manifest(content: bytes) -> dict[str, str]:
    """Return the main attributes of a manifest (JAR File Specification), with lower-case names."""
    text = content.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff\n")
    lines = text.partition("\n\n")[0].replace("\n ", "").split("\n")
    pairs = [line.partition(":") for line in lines[:2_000]]
    return {key.strip().lower(): value.strip() for key, colon, value in pairs if colon}


def split_name(stem: str, versions: list[str]) -> tuple[str, str, str]:
    """Split a file name without suffix in name, version and classifier; versions are those that the manifest states."""
    separator = (
        "-" if re.search(r"-\d", stem[:300]) else "_"
    )  # `kafka_2.13-3.7.0`, but `org.apache.ant_1.10.0` of Eclipse
    splits = [match.start() for match in re.finditer(separator + r"(?=\d|v\d+\.\d)", stem[:300])][:20]
    for position in splits:
        version = stem[position + 1 :]
        for stated in versions:
            if version == stated or version.startswith((stated + "-", stated + ".jar")):
                return stem[:position], stated, version[len(stated) + 1 :]
    for position in splits:
        version = stem[position + 1 :]
        if re.fullmatch(VERSION, version):
            return stem[:position], version, ""
        match = re.match(r"(\d+(?:\.\d+)*(?:\.[A-Za-z]\w*)?(?:-SNAPSHOT)?)-", version)
        if match and re.fullmatch(CLASSIFIER, version[match.end() :]):
            return stem[:position], match[1], version[match.end() :]
    if splits and "." in stem[splits[0] :]:
        return stem[: splits[0]], stem[splits[0] + 1 :], ""
    return stem, "", ""


def _split_group(path: str, name: str) -> tuple[str, str]:
    """Return group and artifact of a library of Quarkus or Jetty: `lib/main/GROUP.ARTIFACT-VERSION.jar`."""
    folder = path.rpartition("/")[0]
    if not folder.endswith(("lib/main", "lib/boot", "apache-jsp")) or name.count(".") < 2:
        return "", name
    parts = name.split(".")
    for length in range(2, len(parts)):
        group, artifact = ".".join(parts[:length]), ".".join(parts[length:])
        if artifact == group or artifact.startswith((f"{group}-", f"{group}.")):  # `jakarta.inject.jakarta.inject-api`
            return group, artifact
    group, _, artifact = name.rpartition(".")
    return group, artifact


def _list_versions(attributes: dict[str, str]) -> list[str]:
    names = ("implementation-version", "bundle-version", "specification-version")
    values = [attributes.get(name, "").partition(" ")[0] for name in names]
    return [value for value in values if is_plain(value) and re.match(r"v?\d", value)]


def _read_section_version(manifest: bytes) -> str:
    """Return the version in the sections of packages in a manifest, if it is the same in all of them."""
    text = manifest.decode("utf-8", "replace").replace("\r\n", "\n").replace("\n ", "")
    versions = set(re.findall(r"(?im)^Implementation-Version:[ \t]*(\S+)[ \t]*$", text.partition("\n\n")[2]))
    version = versions.pop() if len(versions) == 1 else ""
    return version if re.fullmatch(VERSION, version) else ""


def _read_tomcat_name(name: str, attributes: dict[str, str]) -> str:
    """Return the artifact of a library of Tomcat, whose distribution has other file names, as `catalina.jar`."""
    title = attributes.get("implementation-title")
    if title == "Apache Tomcat Bootstrap":
        return "tomcat"
    if title == "Apache Tomcat" and name.startswith("catalina"):
        name = f"tomcat-{name}"
    match = re.fullmatch(r"org\.apache\.(tomcat-[\w-]+)", attributes.get("bundle-symbolicname", "").partition(";")[0])
    return match[1] if match else name


def _read_name(attributes: dict[str, str]) -> str:
    for name in ("implementation-title", "bundle-symbolicname", "automatic-module-name"):
        value = attributes.get(name, "").partition(";")[0]
        if re.fullmatch(r"[A-Za-z][\w.-]*", value):
            return value.rpartition(".")[2] if name != "implementation-title" else value
    return ""


def _list_coordinates(archive: Archive) -> list[tuple[str, Coordinates]]:
    """Return the coordinates in `pom.properties`, and in a `pom.xml` without them, by the path of the file."""
    listed: list[tuple[str, Coordinates]] = []
    with_properties = {path.rpartition("/")[0] for path, _ in archive.descriptors if path.endswith("pom.properties")}
    for path, content in archive.descriptors:
        folder, _, file = path.rpartition("/")
        coordinates = None
        if file == "pom.properties":
            coordinates = _read_properties(content)
        elif file == "pom.xml" and folder not in with_properties:
            coordinates = _read_pom(content)
        if coordinates is not None:
            listed.append((path, coordinates))
    return list(dict.fromkeys(listed))


def _read_properties(content: bytes) -> Coordinates | None:
    """Return the coordinates in a `pom.properties`, or None if a field is missing or was not filled in."""
    fields = dict(
        re.findall(r"(?m)^[ \t]*(groupId|artifactId|version)[ \t]*[=:][ \t]*(\S*)", content.decode("utf-8", "replace"))
    )
    return _build_coordinates(fields.get("groupId", ""), fields.get("artifactId", ""), fields.get("version", ""))


def _read_pom(content: bytes) -> Coordinates | None:
    try:
        root = read_xml(content)
    except ValueError:
        return None
    fields = {_local(child.tag): (child.text or "").strip() for child in root}
    parent = {_local(child.tag): (child.text or "").strip() for child in _children(root, "parent")}
    return _build_coordinates(
        fields.get("groupId") or parent.get("groupId", ""),
        fields.get("artifactId", ""),
        fields.get("version") or parent.get("version", ""),
    )


def _build_coordinates(group: str, artifact: str, version: str) -> Coordinates | None:
    fields = (group, artifact, version)
    if all(is_name(field) and "$" not in field and "/" not in field for field in fields):
        return Coordinates(group, artifact, version)
    return None


def _find_main(
    listed: list[tuple[str, Coordinates]], stem: str, name: str, version: str, attributes: dict[str, str]
) -> int | None:
    """Return the position of the coordinates of the archive itself; the others belong to shaded libraries."""
    names = {
        name,
        attributes.get("implementation-title", ""),
        attributes.get("bundle-symbolicname", "").partition(";")[0],
    }
    best, best_rank = None, 0
    for index, (_, coordinates) in enumerate(listed):
        artifact = coordinates.artifact
        rank = 0
        if stem in (artifact, f"{artifact}-{coordinates.version}"):
            rank = 5
        elif stem.startswith(f"{artifact}-{coordinates.version}"):
            rank = 4
        elif artifact in names or f"{coordinates.group}.{artifact}" in names:
            rank = 3
        elif len(listed) == 1 and (not version or coordinates.version == version):
            rank = 2
        elif version and coordinates.version == version and artifact.startswith(name):
            rank = 1
        if rank > best_rank:
            best, best_rank = index, rank
    return best


def _find_classifier(stem: str, main: Coordinates) -> str:
    prefix = f"{main.artifact}-{main.version}-"
    return stem[len(prefix) :] if stem.startswith(prefix) else ""


def _strip_class_folder(folder: str, count: int) -> tuple[str, int]:
    folder = re.sub(r"^META-INF/versions/\d+/?", "", folder)
    for prefix in CLASS_FOLDERS:
        folder = folder.removeprefix(prefix)
    return folder, count


def _read_licences(archive: Archive, main: Coordinates | None, attributes: dict[str, str]) -> tuple[str, ...]:
    """Return the licences in the `pom.xml` of the archive, else those in the header Bundle-License (OSGi)."""
    names: list[str] = []
    for path, content in archive.descriptors:
        if main is not None and path.endswith(f"/{main.group}/{main.artifact}/pom.xml"):
            names = _read_pom_licences(content)
    if not names:
        header = attributes.get("bundle-license", "")
        names = [part.partition(";")[0].strip().strip('"') for part in header.split(",")[:5]]
    return tuple(dict.fromkeys(licence for name in names if name and (licence := read_licence(name))))


def _read_pom_licences(content: bytes) -> list[str]:
    try:
        root = read_xml(content)
    except ValueError:
        return []
    licences = []
    for element in list(_children(root, "licenses"))[:10]:
        fields = {_local(child.tag): (child.text or "").strip() for child in element}
        licences.append(fields.get("name") or fields.get("url", ""))
    return licences


def _read_supplier(attributes: dict[str, str]) -> str:
    supplier = attributes.get("implementation-vendor") or attributes.get("bundle-vendor") or ""
    return supplier if supplier.isprintable() and len(supplier) <= 200 else ""


def _children(element: Any, name: str) -> list[Any]:
    return [grandchild for child in element if _local(child.tag) == name for grandchild in child]


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
