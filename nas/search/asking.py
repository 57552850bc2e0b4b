"""Where metrics are asked: in a worker, whose end is no end of the study, or, for debuggers, in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from nas.arch import Architecture
from nas.cost.result import Cost
from nas.errors import MeasureError, SpecError
from nas.latency import gpu
from nas.latency.remote.host import place_of
from nas.metrics import Answer, Estimate, MetricContext, MetricSpec, Setting, ask, ask_setting
from nas.outcomes import COST_COLUMNS, NEEDS_A_FRESH_WORKER
from nas.plugins import Plugins
from nas.spec import StudySpec
from nas.worker import Worker, borrowed, start
from nas.worker.metric_job import answer_of, block_digests, estimate_of, request

SETTING = "nas.worker.metric_job:setting"
Hear = Callable[[int, float], None]
"""Is told the step and the value that a metric reports."""
Enter = Callable[[str], None]
"""Is told what a metric begins with: "timing", or "waiting for the device"."""


@dataclass(frozen=True)
class Question:
    """What a metric is asked of one candidate.

    Attributes:
        options: of its column.
        device: what the column's device turned out to be.
        timeout_s: after which there is no answer; None: it may take as long as it likes.
    """

    plugins: Plugins
    metric: MetricSpec
    arch: Architecture
    cost: Cost
    options: Mapping[str, object]
    seed: int
    device: str
    timeout_s: float | None = None


def unheard(step: int, value: float) -> None:
    """The default: what a metric reports is not listened to."""


def unseen(phase: str) -> None:
    """The default: nobody follows what a metric does."""


class Asking(Protocol):
    """How metrics are asked. What they raise is raised. `isolated`: whether by a process that can be replaced."""

    isolated: bool

    def setting(self, plugins: Plugins, metric: MetricSpec, setting: Setting) -> Answer:
        """What the metric says of a column's setting."""

    def estimate(self, question: Question, hear: Hear = unheard, enter: Enter = unseen) -> Estimate:
        """What the metric says of a candidate."""

    def is_well(self, options: Mapping[str, object]) -> bool:
        """Whether the device of these options answers, when no candidate is there."""

    def missing(self, device: str) -> str | None:
        """Why there is no such device here, or None."""

    def start_afresh(self, options: Mapping[str, object]) -> None:
        """The next question about this device is answered by a fresh process."""


class Here:
    """In this process: a breakpoint in a metric holds, and a crash in it is the study's. `timeout_s` has no effect."""

    isolated = False

    def setting(self, plugins: Plugins, metric: MetricSpec, setting: Setting) -> Answer:  # noqa: ARG002
        """As `Asking.setting`."""
        return ask_setting(metric, setting)

    def estimate(self, question: Question, hear: Hear = unheard, enter: Enter = unseen) -> Estimate:
        """As `Asking.estimate`."""
        from nas.network import build_network

        arch, plugins, seed = question.arch, question.plugins, question.seed
        context = MetricContext(
            arch, arch.input_shape, question.options, seed, question.device,
            lambda: build_network(arch, plugins.blocks, seed=seed), plugins.runtimes, on_report=hear,
            on_phase=lambda name, _: enter(name), known_cost=question.cost,
        )
        return ask(question.metric, context)

    def is_well(self, options: Mapping[str, object]) -> bool:  # noqa: ARG002
        """Nobody knows: whatever ends a worker would have ended this process."""
        return False

    def missing(self, device: str) -> str | None:
        """As `Asking.missing`."""
        from nas.latency.device import resolve_device

        try:
            resolve_device(device)
        except SpecError as error:
            return str(error)
        return None

    def start_afresh(self, options: Mapping[str, object]) -> None:
        """There is this process alone."""


class InWorker:
    """In the worker of the column's device."""

    isolated = True

    def setting(self, plugins: Plugins, metric: MetricSpec, setting: Setting) -> Answer:
        """As `Asking.setting`."""
        task = {
            **request(plugins, metric, setting.options),
            "input_shapes": setting.input_shapes,
            "classes": setting.classes,
        }
        with borrowed(_seat(setting.options)) as worker:
            try:
                return answer_of(worker.call(SETTING, task))
            except MeasureError as error:
                if error.outcome != "worker_died":
                    raise
            try:  # by a fresh process: what ended the one before may have had nothing to do with the setting
                return answer_of(worker.call(SETTING, task))
            except MeasureError as error:
                again = "; so it did twice" if error.outcome == "worker_died" else ""
                raise MeasureError(f"{error}{again}", error.outcome) from None

    def estimate(self, question: Question, hear: Hear = unheard, enter: Enter = unseen) -> Estimate:
        """As `Asking.estimate`."""
        task = {
            **request(question.plugins, question.metric, question.options),
            "arch": question.arch.text,
            "blocks": block_digests(question.arch, question.plugins),
            "cost": asdict(question.cost),
            "seed": question.seed,
            "device": question.device,
        }
        with borrowed(_seat(question.options)) as worker:
            return estimate_of(_answered(worker, task, question.timeout_s, hear, enter))

    def is_well(self, options: Mapping[str, object]) -> bool:
        """As `Asking.is_well`, in a worker."""
        with borrowed(_seat(options)) as worker:
            try:
                return bool(worker.call("nas.worker.canary:sings", {"device": str(options.get("device", "cpu"))}))
            except MeasureError:
                worker.kill()
                return False

    def missing(self, device: str) -> str | None:
        """As `Asking.missing`, in a worker."""
        with borrowed(_seat({"device": device})) as worker:
            answer: str | None = worker.call("nas.worker.canary:missing", {"device": device})
        return answer

    def start_afresh(self, options: Mapping[str, object]) -> None:
        """As `Asking.start_afresh`."""
        with borrowed(_seat(options)) as worker:
            worker.kill()


def start_workers(spec: StudySpec, device: str | None = None) -> None:
    """Starts workers for what a study measures and does not wait for them: while they load torch, this process does.
    `device` as in `nas.run`. Where a GPU may be there, only for columns that name their device: which other metrics
    would take it, nobody knows before torch and the plugins are loaded.
    """
    for name in dict.fromkeys([*spec.objectives, *spec.constraints, *spec.columns]):
        if name not in COST_COLUMNS:
            options = spec.columns[name].model_dump() if name in spec.columns else {}
            named = str(device or options.get("device", "auto"))
            if named != "auto":
                start(_seat({"device": named}))
            elif not gpu.may_be_there():
                start(_seat({}))


def _answered(
    worker: Worker, task: Mapping[str, object], timeout_s: float | None, hear: Hear, enter: Enter
) -> Any:
    try:
        return worker.call(
            "nas.worker.metric_job:compute", task, heard=lambda told: hear(*told), entered=enter, total_s=timeout_s
        )
    except MeasureError as error:
        if error.outcome in NEEDS_A_FRESH_WORKER:
            worker.kill()
        raise


def _seat(options: Mapping[str, object]) -> str:
    """Which worker: one for each GPU and each host that a column means, and one for all else."""
    device = str(options.get("device", ""))
    if device == "cuda" or (device == "auto" and gpu.count()):
        return "cuda:0"  # the first GPU, on which two processes would take each other's memory
    if device.startswith("ssh:"):
        with suppress(SpecError):  # which whoever is asked in it says, and of which column
            return str(place_of(device))
        return device
    return device if device.startswith("cuda:") else "auto"
