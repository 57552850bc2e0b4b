"""torchvision's own figures of the networks that it ships, from its tables of weights: nothing is downloaded."""

from __future__ import annotations

from nas.bench.result import Published
from nas.errors import SpecError
from nas.zoo import Opaque, names
from nas.zoo.libraries import LIBRARIES

DATA_SET = "ImageNet-1K"


def published(text: str, network: object) -> Published | None:
    """The figures of a network that was asked for as `text`: a zoo network, which is torchvision's of the same name,
    or `torchvision:NAME`. None for any other, and where torchvision is not installed or has no weights of it.
    """
    if isinstance(network, Opaque):
        name = network.name if network.library == "torchvision" else None
    else:
        name = text if text in names() else None
    if name is None:
        return None
    try:
        models = LIBRARIES["torchvision"].module("models")
    except SpecError:
        return None
    if name not in models.list_models():
        return None
    weights = models.get_model_weights(name).DEFAULT
    meta = weights.meta
    accuracy = meta["_metrics"].get(DATA_SET, {}).get("acc@1")
    if accuracy is None:
        return None
    return Published(str(weights), float(accuracy), int(meta["num_params"]), float(meta["_ops"]))


def missing_library() -> str:
    """What to say where there are no published figures at all, or an empty string."""
    try:
        LIBRARIES["torchvision"].module("models")
    except SpecError as error:
        return f"published figures are left out: {str(error).splitlines()[0]}"
    return ""
