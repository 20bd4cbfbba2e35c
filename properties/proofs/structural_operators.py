"""Which rule of the structural domain an aten operator follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from properties.proofs import structural_rules as rules
from properties.proofs.structural_moves import accumulated, copied, moved, padded

UNWRITTEN = frozenset({"empty", "new_empty", "empty_like", "new_empty_strided", "empty_strided"})
"""Operators whose result nothing has written yet."""

STORAGE = frozenset({"as_strided", "as_strided_copy", "as_strided_scatter"})
"""Operators that read the memory around their argument: what they read is unknown."""

CREATION = frozenset(
    (
        "zeros_like ones_like full_like new_zeros new_ones new_full zeros ones full arange"
        " scalar_tensor eye fill linspace"
    ).split()
)
"""Operators that read no element of their arguments."""

MOVES = frozenset(
    (
        "view reshape _unsafe_view _reshape_alias permute transpose t slice select cat stack expand"
        " unsqueeze squeeze clone alias detach split split_with_sizes unsafe_split"
        " unsafe_split_with_sizes unbind chunk slice_scatter select_scatter diagonal_scatter flip"
        " roll narrow repeat tile slice_backward select_backward diagonal diagonal_backward"
        " diag_embed tril triu movedim lift_fresh_copy lift_fresh lift contiguous flatten unflatten"
        " unfold rot90 swapaxes broadcast_to numpy_T mT hstack vstack view_copy slice_copy"
        " detach_copy alias_copy expand_copy permute_copy select_copy unsqueeze_copy squeeze_copy"
        " t_copy transpose_copy"
    ).split()
)
"""Operators all of whose tensor arguments are data."""

DATA_FIRST: dict[str, Sequence[int]] = {
    "index": (0,),
    "_unsafe_index": (0,),
    "index_select": (0,),
    "gather": (0,),
    "take": (0,),
}
PLACED: dict[str, Sequence[int]] = {
    "index_put": (0, 2),
    "_unsafe_index_put": (0, 2),
    "scatter": (0, 3),
    "index_copy": (0, 3),
}
"""Operators with positions among their arguments: where the data stand."""


ACCUMULATED: dict[str, Sequence[int]] = {"index_add": (0, 3), "scatter_add": (0, 3)}
"""Operators that add at positions."""

LINEAR: dict[str, rules.Rule] = {
    "add": rules.add,
    "sub": rules.sub,
    "rsub": rules.rsub,
    "neg": rules.neg,
    "mul": rules.mul,
    "div": rules.div,
    "lerp": rules.lerp,
    "addcmul": rules.addcmul,
    "where": rules.where,
    "sum": rules.sum_,
    "mean": rules.mean,
    "mm": rules.matmul,
    "bmm": rules.matmul,
    "mv": rules.matmul,
    "dot": rules.matmul,
    "addmm": rules.addmm,
    "addmv": rules.addmm,
    "baddbmm": rules.addmm,
    "_to_copy": rules.cast,
    "copy": copied,
    "remainder": rules.remainder,
}

PIECEWISE_CONSTANT = frozenset(
    (
        "floor ceil round trunc sign signbit gt lt ge le eq ne logical_not logical_and logical_or"
        " logical_xor isnan isinf isfinite floor_divide bitwise_and bitwise_or bitwise_not"
        " bitwise_xor heaviside"
    ).split()
)

KEEPS_ZERO = frozenset(
    (
        "sin tan tanh relu abs sinh asinh atan asin atanh erf expm1 log1p leaky_relu elu gelu silu"
        " mish sigmoid_backward tanh_backward softplus_backward threshold_backward gelu_backward"
        " silu_backward elu_backward leaky_relu_backward hardtanh_backward hardsigmoid_backward"
        " hardswish_backward log_sigmoid_backward mish_backward"
    ).split()
)
"""Elementwise operators that map zero, or a zero gradient as first argument, to exactly zero."""

POINTWISE = frozenset(
    (
        "sigmoid softplus logaddexp exp exp2 log log2 log10 sqrt rsqrt reciprocal pow cos acos cosh"
        " acosh clamp clamp_min clamp_max maximum minimum threshold hardtanh hardsigmoid hardswish"
        " log_sigmoid_forward atan2 fmod masked_fill erfc square celu selu prelu logit polar angle"
        " conj real imag _conj _neg_view resolve_conj resolve_neg addcdiv hypot xlogy sinc"
    ).split()
)

ALONG = frozenset(
    (
        "_softmax _log_softmax _softmax_backward_data _log_softmax_backward_data cumsum cumprod"
    ).split()
)

DENSE = frozenset(
    (
        "convolution native_layer_norm native_group_norm _native_batch_norm_legit_no_training var"
        " std var_mean std_mean prod amax amin max min logsumexp norm linalg_vector_norm sort topk"
        " argmax argmin any all cummax cummin median linalg_matrix_exp _linalg_solve_ex"
        " linalg_inv_ex linalg_qr _fft_r2c _fft_c2c _fft_c2r avg_pool1d avg_pool2d"
        " max_pool2d_with_indices _adaptive_avg_pool2d _scaled_dot_product_flash_attention_for_cpu"
        " _fused_rms_norm embedding embedding_dense_backward view_as_real view_as_complex"
    ).split()
)
"""Pure operators of which nothing finer is said than that a result reads all arguments."""

DENSE_GRADIENT = frozenset(
    (
        "convolution_backward native_layer_norm_backward native_group_norm_backward"
        " _fused_rms_norm_backward"
    ).split()
)


FAMILIES: tuple[tuple[frozenset[str], rules.Rule], ...] = (
    (PIECEWISE_CONSTANT, rules.constant_pieces),
    (KEEPS_ZERO, rules.keeps_zero),
    (POINTWISE, rules.pointwise),
    (ALONG, rules.along),
    (DENSE, rules.dense),
    (DENSE_GRADIENT, rules.dense_gradient),
)


def rule_for(target: Any) -> tuple[rules.Rule | None, bool]:
    """The rule of an operator, None where there is none, and whether it only moves elements."""
    namespace, name, overload = str(target).split(".")
    if namespace != "aten" or overload == "dtype":  # view.dtype reads the bits as another type
        return None, False
    if name in MOVES:
        return moved(target), True
    for positions, make in ((DATA_FIRST, moved), (PLACED, _placed), (ACCUMULATED, accumulated)):
        if name in positions:
            return make(target, positions[name]), False
    if name == "constant_pad_nd":
        return padded(target), False
    if name in LINEAR:
        return LINEAR[name], False
    families = (rule for names, rule in FAMILIES if name in names)
    default = rules.pointwise if torch.Tag.pointwise in target.tags else None
    return next(families, default), False


def _placed(target: Any, data: Sequence[int]) -> rules.Rule:
    """Writing at positions, or adding there where ``accumulate`` says so."""
    write, accumulate = moved(target, data), accumulated(target, data)

    def rule(domain: Any, args: Any, kwargs: Any, out: Any) -> Any:
        adds = kwargs.get("accumulate", len(args) > 3 and args[3] is True)
        return (accumulate if adds else write)(domain, args, kwargs, out)

    return rule
