"""Words that a mutation may insert: what a format's files are made of, by reader."""

from __future__ import annotations

from typing import Final

from tests.fuzz.reading import CUT, READERS

_NUMBERS: Final = (
    b"\xff" * 8,
    b"\xff" * 4,
    b"\xff" * 7 + b"\x7f",
    b"\x00\x00\x00\x80",
    b"\x00" * 8,
    (1 << 32).to_bytes(8, "little"),
    (1 << 62).to_bytes(8, "little"),
)
_JSON: Final = (
    b"9223372036854775807",
    b"-1",
    b"1e999",
    b"NaN",
    b"null",
    b"[[[[[[[[",
    b'{"":',
    b"BF16",
    b"F8_E4M3",
    b"F4",
    b"U8",
    b"../x",
)
_OWN: Final[dict[str, tuple[bytes, ...]]] = {
    "safetensors": (b'"data_offsets":[0,0]', b'"shape":[]', b"__metadata__"),
    "torch": (
        b"ctorch._utils\n_rebuild_tensor_v2\n",
        b"ccollections\nOrderedDict\n",
        b"PK\x05\x06",
        b"PK\x01\x02",
        b"2.",
    ),
    "gguf": (b"GGUF", b"general.alignment", b"split.count", b"rope.freqs", b"general.architecture"),
    "onnx": (b"Transpose", b"Constant", b"DequantizeLinear", b"MatMulNBits", b"LSTM", b"Gemm", b"offset", b"length"),
    "hdf5": (b"\x89HDF\r\n\x1a\n", b"OHDR", b"FRHP", b"BTHD", b"SNOD", b"TREE"),
    "keras": (b"PK\x05\x06", b"PK\x01\x02", b"model.weights.h5", b"PK\x03\x04"),
    "flax": (
        b"\xdf\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
        b"__msgpack_chunked_array__",
        b"bfloat16",
        b"\xc7\x00\x01",
    ),
    "packed": (
        b'"bits":3',
        b'"group_size":-1',
        b"qweight",
        b"qzeros",
        b"scales",
        b"g_idx",
        b"weight_packed",
        b"weight_scale",
        b"weight_zero_point",
        b"_weight_qdata",
        b"_blocks",
        b"SCB",
        b"absmax",
        b"quant_state",
    ),
    "adapter": (
        b'"peft_type":"LOHA"',
        b'"use_dora":true',
        b"lora_A",
        b"lora_B",
        b"hada_w1_a",
        b"rank_pattern",
        b"modules_to_save",
        b"lora_embedding_A",
        b"lora_magnitude_vector",
        b"ia3_l",
        b"base_layer.weight",
    ),
    "joined": (b"lora_A", b"lora_B", b'"peft_type":"LORA"'),
    "layouts": (
        b"gate_up_proj",
        b"qkv_proj",
        b"query_key_value",
        b"experts.gate_up_proj",
        b"ffn_gate_exps",
        b"weight_v",
        b"weight_g",
        b".kernel",
        b"parametrizations.weight.original0",
    ),
    "pipeline": (b'"unet":["a","b"]', b'"vae":[]', b'"quantization_config"'),
    "sharded": (b"weight_map", b"b.safetensors", b"model.safetensors.index.json"),
    "rivals": (b"ctorch\nFloatStorage\n", b"ctorch\nHalfStorage\n", b"layers.0.weight F16 4,6\n"),
    "split": (b"GGUF", b"split.no", b"split.count", b"general.architecture", b"attn_q.weight"),
    "distributed": (b"2.", b"R.", b"storage_data", b"\x93"),
    "slices": (b'"n_kv_heads":1', b'"dim":0', b"wq.weight", b"wk.weight"),
}

_LINES: Final = (
    b" F32 ",
    b" U8 ",
    b" I8 ",
    b" I32 ",
    b" BF16 ",
    b" F8_E4M3 ",
    b"\n",
    b" 0,3",
    b" 1,1,1",
    b".weight F16 4,8\n",
)
"""Of files that are described in lines of text."""

WORDS: Final = {
    reader: (
        *_NUMBERS,
        *_JSON,
        *_OWN[reader],
        *(_LINES if place.described else ()),
        *((CUT,) if place.is_folder else ()),
    )
    for reader, place in READERS.items()
}
"""Words for libFuzzer's dictionary, https://llvm.org/docs/LibFuzzer.html#dictionaries"""
