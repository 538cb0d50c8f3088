"""Commits and working trees as reports show them. Values only; never runs git."""

from __future__ import annotations

import datetime as dt

import msgspec


class Commit(msgspec.Struct, frozen=True):
    """A commit: full hash, author name and e-mail address, author time with time zone, and subject.

    Name, address and subject are untrusted text. A time outside the calendar is clamped to the nearest valid one.
    """

    hash: str
    author: str
    email: str
    date: dt.datetime
    subject: str


class GitRepository(msgspec.Struct, frozen=True):
    """A Git repository on this machine: the absolute real path of its working tree and the checked-out revision.

    `remote` is the clone URL without credentials, empty if there is none; `branch` is empty on a detached head, `head`
    is None before the first commit. `code_owners` is the text of its CODEOWNERS, empty without a readable one.
    """

    root: str
    remote: str = ""
    branch: str = ""
    head: Commit | None = None
    code_owners: str = ""
