"""Hand-made results, one for each answer a comparison can give, for tests of everything that shows a result."""

from __future__ import annotations

from dataclasses import replace

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

HOSTILE = "\x1b[2J\x1b]0;owned\x07[bold red]evil[/]\u202ecod.exe\u200b\ud800\n:smile:"
"""A name with everything a name can do to a terminal: escape sequences, markup, bidi marks, a lone surrogate."""


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


RESULTS = {
    "derived": derived,
    "identical": identical,
    "independent": independent,
    "inconclusive": inconclusive,
    "hostile": hostile,
}
