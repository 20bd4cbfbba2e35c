"""The copy task: tokens, a long run of blanks, and the same tokens once more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np

from studies.core.batch import Batch
from studies.core.metric import COPY_PROBABILITY, cross_entropy
from studies.core.registry import register
from studies.core.streams import stream
from studies.core.task import Source, Split, Task, Tokens
from studies.tasks.parts.options import at_least, one_of

_EVALUATED_TOGETHER = 250
_BLANK = 0


class CopyingSource(Source):
    """Fresh sequences at every step; two held-out sets. Token 0 is the blank, 1 to ``symbols`` the others."""

    def __init__(self, task: Copying, batch_size: int) -> None:
        self.task = task
        self.input, self.output_size, self.decode = (
            Tokens(task.symbols + 1),
            task.symbols + 1,
            "every",
        )
        self.examples_per_step, self.steps_per_epoch = batch_size, None

    def _draw(self, generator: np.random.Generator, count: int, loss_over: str) -> Batch:
        task = self.task
        tokens = generator.integers(1, task.symbols + 1, (task.length, count))
        blanks = np.full((task.blanks, count), _BLANK)
        whole = np.concatenate((tokens, blanks, tokens))
        inputs, targets = whole[:-1], whole[1:]
        weights = np.ones(targets.shape)
        if loss_over == "copied":
            weights[: -task.length] = 0
        if task.recall == "blanks":
            inputs = inputs.copy()
            inputs[task.length + task.blanks :] = _BLANK
        return Batch(inputs, targets, weights)

    def training(self, seed: int, step: int) -> Batch:
        """``examples_per_step`` new sequences."""
        generator = stream(seed, "copying", step)
        return self._draw(generator, self.examples_per_step, self.task.loss_over)

    def evaluation(self, split: Split) -> Iterator[Batch]:
        """The held-out sequences; only the copied tokens count."""
        task = self.task
        generator = stream("copying", split, task.length, task.blanks, task.symbols)
        whole = self._draw(generator, task.held_out, "copied")
        for start in range(0, task.held_out, _EVALUATED_TOGETHER):
            rows = slice(start, start + _EVALUATED_TOGETHER)
            yield Batch(whole.inputs[:, rows], whole.targets[:, rows], whole.weights[:, rows])


@register("copying")
class Copying(Task):
    """Sequences A B A: ``length`` tokens of ``symbols`` kinds, ``blanks`` blanks, the tokens again.

    No marker says where the second A begins. Each token is predicted from those before it; the score is the
    mean probability given to the tokens of the second A. The model chooses among ``symbols`` tokens and the
    blank, and chance is 1 / ``symbols``.

    ``length`` (paper: 20), ``blanks`` (100), ``symbols`` (10), ``held_out``: sequences of a held-out split
    (1,000). ``loss_over``: "copied" trains on the second A only (assumed: the paper says that "the model
    must predict the second A"), "all" on every position. ``recall``: what is read during the second A, its
    "tokens" up to the one to predict (assumed: the paper says that "sequences of the form ABA" are
    modeled) or "blanks", as in Arjovsky et al. (2016). Raises ``ValueError`` for values out of range.
    """

    name: ClassVar[str] = "copying"
    summary: ClassVar[str] = "repeat tokens after a long run of blanks"
    paper: ClassVar[str] = "GATO section 5.2 (harder than Arjovsky et al. 2016)"
    metric = COPY_PROBABILITY
    loss = staticmethod(cross_entropy)

    def __init__(
        self,
        length: int = 20,
        blanks: int = 100,
        symbols: int = 10,
        held_out: int = 1000,
        loss_over: str = "copied",
        recall: str = "tokens",
    ) -> None:
        at_least(1, length=length, blanks=blanks, held_out=held_out)
        at_least(2, symbols=symbols)
        one_of(("copied", "all"), loss_over=loss_over)
        one_of(("tokens", "blanks"), recall=recall)
        self.length, self.blanks, self.symbols, self.held_out = length, blanks, symbols, held_out
        self.loss_over, self.recall = loss_over, recall

    def open(self, *, batch_size: int, folder: Path | None = None) -> CopyingSource:  # noqa: ARG002
        """Nothing is read."""
        return CopyingSource(self, batch_size)

    def ignorance(self, source: Source) -> float:  # noqa: ARG002
        """The probability of each copied token if all symbols are equally likely, and the blank is not."""
        return 1 / self.symbols
