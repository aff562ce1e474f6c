"""A pickle machine that runs nothing: opcodes build plain values and descriptions, and call no one.

It covers protocols 0 to 5. Every opcode costs at least one byte of input and at most a constant amount of memory, so
that a bound on their number bounds both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fingerprints.errors import CorruptCheckpoint
from fingerprints.readers.pickle_objects import Global, Omitted, Placeholder
from fingerprints.readers.pickle_opcodes import NOTHING, OPCODES
from fingerprints.readers.pickle_stream import PickleStream

MAX_WORK: Final = 8_000_000
"""Opcodes, with containers counted several times; a state dict of 20,000 tensors needs about one million."""
_CONTAINER: Final = 4
_NAME: Final = 16
_PLACEHOLDER: Final = 12

Call = Callable[[Global, tuple[Any, ...]], Any]
Load = Callable[[Any], Any]


class PickleMachine:
    """Runs one pickle.

    Parameters
    ----------
    stream : PickleStream
        Where the opcodes come from.
    call : callable
        Given a `Global` and arguments, returns what stands for the result.
    load : callable
        Given a persistent id, returns what stands for the object.
    max_work : int
        Opcodes it may have, containers counted several times.

    Attributes
    ----------
    stack : list
        Values above the topmost mark; those below it wait in order.
    globals : dict
        Every class and function that the pickle refers to, in order.
    """

    def __init__(self, stream: PickleStream, call: Call, load: Load, max_work: int = MAX_WORK) -> None:
        self.stream: PickleStream = stream
        self.load: Load = load
        self.stack: list[Any] = []
        self.globals: dict[Global, None] = {}
        self._call = call
        self._max_work = max_work
        self._waiting: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._work = 0

    def run(self) -> Any:
        """Run up to the STOP opcode and return what is on top of the stack."""
        read, steps = self.stream.read, OPCODES
        while (opcode := read(1)) != b".":
            self._work += 1
            if self._work > self._max_work:
                self.spend(0)
            step = steps.get(opcode)
            if step is None:
                what = f"opcode {opcode.hex()} does not exist or needs data from outside" if opcode else "it has no end"
                raise self.stream.corrupt(what)
            result = step(self)
            if result is not NOTHING:
                self.stack.append(result)
        return self.pop()

    def spend(self, amount: int) -> None:
        """Count work, and refuse to go on when there has been too much."""
        self._work += amount
        if self._work > self._max_work:
            raise self.stream.exceeded("steps", self._max_work, self._work)

    def pop(self) -> Any:
        """Take the topmost value."""
        if not self.stack:
            raise self._underflow()
        return self.stack.pop()

    def top(self) -> Any:
        """Return the topmost value, which stays."""
        if not self.stack:
            raise self._underflow()
        return self.stack[-1]

    def mark(self) -> None:
        """Set a mark: what is on the stack waits until `marked`."""
        self.spend(_CONTAINER)
        self._waiting.append(self.stack)
        self.stack = []

    def marked(self) -> list[Any]:
        """Take everything above the topmost mark, and the mark."""
        if not self._waiting:
            raise self.stream.corrupt("a mark is missing")
        found, self.stack = self.stack, self._waiting.pop()
        return found

    def named(self, module: object, name: object) -> Global:
        """Return what stands for a class or function."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise self.stream.corrupt("a class or function is named by something other than text")
        self.spend(_NAME)
        found = Global(module, name)
        self.globals[found] = None
        return found

    def build(self, callee: object, args: object) -> Any:
        """Return what stands for the result of a call."""
        self.spend(_CONTAINER)
        arguments = args if isinstance(args, tuple) else (args,)
        if isinstance(callee, Global):
            self.spend(sum(len(argument) for argument in arguments if isinstance(argument, list | tuple | dict)))
            found = self._call(callee, arguments)
            if isinstance(found, Placeholder):
                self.spend(_PLACEHOLDER)
            return found
        self.spend(_PLACEHOLDER)
        origin = callee.origin if isinstance(callee, Placeholder) else Global("", type(callee).__name__)
        return Placeholder(origin, arguments)

    def container(self, empty: Any) -> Any:
        """Count the cost of a new container."""
        self.spend(_CONTAINER)
        return empty

    def store(self, target: object, pairs: list[Any]) -> None:
        """Put keys and values into a dict, or into what stands for one."""
        if len(pairs) % 2:
            raise self.stream.corrupt(f"{len(pairs)} keys and values do not pair up")
        if isinstance(target, Placeholder):
            target = target.entries
        if isinstance(target, dict):
            for at in range(0, len(pairs), 2):
                target[_as_key(pairs[at])] = pairs[at + 1]

    def extend(self, target: object, items: list[Any]) -> None:
        """Put items into a list, or into what stands for one."""
        if isinstance(target, Placeholder):
            target = target.items
        if isinstance(target, list):
            target.extend(items)

    def memoize(self, key: int | None = None) -> None:
        """Remember the topmost value under `key`, or under the next number."""
        number = len(self._memo) if key is None else key
        if not 0 <= number < 1 << 32:
            raise self.stream.corrupt(f"memo entry {str(number)[:40]} is out of range")
        self.spend(_CONTAINER)
        self._memo[number] = self.top()

    def recall(self, key: int) -> Any:
        """Return what was remembered under `key`."""
        if key not in self._memo:
            raise self.stream.corrupt(f"memo entry {str(key)[:40]} was never set")
        return self._memo[key]

    def _underflow(self) -> CorruptCheckpoint:
        return self.stream.corrupt("an opcode needs more values than there are on the stack")


def _as_key(key: object) -> object:
    """Keep keys that hash in constant time and cannot be made to collide; any other stands for itself alone."""
    if key is None or isinstance(key, str | bytes | float | Global) or (isinstance(key, int) and abs(key) < 1 << 60):
        return key
    return Omitted(0)
