"""The help texts in the READMEs are what the program prints. `python tests/help_texts.py` writes them anew.

A page marks the place by `<!-- nas run --help -->`, followed by a fenced block.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "plugins/README.md", "studies/README.md", "reports/README.md")
_PLACE = re.compile(r"(<!-- nas ([\w -]*--help) -->\n+```\n)(.*?)(^```$)", flags=re.DOTALL | re.MULTILINE)


def help_text(words: list[str]) -> str:
    """What `nas WORDS` prints, 100 columns wide and without colour."""
    program = [sys.executable, "-c", "from nas.cli.commands import app; app(prog_name='nas')", *words]
    environment = {**os.environ, "COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1", "TERM": "dumb"}
    environment.pop("FORCE_COLOR", None)
    told = subprocess.run(program, env=environment, capture_output=True, text=True, check=True).stdout
    return "\n".join(line.rstrip() for line in told.strip().splitlines()) + "\n"


def refreshed(text: str) -> str:
    """A page with every help text as it is now."""
    return _PLACE.sub(lambda match: match[1] + help_text(match[2].split()) + match[4], text)


def main() -> None:
    for page in PAGES:
        path = ROOT / page
        path.write_text(refreshed(path.read_text()))


if __name__ == "__main__":
    main()
