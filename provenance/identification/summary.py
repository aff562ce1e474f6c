"""What `identify` found, in words. Neutral: what the weights show, nothing about anybody's intent."""

from __future__ import annotations

from collections.abc import Sequence

from provenance.identification.result import Candidate, Layout
from provenance.result import Relation

_WORDS = {
    Relation.IDENTICAL: "The weights are those of",
    Relation.DERIVED: "The weights are shared, changed, with",
    Relation.COMMON_ORIGIN: "The weights are not independent of, and not shown to be taken from,",
}


def summarise(
    candidates: Sequence[Candidate],
    closest: Sequence[str],
    layouts: Sequence[Layout],
    *,
    searched: int,
    build_bytes: int | None,
) -> str:
    """One to three sentences that can be quoted.

    Parameters
    ----------
    candidates, closest, layouts
        What was found.
    searched : int
        Entries of the library.
    build_bytes : int or None
        What fingerprints of the catalogue would take.
    """
    text = ""
    if candidates:
        named = " or ".join(closest)
        text = f"{_WORDS[candidates[0].relation]} {named}."
        if len(closest) > 1:
            text += " These are equally close; the closest cannot be told from what was compared."
        if len(candidates) > len(closest):
            more = len(candidates) - len(closest)
            text += f" {more} more {'entry is' if more == 1 else 'entries are'} related."
    elif searched:
        noun = "entry" if searched == 1 else "entries"
        text = f"Nothing related was found among {searched:,} {noun}; a disguised copy need not show in fingerprints."
    if layouts:
        text += f" {layout_words(layouts[0])}"
    elif not candidates:
        text += " No known architecture has these tensors."
    if build_bytes is not None:
        text += (
            " Weights were compared with nothing: `provenance library build` takes the fingerprints of known models"
            f" (about {build_bytes / 1e6:,.0f} MB for the whole catalogue)."
        )
    return text.strip()


def layout_words(layout: Layout) -> str:
    """How the checkpoint's tensors relate to a known architecture, as one sentence."""
    others = f" (and of {len(layout.others)} others)" if layout.others else ""
    if layout.relation == "variant":
        return f"The architecture is a variant of {layout.name}'s{others}."
    if layout.sizes:
        return f"The architecture is {layout.name}'s{others} at other sizes."
    count = len(layout.renamed)
    if layout.relation == "renamed":
        renamed = "renamed" if not count else f"{count} role{'' if count == 1 else 's'} renamed"
        return f"Tensor for tensor, the layout is that of {layout.name}{others}, {renamed}."
    return f"Tensor for tensor, the layout is that of {layout.name}{others}."
