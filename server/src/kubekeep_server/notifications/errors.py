"""Failures of a delivery."""

from __future__ import annotations

from typing import Final

_LONGEST_PAUSE: Final = 86_400.0


class DeliveryError(Exception):
    """A message that a destination did not accept.

    is_final: True if a repetition would fail too. retry_after: seconds that the destination asks for; 0 without any.
    """

    def __init__(self, text: str, *, is_final: bool = False, retry_after: float = 0.0) -> None:
        super().__init__(text)
        self.is_final = is_final
        self.retry_after = min(max(retry_after, 0.0), _LONGEST_PAUSE)
