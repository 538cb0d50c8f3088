"""Messages of the client, checked before their handlers run: every invalid request is answered with an error."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import cattrs
from lsprotocol import converters, types
from pygls.exceptions import JsonRpcException, JsonRpcMethodNotFound
from pygls.protocol import LanguageServerProtocol

_MAX_PROBLEMS: Final = 3
_MAX_NAME: Final = 80


class CheckedProtocol(LanguageServerProtocol):
    """The protocol with an answer to invalid messages, which the library only logs."""

    def structure_message(self, fields: dict[str, Any]) -> Any:
        """Return an object of the JSON unchanged: `handle_message` converts whole messages, not the objects in them."""
        return fields

    def handle_message(self, message: Any) -> None:
        """Convert a message and run its handler, or refuse it."""
        try:
            structured = self._structure(message)
        except _InvalidMessageError as error:
            identifier = message.get("id") if isinstance(message, dict) else None
            if isinstance(message, dict) and ("id" not in message or _is_answer(message)):
                self._log(f"a message was ignored: {error}")
            else:
                self.refuse(error.code, str(error), identifier if _is_identifier(identifier) else None)
            return
        super().handle_message(structured)

    def refuse(self, code: types.ErrorCodes, text: str, identifier: int | str | None = None) -> None:
        """Answer a request with an error; no identifier for a message whose identifier cannot be read."""
        # The types of the protocol leave out an empty identifier.
        error = {"code": code.value, "message": text}
        self._send_data({"jsonrpc": self.VERSION, "id": identifier, "error": error})
        self._log(f"a request was refused: {text}")

    def _structure(self, message: Any) -> Any:
        """Return the value of the type that belongs to a message. Raises _InvalidMessageError."""
        if not isinstance(message, dict) or message.get("jsonrpc") != self.VERSION:
            raise _InvalidMessageError(types.ErrorCodes.InvalidRequest, "not a message of JSON-RPC 2.0")
        if "id" in message and not _is_identifier(message["id"]):
            raise _InvalidMessageError(types.ErrorCodes.InvalidRequest, "the id is neither a number nor a text")
        method = message.get("method")
        if not _is_answer(message):
            self._check_method(method, is_request="id" in message)
        try:
            return super().structure_message(message)
        except JsonRpcException as error:
            text = f"invalid parameters of {method}" if method else "invalid answer"
            raise _InvalidMessageError(types.ErrorCodes.InvalidParams, f"{text}{_list_problems(error)}") from error

    def _check_method(self, method: Any, *, is_request: bool) -> None:
        if not isinstance(method, str):
            raise _InvalidMessageError(types.ErrorCodes.InvalidRequest, "the method is not a text")
        if not is_request:
            # Clients may send notifications that a server does not know.
            return
        if self._shutdown:
            raise _InvalidMessageError(types.ErrorCodes.InvalidRequest, "the server is shutting down")
        try:
            self._get_handler(method)
        except JsonRpcMethodNotFound:
            text = f"unknown method {method[:_MAX_NAME]}"
            raise _InvalidMessageError(types.ErrorCodes.MethodNotFound, text) from None

    def _log(self, text: str) -> None:
        self._server.window_log_message(types.LogMessageParams(types.MessageType.Error, text))


class _InvalidMessageError(Exception):
    """A message that no handler can get."""

    def __init__(self, code: types.ErrorCodes, text: str) -> None:
        super().__init__(text)
        self.code = code


def create_converter() -> cattrs.Converter:
    """Return a converter that accepts no number for a text and no text for a number, which cattrs would convert.

    It converts true and false as cattrs does: clients send other values for them in their capabilities.
    """
    converter = cattrs.Converter()
    converter.register_structure_hook(str, _expect(str))
    converter.register_structure_hook(int, _expect(int))
    return converters.get_converter(converter)


def _expect(kind: type) -> Callable[[Any, Any], Any]:
    def check(value: Any, target: Any) -> Any:
        if target is not kind:
            # The hook also applies to subclasses: true and false, and enumerations.
            return target(value)
        # JSON has one type of numbers: some clients write 1.0.
        if kind is int and isinstance(value, float) and value.is_integer():
            return int(value)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise TypeError(f"{kind.__name__} expected")
        return value

    return check


def _is_answer(message: dict[str, Any]) -> bool:
    return "method" not in message and ("result" in message or "error" in message)


def _is_identifier(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _list_problems(error: JsonRpcException) -> str:
    """Return the fields of a message that could not be converted, without their values."""
    if not isinstance(error.__cause__, cattrs.ClassValidationError):
        return ""
    problems = cattrs.transform_error(error.__cause__)[:_MAX_PROBLEMS]
    # The protocol writes names in another form than Python.
    return f": {re.sub('_([a-z])', lambda match: match[1].upper(), '; '.join(problems))}"
