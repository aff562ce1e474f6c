"""Which axes of tensors without a known role index hidden units.

An axis is hidden when an earlier matrix produces its length and a later one consumes it. Earlier and later are taken
from the names: stages (`encoder` before `decoder`, `head` last), then numbers, then letters. What has no producer
before it may be an input of the model, what has no consumer after it an output, and neither is tested.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field

from fingerprints.anatomy import Anatomy, Part, PartKind
from fingerprints.templates import natural_key

EMBEDDING = re.compile(
    r"(^|[._])(w[tp]e|\w*embed\w*|\w*emb|embd|pos\w*|tokens?|cls|latents?|prototypes?|lookup|codebook)($|[._])",
    re.IGNORECASE,
)
_POSITIONS = re.compile(r"(^|[._])(wpe|\w*position\w*|pos|pos_emb\w*|embed_pos\w*)($|[._])", re.IGNORECASE)
_HEAD = re.compile(
    r"(^|[._])(classifier|head|\w*_head|score|logits|predictions?|output|fc_out|out_layer)($|[._])", re.IGNORECASE
)
_ATTENTION_ROWS = re.compile(
    r"(^|[._])(q|k|v|qkv|kv|wq|wk|wv|wqkv|query|key|value|\w*(_q|_k|_v|_qkv|_kv)|[qkv]_\w*|in_proj|to_[qkv]\w*"
    r"|\w*query_key\w*|c_attn|W_pack)($|[._])"
)
_ATTENTION_OUTPUT = re.compile(
    r"(^|[._])(\w*attn\w*|\w*attention\w*)[._](.*[._])?(o|out|wo|\w*proj\w*|to_out|dense)($|[._])", re.I
)
_INDEXED_START = re.compile(r"(^|[._])(A_log|dt_\w*|time_\w*|rel\w*bias\w*|relative\w*|slopes?|alibi)($|[._])")
RECURRENT = re.compile(r"(^|[._])(weight|bias)_(ih|hh)(_l\d+)?(_reverse)?$")
_STAGES = (
    re.compile(r"^(in|input\w*|stem|patch\w*|\w*embed\w*|\w*emb|w[tp]e|conv_in|in_conv|first)$", re.IGNORECASE),
    re.compile(r"^(enc|encoder\w*|down\w*|contract\w*|backbone|features?|trunk|body)$", re.IGNORECASE),
    re.compile(r"(?!)"),
    re.compile(r"^(dec|decoder\w*|up\w*|expand\w*|generator)$", re.IGNORECASE),
    re.compile(
        r"^(out|output\w*|head\w*|\w*_head|classifier|final\w*|last|logits|predict\w*|fc_out|conv_out|out_conv)$", re.I
    ),
)
_MIDDLE = 2
HEAD_ORDER = "attention rows are ordered by head and rotary frequency"

Order = tuple[object, ...]


def forward_order(module: str) -> Order:
    """Sort key of a module path in the presumed order of the forward pass."""
    key: list[object] = []
    for component in module.split("."):
        stage = next((place for place, words in enumerate(_STAGES) if words.match(component)), _MIDDLE)
        key.append((stage, natural_key(component)))
    return tuple(key)


def recurrent_gates(part: Part, anatomy: Anatomy) -> int:
    """Rows per unit of a recurrent matrix, told by its recurrent half; 1 for anything else."""
    if not RECURRENT.search(part.name):
        return 1
    partner = anatomy.parts.get(part.name.replace("weight_ih", "weight_hh"), part)
    if len(partner.shape) != 2 or partner.shape[1] == 0 or partner.shape[0] % partner.shape[1]:
        return 1
    gates = partner.shape[0] // partner.shape[1]
    return gates if gates in (3, 4) and part.shape[0] % gates == 0 else 1


def is_position_table(part: Part) -> bool:
    """Whether a tensor is called a table of positions."""
    return is_table(part) and _POSITIONS.search(part.module) is not None


def is_table(part: Part) -> bool:
    """Whether a tensor is looked up by index (tokens, positions); patch embeddings are filters."""
    return len(part.shape) == 2 and "patch" not in part.module.lower() and EMBEDDING.search(part.module) is not None


@dataclass(frozen=True, slots=True)
class Wiring:
    """Lengths that matrices produce and consume, each with the order of the modules that do.

    `anonymous` says that no tensor of the checkpoint is called a weight: names then tell no order, and whether a matrix
    is attention.
    """

    anatomy: Anatomy
    anonymous: bool
    produced: dict[int, list[Order]] = field(default_factory=lambda: defaultdict(list))
    consumed: dict[int, list[Order]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, anatomy: Anatomy) -> Wiring:
        """The wiring of one checkpoint."""
        matrices = [part for part in anatomy.parts.values() if len(part.shape) > 1]
        named = [part for part in matrices if part.kind is PartKind.MATRIX]
        wiring = cls(anatomy, anonymous=not named)
        for part in named or matrices:
            at = forward_order(_module(part))
            first, second = part.shape[:2]
            if RECURRENT.search(part.name):
                wiring.produced[first // recurrent_gates(part, anatomy)].append(at)
                wiring.consumed[second].append(at)
            elif is_table(part):
                wiring.produced[second].append(at)
            else:
                wiring.produced[first].append(at)
                wiring.consumed[second].append(at)
        return wiring

    def why_closed(self, part: Part, axis: int) -> str | None:
        """Why an axis of a part without a role may not be tested; None when its units are hidden ones."""
        if part.kind is not PartKind.MATRIX and not self.anonymous:
            return "it is no matrix of a layer that is known"
        if _INDEXED_START.search(part.name):
            return "it starts from values that depend on the index"
        gates = recurrent_gates(part, self.anatomy)
        length = part.shape[axis] // (gates if axis == 0 else 1)
        if axis == 0:
            return self._why_no_output(part, length)
        return self._why_no_input(part, length)

    def _why_no_output(self, part: Part, length: int) -> str | None:
        if is_table(part):
            return "rows of an embedding mean the same in both models"
        if _ATTENTION_ROWS.search(part.module) or (self.anonymous and part.shape[0] == part.shape[1]):
            return HEAD_ORDER
        at = forward_order(_module(part))
        consumers = self.consumed.get(length, [])
        if RECURRENT.search(part.name):
            later = bool(consumers)
        elif self.anonymous:
            later = len(consumers) > (part.shape[1] == length)
        else:
            later = any(order > at for order in consumers)
        if later:
            return None
        if _HEAD.search(part.module):
            return "outputs of a head mean the same in both models"
        return f"nothing after it takes {length} inputs: these may be outputs of the model"

    def _why_no_input(self, part: Part, length: int) -> str | None:
        if EMBEDDING.search(part.module):
            if not is_table(part):
                return "positions and inputs mean the same in both models"
            return None
        attention_output = _ATTENTION_OUTPUT.search(part.module) and not _ATTENTION_ROWS.search(part.module)
        if attention_output or (self.anonymous and part.shape[0] == part.shape[1]):
            return HEAD_ORDER
        at = forward_order(_module(part))
        producers = self.produced.get(length, [])
        if RECURRENT.search(part.name):
            earlier = any(order <= at for order in producers)
        elif self.anonymous:
            earlier = len(producers) > (part.shape[0] == length)
        else:
            earlier = any(order < at for order in producers)
        return None if earlier else f"nothing before it produces {length} values: these may be inputs of the model"


def _module(part: Part) -> str:
    """The module path, without the leaf of a recurrent matrix either."""
    return part.name.rpartition(".")[0] if RECURRENT.search(part.name) else part.module
