"""What goes wrong on the way to a cloud, with what to do about it, and the SDKs, which may not be there."""

from __future__ import annotations

import importlib
import logging
from typing import Any, Final

from kubekeep.model.text import visible

_LONGEST: Final = 300


class CloudError(Exception):
    """Something cannot be had of a cloud: the message says why, `needs` what to do about it, as an order.

    The message is on one line, is not long and steers no terminal.
    """

    def __init__(self, needs: str, why: str) -> None:
        text = visible(" ".join(why.split()))
        super().__init__(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}...")
        self.needs = needs


def refusal(status: int, why: str, *, login: str, right: str) -> CloudError:
    """The error that a status of HTTP other than 200 is: `login` says how to log in, `right` what has to be allowed."""
    match status:
        case 401:
            return CloudError(login, why)
        case 404:
            return CloudError("name the cluster with --cloud-cluster", why)
    return CloudError(f"allow {right}", why)


def sdk(module: str, extra: str) -> Any:
    """A module of the SDK that comes with `extra`. Raises CloudError where it is not installed.

    Untyped, so that types are checked alike with the SDK and without.
    """
    # What SDKs log on the way is told in the error, once; without a handler of their own it goes to standard error.
    logger = logging.getLogger(module.partition(".")[0])
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise CloudError(f"pip install 'kubekeep[{extra}]'", f"{module} is not installed") from error


def mapping(answer: Any) -> dict[str, Any]:
    """An answer that has to be a JSON object. Raises CloudError for anything else."""
    if not isinstance(answer, dict):
        raise CloudError("let the cloud be reached", "the answer is no JSON object")
    return answer
