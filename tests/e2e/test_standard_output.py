"""The program where its output cannot be written or cannot be encoded, and where Ctrl-C comes before it has begun."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-m", "nas"]


def test_the_package_is_the_program() -> None:
    told = subprocess.run([*PROGRAM, "--version"], capture_output=True, text=True, check=True)
    assert told.stdout.startswith("nas ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
@pytest.mark.parametrize("words", [("--version",), ("blocks",), ("blocks", "--format", "json")])
def test_a_full_disk_under_standard_output_is_one_line_and_exit_code_1(words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        told = subprocess.run([*PROGRAM, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert told.stderr == "nas: cannot write the output: No space left on device\n"
    assert told.returncode == 1


def test_a_character_that_the_terminal_cannot_show_is_replaced() -> None:
    program = "import sys; from nas.cli.streams import standard_output\nwith standard_output(): print('0.64 ± 0.02')"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert told.stdout == "0.64 ? 0.02\n"


def test_another_error_of_the_system_is_not_taken_for_one_of_the_output() -> None:
    program = "from nas.cli.streams import standard_output\nwith standard_output(): open('/absent/file')"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "FileNotFoundError" in told.stderr
    assert "cannot write" not in told.stderr


def test_ctrl_c_while_the_program_is_loaded_ends_it_without_a_word() -> None:
    program = ("import sys; from nas.cli import main\n"
               "class Stopped:\n"
               "    def find_spec(self, name, path=None, target=None):\n"
               "        if name == 'typer': raise KeyboardInterrupt\n"
               "sys.meta_path.insert(0, Stopped()); main()")
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout, told.stderr) == (130, "", "")
