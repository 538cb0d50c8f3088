"""Group ids of Java libraries without Maven's files, from manifests, class folders and other archives beside them.

The rules, strongest first: the module notation of Gradle, the organisation that sbt writes, the table of known libraries,
the vendor id, the symbolic name of OSGi, libraries of the same version beside it, the module name, the class folders. The group stays empty if no rule
applies, because a wrong group hides all advisories of a library or adds those of a different one.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from kubekeep.images.catalog.java_archive import ArchiveFacts
from kubekeep.images.catalog.java_coordinates import find_known_group

NOTATION: Final = r"([\w.-]+)#([\w.-]+);\S+"
GROUP: Final = r"[A-Za-z][\w-]*(?:\.[A-Za-z_][\w-]*)+"
SCALA: Final = r"_(?:2\.\d\d|3)$"
"""The end of the names of Scala libraries. sbt writes their group as vendor id; their classes may lie anywhere."""
GENERIC: Final = frozenset(
    (
        *(
            "com",
            "org",
            "net",
            "io",
            "edu",
            "de",
            "fr",
            "ru",
            "uk",
            "co",
            "dev",
            "me",
            "eu",
            "ch",
            "nl",
            "java",
            "javax",
        ),
        *(
            "jakarta",
            "com.github",
            "io.github",
            "com.google",
            "org.apache",
            "com.sun",
            "com.amazonaws",
            "com.microsoft",
        ),
        *(
            "org.eclipse",
            "com.oracle",
            "com.ibm",
            "com.facebook",
            "com.netflix",
            "org.codehaus",
            "org.jboss",
            "com.alibaba",
        ),
        *(
            "net.sourceforge",
            "com.googlecode",
            "co.elastic",
            "org.springframework",
            "software.amazon",
            "ch.qos",
            "com.amazon",
        ),
        *("org.glassfish", "com.squareup", "com.fasterxml", "org.jetbrains"),
    )
)
"""Prefixes that many organisations or projects share, so that they are no group alone."""
MAXIMUM_ORGANISATIONS: Final = 5
MAXIMUM_MEMBERS: Final = 200
"""Libraries of one version in one folder that are compared with each other."""


def resolve_groups(archives: Sequence[ArchiveFacts]) -> list[str]:
    """Return the group of each archive, empty if unknown."""
    groups = [archive.main.group if archive.main else _read_own_group(archive) for archive in archives]
    neighbours = _index_neighbours(archives)
    for members in neighbours.values():
        _resolve_symbolic_groups(archives, groups, members)
        _share_groups(archives, groups, members)
    for index, archive in enumerate(archives):
        if not groups[index]:
            groups[index] = _read_module_group(archive) or _read_folder_group(archive)
    for members in neighbours.values():
        _share_groups(archives, groups, members)
    return groups


def _read_own_group(archive: ArchiveFacts) -> str:
    """Return the group that the archive itself proves."""
    attributes = archive.attributes
    if archive.group:
        return archive.group
    if match := re.fullmatch(NOTATION, attributes.get("implementation-title", "")):
        return match[1]
    vendor = attributes.get("implementation-vendor-id", "")
    if re.search(SCALA, archive.name) and re.fullmatch(GROUP, vendor):
        return vendor
    if known := find_known_group(archive.name, archive.version, _list_folders(archive)):
        return known
    if re.fullmatch(GROUP, vendor) and vendor not in GENERIC and _has_folder(archive, vendor):
        return vendor
    return _read_symbolic_group(archive)


def _list_folders(archive: ArchiveFacts) -> list[str]:
    return [folder for folder, _ in archive.folders]


def _has_folder(archive: ArchiveFacts, group: str) -> bool:
    """Return True if classes lie in the first two parts of a group, or if there are no classes."""
    prefix = "/".join(group.split(".")[:2])
    return not archive.folders or any((folder + "/").startswith(prefix + "/") for folder, _ in archive.folders)


def _read_symbolic_group(archive: ArchiveFacts) -> str:
    """Return the group in a symbolic name if the name has only one meaning."""
    artifact, symbolic = archive.name, _read_symbolic_name(archive)
    head, _, tail = symbolic.rpartition(".")
    last = head.rpartition(".")[2]
    if "-" in artifact and symbolic.endswith("." + artifact):
        group = symbolic.removesuffix("." + artifact)
        return group if "." in group and group not in GENERIC else ""
    # maven-bundle-plugin leaves out the start of the artifact if the group ends with it.
    is_shortened = bool(last) and artifact in (f"{last}-{tail}", f"{last}.{tail}", f"{last}_{tail}")
    return head if is_shortened and head not in GENERIC else ""


def _read_symbolic_name(archive: ArchiveFacts) -> str:
    symbolic = archive.attributes.get("bundle-symbolicname", "").partition(";")[0].strip()
    return symbolic if archive.name and re.fullmatch(r"[A-Za-z][\w.-]*", symbolic) else ""


def _list_symbolic_groups(archive: ArchiveFacts) -> list[str]:
    """Return the possible groups of a symbolic name that ends with the artifact, as `io.zipkin.brave` of `brave`.

    It is the group and the artifact, or the group alone, whose end maven-bundle-plugin does not repeat.
    """
    symbolic = _read_symbolic_name(archive)
    group, _, last = symbolic.rpartition(".")
    if last != archive.name or not group:
        return []
    return [possible for possible in (group, symbolic) if "." in possible and possible not in GENERIC]


def _index_neighbours(archives: Sequence[ArchiveFacts]) -> dict[tuple[str, str], list[int]]:
    """Return the positions of archives by their folder and version."""
    neighbours: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, archive in enumerate(archives):
        if (
            archive.version
            and len(members := neighbours[archive.path.rpartition("/")[0], archive.version]) < MAXIMUM_MEMBERS
        ):
            members.append(index)
    return neighbours


def _resolve_symbolic_groups(archives: Sequence[ArchiveFacts], groups: list[str], members: list[int]) -> None:
    """Choose the group that another library of the version has, else the shorter one."""
    known = {groups[index] for index in members}
    for index in members:
        if not groups[index] and (possible := _list_symbolic_groups(archives[index])):
            groups[index] = next((group for group in possible if group in known), possible[0])


def _share_groups(archives: Sequence[ArchiveFacts], groups: list[str], members: list[int]) -> None:
    """Give archives without a group that of the most similar archive of the same version, if they share a name."""
    known = [index for index in members if groups[index]]
    for index in members:
        if not groups[index] and (scores := list(_score(archives, groups, index, known))):
            best = max(scores)[:-1]
            groups[index] = Counter(group for *score, group in scores if tuple(score) == best).most_common(1)[0][0]


def _score(
    archives: Sequence[ArchiveFacts], groups: list[str], index: int, known: list[int]
) -> Iterator[tuple[int, int, str]]:
    """Yield common parts of class folders, common parts of names and the group for each similar archive."""
    words = _split_words(archives[index].name)
    root = _read_root(archives[index].folders)
    for other in known:
        common_words = _count_common(words, _split_words(archives[other].name))
        common_parts = _count_common(root, _read_root(archives[other].folders))
        is_inside = root[: len(parts := groups[other].split("."))] == parts
        if common_words and (common_parts or not root):
            yield common_parts, common_words, groups[other]
        elif is_inside and groups[other] not in GENERIC:
            yield common_parts, 0, groups[other]


def _split_words(name: str) -> list[str]:
    return re.split(r"[-_.]", name.lower())


def _read_root(folders: Iterable[tuple[str, int]]) -> list[str]:
    """Return the parts of the longest folder that holds at least nine tenths of the classes."""
    counts: Counter[str] = Counter()
    total = 0
    for folder, count in folders:
        if folder and not folder.startswith("META-INF"):
            total += count
            parts = folder.split("/")[:8]
            for length in range(1, len(parts) + 1):
                counts["/".join(parts[:length])] += count
    roots = [folder for folder, count in counts.items() if count * 10 >= total * 9]
    return max(roots, key=lambda folder: folder.count("/")).split("/") if roots else []


def _list_roots(archive: ArchiveFacts) -> Iterator[list[str]]:
    """Yield the root of all classes, and those of the largest organisations, beside which there is generated code."""
    yield _read_root(archive.folders)
    organisations: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for folder, count in archive.folders:
        organisations["/".join(folder.split("/")[:2])].append((folder, count))
    sizes = {name: sum(count for _, count in folders) for name, folders in organisations.items()}
    for name in sorted(sizes, key=lambda name: (-sizes[name], name))[:MAXIMUM_ORGANISATIONS]:
        if _is_reversed_domain(name.split("/")):
            yield _read_root(organisations[name])


def _is_reversed_domain(parts: list[str]) -> bool:
    return len(parts) > 1 and (parts[0] in GENERIC or len(parts[0]) == 2)


def _count_common(left: list[str], right: list[str]) -> int:
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count


def _read_module_group(archive: ArchiveFacts) -> str:
    """Return the group in a module name that ends with the words of the artifact: `org.lz4.java` of `lz4-java`."""
    parts = archive.attributes.get("automatic-module-name", "").lower().split(".")
    words = _split_words(archive.name)
    if len(parts) <= len(words) or parts[-len(words) :] != words:
        return ""
    group = ".".join(parts[: -len(words)])
    return f"{group}.{words[0]}" if group in GENERIC else group if "." in group else ""


def _read_folder_group(archive: ArchiveFacts) -> str:
    """Return the class folder up to the part that is the first word of the artifact, or its organisation."""
    words = _split_words(archive.name)
    for parts in _list_roots(archive):
        for position, part in enumerate(parts[1:4], start=1):
            group = ".".join(parts[: position + 1])
            if group not in GENERIC and (_is_same_word(part, words[0]) or part == "".join(words)):
                return group
    symbolic = _read_symbolic_name(archive)
    if re.fullmatch(GROUP, symbolic) and symbolic not in (*GENERIC, archive.name) and _has_folder(archive, symbolic):
        return symbolic
    parts = _read_root(archive.folders)
    length = next((length for length in (2, 3) if len(parts) >= length and ".".join(parts[:length]) not in GENERIC), 0)
    if length and _is_reversed_domain(parts):
        return ".".join(parts[:length])
    group = archive.name.rpartition(".")[0]  # `com.ibm.mq.allclient`
    return group if re.fullmatch(GROUP, group) and group not in GENERIC and _has_folder(archive, group) else ""


def _is_same_word(part: str, word: str) -> bool:
    """Return True for `kafka` and `kafka`, `thrift` and `libthrift`, `okhttp3` and `okhttp`."""
    plain = part.rstrip("0123456789")
    return len(plain) > 1 and plain in (word.rstrip("0123456789"), word.removeprefix("lib"), word.removeprefix("j"))
