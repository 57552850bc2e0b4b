"""torchvision and timm, imported where they are used: which networks they have, and how they build one.

Nothing is ever downloaded: weights are random, and a name that would be fetched from elsewhere is no name here.
"""

from __future__ import annotations

import importlib
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nas.errors import SpecError, nearest

if TYPE_CHECKING:
    from torch import nn

Shape = tuple[int, int, int]
"""Channels, height, width."""


class Library(ABC):
    """A library of networks."""

    name: str

    def module(self, *within: str) -> Any:
        """The library itself, or a module of it.

        Raises:
            SpecError: it is not installed, or does not import.
        """
        return _imported(".".join((self.name, *within)), self.name)

    @abstractmethod
    def find(self, name: str) -> str | None:
        """Why there is no classifier of images of this name; None where there is one."""

    @abstractmethod
    def input_shape(self, name: str) -> Shape:
        """The crop at which the library evaluates its own weights of this network."""

    @abstractmethod
    def make(self, name: str) -> nn.Module:
        """The network with random weights, on torch's default device."""


@cache
def _imported(module: str, library: str) -> ModuleType:
    try:
        importlib.import_module(library)
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name == library:
            raise SpecError(f"{library} is not installed; pip install {library}") from None
        raise SpecError(f"{library} does not import: {error}") from error
    except Exception as error:  # one that was built for another torch raises anything
        raise SpecError(f"{library} does not import: {type(error).__name__}: {error}\n"
                        f"Install the release of {library} that belongs to this torch.") from error


def _unknown(name: str, library: str, names: list[str]) -> str:
    known = nearest(name[:60], names)
    return f"{library} has no network {name[:60]!r}{known}; it has {len(names)}, see {library}.list_models()"


class Torchvision(Library):
    """`torchvision.models`."""

    name = "torchvision"
    OTHERS: Mapping[str, str] = {
        "detection": "finds objects and gives boxes",
        "segmentation": "gives a class for each pixel",
        "video": "takes videos",
        "optical_flow": "takes pairs of images and gives optical flow",
        "quantization": "is meant for integer weights, and networks are run in floating point here",
    }
    """Folder of `torchvision.models` -> what its networks do instead of classifying images."""

    def find(self, name: str) -> str | None:
        """Asks torchvision's registry, and in which folder the builder lies."""
        models = self.module("models")
        names = models.list_models()
        if name not in names:
            return _unknown(name, "torchvision.models", names)
        folder = models.get_model_builder(name).__module__.removeprefix("torchvision.models.").split(".")[0]
        if folder in self.OTHERS:
            return f"it {self.OTHERS[folder]}; a network here takes images and gives (batch, classes)"
        return None

    def input_shape(self, name: str) -> Shape:
        """That of the default weights' own transforms."""
        models = self.module("models")
        crop = models.get_model_weights(name).DEFAULT.transforms.keywords["crop_size"]
        # The default weights of vit_h_14 are for 518 x 518, and the network that the name alone builds takes 224.
        return (3, crop, crop) if not name.startswith("vit_") else (3, 224, 224)

    def make(self, name: str) -> nn.Module:
        """`torchvision.models.get_model(name, weights=None)`."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The default weight initialization", FutureWarning)
            module: nn.Module = self.module("models").get_model(name, weights=None)
        return module


class Timm(Library):
    """timm, the PyTorch Image Models."""

    name = "timm"

    def find(self, name: str) -> str | None:
        """Asks timm's registry; a tag behind a dot, such as resnet50.a1_in1k, must be one of the network's."""
        timm = self.module()
        names = timm.list_models()
        plain, dot, tag = name.partition(".")
        if plain not in names:
            return _unknown(name, "timm", names)
        if dot and name not in timm.list_models(plain, include_tags=True, pretrained=True):
            tags = [each.partition(".")[2] for each in timm.list_models(plain + ".*", pretrained=True)]
            return (f"timm's {plain} has no weights tagged {tag[:60]!r}{nearest(tag[:60], tags)}; there are "
                    f"{', '.join(tags)}")
        if timm.get_pretrained_cfg(name, allow_unregistered=True).num_classes == 0:
            return "it has no classifier of its own; a network here takes images and gives (batch, classes)"
        return None

    def input_shape(self, name: str) -> Shape:
        """That of its own validation: the test size where its configuration has one."""
        config = self.module().get_pretrained_cfg(name)
        channels, height, width = config.test_input_size or config.input_size
        return channels, height, width

    def make(self, name: str) -> nn.Module:
        """`timm.create_model(name, pretrained=False)`."""
        module: nn.Module = self.module().create_model(name, pretrained=False)
        return module


LIBRARIES: Mapping[str, Library] = {library.name: library for library in (Torchvision(), Timm())}
