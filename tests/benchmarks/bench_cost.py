"""The exact cost of a candidate: our table, warm and cold, beside the counters that run the built network."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.peers import hand_written
from tests.benchmarks.row import Row, Scale, Target, duration, seconds
from tests.benchmarks.space import RESOLUTION, study


def rows(scale: Scale, folder: Path) -> Iterator[Row]:
    """Warm, cold, and what ptflops says."""
    import torch

    import nas
    from nas.cost.count import count_architecture
    from nas.cost.table import CostTable
    from nas.plugins import load_plugins
    from nas.space import SearchSpace
    from nas.spec import parse_spec

    blocks = load_plugins(entry_points=False).blocks
    space = SearchSpace(parse_spec(study("cost", {"macs": "minimize"})), blocks)
    rng = random.Random(0)
    values = [space.draw(rng) for _ in range(scale.of(500, 6))]
    count_architecture(space.decode(values[0]), blocks, CostTable())  # what is loaded at the first use, is loaded
    table = CostTable()
    cold_s = seconds(lambda: [count_architecture(space.decode(chosen), blocks, table) for chosen in values])
    decoding_s = seconds(lambda: [space.decode(chosen) for chosen in values])
    cold = (cold_s - decoding_s) / len(values)

    seen = len(table)
    fresh = [space.decode(chosen) for chosen in values]  # new objects: whatever an architecture keeps, is not there yet
    warm = seconds(lambda: [count_architecture(arch, blocks, table) for arch in fresh]) / len(fresh)
    if len(table) != seen:
        raise AssertionError("the table was not warm")

    by_fvcore, by_ptflops = [], []
    ptflops, x = _ptflops(), torch.randn(1, 3, RESOLUTION, RESOLUTION)
    for chosen in values[:: len(values) // scale.of(40, 2)]:
        arch = space.decode(chosen)
        net, ours = nas.build(arch).eval(), count_architecture(arch, blocks, table)
        began = time.perf_counter()
        theirs = hand_written.costs(net, x)
        by_fvcore.append(time.perf_counter() - began)
        if theirs != (ours.params, ours.flops):
            raise AssertionError(f"{arch}: fvcore says {theirs}, we {ours}")
        if ptflops is not None:
            by_ptflops.append(seconds(lambda net=net: ptflops(net)))
    peer = statistics.mean(by_fvcore)
    told = (f"fvcore: mean over {len(by_fvcore)} of their built networks, building apart; params and flops of each are "
            "equal to ours")
    yield Row("cost of an unseen candidate, table warm", duration(warm), f"{duration(peer)} fvcore", peer / warm,
              Target(2000), f"mean over {len(fresh)} architectures just decoded, whose {seen} blocks are in the table; "
              f"decoding a choice into an architecture takes {duration(decoding_s / len(values))} more, as building "
              f"the network does on fvcore's side. {told}.")
    yield Row(f"cost of an unseen candidate, table cold, over {len(values)}", duration(cold), f"{duration(peer)} fvcore",
              peer / cold, Target(20), f"mean from an empty table on, decoding apart. {told}.")
    if by_ptflops:
        peer = statistics.mean(by_ptflops)
        yield Row("the same, table cold, against ptflops", duration(cold), f"{duration(peer)} ptflops", peer / cold,
                  note="mean over the same built networks; ptflops counts silu and sigmoid too, so its total is another.")
    else:
        yield Row("the same, table cold, against ptflops", duration(cold), "ptflops is not installed", None)


def _ptflops():  # type: ignore[no-untyped-def]
    """ptflops' count of a network, None where it is not installed."""
    try:
        from ptflops import get_model_complexity_info
    except ImportError:
        return None
    return lambda net: get_model_complexity_info(net, (3, RESOLUTION, RESOLUTION), as_strings=False,
                                                 print_per_layer_stat=False, verbose=False)
