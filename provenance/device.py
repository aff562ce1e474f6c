"""Where matrix products are formed."""

from __future__ import annotations

from fingerprints.errors import UsageError


def resolve_device(name: str) -> str:
    """`cpu`, or a CUDA device that is there.

    Parameters
    ----------
    name : str
        `cpu`, `cuda`, `cuda:N` or `auto` (CUDA where there is a device, else the CPU).

    Raises
    ------
    UsageError
        For another name, or CUDA where there is none.
    """
    if name == "cpu":
        return name
    if name != "auto" and name.partition(":")[0] != "cuda":
        raise UsageError(f"unknown device {name!a}", hint="use cpu, cuda or auto")
    import torch  # deferred: only the accelerator path needs it

    if torch.cuda.is_available():
        return "cuda" if name == "auto" else name
    if name == "auto":
        return "cpu"
    raise UsageError("this machine has no CUDA device that torch can use", hint="leave --device out, or use auto")
