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
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


from nas.cost.axes import IMAGE, Axes, blank, guess
from nas.cost.field import START, Field, union

Rule = Callable[["FunctionCounter", Any, Sequence[Any], Mapping[str, Any]], Any]
"""`rule(counter, function, args, kwargs)` calls the function or answers for it, and says what it cost. It raises
`Unsure`, before it has called the function, where it does not know this use of it.
"""


class Unsure(Exception):  # noqa: N818  # not an error: another road is taken
    """A function is met whose count is not known for sure; names it."""


class Seen(NamedTuple):
    """What is known of a tensor: its axes, what it sees of the input (None: nothing), and, a bit each, which of the
    counted operations it depends on.
    """

    axes: Axes
    field: Field | None
    counted: int = 0


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

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Counts one function; `types` are the classes of its tensors."""
        kwargs = kwargs or {}
        rule = self._rules.get(func)
        if self.exact:
            # Gradients are off within torch.autograd.Function.forward, which fvcore takes for one opaque operator.
            if rule is None or not torch.is_grad_enabled():
                self.unsure(name_of(func))
            else:
                return rule(self, func, args, kwargs)
        elif rule is not None:
            try:
                return rule(self, func, args, kwargs)
            except Unsure:
                return self.follow(func, args, kwargs)
        return self.follow(func, args, kwargs)

    def unsure(self, what: str) -> None:
        """Refuses to go on counting exactly.

        Raises:
            Unsure: always; where a module catches it, `refused` still tells.
        """
        self.refused = self.refused or what
        raise Unsure(what)

    def follow(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], axes: Axes | None = None) -> Any:
        """Calls a function that costs nothing, or nothing known: its results see what its arguments see."""
        sources = self.sources(args, kwargs)
        result = func(*args, **kwargs)
        for tensor in tensors_in(result):
            self.remember(tensor, self.joined(sources, axes or guess(tensor.dim(), [seen.axes for seen in sources])))
        return result

    def joined(self, sources: Iterable[Seen], axes: Axes) -> Seen:
        """Of a tensor with these axes that depends on all of `sources`."""
        counted, fields = 0, []
        for seen in sources:
            counted |= seen.counted
            if seen.field is not None:
                fields.append(seen.field)
        return Seen(axes, union(fields), counted)

    def sources(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Seen]:
        """What is known of each tensor among the arguments, also in lists and tuples of them."""
        return [self.seen(tensor) for value in (*args, *kwargs.values()) for tensor in tensors_in(value)]

    def seen(self, tensor: Tensor) -> Seen:
        """What is known of a tensor."""
        entry = self._seen.get(id(tensor))
        if entry is not None and entry[0]() is tensor:
            return entry[1]
        if id(tensor) in self._constants:
            return Seen(blank(tensor.dim()), None)
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

    def run(self, module: nn.Module, image: Tensor) -> list[Seen]:
        """Calls the module on an image (1, channels, height, width) and answers what each of its output tensors is.

        Raises:
            Unsure: where `exact`: the counts are not exact, or something was computed and then not used.
        """
        owners = list(module.modules())
        constants = [*module.parameters(), *module.buffers()]
        constants += [value for owner in owners for value in vars(owner).values() if isinstance(value, Tensor)]
        self._constants = {id(tensor) for tensor in constants}
        self.remember(image, Seen(IMAGE, START))
        with self:
            output = module(image)
        results = [self.seen(tensor) for tensor in tensors_in(output)]
        if not self.exact:
            return results
        if self.refused:
            raise Unsure(self.refused)
        if not results or not all(isinstance(part, Tensor) for part in _parts(output)):
            self.unsure(f"an output of type {type(output).__name__}")
        used = self.joined(results, ())
        if used.counted != (1 << self._bits) - 1:
            self.unsure("an operation whose result is not used")  # fvcore does not count it, FlopCounterMode does
        if used.field is None:
            self.unsure("an output that does not depend on the input")
        return results

    @contextmanager
    def watch(self, module: nn.Module) -> Iterator[None]:
        """Follows the path of the submodule that runs, for the names of global operations."""
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
                handles.append(child.register_forward_hook(leave))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def name_of(func: Any) -> str:
    """What to call a function: "softmax", "matmul" also for the operator @, "Tensor.shape" for a property."""
    name = getattr(func, "__name__", None) or str(func)
    if name == "__get__":
        return f"Tensor.{getattr(func.__self__, '__name__', 'attribute')}"
    return str(name).strip("_")


def tensors_in(value: Any) -> Iterable[Tensor]:
    """The tensors in a value, and in the lists, tuples and mappings of it."""
    if isinstance(value, Tensor):
        return (value,)
    if isinstance(value, str) or not isinstance(value, list | tuple | Mapping):
        return ()
    parts = value.values() if isinstance(value, Mapping) else value
    return [tensor for part in parts for tensor in tensors_in(part)]


def _parts(output: object) -> Sequence[object]:
    return output if isinstance(output, list | tuple) else (output,)
