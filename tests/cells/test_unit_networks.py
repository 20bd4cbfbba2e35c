"""Networks of units on the CPU: what is behind two-layer GATO's recurrence."""

from __future__ import annotations

import itertools

import pytest
import torch
from unit_network_models import CASES, answers, decoded, ended, results, tensors

from cells.fused import unit_networks

pytest.importorskip("numba", reason="kernels on the CPU need numba (the extra 'fused')")
torch.set_num_threads(1)

OPERATORS = unit_networks.networks, unit_networks.networks_backward
WIDE = ((1, 2, 2, 1, 2), (7, 3, 70, 2, 3), True)  # a tile of units, and part of one


@pytest.mark.parametrize("case", [*CASES, WIDE])
def test_the_kernels_are_the_reference(case):
    """Sums and every gradient in double precision: ragged everywhere, replicates shared."""
    *given, gradient = tensors(*case[:2])
    ours, theirs = results(OPERATORS, given, gradient, case[2]), answers(given, gradient, case[2])
    torch.testing.assert_close(ours, theirs, atol=1e-11, rtol=1e-11)


@pytest.mark.parametrize("decode", ["cos", "sin"])
@pytest.mark.parametrize("case", [*CASES, WIDE])
def test_what_is_decoded_too(case, decode):
    """Of the state that is read and of the sums; gradients of both, or of what is decoded alone."""
    decoded(OPERATORS, case, decode)


@pytest.mark.parametrize("case", [*CASES, WIDE])
def test_the_last_value_by_itself(case):
    """With and without the others, and with gradients of both."""
    ended(OPERATORS, case)


@pytest.mark.parametrize("threads", [2, 3])
def test_equal_runs_have_equal_bits_on_any_number_of_threads(threads, monkeypatch):
    """Each row's sums are its own, and are added up in one order."""
    monkeypatch.setattr("cells.fused.numba_kernels._WORTH_A_THREAD", 1)
    *given, gradient = tensors(*WIDE[:2])
    seed = torch.cat((gradient, gradient), -1)
    how = {"decode": "cos", "of_readouts": seed}
    wanted = results(OPERATORS, given, gradient, True, **how)  # noqa: FBT003
    torch.set_num_threads(threads)
    try:
        found = results(OPERATORS, given, gradient, True, **how)  # noqa: FBT003
    finally:
        torch.set_num_threads(1)
    assert all(map(torch.equal, found, wanted))


@pytest.mark.parametrize("decode", ["", "sin"])
def test_the_operators_are_what_torch_expects(decode):
    """Schema, fake tensors and the dispatcher agree with what they do."""
    *given, gradient = tensors(*WIDE[:2])
    nothing = gradient.new_empty(1, 0, 0, 0)
    for every in (True, False):
        asked = decode if every else ""
        forward = (*given, True, every, asked, True)
        last, values, *readouts, slopes = unit_networks.networks(*forward)
        seeds = (
            torch.randn_like(last),
            gradient if every else nothing,
            torch.randn_like(readouts[0]) if readouts else nothing,
        )
        kept = (values if readouts else nothing, slopes)
        backward = (*given, *kept, *seeds, True, asked, True)
        for operator, arguments in zip(OPERATORS, (forward, backward), strict=True):
            found = torch.library.opcheck(operator.default, arguments)
            assert {"SUCCESS"} == set(found.values())


def test_finite_differences_agree_on_networks_of_units():
    """Inputs, states, weights and what was held, of the kernel behind two-layer GATO."""
    torch.manual_seed(0)
    sizes = [(4, 2, 3), (4, 2, 5), (2, 5), (2 * 6 + 1, 5), (2, 5)]
    point = [torch.randn(size, dtype=torch.float64, requires_grad=True) for size in sizes]
    for accumulate, decode, every in itertools.product(
        (True, False), ("", "cos", "sin"), (True, False)
    ):
        how = {"accumulate": accumulate, "decode": decode, "every": every}

        def results(*tensors, how=how):
            return tuple(one for one in unit_networks.run(*tensors, **how) if one is not None)

        assert torch.autograd.gradcheck(results, point)


@pytest.mark.parametrize(
    ("said", "place", "size"),
    [
        (r"expected \(1 or 1, 4, 2, 3\) in torch.float64, got \(1, 3, 2, 3\)", 0, (1, 3, 2, 3)),
        (r"expected \(1 or 1, 2, 5\) in torch.float64, got \(1, 3, 5\)", 4, (1, 3, 5)),
        (r"weights of k·\(3 \+ 3\) \+ 1 rows, got 12 rows; use pack", 3, (1, 12, 5)),
        ("expected one input or more", 0, (1, 4, 2, 0)),
    ],
)
def test_networks_of_units_are_not_let_loose_on_other_shapes(said, place, size):
    """They would write beyond the end of their arrays."""
    sizes = [(1, 4, 2, 3), (1, 4, 2, 5), (1, 2, 5), (1, 13, 5), (1, 2, 5)]
    sizes[place] = size
    tensors = [torch.zeros(one, dtype=torch.float64) for one in sizes]
    with pytest.raises(ValueError, match=said):
        unit_networks.networks(*tensors, True, True, "", True)  # noqa: FBT003


def test_the_way_back_needs_what_the_way_there_kept():
    """Slopes that were not kept are not taken for slopes."""
    *given, gradient = tensors(*CASES[1][:2])
    none = gradient.new_empty(1, 0, 0)
    *_, slopes = unit_networks.networks(*given, True, True, "", False)  # noqa: FBT003
    with pytest.raises(ValueError, match=r"expected the slopes of 2 steps, got .*have the forward"):
        unit_networks.networks_backward(
            *given, none, slopes, none, gradient, none, True, "", True  # noqa: FBT003
        )  # fmt: skip


def test_nothing_is_kept_where_nothing_is_differentiated(monkeypatch):
    """An evaluation writes no slopes."""
    sizes, operator = [], unit_networks.networks

    def watched(*arguments):
        found = operator(*arguments)
        sizes.append(found[-1].numel())
        return found

    monkeypatch.setattr(unit_networks, "networks", watched)
    *given, _ = (one.squeeze(0) for one in tensors(*CASES[1][:2]))
    for differentiated in (True, False):
        with torch.set_grad_enabled(differentiated):
            unit_networks.run(*given, accumulate=True)
    assert sizes == [2 * 3 * 5, 0]
