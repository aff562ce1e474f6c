"""Hand-made inspections, for tests of everything that shows one."""

from __future__ import annotations

from dataclasses import replace

from provenance.inspection import Inspection, TemplateSummary, WeightSetSummary
from provenance.result import LayoutEntry
from tests.results import HOSTILE, derived, hostile


def inspection() -> Inspection:
    """The tuned side of `derived`, looked at alone."""
    side = derived().b
    return Inspection(
        model=side,
        templates=(
            TemplateSummary(
                pattern="model.layers.{i}.mlp.gate_proj.weight",
                count=4,
                role="gate",
                shapes=((14336, 4096),),
                dtypes=("BF16",),
                parameters=4 * 14336 * 4096,
            ),
            TemplateSummary(
                pattern="extra.{i}",
                count=3,
                role=None,
                shapes=((1,), (2, 2), ()),
                dtypes=("F32", "BF16"),
                parameters=6,
                note="constant",
            ),
        ),
        weight_sets=(
            WeightSetSummary(
                name="model", format="safetensors", files=2, nbytes=16_060_522_496, readable=True, chosen=True
            ),
            WeightSetSummary(
                name="tf_model", format="hdf5", files=1, nbytes=16_060_522_496, readable=False, chosen=False
            ),
        ),
        claims={"model_type": "llama", "architectures": ["LlamaForCausalLM"], "eps": float("nan")},
        bytes_total=16_060_522_496,
        layouts=(LayoutEntry(side=None, layout="fused_qkv", tensors=32, views=96, detail="query, key, value"),),
    )


def hostile_inspection() -> Inspection:
    """An inspection in which every text that can come from a file is hostile."""
    base = inspection()
    template = replace(base.templates[0], pattern=HOSTILE, role=HOSTILE, dtypes=(HOSTILE,), note=HOSTILE)
    weights = replace(base.weight_sets[0], name=HOSTILE, format=HOSTILE)
    side = replace(hostile().a, digest=HOSTILE, dimensions={HOSTILE: 3})
    layout = LayoutEntry(side=None, layout=HOSTILE, tensors=1, views=1, detail=HOSTILE)
    return replace(
        base,
        model=side,
        templates=(template,),
        weight_sets=(weights,),
        claims={HOSTILE: [HOSTILE]},
        layouts=(layout,),
    )
