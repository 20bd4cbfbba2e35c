"""A recorder that needs no device: it runs the work again, into the memory of the first time.

It is as strict as a device: what was recorded with one pool shares memory, so a backward finds its
forward's numbers only if nothing else of the pool has run in between.
"""

from __future__ import annotations

import torch

from cells.graphs.graphs import Graphs


class Pool:
    """``owner``: the last program that ran forward here, until its backward has run."""

    owner = None


class EagerRecorder:
    """Counts what it records and replays."""

    def __init__(self):
        self.recorded = self.replayed = self.rehearsed = 0

    def obstacle(self):
        """Never any."""

    def queue(self, device):
        """There is one."""
        return str(device)

    def pool(self):
        """A new one."""
        return Pool()

    def rehearse(self, work, _):
        """Twice."""
        self.rehearsed += 1
        work(), work()

    def record(self, work, _, pool):
        """``work`` is a bound method of a program, forward or backward."""
        self.recorded += 1
        results = work()
        program, forward = work.__self__, work.__name__ == "forward"
        live = program._live

        def replay():
            self.replayed += 1
            if not forward:
                assert pool.owner is program, "replayed in memory that was overwritten"
            pool.owner = program if forward else None
            with torch.enable_grad():
                again = work()
            with torch.no_grad():
                for place, one in zip(results, again, strict=True):
                    self.put(place, one)

        program._live = live
        return results, replay

    def put(self, place, one):
        """Where a result belongs."""
        if place is not None and place.data_ptr() != one.data_ptr():  # an input, handed through
            place.detach().copy_(one)


def recording(compiler=None, uses=1, recorder=None):
    """Graphs on the CPU that record at the first use."""
    return Graphs(recorder or EagerRecorder(), compiler, uses)
