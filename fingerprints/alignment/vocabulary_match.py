"""What became of the tokens of one checkpoint in another: which are kept, and where their rows are.

Files say which row is which token; the weights have the last word. Rows that agree where they are, stay; else those
that files call the same are tried; else rows are searched for by content.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from fingerprints.alignment.axis_map import AxisMap
from fingerprints.alignment.rows import seen, with_rows
from fingerprints.alignment.token_tables import Floats, TokenTables, token_tables
from fingerprints.alignment.vocabulary import LEAST, in_place, match_rows, match_tokens
from fingerprints.checkpoint import Checkpoint, Finding
from fingerprints.errors import CheckpointError
from fingerprints.pairing import Pairing
from fingerprints.sampling import Ints
from fingerprints.tokens import Tokens, read_tokens

SETTLED = 0.98
"""Share of rows that agree from which no better map is looked for."""
FOUND = 0.25
"""Share of the smaller vocabulary that a search must find."""
AHEAD = 1.02
"""How many times as many rows as in place must agree for another map."""


class MapBasis(StrEnum):
    """Why rows are taken for the same token."""

    POSITION = "position"
    NAME = "name"
    CONTENT = "content"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VocabularyMatch:
    """The tokens of two checkpoints.

    Attributes
    ----------
    tables : TokenTables
        The tables whose rows are tokens.
    rows : AxisMap
        Rows of one token.
    basis : MapBasis
        What that rests on. After a search by content, tests may only see the half of the dimensions that it did not.
    agreement : ndarray of float64
        Cosines of mapped rows, of a spread of them in large tables; meaningless where dimensions are not aligned.
    added, removed : int
        Rows of B and of A without a counterpart; those that no token has, where files list the tokens, left out.
    findings : pair of tuple of Finding
        What was wrong with the files of either side.
    """

    tables: TokenTables
    rows: AxisMap
    basis: MapBasis
    agreement: Floats
    added: int
    removed: int
    findings: tuple[tuple[Finding, ...], tuple[Finding, ...]] = ((), ())

    @property
    def kept(self) -> int:
        """Tokens on both sides."""
        return len(self.rows.a)

    @property
    def whole(self) -> bool:
        """Whether every row of both sides has a counterpart, and it is where it was."""
        rows = self.rows
        return self.kept == rows.units_a == rows.units_b and bool((rows.a == rows.b).all())

    def aligned(self, pairing: Pairing) -> tuple[Checkpoint, Checkpoint, Pairing]:
        """Both checkpoints with their tables at the common tokens, in A's order, and the pairing with these shapes."""
        names_a = tuple(pair.a.name for pair in self.tables.pairs)
        names_b = tuple(pair.b.name for pair in self.tables.pairs)
        a = with_rows(self.tables.a, names_a, self.rows.a)
        b = with_rows(self.tables.b, names_b, self.rows.b)
        return a, b, seen(pairing, a, b)

    @property
    def searched(self) -> bool:
        """Whether weights chose the rows."""
        return self.basis is MapBasis.CONTENT


def match_vocabulary(pairing: Pairing, a: Checkpoint, b: Checkpoint, *, seed: int = 0) -> VocabularyMatch | None:
    """Find out which tokens two checkpoints have in common.

    Parameters
    ----------
    pairing : Pairing
        Counterparts, of which tables of tokens are looked at.
    a, b : Checkpoint
        Where they are read.
    seed : int
        Moves the positions that are read.

    Returns
    -------
    VocabularyMatch or None
        None where there are no tables of tokens, they cannot be read, or nothing tells which row is which token.
    """
    tables = token_tables(pairing, a, b)
    if tables is None:
        return None
    try:
        return _matched(tables, seed)
    except CheckpointError:
        return None


def _matched(tables: TokenTables, seed: int) -> VocabularyMatch | None:
    rows, basis = in_place(*tables.units), MapBasis.POSITION
    agreement = tables.agreement(rows, seed=seed)
    kept = _agreeing(rows, agreement)
    if tables.units[0] == tables.units[1] and kept >= SETTLED * len(rows.a):
        return VocabularyMatch(tables=tables, rows=rows, basis=basis, agreement=agreement, added=0, removed=0)
    (tokens_a, findings_a), (tokens_b, findings_b) = read_tokens(tables.a.origin), read_tokens(tables.b.origin)
    named = match_tokens(tokens_a, tokens_b, tables.units) if tokens_a and tokens_b else None
    if named is not None and kept < SETTLED * len(rows.a):
        by_name = tables.agreement(named, seed=seed)
        count = _agreeing(named, by_name)
        if count > AHEAD * kept or kept < FOUND * len(rows.a):
            rows, basis, agreement, kept = named, MapBasis.NAME, by_name, count
    if kept < SETTLED * min(tables.units) and tables.searchable:
        columns = tables.searched_columns(seed=seed)
        found = None if columns is None else match_rows(*columns)
        if found is not None and len(found.a) > AHEAD * kept and len(found.a) >= FOUND * min(tables.units):
            rows, basis, agreement = found, MapBasis.CONTENT, tables.agreement(found, seed=seed)
            kept = len(found.a)
    if basis is MapBasis.POSITION and kept < FOUND * len(rows.a) and tables.units[0] != tables.units[1]:
        return None
    if named is not None and basis is not MapBasis.NAME and _contradicted(rows, named):
        findings_b = (*findings_b, _contradiction(tokens_b, rows, named))
    return VocabularyMatch(
        tables=tables,
        rows=rows,
        basis=basis,
        agreement=agreement,
        added=_without_counterpart(rows.b, tokens_b, tables.units[1]),
        removed=_without_counterpart(rows.a, tokens_a, tables.units[0]),
        findings=(findings_a, findings_b),
    )


def _agreeing(rows: AxisMap, agreement: Floats) -> float:
    """How many mapped rows agree, by the share of those that were looked at."""
    return float((agreement >= LEAST).mean()) * len(rows.a) if len(agreement) else 0.0


def _without_counterpart(mapped: Ints, tokens: Tokens | None, length: int) -> int:
    """Rows that are mapped to nothing; of those only that have a token, where tokens are known."""
    left = np.ones(length, dtype=np.bool_)
    left[mapped] = False
    if tokens is not None:
        named = [text is not None for text in tokens.texts[:length]]
        left &= np.array(named + [False] * (length - len(named)))
    return int(np.count_nonzero(left))


def _contradicted(rows: AxisMap, named: AxisMap) -> bool:
    return _shifted(rows, named) > (1.0 - SETTLED) * max(len(rows.a), 1)


def _shifted(rows: AxisMap, named: AxisMap) -> int:
    """How many rows of A have one counterpart by their name and another by content."""
    _, left, right = np.intersect1d(rows.a, named.a, assume_unique=True, return_indices=True)
    return int((rows.b[left] != named.b[right]).sum())


def _contradiction(tokens: Tokens | None, rows: AxisMap, named: AxisMap) -> Finding:
    return Finding(
        code="tokens-contradict-weights",
        subject=tokens.source if tokens else "",
        message=f"{_shifted(rows, named)} of {len(rows.a)} rows of the embedding are those of other tokens in A than "
        "the files beside the weights say",
    )
