"""Running other tools, reading what they say, and drawing the pairs that they are asked about."""

import json
import sys
from dataclasses import replace

import pytest

from bench.peers import PEERS, cisco, environment, modeldna
from bench.peers.peer import Answer, Peer
from bench.peers.process import Ended
from bench.peers.sample import stratified

LISTS_THE_PARENT = "import json, os; print(json.dumps(sorted(os.listdir('a'))))"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PROVENANCE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def pair(tmp_path):
    folders = tmp_path / "parent", tmp_path / "child"
    for folder in folders:
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"weights")
        (folder / "truth.json").write_text("{}")
    return folders


def stand_in(tmp_path, program, **changes):
    """A peer whose environment is there and whose command is `program`."""
    peer = Peer(
        name="stand-in",
        version="1",
        requirement="stand-in==1",
        python=(3, 0),
        command=lambda a, b: ("program", a, b),
        read=lambda output: Answer(said="related", score=1.0, detail=" ".join(json.loads(output))),
    )
    folder = tmp_path / "cache" / "peers" / "stand-in"
    scripts = folder / environment.SCRIPTS
    scripts.mkdir(parents=True)
    (folder / environment.STAMP).write_text("stand-in==1\n")
    script = scripts / "program"
    script.write_text(f"#!{sys.executable}\n{program}\n")
    script.chmod(0o755)
    return replace(peer, **changes)


def test_what_a_peer_says_is_passed_on_with_its_time(tmp_path, pair):
    answer = stand_in(tmp_path, LISTS_THE_PARENT).compare(*pair)
    assert (answer.said, answer.score) == ("related", 1.0)
    assert answer.seconds > 0


def test_a_peer_sees_the_checkpoint_without_its_recorded_truth_and_with_what_it_needs(tmp_path, pair):
    needed = tmp_path / "tokenizer.json"
    needed.write_text("{}")
    peer = stand_in(tmp_path, LISTS_THE_PARENT, needed=(needed,))
    assert peer.compare(*pair).detail == "model.safetensors tokenizer.json"
    assert sorted(file.name for file in pair[0].iterdir()) == ["model.safetensors", "truth.json"]


def test_a_peer_runs_offline_and_away_from_this_project(tmp_path, pair, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    program = (
        "import json, os; print(json.dumps([os.environ['HF_HUB_OFFLINE'], str('PYTHONPATH' in os.environ), "
        "str(os.path.samefile(os.environ['HOME'], '.'))]))"
    )
    assert stand_in(tmp_path, program).compare(*pair).detail == "1 False True"


@pytest.mark.parametrize(
    ("program", "detail"),
    [
        ("import sys; print('half an answer'); sys.exit('error: no weights')", "error: no weights"),
        ("import sys; sys.exit(3)", "exit status 3"),
        ("import time; time.sleep(60)", "not done after 0.5 s"),
        ("print('All done!')", "unreadable answer"),
        ("print(17)", "unreadable answer"),
        ("pass", "unreadable answer"),
    ],
)
def test_a_peer_that_fails_hangs_or_prints_rubbish_has_failed(tmp_path, pair, program, detail):
    answer = stand_in(tmp_path, program, limit=0.5 if "sleep" in program else 30.0).compare(*pair)
    assert answer.said == "failed"
    assert detail in answer.detail
    assert answer.score is None
    assert answer.seconds < 30


def test_a_peer_whose_command_is_not_installed_has_failed(tmp_path, pair):
    peer = stand_in(tmp_path, "pass", command=lambda a, b: ("another", a, b))
    assert peer.compare(*pair).said == "failed"


def test_a_peer_whose_python_is_not_here_is_not_run(pair, monkeypatch):
    monkeypatch.setattr(environment.shutil, "which", lambda _: None)
    monkeypatch.setattr(environment, "run", lambda *_, **__: pytest.fail("something was run"))
    peer = replace(cisco.CISCO, python=(3, 99))
    assert peer.compare(*pair) == Answer(said="not run", detail="needs Python 3.99, which is not here")


def test_a_python_on_the_path_that_does_not_run_is_not_taken(tmp_path, monkeypatch):
    for name, status in (("python3.14", 127), ("python3.13", 0), ("python3.12", 0)):
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {status}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(environment.sys, "version_info", (3, 11, 0))
    assert environment.interpreter((3, 12)) == str(tmp_path / "python3.13")
    assert environment.interpreter((3, 14)) is None
    assert environment.interpreter((3, 11)) == sys.executable


def test_an_environment_is_made_once_and_again_for_other_pins_or_after_an_interruption(tmp_path, monkeypatch):
    commands = []

    def succeed(command, **_):
        commands.append(command)
        (tmp_path / "env").mkdir(exist_ok=True)
        return Ended()

    def installed(*requirements):
        commands.clear()
        assert not environment.environment.__wrapped__(tmp_path / "env", requirements, (3, 0)).missing
        return bool(commands)

    monkeypatch.setattr(environment, "run", succeed)
    assert installed("one==1")
    assert commands[-1][-1] == "one==1"
    assert not installed("one==1")
    assert installed("one==2")
    (tmp_path / "env" / environment.STAMP).unlink()
    assert installed("one==2")


def test_a_peer_that_cannot_be_installed_is_not_run(pair, monkeypatch):
    monkeypatch.setattr(environment, "run", lambda *_, **__: Ended(trouble="ERROR: no matching distribution"))
    answer = replace(modeldna.MODELDNA, name="not-installable").compare(*pair)
    assert answer.said == "not run"
    assert "no matching distribution" in answer.detail


def test_requirements_are_pinned():
    for peer in PEERS:
        assert peer.requirement.endswith(f"=={peer.version}")
        assert all("==" in requirement for requirement in peer.dependencies)


@pytest.mark.parametrize(
    ("word", "probability", "reason", "said"),
    [
        ("FINE_TUNE", 0.99, None, "related"),
        ("EXACT_COPY", 0.99, None, "related"),
        ("SAME_FAMILY_UNRESOLVED", 0.7, None, "abstained"),
        ("NO_MATCH", 0.2, None, "unrelated"),
        ("NO_MATCH", None, "layer count mismatch", "abstained"),
    ],
)
def test_modeldna_verdicts(word, probability, reason, said):
    verdict = {"verdict": word, "probability": probability, "candidates": [{"ruled_out": reason}]}
    answer = modeldna.read(json.dumps({"verdict": verdict}))
    assert (answer.said, answer.score) == (said, probability)
    assert answer.detail == (f"{word}: {reason}" if reason else word)


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        ("Confirmed Match", "related"),
        ("High-Confidence Match", "related"),
        ("Weak Match", "abstained"),
        ("Not Matched", "unrelated"),
        ("Not Matched (metadata only)", "unrelated"),
    ],
)
def test_cisco_decisions(decision, said):
    scores = {"pipeline_score": 0.5, "mfi_tier": 3, "identity_score": None, "provenance_decision": decision}
    answer = cisco.read(json.dumps({"scores": scores}))
    assert (answer.said, answer.score) == (said, 0.5)
    assert answer.detail.startswith(decision)


@pytest.mark.parametrize("read", [modeldna.read, cisco.read])
@pytest.mark.parametrize("output", ["", "[]", '{"verdict": null}', '{"scores": {"provenance_decision": "New"}}'])
def test_an_answer_of_another_form_is_not_understood(read, output):
    with pytest.raises((ValueError, LookupError, TypeError)):
        read(output)


ITEMS = [f"{family}-{number}" for family, many in (("bert", 20), ("gpt2", 3), ("llama", 50)) for number in range(many)]


def family(name):
    return name.split("-")[0]


def counts(sample):
    return {stratum: sum(family(name) == stratum for name in sample) for stratum in ("bert", "gpt2", "llama")}


def test_a_sample_is_spread_as_equally_as_the_strata_allow():
    assert counts(stratified(ITEMS, family, 7, "x")) == {"bert": 3, "gpt2": 2, "llama": 2}
    assert counts(stratified(ITEMS, family, 23, "x")) == {"bert": 10, "gpt2": 3, "llama": 10}


def test_a_sample_has_every_item_once_where_there_are_few():
    assert sorted(stratified(ITEMS, family, 1000, "x")) == sorted(ITEMS)
    assert stratified(ITEMS, family, 0, "x") == []
    assert stratified([], family, 5, "x") == []


def test_a_sample_depends_on_its_label_and_not_on_the_order_of_the_items():
    drawn = stratified(ITEMS, family, 20, "x")
    assert stratified(ITEMS[::-1], family, 20, "x") == drawn
    assert stratified(ITEMS, family, 20, "y") != drawn


def test_a_smaller_sample_is_the_start_of_a_larger_one():
    assert stratified(ITEMS, family, 30, "x")[:11] == stratified(ITEMS, family, 11, "x")


def test_a_new_item_leaves_the_order_of_the_others():
    before = stratified(ITEMS, family, 100, "x")
    after = stratified([*ITEMS, "llama-new"], family, 100, "x")
    assert [name for name in after if name != "llama-new" and family(name) == "llama"] == [
        name for name in before if family(name) == "llama"
    ]


def test_items_are_told_apart_by_their_name():
    items = [{"name": name} for name in ITEMS]
    drawn = stratified(items, lambda item: family(item["name"]), 20, "x", name=lambda item: item["name"])
    assert [item["name"] for item in drawn] == stratified(ITEMS, family, 20, "x")
