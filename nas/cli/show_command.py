"""`nas show NET`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli import options
from nas.errors import SpecError
from nas.numbers import count, rounded

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from nas.arch import Architecture
    from nas.bench.split import Split
    from nas.cost.result import Cost, PartCost

BAR = 12
"""Characters of a bar."""
COSTS = ("params", "macs", "flops", "activations")
NET_HELP = (
    "A published network's name, an architecture's text, timm's block strings, or, shown as a whole, torchvision:NAME "
    "or timm:NAME."
)


def command(
    net: Annotated[list[str], typer.Argument(metavar="NET...", help=NET_HELP)],
    latency: Annotated[
        bool, typer.Option("--latency", help="Also where its time goes, stage by stage, run eagerly at batch 1.")
    ] = False,
    device: Annotated[
        str | None, typer.Option(metavar="DEVICE", help="Where --latency is measured: auto, cpu, cuda or cuda:1.")
    ] = None,
    plugin: options.PluginFiles = None,
    no_plugins: options.NoPlugins = False,
) -> None:
    """Show what a network is made of and what each stage costs; of several networks, also their totals side by side."""
    from nas.cost.count import count_architecture, count_opaque, count_parts
    from nas.cost.result import PartCost
    from nas.cost.table import CostTable
    from nas.plugins import load_plugins
    from nas.zoo import Opaque, names, resolve

    if device is not None and not latency:
        raise SpecError("--device: says where --latency is measured; give both, or neither")
    known, table = load_plugins(plugin or (), not no_plugins), CostTable()
    console = options.output()
    totals: dict[str, Cost] = {}
    networks = {name: resolve(name, known) for name in dict.fromkeys(net)}  # all, before anything is shown
    for name, network in networks.items():
        split = None
        if isinstance(network, Opaque):
            label, cost = str(network), count_opaque(network)
            parts: tuple[PartCost, ...] = (PartCost("network", "as a whole", (network.classes,), cost),)
        else:
            label = name if name in names() else str(network.arch_id)
            cost = count_architecture(network, known.blocks, table)
            parts = count_parts(network, known.blocks, table)
            split = _split(network, device, plugin, no_plugins) if latency else None
        console.print(_parts(label, "x".join(map(str, network.input_shape)), parts, split))
        if latency:
            console.print(_times(label, split), soft_wrap=True)
        console.print(_facts(cost))
        totals[label] = cost
    if len(totals) > 1:
        console.print(_side_by_side(totals))


def _split(network: Architecture, device: str | None, plugin: list[Path] | None, no_plugins: bool) -> Split:
    """Measured in the device's worker. A person is told once that it takes a moment: what moves would be timed too."""
    from rich.console import Console

    from nas.bench.stages import SPLIT_SECONDS, split_times
    from nas.latency.options import LatencyOptions

    asked = LatencyOptions(device=device or LatencyOptions.device, max_seconds=SPLIT_SECONDS)
    files = tuple(str(file.expanduser().resolve()) for file in plugin or ())
    console = Console(stderr=True)
    if console.is_terminal:
        console.print(f"timing the parts of {network.arch_id}, for about {SPLIT_SECONDS:g} s", style="dim")
    return split_times(network, asked, files, not no_plugins)


def _times(label: str, split: Split | None) -> RenderableType:
    """The sum of the parts beside the whole; of a network that cannot be split, where its time is told instead."""
    from rich.text import Text

    from nas.bench.stages import in_words

    if split is not None:
        return Text(in_words(split))
    return Text(f"its time is not split: {label} is opaque, run by its library as a whole; nas bench {label} times it")


def _parts(label: str, shape: str, parts: tuple[PartCost, ...], split: Split | None) -> Table:
    from rich.text import Text

    table = _table(f"{label}, input {shape}")
    table.add_column("part")
    table.add_column("blocks")
    for name in ("output", *COSTS):
        table.add_column(name, justify="right", no_wrap=True)
        if name in ("params", "macs"):
            table.add_column("", no_wrap=True)
    if split is not None:
        table.add_column("ms", justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
    table.add_column("receptive field", justify="right")
    table.add_column("stride", justify="right")
    most = {name: max(getattr(part.cost, name) for part in parts) for name in ("params", "macs")}
    for position, part in enumerate(parts):
        cells = [part.name, part.text, "x".join(map(str, part.shape))]
        for name in COSTS:
            value = getattr(part.cost, name)
            cells.append(count(value))
            if name in most:
                cells.append(bar(value, most[name]))
        if split is not None:
            cells += [rounded(split.parts_ms[position]), bar(split.parts_ms[position], max(split.parts_ms))]
        cells += [part.cost.receptive_field, f"{part.cost.output_stride:g}"]
        table.add_row(*map(Text, cells))
    return table


def bar(value: float, most: float, width: int = BAR) -> str:
    """A bar of eighths of a character, as long as `value` is of `most`; never empty above 0."""
    eighths = round(8 * width * value / most) if most else 0
    eighths = max(eighths, 1) if value > 0 else 0
    whole, rest = divmod(eighths, 8)
    return "█" * whole + " ▏▎▍▌▋▊▉"[rest].strip()


def _facts(cost: Cost) -> RenderableType:
    """The totals in words, to the digit."""
    from rich.text import Text

    counts = f"{cost.params:,} parameters, {cost.macs:,} MACs, {cost.flops:,} FLOPs as fvcore counts them"
    lines = [f"{counts}, {cost.activations:,} activations"]
    lines.append(f"receptive field {cost.receptive_field}, stride {cost.output_stride:g}")
    places: dict[str, list[str]] = {}
    for told in cost.global_ops:
        place, _, operation = told.rpartition(": ")
        places.setdefault(operation, []).append(place)
    for operation, found in places.items():
        lines.append(f"sees the whole map: {operation} in {', '.join(found)}")
    if cost.unsupported_ops:
        lines.append(f"not counted: {', '.join(cost.unsupported_ops)}")
    return Text("\n".join(lines) + "\n")


def _side_by_side(totals: dict[str, Cost]) -> Table:
    from rich.text import Text

    table = _table("side by side")
    table.add_column("network")
    for name in (*COSTS, "receptive field", "stride"):
        table.add_column(name, justify="right", no_wrap=True)
        if name in COSTS:
            table.add_column("", no_wrap=True)
    most = {name: max(getattr(cost, name) for cost in totals.values()) for name in COSTS}
    for label, cost in totals.items():
        cells = [label]
        for name in COSTS:
            cells += [count(getattr(cost, name)), bar(getattr(cost, name), most[name])]
        table.add_row(*map(Text, [*cells, cost.receptive_field, f"{cost.output_stride:g}"]))
    return table


def _table(title: str) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    return Table(title=Text(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
