"""Whether a device is there, and whether it answers: asked in a worker, since only there a GPU may be touched."""

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


def missing(arguments: Mapping[str, Any], tell: Tell) -> object:
    """Why there is no such device here, or None."""
    tell.phase("asking for the device", LIMIT_S)
    from nas.errors import SpecError
    from nas.latency.device import resolve_device

    try:
        resolve_device(arguments["device"])
    except SpecError as error:
        return str(error)
    return None
