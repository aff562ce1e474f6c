"""Ways of looking at a pair, from the cheapest to the most thorough: as names pair it, through maps, undisguised."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fingerprints.alignment.alignment import Alignment, align
from fingerprints.alignment.axis_map import Floats32
from fingerprints.alignment.channel_views import align_channels
from fingerprints.alignment.disguise import Undone, undo
from fingerprints.alignment.nameless import adopt
from fingerprints.alignment.stacks import facing_stacks
from fingerprints.alignment.tower_search import AlignmentSettings
from fingerprints.alignment.vocabulary_match import VocabularyMatch, match_vocabulary
from fingerprints.anatomy import Anatomy
from fingerprints.checkpoint import Checkpoint
from fingerprints.pairing import Pairing
from provenance.searches import Search, Way

IN_TOWERS = 0.8
"""Share of the elements that must lie in towers of known roles for their disguises to be all there is."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """Both sides as a measurement sees them.

    `searched` says that weights chose what is compared with what: tests then use the half that searches did not see.
    `adopted` are the counterparts of tensors that took over their roles, as they are stored.
    """

    way: Way
    a: Checkpoint
    b: Checkpoint
    anatomies: tuple[Anatomy, Anatomy]
    pairing: Pairing
    vocabulary: VocabularyMatch | None = None
    alignment: Alignment | None = None
    undone: Undone | None = None
    adopted: Pairing | None = None

    @property
    def searched(self) -> bool:
        """Whether weights chose units or pairs."""
        return (
            self.alignment is not None
            or self.pairing.searched
            or (self.vocabulary is not None and self.vocabulary.searched)
        )


def plain_look(
    a: Checkpoint, b: Checkpoint, anatomies: tuple[Anatomy, Anatomy], pairing: Pairing, *, seed: int, tokens: bool
) -> Look:
    """Tensor beside tensor; tables of tokens at the tokens that both sides have.

    Parameters
    ----------
    a, b, anatomies, pairing
        The two sides.
    seed : int
        Moves what is read to match tokens.
    tokens : bool
        Whether there is time for that.
    """
    vocabulary = match_vocabulary(pairing, a, b, seed=seed) if tokens else None
    look = Look(way=Way.NAMES, a=a, b=b, anatomies=anatomies, pairing=pairing, vocabulary=vocabulary)
    return look if vocabulary is None else _at_tokens(look, vocabulary)


def searched_look(plain: Look, search: Search, *, seed: int) -> Look | None:
    """The pair as a search sees it; None where it finds nothing.

    Parameters
    ----------
    plain : Look
        The pair as names pair it.
    search : Search
        For maps of what differs in number, of everything, or for bases as well.
    seed : int
        Moves what searches read.
    """
    if search.way is Way.CHANNELS:
        found = align_channels(plain.anatomies, (plain.a, plain.b), plain.pairing)
        return None if found is None else _through(plain, found, search.way)
    sought = AlignmentSettings(layers=search.layers, seed=seed, everywhere=search.way is not Way.STRUCTURE)
    if search.way is not Way.BASES:
        found = align(plain.anatomies, (plain.a, plain.b), plain.pairing, sought)
        return None if found is None else _through(plain, found, search.way)
    adopted = adopt(plain.anatomies, (plain.a, plain.b))
    guesses: dict[str, Floats32] = {}
    if adopted is not None:
        plain = replace(plain, anatomies=adopted.anatomies, pairing=adopted.pairing, adopted=adopted.stored)
        guesses[adopted.tower] = adopted.matrix
    undone = undo(plain.anatomies, (plain.a, plain.b), plain.pairing, sought, thorough=True, guesses=guesses)
    if undone is None or not (undone.bases or undone.turns or adopted is not None):
        return None
    look = replace(_through(plain, undone.alignment, Way.BASES), undone=undone)
    if not undone.bases and adopted is None:
        return look
    vocabulary = match_vocabulary(look.pairing, look.a, look.b, seed=seed)
    return replace(look, vocabulary=None) if vocabulary is None else _at_tokens(look, vocabulary)


def bases_searchable(plain: Look) -> bool:
    """Whether the searches for bases leave little out: towers of equal width that hold most of the parameters."""
    facing = {
        (stacks.a.path, stacks.b.path): plain.anatomies for stacks in facing_stacks(*plain.anatomies, plain.pairing)
    }
    widths = [(a.towers[path_a].residual, b.towers[path_b].residual) for (path_a, path_b), (a, b) in facing.items()]
    if not facing or any(width[0] != width[1] for width in widths):
        return False
    for place, anatomy in enumerate(plain.anatomies):
        paths = {pair[place] for pair in facing}
        held = sum(part.info.size for part in anatomy.parts.values() if part.role is not None and part.tower in paths)
        if held < IN_TOWERS * sum(part.info.size for part in anatomy.parts.values()):
            return False
    return True


def _through(plain: Look, alignment: Alignment, way: Way) -> Look:
    return replace(
        plain,
        way=way,
        a=alignment.a,
        b=alignment.b,
        anatomies=alignment.anatomies,
        pairing=alignment.pairing,
        alignment=alignment,
    )


def _at_tokens(look: Look, vocabulary: VocabularyMatch) -> Look:
    a, b, pairing = vocabulary.aligned(look.pairing)
    anatomies = _seen(look.anatomies[0], a), _seen(look.anatomies[1], b)
    return replace(look, a=a, b=b, pairing=pairing, anatomies=anatomies, vocabulary=vocabulary)


def _seen(anatomy: Anatomy, checkpoint: Checkpoint) -> Anatomy:
    """The anatomy with the shapes that tensors have in a checkpoint of views."""
    parts = {
        name: part if part.info is checkpoint.tensors[name] else replace(part, info=checkpoint.tensors[name])
        for name, part in anatomy.parts.items()
    }
    return replace(anatomy, parts=parts)
