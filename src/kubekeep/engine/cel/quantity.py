"""Kubernetes resource quantities such as `500m` and `1Gi`, with exact arithmetic. Does not convert units."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any, Final

from kubekeep.engine.cel.functions import FunctionRegistry
from kubekeep.engine.cel.operators import check_int
from kubekeep.engine.cel.values import INT_MAX, INT_MIN, CelError, OpaqueValue

QUANTITIES: Final = FunctionRegistry()

_FORM: Final = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?(|[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)", re.ASCII)
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DIGITS: Final = 18
_NANO: Final = Fraction(1, 10**9)


class Quantity(OpaqueValue):
    """An amount; `scale` is the power of ten of its integer form in Kubernetes, None if Kubernetes stores a decimal.

    A `is_computed` quantity is not allowed as the right operand of an equality: Kubernetes holds it by reference.
    """

    __slots__ = ("amount", "is_computed", "scale")
    type_name = "kubernetes.Quantity"

    def __init__(self, amount: Fraction, scale: int | None, *, computed: bool = False) -> None:
        self.amount = amount
        self.scale = scale
        self.is_computed = computed

    def is_comparable(self, other: Any) -> bool:
        """Return True if `other` is a quantity that Kubernetes holds by value."""
        return isinstance(other, Quantity) and not other.is_computed

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.amount == other.amount

    def __hash__(self) -> int:
        return hash(self.amount)

    @property
    def integer(self) -> int | None:
        """The integer value, or None if Kubernetes does not treat the amount as an integer."""
        if self.scale is None or self.scale < 0 or not INT_MIN <= self.amount <= INT_MAX:
            return None
        return int(self.amount)

    def add(self, other: Quantity) -> Quantity:
        """Return the sum."""
        scales = [part.scale for part in (self, other) if part.amount]
        known_scales = [scale for scale in scales if scale is not None]
        least = min(known_scales, default=0)
        total = self.amount + other.amount
        is_exact = len(known_scales) == len(scales) and abs(total / Fraction(10) ** least) <= INT_MAX
        return Quantity(total, least if is_exact else None, computed=True)


def parse_quantity(text: str) -> Quantity:
    """Parse a quantity. Raises CelError."""
    match = _FORM.fullmatch(text)
    if match is None or not text or len(text) > 200:
        raise CelError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    sign, whole_part, fraction, suffix = match[1], match[2].lstrip("0"), match[3] or "", match[4]
    digits = len(whole_part or "0") + len(fraction)
    number = Fraction(int((whole_part or "0") + fraction), 10 ** len(fraction)) * (-1 if sign == "-" else 1)
    if suffix in _BINARY:
        power = _BINARY[suffix]
        plain = not fraction and 15 - len(whole_part or "0") - power * 3 // 10 - 1 >= 0
        return Quantity(_round_to_nanos(number * 2**power), 0 if plain else None)
    exponent = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:])
    if abs(exponent) > 1000:
        raise CelError("unable to parse quantity's suffix")
    scale = exponent - len(fraction)
    amount = _round_to_nanos(number * Fraction(10) ** exponent)
    return Quantity(amount, scale if digits <= _DIGITS and scale >= -9 else None)


def _round_to_nanos(amount: Fraction) -> Fraction:
    """Round to nanos, away from zero."""
    if (amount / _NANO).denominator == 1:
        return amount
    steps = math.ceil(abs(amount) / _NANO)
    return (steps if amount > 0 else -steps) * _NANO


@QUANTITIES.function("isQuantity", "string -> bool")
def _is_quantity(text: str) -> bool:
    try:
        parse_quantity(text)
    except CelError:
        return False
    return True


@QUANTITIES.member("asInteger", "kubernetes.Quantity -> int")
def _as_integer(quantity: Quantity) -> int:
    value = quantity.integer
    if value is None:
        raise CelError("cannot convert value to integer")
    return value


def _sign(amount: Fraction) -> int:
    return (amount > 0) - (amount < 0)


def _from_int(number: int) -> Quantity:
    return Quantity(Fraction(number), 0)


def _negate(quantity: Quantity) -> Quantity:
    return Quantity(-quantity.amount, quantity.scale)


_PAIR: Final = "kubernetes.Quantity, kubernetes.Quantity -> "
QUANTITIES.function("quantity", "string -> kubernetes.Quantity")(parse_quantity)
QUANTITIES.function("sign", "kubernetes.Quantity -> int")(lambda quantity: _sign(quantity.amount))
QUANTITIES.member("isGreaterThan", _PAIR + "bool")(lambda a, b: a.amount > b.amount)
QUANTITIES.member("isLessThan", _PAIR + "bool")(lambda a, b: a.amount < b.amount)
QUANTITIES.member("compareTo", _PAIR + "int")(lambda a, b: _sign(a.amount - b.amount))
QUANTITIES.member("asApproximateFloat", "kubernetes.Quantity -> double")(lambda quantity: float(quantity.amount))
QUANTITIES.member("isInteger", "kubernetes.Quantity -> bool")(lambda quantity: quantity.integer is not None)
QUANTITIES.member("add", _PAIR + "kubernetes.Quantity")(lambda a, b: a.add(b))
QUANTITIES.member("sub", _PAIR + "kubernetes.Quantity")(lambda a, b: a.add(_negate(b)))
QUANTITIES.member("add", "kubernetes.Quantity, int -> kubernetes.Quantity")(lambda a, b: a.add(_from_int(check_int(b))))
QUANTITIES.member("sub", "kubernetes.Quantity, int -> kubernetes.Quantity")(lambda a, b: a.add(_from_int(-b)))
