"""What a constructor refuses, it refuses with ``ValueError``: what was expected, what came, what to do.

Each family's own test file covers its own knobs; here stand the kinds of mistake that every family with
such a knob must refuse alike.
"""

from __future__ import annotations

import functools
import inspect
import math
import re

import pytest
import torch

import cells
from cells.parts.gates import Gate
from cells.parts.sizes import one_of, within

torch.set_num_threads(1)

# sizes for which 0 means "none" rather than a mistake
FROM_ZERO = {"rounds", "rank"}


def class_of(name):
    """The class behind a registered name."""
    factory = cells.get(name)
    return factory.func if isinstance(factory, functools.partial) else factory


def size_knobs():
    """(name, knob) for each registered name and each argument that is annotated as an integer."""
    for name in cells.names():
        for knob, parameter in inspect.signature(class_of(name)).parameters.items():
            if parameter.annotation in ("int", "int | None"):
                yield name, knob


def refusal(name, message, **knobs):
    """What the factory says when it refuses; ``message`` is a pattern that must be in it."""
    with pytest.raises(ValueError, match=message) as caught:
        cells.get(name)(**{"input_size": 3, "hidden_size": 10, **knobs})
    return str(caught.value)


def test_every_cell_has_its_two_sizes_among_the_knobs():
    """The test below reads annotations; it would pass on nothing if they were spelled otherwise."""
    found = set(size_knobs())
    for name in cells.names():
        assert {(name, "input_size"), (name, "hidden_size")} <= found
    assert {
        ("eurnn", "capacity"),
        ("gato", "k"),
        ("kaf-gru", "dictionary_size"),
        ("lstm", "chunk"),
        ("mogrifier-lstm", "rank"),
        ("nru", "memory_size"),
        ("rhn", "depth"),
        ("rru", "output_size"),
        ("sru", "summary_size"),
    } <= found


@pytest.mark.parametrize(("name", "knob"), list(size_knobs()))
def test_sizes_are_whole_and_positive(name, knob):
    """0, negative numbers and fractions are refused for every size that a cell takes."""
    least = 0 if knob in FROM_ZERO else 1
    for value in (least - 1, -7, 1.5):
        message = refusal(name, rf"^{knob}: expected ", **{knob: value})
        assert re.search(rf"at least {least}\b|expected 0 \(", message)
        assert f"got {value}" in message
        assert re.search("pass a positive int|plain LSTM|lower it or widen", message)


@pytest.mark.parametrize(
    ("name", "knob", "values", "expected", "remedy"),
    [
        ("gato", "s_fraction", (-0.5, 1.5, math.nan), "a number from 0 to 1", "choose one between"),
        (
            "g-lstm",
            "threshold",
            (-0.1, 1.1, math.nan),
            "a number from 0 to 1",
            "choose one between",
        ),
        ("rru", "dropout", (-0.1, 1.0), "a number from 0 to 0.999", "choose one between them"),
        ("rru", "s_init", (0.0, 1.0, -1.0, math.nan), "a number between 0 and 1", "s_mode='one'"),
        ("lstm", "dropout", (-0.1, 1.0, math.nan), "from 0 up to, not including, 1", "0 for none"),
        ("gru", "dropout", (-0.1, 1.0, math.nan), "from 0 up to, not including, 1", "0 for none"),
    ],
)
def test_fractions_stay_between_their_ends(name, knob, values, expected, remedy):
    """A share or a probability outside its interval is refused, and NaN is outside of each."""
    for value in values:
        message = refusal(name, rf"^{knob}: expected .*{re.escape(expected)}", **{knob: value})
        assert f"got {value}" in message
        assert remedy in message


@pytest.mark.parametrize("alpha", [-0.1, 1.5])
def test_shares_of_an_average_stay_between_their_ends(alpha):
    """Each of several shares is looked at."""
    message = refusal("sru", "^alphas: expected a number from 0 to 1", alphas=(0.5, alpha))
    assert f"got {alpha}" in message
    assert "choose one between them" in message


@pytest.mark.parametrize(("input_size", "hidden_size"), [(3, 10), (10, 3)])
def test_a_rank_above_the_smaller_width(input_size, hidden_size):
    """A factorization through more than the smaller width is no saving and is refused."""
    sizes = {"input_size": input_size, "hidden_size": hidden_size}
    expected = (
        r"^rank: expected 0 \(full matrices\) to 3, the smaller of input_size and hidden_size"
    )
    message = refusal("mogrifier-lstm", expected, rank=4, **sizes)
    assert "got 4" in message
    assert "lower it or widen them" in message
    cells.get("mogrifier-lstm")(rank=3, **sizes)


@pytest.mark.parametrize("name", ["lstm", "gru"])
@pytest.mark.parametrize(
    ("knob", "near", "meant"),
    [
        ("primary", "cummax", "cumax"),
        ("auxiliary", "refined", "refine"),
        ("refine_bias", "zeros", "zero"),
    ],
)
def test_a_gate_that_does_not_exist(name, knob, near, meant):
    """Known names are listed, and the nearest is proposed where one is near."""
    for gate in (near, "none of these"):
        message = refusal(name, rf"^{knob}: expected one of '.*{meant}'", **{knob: gate})
        assert f"got '{gate}'" in message
        assert f"did you mean '{meant}'?" if gate == near else "pass one of those" in message
    with pytest.raises(ValueError, match=f"^{knob}: expected one of .* did you mean '{meant}'"):
        Gate(4, **{knob: near})


@pytest.mark.parametrize("name", [n for n in cells.names() if n.startswith("c")] + ["janet"])
@pytest.mark.parametrize("t_max", [2, 1.0, 0, -5, math.inf, math.nan])
def test_a_longest_dependency_of_two_steps(name, t_max):
    """The law U(1, t_max − 1) is empty or a point up to 2, and no number at infinity."""
    message = refusal(name, "^t_max: expected a longest dependency above 2 steps", t_max=t_max)
    assert f"got {t_max}" in message
    assert "pass the length of the sequences, or leave it out" in message


def test_the_names_that_chrono_covers():
    """The list above is the grid's: six names and JANET."""
    chrono = [
        n for n in cells.names() if getattr(cells.get(n), "keywords", {}).get("primary") == "chrono"
    ]
    assert [n for n in cells.names() if n.startswith("c")] == chrono
    assert 6 == len(chrono)


@pytest.mark.parametrize("width", [1, 5, 511])
def test_an_odd_width_for_rotations_in_pairs(width):
    """The next width that would do is named, and does."""
    message = refusal("eurnn", "^hidden_size: expected an even number, since", hidden_size=width)
    assert f"got {width}; use {width + 1}" in message
    cells.get("eurnn")(3, width + 1)


@pytest.mark.parametrize(
    ("knobs", "expected", "got"),
    [
        ({"memory_size": 10}, "k · M must be a square, such as 36 or 49", "got 40"),
        ({"memory_size": 64, "k": 3}, "k · M must be a square, such as 169 or 196", "got 192"),
        ({"memory_size": 8, "semantics": "paper"}, "M must be a square, such as 4 or 9", "got 8"),
    ],
)
def test_a_memory_that_no_outer_product_fills(knobs, expected, got):
    """NRU's directions are outer products: the neighboring squares are named."""
    message = refusal("nru", f"^memory_size: {expected}", **knobs)
    assert f"{got} (memory_size {knobs['memory_size']}, k {knobs.get('k', 4)})" in message
    assert "change memory_size or k" in message


def test_checks_by_themselves():
    """The ends of an interval belong to it; a choice that is not text has no near name."""
    within("share", 0, 0, 1)
    within("share", 1, 0, 1)
    with pytest.raises(ValueError, match="layers: expected one of 1, 2, got 3; pass one of those"):
        one_of("layers", 3, (1, 2))
