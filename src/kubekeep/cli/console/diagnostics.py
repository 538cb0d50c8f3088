"""`--debug` and the message for an unexpected error. Writes to standard error only, with masked secrets."""

from __future__ import annotations

import errno
import logging
import platform
import sys
import traceback
from pathlib import Path
from typing import Final

from kubekeep._native import VERSION
from kubekeep.model.secret_text import mask_text
from kubekeep.model.text import visible

_LOGGERS: Final = ("kubekeep", "httpx2")
_FULL_DISK: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PACKAGE: Final = Path(__file__).parents[2]


class _MaskedFormatter(logging.Formatter):
    """Formatter that masks tokens and shows control characters as codes."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name in the base class
        record.message = visible(mask_text(record.message))
        return super().formatMessage(record)


def enable_debug() -> None:
    """Print debug messages from now on."""
    if _is_enabled():
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_MaskedFormatter("debug %(relativeCreated)6d ms: %(message)s"))
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG if name == "kubekeep" else logging.INFO)
    logging.getLogger("kubekeep").debug(
        "kubekeep %s, Python %s, %s", VERSION, platform.python_version(), platform.platform()
    )


def _is_enabled() -> bool:
    return logging.getLogger("kubekeep").isEnabledFor(logging.DEBUG)


def describe_unexpected_error(error: Exception) -> str:
    """Return a message for an error that no command handles.

    The text of the error may contain values of the input, so only its type and location are shown; with `--debug`,
    the traceback.
    """
    if isinstance(error, OSError) and error.errno in _FULL_DISK:
        return f"the output could not be written: {error.strerror}"
    if isinstance(error, MemoryError):
        return "out of memory: scan a smaller part of the input, or give the process more memory"
    if _is_enabled():
        lines = mask_text("".join(traceback.format_exception(error))).splitlines()
        return "\n".join(map(visible, lines))
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(_PACKAGE)
    ]
    location = f" at {Path(frames[-1].filename).relative_to(_PACKAGE.parent)}:{frames[-1].lineno}" if frames else ""
    return (
        f"internal error: {type(error).__name__}{location}; this is a defect of kubekeep. "
        "Run the command again with --debug, and report the output"
    )
