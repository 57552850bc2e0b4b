"""Batch norm is folded where that keeps the network's answer, and only there."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from nas.latency.fold import Folding, fold_batch_norms

X = torch.randn(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))


def trained(network: nn.Module) -> nn.Module:
    """The network as if trained: statistics that make a wrong folding show."""
    random = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            for values, low, high in (
                (module.running_mean, -1.0, 1.0), (module.running_var, 0.3, 3.0),
                (module.weight, 0.5, 2.0), (module.bias, -1.0, 1.0),
            ):
                if values is not None:
                    values.data.uniform_(low, high, generator=random)
    return network.eval().requires_grad_(False)


def norms_left(network: nn.Module) -> int:
    return sum(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())


def folded(network: nn.Module, x: Tensor = X) -> tuple[Folding, nn.Module]:
    """Folds a trained twin, and asserts that it answers what it answered."""
    ours = trained(copy.deepcopy(network))
    before = ours(x)
    folding = fold_batch_norms(ours, x)
    assert torch.allclose(ours(x), before, rtol=1e-4, atol=1e-5)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in ours.modules())
    return folding, ours


def conv_norm(channels_in: int = 3, channels_out: int = 6, **options: object) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 3, padding=1, **options), nn.BatchNorm2d(channels_out))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [{}, {"bias": False}, {"groups": 3}, {"stride": 2, "dilation": 2}, {"padding_mode": "reflect"}],
    ids=str,
)
def test_a_convolution_and_its_norm_become_one_convolution(options: dict[str, object]) -> None:
    folding, network = folded(nn.Sequential(conv_norm(**options), nn.ReLU()))
    assert folding == Folding(norms=1, folded=1)
    assert folding.complete
    assert norms_left(network) == 0


def test_a_norm_without_weights_of_its_own_is_folded() -> None:
    folding, _ = folded(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False)))
    assert folding.folded == 1


@pytest.mark.parametrize(
    ("network", "x"),
    [
        (nn.Sequential(nn.Conv1d(3, 5, 3), nn.BatchNorm1d(5)), torch.randn(2, 3, 9)),
        (nn.Sequential(nn.Conv3d(3, 5, 3), nn.BatchNorm3d(5)), torch.randn(2, 3, 5, 5, 5)),
        (nn.Sequential(nn.ConvTranspose2d(3, 5, 2, stride=2), nn.BatchNorm2d(5)), X),
    ],
    ids=["1d", "3d", "transposed"],
)
def test_other_dimensions_and_transposed_convolutions_are_folded(network: nn.Module, x: Tensor) -> None:
    assert folded(network, x)[0].folded == 1


def test_what_does_nothing_in_eval_mode_may_stand_between() -> None:
    folding, _ = folded(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Identity(), nn.Dropout(0.5), nn.BatchNorm2d(4)))
    assert folding.folded == 1


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.branch, self.head = conv_norm(), conv_norm(6, 6), nn.Conv2d(6, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        return self.head((x + self.branch(x)).relu())  # type: ignore[no-any-return]


def test_residual_networks_are_folded() -> None:
    folding, network = folded(Residual())
    assert folding == Folding(2, 2)
    assert norms_left(network) == 0


class Branching(nn.Module):
    """Python control flow that no symbolic trace follows."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.ModuleList([conv_norm(3, 3), conv_norm(3, 3)])

    def forward(self, x: Tensor) -> Tensor:
        for step in self.steps:
            if float(x.sum()) != 0.125:
                x = step(x)
        return x


def test_networks_that_branch_on_values_are_folded() -> None:
    assert folded(Branching())[0] == Folding(2, 2)


class ReadTwice(nn.Module):
    """The convolution's own output is used beside the normalised one."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.conv, self.norm, self.way = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), way

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        if self.way == "added":
            return self.norm(y) + y  # type: ignore[no-any-return]
        if self.way == "through a view":
            return self.norm(y) * y.flatten(1).mean()  # type: ignore[no-any-return]
        if self.way == "changed in place":
            normed = self.norm(y)
            return normed + y.relu_()  # type: ignore[no-any-return]
        return torch.cat([self.norm(y), y], 1)


@pytest.mark.parametrize("way", ["added", "through a view", "changed in place", "concatenated"])
def test_a_convolution_whose_output_is_also_read_elsewhere_is_not_folded(way: str) -> None:
    folding, network = folded(ReadTwice(way))
    assert (folding.norms, folding.folded, folding.complete) == (1, 0, False)
    assert norms_left(network) == 1
    assert "1 of 1 batch norms are not folded" in folding.warnings[0]


class AlsoReturned(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        y = self.conv(x)
        return {"features": y, "normed": self.norm(y)}


def test_a_convolution_whose_output_is_part_of_the_networks_is_not_folded() -> None:
    network = trained(AlsoReturned())
    assert fold_batch_norms(network, X).folded == 0
    assert norms_left(network) == 1


class Shared(nn.Module):
    def __init__(self, shared: str) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
        self.norm, self.other, self.shared = nn.BatchNorm2d(3), nn.BatchNorm2d(3), shared

    def forward(self, x: Tensor) -> Tensor:
        if self.shared == "norm":  # one norm after two convolutions
            return self.norm(self.second(self.norm(self.first(x))))  # type: ignore[no-any-return]
        if self.shared == "both":  # one pair, twice
            return self.norm(self.first(self.norm(self.first(x))))  # type: ignore[no-any-return]
        if self.shared == "convolution":  # one convolution before two norms
            return self.other(self.first(self.norm(self.first(x))))  # type: ignore[no-any-return]
        return self.norm(self.second(self.norm(x)))  # type: ignore[no-any-return]  # the norm also follows no convolution


@pytest.mark.parametrize(
    ("shared", "expected"), [("norm", 1), ("both", 1), ("convolution", 0), ("norm without convolution", 0)]
)
def test_shared_modules_are_folded_only_where_every_use_agrees(shared: str, expected: int) -> None:
    folding, _ = folded(Shared(shared))
    assert folding.folded == expected
    assert folding.complete is (expected == 1)


def test_a_module_that_stands_at_two_places_of_the_tree_is_replaced_at_both() -> None:
    pair = conv_norm(3, 3)
    folding, network = folded(nn.Sequential(pair, nn.ReLU(), pair))
    assert folding == Folding(1, 1)
    assert norms_left(network) == 0


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3)),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4)),
    ],
    ids=["before", "after an activation"],
)
def test_a_norm_that_follows_no_convolution_directly_stays(network: nn.Module) -> None:
    folding, _ = folded(network)
    assert (folding.folded, folding.complete) == (0, False)


def test_part_of_a_network_may_be_folded_and_the_rest_is_told() -> None:
    folding, network = folded(nn.Sequential(conv_norm(3, 3), nn.ReLU(), nn.BatchNorm2d(3)))
    assert (folding.norms, folding.folded, norms_left(network)) == (2, 1, 1)
    assert "1 of 2 batch norms are not folded" in folding.warnings[0]


@pytest.mark.parametrize(
    "network",
    [nn.Conv2d(3, 4, 3), nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4)),
     nn.Sequential(nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4))],
    ids=["plain", "group norm", "instance norm"],
)
def test_a_network_without_batch_norm_has_nothing_left_to_fold(network: nn.Module) -> None:
    folding, _ = folded(network)
    assert folding == Folding(0, 0)
    assert folding.complete


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.batch_norm(self.conv(x), torch.zeros(4), torch.ones(4))


def test_a_batch_norm_that_is_no_module_is_counted_as_left_to_run() -> None:
    folding, _ = folded(Functional())
    assert (folding.norms, folding.folded, folding.complete) == (1, 0, False)


class Standardised(nn.Conv2d):
    """A convolution that does not compute with its weight as it stands."""

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.weight - self.weight.mean(), self.bias)


class NormAndAct(nn.BatchNorm2d):
    """A batch norm that does something else besides."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).relu()


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(Standardised(3, 4, 3), nn.BatchNorm2d(4)),
        nn.Sequential(weight_norm(nn.Conv2d(3, 4, 3)), nn.BatchNorm2d(4)),
        nn.Sequential(nn.Conv2d(3, 4, 3), NormAndAct(4)),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)),
        nn.Sequential(nn.ConvTranspose2d(3, 3, 2, groups=3), nn.BatchNorm2d(3)),
    ],
    ids=["own forward", "weight norm", "norm with activation", "no running statistics", "grouped transposed"],
)
def test_convolutions_and_norms_that_compute_something_else_are_left_alone(network: nn.Module) -> None:
    folding, _ = folded(network)
    assert (folding.norms, folding.folded) == (1, 0)


class Reads(nn.Module):
    """Asks its batch norm for something that an identity does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = conv_norm()

    def forward(self, x: Tensor) -> Tensor:
        assert self.pair[1].num_features == 6
        return self.pair(x)  # type: ignore[no-any-return]


def test_a_network_that_fails_when_folded_is_put_back() -> None:
    folding, network = folded(Reads())
    assert (folding.norms, folding.folded, norms_left(network)) == (1, 0, 1)
    assert "AttributeError" in folding.warnings[0]


class Adapts(nn.Module):
    """Computes differently where it finds no batch norm: a folding that looks right and is not."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = conv_norm()

    def forward(self, x: Tensor) -> Tensor:
        y = self.pair(x)
        return y if isinstance(self.pair[1], nn.BatchNorm2d) else y * 1.5  # type: ignore[no-any-return]


def test_a_network_that_answers_otherwise_when_folded_is_put_back() -> None:
    folding, network = folded(Adapts())
    assert (folding.folded, norms_left(network)) == (0, 1)
    assert "outputs differ by" in folding.warnings[0]


def test_what_the_network_itself_raises_is_not_hidden() -> None:
    with pytest.raises(RuntimeError, match="channels"):
        fold_batch_norms(nn.Conv2d(5, 4, 3).eval(), X)
