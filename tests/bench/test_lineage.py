"""The benchmark's pairs, scores, tables and document; and its smallest subset, compared by the command line."""

import json

import pytest

from bench.lineage import document, lengths, pairs, peering, run, score, tables, trial
from bench.lineage.pairs import Pair
from bench.lineage.score import Mark, Scored
from bench.lineage.trial import REFUSED, Trial
from bench.outcome import Check, Grid, Outcome
from bench.peers.peer import Answer
from bench.zoo import derive
from bench.zoo.bases import BASES
from bench.zoo.derivatives import DERIVATIONS

SMALL = (
    "llama-ln1",
    "gpt2-anonymous",
    "mixtral-pickled",
    "llama-f16",
    "llama-tuned",
    "llama-lora-attention-r4",
    "bert-int8",
    "qwen-noise-10",
    "resnet-prune-50",
    "llama-prune-2-4",
    "llama-disguise-neurons",
    "llama-in-vision-model",
    "llama-vocabulary-trimmed",
)
"""Derivatives of the smallest subset, made by transformers, peft, torch and gguf in about half a minute."""


def pair(**changes):
    defaults = {"group": "relatives", "transform": "fine-tune", "a": "llama-0", "b": "llama-1", "relation": "derived"}
    return Pair(**defaults | changes)


def said(relation, **changes):
    return Trial(**{"relation": relation, "clause": "because", "seconds": 1.0, "peak": 10**8} | changes)


def scored(truth, answer, **changes):
    return Scored(pair=pair(relation=truth, **changes), trial=said(answer))


@pytest.mark.parametrize(
    ("truth", "answer", "related", "relation"),
    [
        ("derived", "derived", "right", "right"),
        ("derived", "common_origin", "right", "wrong"),
        ("derived", "independent", "wrong", "wrong"),
        ("derived", "inconclusive", "open", "open"),
        ("derived", REFUSED, "open", "open"),
        ("independent", "derived", "wrong", "wrong"),
        ("independent", "common_origin", "wrong", "wrong"),
        ("independent", "independent", "right", "right"),
        ("common_origin", "derived", "right", "wrong"),
    ],
)
def test_a_relation_is_right_open_or_wrong(truth, answer, related, relation):
    one = scored(truth, answer)
    assert (one.related, one.relation) == (related, relation)


@pytest.mark.parametrize(
    ("true", "found", "packaging", "mark"),
    [
        (["fine_tune"], ["fine_tune"], [], Mark.RIGHT),
        (["fine_tune"], ["fine_tune"], ["renamed"], Mark.RIGHT),
        (["fine_tune"], [], [], Mark.OPEN),
        (["fine_tune", "quantised"], ["fine_tune"], [], Mark.WRONG),
        (["quantised"], ["fine_tune"], [], Mark.WRONG),
        (["quantised", "renamed"], ["quantised"], ["renamed"], Mark.RIGHT),
        (["renamed"], [], ["renamed"], Mark.RIGHT),
        (["renamed"], [], [], Mark.WRONG),
        (["renamed"], ["fine_tune"], ["renamed"], Mark.WRONG),
    ],
)
def test_kinds_are_right_when_all_are_named_and_no_other(true, found, packaging, mark):
    answer = said("derived", kinds=tuple({"kind": kind} for kind in found), packaging=tuple(packaging))
    assert Scored(pair=pair(kinds=tuple({"kind": kind} for kind in true)), trial=answer).kind is mark


@pytest.mark.parametrize(
    ("true", "found", "mark"),
    [
        (["fine_tune"], ["fine_tune"], None),
        (["fine_tune", "quantised"], ["quantised"], Mark.RIGHT),
        (["fine_tune", "quantised"], ["fine_tune"], Mark.WRONG),
        (["moe_upcycled", "fine_tune"], [], Mark.OPEN),
        (["quantised", "renamed"], ["quantised"], None),
    ],
)
def test_of_a_chain_the_first_operation_beyond_training_is_the_main_one(true, found, mark):
    answer = said("derived", kinds=tuple({"kind": kind} for kind in found))
    assert Scored(pair=pair(kinds=tuple({"kind": kind} for kind in true)), trial=answer).main_kind is mark


@pytest.mark.parametrize(
    ("true", "found", "mark"),
    [
        ("a_to_b", "a_to_b", Mark.RIGHT),
        ("a_to_b", "b_to_a", Mark.WRONG),
        ("a_to_b", "undirected", Mark.OPEN),
        ("undirected", "undirected", Mark.RIGHT),
        ("undirected", "a_to_b", Mark.WRONG),
    ],
)
def test_a_direction_is_right_open_or_wrong(true, found, mark):
    assert Scored(pair=pair(direction=true), trial=said("derived", direction=found)).direction is mark


def test_the_bound_of_no_error_is_the_rule_of_three():
    assert score.bound(0, 300) == pytest.approx(3 / 300, rel=0.01)
    assert score.bound(3, 3) == 1.0
    assert score.bound(1, 100) > 0.01


def test_a_turned_pair_says_the_same_the_other_way_round():
    one = pair(direction="a_to_b")
    assert (one.turned().a, one.turned().b, one.turned().direction) == (one.b, one.a, "b_to_a")
    assert one.turned().turned() == one


def test_about_half_of_all_pairs_are_turned():
    turned = sum(pairs.shuffled(one) != one for one in (pair(b=f"x{n}") for n in range(400)))
    assert 150 < turned < 250


def test_strangers_have_nothing_in_common():
    assert pairs.strangers("llama-0", "llama-1")
    assert pairs.strangers("llama-merge-linear", "llama-2")
    assert not pairs.strangers("llama-0", "llama-0-other"), "one initialisation"
    assert not pairs.strangers("llama-1", "llama-distilled"), "teacher and student"
    assert not pairs.strangers("decoder-0", "decoder-1"), "one frozen encoder"
    assert not pairs.strangers("decoder-0", "llama-2"), "the encoder itself"
    assert not pairs.strangers("llama-0", "qwen-0"), "one random state, two families"
    assert not pairs.strangers("llama-in-vision-model", "resnet-1"), "a component"
    assert not pairs.strangers("llama-laundered", "llama-0"), "a chain"


def test_causes_are_never_among_the_strangers():
    tied = {frozenset(each) for listed in pairs.CAUSES.values() for each in listed}
    assert not tied & {frozenset((one.a, one.b)) for one in pairs.independents([])}


def test_the_benchmark_is_as_large_as_it_says():
    strangers = pairs.independents(DERIVATIONS)
    assert len(DERIVATIONS) >= run.FEWEST_DERIVATIVES
    assert sum("two families" not in one.transform for one in strangers) >= run.FEWEST_STRANGERS
    assert len({one.name for one in strangers}) == len(strangers)


def test_every_sibling_has_the_same_base_and_is_no_ancestor():
    for a, b in pairs.SIBLINGS:
        assert pairs.ancestors(a) == pairs.ancestors(b)
        assert b not in derive.with_parents([a])
        assert a not in derive.with_parents([b])


def test_directions_are_counted_by_what_decides_them():
    pruned = {"kind": "pruned_depth", "parameters": {"child": "b"}}
    answers = [
        Scored(pair=pair(direction="a_to_b"), trial=said("derived", direction=way, kinds=(pruned,)))
        for way in ("a_to_b", "b_to_a", "undirected")
    ]
    assert [row[:3] for row in tables.directions(answers).rows] == [("pruned_depth", "2", "1")]


def test_tables_count_what_was_said():
    answers = [scored("derived", "derived"), scored("derived", "independent"), scored("derived", "inconclusive")]
    (row,) = tables.by_transform(answers).rows
    assert row[:3] == ("fine-tune", "llama", "derived")
    assert row[3:5] == ("derived 1, independent 1, inconclusive 1", "1/3, 1 wrong")
    assert [row[0] for row in tables.mistakes(answers).rows] == ["llama-0 : llama-1"] * 2
    shown = dict(zip(tables.accuracy(answers).columns, tables.accuracy(answers).rows[0], strict=True))
    assert (shown["pairs"], shown["open"], shown["wrong"]) == ("3", "1", "1")


def test_a_false_accusation_fails_the_benchmark():
    right = scored("independent", "independent", group="strangers")
    wrong = scored("independent", "common_origin", group="strangers")
    assert run.judged([right])[0].passed
    assert not run.judged([right, wrong])[0].passed


def test_a_relation_that_is_covered_but_wrong_fails_the_benchmark():
    outcomes = {
        covered: run.judged([scored("derived", "inconclusive", covered=covered)])[2] for covered in (True, False)
    }
    assert not outcomes[True].passed
    assert outcomes[False].passed


def test_the_lengths_table_has_both_error_rates():
    answers = [
        lengths.Said(
            length=lengths.Length(architecture="mlp", seed=seed, relation=relation, times=1.0),
            relation=said,
            effect=0.5,
        )
        for seed, relation, said in (
            (0, lengths.SAME, "common_origin"),
            (1, lengths.SAME, "derived"),
            (0, lengths.CONTINUED, "derived"),
            (1, lengths.CONTINUED, "inconclusive"),
        )
    ]
    rows = {row[0]: row[2:] for row in lengths.table(answers).rows}
    assert rows[lengths.SAME][:3] == ("2", "1", "1")
    assert rows[lengths.CONTINUED][:3] == ("2", "1", "0")


def test_peers_are_asked_about_as_many_strangers_as_relatives():
    answers = [scored("derived", "derived", b=f"b{n}", transform=f"t{n % 7}") for n in range(50)]
    answers += [scored("independent", "independent", b=f"s{n}", group="strangers") for n in range(50)]
    chosen = peering.sample(answers, 40)
    assert len(chosen) == 40
    assert sum(one.pair.group == "strangers" for one in chosen) == 20
    assert len({one.pair.transform for one in chosen[:20]}) == 7


def test_peers_are_scored_on_both_kinds_of_pairs():
    asked = [
        peering.Asked(pair=scored("derived", "derived"), answers={"modeldna": Answer(said="related", score=0.9)}),
        peering.Asked(
            pair=scored("independent", "independent"), answers={"modeldna": Answer(said="abstained", score=0.7)}
        ),
    ]
    for one in asked:
        one.answers["cisco"] = Answer(said="not run", detail="no Python")
    rows = {row[:2]: row[2:] for row in peering.summary(asked).rows}
    assert rows["modeldna", "related"][:2] == ("1", "1")
    assert rows["modeldna", "unrelated"][1:4] == ("0", "0", "1")
    assert rows["modeldna", "related"][-2] == "1.00 (1 x 1)"
    assert rows["cisco", "related"][5] == "1"


def test_the_document_holds_the_tables_and_no_unfilled_place(tmp_path):
    grid = Grid(title="A table", columns=("a", "b"), rows=[("x|y", "<b>"), ("1", "2")])
    check = Check(name="rule", observed="3", required="0", passed=False)
    outcomes = [Outcome(part=part, checks=[check], grids=[grid]) for part in ("lineage", "merges", "lengths", "peers")]
    text = document.write(outcomes, tmp_path / "benchmark.md").read_text()
    assert text.count("### A table") == 4
    assert "| x\\|y | &lt;b> |" in text
    assert "**missed**" in text
    assert "$" not in text


def test_an_empty_table_says_so():
    assert document.table(Grid(title="T", columns=("a",), rows=[])).endswith("None.")


def test_answers_of_an_unchanged_auditor_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("PROVENANCE_CACHE", str(tmp_path))
    asked = []
    monkeypatch.setattr(trial, "run", lambda a, b: asked.append((a, b)) or said("independent"))
    one = pair(relation="independent")
    assert trial.tried(one) == trial.tried(one)
    assert len(asked) == 1
    monkeypatch.setattr(trial, "auditor", lambda: ["another"])
    trial.tried(one)
    assert len(asked) == 2


def test_the_error_of_a_refused_checkpoint_names_no_folder_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.setenv("PROVENANCE_CACHE", str(tmp_path))
    assert trial.first_line(f"error: '{tmp_path}/zoo/derivatives/x' is odd\nhint: no") == "'derivatives/x' is odd"


@pytest.fixture(scope="module")
def subset(tmp_path_factory):
    """The smallest subset, made and compared in a cache of its own."""
    patch = pytest.MonkeyPatch()
    patch.setenv("PROVENANCE_CACHE", str(tmp_path_factory.mktemp("cache")))
    assert not derive.build(SMALL, workers=1)
    chosen = [*pairs.lineage(SMALL), *pairs.causes(), *pairs.independents(SMALL)[::3]]
    yield run.scored([pairs.shuffled(one) for one in chosen], workers=1)
    patch.undo()


@pytest.mark.slow
def test_every_relative_of_the_subset_is_called_what_it_is(subset):
    wrong = [(one.pair.name, one.trial.relation) for one in subset if one.relation is not Mark.RIGHT]
    relatives = [one for one in subset if one.pair.group != "strangers"]
    assert len(relatives) >= len(SMALL) + 4
    assert not [each for each in wrong if each[0] in {one.pair.name for one in relatives}]


@pytest.mark.slow
def test_no_stranger_of_the_subset_is_called_related(subset):
    strangers = [one for one in subset if one.pair.group == "strangers"]
    assert len(strangers) >= 15
    assert {one.related for one in strangers} <= {Mark.RIGHT, Mark.OPEN}
    assert sum(one.related is Mark.RIGHT for one in strangers) > len(strangers) / 2


@pytest.mark.slow
def test_no_direction_of_the_subset_is_wrong(subset):
    assert not [one.pair.name for one in subset if one.direction is Mark.WRONG]


@pytest.mark.slow
def test_the_subset_fills_the_tables(subset):
    outcome = run.outcome("lineage", subset, run.judged(subset), [])
    assert outcome.passed
    assert {grid.title for grid in outcome.grids if grid.rows} >= {"Accuracy", "Strangers", "Cost of a comparison"}
    assert json.loads(json.dumps(outcome.data))["answers"]


def test_families_of_the_zoo_are_paired_with_one_another():
    mixed = [one for one in pairs.independents([]) if "two families" in one.transform]
    assert len(mixed) == 15
    assert all(BASES[one.a].seed != BASES[one.b].seed for one in mixed)
