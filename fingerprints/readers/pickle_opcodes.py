"""What each pickle opcode does to the machine.

Opcodes: https://github.com/python/cpython/blob/main/Lib/pickletools.py
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from fingerprints.readers.pickle_objects import Global, Omitted, Placeholder

if TYPE_CHECKING:
    from fingerprints.readers.pickle_machine import PickleMachine

NOTHING: Final = object()
"""What an opcode returns that pushes no value."""
_HIGHEST_PROTOCOL: Final = 5


def _proto(machine: PickleMachine) -> object:
    version = machine.stream.number("<B")
    if version > _HIGHEST_PROTOCOL:
        raise machine.stream.corrupt(f"protocol {version} is newer than {_HIGHEST_PROTOCOL}")
    return NOTHING


def _frame(machine: PickleMachine) -> object:
    machine.stream.number("<Q")
    return NOTHING


def _mark(machine: PickleMachine) -> object:
    machine.mark()
    return NOTHING


def _pop(machine: PickleMachine) -> object:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.marked()
    return NOTHING


def _pop_mark(machine: PickleMachine) -> object:
    machine.marked()
    return NOTHING


def _tuple(count: int) -> Callable[[PickleMachine], object]:
    def step(machine: PickleMachine) -> object:
        items = [machine.pop() for _ in range(count)]
        return machine.container(tuple(reversed(items)))

    return step


def _dict(machine: PickleMachine) -> object:
    found: dict[Any, Any] = machine.container({})
    machine.store(found, machine.marked())
    return found


def _append(machine: PickleMachine) -> object:
    item = machine.pop()
    machine.extend(machine.top(), [item])
    return NOTHING


def _appends(machine: PickleMachine) -> object:
    items = machine.marked()
    machine.extend(machine.top(), items)
    return NOTHING


def _setitem(machine: PickleMachine) -> object:
    value, key = machine.pop(), machine.pop()
    machine.store(machine.top(), [key, value])
    return NOTHING


def _setitems(machine: PickleMachine) -> object:
    pairs = machine.marked()
    machine.store(machine.top(), pairs)
    return NOTHING


def _reduce(machine: PickleMachine) -> object:
    args, callee = machine.pop(), machine.pop()
    return machine.build(callee, args)


def _new_keywords(machine: PickleMachine) -> object:
    keywords, args, kind = machine.pop(), machine.pop(), machine.pop()
    found = machine.build(kind, args)
    if isinstance(found, Placeholder):
        found.state.append(keywords)
    return found


def _instance(machine: PickleMachine) -> object:
    kind = machine.named(machine.stream.line(), machine.stream.line())
    return machine.build(kind, tuple(machine.marked()))


def _object(machine: PickleMachine) -> object:
    values = machine.marked()
    if not values:
        raise machine.stream.corrupt("an object has no class")
    return machine.build(values[0], tuple(values[1:]))


def _build(machine: PickleMachine) -> object:
    state, target = machine.pop(), machine.top()
    if isinstance(target, Placeholder):
        target.state.append(state)
    return NOTHING


def _global(machine: PickleMachine) -> object:
    return machine.named(machine.stream.line(), machine.stream.line())


def _stack_global(machine: PickleMachine) -> object:
    name, module = machine.pop(), machine.pop()
    return machine.named(module, name)


def _extension(form: str) -> Callable[[PickleMachine], object]:
    def step(machine: PickleMachine) -> object:
        return machine.named("copyreg", f"extension {machine.stream.number(form)}")

    return step


def _put(form: str) -> Callable[[PickleMachine], object]:
    def step(machine: PickleMachine) -> object:
        machine.memoize(machine.stream.number(form) if form else machine.stream.decimal())
        return NOTHING

    return step


def _memoize(machine: PickleMachine) -> object:
    machine.memoize()
    return NOTHING


def _string(machine: PickleMachine) -> object:
    line = machine.stream.raw_line()
    if len(line) < 2 or line[:1] not in (b"'", b'"') or line[-1:] != line[:1]:
        raise machine.stream.corrupt("a string of protocol 0 has no quotes")
    return _escaped(machine, line[1:-1], "unicode_escape")


def _unicode(machine: PickleMachine) -> object:
    return _escaped(machine, machine.stream.raw_line(), "raw_unicode_escape")


def _escaped(machine: PickleMachine, line: bytes, encoding: str) -> str:
    """Text of protocol 0: each byte a character of Latin-1, others as escapes."""
    try:
        return codecs.decode(line, encoding)
    except UnicodeDecodeError as error:
        raise machine.stream.corrupt(f"an escape at character {error.start} is not valid") from None


def _bytes_as_text(form: str) -> Callable[[PickleMachine], object]:
    """Python 2 wrote names as bytes; those that are text are taken as such."""

    def step(machine: PickleMachine) -> object:
        data = machine.stream.data(form)
        return data if isinstance(data, Omitted) else data.decode("latin-1")

    return step


_STEPS: dict[bytes, Callable[[PickleMachine], object]] = {
    b"\x80": _proto,
    b"\x95": _frame,
    b"(": _mark,
    b"0": _pop,
    b"1": _pop_mark,
    b"2": lambda machine: machine.top(),
    b"N": lambda machine: None,
    b"\x88": lambda machine: True,
    b"\x89": lambda machine: False,
    b"I": lambda machine: machine.stream.decimal(),
    b"L": lambda machine: machine.stream.decimal(),
    b"F": lambda machine: machine.stream.floating(),
    b"J": lambda machine: machine.stream.number("<i"),
    b"K": lambda machine: machine.stream.number("<B"),
    b"M": lambda machine: machine.stream.number("<H"),
    b"G": lambda machine: machine.stream.number(">d"),
    b"\x8a": lambda machine: machine.stream.long("<B"),
    b"\x8b": lambda machine: machine.stream.long("<i"),
    b"S": _string,
    b"V": _unicode,
    b"T": _bytes_as_text("<i"),
    b"U": _bytes_as_text("<B"),
    b"X": lambda machine: machine.stream.text("<I"),
    b"\x8c": lambda machine: machine.stream.text("<B"),
    b"\x8d": lambda machine: machine.stream.text("<Q"),
    b"B": lambda machine: machine.stream.data("<I"),
    b"C": lambda machine: machine.stream.data("<B"),
    b"\x8e": lambda machine: machine.stream.data("<Q"),
    b"\x96": lambda machine: machine.stream.data("<Q"),
    b")": lambda machine: (),
    b"]": lambda machine: machine.container([]),
    b"}": lambda machine: machine.container({}),
    b"\x8f": lambda machine: machine.build(Global("builtins", "set"), ()),
    b"\x91": lambda machine: machine.build(Global("builtins", "frozenset"), (machine.marked(),)),
    b"t": lambda machine: tuple(machine.marked()),
    b"l": lambda machine: machine.marked(),
    b"d": _dict,
    b"\x85": _tuple(1),
    b"\x86": _tuple(2),
    b"\x87": _tuple(3),
    b"a": _append,
    b"e": _appends,
    b"\x90": _appends,
    b"s": _setitem,
    b"u": _setitems,
    b"c": _global,
    b"\x93": _stack_global,
    b"R": _reduce,
    b"\x81": _reduce,
    b"\x92": _new_keywords,
    b"i": _instance,
    b"o": _object,
    b"b": _build,
    b"\x82": _extension("<B"),
    b"\x83": _extension("<H"),
    b"\x84": _extension("<i"),
    b"p": _put(""),
    b"q": _put("<B"),
    b"r": _put("<I"),
    b"\x94": _memoize,
    b"g": lambda machine: machine.recall(machine.stream.decimal()),
    b"h": lambda machine: machine.recall(machine.stream.number("<B")),
    b"j": lambda machine: machine.recall(machine.stream.number("<I")),
    b"P": lambda machine: machine.load(machine.stream.line()),
    b"Q": lambda machine: machine.load(machine.pop()),
    b"\x98": lambda machine: NOTHING,
}
OPCODES: Mapping[bytes, Callable[[PickleMachine], object]] = MappingProxyType(_STEPS)
"""Every opcode but STOP; NEXT_BUFFER (0x97) is left out, because its data lies outside the pickle."""
