"""gate-gradient: the measured surfaces against their closed forms, the verdicts, and the page of figures."""

from __future__ import annotations

import json
import math
import shutil
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import solve_ivp
from torch import nn

import cells
from cells import Claim
from cells.gru import GRU
from cells.mogrifier import MogrifierLSTM
from cells.parts.gates import Gate
from cells.rhn import RHN
from properties import certify
from properties.command import main
from properties.command.gates import DOCS, write
from properties.core.context import Context
from properties.core.desideratum import properties
from properties.core.effective_gate import EffectiveGate, effective_gates
from properties.core.errors import UsageError
from properties.core.initial_gates import initial_gates
from properties.core.profile import profile
from properties.core.saturation import EPSILONS, SIDES, decay, levels
from properties.core.subject import Subject
from properties.core.verdict import Status
from properties.desiderata.gate_gradient import judge
from properties.report import gate_page

KEY = "gate-gradient"
REFINE = {"auxiliary": "refine", "refine_bias": "zero"}


def effective(units=4, **knobs):
    """A gate of the grid as the property reads it."""
    gate = Gate(units, **knobs).double()
    return EffectiveGate("gate", gate.blocks, gate)


def plain(function, **blocks):
    """A stranger's gate out of a function of named pre-activations."""
    return EffectiveGate("gate", blocks, function)


def by_place(found):
    """Levels by (side, ε)."""
    return {(level.side, level.epsilon): level for level in found}


# ---- oracles: the surfaces in their own coordinates, in NumPy ------------------------------------


def refine_surface(epsilon):
    """Ratios ‖∇g‖ / (ε(1 − ε)) along 1 − g = w² + 2sw(1 − w) = ε; s = 1 − ρ is the coordinate."""
    s = np.concatenate([[0.0], np.logspace(-14, 0, 4001)])
    w = 2 * epsilon / (2 * s + np.sqrt(4 * s**2 + 4 * (1 - 2 * s) * epsilon))
    over_a = (1 - w) * (epsilon + w**2 * (1 - 2 * s))
    over_rho = (epsilon - w**2) * (1 - s)
    return np.hypot(over_a, over_rho) / (epsilon * (1 - epsilon))


def master_surface(epsilon, side):
    """The same for f̂ = F(1 − Ww), by w = 1 − f, with W = 1 − F."""
    w = np.linspace(0, 1, 100_001)
    if side == "open":  # W + (1 − W)Ww = ε
        coarse = 1 - 2 * epsilon / ((1 + w) + np.sqrt((1 + w) ** 2 - 4 * w * epsilon))
    else:  # F²w + F(1 − w) = ε
        coarse = 2 * epsilon / ((1 - w) + np.sqrt((1 - w) ** 2 + 4 * w * epsilon))
    inside = coarse * (1 - coarse)
    gradient = np.hypot(inside * (1 - (1 - 2 * coarse) * w), inside * w * (1 - w))
    return gradient / (epsilon * (1 - epsilon))


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("epsilon", EPSILONS)
def test_a_sigmoid_is_the_unit_of_measure(epsilon, side):
    """One point per surface: most, least, single and ascent are 1."""
    level = by_place(levels(effective(), 0))[side, epsilon]
    actual = (level.most, level.least, level.single, level.ascent)
    assert pytest.approx((1, 1, 1, 1), abs=1e-8) == actual
    assert pytest.approx(epsilon * (1 - epsilon)) == level.sigmoid


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("epsilon", EPSILONS)
def test_the_refine_gate_passes_up_to_twice_a_sigmoid(epsilon, side):
    """2/(1 + √ε) on both sides, and never less than the sigmoid."""
    surface = refine_surface(epsilon)
    assert pytest.approx(2 / (1 + math.sqrt(epsilon)), rel=1e-9) == surface.max()
    level = by_place(levels(effective(**REFINE), 0))[side, epsilon]
    assert pytest.approx(surface.max(), rel=1e-6) == level.most
    assert surface.min() - 1e-4 <= level.least <= surface.min() + 0.01
    assert pytest.approx(level.most, rel=1e-6) == level.single


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("epsilon", EPSILONS)
def test_the_master_gate_gains_near_shut_only(epsilon, side):
    """2/(1 + √ε) near shut; near open at most 1.5 % from ε = 1e-3 on."""
    surface = master_surface(epsilon, side)
    level = by_place(levels(effective(auxiliary="master"), 0))[side, epsilon]
    assert surface.max() - 0.003 <= level.most <= surface.max() + 1e-6
    assert pytest.approx(1.0, abs=0.01) == surface.min()
    if side == "open" and epsilon <= 1e-3:
        assert surface.max() < 1.015
    if side == "shut":
        assert pytest.approx(2 / (1 + math.sqrt(epsilon)), rel=1e-6) == surface.max()


@pytest.mark.parametrize("side", SIDES)
def test_a_cumulative_softmax_passes_root_two_by_two_preactivations(side):
    """√2 in norm, 1 in each; the last unit never leaves 1."""
    for level in levels(effective(units=6, primary="cumax"), 0):
        if level.side == side:
            assert pytest.approx(math.sqrt(2), rel=1e-3) == level.most
            assert pytest.approx(1.0, rel=1e-3) == level.single
            assert 5 == level.units


@settings(max_examples=80)
@given(a=st.floats(-12, 12), rho=st.floats(-12, 12))
def test_no_preactivations_of_a_refine_gate_pass_more(a, rho):
    """On any surface the ratio lies between 1 and 2/(1 + √min(g, 1 − g))."""
    at = torch.tensor([[a, rho]], dtype=torch.float64)
    value, slope = effective(units=1, **REFINE).units(at, torch.zeros(1, dtype=torch.long))
    g, ratio = value.item(), slope.norm().item() / (value * (1 - value)).item()
    assert 1 - 1e-6 <= ratio <= 2 / (1 + math.sqrt(min(g, 1 - g))) + 1e-6


def test_gradient_ascent_of_a_refine_gate_follows_its_flow():
    """The ratio at ε = 1e-3 on the path from zero, integrated independently in (f, ρ)."""

    def slope(p):
        f, rho = 1 / (1 + np.exp(-p))
        g = f + f * (1 - f) * (2 * rho - 1)
        gradient = f * (1 - f) * np.array([1 + (1 - 2 * f) * (2 * rho - 1), 2 * rho * (1 - rho)])
        return gradient / (g * (1 - g))

    def flow(_, p):
        return slope(p) / (slope(p) @ slope(p))

    end = solve_ivp(flow, (0, math.log(999)), (0, 0), rtol=1e-10, atol=1e-12).y[:, -1]
    level = by_place(levels(effective(**REFINE), 0))["open", 1e-3]
    assert pytest.approx(np.linalg.norm(slope(end)), rel=1e-4) == level.ascent


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_a_hard_sigmoid_keeps_its_gradient(epsilon):
    """A gate of another law: clamp(a/4 + 1/2) passes 1/4 at every distance, which is far more than ε."""
    gate = plain(lambda a: (a / 4 + 0.5).clamp(0, 1), a=2)
    found = levels(gate, 0)
    level = by_place(found)["open", epsilon]
    assert pytest.approx(0.25 / (epsilon * (1 - epsilon)), rel=1e-6) == level.most
    assert pytest.approx(0.0, abs=1e-3) == decay(found, "open")


def test_the_gradient_of_a_sigmoid_shrinks_like_the_distance():
    """The exponent is 1, and the refine gate has the same."""
    assert pytest.approx(1.0, abs=0.01) == decay(levels(effective(), 0), "open")
    assert pytest.approx(1.0, abs=0.01) == decay(levels(effective(**REFINE), 0), "open")


def test_a_gate_that_never_saturates_has_no_levels():
    """Between 0.2 and 0.8 no surface is reached."""
    assert () == levels(plain(lambda a: 0.2 + 0.6 * torch.sigmoid(a), a=3), 0)


def test_ascent_stops_at_an_extremum():
    """A gate that turns back at 0.99 gets stuck there on its way from zero, though it opens further out."""
    gate = plain(lambda a: torch.sigmoid(a + 4 * torch.sin(a)), a=1)
    found = by_place(levels(gate, 0))
    assert found["open", 1e-1].ascent is not None
    assert found["open", 1e-6].ascent is None
    assert found["open", 1e-6].most > 1


# ---- the protocol --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (SimpleNamespace(), "exposes no `gates`"),
        (SimpleNamespace(gates=nn.Linear(1, 1)), "of type Linear: expected a mapping"),
        (SimpleNamespace(gates={}), "is empty"),
        (SimpleNamespace(gates={"g": torch.sigmoid}), "'g' has no `blocks`: expected a callable"),
        (SimpleNamespace(gates={"g": SimpleNamespace(blocks={"a": 1})}), "has no `blocks`"),
    ],
)
def test_what_is_no_gate_is_named(cell, reason):
    """The text says what was expected and what stands there instead."""
    with pytest.raises(LookupError, match=reason):
        effective_gates(cell)


class Sharp:
    """A gate of a stranger: a plain tensor comes back, and its blocks have their own names."""

    def __init__(self, units):
        self.blocks = {"left": units, "right": units}

    def __call__(self, *, left, right):
        return torch.sigmoid(3 * left - 4 * right)


class Adapted(nn.GRUCell):
    """A stranger's module with gates of its own: adapting it must not hide them."""

    @property
    def gates(self):
        return {"update": Sharp(self.hidden_size)}


def test_a_strangers_gates_are_read_through_the_adapter():
    """σ(3a − 4b) has the ratio 5 everywhere, and the cell, which claims nothing, holds."""
    line = certify(Adapted, only=[KEY]).verdict(KEY)
    assert (Status.TESTED, "silent") == (line.status, line.declared)
    assert pytest.approx(5.0) == line.evidence["times_a_sigmoid_near_open"]
    assert "(measured, none claimed)" in line.reason


# ---- verdicts ------------------------------------------------------------------------------------


def claiming(bound, **knobs):
    """A GRU that claims another factor than its gate has."""

    def build(input_size, hidden_size):
        cell = GRU(input_size, hidden_size, **knobs)
        others = tuple(c for c in cell.claims if c.property != KEY)
        cell.claims = (*others, Claim(KEY, "it is said to be refined", bound=bound))
        return cell

    return build


def judged(factory, scope="at-init", **kw):
    """The finding alone, without the other properties."""
    return judge(Context(Subject(factory, **kw), profile("dev"), 0), scope)


EXPOSED = [name for name in cells.names() if hasattr(cells.get(name)(3, 8), "gates")]


@pytest.mark.parametrize("name", EXPOSED)
def test_every_registered_claim_is_borne_out(name):
    """Also for parameters of any size, and with seeds of its own."""
    finding = judged(name, "all-weights")
    assert Status.TESTED == finding.status, finding.reason
    assert finding.evidence["bound"] is not None


def test_the_grid_and_the_single_gates_are_exposed():
    """A cell that no longer exposes its gates would be not-applicable, and no one would notice."""
    assert {"lstm", "gru", "ur-lstm", "om-gru", "janet", "mgu", "li-gru", "kaf-gru"} <= {*EXPOSED}
    assert {"rhn", "brhn", "mogrifier-lstm", "g-lstm"} <= {*EXPOSED}


@pytest.mark.parametrize(
    ("factory", "names"),
    [
        (lambda d, h: RHN(d, h, depth=2), ["carry 1", "transform 1", "carry 2", "transform 2"]),
        (lambda d, h: RHN(d, h, depth=2, couple=True), ["carry 1", "carry 2"]),
        (MogrifierLSTM, ["forget", "input", "output"]),
        (lambda d, h: MogrifierLSTM(d, h, cap_input=False), ["forget", "input", "output"]),
        (lambda d, h: MogrifierLSTM(d, h, tie=True), ["forget", "output"]),
    ],
)
@pytest.mark.parametrize("scope", ["at-init", "all-weights"])
def test_several_plain_gates_are_each_measured(factory, names, scope):
    """Every gate of every layer has its curve, and at each distance it passes what a sigmoid does."""
    finding = judged(factory, scope)
    assert Status.TESTED == finding.status, finding.reason
    assert 1.0 == finding.evidence["bound"]
    curves = finding.evidence["curves"]
    assert names == [*curves]
    for curve in curves.values():
        assert {(side, e) for side in SIDES for e in EPSILONS} == {
            (level["side"], level["epsilon"]) for level in curve
        }
        assert pytest.approx(1.0, rel=1e-5) == min(level["most"] for level in curve)
        assert pytest.approx(1.0, rel=1e-5) == max(level["most"] for level in curve)
    if scope == "at-init":
        assert names == [gate["gate"] for gate in finding.evidence["initialization"]]


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_the_time_gate_of_g_lstm_is_a_gaussian(epsilon):
    """With u = √−ln k the slope is 2k√−ln k: 2/√ε times a sigmoid's near open, 2√ln(1/ε) near shut."""
    gate = next(g for g in effective_gates(cells.get("g-lstm")(3, 8)) if g.name == "time")
    found = by_place(levels(gate, 0))
    for side, k in (("open", 1 - epsilon), ("shut", epsilon)):
        expected = 2 * k * math.sqrt(-math.log(k)) / (epsilon * (1 - epsilon))
        assert pytest.approx(expected, rel=1e-4) == found[side, epsilon].most
        assert 8 == found[side, epsilon].units
    assert pytest.approx(2 / math.sqrt(epsilon), rel=0.06) == found["open", epsilon].most


def test_a_factor_of_two_is_not_what_a_level_is_about():
    """Why the factors of the Mogrifier LSTM are left out: at 1 − ε, 2σ is half open and passes 1/2."""
    level = by_place(levels(plain(lambda a: 2 * torch.sigmoid(a), a=2), 0))["open", 1e-3]
    assert pytest.approx(500.0, rel=2e-3) == level.most


def test_a_plain_sigmoid_that_claims_to_be_refined_is_falsified_by_this_property_alone():
    """Mutant: the claim of a refine gate on a plain one."""
    certificate = certify(claiming(1.9, primary="ugi"))
    failing = {(r.property, r.scope) for r in certificate.results if r.fails}
    assert {(KEY, "at-init"), (KEY, "all-weights")} == failing
    assert "at least 1.9 times was claimed" in certificate.verdict(KEY).reason


def test_the_refine_gate_itself_bears_the_claim():
    """The same claim on the gate it was made for; a little more, and it falls."""
    assert Status.TESTED == judged(claiming(1.93, auxiliary="refine")).status
    assert Status.FALSIFIED == judged(claiming(1.95, auxiliary="refine")).status


def doubled(input_size, hidden_size):
    """Mutant: UGI drawn into a gate whose bias is then doubled, so that it crowds at 0 and 1."""
    cell = GRU(input_size, hidden_size, primary="ugi")
    with torch.no_grad():
        cell.biases(1)[0].mul_(2)
    return cell


def test_a_gate_that_is_not_distributed_as_it_says_is_falsified_at_init():
    """UGI states U(1/H, 1 − 1/H); for all weights nothing is said of distributions."""
    finding = judged(doubled)
    assert Status.FALSIFIED == finding.status
    assert "is said to be uniform on" in finding.reason
    assert Status.TESTED == judged(doubled, "all-weights").status


def test_a_claim_without_gates_is_vacuous():
    """An Elman network has no gate that could pass anything."""
    line = certify("elman", only=[KEY], claims=[Claim(KEY, "why not", bound=1.0)]).verdict(KEY)
    assert Status.VACUOUS == line.status
    silent = certify("elman", only=[KEY]).verdict(KEY)
    assert (Status.NOT_APPLICABLE, False) == (silent.status, silent.fails)


def test_a_denial_needs_a_number_that_is_not_reached():
    """Denied 1.9: falsified, as declared. Denied 0.5: stale, since a sigmoid does pass that."""
    for bound, status in ((1.9, Status.FALSIFIED), (0.5, Status.STALE_DENIAL)):
        denials = [Claim(KEY, "a plain sigmoid", bound=bound)]
        line = certify("lstm", only=[KEY], claims=[], denies=denials).verdict(KEY)
        assert status == line.status
        assert line.fails == (status is Status.STALE_DENIAL)


def test_a_cumax_of_one_unit_is_not_applicable():
    """It is 1 whatever is fed to it."""
    finding = judged("o-gru", sizes=[(1, 1)])
    assert Status.NOT_APPLICABLE == finding.status
    assert "no gate comes within 0.001" in finding.reason


def test_trained_weights_are_measured_as_they_are():
    """At 40 times the initial biases the surfaces are the same, and nothing is said of distributions."""
    weights = {k: 40 * v for k, v in cells.get("ur-lstm")(3, 8).state_dict().items()}
    finding = judged("ur-lstm", "these-weights", weights=weights, sizes=[(3, 8)])
    assert Status.TESTED == finding.status
    assert "initialization" not in finding.evidence
    assert (
        pytest.approx(2 / (1 + math.sqrt(1e-3)), rel=1e-4)
        == finding.evidence["times_a_sigmoid_near_open"]
    )


def test_evidence_is_plain_and_repeatable():
    """The same seed gives the same numbers, and JSON takes them; no infinities or NaN."""
    first, second = (json.dumps(judged("ur-lstm").evidence, allow_nan=False) for _ in range(2))
    assert first == second


def test_it_stands_in_the_matrix_between_boundedness_and_the_advisory_lines():
    """It can be claimed, so it is not advisory."""
    places = [p.key for p in properties()]
    assert places.index("bounded-state") < places.index(KEY) < places.index("resolvable-memory")
    assert not next(p for p in properties() if p.key == KEY).advisory


# ---- the initialization --------------------------------------------------------------------------


def test_uniform_gate_initialization_is_uniform():
    """UGI passes a Kolmogorov–Smirnov test against U(0, 1), a standard initialization fails it."""
    (ugi,), (standard,) = (initial_gates(Subject(name), 0) for name in ("u-lstm", "lstm-tied"))
    assert ugi.uniform[1] > 0.01
    assert standard.uniform[1] < 1e-9
    expected = stats.kstest(
        ugi.values.numpy(), lambda g: np.clip((g - 1 / 64) / (1 - 2 / 64), 0, 1)
    )
    assert pytest.approx((expected.statistic, expected.pvalue), rel=1e-6) == ugi.stated


@pytest.mark.parametrize("name", ["c-lstm", "cr-lstm", "u-gru", "ur-gru", "ur-lstm"])
def test_prescribed_gates_follow_their_law_in_the_cell(name):
    """Whatever else the cell draws, at a zero input the gate is what was prescribed."""
    (gate,) = initial_gates(Subject(name), 0)
    assert gate.law is not None
    assert gate.stated[1] > 0.001


def test_a_cell_without_gate_values_has_no_distribution():
    """Then the gradient alone is measured."""
    assert () == initial_gates(Subject(Adapted), 0)
    assert [] == judged(Adapted).evidence["initialization"]


# ---- the page ------------------------------------------------------------------------------------


def test_the_page_is_up_to_date():
    """docs/gates.md and its picture say what is measured."""
    assert 0 == write(DOCS, check=True)


def test_a_stale_page_is_noticed_and_mended(tmp_path, monkeypatch):
    """With --check 1 and nothing is written; without it, the page is as it should be."""
    monkeypatch.setattr("properties.command.gates.DOCS", tmp_path)
    text = (DOCS / "gates.md").read_text(encoding="utf-8")
    (tmp_path / "gates.md").write_text(text.replace("1.94", "19.4"), encoding="utf-8")
    shutil.copy(DOCS / "gates.svg", tmp_path)
    assert 1 == main(["gates", "--check"])
    assert "19.4" in (tmp_path / "gates.md").read_text(encoding="utf-8")
    assert 0 == main(["gates"])
    assert text == (tmp_path / "gates.md").read_text(encoding="utf-8")


def test_a_page_without_markers_is_an_error(tmp_path):
    """Nothing is written into a page that has no place for it."""
    (tmp_path / "gates.md").write_text("no markers", encoding="utf-8")
    with pytest.raises(UsageError, match="gates:begin"):
        write(tmp_path, check=False)


def test_the_picture_is_well_formed():
    """One label per gate in each of the two panels."""
    root = ET.fromstring((DOCS / "gates.svg").read_text(encoding="utf-8"))  # noqa: S314 - our own file
    labels = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert all(2 == labels.count(name) for name in gate_page.curves())


def test_the_conclusion_follows_the_numbers(monkeypatch):
    """It is computed: with the roles of refine and sigmoid exchanged it says the opposite."""
    assert "more than the sigmoid and the master gate" in gate_page.conclusion()
    measured = dict(gate_page.curves())
    measured["refine"] = measured["sigmoid"]
    monkeypatch.setattr(gate_page, "curves", lambda: measured)
    said = gate_page.conclusion()
    assert "no more than the others" in said
    assert "more than the sigmoid" not in said
