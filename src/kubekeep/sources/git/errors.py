"""Errors of git. Imported for every address that may name a repository, so it runs no program."""

from __future__ import annotations


class GitError(Exception):
    """A failure of git, with its message or the limit that stopped it, without credentials."""


class GitLimitError(GitError):
    """Git was stopped: too slow, too much output, or by the watcher."""
