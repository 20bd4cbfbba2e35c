"""Proofs about one step of a cell: traced to a graph, decided by sound abstract domains.

``trace`` turns a step or a readout into functional graphs of aten operators, forward and with autograd;
``replay`` checks bitwise that the graph computes what the cell computes; ``structural`` knows, for every
scalar, its exact coefficient on each state scalar and what else it may depend on; ``identity`` decides the
identity block from that.

``lowering`` writes a graph as scalar expressions, on which the other domains work: ``abstraction`` and
``vertex`` find the least inductive radius in exact fractions, ``intervals`` and ``enumeration`` one for the
step as a dtype executes it (``bounded_state`` is their door); ``gamma`` decides what is asked of a scalar
nonlinearity by exact ranges, periods and Arb balls (``decoder`` is its door); ``saturation`` turns the
corner at which a proof fails into weights for a search.
"""
