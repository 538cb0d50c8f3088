"""Read a library: each control from its folder, each framework from its file, shared Rego from `lib/`.

Finds everything by walking, so that adding a control touches one folder; never evaluates a rule.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from kubekeep._native import YamlDocuments
from kubekeep.model.control import Control
from kubekeep.model.errors import KubekeepError
from kubekeep.model.framework import Framework

T = TypeVar("T")
ROOT: Final = Path(__file__).parent
"""The folder of the library that comes with Kubekeep."""
CONTROL_FILE: Final = "control.yaml"
RULE_FILE: Final = "control.rego"

_PAGES: Final = "https://kubekeep.io/docs/reference/controls/"

_IMPORT: Final = re.compile(r"^import data\.kubekeep\.lib\.(\w+)", re.MULTILINE)
_RULE_IMPORT: Final = re.compile(r"^import data\.kubekeep\.controls\.(\w+)", re.MULTILINE)
_RULE: Final = re.compile(r"^(?:default )?(applies|declined|violation)\b", re.MULTILINE)


class LibraryError(KubekeepError, ValueError):
    """A file of the library is not what its schema says; the message names the file."""


class Rule(msgspec.Struct, frozen=True):
    """A control's Rego: its file, its text, and what the text tells about it."""

    path: str
    source: str
    libraries: frozenset[str]
    """Names of the shared modules it needs, theirs included."""
    rules: tuple[Rule, ...]
    """The rules of other controls that it evaluates."""
    outcomes: frozenset[str]
    """Which of `violation`, `applies` and `declined` it defines."""
    reads_object: bool
    """Whether it looks at more than the workload view, so that equal workloads may get different verdicts."""


class Library:
    """Controls, frameworks and shared Rego of a folder; with `beneath`, on top of those of another library.

    The folder's own controls serve the framework `own` besides those that they name.
    """

    def __init__(self, root: Path, beneath: Library | None = None, own: Framework | None = None) -> None:
        """Nothing is read before it is asked for."""
        self.root = root
        self._beneath = beneath
        self._own = own
        self._rules: dict[str, Rule] = {}

    @functools.cached_property
    def controls(self) -> Mapping[str, Control]:
        """Every control by slug, in the order of area and slug. Raises LibraryError."""
        found = dict(self._beneath.controls) if self._beneath else {}
        for slug, folder in self._folders.items():
            file = folder / CONTROL_FILE
            if slug in found:
                raise LibraryError(f"{file}: there is another control {slug}")
            control = _read(file, Control)
            satisfies = {**control.satisfies, self._own.slug: ()} if self._own else control.satisfies
            page = f"{_PAGES}{slug}/" if self.root == ROOT else ""
            found[slug] = msgspec.structs.replace(
                control, slug=slug, area=folder.parent.name, page=page, satisfies=satisfies
            )
        return found

    @property
    def own_controls(self) -> tuple[Control, ...]:
        """The controls of the folder itself, without those beneath."""
        return tuple(self.controls[slug] for slug in self._folders)

    @functools.cached_property
    def _folders(self) -> dict[str, Path]:
        """The folders of this library's own controls, by slug."""
        folders = sorted(file.parent for file in self.root.glob(f"**/{CONTROL_FILE}"))
        found = {folder.name: folder for folder in reversed(folders)}
        twice = next((folder for folder in folders if found[folder.name] != folder), None)
        if twice:
            raise LibraryError(f"{twice}: there is another control {twice.name}")
        return dict(sorted(found.items(), key=lambda item: item[1]))

    @functools.cached_property
    def frameworks(self) -> Mapping[str, Framework]:
        """Every framework by slug, in alphabetical order. Raises LibraryError."""
        found = dict(self._beneath.frameworks) if self._beneath else {}
        if self._own:
            found[self._own.slug] = self._own
        for file in sorted(self.root.glob("frameworks/*.yaml")):
            if file.stem in found:
                raise LibraryError(f"{file}: it has the name of one that comes with Kubekeep")
            found[file.stem] = msgspec.structs.replace(_read(file, Framework), slug=file.stem)
        return found

    def members(self, framework: Framework) -> tuple[Control, ...]:
        """The controls that serve `framework`, in the library's order."""
        return framework.members(self.controls.values())

    def folder(self, control: Control) -> Path:
        """Where `control` lies. Raises LibraryError for one of another library."""
        if control.slug in self._folders:
            return self._folders[control.slug]
        if self._beneath is None:
            raise LibraryError(f"{self.root}: no control {control.slug}")
        return self._beneath.folder(control)

    def rule(self, control: Control) -> Rule:
        """The Rego that decides `control`: its own, or the one it shares. Manual controls have none."""
        rule = self._rules.get(control.rule_name)
        if rule is None:
            rule = self._rules[control.rule_name] = self._read_rule(control)
        return rule

    def _read_rule(self, control: Control) -> Rule:
        path, source = self._text(control)
        near = self._with_shared(source)
        rules = tuple(self._evaluated(name, path) for name in dict.fromkeys(_RULE_IMPORT.findall(near)))
        libraries = self._closure("\n".join((source, *(rule.source for rule in rules))))
        texts = [source, *(rule.source for rule in rules), *(self._shared[name] for name in libraries)]
        return Rule(
            path=path,
            source=source,
            libraries=libraries,
            rules=rules,
            outcomes=frozenset(_RULE.findall(source)),
            reads_object=any("input.object" in text for text in texts),
        )

    def _text(self, control: Control) -> tuple[str, str]:
        """The path and the text of the Rego that decides `control`."""
        owner = self.controls.get(control.rule_name)
        if owner is None:
            raise LibraryError(f"{control.slug}: there is no control {control.rule} whose rule it could share")
        file = self.folder(owner) / RULE_FILE
        # Those that come with us are told apart by their place in the library, others by their place on the disk.
        path = f"controls/{owner.area}/{owner.slug}/{RULE_FILE}" if file.is_relative_to(ROOT) else str(file)
        try:
            return path, file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise LibraryError(f"{file}: {error}") from error

    def _evaluated(self, name: str, by: str) -> Rule:
        """The rule in the package of that name, which the one at the path `by` evaluates."""
        package = f"kubekeep.controls.{name}"
        owner = next((item for item in self.controls.values() if item.package == package and not item.manual), None)
        if owner is None:
            raise LibraryError(f"{by}: it imports the rule {name}, which no control has")
        if _RULE_IMPORT.search(self._with_shared(self._text(owner)[1])):
            raise LibraryError(f"{by}: it imports the rule {name}, which imports others itself")
        return self.rule(owner)

    def modules(self, chosen: Iterable[Control]) -> dict[str, str]:
        """The Rego modules, by path, that `chosen` need: their own and the shared ones."""
        rules = [self.rule(control) for control in chosen]
        names = frozenset[str]().union(*(item.libraries for item in rules))
        own = {item.path: item.source for rule in rules for item in (rule, *rule.rules)}
        return own | {f"lib/{name}.rego": self._shared[name] for name in sorted(names)}

    @functools.cached_property
    def _shared(self) -> dict[str, str]:
        found = dict(self._beneath._shared) if self._beneath else {}  # noqa: SLF001 - the same class
        for file in sorted(self.root.glob("lib/*.rego")):
            if file.stem in found:
                # It would change what the controls beneath say.
                raise LibraryError(f"{file}: it has the name of one that comes with Kubekeep")
            found[file.stem] = file.read_text(encoding="utf-8")
        return found

    def _with_shared(self, source: str) -> str:
        """A rule and the shared modules that it needs, in one text."""
        return "\n".join((source, *(self._shared[name] for name in sorted(self._closure(source)))))

    def _closure(self, source: str) -> frozenset[str]:
        """The shared modules that `source` needs, and those that they need."""
        known: set[str] = set()
        todo = _IMPORT.findall(source)
        while todo:
            name = todo.pop()
            if name in known:
                continue
            if name not in self._shared:
                raise LibraryError(f"{self.root}: no lib/{name}.rego, which a rule imports")
            known.add(name)
            todo += _IMPORT.findall(self._shared[name])
        return frozenset(known)


@functools.cache
def builtin() -> Library:
    """The library that comes with Kubekeep."""
    return Library(ROOT)


def _read(file: Path, kind: type[T]) -> T:
    try:
        return msgspec.convert(document(file.read_text(encoding="utf-8")), kind)
    except (OSError, ValueError) as error:
        raise LibraryError(f"{file}: {error}") from error


def document(text: str) -> object:
    """The one document of a YAML or JSON text. Raises ValueError for what is no YAML or says a key twice."""
    found: Iterator[object] = YamlDocuments(text, 32, 1_000, 1, 100_000)
    match next(found, None):
        case (value, _, []):
            return value
        case (_, _, duplicates):
            raise ValueError(f"keys are said twice: {duplicates}")
        case (problem, _):
            raise ValueError(problem)
        case _:
            return None
