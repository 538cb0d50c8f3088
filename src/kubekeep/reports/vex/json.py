"""The statements of VEX documents as JSON, with the same fields for all formats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TextIO

from kubekeep.model.text import json_text, utc_text
from kubekeep.vulnerabilities.vex.document import ProductStatement, VexDocument


def write_documents(documents: Sequence[VexDocument], stream: TextIO) -> None:
    """Write the documents as one line."""
    stream.write(json_text([_describe_document(document) for document in documents]) + "\n")


def _describe_document(document: VexDocument) -> dict[str, Any]:
    return {
        "file": document.origin,
        "format": document.format,
        "id": document.identifier,
        "version": ".".join(map(str, document.version)),
        "author": document.author,
        "timestamp": utc_text(document.timestamp) if document.timestamp else None,
        "statements": [_describe_statement(statement) for statement in document.statements],
    }


def _describe_statement(statement: ProductStatement) -> dict[str, Any]:
    return {
        "vulnerability": statement.vulnerability,
        "aliases": list(statement.aliases),
        "status": statement.status.value,
        "justification": statement.justification,
        "impact": statement.impact,
        "action": statement.action,
        "notes": statement.notes,
        "timestamp": utc_text(statement.timestamp) if statement.timestamp else None,
        "products": [
            {"component": target.component.label, "in": [product.label for product in target.context]}
            for target in statement.targets
        ],
        "place": statement.position,
        "flaw": statement.flaw,
    }
