"""The same answers over the network as from the disk, and every byte fetched once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from safetensors.numpy import load_file, save_file

from bench.zoo.cache import DATA
from fingerprints.errors import OverBudget, Unavailable
from provenance.comparison import compare
from provenance.decomposition.decompose import decompose
from provenance.inspection import inspect
from provenance.options import Options, Sided
from provenance.result import Result, to_json
from tests.provenance.hub.conftest import Serve
from tests.provenance.hub.server import COMMIT, LocalHub

BASES = DATA / "bases"


def told(result: Result) -> tuple[object, ...]:
    """All that must not depend on where the bytes come from."""
    plain = to_json(result)
    return plain["verdict"], plain["evidence"], plain["layers"], plain["architecture"], result.a.digest, result.b.digest


def tuned(base: Path, folder: Path) -> dict[str, np.ndarray]:
    """A derivative: noise of a tenth on every matrix."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True)
    shutil.copy(base / "config.json", folder)
    return {
        name: value + (random.standard_normal(value.shape) * 0.1 * value.std()).astype(value.dtype)
        for name, value in load_file(base / "model.safetensors").items()
    }


@pytest.fixture
def derivative(tmp_path: Path) -> Path:
    """A derivative of the base `llama-0`, in three shards."""
    folder = tmp_path / "derivative"
    tensors = tuned(BASES / "llama-0", folder)
    names = sorted(tensors)
    weight_map = {name: f"model-{i % 3 + 1:05}-of-00003.safetensors" for i, name in enumerate(names)}
    for shard in sorted(set(weight_map.values())):
        save_file({name: tensors[name] for name in names if weight_map[name] == shard}, folder / shard)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def check_same(hub: LocalHub, a: Path, b: Path, reference_a: str, reference_b: str) -> Result:
    """Compare twice, and require one answer, from as many requests as were counted."""
    local = compare(a, b)
    hub.asked.clear()
    remote = compare(reference_a, reference_b)
    assert told(remote) == told(local)
    assert remote.run.requests == len(hub.asked)
    assert remote.run.bytes_read == local.run.bytes_read
    assert not hub.overlapping()
    return remote


def test_a_derivative_in_shards(serve: Serve, derivative: Path) -> None:
    hub = serve({"zoo/base": BASES / "llama-0", "zoo/tuned": derivative})
    remote = check_same(hub, BASES / "llama-0", derivative, "zoo/base", "zoo/tuned@main")
    assert remote.verdict.relation == "derived"
    assert (remote.a.reference, remote.b.reference) == ("zoo/base", "zoo/tuned@main")
    assert remote.a.revision == remote.b.revision == COMMIT


@pytest.mark.parametrize(("a", "b"), [("llama-0", "llama-1"), ("bert-0", "bert-1"), ("resnet-0", "resnet-1")])
def test_independent_models(serve: Serve, a: str, b: str) -> None:
    hub = serve({"zoo/a": BASES / a, "zoo/b": BASES / b})
    remote = check_same(hub, BASES / a, BASES / b, "zoo/a", "hf://zoo/b")
    assert remote.verdict.relation == "independent"


def test_a_pickle_and_a_local_side(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    tensors = tuned(BASES / "gpt2-0", folder)
    torch.save(
        {name: torch.from_numpy(value.astype(np.float32)) for name, value in tensors.items()},
        folder / "pytorch_model.bin",
    )
    hub = serve({"zoo/pickled": folder})
    remote = check_same(hub, BASES / "gpt2-0", folder, str(BASES / "gpt2-0"), "zoo/pickled")
    assert remote.verdict.relation == "derived"
    assert remote.a.revision is None


def test_a_folder_and_a_file_of_a_repository(serve: Serve, tmp_path: Path) -> None:
    shutil.copytree(BASES / "llama-0", tmp_path / "both" / "one")
    shutil.copytree(BASES / "llama-1", tmp_path / "both" / "two")
    hub = serve({"zoo/both": tmp_path / "both"})
    one, two = tmp_path / "both" / "one", tmp_path / "both" / "two" / "model.safetensors"
    check_same(hub, one, two, "zoo/both@main/one", "zoo/both@main/two/model.safetensors")
    assert sum(asked.path.startswith("/api/models") for asked in hub.asked) <= 4
    with pytest.raises(Unavailable, match="there is no 'three'"):
        compare("zoo/both/three", "zoo/both/one")


def test_the_same_files_are_identical_with_no_weight_read(serve: Serve, tmp_path: Path) -> None:
    shutil.copytree(BASES / "gpt2-0", tmp_path / "again")
    (tmp_path / "again" / "README.md").write_text("# Another name")
    hub = serve({"zoo/first": BASES / "gpt2-0", "zoo/again": tmp_path / "again"})
    result = compare("zoo/first", "zoo/again")
    assert (result.verdict.relation, result.verdict.basis) == ("identical", "digest")
    assert "SHA-256" in result.verdict.clause
    assert result.run.bytes_read == 0
    hub.asked.clear()
    local = compare(BASES / "gpt2-0", tmp_path / "again")
    assert (local.verdict.relation, local.verdict.basis) == ("identical", "digest")


def test_a_renamed_repository(serve: Serve) -> None:
    hub = serve({"new/name": BASES / "llama-0"}, renamed={"old/name": "new/name"})
    assert inspect("old/name").model.revision == COMMIT
    assert all("/new/name/" in asked.path for asked in hub.ranges)


def test_connections_are_kept(serve: Serve, derivative: Path) -> None:
    hub = serve({"zoo/tuned": derivative})
    inspect("zoo/tuned")
    assert len(hub.asked) > 5
    assert len({asked.connection for asked in hub.asked}) <= 3


def test_a_local_path_goes_before_a_repository(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = serve({"zoo/base": BASES / "llama-0"})
    shutil.copytree(BASES / "bert-0", tmp_path / "zoo" / "base")
    monkeypatch.chdir(tmp_path)
    assert inspect("zoo/base").model.revision is None
    assert not hub.asked
    assert inspect("hf://zoo/base").model.revision == COMMIT


def test_a_decomposition_over_the_network(serve: Serve, tmp_path: Path) -> None:
    parents = [load_file(BASES / f"llama-{i}" / "model.safetensors") for i in (0, 1)]
    merge = tmp_path / "merge"
    merge.mkdir()
    save_file({name: (value + parents[1][name]) / 2 for name, value in parents[0].items()}, merge / "model.safetensors")
    serve({"zoo/a": BASES / "llama-0", "zoo/b": BASES / "llama-1", "zoo/merge": merge})
    local = to_json(decompose(merge, [BASES / "llama-0", BASES / "llama-1"]))
    remote = to_json(decompose("zoo/merge", ["zoo/a", "zoo/b"]))
    assert remote["method"] == local["method"]
    assert remote["run"]["requests"] > 0


def test_offline_what_was_downloaded_is_read(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, derivative: Path
) -> None:
    from huggingface_hub import snapshot_download

    hub = serve({"zoo/tuned": derivative})
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    snapshot_download("zoo/tuned", cache_dir=constants.HF_HUB_CACHE, endpoint=hub.url, max_workers=1)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.asked.clear()
    offline = compare(BASES / "llama-0", "zoo/tuned")
    assert not hub.asked
    assert (offline.b.reference, offline.b.revision) == ("zoo/tuned", COMMIT)
    assert told(offline) == told(compare(BASES / "llama-0", derivative))
    with pytest.raises(Unavailable, match="was not downloaded before"):
        compare(BASES / "llama-0", "zoo/other")


def test_online_what_was_downloaded_is_not_fetched_again(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, derivative: Path
) -> None:
    from huggingface_hub import snapshot_download

    hub = serve({"zoo/tuned": derivative})
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    snapshot_download("zoo/tuned", cache_dir=constants.HF_HUB_CACHE, endpoint=hub.url, max_workers=1)
    hub.asked.clear()
    assert compare(BASES / "llama-0", "zoo/tuned").verdict.relation == "derived"
    assert not hub.ranges


def test_a_budget_is_kept(serve: Serve) -> None:
    hub = serve({"zoo/a": BASES / "llama-0", "zoo/b": BASES / "llama-1"})
    with pytest.raises(OverBudget, match="do not fit into the budget") as caught:
        compare("zoo/a", "zoo/b", Options(budget=100_000))
    assert "--allow-download" in caught.value.hint
    assert sum(stop - start for asked in hub.ranges for start, stop in [asked.span or (0, 0)]) <= 100_000
    assert compare("zoo/a", "zoo/b", Options(allow_download=True)).verdict.relation == "independent"


def test_nothing_is_left_behind(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    serve({"zoo/a": BASES / "llama-0"})
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    inspect("zoo/a")
    with pytest.raises(Unavailable):
        compare("zoo/a", "zoo/missing", Options(variant=Sided()))
    assert not list(place.iterdir())
