"""Errors of the advisory database. Messages name the file or server, the cause and the next step."""

from __future__ import annotations

from kubekeep.model.errors import KubekeepError


class DatabaseError(KubekeepError):
    """A database, a bundle or a database of Grype is damaged, of another kind or version, or cannot be written."""


class MissingDatabaseError(DatabaseError):
    """There is no advisory database; the message says how to create one."""


class AdvisoryInputError(KubekeepError):
    """Advisory files cannot be read at all, or too many of their records cannot."""


class UpdateError(KubekeepError):
    """A source of advisories is unreachable, refuses, or returns other content than expected."""


class MissingSourceError(UpdateError):
    """All feeds were imported, so that no source is known for an update."""
