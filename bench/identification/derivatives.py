"""Every derivative of the zoo among all its bases: is the first candidate one that it was made from?"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.zoo import bases, derive
from bench.zoo.derivatives import DERIVATIONS
from fingerprints.errors import AuditError
from provenance.identification import IdentifyOptions, identify
from provenance.library import Library
from provenance.library.adding import add_path


def origins(name: str) -> frozenset[str]:
    """The bases that a model goes back to by all its parents."""
    if name in bases.BASES:
        return frozenset((name,))
    return frozenset().union(*(origins(parent) for parent in DERIVATIONS[name].parents))


def fill(library: Library, names: Sequence[str]) -> None:
    """Add models of the zoo by their names."""
    for name in names:
        add_path(library, derive.folder(name), name=name)


def run(names: Sequence[str], *, weights: bool) -> int:
    """Print each derivative without a right first candidate, strangers with any, and what it took.

    Returns
    -------
    int
        1 where a first candidate is wrong, or a stranger has one.
    """
    options = IdentifyOptions(weights=weights, threads=1)
    right, missed, wrong = 0, 0, 0
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Library(Path(folder), create=True) as library:
        fill(library, list(bases.BASES))
        for name in names or DERIVATIONS:
            try:
                found = identify(derive.folder(name), library, options)
            except AuditError as error:
                missed += 1
                print(f"refused  {name}: {error.message}")
                continue
            if not found.candidates:
                missed += 1
                suspects = ", ".join(each.subject for each in found.not_measured) or "none"
                print(f"nothing  {name}; to be compared by weights: {suspects}")
            elif found.candidates[0].name in origins(name):
                right += 1
            else:
                wrong += 1
                print(f"wrong    {name}: {found.candidates[0].name}, of {', '.join(sorted(origins(name)))}")
    count = right + missed + wrong
    print(f"{right} of {count} right, {wrong} wrong, {missed} without a candidate; {time.monotonic() - started:.0f} s")
    related = strangers(options) if not names else 0
    return int(wrong > 0 or related > 0)


def strangers(options: IdentifyOptions) -> int:
    """Each base among the bases that nothing connects it with; how many have a candidate."""
    related = 0
    for name in bases.BASES:
        kin = {other for other in bases.BASES if connected(name, other)}
        with tempfile.TemporaryDirectory() as folder, Library(Path(folder), create=True) as library:
            fill(library, [other for other in bases.BASES if other not in kin])
            found = identify(derive.folder(name), library, options)
        if found.candidates:
            related += 1
            print(f"related  {name}: {', '.join(each.name for each in found.candidates)}")
    print(f"{related} of {len(bases.BASES)} bases have a candidate among strangers")
    return related


def connected(one: str, other: str) -> bool:
    """Whether two bases share their seed and recipe, or an encoder, or one taught the other."""
    a, b = bases.BASES[one], bases.BASES[other]
    same = (a.family, a.seed) == (b.family, b.seed)
    lent = {a.teacher, a.encoder, one} & {b.teacher, b.encoder, other}
    return same or bool(lent - {None})
