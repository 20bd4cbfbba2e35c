"""The printed numbers of the papers, typed a second time and compared with the protocols."""

from __future__ import annotations

import math

import pytest

from studies.core.protocol import Range, protocols


def rows(text):
    """Lines of a table typed for these tests: fields between bars."""
    return [[part.strip() for part in line.split("|")] for line in text.strip().splitlines()]


def published(protocol, table, metric=None, column=None):
    """(cell, label, value) of what is published, in order."""
    return [
        (row.cell, row.label, row.value)
        for row in protocols()[protocol].published
        if row.table == table
        and metric in (None, row.metric)
        and (column is None or column in row.column)
    ]


def typed(lines, place, scale=1.0):
    """(cell, label, value) of a typed table, the value from the field ``place``."""
    return [(one[0], one[1], pytest.approx(float(one[place]) * scale, rel=1e-12)) for one in lines]


GATO_1 = rows("""
gato|GATO|20736|.693|.646
gru|GRU|827904|.519|.569
lstm|LSTM|1103872|.650|.569
gru-diag|gru-diag|41472|.505|.506
lstm-diag|lstm-diag|55296|.633|.506
gru-diag|gru-diag (same params)|21504|.570|.505
lstm-diag|lstm-diag (same params)|22400|.569|.506
sru|SRU|315282|.700|.683
eurnn|EURNN|14848|.658|.610
rhn|RHN|827904|.619|.570
""")
GATO_2 = rows("""
gato|GATO|1273350|112.85
gru|GRU|7612800|115.78
lstm|LSTM|10150400|122.86
gru-diag|gru-diag|2546700|124.44
lstm-diag|lstm-diag|3395600|119.09
gru-diag|gru-diag (same params)|1273350|124.65
lstm-diag|lstm-diag (same params)|1306000|122.01
sru|SRU|2198560|149.97
eurnn|EURNN|850200|768.96
rhn|RHN|7612800|inf
brhn|brhn|5075200|116.11
""")
GATO_3_TO_5 = rows("""
gato|1/2 state (original)|table 3|.693|.646|112.85
gato|1/4 state|table 3|.696|.651|122.293
gato|sigmoid (original)|table 4|.693|.646|112.85
gato|tanh|table 4|.693|.646|118.955
gato|cos (original)|table 5|.693|.646|112.85
gato|sin|table 5|.692|.648|112.89
""")


def test_gato_tables_1_and_2():
    """Counts, accuracies at both learning rates, perplexities."""
    assert published("gato-icu", "table 1", "n_cell_parameters") == typed(GATO_1, 2)
    assert published("gato-icu", "table 1", "accuracy", "lr 4e-3") == typed(GATO_1, 3, 100)
    assert published("gato-icu", "table 1", "accuracy", "lr 1e-4") == typed(GATO_1, 4, 100)
    assert published("gato-ptb-words", "table 2", "n_cell_parameters") == typed(GATO_2, 2)
    assert published("gato-ptb-words", "table 2", "perplexity") == typed(GATO_2, 3)


@pytest.mark.parametrize("table", ["table 3", "table 4", "table 5"])
def test_gato_tables_3_to_5(table):
    """The ablations of appendices A and B."""
    lines = [one for one in GATO_3_TO_5 if one[2] == table]
    assert published("gato-icu", table, column="4e-3") == typed(lines, 3, 100)
    assert published("gato-icu", table, column="1e-4") == typed(lines, 4, 100)
    assert published("gato-ptb-words", table) == typed(lines, 5)


def test_gato_footnotes_stay_with_their_rows():
    """The stars of tables 1 and 2."""
    notes = {(r.cell, r.note) for p in protocols().values() for r in p.published if "*" in r.note}
    assert {"eurnn", "brhn"} == {cell for cell, _ in notes}
    rates = {"Test Accuracy, lr 4e-3": 4e-3, "Test Accuracy, lr 1e-4": 1e-4}
    for row in protocols()["gato-icu"].published:
        if row.metric == "accuracy":
            values = protocols()["gato-icu"].values("paper", row.cell) | dict(row.departs)
            assert values["training.learning_rate"] == rates[row.column]


def test_gato_statements_of_figures_1_and_2():
    """What the text and captions say in numbers."""
    copy = {(cell, value) for cell, _, value in published("gato-copying", "figure 1")}
    assert {("gato-2", 0.5), ("gru", 0.1), ("lstm", 0.1)} <= copy
    assert {cell for cell, value in copy if math.isnan(value)} == {"eurnn"}
    counts = published("gato-copying", "section 5.2") + published("gato-adding", "section 5.3")
    assert sorted(value for *_, value in counts) == [
        43_264, 138_752, 792_576, 1_056_768, 3_118_080, 4_222_976,
    ]  # fmt: skip
    assert published("gato-adding", "figure 2", column="T = 400")[-1] == ("gru", "GRU", math.inf)
    assert [0.167] * 4 == [v for cell, _, v in published("gato-adding", "figure 2") if not cell]


RRU_1 = rows("""
rru-jsb-chorales|nll_nats|7.72|8.20|8.33|8.18
rru-nottingham|nll_nats|2.92|3.22|3.25|3.28
rru-musedata|nll_nats|7.03|7.31|7.24|7.22
rru-piano-midi|nll_nats|7.38|7.58|7.54|7.52
rru-ptb-words|perplexity|102.56|122.21|140.35|126.88
rru-ptb-characters|bits_per_character|1.27|1.28|1.34|1.29
rru-enwik8|bits_per_character|1.37|1.53|1.49|1.36
rru-text8|bits_per_character|1.35|1.55|1.44|1.37
rru-imdb|accuracy|87.20|87.04|85.89|86.23
rru-mnist|accuracy|98.74|98.36|92.88|98.14
rru-mnist-permuted|accuracy|97.67|98.68|97.39|97.81
""")
RRU_2 = rows("""
rru-ptb-characters|1.32|1.32|1.32|1.34|2.25|1.33
rru-imdb|87.45|87.21|87.08|87.17|86.78|86.71
rru-mnist|98.74|98.03|98.45|86.38|98.43|98.60
rru-nottingham|2.92|2.92|2.97|3.07|3.56|2.96
rru-ptb-words|102.70|104.60|104.44|120.76|110.74|103.09
""")
SYSTEMS = ("rru", "gru", "lstm", "mogrifier-lstm")


def test_rru_tables_1_and_2():
    """Four systems on eleven tasks, six versions of RRU on five."""
    for protocol, metric, *values in RRU_1:
        found = published(protocol, "table 1", metric)
        assert [cell for cell, *_ in found] == list(SYSTEMS)
        assert [value for *_, value in found] == [float(one) for one in values]
    for protocol, *values in RRU_2:
        assert [v for *_, v in published(protocol, "table 2")] == [float(one) for one in values]
    ours = [one for name, one in protocols().items() if name.startswith("rru-")]
    assert sum(row.table == "table 1" for one in ours for row in one.published) == 44
    assert sum(row.table == "table 2" for one in ours for row in one.published) == 30
    versions = [one.departs for one in protocols()["rru-imdb"].published if one.table == "table 2"]
    assert versions == [
        {}, {"cell.norm": "none"}, {"cell.z_shape": "scalar"}, {"cell.relu_out": True},
        {"cell.s_mode": "one"}, {"cell.s_init": 0.95},
    ]  # fmt: skip


def test_rru_table_3():
    """The ranges of the tuning runs."""
    for name, low, high in (("rru-musedata", 1, 15), ("rru-ptb-words", 10, 30)):
        varied = {key: setting.value for key, setting in protocols()[name].varied.items()}
        assert varied["training.learning_rate"] == Range(0.0001, 0.01, "log")
        assert varied["model.parameters"] == Range(low * 10**6, high * 10**6, whole=True)
        assert varied["gru/cell.dropout"] == Range(0.0, 0.8)
        assert varied["rru/cell.q"] == Range(0.1, 8.0)
        assert varied["mogrifier-lstm/cell.rounds"] == Range(5, 6, whole=True)


RRU_4 = rows("""
rru|training.learning_rate|0.00495|0.00029|0.00030|0.00077|0.00683
rru|cell.dropout|0.79362|0.77186|0.77518|0.71577|0.66035
rru|model.parameters|6.9e6|2.6e6|8.6e6|5.9e6|25.9e6
rru|cell.q|1.76958|7.31994|6.85699|3.68371|6.86655
gru|training.learning_rate|0.00460|0.00454|0.00260|0.00932|0.00012
gru|cell.dropout|0.67605|0.33787|0.64839|0.75069|0.27062
gru|model.parameters|1.8e6|3.4e6|1.9e6|2.4e6|10.0e6
lstm|training.learning_rate|0.01000|0.00882|0.00493|0.00727|0.00162
lstm|cell.dropout|0.30081|0.20310|0.35383|0.22951|0.10384
lstm|model.parameters|1.3e6|1.3e6|1.8e6|11.9e6|14.2e6
lstm|cell.forget_offset|0.76843|-0.04104|1.85746|0.59993|-2.33114
mogrifier-lstm|training.learning_rate|0.00255|0.00169|0.00135|0.00012|0.00074
mogrifier-lstm|cell.dropout|0.47521|0.73808|0.55499|0.77291|0.46872
mogrifier-lstm|model.parameters|1.3e6|6.0e6|10.3e6|2.9e6|24.2e6
mogrifier-lstm|cell.rounds|6|5|5|5|5
mogrifier-lstm|cell.rank|58|48|76|63|74
""")
RRU_5_AND_6 = rows("""
rru|model.parameters|24e6|48e6|48e6|20e6|70e3|70e3
rru|training.batch_size|64|64|64|64|64|64
rru|model.layers|2|2|2|2|2|2
rru|training.patience|11|3|3|5|5|5
rru|cell.relu_layers|2|2|2|1|1|1
rru|cell.q|4|4|4|2|2|2
rru|cell.output_size|128|128|128|64|64|64
lstm|cell.forget_offset|1|1|1|1|1|1
mogrifier-lstm|cell.rounds|4|6|6|5|6|6
mogrifier-lstm|cell.rank|24|79|79|40|50|50
rru|training.learning_rate|1e-3|1e-3|1e-3|1e-3|1e-3|1e-3
gru|training.learning_rate|1e-3|1e-3|1e-4|1e-3|1e-3|1e-3
lstm|training.learning_rate|1e-3|1e-3|1e-3|1e-3|1e-4|1e-4
mogrifier-lstm|training.learning_rate|1e-3|1e-3|1e-3|1e-3|5e-5|5e-5
rru|cell.dropout|0.7|0.7|0.7|0.5|0.7|0.7
gru|cell.dropout|0.5|0.7|0.7|0.5|0.7|0.7
lstm|cell.dropout|0.4|0.7|0.7|0.5|0.7|0.7
mogrifier-lstm|cell.dropout|0.5|0.7|0.7|0.5|0.5|0.5
""")
TUNED = ("jsb-chorales", "nottingham", "musedata", "piano-midi", "ptb-words")
UNTUNED = ("ptb-characters", "enwik8", "text8", "imdb", "mnist", "mnist-permuted")


@pytest.mark.parametrize(("names", "lines"), [(TUNED, RRU_4), (UNTUNED, RRU_5_AND_6)])
def test_rru_tables_4_to_6(names, lines):
    """What each cell was run with; what a cell cannot take says so where it is described."""
    for cell, key, *values in lines:
        for name, value in zip(names, values, strict=True):
            protocol = protocols()[f"rru-{name}"]
            lacking = protocol.lacks.get(f"{cell}/{key}")
            found = lacking.value if lacking else protocol.values("paper", cell)[key]
            if found != float(value):
                source = protocol.settings[f"{cell}/{key}"].source
                assert key == "cell.rank"
                assert f"prints {value};" in source


def test_rru_robustness_and_dropout_grids():
    """Appendix A.2 and A.3."""
    rates = [1, 2, 3, 5, 8, 13, 22, 36, 60, 100]
    for name, counts in (
        ("nottingham", "1.0 2.6 4.1 5.7 7.2 8.8 10.3 11.9 13.4 15.0"),
        ("ptb-words", "10.0 12.2 14.4 16.7 18.9 21.1 23.3 25.6 27.8 30.0"),
    ):
        varied = protocols()[f"rru-{name}-robustness"].varied
        levels = varied["training.learning_rate"].value
        assert list(levels) == pytest.approx([one * 1e-4 for one in rates])
        millions = [one / 1e6 for one in varied["model.parameters"].value]
        assert millions == pytest.approx([float(one) for one in counts.split()])
    for name in ("nottingham", "ptb-characters"):
        varied = protocols()[f"rru-{name}-dropout"].varied
        assert list(varied["lstm/cell.dropout"].value) == pytest.approx([k / 10 for k in range(10)])
