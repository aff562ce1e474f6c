"""Numbers as people read them."""

from __future__ import annotations

import math

_BYTES = ("B", "KB", "MB", "GB", "TB", "PB")


def count(number: int) -> str:
    """`8030261248` as `8.03 billion`; below ten thousand as it is, with separators."""
    for size, word in ((10**12, "trillion"), (10**9, "billion"), (10**6, "million")):
        if number >= size:
            return f"{number / size:.3g} {word}"
    return f"{number:,}"


def size(number: int) -> str:
    """Bytes in powers of 1000: `16.1 GB`."""
    value, unit = float(number), 0
    while value >= 999.5 and unit < len(_BYTES) - 1:
        value, unit = value / 1000, unit + 1
    return f"{number} B" if unit == 0 else f"{value:.3g} {_BYTES[unit]}"


def percent(share: float) -> str:
    """A share in [0, 1]; what is not all never reads `100 %`, and what is not nothing never `0 %`."""
    if 0.0 < share < 0.0005:
        return "< 0.1 %"
    if 0.9995 <= share < 1.0:
        return "> 99.9 %"
    return f"{share * 100:.3g} %"


def p_value(log10_p: float | None) -> str:
    """A p-value from its logarithm, as a bound that holds: `-312.4` reads `p < 10^-312`."""
    if log10_p is None:
        return "no exact p-value"
    if log10_p > -4:
        return f"p = {10**log10_p:.2g}"
    return f"p < 10^{math.floor(log10_p) + 1}"


def logarithm(log10_p: float) -> str:
    """A log10 p for a table column."""
    return f"{log10_p:.1f}"


def statistic(z: float | None) -> str:
    """A standardised statistic, or a dash where there is none."""
    return "-" if z is None else f"{z:.1f}"


def cosine(effect: float | None) -> str:
    """An effect, or a dash where there is none."""
    return "-" if effect is None else f"{effect:.3f}"


def shape(lengths: tuple[int, ...]) -> str:
    """`(4096, 11008)` as `4096 x 11008`."""
    return " x ".join(map(str, lengths)) if lengths else "scalar"
