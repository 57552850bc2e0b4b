"""Counts one block, or any `nn.Module`: exactly on the meta device, else by tracing it on real tensors."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from nas.cost.counter import FunctionCounter
from nas.cost.rules import RULES
from nas.cost.table import BlockCost
from nas.errors import BlockError, SpecError
from nas.meta import WithoutInitialisation
from nas.network import MAX_PARAMETERS

Shape = tuple[int, int, int]
"""Channels, height, width."""


def count_block(
    place: str,
    build: Callable[[], nn.Module],
    shape: Shape,
    expected: Shape | None = None,
    paths: bool = False,
) -> BlockCost:
    """The cost of the module that `build` makes, for one image.

    Args:
        place: how messages name it.
        build: makes the module on torch's default device.
        shape: of the input.
        expected: of the output, where it must have one.
        paths: whether global operations are named with the path of their submodule.

    Raises:
        BlockError: it does not build or run, or gives another shape than it should.
        SpecError: it cannot be counted without its weights, and these are too many.
    """
    with _plain_mode():
        try:
            module = _on_meta(build)
            cost, outputs = _exactly(module, torch.empty((1, *shape), device="meta"), paths)
        except KeyboardInterrupt:
            raise
        except BaseException as refusal:  # noqa: BLE001  # a stranger's block may raise anything where there are no values
            _refuse_giant(place, build, refusal)
            cost, outputs = _by_tracing(place, build, shape, paths)
    given = [tuple(output.shape) for output in outputs]
    if expected is not None and given != [(1, *expected)]:
        shown = given[0] if len(given) == 1 else f"{len(given)} tensors"
        raise BlockError(f"{place}: its forward must turn {(1, *shape)} into one tensor of shape {(1, *expected)}, "
                         f"got {shown}")
    return cost


def count_network(net: nn.Module, shape: Shape) -> BlockCost:
    """The cost of a whole network for one image. Its mode is left as it is, and no weight is copied.

    Raises:
        BlockError: the network does not run on an image of this shape.
    """
    weight = next((each for each in net.parameters() if each.is_floating_point()), torch.empty(0))
    with _plain_mode():
        try:
            twin = _twin(net, lambda tensor: torch.empty_like(tensor, device="meta")).eval()
            return _exactly(twin, torch.empty((1, *shape), dtype=weight.dtype, device="meta"), paths=True)[0]
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001  # a stranger's network may raise anything where there are no values
            return _network_by_tracing(net, _noise(shape).to(weight.device, weight.dtype))


@contextmanager
def _plain_mode() -> Iterator[None]:
    """Whatever the caller's mode: without gradients torch takes fused layers, in inference mode it cannot trace."""
    with torch.inference_mode(mode=False), torch.enable_grad():
        yield


def _on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.device("meta"), WithoutInitialisation():
        return build().eval()


def _exactly(module: nn.Module, image: Tensor, paths: bool = False) -> tuple[BlockCost, list[Tensor]]:
    """Counts on the meta device; raises `Unsure`, or what the module raises."""
    counter = FunctionCounter(RULES, exact=True)
    with counter.watch(module, paths):
        outputs = counter.run(module, image)
    cost = counter.cost(
        module,
        macs=counter.macs,
        fvcore_macs=counter.macs,
        torch_macs=counter.macs,
        flops=counter.flops,
        activations=counter.activations,
        unsupported=counter.unsupported,
    )
    return cost, outputs


def _by_tracing(
    place: str, build: Callable[[], nn.Module], shape: Shape, paths: bool
) -> tuple[BlockCost, list[Tensor]]:
    """Builds the module again, with weights, and traces it."""
    from nas.cost.trace import traced

    with torch.random.fork_rng(devices=[]), _blamed(place), torch.device("cpu"):
        torch.default_generator.manual_seed(0)  # the same values each time, should the block decide by them
        return traced(build().eval(), _noise(shape), paths)


def _refuse_giant(place: str, build: Callable[[], nn.Module], refusal: BaseException) -> None:
    try:
        total = sum(weight.numel() for weight in _on_meta(build).parameters())
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  # it does not build there: only building it with weights can tell its size
        return
    if total > MAX_PARAMETERS:
        raise SpecError(f"{place}: it has {total:,} parameters, more than the {MAX_PARAMETERS:,} that are allowed, and "
                        f"cannot be counted without making them: {refusal}")


def _network_by_tracing(net: nn.Module, image: Tensor) -> BlockCost:
    from nas.cost.trace import traced

    with _blamed(f"{type(net).__name__} on {tuple(image.shape)}"):
        try:
            twin = _twin(net, lambda tensor: tensor)
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001  # what copying a stranger's module raises; then it serves itself
            twin = net
        modes = [(module, module.training) for module in twin.modules()]
        try:
            return traced(twin.eval(), image, paths=True)[0]
        finally:
            for module, training in modes:
                module.training = training


def _twin(net: nn.Module, replaced: Callable[[Tensor], Tensor]) -> nn.Module:
    """A copy of the modules over other tensors: copying looks into `memo` first, so that no weight is copied."""
    memo: dict[int, Any] = {}
    for weight in net.parameters():
        memo[id(weight)] = nn.Parameter(replaced(weight), requires_grad=weight.requires_grad)
    for buffer in net.buffers():
        memo[id(buffer)] = replaced(buffer)
    return copy.deepcopy(net, memo)


def _noise(shape: Shape) -> Tensor:
    return torch.randn((1, *shape), generator=torch.Generator().manual_seed(0), device="cpu")


@contextmanager
def _blamed(place: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise BlockError(f"{place}: cannot be counted, it raises {type(error).__name__}: {error}") from error
