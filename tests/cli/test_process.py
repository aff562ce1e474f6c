"""The program as a process: encodings, terminals, pipes, signals."""

from __future__ import annotations

import json
import os
import pty
import resource
import signal
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STUBBED = [sys.executable, "-m", "tests.stubbed"]
PLAIN = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "PATH": os.environ["PATH"]}


def stubbed(*words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*STUBBED, *words], cwd=ROOT, env={**PLAIN, **(env or {})}, capture_output=True, timeout=60, check=False
    )


def on_a_terminal(*words: str, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Exit code and everything a terminal of 90 columns got, standard output and error together."""
    parent, child = pty.openpty()
    os.set_blocking(parent, True)
    environment = {**PLAIN, "COLUMNS": "90", "LINES": "40", **(env or {})}
    with subprocess.Popen([*STUBBED, *words], cwd=ROOT, env=environment, stdout=child, stderr=child) as process:
        os.close(child)
        received = b""
        while True:
            try:
                chunk = os.read(parent, 65536)
            except OSError:
                break
            if not chunk:
                break
            received += chunk
    os.close(parent)
    return process.returncode, received.decode("utf-8")


@pytest.mark.parametrize("env", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}, {"PYTHONIOENCODING": "latin-1"}])
@pytest.mark.parametrize("name", ["derived", "hostile"])
def test_terminals_without_unicode_get_ascii(name: str, env: Mapping[str, str]) -> None:
    done = stubbed(name, "compare", "modèle-模", "b", "-v", env=env)
    assert done.returncode == 0
    assert done.stderr == b""
    assert done.stdout.isascii()
    assert b"(derived)" in done.stdout


def test_errors_are_ascii_where_they_must_be() -> None:
    done = stubbed("derived", "compare", "a", "b", "--fail-on", "modèle-模", env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 2
    assert done.stderr.isascii()
    assert b"'mod\\xe8le-\\u6a21'" in done.stderr


def test_bytes_that_are_no_text_on_the_command_line_are_escaped() -> None:
    words = [os.fsencode(word) for word in STUBBED] + [b"derived", b"compare", b"a", b"b", b"--fail-on", b"\xff\xfe"]
    done = subprocess.run(words, cwd=ROOT, env=PLAIN, capture_output=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: --fail-on")


def test_a_pipe_gets_plain_text() -> None:
    done = stubbed("derived", "compare", "a", "b", env={"FORCE_COLOR": "1", "COLUMNS": "40"})
    assert b"\x1b" not in done.stdout
    assert max(len(line) for line in done.stdout.decode().splitlines()) > 40


def test_a_terminal_gets_colours_and_its_own_width() -> None:
    code, text = on_a_terminal("derived", "compare", "a", "b", "-v")
    assert code == 0
    assert "\x1b[" in text
    assert "╭" in text


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_without_colours_gets_none(env: Mapping[str, str]) -> None:
    code, text = on_a_terminal("derived", "compare", "a", "b", "-q", env=env)
    assert (code, text) == (0, "derived log10_p=-312.4 kinds=fine_tune,renamed\r\n")
    code, text = on_a_terminal("derived", "compare", "a", "b", env=env)
    report = text[text.index("╭") :]
    assert "\x1b" not in report
    assert max(map(len, report.splitlines())) <= 90


def test_progress_shows_on_a_terminal_only() -> None:
    assert "reading" in on_a_terminal("derived", "compare", "a", "b")[1]
    assert "reading" not in on_a_terminal("derived", "compare", "a", "b", "-q")[1]
    done = stubbed("derived", "compare", "a", "b")
    assert b"reading" not in done.stdout + done.stderr


def test_bytes_are_counted_as_bytes() -> None:
    text = on_a_terminal("derived", "compare", "a", "b", "--full")[1]
    assert "0.5/2.0 GB" in text
    assert "every value" not in on_a_terminal("derived", "compare", "a", "b")[1]


@pytest.mark.parametrize(("condition", "code"), [("independent", 0), ("derived", 1)])
def test_a_reader_that_has_gone_is_no_error(condition: str, code: int) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [*STUBBED, "derived", "compare", "a", "b", "--json", "--fail-on", condition]
    with subprocess.Popen(command, cwd=ROOT, env=PLAIN, stdout=writer, stderr=subprocess.PIPE) as process:
        os.close(writer)
        assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == code


def test_help_for_a_reader_that_has_gone_is_quiet() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "cli", "compare", "--help"]
    with subprocess.Popen(command, cwd=ROOT, env=PLAIN, stdout=writer, stderr=subprocess.PIPE) as process:
        os.close(writer)
        assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_behind_standard_output_is_an_error() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*STUBBED, "derived", "compare", "a", "b"],
            cwd=ROOT,
            env=PLAIN,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: No space left on device\n")


def test_no_standard_streams_at_all_is_survivable(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    command = f"{sys.executable} -m tests.stubbed derived compare a b -o {target} >&- 2>&-"
    done = subprocess.run(["/bin/sh", "-c", command], cwd=ROOT, env=PLAIN, timeout=60, check=False)
    assert done.returncode == 0
    assert json.loads(target.read_text())["schema_version"] == 1


def test_ctrl_c_ends_a_running_comparison() -> None:
    command = [*STUBBED, "wait", "compare", "a", "b"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=PLAIN,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Where the tests run in the background, interruption is ignored, and would be by the process as well.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"waiting\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"interrupted\n")


def test_a_defect_in_a_process_leaves_standard_output_empty() -> None:
    done = stubbed("defect", "compare", "a", "b", "--json")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"error: internal error (KeyError: " in done.stderr
    assert b"\x1b" not in done.stderr


@pytest.mark.parametrize("module", ["cli", "cli.main"])
def test_the_modules_work_like_the_console_script(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, "--version"], cwd=ROOT, capture_output=True, timeout=60, check=False, text=True
    )
    assert done.returncode == 0
    assert done.stdout.startswith("provenance ")


def test_help_is_instant() -> None:
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "cli", "--help"], cwd=ROOT, capture_output=True, timeout=60, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert statistics.median(times) < 1.0, "processor time: other processes may be running"
