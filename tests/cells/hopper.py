"""A driver of Triton that has a GPU to compile for, and none to run on."""

from __future__ import annotations


class Hopper:
    """The part of Triton's driver that compiling for a launch asks."""

    def get_current_target(self):
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cuda", 90, 32)

    def get_current_device(self):
        return 0

    def get_current_stream(self, _):
        return 0
