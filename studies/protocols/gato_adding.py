"""GATO experiment 2: the adding problem."""

from __future__ import annotations

from studies.core.protocol import Protocol, Setting

_CITATION = "GATO: Gates Are Not the Only Option, submission to ICLR 2020"

PROTOCOLS = (
    Protocol(
        name="gato-adding",
        title="Experiment 2: adding problem",
        citation=_CITATION,
        task="adding",
        settings={
            "task.length": Setting(
                750, "section 5.3: 100, 200, 400, 750; appendix A ablates at 750"
            ),
            "task.held_out": Setting(1000, "section 5.3"),
            "model.hidden_size": Setting(512, "section 5.3"),
            "model.layers": Setting(1, "section 5.3"),
            "model.embedding": Setting(
                None, 'section 5.3: "we do not use embeddings for this task"'
            ),
            "model.decoder_hidden": Setting(256, "section 5.3"),
            "gato-2/cell.k": Setting(32, "assumed: follows from the printed count 43,264"),
            "training.optimizer": Setting("adam", "appendix C.3"),
            "training.learning_rate": Setting(4e-3, "appendix C.3"),
            "training.halve_every": Setting(10_000, "appendix C.3"),
            "training.batch_size": Setting(64, "appendix C.5"),
            "training.weight_decay": Setting(0.0, "appendix C.6"),
            "training.examples": Setting(200_000, "section 5.3, figure 2"),
            "training.evaluate_every": Setting(5_000, "assumed: the paper does not say how often"),
            "seeds": Setting(3, "section 5"),
        },
        profiles={
            "smoke": {
                "task.length": 10,
                "task.held_out": 100,
                "model.hidden_size": 16,
                "model.decoder_hidden": 16,
                "gato-2/cell.k": 4,
                "training.examples": 1_280,
                "training.evaluate_every": 640,
                "training.halve_every": 640,
                "seeds": 2,
            },
            "laptop": {
                "task.length": 50,
                "model.hidden_size": 128,
                "gato-2/cell.k": 16,
                "training.examples": 40_000,
            },
            "paper": {},
        },
        differs={
            "smoke": "a run of seconds that shows the machinery, no result",
            "laptop": "T = 50 instead of 750, J = 64 instead of 256, k = 16 instead of 32, 40,000 examples",
        },
    ),
)
