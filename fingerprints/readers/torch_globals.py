"""The few names in a PyTorch pickle that mean something to a reader, re-stated as descriptions.

Source: https://github.com/pytorch/pytorch/blob/main/torch/_utils.py (`_rebuild_*`) and `torch/serialization.py`
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fingerprints.readers.pickle_objects import Global, Placeholder, StorageRef, TensorView
from fingerprints.readers.quoting import quoted
from fingerprints.readers.reader import MAX_RANK
from fingerprints.readers.storage_identity import identity_of

_DTYPES: Final = {
    "float64": "F64",
    "double": "F64",
    "float32": "F32",
    "float": "F32",
    "float16": "F16",
    "half": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "long": "I64",
    "int32": "I32",
    "int": "I32",
    "int16": "I16",
    "short": "I16",
    "int8": "I8",
    "uint8": "U8",
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
    "bool": "BOOL",
    "complex64": "C64",
    "cfloat": "C64",
    "complex128": "C128",
    "cdouble": "C128",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2fnuz": "F8_E5M2FNUZ",
    "float8_e8m0fnu": "F8_E8M0",
}
_STORAGES: Final = {
    "DoubleStorage": "F64",
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "U8",
    "BoolStorage": "BOOL",
    "ComplexFloatStorage": "C64",
    "ComplexDoubleStorage": "C128",
}
_QUANTISED: Final = {
    "QInt8Storage": 1,
    "QUInt8Storage": 1,
    "QInt32Storage": 4,
    "QUInt4x2Storage": 1,
    "QUInt2x4Storage": 1,
}
_LARGEST: Final = 1 << 62


def call(callee: Global, args: tuple[Any, ...]) -> Any:
    """Return what stands for `callee(*args)`: a `TensorView`, a dict, a tuple, or a `Placeholder`."""
    known = _CALLS.get((callee.module, callee.name))
    return Placeholder(callee, args) if known is None else known(callee, args)


def load(identity: object) -> Any:
    """Return the `StorageRef` for a persistent id `("storage", type, key, location, length, view)`, or for its text."""
    if isinstance(identity, str):
        identity = identity_of(identity)
    if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != "storage":
        return Placeholder(Global("", "persistent id"))
    kind, key, length = identity[1], identity[2], identity[4]
    view = identity[5] if len(identity) > 5 else None
    if not isinstance(kind, Global) or not isinstance(key, str) or not _is_length(length):
        return Placeholder(Global("", "persistent id"))
    start = 0
    if isinstance(view, tuple) and len(view) == 3 and _is_length(view[1]) and _is_length(view[2]):
        start, length = view[1], view[2]
    if kind.name in _STORAGES:
        return StorageRef(key=key, dtype=_STORAGES[kind.name], length=length, start=start)
    if kind.name in ("UntypedStorage", "_UntypedStorage"):
        return StorageRef(key=key, dtype="U8", length=length, start=start, untyped=True)
    width = {1: "U8", 4: "I32"}[_QUANTISED.get(kind.name, 1)]
    fault = f"its storage is of the type {quoted(kind.qualified)}, which is not read"
    return StorageRef(key=key, dtype=width, length=length, start=start, fault=fault)


def is_known(name: Global) -> bool:
    """Whether the name is one that every PyTorch checkpoint may hold."""
    return (
        (name.module, name.name) in _CALLS
        or (name.module in ("torch", "torch.storage") and name.name in _PLAIN)
        or name.module.startswith(("torch._utils", "torch.jit._pickle"))
    )


_PLAIN: Final = {
    *_DTYPES,
    *_STORAGES,
    *_QUANTISED,
    "UntypedStorage",
    "_UntypedStorage",
    "TypedStorage",
    "device",
    "Size",
}


def _is_length(value: object) -> bool:
    return type(value) is int and 0 <= value < _LARGEST


def _view(storage: object, offset: object, shape: object, strides: object, dtype: str | None = None) -> TensorView:
    fault = None
    lengths = shape if isinstance(shape, tuple) else ()
    steps = strides if isinstance(strides, tuple) else ()
    if not isinstance(storage, StorageRef):
        fault = f"its storage is a {type(storage).__name__}"
    elif not isinstance(shape, tuple) or len(lengths) != len(steps) or len(lengths) > MAX_RANK:
        fault = f"it has {len(lengths)} lengths and {len(steps)} strides; {MAX_RANK} of each are the most"
    elif not all(_is_length(value) for value in (offset, *lengths, *steps)):
        fault = "its offset, shape or strides hold something other than numbers from 0 to 2**62"
    if fault is not None:
        lengths, steps, offset = (), (), 0
    ref = storage if isinstance(storage, StorageRef) else None
    return TensorView(
        storage=ref,
        dtype=dtype or (ref.dtype if ref else "U8"),
        shape=lengths,
        strides=steps,
        offset=offset if isinstance(offset, int) else 0,
        fault=fault or (ref.fault if ref else None),
    )


def _faulty(reason: str) -> TensorView:
    return TensorView(storage=None, dtype="U8", shape=(), strides=(), fault=reason)


def _tensor(callee: Global, args: tuple[Any, ...]) -> Any:
    if len(args) < 4:
        return _faulty(f"{callee.name} has {len(args)} arguments and needs 4")
    metadata = args[6] if len(args) > 6 else None
    if isinstance(metadata, dict) and (metadata.get("conj") or metadata.get("neg")):
        return _faulty("it is a conjugated or negated view")
    return _view(args[0], args[1], args[2], args[3])


def _typed_tensor(callee: Global, args: tuple[Any, ...]) -> Any:
    if len(args) < 7 or not isinstance(args[6], Global):
        return _faulty(f"{callee.name} has {len(args)} arguments and needs 7")
    dtype = _DTYPES.get(args[6].name)
    if dtype is None or args[6].module != "torch":
        return _faulty(f"its type {quoted(args[6].qualified)} is not known")
    return _view(args[0], args[1], args[2], args[3], dtype)


def _parameter(callee: Global, args: tuple[Any, ...]) -> Any:
    return args[0] if args else _faulty(f"{callee.name} has 0 arguments")


def _from_type(callee: Global, args: tuple[Any, ...]) -> Any:
    if len(args) > 2 and isinstance(args[0], Global) and isinstance(args[2], tuple):
        inner = _CALLS.get((args[0].module, args[0].name))
        if inner is not None and inner is not _from_type:
            return inner(args[0], args[2])
    return _faulty(f"it is rebuilt by {quoted(callee.qualified)} in a way that is not known")


def _not_dense(callee: Global, args: tuple[Any, ...]) -> Any:
    return _faulty(f"it is rebuilt by {quoted(callee.qualified)}, which is not a plain array")


def _mapping(callee: Global, args: tuple[Any, ...]) -> Any:
    found: dict[Any, Any] = {}
    pairs = args[0] if args else ()
    if isinstance(pairs, dict):
        found.update(pairs)
    elif isinstance(pairs, list | tuple):
        for pair in pairs:
            if isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str):
                found[pair[0]] = pair[1]
    return found


def _size(callee: Global, args: tuple[Any, ...]) -> Any:
    return tuple(args[0]) if args and isinstance(args[0], list | tuple) else ()


_CALLS: Final[dict[tuple[str, str], Callable[[Global, tuple[Any, ...]], Any]]] = {
    ("collections", "OrderedDict"): _mapping,
    ("collections", "defaultdict"): lambda callee, args: {},
    ("builtins", "dict"): _mapping,
    ("__builtin__", "dict"): _mapping,
    ("torch", "Size"): _size,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _typed_tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    ("torch._tensor", "_rebuild_from_type_v2"): _from_type,
    ("torch._utils", "_rebuild_qtensor"): _not_dense,
    ("torch._utils", "_rebuild_sparse_tensor"): _not_dense,
    ("torch._utils", "_rebuild_sparse_csr_tensor"): _not_dense,
    ("torch._utils", "_rebuild_nested_tensor"): _not_dense,
    ("torch._utils", "_rebuild_wrapper_subclass"): _not_dense,
    ("torch._utils", "_rebuild_meta_tensor_no_storage"): _not_dense,
    ("torch._utils", "_rebuild_device_tensor_from_numpy"): _not_dense,
    ("torch._utils", "_rebuild_device_tensor_from_cpu_tensor"): _parameter,
}
