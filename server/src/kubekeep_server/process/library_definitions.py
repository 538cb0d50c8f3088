"""Definitions and frameworks of the library: the server stores its own, so that no source changes what others read. Evaluates nothing."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from sqlalchemy import Connection

from kubekeep.library.load import Library, builtin
from kubekeep.library.requirements import is_numbered, list_requirements
from kubekeep.model.definition_entry import describe_definition
from kubekeep.model.framework import Framework
from kubekeep.model.text import encode_json
from kubekeep.posture.priority import prioritise
from kubekeep_server.store.definitions import LIBRARY, DefinitionChanges, store_definitions
from kubekeep_server.store.frameworks import ControlDocument, FrameworkDocument, RequirementDocument, store_frameworks
from kubekeep_server.store.numbers import to_number


class LibraryContent(NamedTuple):
    """The content of the library that the server stores. definitions: their JSON by key, as scans submit them."""

    definitions: dict[str, bytes]
    frameworks: tuple[FrameworkDocument, ...]
    controls: tuple[ControlDocument, ...]


def load_library() -> LibraryContent:
    """Return the content of the library."""
    library = builtin()
    entries = [describe_definition(control, prioritise(control)) for control in library.controls.values()]
    controls = tuple(
        ControlDocument(control.key, control.required_data.value, tuple(sorted({*control.targets, *control.relates})))
        for control in library.controls.values()
    )
    frameworks = tuple(_describe_framework(library, framework) for framework in library.frameworks.values())
    # The library is large, and not read again.
    builtin.cache_clear()
    return LibraryContent({entry.key: encode_json(entry).encode() for entry in entries}, frameworks, controls)


def store_library(connection: Connection, content: LibraryContent, now: dt.datetime) -> None:
    """Store the content of the library; the caller commits."""
    store_definitions(connection, DefinitionChanges(content.definitions, to_number(now), LIBRARY), ())
    store_frameworks(connection, content.frameworks, content.controls)


def _describe_framework(library: Library, framework: Framework) -> FrameworkDocument:
    titles = {section.id: section.title for section in framework.sections}
    return FrameworkDocument(
        key=framework.slug,
        title=framework.title,
        version=framework.version,
        description=framework.description,
        url=framework.url,
        is_standard=is_numbered(library, framework),
        requirements=tuple(
            RequirementDocument(
                id=requirement.id,
                title=requirement.title,
                section=titles.get(framework.find_section(requirement.id), ""),
                controls=tuple(control.key for control in requirement.controls),
            )
            for requirement in list_requirements(library, framework)
        ),
    )
