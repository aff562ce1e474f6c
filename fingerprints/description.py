"""Tensors whose names say nothing, taken for what their counterparts are known to be.

Which axes hold units need be known of one side only: relabelling its units is a symmetry, whatever the other is.
"""

from __future__ import annotations

from dataclasses import replace

from fingerprints.anatomy import Anatomy, Part, PartKind
from fingerprints.pairing import Pair, Pairing


def described(pairing: Pairing) -> Pairing:
    """The pairing with every part of unknown role described as its counterpart of equal shape, if that one is known.

    Parameters
    ----------
    pairing : Pairing
        Counterparts, settled.
    """
    return replace(pairing, pairs=tuple(_described(pair) for pair in pairing.pairs))


def described_anatomies(pairing: Pairing, a: Anatomy, b: Anatomy) -> tuple[Anatomy, Anatomy]:
    """Both anatomies with their parts as the pairing describes them.

    Parameters
    ----------
    pairing : Pairing
        As `described` left it.
    a, b : Anatomy
        The two sides.
    """
    return (
        replace(a, parts={**a.parts, **{pair.a.name: pair.a for pair in pairing.pairs}}),
        replace(b, parts={**b.parts, **{pair.b.name: pair.b for pair in pairing.pairs}}),
    )


def _described(pair: Pair) -> Pair:
    if pair.a.shape != pair.b.shape or bool(pair.a.axes) == bool(pair.b.axes):
        return pair
    if pair.a.axes and _is_unknown(pair.b):
        return replace(pair, b=_as(pair.b, pair.a))
    if pair.b.axes and _is_unknown(pair.a):
        return replace(pair, a=_as(pair.a, pair.b))
    return pair


def _is_unknown(part: Part) -> bool:
    return not part.role and part.kind is not PartKind.STATISTIC


def _as(part: Part, known: Part) -> Part:
    return replace(known, template=part.template, index=part.index, module=part.module, info=part.info)
