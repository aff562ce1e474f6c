"""`provenance scan TARGET…`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli import arguments
from cli.commands.rows import Format, check_output, show
from cli.exit_codes import ExitCode
from cli.progress import progress_bar
from provenance.options import ALPHA, Options


class WorkerKind(StrEnum):
    """What targets run in."""

    PROCESSES = "processes"
    THREADS = "threads"


def scan(
    library: Annotated[Path, typer.Option("--library", metavar="DIR", help="Library, or folder of models, to search.")],
    results: Annotated[Path, typer.Option("--results", metavar="FILE", help="Results file; continued if it exists.")],
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TARGET...",
            help="Models, here or on the Hub, folders, globs, hf://ORGANISATION, @LIST, - for standard input.",
        ),
    ] = None,
    author: Annotated[str | None, typer.Option("--author", metavar="NAME", help="Models of NAME on the Hub.")] = None,
    search: Annotated[str | None, typer.Option("--search", metavar="WORDS", help="... with WORDS in the name.")] = None,
    filters: Annotated[
        list[str] | None, typer.Option("--filter", metavar="TAG", help="... with a tag. Repeat to narrow.")
    ] = None,
    children_of: Annotated[
        str | None, typer.Option("--children-of", metavar="MODEL", help="... that declare MODEL as their base.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", help="... the first N of them, in the Hub's order.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", metavar="N", help="Targets under way at once.")] = 1,
    workers: Annotated[
        WorkerKind, typer.Option("--workers", help="A process for each, or threads of one.")
    ] = WorkerKind.PROCESSES,
    cluster: Annotated[
        str | None,
        typer.Option("--cluster", metavar="ADDRESS", help="A Dask cluster instead: tcp://HOST:8786, or local:4."),
    ] = None,
    timeout: Annotated[float, typer.Option("--timeout", metavar="SECONDS", help="Time that a target gets.")] = 600.0,
    retry: Annotated[
        list[str] | None,
        typer.Option("--retry", metavar="CATEGORY[,...]", help="Errors to try again; some always are."),
    ] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh/--resume", help="Do again what changed, or only what is open.")
    ] = False,
    policy: Annotated[
        Path | None, typer.Option("--policy", metavar="FILE", help="End with exit code 1 when a row breaks a rule.")
    ] = None,
    rows: Annotated[int | None, typer.Option("--rows", metavar="N", help="Units sampled of each matrix.")] = None,
    layers: Annotated[int, typer.Option("--layers", metavar="N", help="Layers sampled of a deep stack.")] = 8,
    alpha: Annotated[
        float, typer.Option("--alpha", metavar="P", help="Error rate of a row, whatever the library's size.")
    ] = ALPHA,
    budget: Annotated[
        str | None,
        typer.Option("--budget-per-repo", metavar="SIZE", help="Bytes fetched of each model on the Hub, at most."),
    ] = None,
    in_all: Annotated[
        str | None, typer.Option("--budget", metavar="SIZE", help="Bytes fetched from the Hub in all, at most.")
    ] = None,
    requests: Annotated[
        int | None, typer.Option("--max-requests", metavar="N", help="Requests to the Hub in all, at most.")
    ] = None,
    per_minute: Annotated[
        int | None,
        typer.Option("--max-requests-per-minute", metavar="N", help="... in any minute, of all workers together."),
    ] = None,
    allow_download: arguments.AllowDownload = False,
    format_: Annotated[Format, typer.Option("--format", help="How the rows are shown.")] = Format.TABLE,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="No rows and no progress: the results file alone.")
    ] = False,
) -> ExitCode:
    """Look for the base of every target, and compare what it declares with what its weights show.

    Stopped at any moment, it goes on where it was when it is started again. A target that cannot be read is a row
    with an error, and never stops the others.

    Exit code: 0 when every target has a row, whatever it says, or what may be fetched is spent and the others are
    pending; 1 when a row breaks a rule of --policy; 2 when the scan could not run.
    """
    options = Options(
        rows=None if rows is None else arguments.at_least("--rows", rows, arguments.MIN_ROWS),
        layers=arguments.at_least("--layers", layers, 1),
        alpha=arguments.probability("--alpha", alpha),
        threads=1,
        budget=None if budget is None else arguments.nbytes("--budget-per-repo", budget),
        allow_download=allow_download,
    )
    for option, given in (("--budget-per-repo", budget), ("--budget", in_all)):
        arguments.not_both((option, given is not None), ("--allow-download", allow_download))
    arguments.not_both(("--cluster", cluster is not None), ("--jobs", jobs != 1))
    jobs = arguments.at_least("--jobs", jobs, 1)
    for option, number in (("--limit", limit), ("--max-requests", requests), ("--max-requests-per-minute", per_minute)):
        if number is not None:
            arguments.at_least(option, number, 1)
    arguments.seconds("--timeout", timeout)

    # Imported here so that --help and mistakes on the command line cost no numpy.
    from cli.screen import complain
    from provenance.hub.query import HubQuery
    from provenance.jobs.cluster import check_address
    from provenance.jobs.local import Workers
    from provenance.scan.policy import read_policy
    from provenance.scan.purse import Allowance
    from provenance.scan.row import State
    from provenance.scan.scanning import ScanSettings
    from provenance.scan.scanning import scan as scan_targets
    from provenance.scan.targets import read_targets

    if cluster is not None:
        check_address(cluster)
    check_output(format_, None)
    rules = None if policy is None else read_policy(policy)
    settings = ScanSettings(
        jobs=jobs,
        workers=Workers(workers.value),
        cluster=cluster,
        allowance=Allowance(
            nbytes=None if in_all is None else arguments.nbytes("--budget", in_all),
            requests=requests,
            per_minute=per_minute,
        ),
        timeout=timeout,
        options=options,
        retry=arguments.categories(retry or []),
        refresh=refresh,
    )
    asked = HubQuery(author=author, search=search, filters=tuple(filters or ()), children_of=children_of, limit=limit)
    named = read_targets(targets or [], sys.stdin, [] if asked == HubQuery() else [asked])
    with progress_bar(quiet=quiet) as progress:
        found = scan_targets(named, library, results, settings, progress)
    left = sum(row.state is State.PENDING for row in found)
    if left and not quiet:
        complain(
            f"{left} of {len(found)} targets are left, and what may be fetched is spent; the same command goes on\n"
        )
    return show(found, None if quiet else format_, rules)
