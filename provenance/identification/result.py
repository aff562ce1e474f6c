"""The result of `identify` as plain values: what scripts read, and reports draw."""

from __future__ import annotations

from dataclasses import dataclass

from provenance.result import Kind, ModelSummary, NotMeasured, Relation, SizeDifference


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A known model that the checkpoint is related to.

    Attributes
    ----------
    name, names, family, licence, parents
        As the library has them.
    relation : Relation
        `identical`, `derived` or `common_origin`.
    kinds : tuple of Kind
        What explains it, as far as that was looked at.
    log10_p : float or None
        Smallest p-value, corrected for all tests; alpha was divided by the number of entries searched.
    effect : float or None
        Median matched cosine.
    distance : float or None
        Length of the change relative to the candidate's weights, over what both fingerprints hold.
    equal : int
        Learned tensors whose values are equal, as far as was compared.
    through : str or None
        The closer candidate whose change and this one's add up at right angles: this one is related through that one.
    basis : str
        `fingerprints`, or `weights` where the candidate's own were at hand.
    clause : str
        What decided.
    """

    name: str
    names: tuple[str, ...]
    family: str
    licence: str
    parents: tuple[str, ...]
    relation: Relation
    kinds: tuple[Kind, ...]
    log10_p: float | None
    effect: float | None
    distance: float | None
    equal: int
    through: str | None
    basis: str
    clause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A known architecture that the checkpoint has, tensor for tensor or nearly; no evidence about weights.

    `relation` is `identical` (same names), `renamed` or `variant`; `renamed` lists rules old → new; `sizes` what
    differs; `source` is `library` or `catalogue`; `others` names further models of the very same layout.
    """

    name: str
    family: str
    relation: str
    renamed: tuple[str, ...]
    sizes: tuple[SizeDifference, ...]
    source: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """The base that metadata names, and whether it is among the closest, the related, or not; None where the library
    does not know it.
    """

    name: str
    related: bool | None
    closest: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identification:
    """What `identify` found: candidates best first, only related ones; `closest` is more than one where they tie.

    `searched` counts the library's entries, `tested` those whose fingerprints were tested. `build_bytes` estimates what
    fingerprints of the whole catalogue take, where there was no library.
    """

    model: ModelSummary
    candidates: tuple[Candidate, ...]
    closest: tuple[str, ...]
    layouts: tuple[Layout, ...]
    declared: tuple[Declared, ...]
    searched: int
    tested: int
    alpha: float
    library: str | None
    build_bytes: int | None
    not_measured: tuple[NotMeasured, ...]
    summary: str
    seconds: float
    schema_version: int = 1
