r"""The one way text from files gets onto a terminal or into a report.

Tensor names, paths, config values and messages that quote them may hold anything: escape sequences that repaint the
screen, marks that reverse the reading order, characters that show as nothing. Each of these is spelled out (`\x1b`,
`\u202e`); ordinary text in any script stays as it is.
"""

from __future__ import annotations

import unicodedata

NAME_LIMIT = 120
PROSE_LIMIT = 2000

_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Me", "Zl", "Zp"})
# Letters and marks that no font shows, though their category says letter, mark or symbol.
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0").union(
    map(chr, range(0xFE00, 0xFE10)), map(chr, range(0xE0100, 0xE01F0))
)
_TYPOGRAPHY = str.maketrans(
    {
        "\N{RIGHTWARDS ARROW}": "->",
        "\N{LEFT RIGHT ARROW}": "<->",
        "\N{HORIZONTAL ELLIPSIS}": "...",
        "\N{EN DASH}": "-",
        "\N{EM DASH}": "-",
        "\N{MINUS SIGN}": "-",
        "\N{MULTIPLICATION SIGN}": "x",
        "\N{GREATER-THAN OR EQUAL TO}": ">=",
        "\N{LESS-THAN OR EQUAL TO}": "<=",
        "\N{ALMOST EQUAL TO}": "~",
        "\N{MIDDLE DOT}": "-",
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{LEFT DOUBLE QUOTATION MARK}": '"',
        "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
        "\N{NO-BREAK SPACE}": " ",
    }
)


def visible(text: str, *, limit: int = NAME_LIMIT, ascii_only: bool = False) -> str:
    """`text` on one line, with everything that is not plain visible text spelled as an escape.

    Parameters
    ----------
    text : str
        Anything, lone surrogates included.
    limit : int
        Greatest length of the answer; what is longer loses its middle to `…`.
    ascii_only : bool
        Spell every character outside ASCII as an escape as well.

    Returns
    -------
    str
        At most `limit` characters, none of them a control, format, private, surrogate or unassigned character.
    """
    ellipsis = "..." if ascii_only else "…"
    if len(text) <= limit:
        pieces = _pieces(text, ascii_only)
        if sum(map(len, pieces)) <= limit:
            return "".join(pieces)
    room = max(limit - len(ellipsis), 0)
    tail_room = room // 3
    head = _fitting(_pieces(text[:limit], ascii_only), room - tail_room)
    tail = _fitting(_pieces(text[-limit:], ascii_only)[::-1], tail_room)[::-1]
    return "".join([*head, ellipsis[:limit], *tail])


def prose(text: str, *, limit: int = PROSE_LIMIT, ascii_only: bool = False) -> str:
    """A sentence of the program's own that may quote names; dashes and arrows become ASCII where they must."""
    return visible(text.translate(_TYPOGRAPHY) if ascii_only else text, limit=limit, ascii_only=ascii_only)


def _fitting(pieces: list[str], room: int) -> list[str]:
    """The first pieces that fit in `room` characters; an escape is never cut in two."""
    kept: list[str] = []
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            break
        kept.append(piece)
    return kept


def _pieces(text: str, ascii_only: bool) -> list[str]:
    """One string per character: itself, or its escape."""
    pieces: list[str] = []
    after_letter = False
    for character in text:
        category = unicodedata.category(character)
        # One mark may sit on a letter; piled-up marks run into the lines above and below.
        stray_mark = category == "Mn" and not after_letter
        after_letter = category.startswith("L")
        unsafe = (
            category in _UNSAFE_CATEGORIES
            or (category == "Zs" and character != " ")
            or character in _BLANKS
            or stray_mark
            or (ascii_only and not character.isascii())
        )
        pieces.append(_escape(character) if unsafe else character)
    return pieces


def _escape(character: str) -> str:
    code = ord(character)
    if character in "\n\r\t":
        return {"\n": r"\n", "\r": r"\r", "\t": r"\t"}[character]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
