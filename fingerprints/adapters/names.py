"""The names that PEFT gives to tensors, taken apart.

A module `m` under an adapter called `default` is stored as `m.base_layer.weight`, `m.lora_A.default.weight`,
`m.lora_B.default.weight`; in a file that holds the adapter alone the adapter's name is left out. See `get_peft_model_
state_dict` in https://github.com/huggingface/peft/blob/main/src/peft/utils/save_and_load.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MARKS: Final = (
    "lora_A",
    "lora_B",
    "lora_embedding_A",
    "lora_embedding_B",
    "lora_magnitude_vector",
    "ia3_l",
)
"""Components that mark a tensor as a part of an adapter of a kind that is applied."""
_WRAPPER: Final = re.compile(r"(^|\.)base_model\.model\.")
_PART: Final = re.compile(rf"^(?P<module>.+)\.(?P<mark>{'|'.join(MARKS)})(?P<rest>(?:\.[^.]+){{0,2}})$")
_BASE: Final = re.compile(r"^(?P<module>.+)\.base_layer\.(?P<rest>.+)$")
_SAVED: Final = re.compile(r"^(?P<module>.+)\.modules_to_save\.(?P<rest>.+)$")
_ORIGINAL: Final = re.compile(r"^(?P<module>.+)\.original_module\.(?P<rest>.+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterName:
    """One tensor's name: `plain` is what the base calls it, or what it is in the adapter, without wrapping.

    `mark` is one of `MARKS`, `base_layer`, `modules_to_save`, `original_module`, or empty; `adapter` the adapter that
    it belongs to, empty where the file holds only one.
    """

    name: str
    plain: str
    module: str
    mark: str = ""
    adapter: str = ""


def parse_name(name: str) -> AdapterName:
    """Take a tensor's name apart."""
    bare = _WRAPPER.sub(r"\1", name)
    if found := _PART.match(bare):
        rest = [each for each in found["rest"].split(".") if each]
        if rest and rest[-1] == "weight":
            rest.pop()
        if len(rest) < 2 and rest != ["bias"]:
            adapter = rest[0] if rest else ""
            plain = f"{found['module']}.{found['mark']}"
            return AdapterName(name=name, plain=plain, module=found["module"], mark=found["mark"], adapter=adapter)
    if found := _BASE.match(bare):
        plain = f"{found['module']}.{found['rest']}"
        return AdapterName(name=name, plain=plain, module=found["module"], mark="base_layer")
    if found := _SAVED.match(bare):
        way, _, last = found["rest"].rpartition(".")
        # A file of the adapter alone leaves out the adapter's name; a saved module may have modules of its own.
        adapter, _, inner = way.partition(".")
        plain = ".".join(each for each in (found["module"], inner, last) if each)
        return AdapterName(name=name, plain=plain, module=found["module"], mark="modules_to_save", adapter=adapter)
    if found := _ORIGINAL.match(bare):
        plain = f"{found['module']}.{found['rest']}"
        return AdapterName(name=name, plain=plain, module=found["module"], mark="original_module")
    return AdapterName(name=name, plain=bare, module=bare.rpartition(".")[0])
