"""Errors of cloud APIs with the action that resolves them, and import of optional SDKs.

Sends no requests.
"""

from __future__ import annotations

import importlib
import logging
from typing import Any, Final

from kubekeep.model.text import visible

_LONGEST: Final = 300


class CloudError(Exception):
    """Cloud data cannot be read: the message is the cause, `needs` the action to take, in the imperative.

    The message is a single short line without control characters.
    """

    def __init__(self, needs: str, why: str) -> None:
        text = visible(" ".join(why.split()))
        super().__init__(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}...")
        self.needs = needs


def to_cloud_error(status: int, why: str, *, login: str, permission: str) -> CloudError:
    """Convert an HTTP error status to a CloudError; `login` is the command to log in, `permission` the missing one."""
    match status:
        case 401:
            return CloudError(login, why)
        case 404:
            return CloudError("name the cluster with --cloud-cluster", why)
    return CloudError(f"allow {permission}", why)


def import_sdk(module: str, extra: str) -> Any:
    """Import a module of the SDK in `extra`. Raises CloudError if it is not installed.

    The result is untyped, so that type checks do not depend on installed SDKs.
    """
    # SDK log messages are part of the error; without a handler they would go to standard error.
    logger = logging.getLogger(module.partition(".")[0])
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise CloudError(f"pip install 'kubekeep[{extra}]'", f"{module} is not installed") from error


def require_mapping(content: Any) -> dict[str, Any]:
    """Return the response if it is a JSON object. Raises CloudError otherwise."""
    if not isinstance(content, dict):
        raise CloudError("allow connections to the cloud", "the response is not a JSON object")
    return content
