"""Batch norm folded into the convolutions before it, as deployed networks are run.

Which batch norms can be folded is not read off the module tree, which does not say what a `forward` does, but
observed: one pass is watched at the level of torch's dispatcher, where every operation on a tensor shows, whatever
Python made it. A batch norm is folded where each of its inputs is a convolution's output that nothing else reads.
The folding is kept only if the network then still answers the same.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)

TOLERANCE = {"cpu": 1e-3, "cuda": 2e-2}
"""Largest difference of the folded network's outputs, over the largest output. CUDA may multiply in TF32."""


@dataclass(frozen=True)
class Folding:
    """What became of a network's batch norms: how many run, how many of them were folded, and what to say of it."""

    norms: int
    folded: int
    warnings: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether no batch norm is left to run; true of a network that has none."""
        return self.folded == self.norms


def fold_batch_norms(network: nn.Module, x: Tensor) -> Folding:
    """Folds batch norms of `network` in place, as far as that keeps its answer to `x`; told in the result.

    `network` is in eval mode, in float32 or wider, on the device of `x`, which is (batch, channels, height, width).

    Raises:
        Exception: whatever the network itself raises for `x`.
    """
    with torch.no_grad(), _Watch(network) as watch:
        before = network(x)
    watch.finish(before)
    pairs = watch.pairs()
    if not pairs:
        return Folding(watch.norms, 0, _left_over(watch.norms, 0))
    undo = _Swaps(network)
    try:
        for norm, convolutions in pairs.items():
            for convolution in convolutions:
                transposed = isinstance(convolution, _ConvTransposeNd)
                undo.swap(convolution, fuse_conv_bn_eval(convolution, norm, transpose=transposed))
            undo.swap(norm, nn.Identity())
        with torch.no_grad():
            after = network(x)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # a forward that reads its batch norm's attributes may raise anything
        undo.all()
        said = f"batch norm is not folded: the folded network raises {type(error).__name__}: {error}"
        return Folding(watch.norms, 0, (said,))
    worst = difference(before, after)
    if not worst <= TOLERANCE.get(x.device.type, TOLERANCE["cuda"]):  # a NaN is not within any tolerance
        undo.all()
        said = f"batch norm is not folded: the folded network's outputs differ by {worst:.2g} of the largest output"
        return Folding(watch.norms, 0, (said,))
    return Folding(watch.norms, len(pairs), _left_over(watch.norms, len(pairs)))


def _left_over(norms: int, folded: int) -> tuple[str, ...]:
    if folded == norms:
        return ()
    said = (f"{norms - folded} of {norms} batch norms are not folded: their input is not a plain convolution's output, "
            "or something else reads that output too")
    return (said,)


def difference(before: object, after: object) -> float:
    """Largest difference between the floating-point tensors of two outputs, over the largest value of the first."""
    ours, theirs = _numbers(before), _numbers(after)
    if [t.shape for t in ours] != [t.shape for t in theirs]:
        return float("inf")
    scale = max((float(t.abs().max()) for t in ours if t.numel()), default=0.0)
    worst = max((float((a - b).abs().max()) for a, b in zip(ours, theirs, strict=True) if a.numel()), default=0.0)
    return worst / scale if scale > 0 else worst


def _numbers(output: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor) and leaf.is_floating_point()]


@dataclass
class _Swaps:
    """Modules replaced wherever they stand in the tree, and the way back."""

    network: nn.Module
    done: list[tuple[nn.Module, str, nn.Module]] = field(default_factory=list)

    def swap(self, old: nn.Module, new: nn.Module) -> None:
        for parent in list(self.network.modules()):
            for name, child in list(parent._modules.items()):
                if child is old:
                    self.done.append((parent, name, old))
                    parent._modules[name] = new

    def all(self) -> None:
        """Puts everything back."""
        for parent, name, old in reversed(self.done):
            parent._modules[name] = old


def _foldable_convolution(module: nn.Module) -> bool:
    """A convolution that computes with its own `weight` as it stands: no subclass with another forward, no weight
    norm or parametrization, no hooks.
    """
    plain = any(type(module).forward is kind.forward for kind in CONVOLUTIONS if isinstance(module, kind))
    if not plain or "weight" not in module._parameters or module._forward_pre_hooks or module._forward_hooks:
        return False
    # torch's own folding scales the wrong axis of a grouped transposed convolution's weight
    return not (isinstance(module, _ConvTransposeNd) and module.groups > 1)


def _foldable_norm(module: nn.Module) -> bool:
    """A batch norm that normalises by its running statistics and does nothing else."""
    plain = isinstance(module, _BatchNorm) and type(module).forward is _BatchNorm.forward
    still = not module.training and getattr(module, "running_mean", None) is not None
    return plain and still and not module._forward_pre_hooks and not module._forward_hooks


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves its methods untyped
    """Watches one pass: which convolution made a tensor, and what reads it.

    Tensors are told apart by identity, and kept alive to the end so that no identity is used twice.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.network = network
        self.stray_norms = 0  # batch norm computed by something that is no batch norm module
        self._kept: list[Tensor] = []
        self._maker: dict[int, _ConvNd] = {}  # a convolution's output -> that convolution
        self._readers: dict[int, list[nn.Module | None]] = defaultdict(list)  # such an output -> norms, None for others
        self._outputs: dict[_ConvNd, list[int]] = defaultdict(list)  # its outputs
        self._inputs: dict[_BatchNorm, list[int]] = defaultdict(list)  # its inputs
        self._running: nn.Module | None = None  # the norm that is being computed
        self._hooks = ExitStack()

    def __enter__(self) -> _Watch:
        for module in self.network.modules():
            if _foldable_convolution(module):
                self._hooks.callback(module.register_forward_hook(self._after_convolution).remove)
            elif isinstance(module, _BatchNorm):
                self._hooks.callback(module.register_forward_pre_hook(self._before_norm).remove)
                self._hooks.callback(module.register_forward_hook(self._after_norm).remove)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *details: Any) -> None:
        super().__exit__(*details)  # type: ignore[no-untyped-call]
        self._hooks.close()

    def _after_convolution(self, module: _ConvNd, _args: Any, output: Tensor) -> None:
        self._kept.append(output)
        self._maker[id(output)] = module
        self._outputs[module].append(id(output))

    def _before_norm(self, module: _BatchNorm, args: tuple[Any, ...]) -> None:
        self._kept += args[:1]
        self._inputs[module].append(id(args[0]) if args else 0)
        self._running = module

    def _after_norm(self, *_: Any) -> None:
        self._running = None

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Not asked whether torch's compiler should leave it alone: to say so, torch would load the compiler."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self._read((args, kwargs), self._running)
        if self._running is None and _is_batch_norm(func, args):
            self.stray_norms += 1
        return func(*args, **(kwargs or {}))

    def _read(self, values: object, reader: nn.Module | None) -> None:
        for leaf in tree_leaves(values):
            if isinstance(leaf, Tensor) and id(leaf) in self._maker:
                self._readers[id(leaf)].append(reader)

    def finish(self, output: object) -> None:
        """Whoever gets the network's output reads it too."""
        self._read(output, None)

    @property
    def norms(self) -> int:
        """Batch norms that ran."""
        return len(self._inputs) + self.stray_norms

    def pairs(self) -> dict[_BatchNorm, list[_ConvNd]]:
        """Each norm that can be folded, with the convolutions to fold it into: several where it is shared."""
        sole_reader = {}
        for convolution, outputs in self._outputs.items():
            readers = {reader for output in outputs for reader in self._readers[output]}
            if len(readers) == 1 and all(self._readers[output] for output in outputs):
                sole_reader[convolution] = readers.pop()
        found = {}
        for norm, inputs in self._inputs.items():
            makers = [self._maker.get(value) for value in inputs]
            if _foldable_norm(norm) and all(maker and sole_reader.get(maker) is norm for maker in makers):
                found[norm] = list(dict.fromkeys(maker for maker in makers if maker))
        return found


def _is_batch_norm(func: Any, args: tuple[Any, ...]) -> bool:
    """Whether an operation of the dispatcher normalises by running statistics (instance norm, which comes as a batch
    norm by the input's own, does not).
    """
    name = func.overloadpacket.__name__
    if name in ("_native_batch_norm_legit_no_training", "_batch_norm_no_update"):
        return True
    with_flag = ("native_batch_norm", "_native_batch_norm_legit", "cudnn_batch_norm", "miopen_batch_norm")
    return name in with_flag and len(args) > 5 and args[5] is False
