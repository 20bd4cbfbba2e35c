"""Plans, one module each with ``PLAN``: the papers' ablations as studies that can be run."""
