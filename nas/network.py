"""From an `Architecture` and the blocks that it names to a plain `torch.nn.Module`.

Before anything is allocated, each distinct block is built once on the meta device: its parameters are counted, and
what it gives for its input is compared with what the network expects.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from nas.arch import Architecture, kernel_size
from nas.blocks import BlockRegistry
from nas.canonical import canonicalise
from nas.chain import Placed, chain, scaled, stage_ios, stem_shape
from nas.errors import BlockError, SpecError
from nas.layers import activation, batch_norm
from nas.meta import QuickShapes
from nas.plugins import load_plugins
from nas.zoo import Opaque, canonical_with, resolve

MAX_PARAMETERS = 10_000_000_000
"""A network with more is refused before anything is allocated."""


class Network(nn.Module):
    """`stem`, `stages` (a sequence of sequences of blocks) and `head`: images (batch, channels, H, W) to logits
    (batch, classes).
    """

    def __init__(self, stem: nn.Module, stages: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.stem = stem
        self.stages = stages
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """The logits of `x`."""
        logits: Tensor = self.head(self.stages(self.stem(x)))
        return logits


def build(
    arch: Architecture | Opaque | str,
    plugins: Sequence[str | Path] = (),
    *,
    seed: int | None = None,
    device: str | torch.device = "cpu",
) -> nn.Module:
    """The network, with initial weights, in train mode.

    Args:
        arch: an architecture, or what `nas.load` takes as text: a published network's name, an architecture's text,
            timm's block strings, `torchvision:NAME`; or the opaque network that it made of the latter.
        plugins: local plugin files whose blocks it may name, besides those that are installed.
        seed: makes the weights reproducible, on any device, and leaves torch's global generators as they were. None
            draws them from the global generator of the CPU.
        device: where the weights go; on "meta" they are not initialised.

    Raises:
        SpecError: the architecture cannot be meant, or has more than 10 G parameters.
        BlockError: a block is unknown, refuses its place, does not build, or gives another shape than it should.
        PluginError: a plugin file does not load.
    """
    known = load_plugins(plugins)
    value = resolve(arch, known) if isinstance(arch, str) else arch
    if isinstance(value, Opaque):
        return _build_opaque(value, seed, torch.device(device))
    return build_network(canonical_with(value, known), known.blocks, seed=seed, device=device)


def _build_opaque(network: Opaque, seed: int | None, device: torch.device) -> nn.Module:
    """With the weights that its library draws."""
    if device.type == "meta":
        return network.make_on_meta()
    with _generator(seed), torch.device("cpu"):
        module = network.make()
    return module.to(device)


def build_network(
    arch: Architecture, blocks: BlockRegistry, *, seed: int | None = None, device: str | torch.device = "cpu"
) -> nn.Module:
    """`build` with blocks that are loaded already; the same weights for the same seed.

    Raises:
        SpecError: the architecture cannot be meant, or has more than 10 G parameters.
        BlockError: a block is unknown, refuses its place, does not build, or gives another shape than it should.
    """
    arch = canonicalise(arch, blocks)
    _try(arch, blocks)
    device = torch.device(device)
    if device.type == "meta":
        with device:
            return _assemble(arch, blocks, initialise=False)
    with _generator(seed), torch.device("cpu"):
        network = _assemble(arch, blocks, initialise=True)
    return network.to(device)


def try_network(arch: Architecture, blocks: BlockRegistry) -> None:
    """Builds each distinct block on the meta device, counts, and asks what it gives for its input. Allocates nothing.

    Raises:
        SpecError, BlockError: as `build_network` does.
    """
    _try(canonicalise(arch, blocks), blocks)


def _try(arch: Architecture, blocks: BlockRegistry) -> None:
    parts = _parts(arch, blocks)
    _refuse_giants(parts)
    for part in parts:
        if part.placed:
            _check_shape(part.placed, part.module)


def parameters_of(arch: Architecture, blocks: BlockRegistry) -> int:
    """How many parameters the network has. Allocates nothing; blocks that repeat are built once.

    Raises:
        SpecError: the architecture cannot be meant, or its sizes are past what can be counted.
        BlockError: a block is unknown, refuses its place, or does not build.
    """
    return sum(part.total for part in _parts(canonicalise(arch, blocks), blocks))


def try_block(placed: Placed) -> int:
    """How many parameters one block has that is built on the meta device, after it was asked what it gives for its
    input. Allocates nothing.

    Raises:
        BlockError: it does not build or run there, or gives another shape than it should.
        SpecError: its sizes are past what can be counted.
    """
    module = _build_on_meta(placed)
    _check_shape(placed, module)
    return sum(weight.numel() for weight in module.parameters())


@dataclass(frozen=True)
class _Part:
    """Equal modules of the network, built once on the meta device."""

    place: str
    module: nn.Module
    times: int = 1
    placed: Placed | None = None

    @property
    def total(self) -> int:
        return self.times * sum(weight.numel() for weight in self.module.parameters())


def _parts(arch: Architecture, blocks: BlockRegistry) -> list[_Part]:
    """Stem, the first and the other blocks of each stage, and head."""
    with torch.device("meta"):
        with _blamed("stem", "building it"):
            parts = [_Part("stem", _stem(arch))]
        for placed, times in _distinct(arch, blocks):
            parts.append(_Part(_place(placed), _build_on_meta(placed), times, placed))
        with _blamed("head", "building it"):
            parts.append(_Part("head", _head(arch)))
    return parts


def _distinct(arch: Architecture, blocks: BlockRegistry) -> Iterator[tuple[Placed, int]]:
    """The first block of each stage, then one for all others, with how many there are."""
    _, height, width = stem_shape(arch)
    for position, (stage, (first, rest)) in enumerate(zip(arch.stages, stage_ios(arch), strict=True)):
        spec = blocks[stage.block]
        yield Placed(position, 0, spec, stage.params, first, height, width), 1
        height, width = scaled(height, stage.stride, spec.scale), scaled(width, stage.stride, spec.scale)
        if stage.repeats > 1:
            yield Placed(position, 1, spec, stage.params, rest, height, width), stage.repeats - 1


def _refuse_giants(parts: Sequence[_Part]) -> None:
    total = sum(part.total for part in parts)
    if total > MAX_PARAMETERS:
        largest = max(parts, key=lambda part: part.total)
        raise SpecError(f"this network has {total:,} parameters, more than the {MAX_PARAMETERS:,} that are allowed\n"
                        f"Most are in {largest.place}: {largest.total:,}. Take fewer channels or repeats.")


def _place(placed: Placed) -> str:
    io = placed.io
    return (f"stages[{placed.stage}] ({placed.spec.name}), block {placed.index}, stride {io.stride}: "
            f"{_shape(io.in_channels, placed.height, placed.width)} to {_shape(*_expected(placed))}")


def _shape(*sizes: int) -> str:
    return "x".join(map(str, sizes))


def _expected(placed: Placed) -> tuple[int, int, int]:
    stride, scale = placed.io.stride, placed.spec.scale
    return placed.io.out_channels, scaled(placed.height, stride, scale), scaled(placed.width, stride, scale)


def _build_on_meta(placed: Placed) -> nn.Module:
    with torch.device("meta"):
        module = _build_block(placed)
        with _blamed(_place(placed), "its parameters"):
            sum(weight.numel() for weight in module.parameters())
    return module


def _build_block(placed: Placed) -> nn.Module:
    with _blamed(_place(placed), "its build"):
        module = placed.spec.build(placed.io, **placed.params)
    if not isinstance(module, nn.Module):
        raise BlockError(f"{_place(placed)}: its build must return a torch.nn.Module, got {type(module).__name__}")
    return module


@contextmanager
def _blamed(place: str, what: str) -> Iterator[None]:
    """Names the place of whatever is raised, `sys.exit()` too; running out of memory is not a block's fault, nor is
    Ctrl-C: both stay as they are.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise
        if "overflow" in str(error).lower():  # a size past 64 bits, of which torch complains on the meta device too
            raise SpecError(f"{place}: it has a tensor of more elements than can be counted, and a network at most "
                            f"{MAX_PARAMETERS:,} parameters. Take fewer channels or a smaller kernel.") from None
        raise BlockError(f"{place}: {what} raises {type(error).__name__}: {error}") from error


def _check_shape(placed: Placed, module: nn.Module) -> None:
    """Runs two images of no content through a block that stands on the meta device, in eval mode."""
    batch = 2
    blamed = _blamed(_place(placed), "its forward, tried on the meta device,")
    with torch.no_grad(), torch.device("meta"), QuickShapes(), blamed:
        module.eval()
        given = module(torch.empty(batch, placed.io.in_channels, placed.height, placed.width))
    if not isinstance(given, Tensor):
        raise BlockError(f"{_place(placed)}: its forward must return one tensor, got {type(given).__name__}")
    if tuple(given.shape) != (batch, *_expected(placed)):
        raise BlockError(f"{_place(placed)}: its forward must turn a batch of {batch} into shape "
                         f"{(batch, *_expected(placed))}, got {tuple(given.shape)}")


@contextmanager
def _generator(seed: int | None) -> Iterator[None]:
    """Seeds the generator of the CPU for a while. `torch.manual_seed` would seed those of the GPUs as well."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def _assemble(arch: Architecture, blocks: BlockRegistry, initialise: bool) -> Network:
    stem, head = _stem(arch), _head(arch)
    stages = [nn.Sequential() for _ in arch.stages]
    for placed in chain(arch, blocks):
        block = _build_block(placed)
        if initialise:
            _refuse_reused(placed, block)
            if not placed.spec.initializes_itself:
                _initialise(block)
        stages[placed.stage].append(block)
    if initialise:
        _initialise(stem)
        _initialise(head)
    return Network(stem, nn.Sequential(*stages), head)


def _refuse_reused(placed: Placed, block: nn.Module) -> None:
    if any(weight.is_meta for weight in block.parameters()):
        raise BlockError(f"{_place(placed)}: its build must make new weights on torch's default device at each call, "
                         "but some are on the meta device, where it was tried first")


def _stem(arch: Architecture) -> nn.Sequential:
    stem = arch.stem
    height, width = kernel_size(stem.kernel)
    padding = (height // 2, width // 2)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv"] = nn.Conv2d(arch.input_shape[0], stem.channels, (height, width), stem.stride, padding, bias=False)
    layers["norm"] = batch_norm(arch.norm)(stem.channels)
    layers["act"] = activation(stem.act)()
    if stem.pool:
        layers["pool"] = nn.MaxPool2d(3, stride=2, padding=1)
    return nn.Sequential(layers)


def _head(arch: Architecture) -> nn.Sequential:
    head = arch.head
    channels = arch.stages[-1].channels if arch.stages else arch.stem.channels
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if head.channels:
        layers["conv"] = nn.Conv2d(channels, head.channels, 1, bias=False)
        layers["norm"] = batch_norm(arch.norm)(head.channels)
        layers["act"] = activation(head.act)()
        channels = head.channels
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    if head.hidden:
        layers["hidden"] = nn.Linear(channels, head.hidden)
        layers["hidden_act"] = activation(head.act)()
        channels = head.hidden
    if head.dropout:
        layers["dropout"] = nn.Dropout(head.dropout)
    layers["classifier"] = nn.Linear(channels, arch.classes)
    return nn.Sequential(layers)


_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.modules.instancenorm._InstanceNorm)


def _initialise(part: nn.Module) -> None:
    """Convolutions Kaiming normal by fan-out (He et al. 2015, arXiv:1502.01852), norms 1 and 0, linear layers normal
    with deviation 0.01, biases 0; any other weight keeps what its module gave it.
    """
    for module in part.modules():
        if isinstance(module, _CONVOLUTIONS):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
        elif isinstance(module, _NORMS):
            if module.weight is not None:
                nn.init.ones_(module.weight)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
