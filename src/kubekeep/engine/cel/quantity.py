"""Quantities of resources, `500m` or `1Gi`, exact. Knows which of them Kubernetes keeps as a whole number."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any, Final

from kubekeep.engine.cel.functions import Functions
from kubekeep.engine.cel.operators import whole
from kubekeep.engine.cel.values import INT_MAX, INT_MIN, CelError, Opaque

QUANTITIES: Final = Functions()

_FORM: Final = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?(|[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)", re.ASCII)
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DIGITS: Final = 18
_NANO: Final = Fraction(1, 10**9)


class Quantity(Opaque):
    """An amount; `scale` is the power of ten that Kubernetes keeps it in, None if it keeps a decimal.

    A `computed` one cannot stand on the right of an equality: Kubernetes holds it by reference there.
    """

    __slots__ = ("amount", "computed", "scale")
    type_name = "kubernetes.Quantity"

    def __init__(self, amount: Fraction, scale: int | None, *, computed: bool = False) -> None:
        self.amount = amount
        self.scale = scale
        self.computed = computed

    def is_comparable(self, other: Any) -> bool:
        """Whether it is a quantity that Kubernetes holds by value."""
        return isinstance(other, Quantity) and not other.computed

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.amount == other.amount

    def __hash__(self) -> int:
        return hash(self.amount)

    @property
    def integer(self) -> int | None:
        """Its value, if Kubernetes takes it for a whole number."""
        if self.scale is None or self.scale < 0 or not INT_MIN <= self.amount <= INT_MAX:
            return None
        return int(self.amount)

    def plus(self, other: Quantity) -> Quantity:
        """The sum."""
        scales = [part.scale for part in (self, other) if part.amount]
        known = [scale for scale in scales if scale is not None]
        least = min(known, default=0)
        total = self.amount + other.amount
        fits = len(known) == len(scales) and abs(total / Fraction(10) ** least) <= INT_MAX
        return Quantity(total, least if fits else None, computed=True)


def parse(text: str) -> Quantity:
    """The quantity that `text` writes. Raises CelError."""
    match = _FORM.fullmatch(text)
    if match is None or not text or len(text) > 200:
        raise CelError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    sign, whole_part, fraction, suffix = match[1], match[2].lstrip("0"), match[3] or "", match[4]
    digits = len(whole_part or "0") + len(fraction)
    number = Fraction(int((whole_part or "0") + fraction), 10 ** len(fraction)) * (-1 if sign == "-" else 1)
    if suffix in _BINARY:
        power = _BINARY[suffix]
        plain = not fraction and 15 - len(whole_part or "0") - power * 3 // 10 - 1 >= 0
        return Quantity(_rounded(number * 2**power), 0 if plain else None)
    exponent = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:])
    if abs(exponent) > 1000:
        raise CelError("unable to parse quantity's suffix")
    scale = exponent - len(fraction)
    amount = _rounded(number * Fraction(10) ** exponent)
    return Quantity(amount, scale if digits <= _DIGITS and scale >= -9 else None)


def _rounded(amount: Fraction) -> Fraction:
    """No finer than a billionth, away from zero."""
    if (amount / _NANO).denominator == 1:
        return amount
    steps = math.ceil(abs(amount) / _NANO)
    return (steps if amount > 0 else -steps) * _NANO


@QUANTITIES.function("isQuantity", "string -> bool")
def _is_quantity(text: str) -> bool:
    try:
        parse(text)
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


def _count(number: int) -> Quantity:
    return Quantity(Fraction(number), 0)


def _less(quantity: Quantity) -> Quantity:
    return Quantity(-quantity.amount, quantity.scale)


_PAIR: Final = "kubernetes.Quantity, kubernetes.Quantity -> "
QUANTITIES.function("quantity", "string -> kubernetes.Quantity")(parse)
QUANTITIES.function("sign", "kubernetes.Quantity -> int")(lambda quantity: _sign(quantity.amount))
QUANTITIES.member("isGreaterThan", _PAIR + "bool")(lambda a, b: a.amount > b.amount)
QUANTITIES.member("isLessThan", _PAIR + "bool")(lambda a, b: a.amount < b.amount)
QUANTITIES.member("compareTo", _PAIR + "int")(lambda a, b: _sign(a.amount - b.amount))
QUANTITIES.member("asApproximateFloat", "kubernetes.Quantity -> double")(lambda quantity: float(quantity.amount))
QUANTITIES.member("isInteger", "kubernetes.Quantity -> bool")(lambda quantity: quantity.integer is not None)
QUANTITIES.member("add", _PAIR + "kubernetes.Quantity")(lambda a, b: a.plus(b))
QUANTITIES.member("sub", _PAIR + "kubernetes.Quantity")(lambda a, b: a.plus(_less(b)))
QUANTITIES.member("add", "kubernetes.Quantity, int -> kubernetes.Quantity")(lambda a, b: a.plus(_count(whole(b))))
QUANTITIES.member("sub", "kubernetes.Quantity, int -> kubernetes.Quantity")(lambda a, b: a.plus(_count(-b)))
