"""A result as Markdown, short enough for a pull request or a model card.

Names stand in code spans whose fences are longer than any run of backticks inside; other text has every character that
Markdown or a forge's additions to it (mentions, references, bare links, HTML) could take for markup escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain

from provenance import wording
from provenance.escaping import NAME_LIMIT, prose, visible
from provenance.messages import Messages
from provenance.reports.encoder import Presentation
from provenance.reports.reproduction import compare_command
from provenance.reports.values import spelled
from provenance.result import Kind, ModelSummary, Result

MOST_ROWS = 20
_MARKUP = re.compile(
    r"""
    [\\`*_\[\]{}<>|~$&]         # emphasis, code, links, HTML, tables, formulas, entities
    | :(?=/)                    # bare links
    | (?<=www)\.                # bare links
    | [@\#] | :(?=[\w+-])       # mentions, references, emoji
    | ^(?:[-+=] | \d+(?=[.)]))  # lists, headings
    """,
    re.VERBOSE | re.IGNORECASE,
)


def encode(result: Result, presentation: Presentation) -> str:
    """`result` as Markdown: the answer, what it rests on, and how to have it again."""
    say, verdict = presentation.say, result.verdict
    blocks: list[str] = [
        f"## {say('page.title')}: {_text(wording.headline(verdict, say))}",
        "\n".join(f"> {line}" for line in _quotable(result, say)),
        _table((say("label.sides"), "A", "B"), _sides(result.a, result.b, say)),
        _table((say("label.verdict"), ""), _facts(result, say)),
        f"### {say('kinds.title')}",
        _kinds(verdict.kinds, say),
        f"### {say('architecture.title')}",
        f"{_text(say(f'architecture.{result.architecture.relation}'))} ({_code(result.architecture.relation)})",
        *_renames(result, say),
        f"### {say('open.title')}",
        _not_measured(result, say),
        f"### {say('reproduce.title')}",
        _fenced(visible(compare_command(result), limit=1000)),
        _text(say("page.made_by", version=result.run.version)),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _quotable(result: Result, say: Messages) -> Iterable[str]:
    """The summary, the record where that is in another language, and sentences that stand alone."""
    yield _text(wording.summary(result, say))
    yield ""
    if wording.is_translated(say):
        yield from (_text(f"{say('summary.recorded')} {result.verdict.summary}"), "")
    yield from map(_text, wording.statement(result, say))


def _facts(result: Result, say: Messages) -> Iterable[Sequence[str]]:
    verdict = result.verdict
    yield say("label.relation"), _code(verdict.relation)
    yield say("label.direction"), _text(wording.direction(verdict, say))
    yield say("label.p"), _text(wording.p_value(verdict, say))
    yield say("label.effect"), _text(wording.effect(verdict, say))
    yield say("label.coverage"), _text(wording.coverage(verdict, say))
    yield say("label.clause"), _text(verdict.clause)
    for label, value in (("label.scope", wording.scope(verdict, say)), ("label.basis", verdict.basis)):
        if value is not None:
            yield say(label), _text(value)


def _sides(a: ModelSummary, b: ModelSummary, say: Messages) -> Iterable[Sequence[str]]:
    yield say("label.reference"), _code(a.reference), _code(b.reference)
    yield say("label.digest"), _code(a.digest), _code(b.digest)
    yield say("label.format"), _code(a.format), _code(b.format)
    yield say("label.learned"), f"{a.learned_params:,}", f"{b.learned_params:,}"


def _kinds(kinds: Sequence[Kind], say: Messages) -> str:
    lines = []
    for kind in kinds[:MOST_ROWS]:
        parameters = [f"{_code(key)} {_code(spelled(value))}" for key, value in kind.parameters.items()]
        words = wording.kind_words(kind, say)
        named = _code(kind.kind) + (f" ({_text(words)})" if words else "")
        lines.append(f"- {named}" + (": " + ", ".join(parameters) if parameters else ""))
    return "\n".join(lines) or _text(say("kinds.none"))


def _renames(result: Result, say: Messages) -> Iterable[str]:
    rules = result.architecture.renames
    if rules:
        titles = [say(f"architecture.{key}") for key in ("name_a", "name_b")] + [say("label.tensors")]
        yield _table(titles, ((_code(rule.a), _code(rule.b), f"{rule.count:,}") for rule in rules[:MOST_ROWS]))
    if len(rules) > MOST_ROWS:
        yield _text(say("table.more", count=len(rules) - MOST_ROWS))


def _not_measured(result: Result, say: Messages) -> str:
    shown = result.not_measured[:MOST_ROWS]
    lines = [f"- {_code(entry.subject)}: {_text(entry.reason)}" for entry in shown]
    if len(result.not_measured) > len(shown):
        lines.append(f"- {_text(say('table.more', count=len(result.not_measured) - len(shown)))}")
    return "\n".join(lines) or _text(say("open.none"))


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---"] * len(titles)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in chain((titles, rule), rows))


def _text(text: str) -> str:
    """A sentence that Markdown leaves as it is."""
    return _MARKUP.sub(_escaped, prose(text).lstrip())


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    if character in "@#" or (character == ":" and found.string[found.end()] != "/"):
        # Forges look for these after rendering, in text; a comment ends the text before what follows.
        return f"\\{character}<!-- -->"
    return character + "\\" if character.isdigit() else "\\" + character


def _code(text: str, limit: int = NAME_LIMIT) -> str:
    """A name as a code span that also stands in a table."""
    shown = visible(text, limit=limit).replace("|", "\\|")
    fence = "`" * (_longest_run(shown) + 1)
    space = " " if shown.startswith("`") or shown.endswith("`") or not shown.strip() else ""
    return f"{fence}{space}{shown or ' '}{space}{fence}"


def _fenced(text: str) -> str:
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}sh\n{text}\n{fence}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
