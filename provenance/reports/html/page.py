"""A page from a template: everything inline, nothing from the network, and nothing from a file taken for markup.

Whatever a template prints is made visible (control characters, reading-order marks and the like are spelled out) and
then escaped; only what `Markup` wraps in this module stays as it is. A Content-Security-Policy lets nothing run or load
but the one style and the one script that the page ships with, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from provenance.escaping import NAME_LIMIT, PROSE_LIMIT, visible
from provenance.messages import Messages
from provenance.reports import numbers
from provenance.reports.values import spelled

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = "reports/html/templates"


def render_page(template: str, say: Messages, **context: Any) -> str:
    """The page of `template`, with `say` and `context` as its names."""
    style, script = _asset("style.css"), _asset("tables.js")
    policy = [
        "default-src 'none'",
        f"style-src '{_hash(style)}'",
        f"script-src '{_hash(script)}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    page = _environment().get_template(template)
    return page.render(say=say, style=style, script=script, policy="; ".join(policy), **context)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # deferred: other formats go without

    environment = Environment(
        loader=PackageLoader("provenance", _FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., str]] = {
        "name": name,
        "value": lambda value: name(spelled(value)),
        "count": lambda number: f"{number:,}",
        "size": numbers.size,
        "cosine": numbers.cosine,
        "statistic": numbers.statistic,
        "short": _short,
    }
    environment.filters.update(filters)
    return environment


def name(text: str, limit: int = NAME_LIMIT) -> Markup:
    """A name from a file, kept apart from the reading order around it."""
    return Markup("<bdi><code>{}</code></bdi>").format(visible(text, limit=limit))


def _short(effect: float | None) -> str:
    """A cosine for a small cell: `.98`; what is not all but equal never reads `1.0`."""
    if effect is None:
        return "\N{EN DASH}"
    if effect >= 0.9995:
        return "1.0"
    return f"{max(min(effect, 0.99), -0.99):.2f}".replace("0.", ".", 1)


def _finalized(value: Any) -> Any:
    return visible(value, limit=PROSE_LIMIT) if isinstance(value, str) and not isinstance(value, Markup) else value


def _asset(file: str) -> Markup:
    # Shipped with the program; a browser takes no escapes inside these elements.
    return Markup(files("provenance").joinpath(_FOLDER, file).read_text(encoding="utf-8"))  # noqa: S704


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
