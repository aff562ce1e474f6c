"""Models whose change is a mixture of two others': on the line between them, or in the cone that they span.

Seen from the model that they come from, the changes of a merge's parents point in different directions, and that of the
merge is a sum of both with weights that are not negative; so of linear merges, of task arithmetic, and, as weights may
differ between tensors, of slices and gradients. Without that model, a merge is what lies on the line between two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from provenance.lineage.centres import centres_of
from provenance.lineage.pair import Pair
from provenance.lineage.sight import APART, LEAST_SHARE, Sight

OPPOSITE: Final = -0.9
"""Cosine at a model from which on it lies between two others. Training that went on comes nowhere near."""
STRAIGHT: Final = -0.98
"""The same where every tensor is known: rounding alone bends the line then."""
NEAR: Final = 0.3
"""Of the distance between two parents, what both must be away from the model that they are seen from."""
MOST_LINES: Final = 64
"""Lines through a model that are looked at, the straightest first."""
MOST_LEFT: Final = 0.6
"""Of a change, what two others may leave for values to be asked whether they are its parents."""
BETTER: Final = 0.85
"""Of what the better of the two leaves, what both may leave then."""

_Key = frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A model that may be a merge which drops elements, as TIES and DARE do: values alone can tell."""

    child: str
    parents: tuple[str, str]
    centre: str


def find_suspects(known: Mapping[_Key, Pair]) -> list[Suspect]:
    """Models much of whose change two others explain, and more than one of them."""
    clear = find_mixtures(known)
    found = []
    for centre, others in centres_of(known).items():
        seen = Sight(centre, known, [name for name in others if name not in clear])
        for child in seen.names:
            x, y = sorted(seen.parts_of(child, most=MOST_LEFT, both=BETTER) or ("", ""))
            if x:
                found.append(Suspect(child=child, parents=(x, y), centre=centre))
    return found


def find_mixtures(known: Mapping[_Key, Pair]) -> Mapping[str, _Key]:
    """Models that are mixtures of two others, and those two."""
    return {**_lines(known), **_cones(known)}


def _cones(known: Mapping[_Key, Pair]) -> Mapping[str, _Key]:
    """Mixtures as the centre of each family sees them, which is likely to be what the parents were trained from."""
    found: dict[str, _Key] = {}
    for centre, others in centres_of(known).items():
        seen = Sight(centre, known, others)
        for child in seen.names:
            if (parents := seen.parts_of(child)) is not None:
                found.setdefault(child, parents)
    return found


def _lines(known: Mapping[_Key, Pair]) -> Mapping[str, _Key]:
    """Models that lie on the line between two others, and those two."""
    names = sorted({name for key in known for name in key})
    place = {name: number for number, name in enumerate(names)}
    apart = np.full((len(names), len(names)), np.inf)
    for key, pair in known.items():
        if pair.distance is not None and not pair.transforms:
            a, b = (place[name] for name in key)
            apart[a, b] = apart[b, a] = pair.distance
    merges: dict[str, _Key] = {}
    for child in range(len(names)):
        found = _line_through(child, apart)
        if found is not None:
            both = frozenset(names[each] for each in found)
            if _is_opposite(names[child], both, known):
                merges[names[child]] = both
    return merges


def _line_through(child: int, apart: np.ndarray) -> tuple[int, int] | None:
    """The two models on whose line `child` lies most nearly, if another one sees them in different directions."""
    near = np.flatnonzero(np.isfinite(apart[child]))
    if len(near) < 2:
        return None
    cosines = _cosines(apart[child, near][:, None], apart[child, near][None, :], apart[np.ix_(near, near)])
    cosines[np.tril_indices(len(near))] = 1.0
    order = np.argsort(cosines, axis=None, kind="stable")
    for flat in order[: min(MOST_LINES, int((cosines <= OPPOSITE).sum()))]:
        x, y = (int(near[each]) for each in np.unravel_index(flat, cosines.shape))
        seen = np.abs(_cosines(apart[:, x], apart[:, y], apart[x, y])) <= APART
        seen &= np.minimum(apart[:, x], apart[:, y]) >= NEAR**2 * apart[x, y]
        seen[[child, x, y]] = False
        if seen.any():
            return x, y
    return None


def _is_opposite(child: str, parents: _Key, known: Mapping[_Key, Pair]) -> bool:
    """Whether two models lie on opposite sides of a third in the tensors that all three have, where these are known."""
    if not all(known[frozenset((child, each))].changes for each in parents):
        return True
    seen = Sight(child, known, sorted(parents))
    cosine, (less, more) = seen.cosine(*parents), sorted(seen.size(each) for each in parents)
    return cosine is not None and cosine <= STRAIGHT and less >= LEAST_SHARE**2 * more


def _cosines(one: np.ndarray, other: np.ndarray, opposite: np.ndarray) -> np.ndarray:
    """Of the angles between sides of these squared lengths, `opposite` facing them; 1 where a side is not known."""
    one, other, opposite = np.broadcast_arrays(one, other, opposite)
    cosines = np.ones(one.shape)
    known = np.isfinite(one) & np.isfinite(other) & np.isfinite(opposite) & (one > 0.0) & (other > 0.0)
    cosines[known] = (one[known] + other[known] - opposite[known]) / (2.0 * np.sqrt(one[known] * other[known]))
    return cosines
