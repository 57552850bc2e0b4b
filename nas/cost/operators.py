"""Which of the operators that fvcore cannot count need no count, and which it counts as multiply-accumulates.

Named as unsupported is an operator that reduces, sorts, transforms or multiplies (`aten::mean`, `aten::softmax`,
`aten::max_pool2d`, `aten::fft_rfft2`, `aten::baddbmm`, ...). Not named are those that compute each element of their
output from the elements at its own place, and those that only move or make data.
"""

from __future__ import annotations


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


MACS = frozenset({"conv", "linear", "addmm", "matmul", "mm", "bmm", "einsum"})
"""fvcore's names of the operators whose counts are multiply-accumulates."""

ELEMENTWISE = _names(
    """
    abs absolute acos acosh add addcdiv addcmul alpha_dropout and angle asin asinh atan atan2 atanh bitwise_and
    bitwise_not bitwise_or bitwise_xor ceil celu clamp clamp_max clamp_min clip conj copysign cos cosh deg2rad div
    divide dropout elu eq erf erfc exp exp2 expm1 feature_alpha_dropout feature_dropout float_power floor floor_divide
    fmod frac ge gelu glu gt hardshrink hardsigmoid hardswish hardtanh heaviside hypot isfinite isinf isnan le
    leaky_relu lerp log log10 log1p log2 log_sigmoid logaddexp logical_and logical_not logical_or logical_xor logit
    lshift lt masked_fill maximum minimum mish mul multiply nan_to_num ne neg negative or polar positive pow prelu
    rad2deg reciprocal relu relu6 remainder round rrelu rshift rsqrt rsub selu sgn sigmoid sign silu sin sinc sinh
    softplus softshrink sqrt square sub subtract tan tanh threshold true_divide trunc where xlogy xor
    """
)
"""aten operators without "aten::", the underscores around an in-place one's name left out."""

MOVES = _names(
    """
    adjoint alias arange as_strided atleast_1d atleast_2d atleast_3d broadcast_tensors broadcast_to cat channel_shuffle
    chunk clone col2im complex concat concatenate constant_pad_nd contiguous copy cpu cuda detach diagonal dsplit empty
    empty_like expand expand_as fill flatten flip fliplr flipud full full_like gather H hsplit hstack im2col imag index
    index_copy index_put index_select is_nonzero item lift lift_fresh linspace masked_scatter masked_select meshgrid mH
    moveaxis movedim mT narrow native_channel_shuffle new_empty new_full new_ones new_zeros numel numpy_T one_hot ones
    ones_like pad permute pin_memory pixel_shuffle pixel_unshuffle ravel real reflection_pad1d reflection_pad2d
    reflection_pad3d repeat repeat_interleave replication_pad1d replication_pad2d replication_pad3d requires_grad
    reshape reshape_as resolve_conj resolve_neg roll rot90 scalar_tensor scatter select set_data size slice split
    split_with_sizes squeeze stack swapaxes swapdims t T take take_along_dim tensor tensor_split tile to transpose tril
    triu type_as unbind unflatten unfold unsqueeze view view_as view_as_complex view_as_real vsplit vstack zero zeros
    zeros_like
    """
)
"""Likewise: operators that move, make, cut and join tensors."""


def computes(kind: str) -> bool:
    """Whether an operator that no counter knows, such as "aten::softmax", is named as unsupported."""
    namespace, _, name = kind.partition("::")
    bare = name.strip("_")
    return not (namespace == "aten" and (bare in ELEMENTWISE or bare in MOVES))
