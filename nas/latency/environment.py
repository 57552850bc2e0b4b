"""The machine that a measurement was taken on: what it is, and under "state" what it was doing at that moment."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from nas import plain
from nas.latency import gpu, processor
from nas.latency.device import Device
from nas.latency.remote.there import There
from nas.text import several

STATE = "state"
"""The one key of an environment whose value changes from moment to moment."""

WAITED = 0.05
"""A share of the time that a process may wait for a CPU before that is worth a warning."""

BUSY = 0.25
"""CPUs that others may take beyond the idle ones before that is worth a warning: the clock ticks are coarse."""


UNTOLD = {
    "throttle_reasons": "whether the GPU was throttled",
    "other_processes": "whether other processes use this GPU",
}
"""Facts of a GPU that are worth a warning where they are None, and what is unknown then."""


def describe(device: Device) -> dict[str, object]:
    """Facts that last, and under `STATE` those of this moment; plain values that JSON can hold.

    A fact that this system does not tell is None. `environment["state"]["unavailable"]` says what could not be asked
    at all, and why. Another machine tells of itself.
    """
    if device.kind == "ssh":
        return There.on(device.torch_name).look()[0]
    import torch

    lasting: dict[str, object] = {
        "device": device.name,
        "host": socket.gethostname(),
        "os": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        **_float32_precision(device),
        "cpu": processor.model(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cpus": len(processor.available_cpus()),
        "physical_cores": processor.physical_cores(),
        "governor": processor.governor(),
    }
    state: dict[str, object] = {
        "affinity": sorted(processor.available_cpus()),
        "load_average": processor.load_average(),
        "process": os.getpid(),
    }
    if device.kind == "cuda":
        of_gpu, now = _cuda(device)
        lasting |= of_gpu
        state |= now
    return {**lasting, STATE: state}


def _float32_precision(device: Device) -> dict[str, object]:
    """In what float32 is multiplied: "ieee" is float32 itself, "none" what torch does by default, which is the same.

    Asked library by library: `torch.get_float32_matmul_precision()` raises where somebody has set one of them alone.
    """
    import torch

    backends: Any = torch.backends  # of which not everything is typed
    on_cuda = device.kind == "cuda"
    matmul, convolution = (backends.cuda, backends.cudnn) if on_cuda else (backends.mkldnn, backends.mkldnn)
    return {
        "matmul_precision": matmul.matmul.fp32_precision,
        "convolution_precision": convolution.conv.fp32_precision,
    }


def _cuda(device: Device) -> tuple[dict[str, object], dict[str, object]]:
    import torch

    backends: Any = torch.backends  # of which not everything is typed
    card = torch.cuda.get_device_properties(device.torch_name)
    uuid = str(card.uuid)
    free, total = torch.cuda.mem_get_info(device.torch_name)  # makes a context: this process is one of the GPU's now
    lasting, now, unavailable = gpu.facts(uuid)
    if unavailable:
        now["unavailable"] = unavailable
    of_gpu = {
        "gpu_uuid": uuid,
        "gpu_memory_mib": total // 2**20,
        "compute_capability": f"{card.major}.{card.minor}",
        "cuda": torch.version.cuda,
        "cudnn": backends.cudnn.version(),
        "cudnn_benchmark": backends.cudnn.benchmark,
    }
    return of_gpu | lasting, now | {"gpu_memory_free_mib": free // 2**20}


def lock_names(environment: Mapping[str, Any]) -> list[str]:
    """What is held while timing in this environment: the GPU, or each core that this process may use."""
    if "gpu_uuid" in environment:
        return [str(environment["gpu_uuid"])]
    return [f"cpu-{core}" for core in environment[STATE]["affinity"]]


def joined(before: Mapping[str, object], after: Mapping[str, object], foreign: float | None) -> dict[str, object]:
    """One environment out of the two around a measurement, and how many CPUs others kept busy meanwhile."""
    return lasting(before) | {STATE: {"before": before[STATE], "after": after[STATE], "foreign_cpus": foreign}}


def doubts(environment: Mapping[str, object], threads: int, waited: float = 0.0) -> Iterator[str]:
    """What in the state of a `joined` environment speaks against what was measured in it, with `threads` threads, of
    which none had a CPU for the share `waited` of the time. On a GPU one thread launches, whatever `threads` are.
    """
    state: Any = environment[STATE]
    cpus: Any = environment["cpus"]
    foreign, after = state["foreign_cpus"], state["after"]
    if waited > WAITED:
        yield f"for {waited:.0%} of the time it waited for a CPU"
    on_gpu = "gpu_uuid" in environment
    if foreign is not None and foreign + (1 if on_gpu else threads) > cpus + BUSY:
        timed = (
            "one thread launched the GPU's work" if on_gpu
            else f"{several(threads, 'thread')} {'was' if threads == 1 else 'were'} timed"
        )
        yield (f"other processes kept {foreign:g} of {cpus} CPUs busy while {timed}: "
               "this is the latency of a busy machine")
    if after.get("unavailable"):
        yield after["unavailable"]
    for fact, unknown in UNTOLD.items():
        if fact in after and after[fact] is None:
            yield f"{unknown} is unknown: its driver does not tell"
    if reasons := _either(state, "throttle_reasons"):
        yield f"the GPU was throttled: {', '.join(reasons)}"
    if limits := _either(state, "board_limits"):
        yield f"the clocks of the CPU were held down: {', '.join(limits)}"
    if others := _either(state, "foreign_processes"):
        yield f"other processes use this GPU: {', '.join(map(str, others))}"
    elif count := max(state[moment].get("other_processes") or 0 for moment in ("before", "after")):
        yield f"other processes use this GPU: {count}, whose numbers this container hides"


def throttled(environment: Mapping[str, object]) -> bool:
    """Whether heat or failing power lowered the clocks of the GPU of a `joined` environment, or of another machine's
    board, before or after timing.

    Its own power limit does not count: small cards run at theirs whenever they have work, it is part of the
    environment, and warned of.
    """
    state = environment[STATE]
    of_gpu = any(reason in gpu.SEVERE for reason in _either(state, "throttle_reasons"))
    return of_gpu or bool(_either(state, "board_limits"))


def _either(state: Any, fact: str) -> list[Any]:
    """What a list of the state holds before or after a measurement, each thing once."""
    return list(dict.fromkeys(item for moment in ("before", "after") for item in state[moment].get(fact) or ()))


def lasting(environment: Mapping[str, object]) -> dict[str, object]:
    """An environment without its state: equal for all measurements that may be compared."""
    return {key: value for key, value in environment.items() if key != STATE}


def fingerprint(environment: Mapping[str, object]) -> str:
    """12 hex digits over what lasts: not over load, clocks, temperature or neighbours. The same as in the database."""
    return plain.fingerprint(lasting(environment))
