"""`python -m bench.identification`: the zoo's derivatives among its bases, and libraries of many entries."""

from __future__ import annotations

import argparse
import sys

from bench.identification import derivatives, null, parents, scale, sides


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.identification", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    found = commands.add_parser("derivatives", help="every derivative of the zoo, searched among all its bases")
    found.add_argument("--fingerprints-only", action="store_true", help="do not read the bases' weights")
    found.add_argument("names", nargs="*", help="these derivatives alone")
    commands.add_parser("parents", help="children and merges, searched among bases and other derivatives")
    facing = commands.add_parser(
        "sides", help="fingerprints of both grades against each other, relatives and strangers"
    )
    facing.add_argument("--weights", action="store_true", help="compare the weights of relatives as well")
    commands.add_parser("null", help="are p-values of fingerprints of independent nets uniform?")
    large = commands.add_parser("scale", help="time and memory beside synthetic entries")
    large.add_argument("counts", nargs="*", type=int, default=[10_000, 100_000])
    large.add_argument("--folder", help="keep the libraries there")
    given = parser.parse_args()
    if given.command == "derivatives":
        sys.exit(derivatives.run(given.names, weights=not given.fingerprints_only))
    if given.command == "parents":
        sys.exit(parents.run())
    if given.command == "sides":
        sys.exit(sides.run(weights=given.weights))
    if given.command == "null":
        sys.exit(null.run())
    scale.run(given.counts, given.folder)


if __name__ == "__main__":
    main()
