"""What a network costs, as a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """What a network costs for one image, in eval mode.

    Attributes:
        params: parameters.
        macs: multiply-accumulates of convolutions, linear layers and matrix products, one each.
        flops: the total of fvcore's FlopCountAnalysis. Not 2 x macs: it counts one a multiply-accumulate and adds
            norms and adaptive pools.
        activations: the total of fvcore's ActivationCountAnalysis: outputs of convolutions, linear layers and matrix
            products, in elements.
        receptive_field: "HxW", the input pixels that a place of the last feature map sees through local operations:
            the most over all branches, dilation and strides taken into account.
        output_stride: input pixels from one place of the last feature map to the next; the larger of both axes.
        global_ops: operations that see the whole map, and where: "stages.3: adaptive_avg_pool2d". The pool of an
            architecture's head, which every network has, is not among them.
        unsupported_ops: operations that compute and that no counter knows, by fvcore's names ("aten::softmax"; not
            those that work element by element), then what else is uncertain: "macs: fvcore 0, FlopCounterMode/2 288
            (stages.1)" where the two disagree, and what could not be followed.
    """

    params: int
    macs: int
    flops: int
    activations: int
    receptive_field: str
    output_stride: int | float
    global_ops: tuple[str, ...] = ()
    unsupported_ops: tuple[str, ...] = ()


@dataclass(frozen=True)
class PartCost:
    """A part of a network: stem, a stage, or head.

    Attributes:
        name: "stem", "stages.0", "head".
        text: what it is, such as "mbconv x 6"; empty for stem and head.
        shape: of what it puts out for one image: (channels, height, width), or (classes,).
        cost: its own; receptive field and output stride are those of the network up to here.
    """

    name: str
    text: str
    shape: tuple[int, ...]
    cost: Cost
