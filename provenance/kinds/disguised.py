"""Kind `disguised`: the same function in another order or basis of what training leaves free.

Legitimate exports do it as well (QuaRot and SpinQuant rotate the residual stream); the kind says what was done, and
nothing about why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from fingerprints.alignment.disguise import Undone
from fingerprints.alignment.folding import WRITERS
from fingerprints.alignment.heads import FUSED, Turn
from fingerprints.alignment.tower_map import TowerMap
from provenance.independents import independents
from provenance.judgement import Judgement
from provenance.kinds.depth import layer_map
from provenance.observation import Observation
from provenance.result import Kind, Relation, rounded
from provenance.trivial_changes import scaled_tensors, shifted_tensors

MOST_LISTED = 100_000
"""Units up to which permutations are listed."""
PERMUTED = 0.1
"""Share of units out of their place from which an axis counts as permuted."""


def find(observed: Observation, judgement: Judgement) -> Kind | None:
    """What was moved, turned or scaled, by component."""
    if judgement.ruling.relation is not Relation.DERIVED:
        return None
    towers = observed.alignment.towers if observed.alignment is not None else ()
    found = [change for tower in towers for change in _of_tower(tower)]
    if observed.undone is not None:
        found += _of_bases(observed.undone)
    elif observed.turned_tensors:
        found.append({"what": "residual stream in another basis"})
    found += [*_of_channels(observed), *_of_tokens(observed), *_of_sizes(observed)]
    if not found:
        return None
    parameters: dict[str, Any] = {"transform": found}
    if matched := list(_matched_alike(observed)):
        parameters["matched_alike"] = matched
    inserted = [tower for tower in towers if tower.silent and not _repeated(tower)]
    if inserted:
        child = "b" if inserted[0].layers.depth_b > inserted[0].layers.depth_a else "a"
        parameters |= {"layer_map": layer_map(inserted[0], child), "child": child}
    return Kind(
        kind="disguised",
        parameters=parameters,
        evidence="equal up to " + ", ".join(dict.fromkeys(change["what"] for change in found)),
    )


def _matched_alike(observed: Observation) -> Iterator[dict[str, Any]]:
    """Where neurons were matched in a searched basis: by layer, the share that what they read and what they pass on
    match alike, and the most that independent models reach in such a layer.
    """
    strangers = independents()
    for layer, share in observed.agreement_by_layer.items():
        most = strangers.layers["first" if observed.is_first(layer) else "later"]
        yield {"tower": layer[0], "layer": layer[1], "share": share, "independents": most}
    for name, share in observed.channel_agreements.items():
        yield {"tensor": name, "share": share, "independents": strangers.layers["channels"]}


def _of_tower(tower: TowerMap) -> Iterator[dict[str, Any]]:
    for what, meaning in (("neurons permuted", "neuron"), ("heads permuted", "head")):
        moved = [
            units
            for units in tower.units
            if units.meaning == meaning and units.map.units_a == units.map.units_b and _is_moved(units.map)
        ]
        if moved:
            shown: dict[str, Any] = {"what": what, "tower": tower.path_a}
            shown["layers"] = sorted({units.layers[0] for units in moved})
            if sum(len(units.map.a) for units in moved) <= MOST_LISTED:
                shown["permutations"] = [
                    {
                        "layer": units.layers[0],
                        "expert": units.experts[0],
                        "role": units.role,
                        **({"a": units.map.a.tolist()} if len(units.map.a) < units.map.units_a else {}),
                        "b": units.map.b.tolist(),
                    }
                    for units in moved
                ]
            yield shown
    scaled = sorted({units.layers[0] for units in tower.units if units.factors})
    if scaled:
        yield {"what": "neurons scaled", "tower": tower.path_a, "layers": scaled}
    experts = [
        layers[0]
        for layers, found in tower.experts.items()
        if found.experts_a == found.experts_b > 0 and any(a != b for a, b in found.pairs)
    ]
    if experts:
        yield {"what": "experts permuted", "tower": tower.path_a, "layers": sorted(experts)}
    if tower.silent and not _repeated(tower):
        yield {"what": "identity layers inserted", "tower": tower.path_a, "layers": list(tower.silent)}


def _repeated(tower: TowerMap) -> bool:
    sides = [[pair[place] for pair in tower.layers.pairs] for place in (0, 1)]
    return any(len(set(side)) < len(side) for side in sides)


def _is_moved(found: Any) -> bool:
    return bool((found.a != found.b).mean() > PERMUTED) if len(found.a) else False


def _of_channels(observed: Observation) -> Iterator[dict[str, Any]]:
    """Layers whose outputs lie in another order."""
    maps = observed.alignment.channels if observed.alignment is not None else ()
    moved = [each for each in maps if (each.outputs != range(len(each.outputs))).mean() > PERMUTED]
    if moved:
        listed = sum(len(each.outputs) for each in moved) <= MOST_LISTED
        shown = [{"tensor": each.pair.a.name, "b": each.outputs.tolist()} for each in moved] if listed else []
        yield {"what": "channels permuted", "tensors": len(moved), "permutations": shown}


def _of_bases(undone: Undone) -> Iterator[dict[str, Any]]:
    for path, basis in undone.bases.items():
        shown: dict[str, Any] = {"tower": path, "matched_outside_of_the_fit": rounded(basis.share)}
        if basis.columns is not None and basis.signs is not None:
            if (basis.columns != range(len(basis.columns))).any():
                yield {"what": "residual stream permuted", **shown, "permutation": basis.columns.tolist()}
            if (basis.signs < 0).any():
                yield {"what": "residual stream with signs turned", **shown, "turned": int((basis.signs < 0).sum())}
        else:
            yield {"what": "residual stream rotated", **shown, "hadamard": basis.hadamard}
        if abs(basis.scale - 1.0) > SCALED:
            yield {"what": "residual stream scaled", "tower": path, "factor": rounded(basis.scale)}
    moved = sorted({key[1] for key, turns in undone.turns.items() if any(turn.moves for turn in turns.values())})
    if moved:
        yield {"what": "heads permuted", "layers": moved}
    for what, roles in (
        ("queries and keys in another basis", ("attn_q", "attn_k")),
        ("values in another basis", ("attn_v", "attn_out")),
    ):
        mixed = sorted(
            {key[1] for key, turns in undone.turns.items() if any(turns[r].mixes for r in roles if r in turns)}
            | {key[1] for key, turns in undone.turns.items() if FUSED in turns and _queries_mixed(turns[FUSED], roles)}
        )
        if mixed:
            yield {"what": what, "layers": mixed}


def _queries_mixed(fused: Turn, roles: tuple[str, ...]) -> bool:
    """Whether queries, the first third of a fused matrix, are in another basis, where these are asked for."""
    third = len(fused.order) // 3
    return "attn_q" in roles and replace(fused, order=fused.order[:third], blocks=fused.blocks[:third]).mixes


SCALED = 0.05
"""Relative difference of size from which a residual stream counts as scaled."""


def _of_sizes(observed: Observation) -> Iterator[dict[str, Any]]:
    """A residual stream of another size: its writers differ by one factor. A head with one vector in all rows."""
    parts = [observed.pair_of[name].a for name in scaled_tensors(observed)]
    writers = [part.info.size for part in parts if part.role in WRITERS]
    every = [item.pair.a.info.size for item in observed.measured.values() if item.pair.a.role in WRITERS]
    if writers and sum(writers) > 0.5 * sum(every):
        yield {"what": "residual stream scaled"}
    if any(observed.pair_of[name].a.role == "output" for name in shifted_tensors(observed)):
        yield {"what": "head shifted"}


def _of_tokens(observed: Observation) -> Iterator[dict[str, Any]]:
    match = observed.vocabulary
    if match is None or match.kept < PERMUTED * min(match.rows.units_a, match.rows.units_b):
        return
    if match.rows.units_a == match.rows.units_b and float((match.rows.a != match.rows.b).mean()) > PERMUTED:
        yield {"what": "token ids permuted", "kept": match.kept}
