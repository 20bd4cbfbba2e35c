"""CUDA graphs of whole unrolls, for cells whose units mix: no kernel walks over their time.

A loop over time queues a dozen small kernels per step, and queueing takes longer than they do. Here the
loop runs once while the device records, forwards and backwards, and later calls replay the recording as a
whole. :mod:`~cells.graphs.dispatch` is what the seam asks; :mod:`~cells.graphs.graphs` keeps the recordings
of one cell, one for each :mod:`~cells.graphs.key`, and says what runs; :mod:`~cells.graphs.eligibility` and
:mod:`~cells.graphs.inspection` say what cannot be recorded; a :mod:`~cells.graphs.program` is what is
recorded, on a :mod:`~cells.graphs.twin` of the cell, with its step compiled where that works
(:mod:`~cells.graphs.compiled_step`); :mod:`~cells.graphs.recording` builds and checks one, and
:mod:`~cells.graphs.replay` makes it a function of torch. Only :mod:`~cells.graphs.cuda` knows a device,
behind the protocol of :mod:`~cells.graphs.recorder`.
"""
