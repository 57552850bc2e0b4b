"""`nas bench NET...`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.bench.limits import BUDGET_S, MARGIN, MAX_PROCESSES, Limits, hopeless
from nas.bench.verdict import LEAST_PROCESSES, MOST_PROCESSES
from nas.cli import options
from nas.errors import SpecError
from nas.latency.options import LatencyOptions

if TYPE_CHECKING:
    from nas.bench.request import Request

NET_HELP = "A published network's name, an architecture's text, timm's block strings, torchvision:NAME or timm:NAME."


def command(
    net: Annotated[list[str] | None, typer.Argument(metavar="NET...", help=NET_HELP, show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="Every published network that nas knows by name.")] = False,
    device: Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda or cuda:1.")] = "auto",
    runtime: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RUNTIME",
            help="May be given again; the last is that of the throughput. Default: eager, and on CUDA cuda_graph too.",
        ),
    ] = None,
    batch: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,...",
            help="Latency at the smallest, throughput at all. Default: 1,2,4,... to 32, on CUDA to 256.",
        ),
    ] = None,
    dtype: Annotated[str, typer.Option(metavar="DTYPE", help="float32, float16 or bfloat16.")] = "float32",
    memory_format: Annotated[str, typer.Option(metavar="FORMAT", help="contiguous or channels_last.")] = "contiguous",
    threads: Annotated[
        str, typer.Option(metavar="N", help="Threads of the CPU; auto leaves one core to others.")
    ] = "auto",
    max_seconds: Annotated[
        float, typer.Option(metavar="S", help="Warm-up and sampling of a network; larger batches take what is left.")
    ] = LatencyOptions.max_seconds,
    out: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Also a file: .md with a picture beside it, .csv, .json with every sample."),
    ] = None,
    paired: Annotated[
        bool, typer.Option("--paired", help="Of two networks: which is faster? Timed alternately, in fresh processes.")
    ] = False,
    margin: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help=f"Paired: less than this is no difference. Default: {MARGIN:g}."),
    ] = None,
    budget_s: Annotated[
        float | None,
        typer.Option(metavar="S", help=f"Paired: begin no process that may end later. Default: {BUDGET_S:g}."),
    ] = None,
    max_processes: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help=f"Paired: nor more processes than these, {LEAST_PROCESSES} to {MOST_PROCESSES}. "
            f"Default: {MAX_PROCESSES}.",
        ),
    ] = None,
    plugin: options.PluginFiles = None,
    no_plugins: options.NoPlugins = False,
) -> None:
    """Measure networks on this machine, beside what the device can do and what torchvision publishes."""
    from nas.bench.files import check_out
    from nas.bench.request import make_request, parse_batches, parse_threads

    if out is not None:
        check_out(out)
    batches = () if batch is None else parse_batches(batch)
    asked: dict[str, Any] = {"device": device, "dtype": dtype, "memory_format": memory_format,
                             "threads": parse_threads(threads)}
    given = {"margin": margin, "budget_s": budget_s, "max_processes": max_processes}
    limits: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if paired:
        _refuse_unpaired(net, every, runtime, batches, out)
        asked |= {"max_seconds": max_seconds}
        _duel(net or [], plugin or [], no_plugins, asked, runtime, batches, Limits(**limits))
        return
    for name in limits:
        raise SpecError(f"--{name.replace('_', '-')}: is of a comparison of two networks; give --paired with it")
    request = make_request(
        net or (), every=every, runtimes=runtime or (), batches=batches, max_seconds=max_seconds,
        plugin_files=plugin or (), entry_points=not no_plugins, **asked,
    )
    _bench(request, out)


def _bench(request: Request, out: Path | None) -> None:
    from rich.console import Console

    from nas.bench import bar, table
    from nas.bench.files import write
    from nas.bench.networks import begin, carry_out
    from nas.worker import borrowed

    console, stopped = Console(stderr=True), False
    with borrowed(request.options.device) as worker:
        try:
            with console.status("asking the device"):
                bench = begin(request, worker)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        try:
            with bar.shown(bench.asked, console) as shown:
                for row in carry_out(bench, request, worker, shown.doing):
                    shown.finished(bench, row)
        except KeyboardInterrupt:
            stopped = True
    options.output().print(table.rendered(bench))
    if out is not None:
        console.print("wrote " + " and ".join(map(str, write(bench, out))), soft_wrap=True, markup=False,
                      highlight=False)
    if stopped:
        raise typer.Exit(130)
    if not any(row.outcome == "ok" for row in bench.rows):
        raise typer.Exit(1)


def _refuse_unpaired(
    net: list[str] | None, every: bool, runtime: list[str] | None, batches: tuple[int, ...], out: Path | None
) -> None:
    if every or len(net or ()) != 2:
        raise SpecError(f"--paired: compares two networks, got {'--all' if every else len(net or ())}; name two")
    if len(runtime or ()) > 1 or len(batches) > 1:
        raise SpecError("--paired: compares in one runtime at one batch; give one --runtime and one --batch")
    if out is not None:
        raise SpecError("--paired: its verdict is printed, --out is for tables; leave one of them out")


def _duel(
    net: list[str], plugin: list[Path], no_plugins: bool, asked: dict[str, Any], runtime: list[str] | None,
    batches: tuple[int, ...], limits: Limits,
) -> None:
    from rich.console import Console

    from nas.bench.duel import settle
    from nas.bench.duel_text import duel_text
    from nas.plugins import load_plugins

    told = asked | ({"runtime": runtime[0]} if runtime else {}) | ({"batch": batches[0]} if batches else {})
    console = Console(stderr=True)
    first, second = net
    if doubt := hopeless(limits):
        console.print(f"note: {doubt}", soft_wrap=True, highlight=False)
    try:
        with console.status("asking the device") as status:
            found = settle(
                first, second, LatencyOptions.of(told), load_plugins(plugin, not no_plugins), limits,
                tell=lambda doing: status.update(f"timing: {doing}"),
            )
    except KeyboardInterrupt:
        console.print("stopped: half a duel has no verdict")
        raise typer.Exit(130) from None
    options.output().print(duel_text(found))
