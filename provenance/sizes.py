"""The number of parameters that a model's name claims, against the number that it holds.

Names round, and mean different things: `7b` may be 6.7 or 8.5 billion; `8x7B` shares attention between its experts and
holds 47; `30B-A3B` says 30 in all and 3 active. A name is contradicted only by a number that none of its readings
allows. Which name is right, and why, the numbers do not tell: a pruned model often keeps the name of what it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fingerprints.errors import CheckpointError
from fingerprints.readers.containment import require_inside
from fingerprints.readers.quoting import quoted
from fingerprints.readers.source import SourceFile
from provenance.observation import Side
from provenance.result import FindingEntry

FACTOR: Final = 1.3
"""By which a name may be off: the most among well-known models is 1.25 (Gemma's 2b holds 2.5 billion)."""
SHARED: Final = 0.6
"""Share of `N x M` that N experts may hold together, at the least: Mixtral 8x22B holds 0.80 of it."""
_UNITS: Final = {"b": 1e9, "m": 1e6}
_CLAIM: Final = re.compile(
    r"(?<![0-9.])(?:(?P<experts>\d{1,4})x)?(?P<whole>\d{1,4})(?:[._](?P<part>\d{1,3}))?(?P<unit>[bm])(?![a-z0-9])",
    re.ASCII | re.IGNORECASE,
)
_ACTIVE: Final = re.compile(r"(?:^|[^a-z])[ae]$", re.IGNORECASE)
"""What stands before the number of active (`A3B`) or effective (`E4B`) parameters."""
_EXPERTS_FOLLOW: Final = re.compile(r"-\d{1,4}E(?![a-z0-9])", re.IGNORECASE)
"""What stands behind a number of active parameters: `17B-16E` has 16 experts."""
_REVISION: Final = re.compile(r"[0-9a-f]{12,}", re.IGNORECASE)
_INTEGERS: Final = ("I8", "U8", "I16", "U16", "I32", "U32", "I64", "U64")
_PARTIAL: Final = {"single-shard", "adapter"}
_CARD: Final = "README.md"
_MOST_OF_CARD: Final = 1 << 16
_LONGEST_NAME: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedSize:
    """A number of parameters in a name: as it is `spelled`, and the range that it allows."""

    spelled: str
    least: float
    most: float


def claimed_sizes(name: str) -> tuple[ClaimedSize, ...]:
    """Every number of parameters that a name may be read to claim; empty when it claims none that can be checked.

    A number allows itself times 1.3 and over 1.3, and what it may have been rounded from: up to one unit of its last
    digit more (`1B` may be 1.67 billion), and half a unit less.

    Parameters
    ----------
    name : str
        A model's name, such as `Qwen3-30B-A3B-Instruct`.
    """
    found: list[ClaimedSize] = []
    for match in _CLAIM.finditer(name[:_LONGEST_NAME]):
        if _ACTIVE.search(name[: match.start()]) or _EXPERTS_FOLLOW.match(name, match.end()):
            continue
        found += _readings(match)
    return tuple(found)


def size_findings(side: Side) -> tuple[FindingEntry, ...]:
    """A finding for each name that claims another number of parameters than there are.

    Adapters and single shards are parts of what their names say, and weights in an unknown packing cannot be counted:
    none of them is judged.

    Parameters
    ----------
    side : Side
        The checkpoint.
    """
    held = _held(side)
    if not held:
        return ()
    found = []
    for source, name in _names(side).items():
        claims = claimed_sizes(name)
        if claims and not any(claim.least <= count <= claim.most for claim in claims for count in held):
            said = " or ".join(dict.fromkeys(claim.spelled for claim in claims))
            found.append(
                FindingEntry(
                    code="size-contradicts-name",
                    subject=source,
                    message=f"the name {quoted(name, 80)} says {said}, the weights hold {_spoken(held[0])} parameters",
                )
            )
    return tuple(found)


def _readings(match: re.Match[str]) -> Iterator[ClaimedSize]:
    unit = _UNITS[match["unit"].lower()]
    whole, part = match["whole"], match["part"]
    spellings = [f"{whole}.{part}" if part else whole]
    if part and "_" in match[0]:
        spellings.append(part)
    for spelling in spellings:
        value = float(spelling) * unit
        step = 10.0 ** -len(spelling.partition(".")[2]) * unit
        least, most = min(value / FACTOR, value - step / 2), max(value * FACTOR, value + step)
        if match["experts"]:
            least, most = least * SHARED * int(match["experts"]), most * int(match["experts"])
        yield ClaimedSize(spelled=match[0], least=least, most=most)


def _held(side: Side) -> tuple[int, ...]:
    """How many parameters there are, counted in every way that is in use: learned, all, and without vocabularies."""
    parts = side.anatomy.parts.values()
    total = sum(part.info.size for part in parts)
    packed = sum(part.info.size for part in parts if part.info.encoding is None and part.info.dtype in _INTEGERS)
    partial = _PARTIAL & {finding.code for finding in side.origin.findings}
    if partial or not total or 2 * packed > total:
        return ()
    tables = sum(part.info.size for part in parts if part.role in ("token_embd", "output"))
    return side.inventory.parameters or total, total, total - tables


def _names(side: Side) -> Mapping[str, str]:
    """What the model is called, by where."""
    origin = side.origin
    names = {"name": _last_part(origin.reference)}
    claimed: Any = origin.config.get("_name_or_path")
    if isinstance(claimed, str):
        names["_name_or_path"] = _last_part(claimed)
    heading = _heading(origin.path if origin.path.is_dir() else origin.path.parent)
    if heading:
        names[_CARD] = heading
    return names


def _last_part(reference: str) -> str:
    """The last part of a path that is a name, not the revision of a cached download."""
    parts = [part for part in re.split(r"[/\\]", reference[-4096:]) if part not in ("", ".", "..")]
    if len(parts) > 2 and parts[-2] == "snapshots" and _REVISION.fullmatch(parts[-1]):
        parts = parts[:-2]
    last = parts[-1] if parts else ""
    return "" if _REVISION.fullmatch(last) else last[:_LONGEST_NAME]


def _heading(folder: Path) -> str:
    """The first heading of the card beside the weights; empty when there is none that can be read."""
    try:
        if not (folder / _CARD).is_file():
            return ""
        source = SourceFile(require_inside(folder, _CARD))
        text = source.read(0, min(source.size, _MOST_OF_CARD)).decode("utf-8", "replace")
        source.close()
    except (CheckpointError, OSError):
        return ""
    lines = (line.strip() for line in _without_front_matter(text).splitlines())
    return next((line.lstrip("#").strip()[:_LONGEST_NAME] for line in lines if re.match(r"#{1,6}\s", line)), "")


def _without_front_matter(text: str) -> str:
    """The card without its YAML, whose comments begin as headings do."""
    if not text.startswith("---"):
        return text
    _, found, rest = text[3:].partition("\n---")
    return rest if found else ""


def _spoken(count: int) -> str:
    for unit, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if count >= unit:
            return f"{count / unit:.3g} {word}"
    return f"{count:,}"
