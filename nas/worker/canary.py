"""Whether a device answers at all, asked after a candidate has killed its worker twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nas.worker.messages import Tell

LIMIT_S = 120.0


def sings(arguments: Mapping[str, Any], tell: Tell) -> object:
    """Runs the small reference network once on the device of the options; another machine has to answer.

    Raises whatever that raises.
    """
    tell.phase("trying the device", LIMIT_S)
    import torch

    from nas.latency.device import resolve_device
    from nas.latency.reference import reference_network
    from nas.latency.remote.there import There

    found = resolve_device(arguments["device"])
    if found.kind == "ssh":
        There.on(found.torch_name).look()
        return True
    device = found.torch_name
    network, x = reference_network()
    with torch.inference_mode():
        answer = network.to(device)(x.to(device))
    return bool(answer.isfinite().all())
