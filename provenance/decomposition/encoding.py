"""A conclusion as the result that is shown and stored."""

from __future__ import annotations

from provenance.decomposition.conclusion import Conclusion
from provenance.decomposition.curves import Curves
from provenance.decomposition.result import Decomposition, Outcome
from provenance.decomposition.wording import Wording
from provenance.result import ModelSummary, Run, rounded


def result_of(conclusion: Conclusion, model: ModelSummary, base: ModelSummary | None, run: Run) -> Decomposition:
    """Everything in one value."""
    words = Wording(conclusion)
    found = conclusion.analysis
    stacked = conclusion.outcome is Outcome.MERGED and conclusion.stack is not None
    equal = conclusion.outcome is Outcome.EQUAL
    curves = Curves(
        choice=found.choice,
        sparse=found.sparse,
        samples=found.kept_samples,
        kept=[conclusion.fitting[place] for place in found.kept],
        parents=len(conclusion.names),
    )
    told = conclusion.outcome is Outcome.MERGED and not stacked
    varies = found.choice.fit.resolution if told and found.sparse is None else "model"
    exact = stacked or equal
    return Decomposition(
        model=model,
        base=base,
        outcome=conclusion.outcome,
        parents=conclusion.parents(),
        method=conclusion.method,
        parameters=conclusion.parameters(),
        varies_by=None if varies == "model" else varies,
        residual=0.0 if exact else rounded(found.residual),
        rounding=rounded(found.rounding),
        explained=1.0 if exact else rounded(found.explained),
        reproduced=1.0 if exact else found.reproduced,
        equal_to=tuple(conclusion.labels[place] for place in found.equal_to) if equal else (),
        per_layer=conclusion.slices() if stacked else curves.by_layer() if told else (),
        per_role=curves.by_role() if told else (),
        recipe=conclusion.recipe,
        summary=words.summary(),
        warnings=tuple(words.warnings()),
        evidence=tuple(words.evidence()),
        not_compared=() if stacked else found.lineup.notes,
        coverage=1.0 if stacked else rounded(found.lineup.covered),
        run=run,
    )
