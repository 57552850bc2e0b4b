"""A bench as a Markdown page, to be passed on."""

from __future__ import annotations

from urllib.parse import quote

from nas.bench import told
from nas.bench.jobs import DEVICE_TIME
from nas.bench.result import Bench
from nas.markdown import in_markdown, of_environment, table
from nas.text import several
from nas.version import VERSION


def page(bench: Bench, picture: str = "") -> str:
    """The page; `picture` is the address of the roofline, as the page reaches it."""
    found = bench.conditions
    parts = [
        [f"# Networks on {in_markdown(found.device_name)}"],
        [f"{several(len(bench.rows), 'network')}, measured with nas {VERSION}: {in_markdown(told.conditions(bench))}."],
        *([[f"![Each network below what this device reaches]({quote(picture)})"]] if picture else []),
        _networks(bench),
        _curve(bench),
        _published(bench),
        _notes(bench),
        _explained(bench),
        ["## Environment", "", f"{of_environment(found.environment)}."],
    ]
    return "\n".join(line for part in parts if part for line in [*part, ""]).rstrip() + "\n"


def _networks(bench: Bench) -> list[str]:
    columns = told.columns(bench)
    rows = [[in_markdown(cell) for cell in told.cells(bench, row)] for row in bench.rows]
    numbers = [place for place, column in enumerate(columns) if not column.left]
    return ["## Networks", "", *table([column.heading for column in columns], rows, numbers)]


def _curve(bench: Bench) -> list[str]:
    header, lines = told.curve(bench)
    if not header:
        return []
    rows = [[in_markdown(cell) for cell in line] for line in lines]
    title = f"## Images a second over the batch, {in_markdown(bench.conditions.runtimes[-1])}"
    return [title, "", *table(header, rows, range(1, len(header)))]


def _published(bench: Bench) -> list[str]:
    """torchvision's figures beside those that were counted here, to the digit."""
    known = [(row, row.published, row.cost) for row in bench.rows if row.published and row.cost]
    if not known:
        return []
    rows = [
        [in_markdown(row.network), in_markdown(theirs.weights), f"{theirs.accuracy:.3f}", f"{theirs.params:,}",
         f"{cost.params:,}", f"{theirs.gflops:.3f}", f"{cost.macs / 1e9:.3f}"]
        for row, theirs, cost in known
    ]
    header = ["network", "torchvision's weights", "top-1 %", "published params", "counted params",
              "published GMAC", "counted GMAC"]
    said = "torchvision publishes top-1 on ImageNet-1K, and calls 1e9 multiply-accumulates one GFLOP."
    return ["## Beside the published figures", "", said, "", *table(header, rows, range(2, len(header)))]


def _notes(bench: Bench) -> list[str]:
    said = list(told.notes(bench))
    return ["## Notes", "", *(f"- {in_markdown(note)}" for note in said)] if said else []


def _explained(bench: Bench) -> list[str]:
    found = bench.conditions
    lines = [
        ("- ms: the median pass, with the longer half of its 95 % interval; random weights, batch norm folded. The "
        "interval says how well this process knows its median; another process finds another."),
        f"- images/s, GFLOP/s and GB/s: at the batch of most images a second, {in_markdown(found.runtimes[-1])}.",
        "- FLOP: two a multiply-accumulate of convolutions, linear layers and matrix products.",
        ("- bytes: each weight read once a pass, the input read once, and what convolutions, linear layers and matrix "
        "products put out written once and read once; norms, activations and pools count as fused. What stays in a "
        "cache moves less than that, what is not fused more."),
    ]
    if bench.roofs:
        lines.append(f"- roof: {in_markdown(told.roofs(bench))}; a network reaches at most the first, and at most its "
                     "FLOP a byte times the second.")
    if DEVICE_TIME in found.runtimes:
        lines.append(f"- {in_markdown(DEVICE_TIME)}: device time, the whole network in one CUDA graph; eager: "
                     "synchronised around each call, the host's launches included.")
    return ["## What the columns say", "", *lines]
