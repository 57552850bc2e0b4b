"""The metric `naswot`, against codes that are written out."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

import nas
import nas_metrics.naswot
from nas.metrics import broken_contract
from nas_metrics.naswot import hamming_kernel, log_determinant, naswot
from nas_metrics.untrained import OPTIONS, check, conditions


def context(network: nn.Module, seed: int = 0, **options: object) -> nas.MetricContext:
    arch = nas.Architecture((1, 8, 8), (nas.Stage("conv", 1, 1, 8, 1),))
    settings = {**OPTIONS, "device": "cpu", **options}
    return nas.MetricContext(arch, (1, 8, 8), settings, seed, "cpu", lambda: network)


def setting(*shapes: tuple[int, int, int], **options: object) -> nas.Setting:
    return nas.Setting({**OPTIONS, "device": "cpu", **options}, shapes or ((1, 8, 8),), 10)


def small(width: int = 8, act: Callable[[], nn.Module] = nn.ReLU, seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            *(nn.Conv2d(1, width, 3, padding=1), nn.BatchNorm2d(width), act()),
            *(nn.Conv2d(width, width, 3, stride=2, padding=1), nn.BatchNorm2d(width), act()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10)),
        )


def images(count: int = 6, seed: int = 0) -> Tensor:
    return torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


def by_hand(network: nn.Sequential, x: Tensor, activations: type[nn.Module]) -> Tensor:
    """The kernel from whole codes, bit by bit, with each batch norm on the statistics of the batch."""
    codes: list[list[bool]] = [[] for _ in x]
    network.train()
    for module in network:
        if isinstance(module, activations):
            for code, units in zip(codes, x.flatten(1), strict=True):
                code.extend((units > 0).tolist())
        x = module(x)
    agreements = [[sum(a == b for a, b in zip(one, other, strict=True)) for other in codes] for one in codes]
    return torch.tensor(agreements, dtype=torch.float64)


def test_it_is_one_metric_by_the_contract() -> None:
    (spec,) = nas_metrics.naswot.nas_metrics()
    assert broken_contract(spec) is None
    assert (spec.name, spec.unit, spec.direction, spec.cost) == ("naswot", "nats", "maximize", "cheap")


def test_two_images_and_three_units_worked_out_on_paper() -> None:
    """Codes 110 and 011 agree on one unit of three: K = [[3, 1], [1, 3]], and its determinant is 8."""
    network = nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(3, 2))
    x = torch.tensor([[1.0, 2.0, -1.0], [-3.0, 0.5, 4.0]]).reshape(2, 1, 1, 3)
    kernel, units = hamming_kernel(network, x)
    assert (kernel.tolist(), units) == ([[3, 1], [1, 3]], 3)
    assert log_determinant(kernel) == pytest.approx(math.log(8))


@pytest.mark.parametrize("act", [nn.ReLU, nn.SiLU, nn.Hardswish, nn.GELU, nn.Mish, nn.ReLU6, nn.LeakyReLU, nn.PReLU])
def test_the_kernel_is_the_one_of_the_codes_written_out(act: type[nn.Module]) -> None:
    kernel, units = hamming_kernel(small(act=act), images())
    assert torch.equal(kernel, by_hand(small(act=act), images(), act))
    assert units == 8 * 64 + 8 * 16
    assert kernel.diagonal().tolist() == [units] * 6


def test_the_value_is_the_log_determinant_of_that_kernel() -> None:
    batch = torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = torch.linalg.slogdet(by_hand(small(), batch, nn.ReLU)).logabsdet
    estimate = naswot(context(small(), seed=0))
    assert estimate.value == pytest.approx(float(expected), rel=1e-9)
    assert estimate.conditions["units"] == 640


def test_activations_called_as_functions_are_read_like_modules() -> None:
    class Functional(nn.Module):
        def __init__(self, act: Callable[[Tensor], Tensor]) -> None:
            super().__init__()
            self.layers, self.act = small(), act

        def forward(self, x: Tensor) -> Tensor:
            first, norm, _, second, norm2, _, *head = self.layers
            x = self.act(norm2(second(self.act(norm(first(x))))))
            for layer in head:
                x = layer(x)
            return x

    expected, _ = hamming_kernel(small(), images())
    for act in (F.relu, torch.relu, torch.relu_, Tensor.relu, lambda x: F.relu(x, inplace=True), F.silu, F.gelu):
        kernel, units = hamming_kernel(Functional(act), images())  # type: ignore[arg-type]  # they all map tensors
        assert units == 640
        if act not in (F.silu, F.gelu):
            assert torch.equal(kernel, expected)


def test_gates_are_not_read() -> None:
    with_gate = small()
    with_gate.insert(3, nn.Sigmoid())
    assert hamming_kernel(with_gate, images())[1] == 640


def test_in_place_activations_are_read_before_they_overwrite() -> None:
    kernel, _ = hamming_kernel(small(act=lambda: nn.ReLU(inplace=True)), images())
    assert torch.equal(kernel, hamming_kernel(small(), images())[0])


def test_a_wider_network_scores_higher() -> None:
    values = [naswot(context(small(width))).value for width in (4, 8, 16, 32)]
    assert values == sorted(values)
    assert len(set(values)) == 4


def test_the_seed_decides_the_value() -> None:
    first, again, other = (naswot(context(small(), seed=seed)).value for seed in (0, 0, 1))
    assert first == again != other


def test_dropout_and_drop_path_are_off() -> None:
    noisy = small()
    noisy.insert(0, nn.Dropout(0.5))
    assert naswot(context(noisy)).value == naswot(context(small())).value


def test_the_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    naswot(context(small()))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_batch_of_real_images_gives_another_value() -> None:
    real = naswot(context(small(), data="digits", batch_size=8))
    assert real.conditions["data"] == "digits"
    assert real.value != naswot(context(small(), batch_size=8)).value
    assert real.value == naswot(context(small(), data="digits", batch_size=8)).value


def outcome(network: nn.Module) -> tuple[str, str]:
    with pytest.raises(nas.MeasureError) as caught:
        naswot(context(network))
    return caught.value.outcome, str(caught.value)


def test_images_that_cannot_be_told_apart() -> None:
    """Four units have too few codes for sixteen images."""
    word, message = outcome(nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(4, 10)))
    assert word == "nan"
    assert "the Hamming kernel of 16 images is singular" in message


def test_a_network_without_activations() -> None:
    word, message = outcome(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)))
    assert word == "invalid"
    assert "relu" in message


def test_outputs_that_are_not_finite() -> None:
    network = small()
    with torch.no_grad():
        network[-1].bias.fill_(torch.nan)  # type: ignore[union-attr,operator]  # a linear layer
    assert outcome(network)[0] == "nan"


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")],
)
def test_a_network_that_the_memory_does_not_hold_is_told_of_with_the_batch(error: Exception) -> None:
    class Greedy(nn.Module):
        def forward(self, _: Tensor) -> Tensor:
            raise error

    assert outcome(Greedy()) == ("oom", "out of memory with a batch of 16; lower batch_size")


def test_a_mistake_of_the_network_is_not_blamed_on_the_memory() -> None:
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        naswot(context(nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(7, 10))))


def test_good_settings_are_accepted() -> None:
    assert check(setting((3, 224, 224), (3, 160, 160))) is None
    assert check(setting(data="digits", batch_size=64)) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 1}, "batch_size = 1 must be a whole number from 2"),
        ({"device": "tpu"}, "device = 'tpu' must be auto"),
        ({"data": "nois"}, '"noise" is there too'),
        ({"data": "npz:/nowhere.npz"}, "there is no such file"),
        ({"data": "digits", "batch_size": 5000}, 'the train split of data = "digits" has 1079 images'),
    ],
)
def test_bad_options_are_refused_before_a_study_starts(options: dict[str, object], message: str) -> None:
    assert message in (check(setting(**options)) or "accepted")


def test_the_cache_key_knows_the_data_where_there_are_any() -> None:
    assert conditions(setting()) == {"device": "cpu"}
    assert "data_fingerprint" in conditions(setting(data="digits"))
