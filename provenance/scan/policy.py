"""Rules for gates: which rows of a scan are not to pass. Written as TOML; what is not mentioned is allowed.

[bases]
allowed = ["meta-llama/*", "Qwen/*"]   # only these, where a base is found
forbidden = ["*/secret-*"]

[licences]
forbidden = ["*-nc-*", "llama2"]       # declared by the target or by its base
must_agree = true                      # target and base declare the same

[relations]
fail = ["inconclusive"]

[claims]
required = ["confirmed", "none"]

[errors]
allowed = ["gated"]                    # categories that may stay open; all others fail
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from fingerprints.errors import UsageError
from provenance.jobs.category import Category
from provenance.result import Relation
from provenance.scan.claim import Claimed
from provenance.scan.row import Row, State

MAX_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A row that broke a rule, and which."""

    target: str
    rule: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What rows must keep to; None and empty mean that anything does."""

    allowed_bases: tuple[str, ...] | None = None
    forbidden_bases: tuple[str, ...] = ()
    forbidden_licences: tuple[str, ...] = ()
    licences_agree: bool = False
    failing_relations: tuple[str, ...] = ()
    required_claims: tuple[str, ...] | None = None
    allowed_errors: tuple[str, ...] = ()

    def violations(self, rows: Iterable[Row]) -> list[Violation]:
        """Every rule that a row broke."""
        return [
            Violation(target=row.target, rule=rule, reason=reason) for row in rows for rule, reason in self._broken(row)
        ]

    def _broken(self, row: Row) -> Iterator[tuple[str, str]]:
        if row.state is not State.DONE:
            # A target that was not looked at has not been found innocent.
            if row.error not in self.allowed_errors:
                yield "errors.allowed", f"no verdict: {row.error or row.state}"
            return
        if row.base is not None:
            if self.allowed_bases is not None and not _matches(row.base, self.allowed_bases):
                yield "bases.allowed", f"its base {row.base} is not one of those allowed"
            if _matches(row.base, self.forbidden_bases):
                yield "bases.forbidden", f"its base {row.base} is forbidden"
        for licence in dict.fromkeys((row.licence, row.base_licence)):
            if licence is not None and _matches(licence, self.forbidden_licences):
                yield "licences.forbidden", f"the licence {licence} is forbidden"
        if self.licences_agree and row.base_licence is not None and row.licence_agrees is not True:
            yield "licences.must_agree", f"it declares {row.licence or 'no licence'}, its base {row.base_licence}"
        if row.relation in self.failing_relations:
            yield "relations.fail", f"its relation is {row.relation}"
        if self.required_claims is not None and row.claim not in self.required_claims:
            yield "claims.required", f"its claim is {row.claim}"


def read_policy(path: Path) -> Policy:
    """Read a policy.

    Raises
    ------
    UsageError
        When it cannot be read, is no TOML, or has a rule that there is not: a misspelt rule must not pass everything.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise UsageError(f"the policy {path} is larger than {MAX_BYTES} bytes", hint="is it the right file?")
        document = tomllib.loads(data.decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"cannot read the policy {path}: {error}", hint="docs/scans.md has an example") from error
    tables = {name: _Table(path, name, document.pop(name, {})) for name in _RULES}
    if document:
        raise UsageError(
            f"the policy {path} has {sorted(document)[0]!r}, which is no table", hint=f"known: {', '.join(_RULES)}"
        )
    return Policy(
        allowed_bases=tables["bases"].words("allowed"),
        forbidden_bases=tables["bases"].words("forbidden") or (),
        forbidden_licences=tables["licences"].words("forbidden") or (),
        licences_agree=tables["licences"].flag("must_agree"),
        failing_relations=tables["relations"].words("fail", Relation) or (),
        required_claims=tables["claims"].words("required", Claimed),
        allowed_errors=tables["errors"].words("allowed", Category) or (),
    )


_RULES: Final[Mapping[str, tuple[str, ...]]] = {
    "bases": ("allowed", "forbidden"),
    "licences": ("forbidden", "must_agree"),
    "relations": ("fail",),
    "claims": ("required",),
    "errors": ("allowed",),
}


class _Table:
    """One table of the document, its rules checked as they are taken."""

    def __init__(self, path: Path, name: str, rules: Any) -> None:
        self._at = f"the policy {path}: {name}"
        if not isinstance(rules, dict):
            raise UsageError(f"{self._at} is no table", hint=f"write [{name}] on a line of its own")
        unknown = sorted(set(rules) - set(_RULES[name]))
        if unknown:
            raise UsageError(f"{self._at} has no rule {unknown[0]!r}", hint=f"known: {', '.join(_RULES[name])}")
        self._rules = rules

    def words(self, rule: str, known: Iterable[str] | None = None) -> tuple[str, ...] | None:
        """A list of words, of the `known` ones if there are such; None where the rule is not set."""
        value = self._rules.get(rule)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise UsageError(f"{self._at}.{rule} is no list of words", hint=f'write {rule} = ["one", "other"]')
        choices = None if known is None else [str(each) for each in known]
        for each in value:
            if choices is not None and each not in choices:
                raise UsageError(f"{self._at}.{rule} has {each!r}", hint=f"known: {', '.join(choices)}")
        return tuple(value)

    def flag(self, rule: str) -> bool:
        """True or false; false where the rule is not set."""
        value = self._rules.get(rule, False)
        if not isinstance(value, bool):
            raise UsageError(f"{self._at}.{rule} is neither true nor false", hint=f"write {rule} = true")
        return value


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name.casefold(), pattern.casefold()) for pattern in patterns)
