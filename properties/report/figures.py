"""Numbers as a reader wants them: few digits, no machine noise, infinity as a sign."""

from __future__ import annotations

import math
import re
from typing import Any

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_FRACTION = re.compile(r"(?<![\w.])(-?\d+)/(0*[1-9]\d{4,})(?![\w.])")
_WORDS = {"infinity": "∞", "-infinity": "−∞", "nan": "NaN"}


def figure(value: Any, digits: int = 4) -> str:
    """``value`` with at most ``digits`` significant digits; text and lists are passed through in words.

    1e+38 is written 10³⁸, infinities as ∞, True and None as words; what JSON spells "infinity" too.
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(figure(v, digits) for v in value) or "none"
    if isinstance(value, dict):
        return "; ".join(f"{k}: {figure(v, digits)}" for k, v in value.items())
    if not isinstance(value, int | float):
        return _WORDS.get(str(value), str(value))
    return _number(value, digits)


def rounded(text: str) -> str:
    """``text`` with the exact fractions of a proof, p/q of many digits, as four-digit numbers."""
    return _FRACTION.sub(lambda m: f"≈ {figure(int(m[1]) / int(m[2]))}", text)


def _number(value: float, digits: int) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    if abs(value) < 10**6 and (isinstance(value, int) or abs(value) >= 10**digits):
        return grouped(round(value))
    text = f"{value:.{digits}g}"
    mantissa, e, exponent = text.partition("e")
    if e:
        power = "10" + str(int(exponent)).translate(_SUPERSCRIPTS)
        sign = "−" if mantissa.startswith("-") else ""
        mantissa = mantissa.removeprefix("-")
        return sign + (power if mantissa == "1" else f"{mantissa}·{power}")
    return mantissa.replace("-", "−")


def grouped(count: int) -> str:
    """A count with thin spaces between groups of three digits from five digits on: 6144, 12 345."""
    text = f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return (str(count) if abs(count) < 10_000 else text).replace("-", "−")
