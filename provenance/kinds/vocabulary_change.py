"""Kind `vocabulary_change`: tokens were added or removed, or their rows of the embedding drawn anew.

Rows that are new show where the body is the parent's: the dimensions of both embeddings are then the same, and a kept
row points where the parent's does, as far as training left anything in place.
"""

from __future__ import annotations

import numpy as np

from fingerprints.alignment.vocabulary_match import VocabularyMatch
from provenance.judgement import Judgement
from provenance.observation import Observation
from provenance.result import Kind, Relation, rounded
from provenance.thresholds import thresholds


def find(observed: Observation, judgement: Judgement) -> Kind | None:
    """Tokens of B that A has not, tokens of A that B has not, and those of both whose rows do not agree."""
    match = observed.vocabulary
    if match is None or judgement.ruling.relation is not Relation.DERIVED:
        return None
    anew, level = _anew(observed, judgement)
    looked_at = len(match.agreement)
    reinitialised = round(match.kept * anew / max(looked_at, 1))
    added, removed = (0, 0) if _few_unmatched(match) else (match.added, match.removed)
    if not (added or removed or reinitialised):
        return None
    text = f"{match.kept} tokens are on both sides, by {match.basis}"
    if looked_at:
        text += f"; {anew} of {looked_at} rows of the embedding that were looked at do not agree"
        text += f" (kept ones: {level:.3g})" if anew else ""
    return Kind(
        kind="vocabulary_change",
        parameters={"added": added, "removed": removed, "reinitialised": reinitialised},
        evidence=text,
    )


def _few_unmatched(match: VocabularyMatch) -> bool:
    """Whether what is on one side alone are rows that content does not tell apart, as many on either side."""
    return match.searched and match.added == match.removed < thresholds().new_rows_share * match.kept


def _anew(observed: Observation, judgement: Judgement) -> tuple[int, float]:
    """How many of the rows that were looked at are new, and the cosine that kept rows are expected to have.

    That is the median of all rows, or the effect in the body where this is larger: all rows may be new. Long training
    turns some rows far away, with others at every distance before them: new rows stand apart.
    """
    limits = thresholds()
    effect = judgement.strength.effect if observed.two_axis_dependence else None
    agreement = observed.vocabulary.agreement if observed.vocabulary is not None else np.zeros(0)
    if effect is None or not len(agreement) or _body_share(observed, judgement) < limits.kept_body:
        return 0, 0.0
    level = rounded(max(float(np.median(agreement)), effect))
    if level < limits.derived_effect:
        return 0, level
    new = int(np.count_nonzero(agreement < limits.new_row * level))
    between = int(np.count_nonzero(agreement < limits.kept_row * level)) - new
    apart = between < limits.rows_between * new and new >= limits.new_rows_share * len(agreement)
    return (new if apart else 0), level


def _body_share(observed: Observation, judgement: Judgement) -> float:
    """Share of A's learned parameters outside of the tables that B has: where layers are new, so may any row be."""
    match = observed.vocabulary
    tables = {pair.a.name for pair in match.tables.pairs} if match is not None else set()
    body = {name: size for name, size in observed.a.inventory.learned.items() if name not in tables}
    shared = sum(size for name, size in body.items() if name in judgement.strength.covered.a)
    return rounded(shared / max(sum(body.values()), 1))
