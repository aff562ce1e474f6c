"""`python -m bench.catalogue`: write `provenance/data/catalogue.json.xz` from `base_models.csv`."""

from __future__ import annotations

import csv
import json
import lzma
import sys
from pathlib import Path

from bench.catalogue.layout import Unknown, layout_of

SOURCE = Path(__file__).with_name("base_models.csv")
TARGET = Path(__file__).parents[2] / "provenance" / "data" / "catalogue.json.xz"


def main() -> None:
    entries = []
    with SOURCE.open(newline="") as file:
        for row in csv.DictReader(file):
            try:
                entries.append(layout_of(row))
            except Unknown as reason:
                print(f"left out: {row['hub_id']}: {reason}", file=sys.stderr)
    entries.sort(key=lambda entry: entry["name"])
    text = json.dumps(entries, separators=(",", ":"), sort_keys=True)
    TARGET.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
    families = {entry["family"] for entry in entries}
    print(f"{len(entries)} models of {len(families)} families, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
