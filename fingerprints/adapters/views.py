"""Checkpoints that are computed from an adapter: with its base, on another base, and what it changes by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fingerprints.adapters.adapter import Adapter
from fingerprints.adapters.borrowed import BorrowingCheckpoint, borrow
from fingerprints.adapters.kind import DoesNotFitError
from fingerprints.adapters.names import MARKS
from fingerprints.checkpoint import Checkpoint, Finding, Origin
from fingerprints.readers.row_tensor import RowTensor


def with_base(adapter: Adapter) -> Checkpoint:
    """Return the checkpoint that holds an adapter beside its base with the adapter applied, under the base's names.

    Where it cannot be applied, because its scale is not known or it does not fit, the base stands alone and the parts
    of the adapter remain tensors of their own; a finding says so.
    """
    applied: dict[str, RowTensor] = {}
    refused: dict[str, str] = {}
    reason = ""
    if adapter.others:
        reason = f"there are {1 + len(adapter.others)} adapters, and nothing says which one is active"
    for name, each in adapter.names.items():
        if each.mark not in ("", "base_layer") or each.module not in adapter.modules:
            continue
        kind, module = adapter.modules[each.module]
        try:
            if reason:
                raise DoesNotFitError(reason)
            changed = kind.applied(module, borrow(adapter.source, name, each.plain))
        except DoesNotFitError as error:
            refused[each.module] = str(error)
        else:
            if changed is not None:
                applied[each.plain] = changed
    # A module of which one tensor is refused is left as it is.
    done = {plain.rpartition(".")[0] for plain in applied} - refused.keys()
    saved = {each.plain for each in adapter.names.values() if each.mark == "modules_to_save"}
    tensors: dict[str, RowTensor] = {}
    for name, each in adapter.names.items():
        if each.mark in MARKS:
            if each.module in done:
                continue
            known_as = f"{each.plain}.{each.adapter}" if each.adapter else each.plain
        elif each.mark == "original_module" and each.plain in saved:
            continue
        else:
            known_as = each.plain
        known_as = name if known_as in tensors else known_as
        tensors[known_as] = (
            applied[known_as] if each.module in done and known_as in applied else borrow(adapter.source, name, known_as)
        )
    return BorrowingCheckpoint(_noted(adapter, done, refused), tensors, (adapter.source,))


def applied_to(adapter: Adapter, base: Checkpoint, places: Mapping[str, str]) -> tuple[Checkpoint, Mapping[str, str]]:
    """Return another checkpoint with an adapter applied to it, and why it was not applied to some of the tensors.

    Parameters
    ----------
    adapter : Adapter
        The adapter.
    base : Checkpoint
        What it is applied to.
    places : mapping
        Names of tensors as the adapter would call them to names in `base`.
    """
    refused: dict[str, str] = {}
    tensors: dict[str, RowTensor] = {name: borrow(base, name) for name in base.tensors}
    for plain, name in places.items():
        found = adapter.modules.get(plain.rpartition(".")[0])
        if found is None:
            continue
        kind, module = found
        try:
            changed = kind.applied(module, borrow(base, name, plain))
        except DoesNotFitError as error:
            refused[name] = str(error)
        else:
            if changed is not None:
                tensors[name] = changed
    return BorrowingCheckpoint(base.origin, tensors, (base, adapter.source)), refused


def unwrapped(adapter: Adapter) -> Checkpoint:
    """Return the tensors of an adapter as they are stored, without the names of wrapping modules."""
    tensors: dict[str, RowTensor] = {}
    for name, each in adapter.names.items():
        known_as = name if each.plain in tensors else each.plain
        tensors[known_as] = borrow(adapter.source, name, known_as)
    return BorrowingCheckpoint(adapter.source.origin, tensors, (adapter.source,))


def changes(adapter: Adapter) -> Checkpoint:
    """Return what an adapter without its base holds, under the base's names: products, vectors, and saved weights.

    A product has the name and layout of the weight that it is to be added to, so that two adapters of other factors
    and the same effect hold the same values.
    """
    tensors: dict[str, RowTensor] = {}
    held = set(adapter.saved)
    for kind, module in adapter.modules.values():
        for tensor in kind.alone(module):
            # PEFT saves an adapted embedding beside its adapter: the weight itself says more than its change.
            if tensor.info.name not in held:
                tensors[tensor.info.name] = tensor
    used = {name for _, module in adapter.modules.values() for name in module.parts.values()}
    for name, each in adapter.names.items():
        if name not in used:
            known_as = name if each.plain in tensors else each.plain
            tensors[known_as] = borrow(adapter.source, name, known_as)
    return BorrowingCheckpoint(adapter.source.origin, tensors, (adapter.source,))


def _noted(adapter: Adapter, done: set[str], refused: Mapping[str, str]) -> Origin:
    findings = [*adapter.config.findings]
    if done:
        findings.append(
            Finding(
                code="adapter-applied",
                subject=f"{len(done)} modules",
                message=f"an adapter lies beside its base ({adapter.text}) and is applied to it as it is read",
            )
        )
    if refused:
        reason = next(iter(refused.values()))
        findings.append(
            Finding(
                code="adapter-not-applied",
                subject=f"{len(refused)} modules",
                message=f"an adapter lies beside its base ({adapter.text}) and is left out: {reason}",
            )
        )
    return replace(adapter.source.origin, findings=(*adapter.source.origin.findings, *findings))
