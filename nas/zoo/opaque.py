"""Networks that other libraries build: taken as they are, built, counted and measured as a whole, never searched."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from nas.errors import SpecError
from nas.zoo.libraries import LIBRARIES

if TYPE_CHECKING:
    from torch import nn

PREFIXES = tuple(f"{name}:" for name in LIBRARIES)


@dataclass(frozen=True)
class Opaque:
    """A network by the name that a library gives it, such as `torchvision:resnet50`.

    Attributes:
        library: "torchvision" or "timm".
        name: what the library calls it; for timm perhaps with a tag, which decides the input's size.
        input_shape: (channels, height, width), the crop at which the library itself evaluates it.
        classes: how many logits an image gets.
    """

    library: str
    name: str
    input_shape: tuple[int, int, int]
    classes: int

    arch_id = None
    """No digest of the text tells which network it is: the installed library decides that."""

    def __str__(self) -> str:
        return f"{self.library}:{self.name}"

    def make(self) -> nn.Module:
        """The network with random weights from torch's global generator, on its default device, in train mode.

        Raises:
            SpecError: the library is not installed, or does not import.
        """
        return LIBRARIES[self.library].make(self.name)

    def make_on_meta(self) -> nn.Module:
        """The network without weights; one that cannot be built so is built with weights, which are thrown away."""
        return _make_on_meta(self.library, self.name)


@cache
def load_opaque(text: str) -> Opaque:
    """The network that `LIBRARY:NAME` names, after it has answered an image that has no content, without weights.

    Raises:
        SpecError: the library is missing or has no such network; it does not turn (batch, 3, height, width) into
            (batch, classes).
    """
    library, _, name = text.partition(":")
    try:
        if (refusal := LIBRARIES[library].find(name)) is not None:
            raise SpecError(refusal)
        shape = LIBRARIES[library].input_shape(name)
    except SpecError as error:
        raise SpecError(f"{text[:80]}: {error}") from None
    try:
        network = _make_on_meta(library, name)
    except Exception as error:  # what a stranger's code raises, such as that it needs a third library
        raise SpecError(f"{text}: {library} does not build it: {type(error).__name__}: {error}") from error
    return Opaque(library, name, shape, _classes(text, network, shape))


def _classes(text: str, network: nn.Module, shape: tuple[int, int, int]) -> int:
    import torch

    batch = 2
    size = "x".join(map(str, shape))
    if shape[0] != 3:
        raise SpecError(f"{text}: it takes {size}, and a network of another library must take images of 3 channels")
    try:
        with torch.no_grad(), torch.device("meta"):
            given = network.eval()(torch.empty(batch, *shape))
    except Exception as error:  # what a stranger's network raises
        raise SpecError(f"{text}: it does not run on a batch of images of {size}: "
                        f"{type(error).__name__}: {error}") from error
    if not isinstance(given, torch.Tensor) or given.dim() != 2 or given.shape[0] != batch:
        what = tuple(given.shape) if isinstance(given, torch.Tensor) else type(given).__name__
        raise SpecError(f"{text}: it gives {what} for {batch} images, and must give (batch, classes)")
    return int(given.shape[1])


def _make_on_meta(library: str, name: str) -> nn.Module:
    import torch

    with torch.random.fork_rng(devices=[]):
        try:
            with torch.device("meta"):
                return LIBRARIES[library].make(name)
        except RuntimeError:  # it asks for the values of its weights
            with torch.device("cpu"):
                return LIBRARIES[library].make(name).to("meta")
