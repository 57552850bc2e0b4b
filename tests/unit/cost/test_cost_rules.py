"""Every rule gives, on the meta device, what fvcore and FlopCounterMode count on real tensors, and the same fields."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from nas.cost.axes import IMAGE
from nas.cost.counter import Call, FunctionCounter, Seen, Unsure
from nas.cost.field import START
from nas.cost.module import _exactly
from nas.cost.rules import RULES
from nas.cost.trace import traced

SHAPE = (1, 4, 6, 6)


class Uses(nn.Module):
    """Whatever weights a function may want, and the function."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.matrix = nn.Parameter(torch.empty(8, 4))
        self.vector = nn.Parameter(torch.empty(4))
        self.kernel = nn.Parameter(torch.empty(4, 4, 3, 3))
        self.depthwise = nn.Parameter(torch.empty(4, 1, 3, 3))
        self.transposed = nn.Parameter(torch.empty(4, 2, 4, 4))
        self.line = nn.Parameter(torch.empty(4, 4, 3))
        self.channel_line = nn.Parameter(torch.empty(1, 1, 3))
        self.norms = nn.ModuleDict({
            "batch": nn.BatchNorm2d(4), "bare": nn.BatchNorm2d(4, affine=False),
            "batchless": nn.BatchNorm2d(4, track_running_stats=False), "instance": nn.InstanceNorm2d(4, affine=True),
            "kept": nn.InstanceNorm2d(4, track_running_stats=True),
        })
        for weight in self.parameters():
            if not weight.is_meta:
                nn.init.normal_(weight)

    def forward(self, x):
        return self.function(x, self)


def exact(function):
    with torch.device("meta"):
        module = Uses(function).eval()
    return _exactly(module, torch.empty(SHAPE, device="meta"))[0]


def measured(function):
    return traced(Uses(function).eval(), torch.randn(SHAPE))[0]


UNARY = ["abs", "exp", "log", "sqrt", "rsqrt", "neg", "square", "reciprocal", "sigmoid", "tanh", "erf", "sin", "cos"]
ACTIVATIONS = ["relu", "relu6", "silu", "hardswish", "hardsigmoid", "hardtanh", "gelu", "mish", "elu", "selu", "celu",
               "leaky_relu", "softplus", "logsigmoid"]
IN_PLACE = ["neg_", "abs_", "exp_", "sqrt_", "rsqrt_", "sigmoid_", "tanh_", "relu_"]


def in_place(x):
    x = x.clone()
    x += 1
    x -= x
    x *= 2
    x /= 3
    return x.add_(x).sub_(1).mul_(x).div_(2).clamp_(0, 1)


def attention(x):
    tokens = x.flatten(2).transpose(1, 2)
    return (torch.softmax(tokens @ tokens.transpose(1, 2), -1) @ tokens).transpose(1, 2).reshape(x.shape)


def windows(x):
    cut = x.permute(0, 2, 3, 1).view(1, 3, 2, 3, 2, 4).permute(0, 1, 3, 2, 4, 5).reshape(9, 4, 4)
    mixed = torch.bmm(torch.softmax(torch.bmm(cut, cut.mT), -1), cut)
    return mixed.view(3, 3, 2, 2, 4).permute(0, 2, 1, 3, 4).reshape(1, 6, 6, 4).permute(0, 3, 1, 2)


def channel_attention_by_convolution(x, m):
    return x * torch.sigmoid(F.conv1d(x.mean((2, 3)).unsqueeze(1), m.channel_line, padding=1)).squeeze(1)[..., None, None]


CASES = {
    **{name: lambda x, _, name=name: getattr(x, name)() for name in UNARY},
    **{f"F.{name}": lambda x, _, name=name: getattr(F, name)(x) for name in ACTIVATIONS},
    **{name: lambda x, _, name=name: getattr(x.clone(), name)() for name in IN_PLACE},
    "operators": lambda x, m: -(x + m.vector[:, None, None]) * 2 / 3 - x**2,
    "operators from the right": lambda x, _: 2 * (1 - x) + 3 + x,
    "named operators": lambda x, _: torch.subtract(torch.multiply(x, x), torch.true_divide(torch.negative(x), 2)),
    "maximum": lambda x, _: torch.maximum(x, torch.minimum(x, x * 2)),
    "in place": lambda x, _: in_place(x),
    "activation in place": lambda x, _: F.leaky_relu(F.hardswish(F.relu(x.clone(), inplace=True), True), 0.1, True),
    "prelu": lambda x, m: F.prelu(x, m.vector),
    "clamp": lambda x, _: x.clamp(0, 1),
    "dropout": lambda x, _: F.dropout2d(F.dropout(x, 0.3, False), 0.3, False),
    "conv2d": lambda x, m: F.conv2d(x, m.kernel, m.vector, padding=1),
    "conv2d, strided and dilated": lambda x, m: F.conv2d(x, m.kernel, stride=2, padding=(2, 1), dilation=2),
    "conv2d, depthwise": lambda x, m: F.conv2d(x, m.depthwise, None, 1, 1, 1, 4),
    "conv2d, standardised weights": lambda x, m: F.conv2d(x, m.kernel - m.kernel.mean((1, 2, 3), keepdim=True)),
    "conv1d": lambda x, m: F.conv1d(x.flatten(2), m.line),
    "conv3d": lambda x, m: F.conv3d(x[:, :, None], m.kernel[:, :, None]),
    "conv_transpose2d": lambda x, m: F.conv_transpose2d(x, m.transposed, stride=2, padding=1),
    "conv_transpose2d, grouped": lambda x, m: F.conv_transpose2d(x, m.transposed, None, 2, 1, 0, 2),
    "linear": lambda x, m: F.linear(x.permute(0, 2, 3, 1), m.matrix).permute(0, 3, 1, 2),
    "linear of a vector a channel": lambda x, m: F.linear(F.adaptive_avg_pool2d(x, 1).flatten(1), m.matrix),
    "linear over places": lambda x, m: F.linear(x.flatten(2)[:, :, :4], m.matrix),
    "attention": lambda x, _: attention(x),
    "attention in windows": lambda x, _: windows(x),
    "bmm": lambda x, _: torch.bmm(x.flatten(2), x.flatten(2).transpose(1, 2)),
    "mm": lambda x, m: torch.mm(m.matrix, x.flatten(2)[0]),
    "matmul by a matrix": lambda x, m: x.permute(0, 2, 3, 1) @ m.matrix.t(),
    **{f"{name} norm": lambda x, m, name=name: m.norms[name](x)
       for name in ("batch", "bare", "batchless", "instance", "kept")},
    "group_norm": lambda x, m: F.group_norm(x, 2, m.vector, m.vector),
    "group_norm, bare": lambda x, _: F.group_norm(x, 2),
    "layer_norm of channels": lambda x, m: F.layer_norm(x.permute(0, 2, 3, 1), (4,), m.vector, m.vector),
    "layer_norm of everything": lambda x, _: F.layer_norm(x, x.shape[1:]),
    "max_pool2d": lambda x, _: F.max_pool2d(x, 3, 2, 1),
    "max_pool2d, module": lambda x, _: nn.MaxPool2d(3, 2, 1, dilation=1)(x),
    "max_pool2d with indices": lambda x, _: F.max_pool2d(x, 2, return_indices=True)[0],
    "avg_pool2d": lambda x, _: F.avg_pool2d(x, (3, 1), padding=(1, 0)),
    "pools of other dimensions": lambda x, _: F.avg_pool1d(F.max_pool3d(x[:, :, None], (1, 2, 2)).flatten(2), 2),
    **{f"adaptive_avg_pool2d to {size}": lambda x, _, size=size: F.adaptive_avg_pool2d(x, size)
       for size in (1, 2, 3, 4, 6, (1, None), (None, 1))},
    "adaptive_avg_pool1d": lambda x, _: F.adaptive_avg_pool1d(x.flatten(2), 1),
    **{f"{name} of places": lambda x, _, name=name: x * getattr(x, name)((2, 3), keepdim=True)
       for name in ("mean", "sum", "amax", "amin", "var", "std")},
    **{f"{name} of channels": lambda x, _, name=name: getattr(torch, name)(x, dim=1, keepdim=True)
       for name in ("mean", "sum", "amax", "amin", "var", "std")},
    "mean of everything": lambda x, _: x * x.mean(),
    "softmax": lambda x, _: F.softmax(x, 1) + x.softmax(dim=-1) + F.log_softmax(x, 2),
    "interpolate nearest": lambda x, _: F.interpolate(x, scale_factor=2),
    "interpolate bilinear": lambda x, _: nn.Upsample(size=(9, 12), mode="bilinear")(x),
    "pixel_shuffle": lambda x, _: F.pixel_shuffle(x, 2),
    "pixel_unshuffle": lambda x, _: F.pixel_unshuffle(x, 2),
    "space to depth": lambda x, _: x.view(1, 4, 3, 2, 3, 2).permute(0, 1, 3, 5, 2, 4).reshape(1, 16, 3, 3),
    "depth to space": lambda x, _: x.view(1, 1, 2, 2, 6, 6).permute(0, 1, 4, 2, 5, 3).reshape(1, 1, 12, 12),
    "slices to depth": lambda x, _: torch.cat([x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)], 1),
    "views": lambda x, _: x.flatten(2).unflatten(2, (6, 6)).unsqueeze(1).squeeze(1).contiguous().movedim(1, 2),
    "transposes": lambda x, _: x.flatten(1).T.t().reshape(x.shape).swapaxes(1, 2).mT,
    "indices": lambda x, _: x[0][None, ..., 0:4:2, 1][..., None],
    "pad": lambda x, _: F.pad(x, (1, 1, 0, 2)),
    "pad by reflection": lambda x, m: F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), m.kernel),
    "chunks": lambda x, _: torch.cat(list(reversed(x.chunk(2, 1))), 1),
    "splits": lambda x, _: torch.add(*x.split([2, 2], 1)),
    "channel_shuffle": lambda x, _: F.channel_shuffle(x, 2),
    "eca": channel_attention_by_convolution,
}


@pytest.mark.parametrize("name", CASES)
def test_the_rules_agree_with_the_counters(name):
    assert exact(CASES[name]) == measured(CASES[name])


FROM_ELSEWHERE = torch.ones(SHAPE, device="meta")

REFUSED = {
    "a string as padding": lambda x, m: F.conv2d(x, m.kernel, padding="same"),
    "batch axes that broadcast": lambda x, m: m.matrix @ x.flatten(2),
    "a product with a vector": lambda x, m: x.permute(0, 2, 3, 1) @ m.vector,
    "einsum": lambda x, m: torch.einsum("bchw,oc->bohw", x, m.matrix),
    "fused attention": lambda x, _: F.scaled_dot_product_attention(x, x, x),
    "baddbmm": lambda x, _: torch.baddbmm(x[0], x[0], x[0]),
    "bicubic interpolation": lambda x, _: F.interpolate(x, scale_factor=2, mode="bicubic"),
    "values": lambda x, _: x * x.mean().item(),
    "indices from a list": lambda x, _: x[:, [0, 1]],
    "a function without a rule": lambda x, _: torch.special.bessel_j0(x),
    "a result that is not used": lambda x, m: (F.conv2d(x, m.kernel), x)[1],
    "gradients switched off": lambda x, _: torch.no_grad()(torch.relu)(x),
    "an output that is no tensor": lambda x, _: {"x": x},
    "an output that does not see the input": lambda _, m: m.vector * 2,
    "a tensor that no function gave": lambda x, _: x + FROM_ELSEWHERE,
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_known_for_sure_is_refused(name):
    with pytest.raises(Unsure):
        exact(REFUSED[name])


def test_a_refusal_that_the_module_catches_still_counts():
    def hides(x, m):
        try:
            return torch.special.bessel_j0(x)
        except Exception:  # noqa: BLE001
            return x

    with pytest.raises(Unsure, match="bessel_j0"):
        exact(hides)


def test_functions_are_named_as_torch_names_them():
    names = [Call(function, (), {}).name for function in (F.relu, torch.Tensor.__matmul__, torch.Tensor.shape.__get__)]
    assert names == ["relu", "matmul", "Tensor.shape"]


def test_torch_s_own_norms_have_no_rule_because_their_arguments_are_in_another_order():
    assert torch.batch_norm not in RULES
    assert F.batch_norm in RULES


def test_what_was_seen_of_a_tensor_that_is_gone_is_not_taken_for_another_one_s():
    counter = FunctionCounter(RULES, exact=True)
    for _ in range(50):  # a new tensor often gets the place of one that was freed
        counter.remember(torch.empty(SHAPE, device="meta"), Seen(IMAGE, START))
        with pytest.raises(Unsure):
            counter.seen(torch.empty(SHAPE, device="meta"))
