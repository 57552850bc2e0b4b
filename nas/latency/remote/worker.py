"""The measuring worker: this one file is sent over ssh and executed by the Python that is found there.

Python >= 3.9, its standard library, and what runs the networks: onnxruntime (with numpy, which onnxruntime brings),
torch >= 2.0, or TensorRT >= 10 with its driver, which is called through ctypes. It imports nothing of `nas`, which need
not be installed where it runs. Line by line it reads requests from standard input, one JSON object
each: `{"id": number, "do": name, "bytes": [n, ...], ...}`, followed by so many raw bytes; it answers with any number of
`{"phase": name}`, and then one of `{"answer": value}` and `{"failed": text, "outcome": word}`, each with its request's
`id`. Where standard input ends, or the connection, the process is killed, whatever it is doing.

How to warm up and when to stop is the same as in `nas.latency.sampling` and `nas.latency.stopping`, whose numbers come
with each request; a test holds the two together.

In this order: statistics, sampling, the machine, CUDA's driver, locks, networks (one class a library), the worker.
"""

from __future__ import annotations

import base64
import ctypes
import errno
import fcntl
import gc
import json
import math
import os
import platform
import select
import signal
import socket
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import cache, lru_cache
from typing import Any, BinaryIO, Callable

HELLO = "nas-worker"
"""Begins the first line that is said, so that what a login shell prints before is told apart."""

Call = Callable[[], object]
Timer = Callable[..., float]
Rules = Mapping[str, Any]


class UnfitError(Exception):
    """This machine cannot do what is asked, whatever the network: `device_error`."""


class LockError(Exception):
    """A lock of this machine's devices cannot be had, whatever the network: `contaminated`."""


# Statistics, as in nas.latency.statistics


def quantile(samples: Sequence[float], share: float) -> float:
    """The `share` quantile (0 to 1) by linear interpolation between order statistics."""
    ordered = sorted(samples)
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def median(samples: Sequence[float]) -> float:
    """The middle sample, or the mean of the two middle ones."""
    return quantile(samples, 0.5)


def median_interval(samples: Sequence[float], confidence: float) -> tuple[float, float]:
    """The distribution-free confidence interval of the median, between two order statistics."""
    ordered = sorted(samples)
    rank = _rank(len(ordered), confidence)
    return ordered[rank - 1], ordered[-rank]


@lru_cache(maxsize=4096)
def _rank(n: int, confidence: float) -> int:
    total = 2**n
    below, term, rank = 1, 1, 1
    while rank < (n + 1) // 2:
        term = term * (n - rank + 1) // rank
        if 1 - 2 * ((below + term) / total) < confidence:
            break
        below += term
        rank += 1
    return rank


# Sampling, as in nas.latency.stopping and nas.latency.sampling


def budget_s(pass_s: float, budget: Rules) -> float:
    """Seconds that a network of `pass_s` a pass may cost, warm-up included."""
    return float(min(budget["max_seconds"], max(budget["least_s"], budget["passes"] * pass_s)))


def warm_up(call: Call, timer: Timer, rule: Rules, budget: Rules, clock: Callable[[], float]) -> dict[str, Any]:
    """Calls until the level is stable, or until the rule's share of the whole measurement's budget is spent."""
    begin = clock()
    levels: list[float] = []
    calls = 0
    while True:
        window: list[float] = []
        opened = clock()
        while not window or clock() - opened < rule["window_s"]:
            window.append(timer(call))
        calls += len(window)
        levels.append(median(window))
        elapsed = clock() - begin
        recent = levels[-rule["windows"] :]
        agree = len(recent) == rule["windows"] and max(recent) - min(recent) <= rule["tolerance"] * min(recent)
        stable = agree and elapsed >= min(rule["min_seconds"], budget["max_seconds"])
        if stable or elapsed >= rule["max_share"] * budget_s(levels[-1], budget):
            return {"level_s": levels[-1], "stable": stable, "calls": calls, "seconds": elapsed}


def verdict(samples: Sequence[float], elapsed_s: float, left_s: float, rules: Rules) -> str | None:
    """Why to stop now, or None to go on."""
    capped = is_spent(samples, elapsed_s, left_s, rules)
    if len(samples) >= rules["min_samples"] and (capped or elapsed_s >= rules["min_seconds"]):
        low, high = median_interval(samples, rules["confidence"])
        if high - low <= rules["target"] * median(samples):
            return "precision"
    return "cap" if capped else None


def is_spent(samples: Sequence[float], elapsed_s: float, left_s: float, rules: Rules) -> bool:
    """Whether one more sample like the last would go past a cap."""
    return bool(elapsed_s + samples[-1] > left_s or len(samples) >= rules["max_samples"])


def reference_every(sample_s: float, reference_s: float, rules: Rules) -> int:
    """How many samples of the candidate there are to one of the reference; 1 is alternation."""
    return max(1, math.ceil(reference_s / (rules["reference_share"] * sample_s))) if sample_s > 0 else 1


def sample(
    candidate: Call,
    reference: Call,
    timer: Timer,
    left_s: float,
    rules: Rules,
    repeats: int,
    every: int,
    clock: Callable[[], float],
    busy: Callable[[], float],
) -> dict[str, Any]:
    """Samples the candidate, `repeats` calls each, and the reference twice after the first of each `every` of them."""
    begin = clock()
    samples: list[float] = []
    references: list[float] = []
    ratios: list[float] = []
    paces: list[float] = []
    moments: list[tuple[float, float]] = []
    next_check = 1
    stopped_by: str | None = None
    while stopped_by is None:
        samples.append(timer(candidate, repeats))
        if (len(samples) - 1) % every == 0:
            references.append(timer(reference))
            ratios.append(samples[-1] / references[-1] if references[-1] > 0 else math.inf)
            paces.append(timer(reference))
            moments.append((clock() - begin, busy()))
        elapsed = clock() - begin
        if len(samples) >= next_check or is_spent(samples, elapsed, left_s, rules):
            stopped_by = verdict(samples, elapsed, left_s, rules)
            next_check = math.ceil(len(samples) * rules["check_growth"])
    return {
        "candidate_s": samples, "reference_s": references, "ratios": ratios, "stopped_by": stopped_by,
        "seconds": clock() - begin, "paces": paces, "moments": moments,
    }


def host_timer(call: Call, repeats: int = 1) -> float:
    """Seconds a call, over `repeats` calls in a row that have finished when they return."""
    times = range(repeats)
    begin = time.perf_counter_ns()
    for _ in times:
        call()
    end = time.perf_counter_ns()
    return (end - begin) / 1e9 / repeats


def passes_of(call: Call) -> int:
    """How many passes of the network a call holds."""
    return int(getattr(call, "passes", 1))


def event_timer(begin: Callable[[], object], end_s: Callable[[], float]) -> Timer:
    """Seconds a call by the device's own clock: `begin` waits until it is idle and sets a mark, `end_s` sets another,
    waits for it and tells how long after the first it came.
    """

    def timer(call: Call, repeats: int = 1) -> float:
        total = 0.0
        for _ in range(repeats):
            begin()
            call()
            total += end_s()
        return total / repeats

    return timer


def synchronised_timer(wait: Callable[[], object]) -> Timer:
    """Seconds a call on the host's clock, of calls that a device goes on with: until `wait` says that it is done."""

    def timer(call: Call, repeats: int = 1) -> float:
        total_ns = 0
        for _ in range(repeats):
            wait()
            begin = time.perf_counter_ns()
            call()
            wait()
            total_ns += time.perf_counter_ns() - begin
        return total_ns / 1e9 / repeats

    return timer


def unknown() -> float:
    """How busy this process was, where a device computes."""
    return math.nan


def timed(
    candidate: Call,
    reference: Call,
    rules: Rules,
    timer: Timer = host_timer,
    clock: Callable[[], float] = time.perf_counter,
    busy: Callable[[], float] = time.process_time,
) -> dict[str, Any]:
    """Warms both up, then samples them, without garbage collection; all in seconds, those of samples a pass."""

    def pass_timer(call: Call, repeats: int = 1) -> float:
        return timer(call, repeats) / passes_of(call)

    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        budget = rules["budget"]
        level = warm_up(reference, pass_timer, rules["reference_warm_up"], budget, clock)["level_s"]
        warm = warm_up(candidate, pass_timer, rules["warm_up"], budget, clock)
        repeats = max(1, math.ceil(rules["min_sample_s"] / max(warm["level_s"], 1e-9)))
        left_s = budget_s(warm["level_s"], budget) - warm["seconds"]
        calls_s = warm["level_s"] * repeats * passes_of(candidate)
        every = reference_every(calls_s, 2 * level * passes_of(reference), rules)
        samples = sample(candidate, reference, pass_timer, left_s, rules, repeats, every, clock, busy)
    finally:
        if was_enabled:
            gc.enable()
    return {"warm": warm, "repeats": repeats, "samples": samples}


# The machine, as in nas.latency.processor and nas.latency.environment


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip("\n\0 ")
    except OSError:
        return None


def cpu_model() -> str:
    """The CPU's name, or the board's where only that is told, as on ARM."""
    for line in (_text("/proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "Hardware") and value.strip():
            return value.strip()
    return _text("/proc/device-tree/model") or platform.processor() or platform.machine() or "unknown CPU"


def available_cpus() -> list[int]:
    """Logical CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def physical_cores() -> int:
    """Physical cores that this process may use: siblings of one core count once, and a container's limit holds."""
    place = "/sys/devices/system/cpu/cpu{}/topology/{}"
    cores = {
        (_text(place.format(cpu, "physical_package_id")), _text(place.format(cpu, "core_id")) or str(cpu))
        for cpu in available_cpus()
    }
    quota = _quota_cpus()
    return len(cores) if quota is None else max(1, min(len(cores), int(quota)))


def _quota_cpus() -> float | None:
    fields = (_text("/sys/fs/cgroup/cpu.max") or "max").split()
    if fields[0] != "max" and len(fields) == 2:
        return int(fields[0]) / int(fields[1])
    quota, period = _text("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), _text("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
    return int(quota) / int(period) if quota and period and int(quota) > 0 else None


def governor() -> str | None:
    """How the clock is governed; several words where the CPUs differ."""
    found = {_text(f"/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor") for cpu in available_cpus()}
    return ",".join(sorted(word for word in found if word)) or None


def board_limits() -> list[str]:
    """What holds the CPU's clocks down now, as a Raspberry Pi's firmware tells, and Linux of its governor."""
    found = []
    mask = _text("/sys/devices/platform/soc/soc:firmware/get_throttled")
    with suppress(ValueError):
        bits = int(mask or "0", 16)
        found = [name for bit, name in enumerate(FIRMWARE_LIMITS) if bits >> bit & 1]
    folder = "/sys/class/thermal"
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        kind, level = _text(f"{folder}/{name}/type") or "", _text(f"{folder}/{name}/cur_state") or ""
        if name.startswith("cooling_device") and "cpufreq" in kind and level.isdigit() and int(level) > 0:
            found.append(f"{kind} at {level}")
    return found


FIRMWARE_LIMITS = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")
"""Bits 0 to 3 of `vcgencmd get_throttled`; those from 16 on say what has been."""


def lasting(device: str) -> dict[str, Any]:
    """What the machine is, and its GPU where that is the device; None for a fact that it does not tell."""
    cpu = cpu_model()
    gpu = {} if device == "cpu" else driver(device).facts()
    return {
        "device": cpu,
        "host": socket.gethostname(),
        "os": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "python": platform.python_version(),
        "cpu": cpu,
        "cpus": len(available_cpus()),
        "physical_cores": physical_cores(),
        "governor": governor(),
        **gpu,
    }


def state(device: str) -> dict[str, Any]:
    """What the machine is doing at this moment."""
    try:
        load: float | None = round(os.getloadavg()[0], 2)
    except OSError:
        load = None
    now: dict[str, Any] = {
        "affinity": available_cpus(), "load_average": load, "process": os.getpid(), "board_limits": board_limits(),
    }
    return now if device == "cpu" else {**now, **gpu_state(driver(device).uuid)}


GPU_REASONS = {
    "hw_slowdown": 0x08,
    "hw_thermal_slowdown": 0x40,
    "hw_power_brake": 0x80,
    "sw_thermal_slowdown": 0x20,
    "sw_power_cap": 0x04,
}
"""As in nas.latency.gpu."""


def gpu_state(card: str) -> dict[str, Any]:
    """What the GPU of this UUID is doing, as nvidia-smi tells, which a Jetson lacks."""
    said = _nvidia_smi(card, "--query-gpu=clocks_throttle_reasons.active,clocks.sm,temperature.gpu")
    fields = [field.strip() for field in said[0].split(",")] if said else []
    if len(fields) != 3:
        return {"unavailable": "GPU clocks, temperature, throttling and other processes are unknown: nvidia-smi there "
                               "does not tell"}
    mask = int(fields[0], 16) if fields[0].startswith("0x") else None
    others = _nvidia_smi(card, "--query-compute-apps=pid")
    pids = None if others is None else sorted(int(pid) for pid in others if pid.isdigit())
    return {
        "throttle_reasons": None if mask is None else [name for name, bit in GPU_REASONS.items() if mask & bit],
        "sm_clock_mhz": int(fields[1]) if fields[1].isdigit() else None,
        "temperature_c": int(fields[2]) if fields[2].isdigit() else None,
        "foreign_processes": None if pids is None else [pid for pid in pids if pid != os.getpid()],
    }


def _nvidia_smi(card: str, query: str) -> list[str] | None:
    command = ["nvidia-smi", "-i", f"GPU-{card}", query, "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return [line.strip() for line in said.stdout.decode(errors="replace").splitlines() if line.strip()]


def cpu_time() -> list[float | None]:
    """A moment, and the CPU seconds that the machine and this process had spent until then."""
    mine, ticks = set(available_cpus()), []
    for line in (_text("/proc/stat") or "").splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name != "cpu" and len(fields) >= 8 and int(name[3:]) in mine:
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
            ticks.append(user + nice + system + irq + softirq + steal)
    machine = sum(ticks) / os.sysconf("SC_CLK_TCK") if ticks else None
    return [time.monotonic(), machine, time.process_time()]


# CUDA's driver: what the GPUs are, and for TensorRT memory, streams, events and graphs


class Driver:
    """`libcuda.so.1`, which every machine with a CUDA device has, and one of its devices."""

    def __init__(self, index: int) -> None:
        try:
            self._library = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise UnfitError(f"there is no CUDA device: {error}") from None
        self.call("cuInit", 0)
        count = ctypes.c_int()
        self.call("cuDeviceGetCount", ctypes.byref(count))
        if index >= count.value:
            raise UnfitError(f"there is no cuda:{index}: it has {count.value} CUDA devices, counted from cuda:0")
        self._device = ctypes.c_int()
        self.call("cuDeviceGet", ctypes.byref(self._device), index)
        raw = (ctypes.c_ubyte * 16)()
        self.call("cuDeviceGetUuid", raw, self._device)
        self.uuid = str(uuid.UUID(bytes=bytes(raw)))
        self._stream: int | None = None

    def call(self, name: str, *arguments: Any) -> None:
        """Calls the driver; what fails is raised."""
        status = getattr(self._library, name)(*arguments)
        if status == OUT_OF_MEMORY:
            raise MemoryError(f"{name}: CUDA out of memory")
        if status:
            text = ctypes.c_char_p()
            self._library.cuGetErrorString(status, ctypes.byref(text))
            raise UnfitError(f"CUDA error {status} of {name}: {(text.value or b'unknown').decode()}")

    def facts(self) -> dict[str, Any]:
        """What the device is."""
        name, memory, version = ctypes.create_string_buffer(256), ctypes.c_size_t(), ctypes.c_int()
        self.call("cuDeviceGetName", name, 256, self._device)
        self.call("cuDeviceTotalMem_v2", ctypes.byref(memory), self._device)
        self.call("cuDriverGetVersion", ctypes.byref(version))
        said = _nvidia_smi(self.uuid, "--query-gpu=driver_version")
        return {
            "device": name.value.decode(),
            "gpu_uuid": self.uuid,
            "gpu_memory_mib": memory.value // 2**20,
            "compute_capability": f"{self._attribute(75)}.{self._attribute(76)}",
            "driver_cuda": f"{version.value // 1000}.{version.value % 1000 // 10}",
            "driver": said[0] if said else None,
        }

    def _attribute(self, which: int) -> int:
        value = ctypes.c_int()
        self.call("cuDeviceGetAttribute", ctypes.byref(value), which, self._device)
        return value.value

    def enter(self) -> int:
        """Makes the device the current one, with the context that other libraries use too; the stream to work on."""
        if self._stream is None:
            context = ctypes.c_void_p()
            self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), self._device)
            self.call("cuCtxSetCurrent", context)
            self._stream = self._made("cuStreamCreate", NON_BLOCKING)
            self._begin, self._end = self._made("cuEventCreate", 0), self._made("cuEventCreate", 0)
        return self._stream

    def _made(self, name: str, *arguments: Any) -> int:
        handle = ctypes.c_void_p()
        self.call(name, ctypes.byref(handle), *arguments)
        return handle.value or 0

    def allocated(self, size: int) -> int:
        """The address of so many bytes on the device."""
        address = ctypes.c_uint64()
        self.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
        return address.value

    def freed(self, address: int) -> None:
        """Gives `allocated` back."""
        self.call("cuMemFree_v2", ctypes.c_uint64(address))

    def to_device(self, address: int, values: bytes) -> None:
        """Copies bytes there."""
        self.call("cuMemcpyHtoD_v2", ctypes.c_uint64(address), values, ctypes.c_size_t(len(values)))

    def from_device(self, address: int, size: int) -> bytes:
        """Copies bytes from there."""
        values = ctypes.create_string_buffer(size)
        self.call("cuMemcpyDtoH_v2", values, ctypes.c_uint64(address), ctypes.c_size_t(size))
        return values.raw

    def wait(self) -> None:
        """Until the stream has done its work."""
        self.call("cuStreamSynchronize", ctypes.c_void_p(self.enter()))

    def captured(self, work: Callable[[], object]) -> int:
        """A graph of what `work` puts on the stream, ready to be launched."""
        stream, graph = ctypes.c_void_p(self.enter()), ctypes.c_void_p()
        self.call("cuStreamBeginCapture_v2", stream, RELAXED)
        try:
            work()
        finally:
            self.call("cuStreamEndCapture", stream, ctypes.byref(graph))
        try:
            return self._made("cuGraphInstantiateWithFlags", graph, ctypes.c_uint64(0))
        finally:
            self.call("cuGraphDestroy", graph)

    def launch(self, graph: int) -> None:
        """Puts a graph on the stream."""
        self.call("cuGraphLaunch", ctypes.c_void_p(graph), ctypes.c_void_p(self.enter()))

    def destroyed(self, graph: int) -> None:
        """Gives `captured` back."""
        self.call("cuGraphExecDestroy", ctypes.c_void_p(graph))

    def begin(self) -> None:
        """Marks the beginning of what is timed, on an idle stream."""
        self.wait()
        self.call("cuEventRecord", ctypes.c_void_p(self._begin), ctypes.c_void_p(self.enter()))

    def end_s(self) -> float:
        """Seconds from the mark until the stream has done its work."""
        elapsed_ms = ctypes.c_float()
        self.call("cuEventRecord", ctypes.c_void_p(self._end), ctypes.c_void_p(self.enter()))
        self.call("cuEventSynchronize", ctypes.c_void_p(self._end))
        self.call("cuEventElapsedTime", ctypes.byref(elapsed_ms), ctypes.c_void_p(self._begin),
                  ctypes.c_void_p(self._end))
        return elapsed_ms.value / 1e3


OUT_OF_MEMORY = 2
NON_BLOCKING = 1
"""The stream does not wait for the default one, which cannot be captured."""
RELAXED = 2
"""While it is captured, TensorRT may ask the driver whatever it likes."""


@cache
def driver(device: str) -> Driver:
    """The driver and the device of "cuda:N"."""
    return Driver(int(device.partition(":")[2]))


# The locks, as in nas.latency.lock


def lock(names: Sequence[str], waiting: Callable[[], None]) -> list[int]:
    """Takes the locks of these names on this machine: descriptors, which give them back where they are closed.

    Raises:
        LockError: one cannot be opened.
    """
    folder = f"/tmp/nas-locks-{os.getuid()}"  # 0700, and checked
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        return _locked(folder, names, waiting)
    except OSError as error:
        place = error.filename or folder
        raise LockError(f"{place}: the locks of the devices cannot be kept there: {error.strerror or error}; remove "
                        "what is there, and see that its folder can be written to") from error


def _locked(folder: str, names: Sequence[str], waiting: Callable[[], None]) -> list[int]:
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077 or found.st_uid != os.getuid():
        raise LockError(f"{folder}: the locks of the devices are kept there, and it is not a folder of this user "
                        "alone; remove it")
    held: list[int] = []
    told = False
    try:
        for name in sorted(names):
            while (descriptor := _try_lock(f"{folder}/{name}.lock")) is None:
                if not told:
                    waiting()
                    told = True
                time.sleep(0.01)
            held.append(descriptor)
    except BaseException:
        unlock(held)
        raise
    return held


def _try_lock(path: str) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.exists(path) and os.path.samestat(os.fstat(descriptor), os.stat(path)):
            return descriptor  # else somebody has removed it meanwhile, and another file is the lock now
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES, errno.ENOENT):
            os.close(descriptor)
            raise
    os.close(descriptor)
    return None


def unlock(held: list[int]) -> None:
    """Gives locks back."""
    while held:
        os.close(held.pop())


# Networks: `passes` of one a call, timed by `timer`, within `around`; `close` gives its memory back


def full_input(request: Rules, image: bytes) -> bytes:
    """The whole input, of which all images are equal."""
    return image * int(request["shape"][0])


def told(shape: Sequence[int], dtype: str, values: bytes) -> dict[str, Any]:
    """An output of a network, or what belongs to its first image, as it travels."""
    first = len(values) // shape[0] if shape and shape[0] else len(values)
    return {
        "shape": [1, *shape[1:]] if shape and shape[0] else list(shape), "dtype": dtype,
        "values": base64.b64encode(values[:first]).decode(),
    }


class OnnxNetwork:
    """A graph in ONNX Runtime, on the CPU or with its CUDA provider, bound to one input and to its outputs on the
    device, so that no copy is timed. A call has finished on return.
    """

    passes = 1
    host_timed = True
    timer = staticmethod(host_timer)
    around = staticmethod(nullcontext)

    def __init__(self, request: Rules, image: bytes, graph: bytes) -> None:
        import numpy
        import onnxruntime

        place, _, index = request["device"].partition(":")
        number = int(index or 0)
        provider: Any = "CPUExecutionProvider"
        if place == "cuda":
            settings = {"device_id": str(number)}
            if not request["settings"]["tf32"]:
                settings["use_tf32"] = "0"
            provider = ("CUDAExecutionProvider", settings)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = request["threads"]
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3
        # Threads that spin after a pass would take the CPU away from the other network.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        try:
            self._session = onnxruntime.InferenceSession(graph, options, providers=[provider])
        except Exception as error:  # its own kinds of error have no common kind
            if lacks_graph(error):
                said = str(error).strip().splitlines()[0]
                raise UnfitError(f"onnxruntime {onnxruntime.__version__} is too old for the graph; pip install -U "
                                 f"onnxruntime there ({said})") from error
            raise
        if place == "cuda" and self._session.get_providers()[0] != "CUDAExecutionProvider":
            raise UnfitError("ONNX Runtime does not load its CUDA provider; it says why on standard error. CUDA and "
                             "cuDNN have to be of the versions that it was built for")
        [given] = self._session.get_inputs()
        x = numpy.frombuffer(full_input(request, image), dtype=request["dtype"]).reshape(request["shape"])
        names = [output.name for output in self._session.get_outputs()]
        answers = self._session.run(names, {given.name: x})
        value = onnxruntime.OrtValue.ortvalue_from_numpy
        self._x = value(x, place, number)
        self._answers = [value(numpy.ascontiguousarray(answer), place, number) for answer in answers]
        self._binding = self._session.io_binding()
        self._binding.bind_ortvalue_input(given.name, self._x)
        for name, answer in zip(names, self._answers):
            self._binding.bind_ortvalue_output(name, answer)

    def __call__(self) -> None:
        """One pass."""
        self._session.run_with_iobinding(self._binding)

    def answer(self) -> list[dict[str, Any]]:
        """What it says of the first image, one entry an output."""
        self()
        arrays = [answer.numpy() for answer in self._answers]
        return [told(array.shape, str(array.dtype), array.tobytes()) for array in arrays]

    def close(self) -> None:
        """Nothing to do: the session holds it all."""


def lacks_graph(error: Exception) -> bool:
    """Whether this ONNX Runtime is older than the graph: its operators' versions, or its format's."""
    text = str(error)
    return any(sign in text for sign in (
        "is not a registered function/op", "Could not find an implementation", "IR version",
        "onnx opset versions", "is under development and support for this is limited",
    ))


class TorchNetwork:
    """A function over `torch.ops.aten`, and its weights, in eager mode."""

    passes = 1

    def __init__(self, request: Rules, image: bytes, source: bytes, weights: bytes) -> None:
        import torch

        self._torch = torch
        settings = request["settings"]
        torch.set_num_threads(request["threads"])
        if "matmul_precision" in settings:
            torch.set_float32_matmul_precision(settings["matmul_precision"])
        for name, value in (("allow_tf32", "cudnn_tf32"), ("benchmark", "cudnn_benchmark")):
            if value in settings:
                setattr(torch.backends.cudnn, name, settings[value])
        self._device = device = torch.device(request["device"])
        self.host_timed = device.type == "cpu"
        self.timer: Timer = host_timer
        if device.type == "cuda":
            torch.cuda.set_device(device)
            self.timer = synchronised_timer(torch.cuda.synchronize)
        self.around = torch.inference_mode
        with torch.inference_mode():
            self._x = self._tensor(full_input(request, image), request)
            self._weights, begin = [], 0
            for facts in settings["weights"]:
                size = math.prod(facts["shape"]) * torch.empty(0, dtype=getattr(torch, facts["dtype"])).element_size()
                self._weights.append(self._tensor(weights[begin : begin + size], facts))
                begin += size
        scope: dict[str, Any] = {"torch": torch}
        exec(compile(source, "network.py", "exec"), scope)  # what this file is sent for
        self._network = scope["network"]

    def _tensor(self, values: bytes, facts: Rules) -> Any:
        torch = self._torch
        dtype = getattr(torch, facts["dtype"])
        flat = torch.frombuffer(bytearray(values), dtype=dtype) if values else torch.empty(0, dtype=dtype)
        laid_out = torch.empty_strided(facts["shape"], facts["stride"], dtype=dtype, device=self._device)
        return laid_out.copy_(flat.reshape(facts["shape"]))

    def __call__(self) -> Any:
        """One pass; on a CPU it has finished on return."""
        return self._network(self._x, self._weights, self._device)

    def answer(self) -> list[dict[str, Any]]:
        """What it says of the first image, one entry an output."""
        torch = self._torch
        try:
            with torch.inference_mode():
                answers = [(answer[:1] if answer.dim() else answer).cpu().contiguous() for answer in self()]
        except AttributeError as error:
            said = f"torch {torch.__version__} lacks an operator; install a newer one there ({error})"
            raise UnfitError(said) from error
        return [
            told(answer.shape, str(answer.dtype).partition(".")[2], bytes(answer.flatten().view(torch.uint8).tolist()))
            for answer in answers
        ]

    def close(self) -> None:
        """Gives what it took on a GPU to the next one."""
        del self._network, self._weights, self._x
        if self._device.type == "cuda":
            self._torch.cuda.empty_cache()


class TensorrtNetwork:
    """An engine that TensorRT builds of a graph, in a CUDA graph of as many passes as fill `REPLAY_S`."""

    host_timed = False
    around = staticmethod(nullcontext)

    def __init__(self, request: Rules, image: bytes, graph: bytes) -> None:
        import tensorrt

        self._driver = driver(request["device"])
        self._stream = self._driver.enter()
        self.timer = event_timer(self._driver.begin, self._driver.end_s)
        self._taken: list[int] = []
        self._graph: int | None = None
        self._outputs: list[tuple[int, list[int], str, int]] = []  # address, shape, dtype, bytes
        logger = tensorrt.Logger(tensorrt.Logger.ERROR)
        plan = engine_of(graph, logger, tf32=request["settings"]["tf32"])
        self._runtime = tensorrt.Runtime(logger)  # which has to outlive its engines
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise ValueError("TensorRT does not load the engine that it built")
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise MemoryError("the GPU has no memory for what TensorRT's engine computes in between")
        try:
            self._bind(tensorrt, full_input(request, image))
            for _ in range(WARM_UP_PASSES):
                self._pass()
            self._driver.wait()
            self._capture()
        except BaseException:
            self.close()
            raise

    def _bind(self, tensorrt: Any, x: bytes) -> None:
        for index in range(self._engine.num_io_tensors):
            name = self._engine.get_tensor_name(index)
            if self._engine.get_tensor_mode(name) == tensorrt.TensorIOMode.INPUT:
                address = self._allocated(len(x))
                self._driver.to_device(address, x)
            else:
                shape = [int(size) for size in self._engine.get_tensor_shape(name)]
                kind = self._engine.get_tensor_dtype(name).name
                if kind not in TENSORRT_TYPES:
                    raise ValueError(f"its output {name} is of TensorRT's type {kind}")
                dtype, width = TENSORRT_TYPES[kind]
                size = math.prod(shape) * width
                address = self._allocated(size)
                self._outputs.append((address, shape, dtype, size))
            self._context.set_tensor_address(name, address)

    def _allocated(self, size: int) -> int:
        address = self._driver.allocated(max(1, size))
        self._taken.append(address)
        return address

    def _pass(self) -> None:
        if not self._context.execute_async_v3(self._stream):
            raise ValueError("TensorRT does not run its engine; it says why on standard error")

    def _passes(self) -> None:
        for _ in range(self.passes):
            self._pass()

    def _capture(self) -> None:
        self.passes = 1
        self._graph = self._driver.captured(self._passes)
        self()
        one_s = self.timer(self)
        self.passes = max(1, min(MAX_PASSES, math.ceil(REPLAY_S / max(one_s, 1e-9))))
        if self.passes > 1:
            one, self._graph = self._graph, None
            self._driver.destroyed(one)
            self._graph = self._driver.captured(self._passes)

    def __call__(self) -> None:
        """Lets the device begin `passes` passes."""
        if self._graph is not None:
            self._driver.launch(self._graph)

    def answer(self) -> list[dict[str, Any]]:
        """What it says of the first image, one entry an output."""
        self()
        self._driver.wait()
        return [
            told(shape, dtype, self._driver.from_device(address, size)) for address, shape, dtype, size in self._outputs
        ]

    def close(self) -> None:
        """Gives the device's memory back."""
        if self._graph is not None:
            self._driver.destroyed(self._graph)
            self._graph = None
        self._context = None  # before its engine
        while self._taken:
            self._driver.freed(self._taken.pop())


WARM_UP_PASSES = 3
REPLAY_S = 0.01
MAX_PASSES = 200
"""As in nas_runtimes.graphs."""

TENSORRT_TYPES = {
    "FLOAT": ("float32", 4), "HALF": ("float16", 2), "BF16": ("bfloat16", 2), "INT64": ("int64", 8),
    "INT32": ("int32", 4), "INT8": ("int8", 1), "UINT8": ("uint8", 1), "BOOL": ("bool", 1),
}


def engine_of(graph: bytes, logger: Any, *, tf32: bool) -> Any:
    """The serialised engine of a graph, in the types that the graph says, at TensorRT's default optimisation level."""
    import tensorrt

    builder = tensorrt.Builder(logger)
    network = builder.create_network(1 << int(tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse(graph):
        complaint = parser.get_error(0).desc() if parser.num_errors else "no reason given"
        raise ValueError(f"TensorRT does not take the graph: {complaint}")
    config = builder.create_builder_config()
    (config.set_flag if tf32 else config.clear_flag)(tensorrt.BuilderFlag.TF32)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ValueError("TensorRT builds no engine of this network; it says why on standard error")
    return plan


NETWORKS: Mapping[str, Any] = {"onnxruntime": OnnxNetwork, "torch": TorchNetwork, "tensorrt": TensorrtNetwork}


def libraries(library: str, device: str) -> dict[str, str]:
    """What runs networks here, with its versions.

    Raises:
        ImportError: it is not installed.
        UnfitError: it is too old, or does not know the device.
    """
    import importlib

    module = importlib.import_module(library)
    found = {library: str(module.__version__)}
    major = int(found[library].partition(".")[0])
    if major < OLDEST[library]:
        raise UnfitError(f"{library} {found[library]} is too old; install {OLDEST[library]}.0 or newer there")
    if library == "onnxruntime":
        found["numpy"] = str(importlib.import_module("numpy").__version__)
        if device != "cpu" and "CUDAExecutionProvider" not in module.get_available_providers():
            raise UnfitError(f"onnxruntime {found[library]} has no CUDA provider; pip install onnxruntime-gpu there "
                             "in its place")
    if library == "torch" and device != "cpu":
        index = int(device.partition(":")[2])
        if not module.cuda.is_available() or index >= module.cuda.device_count():
            raise UnfitError(f"torch {found[library]} sees no {device}; install one that is built for CUDA there")
        found["cuda"], found["cudnn"] = str(module.version.cuda), str(module.backends.cudnn.version())
    return found


OLDEST = {"onnxruntime": 1, "torch": 2, "tensorrt": 10}


class Worker:
    """Does one request after the other, and keeps the networks and locks in between."""

    def __init__(self, inbox: BinaryIO, outbox: BinaryIO) -> None:
        self._inbox, self._outbox = inbox, outbox
        self._asked, self._process = 0, os.getpid()
        self._held: list[int] = []
        self._candidate: Any = None
        self._reference: Any = None

    def serve(self) -> None:
        """Until nobody asks any more."""
        while line := self._inbox.readline():
            request = json.loads(line)
            self._asked = request["id"]
            blobs = [self._inbox.read(size) for size in request.get("bytes", [])]
            try:
                self.say({"answer": getattr(self, "do_" + request["do"])(request, *blobs)})
            except Exception as error:  # noqa: BLE001  # whatever goes wrong is an answer
                first_line = (str(error).strip() or "no message").splitlines()[0]
                ours = isinstance(error, (UnfitError, LockError))
                said = first_line if ours else f"{type(error).__name__}: {first_line}"
                self.say({"failed": said, "outcome": outcome_of(error)})

    def say(self, message: Mapping[str, Any]) -> None:
        """One line."""
        line = json.dumps({"id": self._asked, **message}, separators=(",", ":")).encode() + b"\n"
        if os.getpid() != self._process:  # a copy that a network made of this process: one of the two may answer
            os._exit(1)
        self._outbox.write(line)
        self._outbox.flush()

    def do_describe(self, request: Rules) -> dict[str, Any]:
        """What the machine is."""
        return lasting(request["device"])

    def do_libraries(self, request: Rules) -> dict[str, str]:
        """What runs networks here."""
        return libraries(request["library"], request["device"])

    def do_look(self, request: Rules) -> dict[str, Any]:
        """What the machine is doing."""
        return {"state": state(request["device"]), "cpu_time": cpu_time()}

    def do_reference(self, request: Rules, image: bytes, *parts: bytes) -> dict[str, Any]:
        """Takes the reference, and what it answers."""
        self._close("_candidate", "_reference")
        self._reference = NETWORKS[request["library"]](request, image, *parts)
        return {"answers": self._reference.answer(), "passes": self._reference.passes}

    def do_candidate(self, request: Rules, image: bytes, *parts: bytes) -> dict[str, Any]:
        """Takes a candidate, in place of the one before, and what it answers."""
        self._close("_candidate")  # its memory is for the next one
        self._candidate = NETWORKS[request["library"]](request, image, *parts)
        return {"answers": self._candidate.answer(), "passes": self._candidate.passes}

    def _close(self, *names: str) -> None:
        for name in names:
            network = getattr(self, name)
            setattr(self, name, None)
            if network is not None:
                network.close()

    def do_once(self, _request: Rules) -> None:
        """Runs the candidate once."""
        if self._candidate is None:
            raise ValueError("there is no network to be run")
        with self._candidate.around():
            self._candidate()

    def do_answer(self, _request: Rules) -> list[dict[str, Any]]:
        """What the candidate answers now."""
        if self._candidate is None:
            raise ValueError("there is no network to be run")
        answer: list[dict[str, Any]] = self._candidate.answer()
        return answer

    def do_hold(self, request: Rules) -> None:
        """Takes the locks of the cores, or that of the GPU."""
        cores = request["device"] == "cpu"
        names = [f"cpu-{core}" for core in available_cpus()] if cores else [driver(request["device"]).uuid]
        self._held = lock(names, lambda: self.say({"phase": "waiting for the device"}))

    def do_release(self, _request: Rules) -> None:
        """Gives the locks back, and the candidate's memory."""
        unlock(self._held)
        self._close("_candidate")

    def do_time(self, request: Rules) -> dict[str, Any]:
        """Times the candidate, alternately with the reference."""
        if self._candidate is None or self._reference is None:
            raise ValueError("there is no network to be timed")
        # The host does not read the device's own clock: there a sample is one call.
        rules = request if self._candidate.host_timed else {**request, "min_sample_s": 0.0}
        busy = time.process_time if request["device"] == "cpu" else unknown
        with self._candidate.around():
            return timed(self._candidate, self._reference, rules, self._candidate.timer, busy=busy)


def outcome_of(error: BaseException) -> str:
    """A word of the report: `oom`, `invalid` for a network that cannot be run here, `device_error` for the machine,
    `contaminated` where nothing would keep others from timing at the same moment.
    """
    if isinstance(error, LockError):
        return "contaminated"
    text = str(error).lower()
    signs = ("out of memory", "allocate memory", "bad_alloc", "bad allocation", "bfcarena", "status_alloc_failed")
    if isinstance(error, MemoryError) or any(sign in text for sign in signs):
        return "oom"
    broken = ("cuda error", "cuda failure", "device-side assert", "cudnn error", "cudnn_status", "cublas_status",
              "illegal memory access")
    machine = isinstance(error, (UnfitError, ImportError, OSError)) or any(sign in text for sign in broken)
    return "device_error" if machine else "invalid"


def guard() -> int:
    """A second process, which ends this one when standard input ends. What is returned must stay open as long.

    A thread could not: a library may hold the interpreter for ever.
    """
    watched = os.getpid()
    life, ours = os.pipe()
    if os.fork():
        os.close(life)
        return ours
    os.close(ours)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    poll = select.poll()
    poll.register(0, select.POLLHUP | getattr(select, "POLLRDHUP", 0))
    poll.register(life, select.POLLHUP)
    ended = [descriptor for descriptor, _ in poll.poll()]
    if life not in ended and os.getppid() == watched:
        os.kill(watched, signal.SIGKILL)
    os._exit(0)


@contextmanager
def private_output() -> Iterator[BinaryIO]:
    """Standard output for the protocol alone: what libraries print goes to standard error."""
    sys.stdout.flush()
    with os.fdopen(os.dup(1), "wb") as outbox:
        os.dup2(2, 1)
        yield outbox


def main() -> None:
    """Says hello, and works until the pipe ends."""
    life = guard()
    with private_output() as outbox:
        outbox.write(f"{HELLO} {platform.python_version()}, {sys.executable}\n".encode())
        outbox.flush()
        Worker(sys.stdin.buffer, outbox).serve()
    os.close(life)


if __name__ == "__main__":
    main()
