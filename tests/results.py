"""Hand-made results, one for each answer a comparison can give, for tests of everything that shows a result."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from provenance.decoding import from_json
from provenance.reports.json import encode
from provenance.result import (
    Architecture,
    ArchitectureRelation,
    Basis,
    Cell,
    Claim,
    Coverage,
    Direction,
    Evidence,
    FindingEntry,
    Kind,
    Layer,
    LayoutEntry,
    ModelSummary,
    NotMeasured,
    Relation,
    RenameRule,
    Result,
    Run,
    SizeDifference,
    Status,
    Verdict,
)
from provenance.tensor_entry import TensorEntry

HOSTILE = "\x1b[2J\x1b]0;owned\x07[bold red]evil[/]\u202ecod.exe\u200b\ud800\n:smile:"
"""A name with everything a name can do to a terminal: escape sequences, markup, bidi marks, a lone surrogate."""

SAVED = sorted((Path(__file__).parent / "provenance" / "data" / "results").glob("*.json"))
"""Results as versions of this program wrote them."""
_CLOSED = {str(word) for words in (Relation, ArchitectureRelation, Direction, Basis, Status) for word in words}


def model(reference: str, *, findings: tuple[FindingEntry, ...] = ()) -> ModelSummary:
    """One side: a small Llama."""
    return ModelSummary(
        reference=reference,
        revision=None,
        digest="sha256:5f2b9323c39c2a1c",
        format="safetensors",
        variant=None,
        shards=2,
        tensors=39,
        params=8_030_261_248,
        learned_params=8_030_000_000,
        dtype="BF16",
        dtypes={"BF16": 8_030_000_000, "F32": 261_248},
        layers=4,
        dimensions={"residual": 4096, "mlp": 14336, "vocabulary": 128_256, "layers": 4},
        findings=findings,
    )


def index_test(
    subject: str, *, z: float, hits: int, log10_p: float, decides: bool, layer: int | None = None
) -> Evidence:
    """One index test on 256 units."""
    return Evidence(
        signal="neuron_index",
        method="neuron_index/v1?rows=256&layers=8",
        subject=subject,
        axis="neuron",
        layer=layer,
        role="gate",
        tensors=3,
        units=256,
        z=z,
        hits=hits,
        log10_p_statistic=log10_p,
        log10_p_hits=log10_p,
        log10_p=log10_p,
        effect=0.98 if hits > 100 else 0.01,
        min_detectable=0.021,
        status=Status.DEPENDENT if hits > 100 else Status.CHANCE,
        order="free",
        decides=decides,
    )


def _layers(effect: float, z: float, status: str) -> tuple[Layer, ...]:
    sampled = tuple(Cell(role=role, effect=effect, z=z, status=status) for role in ("gate", "up", "down"))
    skipped = (Cell(role="gate", effect=None, z=None, status="not sampled"),)
    return tuple(Layer(a=i, b=i, cells=sampled if i in (0, 5) else skipped) for i in range(6))


def derived() -> Result:
    """A fine-tune under other names, parent A."""
    findings = (FindingEntry(code="weight-sets-disagree", subject="pytorch_model.bin", message="differs in 3 tensors"),)
    return Result(
        a=model("examples/base"),
        b=model("examples/tuned", findings=findings),
        architecture=Architecture(
            relation=ArchitectureRelation.RENAMED,
            sizes=(SizeDifference(dimension="vocabulary", a=128_256, b=128_264),),
            renames=tuple(
                RenameRule(
                    a=f"model.layers.{{i}}.ln{n}.weight",
                    b=f"model.layers.{{i}}.norm_{n}.weight",
                    count=4,
                    basis=Basis.WEIGHTS if n else Basis.SHAPE,
                    ambiguous=n == 0,
                )
                for n in range(15)
            ),
            paired=38,
            only_a={"model.rotary.{i}.inv_freq": 4},
            only_b={"lm_head.bias": 1},
        ),
        verdict=Verdict(
            relation=Relation.DERIVED,
            clause="dependence and effect >= 0.6",
            basis="sampled: 3.2 % of the values",
            scope=None,
            kinds=(
                Kind(
                    kind="fine_tune", parameters={"relative_change": 0.0123, "untouched_share": 0.25}, evidence="full"
                ),
                Kind(kind="renamed", parameters={"rules": 15}, packaging=True),
            ),
            direction=Direction.A_TO_B,
            log10_p=-312.4,
            effect=0.98,
            min_detectable_effect=0.021,
            coverage=Coverage(a=0.99, b=1.0, extrapolated=0.6),
            alpha=1e-6,
            tests=38,
            summary="B is a fine-tune of A: 99 % of A's learned parameters are found in B under other names.",
        ),
        claims=(
            Claim(name="model_type", a="llama", b="llama", agrees=True),
            Claim(name="vocab_size", a=128_256, b=128_264, agrees=False),
            Claim(name="rope_theta", a=None, b=float("inf"), agrees=None),
        ),
        evidence=(
            index_test("layer 0 neurons", z=112.3, hits=256, log10_p=-312.4, decides=True, layer=0),
            index_test("layer 5 neurons", z=98.1, hits=255, log10_p=-309.1, decides=True, layer=5),
            index_test("model.layers.0.mlp.gate_proj.weight", z=61.0, hits=250, log10_p=-290.0, decides=False, layer=0),
        ),
        layers=_layers(0.98, 105.2, "dependent"),
        not_measured=(
            *(NotMeasured(signal="neuron_index", subject=f"layer {i}", reason="not sampled") for i in range(1, 5)),
            NotMeasured(signal="residual_index", subject="residual", reason="units are ordered by their norm"),
        ),
        run=Run(
            bytes_read=514_000_000, bytes_total=32_100_000_000, seconds=3.14, version="1.2.3", options={"rows": 256}
        ),
    )


def identical() -> Result:
    """The same values in both."""
    base = derived()
    verdict = replace(
        base.verdict,
        relation=Relation.IDENTICAL,
        clause="all learned tensors are equal",
        basis="digest",
        kinds=(Kind(kind="resharded", parameters={"a": 2, "b": 1}, packaging=True),),
        direction=Direction.UNDIRECTED,
        effect=1.0,
        coverage=Coverage(a=1.0, b=1.0, extrapolated=0.0),
        summary="Every learned value of A stands in B and the other way round.",
    )
    architecture = Architecture(
        relation=ArchitectureRelation.IDENTICAL, sizes=(), renames=(), paired=39, only_a={}, only_b={}
    )
    return replace(base, verdict=verdict, architecture=architecture, layers=_layers(1.0, 120.0, "equal"), claims=())


def independent() -> Result:
    """Two strangers, disguises not ruled out."""
    base = derived()
    verdict = replace(
        base.verdict,
        relation=Relation.INDEPENDENT,
        clause="no group with p < alpha; a cosine of 0.021 would have been detected",
        scope="undisguised derivation only",
        kinds=(),
        direction=None,
        log10_p=-0.2,
        effect=None,
        coverage=Coverage(a=0.0, b=0.0, extrapolated=0.0),
        summary="Nothing of A was found in B; disguises that would take a longer run were not ruled out.",
    )
    evidence = (index_test("layer 0 neurons", z=0.4, hits=1, log10_p=-0.2, decides=True, layer=0),)
    return replace(base, verdict=verdict, evidence=evidence, layers=_layers(0.01, 0.4, "chance"))


def inconclusive() -> Result:
    """Headers only: no values to compare."""
    base = derived()
    verdict = replace(
        base.verdict,
        relation=Relation.INCONCLUSIVE,
        clause="no values could be read",
        basis=None,
        kinds=(),
        direction=None,
        log10_p=None,
        effect=None,
        min_detectable_effect=None,
        coverage=Coverage(a=0.0, b=0.0, extrapolated=0.0),
        tests=0,
        summary="The files hold headers only, so nothing can be said about the weights.",
    )
    return replace(base, verdict=verdict, evidence=(), layers=(), claims=())


def hostile() -> Result:
    """A derived result in which every text that can come from a file is hostile."""
    base = derived()
    finding = FindingEntry(code=HOSTILE, subject=HOSTILE, message=HOSTILE)
    side = replace(
        model(HOSTILE, findings=(finding,)), format=HOSTILE, revision=HOSTILE, variant=HOSTILE, dtypes={HOSTILE: 1}
    )
    architecture = replace(
        base.architecture,
        sizes=(SizeDifference(dimension=HOSTILE, a=1, b=2),),
        renames=(RenameRule(a=HOSTILE, b=HOSTILE, count=1, basis=Basis.SHAPE),),
        only_a={HOSTILE: 1},
        only_b={HOSTILE: 2},
    )
    kind = Kind(kind=HOSTILE, parameters={HOSTILE: [HOSTILE, {HOSTILE: HOSTILE}]}, evidence=HOSTILE)
    cell = Cell(role=HOSTILE, effect=0.5, z=1.0, status=HOSTILE)
    return replace(
        base,
        a=side,
        b=side,
        architecture=architecture,
        verdict=replace(
            base.verdict, clause=HOSTILE, basis=HOSTILE, scope=HOSTILE, kinds=(kind,), summary=HOSTILE * 100
        ),
        claims=(Claim(name=HOSTILE, a=HOSTILE, b={HOSTILE: HOSTILE}, agrees=False),),
        evidence=tuple(replace(item, signal=HOSTILE, subject=HOSTILE) for item in base.evidence),
        layers=(Layer(a=0, b=0, cells=(cell,)),),
        not_measured=(NotMeasured(signal=HOSTILE, subject=HOSTILE, reason=HOSTILE),),
        run=replace(base.run, version=HOSTILE, options={HOSTILE: HOSTILE}),
    )


def poisoned(result: Result, payload: str) -> Result:
    """The result with `payload` for every text and key that is not one of a closed list."""
    plain: dict[str, Any] = json.loads(encode(result))
    own = set(plain) | {"kind", "evidence", "packaging", "child", "layer_map", "dropped"}
    for kind in (ModelSummary, Architecture, Verdict, Coverage, Evidence, Layer, Cell, NotMeasured, Run, RenameRule):
        own |= set(kind.__dataclass_fields__)
    for kind in (SizeDifference, FindingEntry, LayoutEntry, TensorEntry, Claim):
        own |= set(kind.__dataclass_fields__)
    return from_json(_poisoned(plain, payload, own))


def _poisoned(plain: Any, payload: str, own: set[str]) -> Any:
    if isinstance(plain, dict):
        return {
            key if key in own else f"{index}{payload}": _poisoned(value, payload, own)
            for index, (key, value) in enumerate(plain.items())
        }
    if isinstance(plain, list):
        return [_poisoned(item, payload, own) for item in plain]
    return payload if isinstance(plain, str) and plain not in _CLOSED | {"a", "b"} else plain


def large() -> Result:
    """Every value of two 70B Llamas: 80 layers, 7 matrices each, with tests and long names."""
    base = derived()
    roles = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    names = [f"model.layers.{layer}.{role}.weight_of_a_rather_long_name" for layer in range(80) for role in roles]
    cells = tuple(Cell(role=role, effect=0.913, z=140.2, status="dependent") for role in roles)
    pair = TensorEntry(
        a="",
        b="",
        shape=(8192, 28672),
        dtype_a="BF16",
        dtype_b="BF16",
        elements=8192 * 28672,
        cosine=0.99,
        relative_change=0.0123456,
        max_abs_change=0.5,
        max_at=(3, 5),
        equal_share=0.25,
        sign_flips=0.001,
        zeros_a=0.0,
        zeros_b=0.0,
        zeros_both=0.0,
        bit_distance=2.5,
        nonfinite_a=0,
        nonfinite_b=0,
    )
    return replace(
        base,
        layers=tuple(Layer(a=layer, b=layer, cells=cells) for layer in range(80)),
        evidence=tuple(
            index_test(f"{name}, axis {axis}", z=140.2, hits=256, log10_p=-312.4, decides=axis == 0, layer=0)
            for axis in range(3)
            for name in names
        ),
        tensors=tuple(replace(pair, a=name, b=f"transformer.{name}") for name in names),
        not_measured=tuple(
            NotMeasured(signal="index tests", subject=name, reason="axis 1: units are ordered by rotary frequency")
            for name in names[:220]
        ),
    )


RESULTS = {
    "derived": derived,
    "identical": identical,
    "independent": independent,
    "inconclusive": inconclusive,
    "hostile": hostile,
}
