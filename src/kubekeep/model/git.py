"""Who changed a line last, and which repository a scan looked at. Facts for reports; never asks git."""

from __future__ import annotations

import datetime as dt

import msgspec


class Commit(msgspec.Struct, frozen=True):
    """A commit: its full hash, and of its author the name, the e-mail address and the time, with its zone.

    Name, address and subject are what somebody wrote: hostile text. A time that no calendar has is the nearest there
    is.
    """

    hash: str
    author: str
    email: str
    date: dt.datetime
    subject: str


class GitRepository(msgspec.Struct, frozen=True):
    """A repository on this machine: the absolute real path of its working tree, and what is checked out.

    `remote` is the address it was cloned from, without credentials, empty if it has none; `branch` is empty on a
    detached head, `head` None before the first commit.
    """

    root: str
    remote: str = ""
    branch: str = ""
    head: Commit | None = None
