"""Short forms of what is long: an architecture on one line of a table."""

from __future__ import annotations

from nas.arch import Architecture, Stage
from nas.errors import SpecError
from nas.text import one_line


def short_architecture(text: str) -> str:
    """`mbconv k3 e4 x2 c24 | ...`: each stage's block, kernel, expansion, repeats, channels; `s2` for a stride of 2,
    `se0.25` where it squeezes. Other parameters are in the full text. A text that is no architecture is cut at
    60 characters.
    """
    try:
        return " | ".join(map(_short_stage, Architecture.parse(text).stages))
    except SpecError:  # of another nas, or damaged: it is shown as it is, a report does not build it
        line = one_line(text)
        return line if len(line) <= 60 else f"{line[:57]}..."


def short_input(text: str) -> str:
    """`1x24x48`: channels, height and width of what the architecture takes in; nothing for a text that is none."""
    try:
        return "x".join(map(str, Architecture.parse(text).input_shape))
    except SpecError:
        return ""


def _short_stage(stage: Stage) -> str:
    words = [stage.block]
    words += [f"{letter}{stage.params[name]}" for letter, name in (("k", "kernel"), ("e", "expand"))
              if stage.params.get(name) is not None]
    if stage.params.get("se"):
        words.append(f"se{stage.params['se']}")
    words += [f"x{stage.repeats}", f"c{stage.channels}"]
    return " ".join([*words, "s2"] if stage.stride == 2 else words)
