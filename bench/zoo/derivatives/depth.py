"""Models with fewer layers: some are dropped, the rest close up, with and without a short training afterwards."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from bench.zoo import folder
from bench.zoo.derivatives.derivation import Derivation, Truth
from bench.zoo.derivatives.evaluation import loaded, loss
from bench.zoo.derivatives.finetuning import SHORT, Tuned, save, tune
from bench.zoo.families import FAMILIES

NUMBERED = re.compile(r"(?P<before>.*\.(?:layers|layer|h)\.)(?P<layer>\d+)(?P<after>\..*)")
"""The name of a tensor of a layer: `model.layers.3.mlp.up_proj.weight`."""
DEPTHS = ("num_hidden_layers", "n_layer")
"""What the configurations call the number of layers."""


def renamed(names: Sequence[str], layer_map: Sequence[int]) -> dict[str, str]:
    """The names that are left, each with its new name, when layer i becomes what was layer `layer_map[i]`."""
    place = {layer: index for index, layer in enumerate(layer_map)}
    matches = {name: NUMBERED.fullmatch(name) for name in names}
    return {
        name: match.expand(rf"\g<before>{place[int(match['layer'])]}\g<after>") if match else name
        for name, match in matches.items()
        if match is None or int(match["layer"]) in place
    }


def dropped(
    tensors: Mapping[str, Tensor], settings: Mapping[str, object], layers: Sequence[int]
) -> tuple[dict[str, Tensor], dict[str, object], tuple[int, ...]]:
    """Tensors and configuration without the given layers, and the layer map of what is left."""
    key = next(key for key in DEPTHS if key in settings)
    layer_map = tuple(layer for layer in range(settings[key]) if layer not in layers)
    names = renamed(list(tensors), layer_map)
    return {new: tensors[old] for old, new in names.items()}, {**settings, key: len(layer_map)}, layer_map


def shortened(family_name: str, suffix: str, layers: Sequence[int], *, healed: bool = False) -> Derivation:
    """Seed 0 of a family without some of its layers."""
    family = FAMILIES[family_name]
    name = f"{family_name}-{suffix}"

    def make(parents: Sequence[Path], target: Path) -> Truth:
        tensors = folder.weights(parents[0])
        left, settings, layer_map = dropped(tensors, folder.config(parents[0]), layers)
        folder.write(target, left, settings)
        kinds: list[Mapping[str, object]] = [{"kind": "pruned_depth", "layer_map": list(layer_map)}]
        details: dict[str, object] = {"dropped": list(layers)}
        model = loaded(target, family)
        if healed:
            details |= tune(Tuned(model, family), family, SHORT, name)
            kinds.append({"kind": "fine_tune"})
            save(model, family, target)
        return Truth(
            kinds=tuple(kinds),
            renames={old: new for old, new in renamed(list(tensors), layer_map).items() if old != new},
            layer_map=layer_map,
            details={**details, "loss": loss(loaded(target, family), family)},
        )

    return Derivation(
        name=name,
        transform="layers dropped, healed" if healed else "layers dropped",
        tool="transformers" if healed else "safetensors",
        parents=(f"{family_name}-0",),
        make=make,
    )


DERIVATIONS = (
    shortened("llama", "drop-layer", (3,)),
    shortened("llama", "drop-layer-healed", (3,), healed=True),
    shortened("bert", "drop-layers", (1, 2)),
    shortened("gpt2", "drop-last-layer", (3,)),
)
