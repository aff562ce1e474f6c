"""What `--help` says of each command beside its options: one line for the list of commands, and examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import typer


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`brief` stands in the list of commands; `examples` are command lines, each with what it is for."""

    brief: str
    examples: tuple[tuple[str, str], ...]


MANUAL: Final[Mapping[str, Entry]] = MappingProxyType(
    {
        "compare": Entry(
            brief="Were the weights of B derived from those of A?",
            examples=(
                ("provenance compare base/ tuned/", "two folders, files, or fingerprints"),
                ("provenance compare org/base org/tuned@main", "headers and samples of models on the Hub"),
                ("provenance compare base/ tuned/ -o report.html", "a page to read, print and pass on"),
                ("provenance compare base/ tuned/ --fail-on derived,identical", "for pipelines: exit code 1 then"),
                ("provenance compare base/ tuned/ --full --table rows.csv", "every value, one row a tensor"),
                ("provenance compare base/ tuned/ --evidence DIR", "what others need to check the result"),
            ),
        ),
        "decompose": Entry(
            brief="Which merge of given parents is M?",
            examples=(
                ("provenance decompose merged/ --parents a/ b/", "weights, method and mergekit recipe"),
                ("provenance decompose merged/ --parents a/ b/ --base base/", "TIES and DARE need the base"),
            ),
        ),
        "fingerprint": Entry(
            brief="Write a megabyte that stands for a checkpoint.",
            examples=(
                ("provenance fingerprint model/ -o model.safetensors", "then take it where a checkpoint is taken"),
            ),
        ),
        "identify": Entry(
            brief="Which known model does M come from?",
            examples=(
                ("provenance identify model/", "in the user's own library, and the shipped architectures"),
                ("provenance identify org/name --library bases/ --top 3", "in another library"),
                ("provenance identify model/ -o report.html --lang zh", "a page, in Chinese"),
            ),
        ),
        "inspect": Entry(
            brief="What does a checkpoint hold, and what is odd about it?",
            examples=(
                ("provenance inspect model/", "format, sizes, types, roles, findings"),
                ("provenance inspect org/name --json", "the same for scripts, of a model on the Hub"),
            ),
        ),
        "render": Entry(
            brief="Show a saved result as another document.",
            examples=(
                ("provenance render result.json -o report.html --lang zh", "the page in Chinese"),
                ("provenance render result.json --format markdown", "for a pull request or a model card"),
                ("provenance render result.json --format sarif --fail-on derived", "a breach, and exit code 1"),
            ),
        ),
        "verify": Entry(
            brief="Compare again: is the saved result what comes out?",
            examples=(
                ("provenance verify result.json", "the checkpoints where they were"),
                ("provenance verify result.json moved/a moved/b", "where they are now"),
                ("provenance verify DIR", "a folder that `compare --evidence DIR` wrote"),
            ),
        ),
        "scan": Entry(
            brief="Find the base of every model in a list or folder.",
            examples=(
                ("provenance scan models/ --library bases/ --results scan.db", "continued if it was stopped"),
                ("provenance scan @list.txt --library bases/ --results scan.db --jobs 4", "one target a line"),
                ("provenance scan models/ --library bases/ --results r.db --policy rules.toml", "exit code 1 then"),
            ),
        ),
        "results": Entry(
            brief="Show the rows of a scan.",
            examples=(
                ("provenance results scan.db --where relation=derived", "some of them"),
                ("provenance results scan.db --format jsonl", "for scripts"),
                ("provenance results scan.db -o report.html", "all rows and the lineage as a page"),
            ),
        ),
        "matrix": Entry(
            brief="Compare all pairs of models.",
            examples=(("provenance matrix models/ -o matrix.json", "and draw it with: provenance tree matrix.json"),),
        ),
        "tree": Entry(
            brief="Draw who comes from whom.",
            examples=(
                ("provenance tree scan.db", "of a scan, as text"),
                ("provenance tree matrix.json --format dot", "of all pairs, for Graphviz"),
            ),
        ),
        "library": Entry(brief="Keep fingerprints of known models.", examples=()),
        "library add": Entry(
            brief="Add a model.",
            examples=(("provenance library add base/ --name acme/base --licence apache-2.0", "one more known model"),),
        ),
        "library list": Entry(brief="List the models.", examples=(("provenance library list --json", "for scripts"),)),
        "library show": Entry(
            brief="Show one model.", examples=(("provenance library show acme/base", "by its name"),)
        ),
        "library remove": Entry(
            brief="Take a name out.", examples=(("provenance library remove acme/base", "or by digest: all names"),)
        ),
        "library export": Entry(
            brief="Write the library into one file.",
            examples=(("provenance library export bases.zip", "to be imported elsewhere"),),
        ),
        "library import": Entry(
            brief="Add all that an exported file holds.",
            examples=(("provenance library import bases.zip", "every fingerprint is checked first"),),
        ),
        "library verify": Entry(
            brief="Check every entry against its file.",
            examples=(("provenance library verify --repair", "and delete what interrupted runs left"),),
        ),
        "library build": Entry(
            brief="Fill a library from a catalogue.",
            examples=(("provenance library build bases.csv --models models/", "all that is at hand, not there yet"),),
        ),
        "completion": Entry(
            brief="Print a script that completes in a shell.",
            examples=(
                ('eval "$(provenance completion bash)"', "in ~/.bashrc"),
                ('eval "$(provenance completion zsh)"', "in ~/.zshrc, after compinit"),
                ("provenance completion fish > ~/.config/fish/completions/provenance.fish", "once"),
            ),
        ),
    }
)


def describe(app: typer.Typer, path: str = "") -> None:
    """Add its entry to the help of every command of `app`, and of the groups in it."""
    for command in app.registered_commands:
        entry = MANUAL[f"{path}{command.name}"]
        command.short_help, command.epilog = entry.brief, _epilog(entry)
    for group in app.registered_groups:
        name = group.typer_instance.info.name if group.typer_instance is not None else None
        if group.typer_instance is not None and isinstance(name, str):
            group.short_help = MANUAL[f"{path}{name}"].brief
            describe(group.typer_instance, f"{name} ")


def _epilog(entry: Entry) -> str:
    r"""Examples as lines that are not filled (`\b`), each remark above its command."""
    blocks = [f"\b\n  {line}\n      {remark}" for line, remark in entry.examples]
    return "\n\n".join(["Examples:", *blocks])
