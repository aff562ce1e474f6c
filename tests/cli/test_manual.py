"""`--help`: every command says in one line what it is for, and shows lines that can be typed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from cli.main import app, run
from cli.manual import MANUAL

WIDTH = 79


def commands(group: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    group = typer.main.get_command(app) if group is None else group
    for name, command in group.commands.items():
        yield (*path, name), command
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))


COMMANDS = dict(commands())


def test_the_manual_is_about_the_commands_that_there_are() -> None:
    assert set(MANUAL) == {" ".join(path) for path in COMMANDS}


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_fits_a_terminal_and_ends_with_examples(path: tuple[str, ...], capsys) -> None:
    assert run([*path, "--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.isascii()
    assert max(map(len, out.splitlines())) <= WIDTH
    for line, remark in MANUAL[" ".join(path)].examples:
        assert f"    {line}\n        {remark}\n" in out + "\n"
    assert ("Examples:" in out) == bool(MANUAL[" ".join(path)].examples)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_examples_use_options_that_there_are(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert MANUAL[" ".join(path)].examples or hasattr(command, "commands")
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for line, _ in MANUAL[" ".join(path)].examples:
        words = shlex.split(line.partition(" > ")[0].removeprefix('eval "$(').removesuffix(')"'))
        assert words[: len(path) + 1] == ["provenance", *path]
        assert {word for word in words if word.startswith("-")} <= known, line


def test_the_list_of_commands_cuts_nothing_off(capsys) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert "..." not in out.partition("Commands:")[2]
    for (name, *rest), _ in COMMANDS.items():
        assert rest or MANUAL[name].brief in out
