"""Loader of a library: a control from each folder, a framework from each file, shared Rego from `lib/`.

All files are found by their location, so that a new control needs no registration. Evaluates no rules.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from kubekeep._native import YamlDocuments
from kubekeep.library.index import LibraryIndex, Program, Rule, read_index
from kubekeep.model.control import Control
from kubekeep.model.errors import KubekeepError
from kubekeep.model.framework import Framework

T = TypeVar("T")
ROOT: Final = Path(__file__).parent
"""Folder of the built-in library."""
CONTROL_FILE: Final = "control.yaml"
RULE_FILE: Final = "control.rego"
_USER_FILES: Final = (f"**/{CONTROL_FILE}", f"**/{RULE_FILE}", "**/cases/*.yaml", "lib/*.rego", "frameworks/*.yaml")

_MAX_BYTES: Final = 16 << 20
"""Maximum size of a file; longer rules are refused by the engine too."""
_PAGES: Final = "https://kubekeep.io/docs/reference/controls/"

_IMPORT: Final = r"(?m)^import data\.kubekeep\.lib\.(\w+)"
_RULE_IMPORT: Final = r"(?m)^import data\.kubekeep\.controls\.(\w+)"
_RULE: Final = r"(?m)^(?:default )?(applies|not_evaluated|violation)\b"

_OLD_RULE: Final = r"(?m)^(?:default )?declined\b"
_OLD_REFERENCE: Final = r"\.declined\b"
_OLD_NAME_NOTE: Final = "the name declined is read until 2027-12-01: rename it to not_evaluated"


class LibraryError(KubekeepError, ValueError):
    """Invalid file of a library. The message names the file."""


class Library:
    """Controls, frameworks and shared Rego of a folder, and those of the library `parent` that it extends.

    The folder's own controls belong to `own_framework`, in addition to the frameworks in their files.
    """

    def __init__(self, root: Path, parent: Library | None = None, own_framework: Framework | None = None) -> None:
        """Create the library. Files are read on first use."""
        self.root = root
        self._parent = parent
        self._own_framework = own_framework
        self._rules: dict[str, Rule] = {}

    @property
    def programs(self) -> tuple[Program, ...]:
        """Byte code of rules of the built-in library, which other libraries extend."""
        return self._parent.programs if self._parent else ()

    @functools.cached_property
    def controls(self) -> Mapping[str, Control]:
        """All controls by slug, in the order of area and slug. Raises LibraryError."""
        controls = dict(self._parent.controls) if self._parent else {}
        for slug, folder in self._folders.items():
            file = folder / CONTROL_FILE
            if slug in controls:
                raise LibraryError(f"{file}: control {slug} is defined twice")
            control = _read(file, Control)
            satisfies = (
                {**control.satisfies, self._own_framework.slug: ()} if self._own_framework else control.satisfies
            )
            page = f"{_PAGES}{slug}/" if self.root == ROOT else ""
            controls[slug] = msgspec.structs.replace(
                control, slug=slug, area=folder.parent.name, page=page, satisfies=satisfies
            )
        return controls

    @property
    def own_controls(self) -> tuple[Control, ...]:
        """Controls of the folder itself, without those of the parent."""
        return tuple(self.controls[slug] for slug in self._folders)

    @functools.cached_property
    def _folders(self) -> dict[str, Path]:
        """Folders of this library's own controls, by slug. Raises LibraryError for a link out of a library of users."""
        if self._parent is not None:
            refuse_outside_links(itertools.chain.from_iterable(map(self.root.glob, _USER_FILES)), self.root)
        folders = sorted(file.parent for file in self.root.glob(f"**/{CONTROL_FILE}"))
        by_slug = {folder.name: folder for folder in reversed(folders)}
        duplicate = next((folder for folder in folders if by_slug[folder.name] != folder), None)
        if duplicate:
            raise LibraryError(f"{duplicate}: control {duplicate.name} is defined twice")
        return dict(sorted(by_slug.items(), key=lambda entry: entry[1]))

    @functools.cached_property
    def frameworks(self) -> Mapping[str, Framework]:
        """All frameworks by slug, in alphabetical order. Raises LibraryError."""
        frameworks = dict(self._parent.frameworks) if self._parent else {}
        if self._own_framework:
            frameworks[self._own_framework.slug] = self._own_framework
        for file in sorted(self.root.glob("frameworks/*.yaml")):
            if file.stem in frameworks:
                raise LibraryError(f"{file}: the name is used by the built-in library")
            frameworks[file.stem] = msgspec.structs.replace(_read(file, Framework), slug=file.stem)
        return frameworks

    def select_members(self, framework: Framework) -> tuple[Control, ...]:
        """Return the controls of `framework`, in the order of the library."""
        return framework.select_members(self.controls.values())

    def get_folder(self, control: Control) -> Path:
        """Return the folder of `control`. Raises LibraryError if it is not in this library."""
        if control.slug in self._folders:
            return self._folders[control.slug]
        if self._parent is None:
            raise LibraryError(f"{self.root}: no control {control.slug}")
        return self._parent.get_folder(control)

    def get_rule(self, control: Control) -> Rule:
        """Return the rule of `control`, or of the control that owns its rule. Manual controls have none.

        Raises LibraryError for an unreadable file or an invalid import.
        """
        rule = self._rules.get(control.rule_name)
        if rule is None:
            rule = self._rules[control.rule_name] = self._read_rule(control)
        return rule

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on old names in the folder's own rules. A rule that cannot be read has none: its use is an error."""
        return tuple(f"{file}: {_OLD_NAME_NOTE}" for file in self._list_own_rules() if _has_old_name(file))

    def _list_own_rules(self) -> Iterator[Path]:
        """Yield the files of the folder's own rules that exist."""
        files = (folder / RULE_FILE for folder in self._folders.values())
        return (file for file in files if file.is_file())

    def _read_rule(self, control: Control) -> Rule:
        file = self._find_file(control)
        path, source = self._read_source(file)
        is_custom = not file.is_relative_to(ROOT)
        if is_custom:
            source = _add_new_name(source)
        source_with_modules = self._add_modules(source)
        rules = tuple(
            self._find_imported_rule(name, path)
            for name in dict.fromkeys(re.findall(_RULE_IMPORT, source_with_modules))
        )
        if is_custom and re.search(_OLD_REFERENCE, source_with_modules):
            rules = tuple(map(_add_old_name, rules))
        libraries = self._resolve_modules("\n".join((source, *(rule.source for rule in rules))))
        texts = [source, *(rule.source for rule in rules), *(self.shared_modules[name] for name in libraries)]
        return Rule(
            path=path,
            source=source,
            libraries=libraries,
            rules=rules,
            outcomes=frozenset(re.findall(_RULE, source)),
            reads_object=any("input.object" in text for text in texts),
            is_custom=is_custom,
        )

    def _find_file(self, control: Control) -> Path:
        """Return the file of the rule of `control`."""
        owner = self.controls.get(control.rule_name)
        if owner is None:
            raise LibraryError(f"{control.slug}: the control {control.rule}, which has its rule, does not exist")
        return self.get_folder(owner) / RULE_FILE

    def _read_source(self, file: Path) -> tuple[str, str]:
        """Return the path and the text of a rule."""
        path = file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else str(file)
        return path, read_library_text(file)

    def _find_imported_rule(self, name: str, importer: str) -> Rule:
        """Return the rule in the package `name`, imported by the rule at the path `importer`. Raises LibraryError."""
        package = f"kubekeep.controls.{name}"
        controls = self.controls.values()
        owner = next((control for control in controls if control.package == package and not control.is_manual), None)
        if owner is None:
            raise LibraryError(f"{importer}: the imported rule {name} does not exist")
        if re.search(_RULE_IMPORT, self._add_modules(self._read_source(self._find_file(owner))[1])):
            raise LibraryError(f"{importer}: the imported rule {name} imports other rules; this is not supported")
        return self.get_rule(owner)

    def collect_modules(self, controls: Iterable[Control]) -> dict[str, str]:
        """Return the Rego modules that `controls` need, by path: their rules, imported rules and shared modules."""
        rules = [self.get_rule(control) for control in controls]
        names = frozenset[str]().union(*(rule.libraries for rule in rules))
        sources = {source.path: source.source for rule in rules for source in (rule, *rule.rules)}
        return sources | {f"lib/{name}.rego": self.shared_modules[name] for name in sorted(names)}

    @functools.cached_property
    def shared_modules(self) -> dict[str, str]:
        """Text of each shared module by name. Raises LibraryError."""
        modules = dict(self._parent.shared_modules) if self._parent else {}
        for file in sorted(self.root.glob("lib/*.rego")):
            if file.stem in modules:
                # A replaced module would change verdicts of the parent's controls.
                raise LibraryError(f"{file}: the name is used by the built-in library")
            modules[file.stem] = read_library_text(file)
        return modules

    def _add_modules(self, source: str) -> str:
        """Return `source` and the shared modules it needs as one text."""
        return "\n".join((source, *(self.shared_modules[name] for name in sorted(self._resolve_modules(source)))))

    def _resolve_modules(self, source: str) -> frozenset[str]:
        """Return the names of the shared modules that `source` imports, directly or through others. Raises LibraryError."""
        names: set[str] = set()
        pending = re.findall(_IMPORT, source)
        while pending:
            name = pending.pop()
            if name in names:
                continue
            if name not in self.shared_modules:
                raise LibraryError(f"{self.root}: lib/{name}.rego is missing, but a rule imports it")
            names.add(name)
            pending += re.findall(_IMPORT, self.shared_modules[name])
        return frozenset(names)


class _IndexedLibrary(Library):
    """The built-in library with the content of its index in place of its files."""

    def __init__(self, index: LibraryIndex) -> None:
        super().__init__(ROOT)
        self._index = index
        self._rules = index.rules

    @property
    def programs(self) -> tuple[Program, ...]:
        return self._index.programs

    @functools.cached_property
    def controls(self) -> Mapping[str, Control]:
        return self._index.controls

    @functools.cached_property
    def frameworks(self) -> Mapping[str, Framework]:
        return self._index.frameworks

    @functools.cached_property
    def _folders(self) -> dict[str, Path]:
        return {slug: ROOT / "controls" / control.area / slug for slug, control in self.controls.items()}

    @functools.cached_property
    def shared_modules(self) -> dict[str, str]:
        return self._index.modules


@functools.cache
def builtin() -> Library:
    """Return the built-in library. It is loaded once for each process."""
    index = read_index(ROOT)
    if index is None:
        import logging  # noqa: PLC0415 - not needed with an index

        logging.getLogger(__name__).debug(
            "no index for the present files of the library: rules are interpreted, which takes up to three times as long"
        )
    return Library(ROOT) if index is None else _IndexedLibrary(index)


def _has_old_name(file: Path) -> bool:
    try:
        source = read_library_text(file)
    except LibraryError:
        return False
    return _add_new_name(source) != source or re.search(_OLD_REFERENCE, source) is not None


def _add_new_name(source: str) -> str:
    """Return the text of a custom rule, with the result `not_evaluated` if it defines only the old name of it."""
    is_old = re.search(_OLD_RULE, source) and "not_evaluated" not in re.findall(_RULE, source)
    return f"{source}\nnot_evaluated := declined\n" if is_old else source


def _add_old_name(rule: Rule) -> Rule:
    """Return a rule of the library for a custom rule that reads its result `not_evaluated` by the old name."""
    if rule.is_custom or "not_evaluated" not in rule.outcomes:
        return rule
    return msgspec.structs.replace(rule, source=f"{rule.source}\ndeclined := not_evaluated\n")


def _read(file: Path, kind: type[T]) -> T:
    try:
        return msgspec.convert(parse_document(read_library_text(file)), kind)
    except LibraryError:
        raise
    except ValueError as error:
        raise LibraryError(f"{file}: {error}") from error


def refuse_outside_links(files: Iterable[Path], root: Path) -> None:
    """Raise LibraryError for a file that is a link to a path outside of the library at `root`."""
    real_root = os.path.realpath(root)
    outside = next((file for file in files if not Path(os.path.realpath(file)).is_relative_to(real_root)), None)
    if outside:
        raise LibraryError(f"{outside}: link to a path outside {root}")


def read_library_text(file: Path) -> str:
    """Return the text of a file of a library. Raises LibraryError."""
    try:
        return read_limited(file, _MAX_BYTES).decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise LibraryError(f"{file}: {error}") from error


def read_limited(file: Path, limit: int) -> bytes:
    """Return the content of a regular file of at most `limit` bytes. Raises LibraryError."""
    try:
        if not file.is_file():
            raise LibraryError(f"{file}: {'not a file' if file.exists() else 'no such file'}")
        with file.open("rb") as stream:
            content = stream.read(limit + 1)
    except OSError as error:
        raise LibraryError(f"{file}: {error.strerror}") from error
    if len(content) > limit:
        raise LibraryError(f"{file}: larger than {limit >> 20} MiB")
    return content


def parse_document(text: str) -> object:
    """Return the first document of a YAML or JSON text, or None. Raises ValueError for invalid YAML or a repeated key."""
    documents: Iterator[object] = YamlDocuments(text, 32, 1_000, 1, 100_000)
    match next(documents, None):
        case (value, _, []):
            return value
        case (_, _, duplicates):
            raise ValueError(f"duplicate keys: {duplicates}")
        case (problem, _):
            raise ValueError(problem)
        case _:
            return None
