"""Kernels for cells whose units do not mix, generated from the step of one unit.

A cell offers :meth:`lanes`, which returns its :class:`~cells.fused.lanes.Lanes` (the step of one unit as a
:class:`~cells.fused.step.Step`, what it reads of the input, the units' weights), or the reason why this
variant has no such form. :mod:`~cells.fused.trace` traces the step and its vector-Jacobian product by torch,
:mod:`~cells.fused.program` reduces both to a list of scalar operations, and a printer writes that list as the
source of a kernel which walks over time with the state at hand; its backward recomputes the gates. The
sources of the catalogue are checked in (``generated``, written by ``python -m cells.fused``); others are
written to the user's cache folder. :mod:`~cells.fused.recurrence` makes it a function of torch:
differentiable once, under ``vmap``, ``jacrev`` and ``torch.compile``.

:func:`cells.diagonal` makes a cell of a single function. ``cells.Recurrent(cell, backend="fused")`` asks for
the kernels, "auto" takes them where they fit, and :func:`cells.backends` says why they do or do not.
"""
