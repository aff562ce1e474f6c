"""What it means that a pickle refers to a class or function: harmless, foreign, or a way to run code."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from fingerprints.checkpoint import Finding
from fingerprints.readers.pickle_objects import Global
from fingerprints.readers.quoting import listed, quoted
from fingerprints.readers.torch_globals import is_known

_DANGEROUS_MODULES: Final = frozenset(
    [
        "_aix_support",
        "_osx_support",
        "_pickle",
        "_pyrepl",
        "aiohttp",
        "asyncio",
        "bdb",
        "cloudpickle",
        "code",
        "codeop",
        "commands",
        "cProfile",
        "ctypes",
        "dill",
        "distutils",
        "doctest",
        "ensurepip",
        "ftplib",
        "http",
        "httplib",
        "httpx",
        "idlelib",
        "imaplib",
        "importlib",
        "inspect",
        "joblib",
        "lib2to3",
        "marshal",
        "multiprocessing",
        "nt",
        "os",
        "pdb",
        "pickle",
        "pip",
        "pkgutil",
        "platform",
        "posix",
        "profile",
        "pty",
        "pydoc",
        "requests",
        "runpy",
        "setuptools",
        "shutil",
        "signal",
        "smtplib",
        "socket",
        "ssl",
        "subprocess",
        "sys",
        "tempfile",
        "test",
        "threading",
        "timeit",
        "trace",
        "types",
        "urllib",
        "uuid",
        "venv",
        "webbrowser",
    ]
)
_DANGEROUS_PREFIXES: Final = (
    "_io.FileIO",
    "_io.open",
    "_operator.attrgetter",
    "_operator.itemgetter",
    "_operator.methodcaller",
    "functools.partial",
    "io.FileIO",
    "io.open",
    "logging.FileHandler",
    "logging.config",
    "numpy.f2py",
    "numpy.testing",
    "operator.attrgetter",
    "operator.itemgetter",
    "operator.methodcaller",
    "torch._dynamo.guards",
    "torch._inductor",
    "torch.fx.experimental.symbolic_shapes",
    "torch.hub",
    "torch.jit.load",
    "torch.jit.unsupported_tensor_ops",
    "torch.load",
    "torch.serialization.load",
    "torch.utils._config_module",
    "torch.utils.bottleneck",
    "torch.utils.collect_env",
    "torch.utils.cpp_extension",
    "torch.utils.data.datapipes.utils",
)
_DANGEROUS_BUILTINS: Final = frozenset(
    [
        "__import__",
        "apply",
        "breakpoint",
        "compile",
        "delattr",
        "eval",
        "exec",
        "execfile",
        "file",
        "getattr",
        "globals",
        "input",
        "locals",
        "open",
        "setattr",
        "vars",
    ]
)
_HARMLESS_MODULES: Final = frozenset(
    [
        "_codecs",
        "argparse",
        "builtins",
        "__builtin__",
        "collections",
        "copyreg",
        "copy_reg",
        "datetime",
        "decimal",
        "enum",
        "fractions",
        "numpy",
        "pathlib",
        "__torch__",
    ]
)
_MOST_FINDINGS: Final = 64


def is_dangerous(name: Global) -> bool:
    """Whether calling it from a pickle could run code, or reach files or the network."""
    if name.module in ("builtins", "__builtin__"):
        return name.name.partition(".")[0] in _DANGEROUS_BUILTINS
    return name.module.partition(".")[0] in _DANGEROUS_MODULES or name.qualified.startswith(_DANGEROUS_PREFIXES)


def pickle_findings(names: Iterable[Global], shard: str) -> list[Finding]:
    """Report the names that a checkpoint has no need of; none of them was imported."""
    foreign: list[str] = []
    findings: list[Finding] = []
    for name in names:
        if is_dangerous(name):
            if len(findings) == _MOST_FINDINGS:
                break
            findings.append(
                Finding(
                    code="pickle-dangerous-import",
                    subject=shard,
                    message=f"the pickle refers to {quoted(name.qualified)}, which can run code; it was not run",
                )
            )
        elif not is_known(name) and name.module.partition(".")[0] not in _HARMLESS_MODULES:
            foreign.append(name.qualified)
    if foreign:
        findings.append(
            Finding(
                code="pickle-foreign-class",
                subject=shard,
                message=f"the pickle refers to {len(foreign)} classes or functions from elsewhere, none of which was"
                f" imported: {listed(foreign)}",
            )
        )
    return findings
