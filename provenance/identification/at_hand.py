"""The models of a library whose weights lie where they lay: compared themselves, and searched for disguised copies."""

from __future__ import annotations

from collections.abc import Sequence

from fingerprints.anatomy import Anatomy
from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import AuditError, CheckpointError, OverBudget, UsageError
from provenance.comparison import compare
from provenance.fingerprint_comparison import RELATED, Printed
from provenance.identification.layouts import CLOSE, layout_of
from provenance.library import Entry, Library
from provenance.options import Options, Progress
from provenance.result import ArchitectureRelation, NotMeasured, Result

MOST_COMPARED = 8
MOST_READ = 64
"""Entries that are looked at, to find those that are built alike."""


class AtHand:
    """Comparisons of one model with the weights of a library's.

    Parameters
    ----------
    checkpoint : Checkpoint
        The model.
    side : Printed
        Its fingerprint.
    library : Library
        The known models.
    options : Options
        Of each comparison.
    progress : Progress
        Told what is read.

    Attributes
    ----------
    known : set of str
        Contents of the entries that were compared.
    not_measured : list of NotMeasured
        Those that could not be.
    """

    def __init__(
        self, checkpoint: Checkpoint, side: Printed, library: Library, options: Options, progress: Progress
    ) -> None:
        self.known: set[str] = set()
        self.not_measured: list[NotMeasured] = []
        self._checkpoint, self._side, self._library = checkpoint, side, library
        self._options, self._progress = options, progress

    def compared(self, entry: Entry) -> Result | None:
        """A comparison of the weights themselves; None where they are not at hand, on either side."""
        place = entry.place
        if place is None or self._checkpoint.origin.format == "fingerprint":
            return None
        self._progress.stage(f"reading {entry.name}")
        try:
            result = compare(place, self._checkpoint.origin.path, self._options)
        except (CheckpointError, UsageError, OverBudget) as error:
            # What a network does by chance is no finding: `Unavailable` is for those who ask.
            self.not_measured.append(NotMeasured(signal="weights", subject=entry.name, reason=error.message))
            return None
        self.known.add(entry.content)
        return result

    def disguised(self, alike: Sequence[str]) -> list[tuple[Entry, Result]]:
        """Related models that fingerprints do not show: of those with the same shapes, else of those built alike.

        Parameters
        ----------
        alike : sequence of str
            Contents of entries with the same shapes, the likeliest first.
        """
        entries = {entry.content: entry for entry in self._library.database.entries(list(alike[:MOST_READ]))}
        same = [entries[content] for content in alike if content in entries]
        found = self._related(same)
        return found or self._related(self._built_alike({entry.content for entry in same}))

    def _related(self, entries: Sequence[Entry]) -> list[tuple[Entry, Result]]:
        present = [entry for entry in entries if entry.place is not None][:MOST_COMPARED]
        results = [(entry, result) for entry in present if (result := self.compared(entry)) is not None]
        return [(entry, result) for entry, result in results if result.verdict.relation in RELATED]

    def _built_alike(self, known: set[str]) -> list[Entry]:
        """Other entries of the same architecture, whatever their sizes, before variants of it, and before those that
        have most shapes in common under names that tell nothing.
        """
        found: list[tuple[int, Entry]] = []
        shapes = _shapes(self._side.side.anatomy)
        for entry in self._library.database.at_hand(self._side.side.inventory.parameters, MOST_READ):
            if entry.content in known or entry.place is None:
                continue
            try:
                anatomy = self._library.read(entry.content).side.anatomy
            except AuditError:
                continue
            layout = layout_of(self._side, anatomy, entry.name, entry.family, "library", ())
            if layout is not None:
                found.append((layout.relation == ArchitectureRelation.VARIANT, entry))
            elif len(shapes & _shapes(anatomy)) >= CLOSE * max(len(shapes), 1):
                found.append((2, entry))
        return [entry for _, entry in sorted(found, key=lambda each: each[0])]


def _shapes(anatomy: Anatomy) -> set[tuple[int, ...]]:
    """Shapes of matrices, each once: another number of layers has the same."""
    return {part.shape for part in anatomy.parts.values() if len(part.shape) > 1}
