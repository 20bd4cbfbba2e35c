"""Who does which job when: records on disk are the truth, Optuna is the queue and the book about it."""
