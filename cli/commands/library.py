"""`provenance library …`: fill a library, look at it, carry it elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.arguments import Quiet
from cli.commands.delivery import Delivery
from cli.exit_codes import ExitCode
from cli.progress import progress_bar

if TYPE_CHECKING:
    from provenance.library import Library

app = typer.Typer(name="library", no_args_is_help=True, help="Fingerprints of known models in one folder.")

Folder = Annotated[
    Path | None,
    typer.Option(
        "--library", metavar="DIR", help="The library. [default: $PROVENANCE_LIBRARY, else a folder of the user's data]"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name, or the beginning of the content's digest.")]


def _opened(folder: Path | None, *, create: bool = False) -> Library:
    from provenance.library import Library, default_library

    return Library(folder or default_library(), create=create)


@app.command("add")
def add(
    model: Annotated[
        str, typer.Argument(metavar="M", help="Checkpoint or fingerprint: a path, or ORG/NAME on the Hub.")
    ],
    name: Annotated[
        str | None, typer.Option("--name", metavar="N", help="What to call it. [default: the last part of the path]")
    ] = None,
    family: Annotated[str, typer.Option("--family", metavar="F", help="Family that it belongs to.")] = "",
    licence: Annotated[str, typer.Option("--licence", "--license", metavar="L", help="Its licence.")] = "",
    parent: Annotated[
        list[str] | None, typer.Option("--parent", metavar="P", help="Model that it is known to come from; repeatable.")
    ] = None,
    variant: Annotated[str | None, typer.Option("--variant", metavar="NAME", help="Weight set to read.")] = None,
    library: Folder = None,
    json: Json = False,
    quiet: Quiet = False,
) -> ExitCode:
    """Add the fingerprint of a model; of weights that are there already, one more name."""
    from cli.render.library import entry_line, entry_report
    from provenance.library.adding import add_path

    with _opened(library, create=True) as opened, progress_bar(quiet=quiet) as progress:
        entry = add_path(
            opened,
            model,
            name=name,
            family=family,
            licence=licence,
            parents=tuple(parent or ()),
            variant=variant,
            progress=progress,
        )
    Delivery(json=json, quiet=quiet).deliver(entry, lambda view: entry_report(entry, view), entry_line(entry))
    return ExitCode.COMPLETED


@app.command("list")
def list_(library: Folder = None, json: Json = False, quiet: Quiet = False) -> ExitCode:
    """List the models of a library."""
    from cli.render.library import listing_report
    from provenance.library.listing import Listing

    with _opened(library) as opened:
        listing = Listing.of(opened)
    line = f"{len(listing.entries)} entries\n"
    Delivery(json=json, quiet=quiet).deliver(listing, lambda view: listing_report(listing, view), line)
    return ExitCode.COMPLETED


@app.command("show")
def show(name: Name, library: Folder = None, json: Json = False) -> ExitCode:
    """Show one model of a library."""
    from cli.render.library import entry_report

    with _opened(library) as opened:
        entry = opened.entry(name)
    Delivery(json=json).deliver(entry, lambda view: entry_report(entry, view))
    return ExitCode.COMPLETED


@app.command("remove")
def remove(name: Name, library: Folder = None, json: Json = False, quiet: Quiet = False) -> ExitCode:
    """Take a name out of a library; with its last name, or by digest, the model."""
    from cli.render.library import entry_line, entry_report

    with _opened(library) as opened:
        entry = opened.remove(name)
    Delivery(json=json, quiet=quiet).deliver(entry, lambda view: entry_report(entry, view), entry_line(entry))
    return ExitCode.COMPLETED


@app.command("export")
def export(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write (.zip).")],
    library: Folder = None,
    json: Json = False,
    quiet: Quiet = False,
) -> ExitCode:
    """Write a whole library into one file."""
    from cli.render.library import transfer_report
    from provenance.library.bundle import export_to

    with _opened(library) as opened:
        done = export_to(opened, target)
    Delivery(json=json, quiet=quiet).deliver(done, lambda view: transfer_report(done, view), f"{done.summary}\n")
    return ExitCode.COMPLETED


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `library export` wrote.")],
    library: Folder = None,
    json: Json = False,
    quiet: Quiet = False,
) -> ExitCode:
    """Add everything that an exported file holds."""
    from cli.render.library import transfer_report
    from provenance.library.bundle import import_from

    with _opened(library, create=True) as opened:
        done = import_from(opened, source)
    Delivery(json=json, quiet=quiet).deliver(done, lambda view: transfer_report(done, view), f"{done.summary}\n")
    return ExitCode.COMPLETED


@app.command("verify")
def verify(
    library: Folder = None,
    repair: Annotated[bool, typer.Option("--repair", help="Delete what interrupted runs left.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> ExitCode:
    """Check that every entry's file is there and holds what the entry says.

    Exit code: 0 when nothing is wrong (leftovers of interrupted runs are listed, and harmless); 2 otherwise.
    """
    from cli.render.library import verification_report
    from provenance.library.listing import Verification

    with _opened(library) as opened:
        result = Verification.of(opened, repair=repair)
    delivery = Delivery(json=json, quiet=quiet)
    delivery.deliver(result, lambda view: verification_report(result, view), f"{result.summary}\n")
    return ExitCode.COMPLETED if result.passed else ExitCode.FAILED


@app.command("build")
def build(
    catalogue: Annotated[
        Path | None, typer.Argument(metavar="CATALOGUE", help="A .csv or .json of models. [default: the shipped one]")
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option("--models", metavar="DIR", help="Where models lie, under the names that the catalogue gives."),
    ] = None,
    hub: Annotated[bool, typer.Option("--hub", help="Fetch from the Hub what is not at hand.")] = False,
    library: Folder = None,
    json: Json = False,
    quiet: Quiet = False,
) -> ExitCode:
    """Fill a library from a catalogue: everything that is at hand and not in it yet.

    An interrupted build goes on where it stopped. Exit code: 2 when a model that is at hand could not be added.
    """
    from cli.render.library import building_report
    from provenance.library.building import build_from

    with _opened(library, create=True) as opened, progress_bar(quiet=quiet) as progress:
        result = build_from(opened, catalogue, models, progress, hub=hub)
    delivery = Delivery(json=json, quiet=quiet)
    delivery.deliver(result, lambda view: building_report(result, view), f"{result.summary}\n")
    return ExitCode.FAILED if result.failed else ExitCode.COMPLETED
