"""Runs a module and counts each function that it calls, by `rules`, while following what each tensor has seen.

On the meta device (`exact=True`) nothing is computed, and a function without a rule, or one that a rule is not sure
of, ends the run: the counts are either exact or refused. On real tensors every function is let through; then the
receptive field and the global operations are followed as far as functions are known, and `trace` gives the counts.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from nas.cost.axes import IMAGE, Axes, blank, guess
from nas.cost.field import START, Field, union
from nas.cost.table import BlockCost

_REQUIRED: Any = object()


class Unsure(Exception):  # noqa: N818  # not an error: another road is taken
    """A function is met whose count is not known for sure; names it."""


class Call(NamedTuple):
    """A function that a module calls, with its arguments."""

    function: Any
    args: Sequence[Any]
    kwargs: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What to call the function: "softmax", "matmul" also for the operator @, "Tensor.shape" for a property."""
        name = getattr(self.function, "__name__", None) or str(self.function)
        if name == "__get__":
            return f"Tensor.{getattr(self.function.__self__, '__name__', 'attribute')}"
        return str(name).partition(".")[0].strip("_")  # "mean.dim" is an overload of "mean"

    def arg(self, place: int, name: str, default: Any = _REQUIRED) -> Any:
        """An argument, given by position or by name."""
        if place < len(self.args):
            return self.args[place]
        return self.kwargs[name] if default is _REQUIRED else self.kwargs.get(name, default)

    @property
    def tensors(self) -> Iterator[Tensor]:
        """The tensors among the arguments, also in lists and tuples of them."""
        return (tensor for value in (*self.args, *self.kwargs.values()) for tensor in tensors_in(value))

    def __call__(self) -> Any:
        """Calls it."""
        return self.function(*self.args, **self.kwargs)


Rule = Callable[["FunctionCounter", Call], Any]
"""`rule(counter, call)` makes the call or answers for it, and says what it cost. It raises `Unsure`, before it makes
the call, where it does not know this use of the function.
"""


class Seen(NamedTuple):
    """What is known of a tensor: its axes, what it sees of the input (None: nothing), and, a bit each, which of the
    counted operations it depends on.
    """

    axes: Axes
    field: Field | None
    counted: int = 0


Changed = Callable[[Tensor], tuple[Axes, Field | None]]


class FunctionCounter(TorchFunctionMode):
    """The counts of everything that runs within this context.

    Attributes:
        macs, flops, activations: as in `BlockCost`, by the functions that have rules.
        unsupported: operators, by their aten names, that compute and that no counter knows.
        global_ops: functions that saw the whole map, with the path of their module where `watch` follows it.
        refused: where `exact`: the function at which the count stopped being exact, or None.
        values_used: functions that gave a tensor's values to Python, so that what follows may depend on them.
        lost: whether a tensor came from something that does not go through torch's functions.
    """

    def __init__(self, rules: Mapping[Any, Rule], exact: bool) -> None:
        super().__init__()
        self.exact = exact
        self.macs = 0
        self.flops = 0
        self.activations = 0
        self.unsupported: list[str] = []
        self.global_ops: list[str] = []
        self.values_used: list[str] = []
        self.refused: str | None = None
        self.lost = False
        self.path = ""
        self._rules = rules
        self._bits = 0
        self._seen: dict[int, tuple[weakref.ref[Tensor], Seen]] = {}
        self._constants: set[int] = set()
        self._everything: Field = START
        self._result: Field | None = None

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Counts one function; `types` are the classes of its tensors."""
        call = Call(func, args, kwargs or {})
        rule = self._rules.get(func)
        if self.exact:
            # Gradients are off within torch.autograd.Function.forward, which fvcore takes for one opaque operator.
            if rule is None or not torch.is_grad_enabled():
                self.unsure(call.name)
            else:
                return rule(self, call)
        elif rule is not None:
            try:
                return rule(self, call)
            except Unsure:
                return self.follow(call)
        return self.follow(call)

    def unsure(self, what: str) -> None:
        """Refuses to go on counting exactly.

        Raises:
            Unsure: always; where a module catches it, `refused` still tells.
        """
        self.refused = self.refused or what
        raise Unsure(what)

    def follow(self, call: Call, changed: Changed | None = None, bit: int = 0) -> Any:
        """Makes a call whose results see what its arguments see.

        Args:
            call: the call.
            changed: `changed(tensor)` answers what a result is, where it is not what is guessed.
            bit: of the operation, where it is one that is counted.
        """
        sources = self.sources(call)
        result = call()
        for tensor in tensors_in(result):
            if changed is not None:
                axes, field = changed(tensor)
            else:
                axes = guess(tensor.dim(), [seen.axes for seen in sources])
                field = union(seen.field for seen in sources if seen.field is not None)
            self.remember(tensor, Seen(axes, field, self.counted(sources) | bit))
        return result

    def answer(self, call: Call, shape: Sequence[int], like: Tensor) -> Tensor:
        """The result of a call: on the meta device, where only its shape matters, an empty tensor of that shape."""
        if self.exact and min(shape) > 0:
            return torch.empty(shape, dtype=like.dtype, device="meta")
        result: Tensor = call()
        return result

    def counted(self, sources: Iterable[Seen]) -> int:
        """Which operations something depends on that depends on all of `sources`."""
        return reduce(or_, (seen.counted for seen in sources), 0)

    def sources(self, call: Call) -> list[Seen]:
        """What is known of each tensor among the arguments."""
        return [self.seen(tensor) for tensor in call.tensors]

    def seen(self, tensor: Tensor) -> Seen:
        """What is known of a tensor."""
        entry = self._seen.get(id(tensor))
        if entry is not None and entry[0]() is tensor:
            return entry[1]
        if id(tensor) in self._constants:
            return Seen(() if is_lazy(tensor) else blank(tensor.dim()), None)
        if self.exact:
            self.unsure("a tensor that no function of torch's gave")
        self.lost = True
        return Seen(IMAGE if tensor.dim() == 4 else blank(tensor.dim()), self._everything)

    def remember(self, tensor: Tensor, seen: Seen) -> None:
        """Keeps what is known of a tensor. The reference is weak: holding all of them would hold the memory."""
        self._seen[id(tensor)] = (weakref.ref(tensor), seen)
        if seen.field is not None and seen.field != self._everything and not self.exact:
            self._everything = union((self._everything, seen.field)) or START

    def count(self, macs: int = 0, flops: int = 0, activations: int = 0, unsupported: str | None = None) -> int:
        """Adds one operation and answers its bit."""
        self.macs += macs
        self.flops += flops
        self.activations += activations
        if unsupported:
            self.unsupported.append(unsupported)
        self._bits += 1
        return 1 << (self._bits - 1)

    def saw_everything(self, name: str) -> None:
        """Notes an operation that sees the whole map."""
        self.global_ops.append(f"{self.path}: {name}" if self.path else name)

    def run(self, module: nn.Module, image: Tensor) -> list[Tensor]:
        """Calls the module on an image (1, channels, height, width) and answers its output tensors.

        Raises:
            Unsure: where `exact`: the counts are not exact, or something was computed and then not used.
        """
        self._constants = {id(tensor) for tensor in _constants(module)}
        self.remember(image, Seen(IMAGE, START))
        with self:
            output = module(image)
        tensors = list(tensors_in(output))
        results = [self.seen(tensor) for tensor in tensors]
        self._result = union(seen.field for seen in results if seen.field is not None)
        if self.exact:
            if self.refused:
                raise Unsure(self.refused)
            parts = output if isinstance(output, list | tuple) else (output,)
            if self._result is None or not all(isinstance(part, Tensor) for part in parts):
                self.unsure("an output that is not made of tensors that depend on the input")
            if self.counted(results) != (1 << self._bits) - 1:  # fvcore leaves out what is not used, torch does not
                self.unsure("an operation whose result is not used")
        return tensors

    def cost(
        self, module: nn.Module, *, macs: int, fvcore_macs: int, torch_macs: int, flops: int, activations: int,
        unsupported: Iterable[str],
    ) -> BlockCost:
        """These counts, with what the run of `module` has shown besides."""
        vertical, horizontal = self._result or START
        return BlockCost(
            params=sum(weight.numel() for weight in module.parameters()),
            macs=macs,
            fvcore_macs=fvcore_macs,
            torch_macs=torch_macs,
            flops=flops,
            activations=activations,
            field=(vertical.extent, horizontal.extent),
            jump=(vertical.jump, horizontal.jump),
            unsupported=tuple(dict.fromkeys(unsupported)),
            global_ops=tuple(dict.fromkeys(self.global_ops)),
        )

    @contextmanager
    def watch(self, module: nn.Module, paths: bool) -> Iterator[None]:
        """Where `paths`, follows the path of the submodule that runs, for the names of global operations."""
        if not paths:
            yield
            return
        stack: deque[str] = deque()

        def enter(path: str) -> Callable[..., None]:
            def push(*_: object) -> None:
                stack.append(self.path)
                self.path = path

            return push

        def leave(*_: object) -> None:
            self.path = stack.pop()

        handles = []
        for path, child in module.named_modules():
            if path and not isinstance(child, torch.jit.ScriptModule):
                handles.append(child.register_forward_pre_hook(enter(path), prepend=True))
                handles.append(child.register_forward_hook(leave, always_call=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def tensors_in(value: Any) -> Iterable[Tensor]:
    """The tensors in a value, and in the lists, tuples and mappings of it."""
    if isinstance(value, Tensor):
        return (value,)
    if isinstance(value, str) or not isinstance(value, list | tuple | Mapping):
        return ()
    parts = value.values() if isinstance(value, Mapping) else value
    return [tensor for part in parts for tensor in tensors_in(part)]


def _constants(module: nn.Module) -> Iterator[Tensor]:
    """The parameters, the buffers, and the tensors that modules hold as plain attributes."""
    for owner in module.modules():
        yield from owner.parameters(recurse=False)
        yield from owner.buffers(recurse=False)
        if not type(owner).__module__.startswith("torch.nn."):
            yield from (value for value in vars(owner).values() if isinstance(value, Tensor))
