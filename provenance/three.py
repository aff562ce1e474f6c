"""`compare A B --with C`: the comparison of two models, and where a third relative stands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from provenance.comparison import compare
from provenance.hub import Hub
from provenance.options import Options, Progress, Sided
from provenance.result import Result
from provenance.third import measure_corners, place_third


def compare_with_third(
    first: Result, references: tuple[str | Path, str | Path, str | Path], options: Options, progress: Progress
) -> Result:
    """The result on A and B, with the place of a third relative C.

    Parameters
    ----------
    first : Result
        Of A and B.
    references : three of str or Path
        A, B and C.
    options, progress
        As for `compare`; what is set for one side alone is left out for C.

    Raises
    ------
    CheckpointError
        When C cannot be used.
    """
    plain = replace(options, subtree=Sided(), variant=Sided(), renames={}, full=False, spectrum=False)
    with Hub(budget=options.budget, allow_download=options.allow_download) as hub:
        a, b, c = (hub.locate(reference) for reference in references)
        with_a, with_b = compare(a, c, plain, progress), compare(b, c, plain, progress)
        corners = measure_corners((a, b, c), seed=options.sample_seed)
    return replace(first, third=place_third(first, with_a, with_b, corners, with_a.b.reference))
