"""The cache of small nets: kept when intact, trained anew when not."""

import json

import pytest
from safetensors import safe_open

from bench.zoo import tiny


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PROVENANCE_CACHE", str(tmp_path))


def trained(*seeds):
    records = {seed: tiny.make("mlp", seed, steps=2) for seed in seeds}
    tiny._write("mlp", records)
    return records


def test_a_net_is_written_with_its_record():
    record = tiny.make("llama", 7, steps=2)
    assert (record["seed"], record["steps"]) == (7, 2)
    with safe_open(tiny.path("llama", 7), "pt") as file:
        assert "model.layers.1.mlp.gate_proj.weight" in file.keys()  # noqa: SIM118
        assert file.get_slice("lm_head.weight").get_dtype() == "BF16"


def test_the_manifest_keeps_what_is_intact():
    records = trained(0, 1)
    assert tiny.manifest("mlp") == json.loads(json.dumps(records), object_hook=_numbered)


def _numbered(plain):
    return {int(key) if key.isdigit() else key: value for key, value in plain.items()}


def test_a_damaged_net_is_not_in_the_manifest():
    trained(0, 1)
    file = tiny.path("mlp", 1)
    file.write_bytes(file.read_bytes()[:-1])
    assert list(tiny.manifest("mlp")) == [0]


def test_a_net_of_another_recipe_is_not_in_the_manifest():
    trained(0)
    listed = tiny.folder("mlp") / "manifest.json"
    listed.write_text(listed.read_text().replace('"rate": 0.003', '"rate": 0.004'))
    assert tiny.manifest("mlp") == {}


def test_nets_reuses_the_cache():
    trained(0, 1)
    before = tiny.path("mlp", 0).stat().st_mtime_ns
    assert tiny.nets(["mlp"], seeds=2) == {"mlp": [tiny.path("mlp", 0), tiny.path("mlp", 1)]}
    assert tiny.path("mlp", 0).stat().st_mtime_ns == before
