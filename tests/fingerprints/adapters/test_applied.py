"""Adapters applied row by row give what PEFT gives when it merges them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fingerprints.adapters import Adapter, applied_to, changes, read_adapter, with_base
from fingerprints.checkpoint import Checkpoint
from fingerprints.readers import open_checkpoint

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")
pytestmark = pytest.mark.filterwarnings("ignore")

LINEAR = ["q_proj", "k_proj", "down_proj"]
LLAMA = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 40,
    "attention_bias": True,
}
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 40, "n_positions": 16}


def lora(**settings: Any) -> Any:
    return peft.LoraConfig(**({"r": 4, "lora_alpha": 6, "target_modules": LINEAR} | settings))


def llama() -> Any:
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**LLAMA))


def gpt2() -> Any:
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(**GPT2))


CASES = {
    "lora": (llama, lambda: lora()),
    "ranks and alphas by module": (
        llama,
        lambda: lora(rank_pattern={"k_proj": 2}, alpha_pattern={"layers.1.self_attn.q_proj": 16}),
    ),
    "rslora": (llama, lambda: lora(use_rslora=True)),
    "dora": (llama, lambda: lora(use_dora=True)),
    "embedding": (llama, lambda: lora(target_modules=["embed_tokens"])),
    "ia3": (llama, lambda: peft.IA3Config(target_modules=LINEAR, feedforward_modules=["down_proj"])),
    "lora of transposed layers": (gpt2, lambda: lora(target_modules=["c_attn", "c_proj"], fan_in_fan_out=True)),
    "dora of transposed layers": (
        gpt2,
        lambda: lora(target_modules=["c_attn", "c_proj"], fan_in_fan_out=True, use_dora=True),
    ),
    "ia3 of transposed layers": (
        gpt2,
        lambda: peft.IA3Config(
            target_modules=["c_attn", "mlp.c_proj"], feedforward_modules=["mlp.c_proj"], fan_in_fan_out=True
        ),
    ),
}


class Written:
    """A base, an adapter of random values, both beside each other, and what PEFT makes of them."""

    def __init__(self, folder: Path, case: str) -> None:
        build, config = CASES[case]
        torch.manual_seed(0)
        model = build().eval()
        self.base, self.alone = folder / "base", folder / "alone"
        self.beside, self.merged = folder / "beside", folder / "merged"
        model.save_pretrained(self.base)
        adapted = peft.get_peft_model(model, config())
        with torch.no_grad():
            for name, values in adapted.named_parameters():
                if values.requires_grad:
                    values.copy_(0.3 * torch.randn_like(values) + (1 if "ia3" in name or "magnitude" in name else 0))
        adapted.save_pretrained(self.alone)
        self.beside.mkdir()
        torch.save(adapted.state_dict(), self.beside / "pytorch_model.bin")
        (self.beside / "adapter_config.json").write_bytes((self.alone / "adapter_config.json").read_bytes())
        adapted.merge_and_unload().save_pretrained(self.merged)


@pytest.fixture(params=sorted(CASES))
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Written:
    return Written(tmp_path, request.param)


def adapter_in(path: Path) -> Adapter:
    found = read_adapter(open_checkpoint(path))
    assert found is not None
    return found


def whole(checkpoint: Checkpoint, name: str) -> np.ndarray:
    info = checkpoint.tensors[name]
    return checkpoint.rows(name, 0, info.shape[0]).astype(np.float64)


def places(adapter: Adapter, base: Checkpoint) -> dict[str, str]:
    names = [f"{module}.{last}" for module in adapter.modules for last in ("weight", "bias")]
    return {name: name for name in names if name in base.tensors}


def test_applied_rows_are_those_that_peft_merges(written: Written) -> None:
    adapter, base, merged = adapter_in(written.alone), open_checkpoint(written.base), open_checkpoint(written.merged)
    applied, refused = applied_to(adapter, base, places(adapter, base))
    assert adapter.alone
    assert not refused
    changed = 0
    for name in merged.tensors:
        np.testing.assert_allclose(whole(applied, name), whole(merged, name), rtol=2e-5, atol=2e-6, err_msg=name)
        changed += not np.allclose(whole(base, name), whole(merged, name), atol=1e-4)
    assert changed >= len(adapter.modules)


def test_some_rows_are_those_of_the_whole(written: Written) -> None:
    adapter, base = adapter_in(written.alone), open_checkpoint(written.base)
    applied, _ = applied_to(adapter, base, places(adapter, base))
    for name in applied.tensors:
        rows = np.array([0, 3, 7])
        np.testing.assert_array_equal(applied.take(name, rows), whole(applied, name)[rows].astype(np.float32))


def test_an_adapter_beside_its_base_reads_as_the_merged_model(written: Written) -> None:
    adapter, merged = adapter_in(written.beside), open_checkpoint(written.merged)
    view = with_base(adapter)
    assert not adapter.alone
    assert merged.tensors.keys() <= view.tensors.keys()
    assert not [name for name in view.tensors if "lora" in name or "ia3" in name or "base_layer" in name]
    for name in merged.tensors:
        np.testing.assert_allclose(whole(view, name), whole(merged, name), rtol=2e-5, atol=2e-6, err_msg=name)


def test_without_a_scale_the_base_stands_alone_and_the_factors_remain(tmp_path: Path) -> None:
    written = Written(tmp_path, "lora")
    (written.beside / "adapter_config.json").unlink()
    view, base = with_base(adapter_in(written.beside)), open_checkpoint(written.base)
    for name in base.tensors:
        np.testing.assert_array_equal(whole(view, name), whole(base, name))
    assert sum("lora_" in name for name in view.tensors) == 2 * 2 * len(LINEAR)
    assert [finding.code for finding in view.origin.findings] == ["adapter-not-applied"]


def test_products_are_what_merging_adds(tmp_path: Path) -> None:
    written = Written(tmp_path, "lora of transposed layers")
    view = changes(adapter_in(written.alone))
    base, merged = open_checkpoint(written.base), open_checkpoint(written.merged)
    assert view.tensors
    for name in view.tensors:
        np.testing.assert_allclose(whole(view, name), whole(merged, name) - whole(base, name), atol=2e-6)


def test_saved_modules_have_the_names_of_the_base(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = peft.get_peft_model(llama(), lora(modules_to_save=["lm_head"]))
    model.save_pretrained(tmp_path / "alone")
    (tmp_path / "beside").mkdir()
    torch.save(model.state_dict(), tmp_path / "beside" / "pytorch_model.bin")
    assert adapter_in(tmp_path / "alone").saved == ("lm_head.weight",)
    view = with_base(adapter_in(tmp_path / "beside"))
    assert [name for name in view.tensors if "lm_head" in name] == ["lm_head.weight"]
