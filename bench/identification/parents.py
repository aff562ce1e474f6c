"""Children and merges among bases and other derivatives: is the first candidate a direct parent?"""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.identification.derivatives import fill
from bench.zoo import bases, derive
from bench.zoo.derivatives import DERIVATIONS
from fingerprints.errors import AuditError
from provenance.identification import IdentifyOptions, identify
from provenance.library import Library


def run() -> int:
    """Print merges, and each model whose first candidate is another relative than a parent of its own.

    Returns
    -------
    int
        1 where no parent is among the closest.
    """
    parents = sorted({parent for each in DERIVATIONS.values() for parent in each.parents} - bases.BASES.keys())
    right, tied, wrong, silent = 0, 0, 0, 0
    with tempfile.TemporaryDirectory() as folder, Library(Path(folder), create=True) as library:
        fill(library, [*bases.BASES, *parents])
        print(f"{len(bases.BASES)} bases and {', '.join(parents)}")
        for name, derivation in DERIVATIONS.items():
            if name in parents:
                continue
            try:
                found = identify(derive.folder(name), library, IdentifyOptions(weights=False))
            except AuditError:
                silent += 1
                continue
            through = [each.name for each in found.candidates if each.through in derivation.parents]
            if not found.candidates:
                silent += 1
                continue
            good = found.candidates[0].name in derivation.parents
            among = not good and any(each in found.closest for each in derivation.parents)
            right, tied, wrong = right + good, tied + among, wrong + (not good and not among)
            if not good or len(derivation.parents) > 1:
                told = f"closest {', '.join(found.closest)}; through a parent: {', '.join(through) or 'none'}"
                mark = "right" if good else "tied " if among else "wrong"
                print(f"{mark}  {name} of {', '.join(derivation.parents)}: {told}")
    count = right + tied + wrong
    print(
        f"{right} of {count} right, {tied} with a parent among the closest, {wrong} wrong, {silent} without a candidate"
    )
    return int(wrong > 0)
