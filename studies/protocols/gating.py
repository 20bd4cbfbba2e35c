"""The benchmarks of Gu et al. for gates: copying, adding, sequential and permuted MNIST."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studies.core.protocol import Protocol, Setting

if TYPE_CHECKING:
    from collections.abc import Mapping

CITATION = "Gu et al.: Improving the Gating Mechanism of Recurrent Neural Networks, ICML 2020"
_CODE = "r0mainK/ur-lstm, whose configurations follow the paper"
_CORES = ("lstm", "gru")
_CHRONO = tuple(f"{axis}-{core}" for axis in ("c", "cr", "cm") for core in _CORES)

_SHARED = {
    "model.layers": Setting(1, _CODE),
    "model.embedding": Setting(None, _CODE),
    "training.optimizer": Setting("adam", _CODE),
    "training.learning_rate": Setting(1e-3, _CODE),
    "training.weight_decay": Setting(0.0, "assumed: the paper's text is not at hand"),
    "training.clip_norm": Setting(1.0, _CODE),
    "training.patience": Setting(None, _CODE),
    "training.dtype": Setting("float32", "assumed: the library's default"),
    "seeds": Setting(3, "assumed: the configurations have one seed"),
    **{f"{cell}/cell.forget_bias": Setting(1.0, _CODE) for cell in ("lstm", "lstm-tied", "r-lstm")},
    "m-lstm/cell.forget_bias": Setting(1.0, "assumed: as the other gates without UGI"),
    **{
        f"{axis}-{core}/cell.chunk": Setting(1, "assumed: the paper's text is not at hand")
        for axis in ("o", "or", "om", "m", "cm", "um")
        for core in _CORES
    },
    **{
        f"{axis}-{core}/cell.refine_bias": Setting("minus_forget", f"{_CODE}'s pseudocode")
        for axis in ("r", "cr", "or", "ur")
        for core in _CORES
    },
}


def _longest(steps: int) -> dict[str, int]:
    return {f"{cell}/cell.t_max": steps for cell in _CHRONO}


def _chrono(steps: int) -> dict[str, Setting]:
    source = "assumed: the longest dependency of the task"
    return {key: Setting(value, source) for key, value in _longest(steps).items()}


_NO_NUMBERS = "no number of the paper is at hand to compare with"
_SMOKE = "a run of seconds that shows the machinery, no result"


def _protocol(
    name: str,
    title: str,
    task: str,
    settings: Mapping[str, Setting],
    smoke: Mapping[str, Any],
    laptop: Mapping[str, Any],
    differs: tuple[str, str],
) -> Protocol:
    """``differs``: of the laptop and the paper profile."""
    tiny = {"model.hidden_size": 16, "training.batch_size": 8, "seeds": 2}
    short = {"training.examples": 32, "training.evaluate_every": 32}
    return Protocol(
        name=name,
        title=title,
        citation=CITATION,
        task=task,
        settings={**_SHARED, **settings},
        profiles={"smoke": {**tiny, **short, **smoke}, "laptop": laptop, "paper": {}},
        differs={
            "smoke": _SMOKE,
            "laptop": f"{differs[0]}; {_NO_NUMBERS}",
            "paper": f"{differs[1]}; {_NO_NUMBERS}",
        },
        main=False,
    )


_FEW = {
    "model.hidden_size": 128,
    "model.decoder_hidden": None,
    "training.batch_size": 64,
    "training.examples": 12_800,
    "training.evaluate_every": 12_800,
}
_ROWS = _FEW | {
    "model.hidden_size": 64,
    "training.examples": 32_000,
    "training.evaluate_every": 6_400,
}
_LAST = "the decoder reads the last state, where the configurations' one reads all of them"
_FEW_DIFFER = (
    "width 128 instead of 1024, a linear decoder, 12,800 images, too few for a good accuracy",
    _LAST,
)
_EASIER = "28 steps of 28 pixels instead of 784 of one, an easier task"
_ROWS_DIFFER = (
    f"{_EASIER}; width 64 instead of 1024, a linear decoder, 32,000 images instead of 150 epochs",
    f"{_EASIER}; {_LAST}",
)


def _mnist(
    name: str,
    title: str,
    task: str,
    permutation: Setting,
    steps: int = 784,
    laptop: Mapping[str, Any] = _FEW,
    differs: tuple[str, str] = _FEW_DIFFER,
) -> Protocol:
    """``steps`` of an image; ``differs``: of the laptop and the paper profile."""
    return _protocol(
        name,
        title,
        task,
        {
            "task.permutation": permutation,
            "model.hidden_size": Setting(1024, _CODE),
            "model.decoder_hidden": Setting(256, _CODE),
            "training.batch_size": Setting(50, _CODE),
            "training.examples": Setting(
                7_500_000, f"{_CODE}: 150 epochs, of the 50,000 training images"
            ),
            "training.evaluate_every": Setting(None, f"{_CODE}: every epoch"),
            **_chrono(steps),
        },
        {"model.decoder_hidden": 16},
        laptop,
        differs,
    )


PROTOCOLS = (
    _protocol(
        "gating-copying",
        "Copying over 480 steps",
        "copying",
        {
            "task.length": Setting(10, _CODE),
            "task.blanks": Setting(480, f"{_CODE}: time lag"),
            "task.symbols": Setting(8, _CODE),
            "task.loss_over": Setting("copied", f"{_CODE}: the loss of the last ten outputs"),
            "task.recall": Setting("blanks", f"{_CODE}: no token of the answer is read"),
            "task.held_out": Setting(
                1000, "assumed: the configurations score the training batches"
            ),
            "model.hidden_size": Setting(256, _CODE),
            "model.decoder_hidden": Setting(None, _CODE),
            "training.batch_size": Setting(10, _CODE),
            "training.examples": Setting(100_000, f"{_CODE}: 10,000 steps"),
            "training.evaluate_every": Setting(
                5_000, "assumed: the configurations do not evaluate"
            ),
            **_chrono(490),
        },
        {"task.length": 3, "task.blanks": 5, "task.held_out": 100, **_longest(8)},
        {
            "task.length": 3,
            "task.blanks": 15,
            "model.hidden_size": 64,
            "training.batch_size": 32,
            "training.examples": 48_000,
            "training.evaluate_every": 6_400,
            **_longest(18),
        },
        (
            "3 tokens over 15 blanks instead of 10 over 480, width 64 instead of 256, 48,000 examples",
            "no mark asks for the copy, where the configurations read one at every step of the answer",
        ),
    ),
    _protocol(
        "gating-adding",
        "Adding over 2,000 steps",
        "adding",
        {
            "task.length": Setting(2000, _CODE),
            "task.held_out": Setting(
                1000, "assumed: the configurations score the training batches"
            ),
            "model.hidden_size": Setting(256, _CODE),
            "model.decoder_hidden": Setting(None, _CODE),
            "training.batch_size": Setting(10, _CODE),
            "training.examples": Setting(1_000_000, f"{_CODE}: 100,000 steps"),
            "training.evaluate_every": Setting(
                50_000, "assumed: the configurations do not evaluate"
            ),
            **_chrono(2000),
        },
        {"task.length": 10, "task.held_out": 100, **_longest(10)},
        {
            "task.length": 50,
            "model.hidden_size": 64,
            "training.batch_size": 64,
            "training.examples": 40_000,
            "training.evaluate_every": 5_000,
            **_longest(50),
        },
        (
            "T = 50 instead of 2,000, width 64 instead of 256, 40,000 examples",
            "the two marks fall into one half each",
        ),
    ),
    _mnist("gating-mnist", "Sequential MNIST", "mnist-pixels", Setting("none", _CODE)),
    _mnist(
        "gating-mnist-rows",
        "Sequential MNIST, 28 pixels a step (not an experiment of the paper)",
        "mnist-rows",
        Setting("none", _CODE),
        28,
        _ROWS,
        _ROWS_DIFFER,
    ),
    _mnist(
        "gating-mnist-permuted",
        "Permuted MNIST",
        "permuted-mnist-pixels",
        Setting("bit-reversal", "HazyResearch/hippo-code, by authors of the paper"),
    ),
)
