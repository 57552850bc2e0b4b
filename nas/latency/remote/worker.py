"""The measuring worker: this one file is sent over ssh and executed by the Python that is found there.

Python >= 3.9, its standard library, and onnxruntime (with numpy, which onnxruntime brings). It imports nothing of
`nas`, which need not be installed where it runs. Line by line it reads requests from standard input, one JSON object
each: `{"do": name, "bytes": [n, ...], ...}`, followed by so many raw bytes; it answers with any number of
`{"phase": name}`, and then one of `{"answer": value}` and `{"failed": text, "outcome": word}`. Where standard input
ends, or the connection, the process is killed, whatever it is doing.

How to warm up and when to stop is the same as in `nas.latency.sampling` and `nas.latency.stopping`, whose numbers come
with each request; a test holds the two together.
"""

from __future__ import annotations

import base64
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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, BinaryIO, Callable

HELLO = "nas-worker"
"""Begins the first line that is said, so that what a login shell prints before is told apart."""

Call = Callable[[], object]
Timer = Callable[..., float]
Rules = Mapping[str, Any]


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


def timed(
    candidate: Call,
    reference: Call,
    rules: Rules,
    timer: Timer = host_timer,
    clock: Callable[[], float] = time.perf_counter,
    busy: Callable[[], float] = time.process_time,
) -> dict[str, Any]:
    """Warms both up, then samples them, without garbage collection; all in seconds."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        budget = rules["budget"]
        level = warm_up(reference, timer, rules["reference_warm_up"], budget, clock)["level_s"]
        warm = warm_up(candidate, timer, rules["warm_up"], budget, clock)
        repeats = max(1, math.ceil(rules["min_sample_s"] / max(warm["level_s"], 1e-9)))
        left_s = budget_s(warm["level_s"], budget) - warm["seconds"]
        every = reference_every(warm["level_s"] * repeats, 2 * level, rules)
        samples = sample(candidate, reference, timer, left_s, rules, repeats, every, clock, busy)
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


@lru_cache(maxsize=1)
def gpus() -> list[str] | None:
    """Name, UUID and driver of each GPU that nvidia-smi tells of; None where there is no nvidia-smi."""
    query = ["nvidia-smi", "--query-gpu=name,uuid,driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(query, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return [line.strip() for line in said.stdout.decode(errors="replace").splitlines() if line.strip()]


def lasting() -> dict[str, Any]:
    """What the machine is; None for a fact that it does not tell."""
    import numpy
    import onnxruntime

    cpu = cpu_model()
    return {
        "device": cpu,
        "host": socket.gethostname(),
        "os": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "python": platform.python_version(),
        "onnxruntime": str(onnxruntime.__version__),
        "numpy": str(numpy.__version__),
        "cpu": cpu,
        "cpus": len(available_cpus()),
        "physical_cores": physical_cores(),
        "governor": governor(),
    }


def state() -> dict[str, Any]:
    """What the machine is doing at this moment."""
    try:
        load: float | None = round(os.getloadavg()[0], 2)
    except OSError:
        load = None
    now: dict[str, Any] = {"affinity": available_cpus(), "load_average": load, "process": os.getpid()}
    if (cards := gpus()) is not None:
        now["gpus"] = cards  # which no network is run on
    return now


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


# The locks, as in nas.latency.lock


def lock(names: Sequence[str], waiting: Callable[[], None]) -> list[int]:
    """Takes the locks of these names on this machine: descriptors, which give them back where they are closed."""
    folder = f"/tmp/nas-locks-{os.getuid()}"  # 0700, and checked
    os.makedirs(folder, mode=0o700, exist_ok=True)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077 or found.st_uid != os.getuid():
        raise OSError(f"{folder}: the locks of the devices are kept there, and it is not a folder of this user alone; "
                      "remove it")
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


# Networks


class Network:
    """A graph in ONNX Runtime, on the CPU, bound to one input and to its outputs: a call runs it once."""

    def __init__(self, graph: bytes, threads: int, image: bytes, shape: Sequence[int]) -> None:
        import numpy
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3
        # Threads that spin after a pass would take the CPU away from the other network.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        [given] = self._session.get_inputs()
        one = numpy.frombuffer(image, dtype="<f4").reshape(1, *shape[1:])
        self._x = numpy.ascontiguousarray(numpy.repeat(one, shape[0], axis=0), dtype=numpy.float32)
        names = [output.name for output in self._session.get_outputs()]
        self._answers = [numpy.ascontiguousarray(a) for a in self._session.run(names, {given.name: self._x})]
        self._binding = self._session.io_binding()
        self._binding.bind_input(given.name, "cpu", 0, self._x.dtype, self._x.shape, self._x.ctypes.data)
        for name, answer in zip(names, self._answers):
            self._binding.bind_output(name, "cpu", 0, answer.dtype, answer.shape, answer.ctypes.data)

    def __call__(self) -> None:
        """One pass; it has finished on return."""
        self._session.run_with_iobinding(self._binding)

    def answer(self) -> list[dict[str, Any]]:
        """What it says of the first image, one entry an output: shape, and the values as base64 of float32."""
        self()
        firsts = [answer[:1].astype("<f4") for answer in self._answers]
        return [{"shape": a.shape, "values": base64.b64encode(a.tobytes()).decode()} for a in firsts]


class Worker:
    """Does one request after the other, and keeps the networks and locks in between."""

    def __init__(self, inbox: BinaryIO, outbox: BinaryIO) -> None:
        self._inbox, self._outbox = inbox, outbox
        self._held: list[int] = []
        self._candidate: Network | None = None
        self._reference: Network | None = None

    def serve(self) -> None:
        """Until nobody asks any more."""
        while line := self._inbox.readline():
            request = json.loads(line)
            blobs = [self._inbox.read(size) for size in request.get("bytes", [])]
            try:
                self.say({"answer": getattr(self, "do_" + request["do"])(request, *blobs)})
            except Exception as error:  # noqa: BLE001  # whatever goes wrong is an answer
                first_line = (str(error).strip() or "no message").splitlines()[0]
                self.say({"failed": f"{type(error).__name__}: {first_line}", "outcome": outcome_of(error)})

    def say(self, message: Mapping[str, Any]) -> None:
        """One line."""
        self._outbox.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        self._outbox.flush()

    def do_describe(self, _request: Rules) -> dict[str, Any]:
        """What the machine is."""
        return lasting()

    def do_look(self, _request: Rules) -> dict[str, Any]:
        """What the machine is doing."""
        return {"state": state(), "cpu_time": cpu_time()}

    def do_reference(self, request: Rules, graph: bytes, image: bytes) -> list[dict[str, Any]]:
        """Takes the reference, and what it answers."""
        self._reference = Network(graph, request["threads"], image, request["shape"])
        return self._reference.answer()

    def do_candidate(self, request: Rules, graph: bytes, image: bytes) -> list[dict[str, Any]]:
        """Takes a candidate, in place of the one before, and what it answers."""
        self._candidate = None  # its memory is for the next one
        self._candidate = Network(graph, request["threads"], image, request["shape"])
        return self._candidate.answer()

    def do_once(self, _request: Rules) -> None:
        """Runs the candidate once."""
        if self._candidate is None:
            raise ValueError("there is no network to be run")
        self._candidate()

    def do_hold(self, _request: Rules) -> None:
        """Takes the locks of the cores."""
        names = [f"cpu-{core}" for core in available_cpus()]
        self._held = lock(names, lambda: self.say({"phase": "waiting for the device"}))

    def do_release(self, _request: Rules) -> None:
        """Gives the locks back, and the candidate's memory."""
        unlock(self._held)
        self._candidate = None

    def do_time(self, request: Rules) -> dict[str, Any]:
        """Times the candidate, alternately with the reference."""
        if self._candidate is None or self._reference is None:
            raise ValueError("there is no network to be timed")
        return timed(self._candidate, self._reference, request)


def outcome_of(error: BaseException) -> str:
    """A word of the report: `oom`, `invalid` for a network that cannot be run here, `device_error` for the machine."""
    text = str(error).lower()
    signs = ("out of memory", "allocate memory", "bad_alloc", "bad allocation", "bfcarena")
    if isinstance(error, MemoryError) or any(sign in text for sign in signs):
        return "oom"
    return "device_error" if isinstance(error, (ImportError, OSError)) else "invalid"


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
