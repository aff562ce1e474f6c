"""Tensor names and shapes of model families, as their libraries write them."""

from __future__ import annotations

from tests.checkpoints import Shapes

D, N, V = 32, 80, 100
"""Residual dimensions, hidden neurons, tokens."""


def gpt2(*, layers: int = 2, prefix: str = "transformer.") -> Shapes:
    """GPT-2: Conv1D modules hold inputs first; `transformer.` is missing from the first uploads."""
    shapes: Shapes = {f"{prefix}wte.weight": (V, D), f"{prefix}wpe.weight": (64, D)}
    for layer in range(layers):
        at = f"{prefix}h.{layer}"
        shapes |= {
            f"{at}.ln_1.weight": (D,),
            f"{at}.ln_1.bias": (D,),
            f"{at}.attn.bias": (1, 1, 64, 64),
            f"{at}.attn.c_attn.weight": (D, 3 * D),
            f"{at}.attn.c_attn.bias": (3 * D,),
            f"{at}.attn.c_proj.weight": (D, D),
            f"{at}.attn.c_proj.bias": (D,),
            f"{at}.ln_2.weight": (D,),
            f"{at}.ln_2.bias": (D,),
            f"{at}.mlp.c_fc.weight": (D, N),
            f"{at}.mlp.c_fc.bias": (N,),
            f"{at}.mlp.c_proj.weight": (N, D),
            f"{at}.mlp.c_proj.bias": (D,),
        }
    return shapes | {f"{prefix}ln_f.weight": (D,), f"{prefix}ln_f.bias": (D,)}


def bert(*, layers: int = 2, prefix: str = "bert.") -> Shapes:
    """BERT and RoBERTa: post-norm encoder layers."""
    shapes: Shapes = {
        f"{prefix}embeddings.word_embeddings.weight": (V, D),
        f"{prefix}embeddings.position_embeddings.weight": (64, D),
        f"{prefix}embeddings.token_type_embeddings.weight": (2, D),
        f"{prefix}embeddings.LayerNorm.weight": (D,),
        f"{prefix}embeddings.LayerNorm.bias": (D,),
    }
    for layer in range(layers):
        at = f"{prefix}encoder.layer.{layer}"
        for name, shape in (
            ("attention.self.query", (D, D)),
            ("attention.self.key", (D, D)),
            ("attention.self.value", (D, D)),
            ("attention.output.dense", (D, D)),
            ("attention.output.LayerNorm", (D,)),
            ("intermediate.dense", (N, D)),
            ("output.dense", (D, N)),
            ("output.LayerNorm", (D,)),
        ):
            shapes |= {f"{at}.{name}.weight": shape, f"{at}.{name}.bias": shape[:1]}
    return shapes


def t5(*, layers: int = 2, gated: bool = False) -> Shapes:
    """T5: two towers, blocks numbered outside, sub-layers inside."""
    shapes: Shapes = {"shared.weight": (V, D)}
    for tower in ("encoder", "decoder"):
        for block in range(layers):
            at = f"{tower}.block.{block}.layer"
            attentions = ["SelfAttention"] if tower == "encoder" else ["SelfAttention", "EncDecAttention"]
            for place, attention in enumerate(attentions):
                shapes |= {f"{at}.{place}.{attention}.{name}.weight": (D, D) for name in "qkvo"}
                shapes[f"{at}.{place}.layer_norm.weight"] = (D,)
            mlp = f"{at}.{len(attentions)}"
            shapes |= {
                f"{mlp}.DenseReluDense.{name}.weight": (N, D) for name in (["wi_0", "wi_1"] if gated else ["wi"])
            }
            shapes |= {f"{mlp}.DenseReluDense.wo.weight": (D, N), f"{mlp}.layer_norm.weight": (D,)}
        shapes[f"{tower}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"] = (32, 4)
        shapes[f"{tower}.final_layer_norm.weight"] = (D,)
    return shapes


def falcon(*, layers: int = 2) -> Shapes:
    """Falcon 7B: one fused attention matrix, keys and values shared by all heads."""
    shapes: Shapes = {"transformer.word_embeddings.weight": (V, D)}
    for layer in range(layers):
        at = f"transformer.h.{layer}"
        shapes |= {
            f"{at}.input_layernorm.weight": (D,),
            f"{at}.input_layernorm.bias": (D,),
            f"{at}.self_attention.query_key_value.weight": (D + 16, D),
            f"{at}.self_attention.dense.weight": (D, D),
            f"{at}.mlp.dense_h_to_4h.weight": (N, D),
            f"{at}.mlp.dense_4h_to_h.weight": (D, N),
        }
    return shapes | {"transformer.ln_f.weight": (D,), "transformer.ln_f.bias": (D,), "lm_head.weight": (V, D)}


def neox(*, layers: int = 2) -> Shapes:
    """GPT-NeoX and Pythia, with the buffers that old uploads carry."""
    shapes: Shapes = {"gpt_neox.embed_in.weight": (V, D)}
    for layer in range(layers):
        at = f"gpt_neox.layers.{layer}"
        shapes |= {
            f"{at}.input_layernorm.weight": (D,),
            f"{at}.post_attention_layernorm.weight": (D,),
            f"{at}.attention.bias": (1, 1, 64, 64),
            f"{at}.attention.masked_bias": (),
            f"{at}.attention.rotary_emb.inv_freq": (4,),
            f"{at}.attention.query_key_value.weight": (3 * D, D),
            f"{at}.attention.dense.weight": (D, D),
            f"{at}.mlp.dense_h_to_4h.weight": (N, D),
            f"{at}.mlp.dense_4h_to_h.weight": (D, N),
        }
    return shapes | {"gpt_neox.final_layer_norm.weight": (D,), "embed_out.weight": (V, D)}


def phi3(*, layers: int = 2) -> Shapes:
    """Phi-3: q|k|v and gate|up in one matrix each."""
    shapes: Shapes = {"model.embed_tokens.weight": (V, D)}
    for layer in range(layers):
        at = f"model.layers.{layer}"
        shapes |= {
            f"{at}.input_layernorm.weight": (D,),
            f"{at}.self_attn.qkv_proj.weight": (3 * D, D),
            f"{at}.self_attn.o_proj.weight": (D, D),
            f"{at}.post_attention_layernorm.weight": (D,),
            f"{at}.mlp.gate_up_proj.weight": (2 * N, D),
            f"{at}.mlp.down_proj.weight": (D, N),
        }
    return shapes | {"model.norm.weight": (D,), "lm_head.weight": (V, D)}


def chatglm(*, layers: int = 2) -> Shapes:
    """ChatGLM 2 and 3: gate|up in one matrix that is called like GPT-NeoX's first one."""
    shapes: Shapes = {"transformer.embedding.word_embeddings.weight": (V, D)}
    for layer in range(layers):
        at = f"transformer.encoder.layers.{layer}"
        shapes |= {
            f"{at}.input_layernorm.weight": (D,),
            f"{at}.self_attention.query_key_value.weight": (D + 16, D),
            f"{at}.self_attention.dense.weight": (D, D),
            f"{at}.post_attention_layernorm.weight": (D,),
            f"{at}.mlp.dense_h_to_4h.weight": (2 * N, D),
            f"{at}.mlp.dense_4h_to_h.weight": (D, N),
        }
    return shapes


def mixtral(*, layers: int = 2, experts: int = 3) -> Shapes:
    """Mixtral: a router, and every expert in matrices of its own."""
    shapes: Shapes = {"model.embed_tokens.weight": (V, D), "model.norm.weight": (D,), "lm_head.weight": (V, D)}
    for layer in range(layers):
        at = f"model.layers.{layer}"
        shapes |= {
            f"{at}.input_layernorm.weight": (D,),
            f"{at}.self_attn.q_proj.weight": (D, D),
            f"{at}.self_attn.k_proj.weight": (16, D),
            f"{at}.self_attn.v_proj.weight": (16, D),
            f"{at}.self_attn.o_proj.weight": (D, D),
            f"{at}.post_attention_layernorm.weight": (D,),
            f"{at}.block_sparse_moe.gate.weight": (experts, D),
        }
        for expert in range(experts):
            shapes |= {
                f"{at}.block_sparse_moe.experts.{expert}.w1.weight": (N, D),
                f"{at}.block_sparse_moe.experts.{expert}.w2.weight": (D, N),
                f"{at}.block_sparse_moe.experts.{expert}.w3.weight": (N, D),
            }
    return shapes


def qwen1(*, layers: int = 2) -> Shapes:
    """The first Qwen: GPT-2's names on ordinary linear modules, w2 is the gate."""
    shapes: Shapes = {"transformer.wte.weight": (V, D), "transformer.ln_f.weight": (D,), "lm_head.weight": (V, D)}
    for layer in range(layers):
        at = f"transformer.h.{layer}"
        shapes |= {
            f"{at}.ln_1.weight": (D,),
            f"{at}.attn.c_attn.weight": (3 * D, D),
            f"{at}.attn.c_attn.bias": (3 * D,),
            f"{at}.attn.c_proj.weight": (D, D),
            f"{at}.ln_2.weight": (D,),
            f"{at}.mlp.w1.weight": (N, D),
            f"{at}.mlp.w2.weight": (N, D),
            f"{at}.mlp.c_proj.weight": (D, N),
        }
    return shapes


def vit(*, layers: int = 2, prefix: str = "vit.") -> Shapes:
    """ViT as the transformers library has it."""
    shapes: Shapes = {
        f"{prefix}embeddings.cls_token": (1, 1, D),
        f"{prefix}embeddings.position_embeddings": (1, 50, D),
        f"{prefix}embeddings.patch_embeddings.projection.weight": (D, 3, 4, 4),
        f"{prefix}embeddings.patch_embeddings.projection.bias": (D,),
    }
    for layer in range(layers):
        at = f"{prefix}encoder.layer.{layer}"
        for name, shape in (
            ("attention.attention.query", (D, D)),
            ("attention.attention.key", (D, D)),
            ("attention.attention.value", (D, D)),
            ("attention.output.dense", (D, D)),
            ("intermediate.dense", (N, D)),
            ("output.dense", (D, N)),
            ("layernorm_before", (D,)),
            ("layernorm_after", (D,)),
        ):
            shapes |= {f"{at}.{name}.weight": shape, f"{at}.{name}.bias": shape[:1]}
    return shapes | {f"{prefix}layernorm.weight": (D,), "classifier.weight": (10, D), "classifier.bias": (10,)}


def clip_tower(prefix: str, *, layers: int = 2, hidden: int = D, mlp: int = N) -> Shapes:
    """One tower of CLIP or SigLIP."""
    shapes: Shapes = {}
    for layer in range(layers):
        at = f"{prefix}encoder.layers.{layer}"
        for name, shape in (
            ("layer_norm1", (hidden,)),
            ("self_attn.q_proj", (hidden, hidden)),
            ("self_attn.k_proj", (hidden, hidden)),
            ("self_attn.v_proj", (hidden, hidden)),
            ("self_attn.out_proj", (hidden, hidden)),
            ("layer_norm2", (hidden,)),
            ("mlp.fc1", (mlp, hidden)),
            ("mlp.fc2", (hidden, mlp)),
        ):
            shapes |= {f"{at}.{name}.weight": shape, f"{at}.{name}.bias": shape[:1]}
    return shapes


def clip() -> Shapes:
    """CLIP: a text tower and a vision tower."""
    return {
        "text_model.embeddings.position_embedding.weight": (20, D),
        **clip_tower("text_model."),
        "text_model.final_layer_norm.weight": (D,),
        "vision_model.embeddings.patch_embedding.weight": (48, 3, 4, 4),
        "vision_model.embeddings.position_embedding.weight": (50, 48),
        **clip_tower("vision_model.", hidden=48, mlp=112),
        "text_projection.weight": (24, D),
        "visual_projection.weight": (24, 48),
    }


def resnet() -> Shapes:
    """The first stages of a ResNet."""
    shapes: Shapes = {"conv1.weight": (16, 3, 7, 7), "bn1.weight": (16,), "bn1.running_mean": (16,)}
    for stage, width in ((1, 16), (2, 32)):
        for block in range(2):
            at = f"layer{stage}.{block}"
            before = width // 2 if stage == 2 and block == 0 else width
            shapes |= {
                f"{at}.conv1.weight": (width, before, 3, 3),
                f"{at}.bn1.weight": (width,),
                f"{at}.bn1.num_batches_tracked": (),
                f"{at}.conv2.weight": (width, width, 3, 3),
            }
    return shapes | {"layer2.0.downsample.0.weight": (32, 16, 1, 1), "fc.weight": (10, 32), "fc.bias": (10,)}


def lstm(*, hidden: int = 24, inputs: int = 12, layers: int = 2) -> Shapes:
    """A language model of stacked LSTMs."""
    shapes: Shapes = {"embedding.weight": (V, inputs)}
    for layer in range(layers):
        shapes |= {
            f"lstm.weight_ih_l{layer}": (4 * hidden, inputs if layer == 0 else hidden),
            f"lstm.weight_hh_l{layer}": (4 * hidden, hidden),
            f"lstm.bias_ih_l{layer}": (4 * hidden,),
        }
    return shapes | {"decoder.weight": (V, hidden), "decoder.bias": (V,)}
