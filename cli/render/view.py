"""How a report is to look: its level of detail, its glyphs and its language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from rich import box
from rich.table import Table
from rich.text import Text

from cli.screen import Screen
from provenance.escaping import NAME_LIMIT, prose, visible
from provenance.messages import Messages, messages
from provenance.reports.values import spelled

_ASCII_RULE = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
"""`box.SIMPLE_HEAD` in ASCII: a line under the titles and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Detail, glyphs and language of one report. All text from files passes through `name`, `value` or `prose`."""

    verbose: bool = False
    ascii_only: bool = False
    say: Messages = field(default_factory=messages)

    @classmethod
    def on(cls, screen: Screen, *, verbose: bool, language: str) -> Self:
        """A report for `screen`, in English where that shows nothing but ASCII."""
        say = messages("en" if screen.ascii_only else language)
        return cls(verbose=verbose, ascii_only=screen.ascii_only, say=say)

    def name(self, text: str, *, limit: int = NAME_LIMIT) -> Text:
        """A name from a file, made visible."""
        return Text(visible(text, limit=limit, ascii_only=self.ascii_only))

    def prose(self, text: str, *, style: str = "") -> Text:
        """A sentence that may quote names."""
        return Text(prose(text, ascii_only=self.ascii_only), style=style)

    def value(self, value: Any, *, limit: int = NAME_LIMIT) -> Text:
        """A value from a file or a parameter of a kind: text as it is, the rest in JSON's spelling."""
        return self.name(spelled(value), limit=limit)

    @property
    def arrow(self) -> str:
        """From A's spelling to B's."""
        return "->" if self.ascii_only else "\N{RIGHTWARDS ARROW}"

    @property
    def frame(self) -> box.Box:
        """The verdict's border."""
        return box.ASCII if self.ascii_only else box.ROUNDED

    def table(self, *columns: str, right: Sequence[str] = ()) -> Table:
        """An empty table with these column titles; those in `right` hold numbers."""
        rule = _ASCII_RULE if self.ascii_only else box.SIMPLE_HEAD
        table = Table(box=rule, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        for column in columns:
            number = column in right
            table.add_column(Text(column), justify="right" if number else "left", no_wrap=number, overflow="fold")
        return table

    def bar(self, share: float, width: int = 20) -> str:
        """A bar of `width` characters, filled up to `share` in [0, 1]."""
        filled = round(min(max(share, 0.0), 1.0) * width)
        full, empty = ("#", ".") if self.ascii_only else ("\N{FULL BLOCK}", "\N{LIGHT SHADE}")
        return full * filled + empty * (width - filled)

    def more(self, count: int, things: str) -> Text:
        """The line that stands for what a capped list leaves out."""
        return Text("  " + self.say("terminal.more", count=count, things=things), style="dim")


def heading(title: str, remark: Text | str = "") -> Text:
    """The line a section starts with, after a blank one."""
    return Text.assemble("\n", (title, "bold"), "  " if remark else "", remark)
