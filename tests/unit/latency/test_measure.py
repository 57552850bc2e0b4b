"""The whole road on the CPU, with real networks; how long they take is nobody's business here."""

from __future__ import annotations

import copy
import gc
import itertools
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import nas
from nas.errors import MeasureError, SpecError
from nas.latency import attempts, contamination
from nas.latency import measure as room
from nas.latency.attempts import usual_of
from nas.latency.contamination import Pace, Usual
from nas.latency.device import Device
from nas.latency.environment import describe, fingerprint, lasting
from nas.latency.measure import measure, measure_module
from nas.latency.options import LatencyOptions
from nas.latency.result import Latency
from nas.latency.sampling import Samples
from nas.latency.statistics import median_interval

SHAPE = (3, 16, 16)
QUICK = LatencyOptions(device="cpu", threads=1, max_seconds=0.2, max_samples=50)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
    )


Measure = Callable[..., Latency]


@pytest.fixture
def quickly(eager: nas.RuntimeSpec) -> Measure:
    def run(net: nn.Module, **changed: Any) -> Latency:
        return measure_module(net, SHAPE, replace(QUICK, **changed), eager)

    return run


def test_the_answer_holds_every_sample_and_an_interval_around_its_median(quickly: Measure) -> None:
    latency = quickly(network())
    assert latency.n == len(latency.samples_ms) >= 1
    assert all(sample > 0 for sample in latency.samples_ms)
    assert min(latency.samples_ms) <= latency.low_ms <= latency.median_ms <= latency.high_ms <= max(latency.samples_ms)
    assert latency.coverage == median_interval(latency.samples_ms).coverage
    assert latency.iqr_ms >= 0
    assert latency.reference_ratio > 0
    assert len(latency.reference_samples_ms) >= 1
    assert latency.stopped_by in ("precision", "cap")
    assert f"n = {latency.n}" in str(latency)


def test_conditions_and_environment_say_how_and_where(quickly: Measure) -> None:
    latency = quickly(network(), batch=2, memory_format="channels_last")
    assert latency.conditions.items() >= {
        "device": "cpu", "runtime": "eager", "runtime_version": 2, "batch": 2, "dtype": "float32",
        "memory_format": "channels_last", "threads": 1, "fused": True, "batch_norms": 1, "batch_norms_folded": 1,
        "caches": "warm", "stopped_by": latency.stopped_by, "reference_ratio": latency.reference_ratio,
        "environment": fingerprint(latency.environment),
    }.items()
    state = latency.environment["state"]
    assert isinstance(state, dict)
    assert set(state) == {"before", "after", "foreign_cpus"}
    for part in (latency.conditions, latency.environment):
        assert json.loads(json.dumps(part)) == part


def test_the_callers_network_is_not_touched(quickly: Measure) -> None:
    net = network()
    before = copy.deepcopy(net.state_dict())
    quickly(net, dtype="bfloat16", memory_format="channels_last")
    assert net.training
    assert all(module.training for module in net.modules())
    assert all(values.requires_grad and values.dtype == torch.float32 for values in net.parameters())
    assert [type(module) for module in net.modules()] == [type(module) for module in network().modules()]
    after = net.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_threads_garbage_collection_gradients_and_random_numbers_are_as_they_were(quickly: Measure) -> None:
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    state = torch.get_rng_state()
    seen: list[tuple[int, bool, bool]] = []

    class Spy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append((torch.get_num_threads(), gc.isenabled(), torch.is_inference_mode_enabled()))
            return x.mean()

    quickly(Spy())
    assert seen[-2] == (1, False, True)
    assert seen[-1] == (1, True, True), "the answer is looked at once more after timing"
    assert torch.get_num_threads() == threads
    assert gc.isenabled()
    assert torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), state)


class Sets(nn.Module):
    """Does this once, in its n-th pass."""

    def __init__(self, action: Callable[[], object], number: int) -> None:
        super().__init__()
        self.action, self.passes = action, [number]

    def forward(self, x: Tensor) -> Tensor:
        self.passes[0] -= 1
        if self.passes[0] == 0:
            self.action()
        return x.mean()


@pytest.mark.parametrize("number", [1, 30], ids=["preparing", "timing"])
def test_a_network_that_takes_other_threads_has_no_value(quickly: Measure, number: int) -> None:
    threads = torch.get_num_threads()
    with pytest.raises(MeasureError, match=r"computes with 2 threads now, and 1 were asked for") as caught:
        quickly(Sets(lambda: torch.set_num_threads(2), number))
    assert caught.value.outcome == "invalid"
    assert torch.get_num_threads() == threads


def test_what_a_network_sets_for_all_of_torch_does_not_stay(quickly: Measure) -> None:
    def change() -> None:
        torch.set_default_dtype(torch.float64)
        torch.backends.mkldnn.enabled = False
        torch.set_grad_enabled(True)

    quickly(Sets(change, 30))
    assert torch.get_default_dtype() == torch.float32
    assert torch.backends.mkldnn.enabled
    assert torch.is_grad_enabled()


class Fails(nn.Module):
    """Raises from its n-th pass on."""

    def __init__(self, error: BaseException, good_passes: int) -> None:
        super().__init__()
        self.error, self.passes = error, [good_passes]

    def forward(self, x: Tensor) -> Tensor:
        self.passes[0] -= 1
        if self.passes[0] < 0:
            raise self.error
        return x.mean()


@pytest.mark.parametrize("good_passes", [0, 1, 20], ids=["folding", "checking", "timing"])
@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (RuntimeError("sizes differ"), "invalid"),
        (MemoryError(), "oom"),
        (RuntimeError("CUDA error: illegal"), "device_error"),
    ],
)
def test_a_failing_network_has_an_outcome_and_leaves_everything_as_it_was(
    quickly: Measure, good_passes: int, error: Exception, outcome: str
) -> None:
    threads = torch.get_num_threads()
    with pytest.raises(MeasureError) as caught:
        quickly(Fails(error, good_passes))
    assert caught.value.outcome == outcome
    assert type(error).__name__ in str(caught.value)
    assert (torch.get_num_threads(), gc.isenabled(), torch.is_inference_mode_enabled()) == (threads, True, False)


@pytest.mark.parametrize("good_passes", [0, 1, 20], ids=["folding", "checking", "timing"])
def test_a_network_that_calls_exit_does_not_end_its_caller(quickly: Measure, good_passes: int) -> None:
    with pytest.raises(MeasureError, match="SystemExit: 0") as caught:
        quickly(Fails(SystemExit(0), good_passes))
    assert caught.value.outcome == "invalid"


def test_an_interrupt_passes_and_leaves_everything_as_it_was(quickly: Measure) -> None:
    threads = torch.get_num_threads()
    with pytest.raises(KeyboardInterrupt):
        quickly(Fails(KeyboardInterrupt(), 20))
    assert (torch.get_num_threads(), gc.isenabled()) == (threads, True)


def test_a_network_that_does_not_fit_its_input_is_invalid_and_the_input_is_named(quickly: Measure) -> None:
    with pytest.raises(MeasureError, match=r"running the network on 2x3x16x16 float32 on cpu: RuntimeError") as caught:
        quickly(nn.Conv2d(5, 8, 3), batch=2)
    assert caught.value.outcome == "invalid"


@pytest.mark.parametrize("fuse", [True, False])
def test_a_network_that_answers_nan_is_not_timed(quickly: Measure, fuse: bool) -> None:
    net = network()
    nn.init.constant_(net[-1].weight, float("nan"))  # type: ignore[index]
    with pytest.raises(MeasureError, match="holds NaN") as caught:
        quickly(net, fuse=fuse)
    assert caught.value.outcome == "nan"


class Answers(nn.Module):
    """Answers what a function makes of the input and of the number of the pass."""

    def __init__(self, answer: Callable[[Tensor, int], object]) -> None:
        super().__init__()
        self.answer, self.passes = answer, itertools.count(1)

    def forward(self, x: Tensor) -> object:
        return self.answer(x, next(self.passes))


def test_a_network_that_answers_nan_only_after_some_passes_has_no_value(quickly: Measure) -> None:
    with pytest.raises(MeasureError, match="once more after timing: its output holds NaN") as caught:
        quickly(Answers(lambda x, number: x * (float("nan") if number >= 7 else 1.0)))
    assert caught.value.outcome == "nan"


def test_infinities_that_come_while_timing_are_a_warning(quickly: Measure) -> None:
    latency = quickly(Answers(lambda x, number: x * (float("inf") if number >= 7 else 1.0)))
    assert "after timing: the network's output holds infinities" in latency.warnings


def test_nan_is_seen_in_complex_numbers_in_arrays_and_in_objects(quickly: Measure) -> None:
    def nan(x: Tensor) -> Tensor:
        return x * float("nan")

    for answer in (lambda x: torch.complex(x, nan(x)), lambda x: [nan(x).numpy()], lambda x: SimpleNamespace(y=nan(x))):
        with pytest.raises(MeasureError, match="holds NaN"):
            quickly(Answers(lambda x, _, answer=answer: answer(x)))


@pytest.mark.parametrize("first", [1, 7], ids=["from the beginning", "while timing"])
@pytest.mark.parametrize("answer", [None, "logits", [1.0, 2.0]])
def test_an_answer_without_a_tensor_is_invalid(quickly: Measure, answer: object, first: int) -> None:
    with pytest.raises(MeasureError, match="its output holds no tensor") as caught:
        quickly(Answers(lambda x, number: answer if number >= first else x))
    assert caught.value.outcome == "invalid"


def test_a_forward_that_yields_by_mistake_is_told(quickly: Measure) -> None:
    class Yields(nn.Module):
        def forward(self, x: Tensor) -> Iterator[Tensor]:
            yield x.mean()

    with pytest.raises(MeasureError, match="it is a generator, .* yields instead of returning"):
        quickly(Yields())


def test_tensors_in_containers_and_objects_are_an_answer(quickly: Measure) -> None:
    for answer in (lambda x: {"a": [x]}, lambda x: SimpleNamespace(logits=x), lambda x: x.numpy()):
        assert quickly(Answers(lambda x, _, answer=answer: answer(x))).n >= 1


def test_infinities_are_a_warning(quickly: Measure) -> None:
    net = network()
    nn.init.constant_(net[-1].bias, float("inf"))  # type: ignore[index]
    assert "the network's output holds infinities" in quickly(net, fuse=False).warnings


def test_folding_is_left_out_where_it_is_not_wanted(quickly: Measure) -> None:
    latency = quickly(network(), fuse=False)
    assert latency.fused is False
    assert latency.conditions["batch_norms_folded"] == 0


def test_a_network_without_batch_norm_has_nothing_left_to_fold(quickly: Measure) -> None:
    latency = quickly(nn.Conv2d(3, 4, 3))
    assert latency.fused is True
    assert latency.conditions["batch_norms"] == 0


def test_a_batch_norm_that_cannot_be_folded_is_said(quickly: Measure) -> None:
    latency = quickly(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3)))
    assert latency.fused is False
    assert any("1 of 1 batch norms are not folded" in warning for warning in latency.warnings)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_narrow_types_run(quickly: Measure, dtype: str) -> None:
    latency = quickly(network(), dtype=dtype)
    assert latency.conditions["dtype"] == dtype
    assert latency.fused


def test_a_network_in_double_precision_is_run_in_the_type_asked_for(quickly: Measure) -> None:
    assert quickly(network().double()).n >= 1


def test_too_few_samples_for_the_interval_are_said(quickly: Measure) -> None:
    latency = quickly(network(), max_samples=3, max_seconds=60.0)
    assert (latency.n, latency.coverage, latency.stopped_by) == (3, 0.75, "cap")
    assert any("only 3 samples, the cap was max_samples = 3:" in warning and "75%" in warning
               for warning in latency.warnings)


def test_too_few_samples_because_of_the_time_are_said_so(quickly: Measure) -> None:
    class Slow(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            time.sleep(0.1)
            return x

    latency = quickly(Slow(), max_seconds=0.05)
    assert any("the cap was max_seconds = 0.05:" in warning for warning in latency.warnings)


def test_the_notice_of_a_missing_gpu_is_a_warning(monkeypatch: pytest.MonkeyPatch, quickly: Measure) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert any("no CUDA device" in warning for warning in quickly(network(), device="auto").warnings)


def test_the_runtime_prepares_the_folded_network_once_and_is_told_the_conditions(eager: nas.RuntimeSpec) -> None:
    told: list[tuple[nn.Module, Tensor, nas.RuntimeOptions]] = []

    def prepare(net: nn.Module, x: Tensor, options: nas.RuntimeOptions) -> Callable[[], object]:
        told.append((net, x, options))
        return lambda: net(x)

    options = replace(QUICK, dtype="bfloat16", memory_format="channels_last", batch=2)
    measure_module(network(), SHAPE, options, replace(eager, prepare=prepare))
    [(net, x, seen)] = told
    assert seen == nas.RuntimeOptions("cpu", "bfloat16", "channels_last", 1, fuse=True, caches="warm")
    assert (x.shape, x.dtype, x.is_contiguous(memory_format=torch.channels_last)) == ((2, *SHAPE), torch.bfloat16, True)
    assert not net.training
    assert not any(isinstance(module, nn.BatchNorm2d) for module in net.modules())
    assert {values.dtype for values in net.parameters()} == {torch.bfloat16}


def test_a_runtime_that_cannot_prepare_the_network_is_named(eager: nas.RuntimeSpec) -> None:
    def prepare(net: nn.Module, x: Tensor, options: nas.RuntimeOptions) -> Callable[[], object]:
        raise ValueError("operator not supported")

    with pytest.raises(MeasureError, match="preparing runtime 'other': ValueError: operator not supported"):
        measure_module(network(), SHAPE, QUICK, replace(eager, name="other", prepare=prepare))


def test_a_call_of_several_passes_is_told_by_the_pass_and_eager_time_beside_it(eager: nas.RuntimeSpec) -> None:
    def prepare(net: nn.Module, x: Tensor, _options: nas.RuntimeOptions) -> nas.DeviceCall:
        def passes() -> object:
            return [net(x) for _ in range(4)][-1]

        def waiting() -> object:
            return [net(x) for _ in range(40)][-1]

        return nas.DeviceCall(passes, passes=4, launched=waiting)

    latency = measure_module(network(), SHAPE, QUICK, replace(eager, name="graph", prepare=prepare))
    assert latency.conditions["passes_per_call"] == 4
    eager_ms = latency.conditions["eager_ms"]
    assert isinstance(eager_ms, float)
    assert eager_ms > latency.median_ms
    assert latency.conditions["launch_bound"] is True
    [said] = [warning for warning in latency.warnings if warning.startswith("launch-bound: ")]
    assert "times the device's own time" in said


def test_where_eager_time_is_not_taken_nothing_is_said_of_launches(quickly: Measure) -> None:
    conditions = quickly(network()).conditions
    assert (conditions["eager_ms"], conditions["launch_bound"], conditions["passes_per_call"]) == (None, None, 1)


def test_a_runtime_that_answers_otherwise_than_the_network_is_a_warning(eager: nas.RuntimeSpec) -> None:
    def times(factor: float) -> nas.RuntimeSpec:
        return replace(eager, name="wrong", prepare=lambda net, x, _options: lambda: net(x) * factor)

    said = "runtime 'wrong' answers otherwise than the network in eager mode: by 0.1 of the largest output"
    assert said in measure_module(network(), SHAPE, QUICK, times(1.1)).warnings
    assert said not in measure_module(network(), SHAPE, QUICK, times(1.00001)).warnings


def test_a_runtime_that_computes_once_and_answers_nothing_from_then_on_has_no_value(eager: nas.RuntimeSpec) -> None:
    def prepare(net: nn.Module, x: Tensor, _options: nas.RuntimeOptions) -> Callable[[], object]:
        answers = iter([net(x)])
        return lambda: next(answers, None)

    with pytest.raises(MeasureError, match="once more after timing: its output holds no tensor: it is None") as caught:
        measure_module(network(), SHAPE, QUICK, replace(eager, name="once", prepare=prepare))
    assert caught.value.outcome == "invalid"


def test_a_runtime_that_answers_otherwise_only_later_is_a_warning(eager: nas.RuntimeSpec) -> None:
    def prepare(net: nn.Module, x: Tensor, _options: nas.RuntimeOptions) -> Callable[[], object]:
        numbers = itertools.count()
        return lambda: net(x) * (2.0 if next(numbers) else 1.0)

    latency = measure_module(network(), SHAPE, QUICK, replace(eager, name="moody", prepare=prepare))
    assert any(told.startswith("after timing: runtime 'moody' answers otherwise") for told in latency.warnings)


@pytest.mark.parametrize("passes", [0, -1, "2", 1.0, True, None])
def test_a_call_of_no_number_of_passes_is_refused(eager: nas.RuntimeSpec, passes: Any) -> None:
    def prepare(net: nn.Module, x: Tensor, _options: nas.RuntimeOptions) -> nas.DeviceCall:
        return nas.DeviceCall(lambda: net(x), passes=passes)

    with pytest.raises(MeasureError, match="runtime 'odd' returned a DeviceCall of passes = ") as caught:
        measure_module(network(), SHAPE, QUICK, replace(eager, name="odd", prepare=prepare))
    assert caught.value.outcome == "invalid"
    assert repr(passes) in str(caught.value).replace('"2"', "'2'")


def test_a_runtime_that_prepares_nothing_to_be_called_is_named(eager: nas.RuntimeSpec) -> None:
    with pytest.raises(MeasureError, match="prepare of runtime 'mute' must return a function .*; got None"):
        measure_module(network(), SHAPE, QUICK, replace(eager, name="mute", prepare=lambda *_: None))  # type: ignore[arg-type, return-value]


def test_the_libraries_behind_a_runtime_are_conditions(eager: nas.RuntimeSpec) -> None:
    spec = replace(eager, libraries=lambda options: {"turbo": f"1.2 on {options.device}"})
    assert measure_module(network(), SHAPE, QUICK, spec).conditions["runtime_libraries"] == {"turbo": "1.2 on cpu"}


def test_the_same_seed_draws_the_same_input(eager: nas.RuntimeSpec) -> None:
    seen: list[Tensor] = []

    def prepare(net: nn.Module, x: Tensor, options: nas.RuntimeOptions) -> Callable[[], object]:
        seen.append(x)
        return lambda: net(x)

    for seed in (0, 0, 1):
        measure_module(network(), SHAPE, QUICK, replace(eager, prepare=prepare), seed)
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])


QUICK_OPTIONS: dict[str, Any] = {"device": "cpu", "threads": 1, "max_seconds": 0.2, "max_samples": 50}


def test_measure_takes_a_module_with_its_input_shape() -> None:
    assert measure(network(), input_shape=SHAPE, **QUICK_OPTIONS).n >= 1


def test_measure_takes_an_architecture_and_its_text() -> None:
    rows = [[1, 3, 2, 1, 8, 8, 0, 0], [1, 3, 2, 4, 8, 16, 1, 0.25]]
    arch = nas.Architecture.from_rows(rows, num_classes=4, num_features=16, input_shape=(3, 32, 32))
    for form in (arch, str(arch)):
        latency = measure(form, **QUICK_OPTIONS)
        assert latency.fused
        assert latency.conditions["batch_norms"] == latency.conditions["batch_norms_folded"] == 6


@pytest.mark.parametrize("shape", [None, 5, "abc", {3, 16}, (3, 16), (3, 16, 0), (3, 16, 16.0), (1, 3, 16, 16)])
def test_a_module_needs_a_shape_of_three_sides(shape: Any) -> None:
    with pytest.raises(SpecError, match=r"give \(channels, height, width\)"):
        measure(network(), input_shape=shape, **QUICK_OPTIONS)


@pytest.mark.parametrize("seed", [None, "0", 1.0, True, -1, 2**64])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    with pytest.raises(SpecError, match=r"^seed = .*: give a whole number"):
        measure(network(), input_shape=SHAPE, seed=seed, **QUICK_OPTIONS)


@pytest.mark.parametrize("given", [None, "nope.py", Path("nope.py"), 5])
def test_plugins_are_a_list(given: Any) -> None:
    with pytest.raises(nas.PluginError, match=r"^plugins: give a list of plugin files"):
        measure(network(), input_shape=SHAPE, plugins=given, **QUICK_OPTIONS)


@pytest.mark.parametrize("hook", ["check", "libraries"])
@pytest.mark.parametrize("error", [ZeroDivisionError("no"), SystemExit("no")], ids=["error", "exit"])
def test_what_a_hook_of_a_runtime_raises_is_told_with_its_name(
    eager: nas.RuntimeSpec, hook: str, error: BaseException
) -> None:
    def raises(_options: nas.RuntimeOptions) -> Any:
        raise error

    changed: Any = {"name": "odd", hook: raises}
    with pytest.raises(SpecError, match=f"^runtime = 'odd': its {hook} raises {type(error).__name__}: no$"):
        measure_module(network(), SHAPE, QUICK, replace(eager, **changed))


@pytest.mark.parametrize("found", [5, None, ["turbo"], {"turbo": 1.2}])
def test_libraries_that_are_no_mapping_of_texts_are_refused(eager: nas.RuntimeSpec, found: Any) -> None:
    with pytest.raises(SpecError, match="^runtime = 'odd': its libraries must return a mapping"):
        measure_module(network(), SHAPE, QUICK, replace(eager, name="odd", libraries=lambda _: found))


def test_an_architecture_has_its_own_shape() -> None:
    with pytest.raises(SpecError, match="an architecture has its own"):
        measure("mobilenet_v2", input_shape=(3, 32, 32), **QUICK_OPTIONS)


def test_an_unknown_runtime_is_refused_before_anything_is_built() -> None:
    with pytest.raises(SpecError, match="did you mean 'eager'"):
        measure("mobilenet_v2", runtime="eagar", **QUICK_OPTIONS)


def test_environments_of_two_measurements_on_one_machine_are_one(quickly: Measure) -> None:
    first, second = quickly(network()), quickly(nn.Conv2d(3, 2, 3))
    assert lasting(first.environment) == lasting(second.environment)


def reference_calls(monkeypatch: pytest.MonkeyPatch, slow: Callable[[int], bool]) -> None:
    """Replaces the pace of each sampling by 1 ms, or 2 ms where `slow` says so of its number."""
    taken = itertools.count()

    def told(samples: Samples, begin: int = 0, end: int | None = None) -> Pace:
        level = 2e-3 if slow(next(taken)) else 1e-3
        return Pace(level, level, level, 1.0, 0.0)

    monkeypatch.setattr(attempts, "pace", told)
    monkeypatch.setattr(attempts, "_USUAL", defaultdict(Usual))
    monkeypatch.setattr(contamination, "is_long", lambda _samples: True)
    monkeypatch.setattr(contamination, "moved_within", lambda _samples: "")


SHORT: dict[str, Any] = {"max_seconds": 60.0, "max_samples": 3}


def test_a_measurement_on_a_slower_machine_is_repeated_and_what_was_discarded_is_kept(
    monkeypatch: pytest.MonkeyPatch, quickly: Measure
) -> None:
    reference_calls(monkeypatch, lambda number: number == 4)
    for _ in range(4):
        assert quickly(network(), **SHORT).conditions["attempts"] == 1
    latency = quickly(network(), **SHORT)
    assert (latency.outcome, latency.n, len(latency.discarded_samples_ms)) == ("ok", 3, 3)
    assert latency.conditions["attempts"] == 2
    assert latency.conditions["discarded"] == [
        "the reference took 2 ms, and in the measurements before usually 1 ms, 1.1 ms at most"]
    assert not any("contaminated" in warning for warning in latency.warnings)


def test_a_measurement_that_stays_contaminated_says_so_and_keeps_its_samples(
    monkeypatch: pytest.MonkeyPatch, quickly: Measure
) -> None:
    reference_calls(monkeypatch, lambda number: number >= 4)
    for _ in range(4):
        quickly(network(), **SHORT)
    latency = quickly(network(), **SHORT)
    assert (latency.outcome, latency.n, len(latency.discarded_samples_ms)) == ("contaminated", 3, 12)
    told = "contaminated, in each of 5 attempts: the reference took 2 ms"
    assert any(warning.startswith(told) for warning in latency.warnings)


def test_what_is_usual_is_known_for_each_set_of_conditions_alone(
    monkeypatch: pytest.MonkeyPatch, quickly: Measure
) -> None:
    reference_calls(monkeypatch, lambda number: number >= 4)
    for _ in range(4):
        quickly(network(), **SHORT)
    assert quickly(network(), memory_format="channels_last", **SHORT).outcome == "ok"


def test_what_is_usual_with_flushed_caches_is_another_thing_than_with_warm_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_USUAL", defaultdict(Usual))
    gpu = Device("cuda:0", "a fake GPU")
    warm, flushed = (usual_of(gpu, LatencyOptions("cuda:0", caches=caches), 1) for caches in ("warm", "flushed"))
    assert warm is usual_of(gpu, LatencyOptions("cuda:0"), 1)
    assert warm is not flushed


def test_the_callers_autocast_does_not_change_what_is_timed(quickly: Measure) -> None:
    seen: list[torch.dtype] = []

    class Seeing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.conv(x)
            seen.append(y.dtype)
            return y

    with torch.autocast("cpu", torch.bfloat16):
        assert quickly(Seeing()).conditions["dtype"] == "float32"
    assert set(seen) == {torch.float32}


def test_a_look_that_is_too_short_is_not_judged(monkeypatch: pytest.MonkeyPatch, quickly: Measure) -> None:
    reference_calls(monkeypatch, lambda number: number >= 4)
    monkeypatch.setattr(contamination, "is_long", lambda _samples: False)
    assert [quickly(network(), **SHORT).outcome for _ in range(6)] == ["ok"] * 6


def test_a_gpu_that_was_too_hot_while_timing_is_throttled(monkeypatch: pytest.MonkeyPatch, quickly: Measure) -> None:
    def hot(device: Device) -> dict[str, object]:
        found = describe(device)
        state: Any = found["state"]
        return found | {"state": state | {"throttle_reasons": ["hw_thermal_slowdown"]}}

    monkeypatch.setattr(room, "describe", hot)
    latency = quickly(network())
    assert latency.outcome == "throttled"
    assert "the GPU was throttled: hw_thermal_slowdown" in latency.warnings
