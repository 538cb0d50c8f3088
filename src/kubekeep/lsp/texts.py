"""Texts of open documents and of files, with positions as the client counts them. Writes nothing."""

from __future__ import annotations

from lsprotocol import types
from pygls.uris import from_fs_path

from kubekeep.lsp.evaluation import Documents
from kubekeep.lsp.positions import ClientText
from kubekeep.sources.files import decode_text, open_file
from kubekeep.sources.tree import MAXIMUM_BYTES


class ClientTexts:
    """The texts by path, each read once. Files that cannot be read are empty."""

    def __init__(self, documents: Documents, encoding: types.PositionEncodingKind | str) -> None:
        self._documents = documents
        self.encoding = encoding
        self._texts: dict[str, ClientText] = {}

    def open(self, path: str) -> ClientText:
        """Return the text of an open document, or of the file."""
        if path not in self._texts:
            document = self._documents.get(path)
            self._texts[path] = ClientText(_read(path) if document is None else document.text, self.encoding)
        return self._texts[path]

    def find_uri(self, path: str) -> str:
        """Return the URI of a file; that of the document if it is open."""
        document = self._documents.get(path)
        return document.uri if document is not None else (from_fs_path(path) or "")


def _read(path: str) -> str:
    try:
        with open_file(path) as stream:
            content = stream.read(MAXIMUM_BYTES)
    except (OSError, ValueError):
        return ""
    return decode_text(content) or ""
