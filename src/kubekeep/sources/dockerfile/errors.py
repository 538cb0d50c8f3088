"""Errors of the Dockerfile reader."""

from __future__ import annotations


class DockerfileError(ValueError):
    """An invalid Dockerfile; the message is the cause. line: first line it is about, 0 if it is about the whole file."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line
