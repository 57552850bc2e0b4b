"""`nas show NET`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli import options
from nas.cli.show_tables import facts, print_parts, print_side_by_side
from nas.errors import SpecError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from nas.arch import Architecture
    from nas.bench.split import Split
    from nas.cost.result import Cost, PartCost

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
    from nas.bench.told import inputs_differ
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
    shapes: dict[str, tuple[int, int, int]] = {}
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
        title = f"{label}, input {'x'.join(map(str, network.input_shape))}"
        print_parts(console, title, parts, () if split is None else split.parts_ms)
        if latency:
            console.print(_times(label, split), soft_wrap=True)
        console.print(facts(cost))
        totals[label], shapes[label] = cost, network.input_shape
    if len(totals) > 1:
        print_side_by_side(console, totals)
        for note in inputs_differ(shapes):
            console.print(f"note: {note}", soft_wrap=True, markup=False, highlight=False, style="yellow")


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
