"""Frameworks of the library in the store, which the server writes at its start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from sqlalchemy import Connection, delete, select

from kubekeep.model.text import encode_json
from kubekeep_server.store.framework_schema import framework, library_control
from kubekeep_server.store.upsert import replace_rows


class RequirementDocument(msgspec.Struct, frozen=True):
    """A requirement of a framework. title: may be empty. section: the title of the one that it belongs to. controls: keys."""

    id: str
    title: str
    section: str
    controls: tuple[str, ...]


class FrameworkDocument(msgspec.Struct, frozen=True):
    """A framework. is_standard: True if it implements a published standard, with its numbers."""

    key: str
    title: str
    version: str
    description: str
    url: str
    is_standard: bool
    requirements: tuple[RequirementDocument, ...]


class ControlDocument(msgspec.Struct, frozen=True):
    """A control. data: required for at least one verdict, such as `host data`. kinds: those that it reads."""

    key: str
    data: str
    kinds: tuple[str, ...]


_decoder: Final = msgspec.json.Decoder(FrameworkDocument)


def store_frameworks(
    connection: Connection, frameworks: Iterable[FrameworkDocument], controls: Iterable[ControlDocument]
) -> None:
    """Store the frameworks and controls of the library instead of those of an earlier version; the caller commits."""
    rows = [{"key": one.key, "document": encode_json(one)} for one in frameworks]
    connection.execute(delete(framework).where(framework.c.key.not_in([row["key"] for row in rows])))
    replace_rows(connection, framework, ("document",), rows)
    described = [{"key": one.key, "data": one.data, "kinds": encode_json(one.kinds)} for one in controls]
    replace_rows(connection, library_control, ("data", "kinds"), described)


def list_frameworks(connection: Connection) -> Iterator[FrameworkDocument]:
    """Yield the frameworks, those of published standards first."""
    documents = map(_decoder.decode, connection.execute(select(framework.c.document)).scalars())
    yield from sorted(documents, key=lambda one: (not one.is_standard, one.title))


def load_framework(connection: Connection, key: str) -> FrameworkDocument:
    """Return a framework. Raises LookupError."""
    document = connection.execute(select(framework.c.document).where(framework.c.key == key)).scalar()
    if document is None:
        raise LookupError(f"there is no framework {key}")
    return _decoder.decode(document)
