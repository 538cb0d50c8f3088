"""Variables of a stage at one of its instructions: ENV, and ARG with its default. Knows no value of a build."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kubekeep.sources.dockerfile.arguments import Pair
from kubekeep.sources.dockerfile.words import UnknownVariableError, expand

_LONGEST_VALUE: Final = 8192
_MAX_EXPANDED: Final = 4_000_000
"""Characters of all expanded words of a file; further words stay as they are written."""
_OF_PLATFORM: Final = frozenset(
    f"{side}{part}" for side in ("TARGET", "BUILD") for part in ("PLATFORM", "OS", "OSVERSION", "ARCH", "VARIANT")
)
"""Arguments that a builder sets, for FROM and for stages that declare them."""


class ExpansionBudget:
    """Number of characters that expansion may still produce."""

    def __init__(self) -> None:
        self.remaining = _MAX_EXPANDED


class DockerfileVariables:
    """Values of variables; None for a value that only a build knows.

    is_open: other variables may come from the image that is the base. arguments: those of ARG.
    """

    def __init__(self, escape: str, budget: ExpansionBudget, *, is_open: bool) -> None:
        self.is_open = is_open
        self._values: dict[str, str | None] = {}
        self.arguments: dict[str, str | None] = {}
        self._escape = escape
        self._budget = budget

    def inherit(self, base: DockerfileVariables) -> None:
        """Take the variables of the stage that is the base."""
        self.is_open = base.is_open
        self._values = dict(base._values)
        self.arguments = dict(base.arguments)

    def add_platforms(self) -> None:
        """Declare the arguments that a builder sets."""
        self.arguments.update(dict.fromkeys(_OF_PLATFORM))

    def expand(self, word: str) -> str:
        """Return a word without quotes and with its variables expanded. Raises DockerfileError for invalid syntax.

        A word stays as it is written if the file has more text to expand than the limit.
        """
        if not any(sign in word for sign in ("$", "'", '"', self._escape)) or self._budget.remaining <= 0:
            return word
        expanded = expand(word, self._find, self._escape)
        self._budget.remaining -= len(expanded)
        return expanded if len(expanded) <= max(_LONGEST_VALUE, len(word)) else word

    def set_values(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Set variables of ENV, which have precedence over arguments."""
        self._values.update(pairs)

    def declare(self, pair: Pair, defaults: DockerfileVariables | None = None) -> str | None:
        """Declare an argument, and return its default; None without one. defaults: arguments before all stages."""
        name = pair.name.text
        value = None if pair.value is None else self.expand(pair.value.text)
        if value is None and defaults is not None:
            value = defaults.arguments.get(name)
        self.arguments[name] = value
        return value

    def _find(self, name: str) -> str | None:
        if name in self._values:
            return self._values[name]
        if name not in self.arguments and self.is_open:
            raise UnknownVariableError
        if name in _OF_PLATFORM and self.arguments.get(name) is None:
            raise UnknownVariableError
        return self.arguments.get(name)
