"""`provenance compare A B`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli import arguments
from cli.commands.delivery import TEXT, Delivery
from cli.completion import formats, relations
from cli.exit_codes import ExitCode
from cli.progress import progress_bar
from provenance.options import ALPHA, Options

SUFFIXES = ", ".join(arguments.COMPARISON_SUFFIXES)


class Device(StrEnum):
    """Where the arithmetic runs."""

    CPU = "cpu"
    CUDA = "cuda"
    AUTO = "auto"


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="Checkpoint: a file, a folder, or ORG/NAME on the Hub.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Checkpoint to compare it with.")],
    json: Annotated[bool, typer.Option("--json", help="Print the full result as JSON.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help=f"Write to FILE as well ({SUFFIXES})."),
    ] = None,
    format_: Annotated[
        str, typer.Option("--format", metavar="NAME", help=arguments.FORMAT_HELP, autocompletion=formats)
    ] = TEXT,
    language: Annotated[
        arguments.Language, typer.Option("--lang", help="Language of text, HTML and Markdown reports.")
    ] = arguments.Language.EN,
    rows: Annotated[
        int | None,
        typer.Option(
            "--rows", metavar="N", help="Units sampled of each matrix. [default: 256; 512 of a small checkpoint]"
        ),
    ] = None,
    layers: Annotated[int, typer.Option("--layers", metavar="N", help="Layers sampled of a deep stack.")] = 8,
    full: Annotated[bool, typer.Option("--full", help="Read every value, and compare each pair of tensors.")] = False,
    spectrum: Annotated[
        bool, typer.Option("--spectrum", help="With --full: singular values of each matrix's change.")
    ] = False,
    table: Annotated[
        Path | None,
        typer.Option("--table", metavar="FILE", help="With --full: one row a tensor into FILE (.csv or .parquet)."),
    ] = None,
    evidence: Annotated[
        Path | None,
        typer.Option("--evidence", metavar="DIR", help="Write into DIR what others need to check the result."),
    ] = None,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Search for permuted and rotated copies whatever it costs.")
    ] = False,
    alpha: Annotated[
        float, typer.Option("--alpha", metavar="P", help="Corrected p-value below which dependence is found.")
    ] = ALPHA,
    sample_seed: Annotated[
        int, typer.Option("--sample-seed", metavar="S", help="Sample other positions than the public ones.")
    ] = 0,
    time_limit: Annotated[
        float | None, typer.Option("--time-limit", metavar="SECONDS", help="Start no measurement after this time.")
    ] = None,
    subtree: Annotated[
        list[str] | None,
        typer.Option(
            "--subtree", metavar="PREFIX", help="Only tensors under PREFIX; a=PREFIX or b=PREFIX for one side."
        ),
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="A=B", help="Name prefix A of the first is name prefix B of the second."),
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option("--variant", metavar="NAME", help="Weight set to read; a=NAME or b=NAME for one side."),
    ] = None,
    third: Annotated[
        str | None,
        typer.Option("--with", metavar="C", help="A third relative: which of the three lies between the others."),
    ] = None,
    device: Annotated[Device, typer.Option("--device", help="Where the arithmetic runs.")] = Device.CPU,
    threads: Annotated[
        int | None,
        typer.Option("--threads", metavar="N", help="Worker threads; changes no number. [default: one a core]"),
    ] = None,
    budget: arguments.Budget = None,
    allow_download: arguments.AllowDownload = False,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-on",
            metavar="RELATION[,...]",
            help="End with exit code 1 when the relation is one of these.",
            autocompletion=relations,
        ),
    ] = None,
    quiet: arguments.Quiet = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Everything that was measured.")] = False,
) -> ExitCode:
    """Tell from the weights whether B, or part of it, was derived from A.

    Exit code: 0 when the comparison completed, whatever it found; 1 when --fail-on names the relation found; 2 when
    it could not complete.
    """
    arguments.not_both(("-q", quiet), ("-v", verbose))
    arguments.not_both(("--budget", budget is not None), ("--allow-download", allow_download))
    options = Options(
        rows=None if rows is None else arguments.at_least("--rows", rows, arguments.MIN_ROWS),
        layers=arguments.at_least("--layers", layers, 1),
        full=arguments.with_full(full, {"--spectrum": spectrum, "--table": table is not None}),
        spectrum=spectrum,
        thorough=thorough,
        alpha=arguments.probability("--alpha", alpha),
        sample_seed=arguments.at_least("--sample-seed", sample_seed, 0),
        time_limit=arguments.seconds("--time-limit", time_limit),
        subtree=arguments.sided("--subtree", subtree or []),
        variant=arguments.sided("--variant", variant or []),
        renames=arguments.renames(map_ or []),
        device=device.value,
        threads=None if threads is None else arguments.at_least("--threads", threads, 1),
        budget=None if budget is None else arguments.nbytes("--budget", budget),
        allow_download=allow_download,
    )
    failing = arguments.relations(fail_on or [])
    delivery = Delivery(
        format=arguments.one_format(json, format_),
        output=arguments.destination(output, arguments.COMPARISON_SUFFIXES),
        table=table,
        verbose=verbose,
        quiet=quiet,
        language=language.value,
        failing=failing,
    )

    # Imported here so that --help and mistakes on the command line cost no numpy.
    from cli.render.report import one_line, report
    from provenance.comparison import compare as compare_checkpoints
    from provenance.result import Result

    delivery.check(Result)
    samples = None
    with progress_bar(quiet=quiet) as progress:
        if evidence is None:
            result = compare_checkpoints(a, b, options, progress)
        else:
            from provenance.comparison import compare_recorded
            from provenance.evidence_folder import check_evidence_folder

            check_evidence_folder(evidence)
            result, samples = compare_recorded(a, b, options, progress)
        if third is not None:
            from provenance.three import compare_with_third

            result = compare_with_third(result, (a, b, third), options, progress)
    if evidence is not None and samples is not None:
        from provenance.evidence_folder import write_evidence

        write_evidence(evidence, result, samples)
    delivery.write_table(result)
    delivery.deliver(result, lambda view: report(result, view), one_line(result))
    return ExitCode.CONDITION_MET if result.verdict.relation in failing else ExitCode.COMPLETED
