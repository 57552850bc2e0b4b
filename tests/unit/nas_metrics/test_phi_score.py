"""The metric `phi_score`, against Jacobians that are written out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

import nas
import nas_metrics.phi_score
from nas.metrics import broken_contract
from nas_metrics.phi_score import OPTIONS, check, conditions, jacobian_norms, log_mean, phi_score
from nas_metrics.untrained import batch


def context(network: nn.Module, seed: int = 0, **options: object) -> nas.MetricContext:
    arch = nas.Architecture((1, 8, 8), (nas.Stage("conv", 1, 1, 8, 1),))
    settings = {**OPTIONS, "device": "cpu", **options}
    return nas.MetricContext(arch, (1, 8, 8), settings, seed, "cpu", lambda: network)


def setting(*shapes: tuple[int, int, int], **options: object) -> nas.Setting:
    return nas.Setting({**OPTIONS, "device": "cpu", **options}, shapes or ((1, 8, 8),), 10)


def small(width: int = 8, act: Callable[[], nn.Module] = nn.ReLU, layers: int = 2, seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        body: list[nn.Module] = []
        for layer in range(layers):
            body += [nn.Conv2d(width if layer else 1, width, 3, padding=1), nn.BatchNorm2d(width), act()]
        return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


def linear(*rows: list[float]) -> nn.Sequential:
    """The network whose Jacobian is this matrix, at every image."""
    layer = nn.Linear(len(rows[0]), len(rows))
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(rows))
    return nn.Sequential(nn.Flatten(), layer)


def basis(images: Tensor) -> Iterator[Tensor]:
    """Along one pixel after the other, so long that the mean of the squares is their sum: no chance is left."""
    pixels = images[0].numel()
    for position in range(pixels):
        direction = torch.zeros(len(images), pixels)
        direction[:, position] = math.sqrt(pixels)
        yield direction.reshape(images.shape)


def test_it_is_one_metric_by_the_contract() -> None:
    (spec,) = nas_metrics.phi_score.nas_metrics()
    assert broken_contract(spec) is None
    assert (spec.name, spec.unit, spec.direction, spec.cost) == ("phi_score", "nats", "maximize", "cheap")


def test_a_linear_network_worked_out_on_paper() -> None:
    """J = [[1, 2, 0], [0, 2, 4]] at every image: the squares add up to 25, and the score is log 5."""
    images = torch.tensor([[0.5, -1.0, 2.0], [3.0, 0.0, 1.0]]).reshape(2, 1, 1, 3)
    norms = jacobian_norms(linear([1.0, 2.0, 0.0], [0.0, 2.0, 4.0]), images, basis(images))
    assert norms.tolist() == pytest.approx([5, 5], rel=1e-4)
    assert log_mean(norms) == pytest.approx(math.log(5), rel=1e-4)


def test_a_rectifier_lets_through_what_it_does_where_the_image_is() -> None:
    """x = (1, -1) passes the first unit alone, x = (1, 1) both: J is [3, 0], then [3, 4]; log of the mean, (3 + 5) / 2."""
    network = nn.Sequential(nn.Flatten(), nn.ReLU(), *linear([3.0, 4.0])[1:])
    images = torch.tensor([[1.0, -1.0], [1.0, 1.0]]).reshape(2, 1, 1, 2)
    norms = jacobian_norms(network, images, basis(images))
    assert norms.tolist() == pytest.approx([3, 5], rel=1e-4)
    assert log_mean(norms) == pytest.approx(math.log(4), rel=1e-4)


@pytest.mark.parametrize("act", [nn.SiLU, nn.Hardswish, nn.GELU, nn.Mish, nn.Tanh, nn.Sigmoid])
def test_of_any_activation_the_norm_is_that_of_the_derivative(act: type[nn.Module]) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 5), act(), nn.Linear(5, 3))
    images = torch.randn(3, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    expected = [torch.autograd.functional.jacobian(network, image[None]).norm() for image in images]
    assert jacobian_norms(network, images, basis(images)).tolist() == pytest.approx([float(one) for one in expected], rel=0.05)


def test_many_directions_come_to_the_norm_of_the_jacobian() -> None:
    """Of the whole batch: through the batch norms, logits depend on the other images, too."""
    network, images = small(act=nn.SiLU), batch(context(small()))
    jacobian = torch.autograd.functional.jacobian(network, images)  # (batch, 10, batch, 1, 8, 8)
    expected = float(jacobian.square().flatten(1).sum(dim=1).sqrt().mean().log())
    assert phi_score(context(small(act=nn.SiLU), repeats=200)).value == pytest.approx(expected, abs=0.02)


def test_ten_times_the_logits_are_log_ten_more() -> None:
    louder = small()
    with torch.no_grad():
        louder[-1].weight.mul_(10)  # type: ignore[union-attr,operator]  # a linear layer
    difference = phi_score(context(louder)).value - phi_score(context(small())).value
    assert difference == pytest.approx(math.log(10), abs=1e-3)


def test_constants_that_are_added_to_the_logits_do_not_matter() -> None:
    shifted = small()
    with torch.no_grad():
        shifted[-1].bias.add_(3.0)  # type: ignore[union-attr,operator]  # a linear layer
    assert phi_score(context(shifted)).value == pytest.approx(phi_score(context(small())).value, abs=1e-3)


def test_the_seed_decides_the_value() -> None:
    first, again, other = (phi_score(context(small(), seed=seed)).value for seed in (0, 0, 1))
    assert first == again != other


def test_directions_are_not_the_images() -> None:
    """Else the logits of a network without biases and norms would change by 0.01 times themselves."""
    images = batch(context(small()))
    seen: list[Tensor] = []

    class Seen(nn.Flatten):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x)
            return super().forward(x)

    phi_score(context(nn.Sequential(Seen(), nn.Linear(64, 10)), repeats=2))
    assert torch.equal(seen[0], images)
    directions = [(x - images).flatten() / 0.01 for x in seen[1:]]
    assert len(directions) == 2
    for one, other in ((directions[0], images.flatten()), (directions[0], directions[1])):
        assert abs(float(torch.corrcoef(torch.stack([one, other]))[0, 1])) < 0.1


def test_dropout_and_drop_path_are_off() -> None:
    noisy = small()
    noisy.insert(0, nn.Dropout(0.5))
    assert phi_score(context(noisy)).value == phi_score(context(small())).value


def test_the_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    phi_score(context(small()))
    assert torch.equal(torch.get_rng_state(), before)


def test_it_asks_for_no_gradient_and_leaves_none() -> None:
    network = small()
    phi_score(context(network))
    assert all(weight.grad is None for weight in network.parameters())


def test_a_batch_of_real_images_gives_another_value() -> None:
    real = phi_score(context(small(), data="digits", batch_size=8))
    assert real.conditions == {"data": "digits", "batch": 8, "device": "cpu", "repeats": 2}
    assert real.value != phi_score(context(small(), batch_size=8)).value


def test_networks_of_every_activation_of_a_study_have_a_value() -> None:
    for act in ("silu", "relu", "hardswish", "gelu"):
        stages = (nas.Stage("mbconv", 1, 2, 16, 2, {"se": 0.25}),)
        arch = nas.Architecture((3, 32, 32), stages, act=act)
        asked = nas.MetricContext(arch, arch.input_shape, {**OPTIONS, "device": "cpu"}, 0, "cpu", lambda arch=arch: nas.build(arch, seed=0))
        assert math.isfinite(phi_score(asked).value)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_gpu_finds_what_the_cpu_finds() -> None:
    on_gpu = phi_score(context(small(), device="cuda"))
    assert on_gpu.value == pytest.approx(phi_score(context(small())).value, abs=1e-3)
    assert on_gpu.conditions["device"] == "cuda"


def outcome(network: nn.Module) -> tuple[str, str]:
    with pytest.raises(nas.MeasureError) as caught:
        phi_score(context(network))
    return caught.value.outcome, str(caught.value)


def test_a_network_that_does_not_look_at_its_images() -> None:
    blind = small()
    with torch.no_grad():
        blind[-1].weight.zero_()  # type: ignore[union-attr,operator]  # a linear layer
    word, message = outcome(blind)
    assert word == "nan"
    assert "do not depend on its images" in message


def test_outputs_that_are_not_finite() -> None:
    network = small()
    with torch.no_grad():
        network[-1].bias.fill_(torch.nan)  # type: ignore[union-attr,operator]  # a linear layer
    assert outcome(network) == ("nan", "the untrained network's outputs are not finite")


def test_outputs_that_are_no_logits() -> None:
    assert outcome(nn.Conv2d(1, 2, 3)) == ("invalid", "the network must return (batch, outputs), got shape (16, 2, 6, 6)")


def test_a_network_that_the_memory_does_not_hold() -> None:
    class Greedy(nn.Module):
        def forward(self, _: Tensor) -> Tensor:
            raise torch.OutOfMemoryError("CUDA out of memory")

    assert outcome(Greedy()) == ("oom", "out of memory with a batch of 16; lower batch_size")


def test_good_settings_are_accepted() -> None:
    assert check(setting((3, 224, 224), (3, 160, 160))) is None
    assert check(setting(data="digits", batch_size=64, repeats=8)) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"repeats": 0}, "repeats = 0 must be a whole number from 1"),
        ({"batch_size": 1}, "batch_size = 1 must be a whole number from 2"),
        ({"device": "tpu"}, "device = 'tpu' must be auto"),
        ({"data": "nois"}, '"noise" is there too'),
        ({"data": "digits", "batch_size": 5000}, 'the train split of data = "digits" has 1079 images'),
    ],
)
def test_bad_options_are_refused_before_a_study_starts(options: dict[str, object], message: str) -> None:
    assert message in (check(setting(**options)) or "accepted")


def test_the_cache_key_knows_the_data_where_there_are_any() -> None:
    assert conditions(setting()) == {"device": "cpu"}
    assert "data_fingerprint" in conditions(setting(data="digits"))
