"""The error function, its complement, and the GELU: rational functions of Cephes (S. Moshier)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cells.fused.elementary.polynomial import horner

# erf x = x·T(x²)/U(x²) below 1; erfc x = e^(-x²)·P(x)/Q(x) below 8, e^(-x²)·R(x)/S(x) beyond
_T = (
    9.60497373987051638749, 9.00260197203842689217e1, 2.23200534594684319226e3,
    7.00332514112805075473e3, 5.55923013010394962768e4,
)  # fmt: skip
_U = (
    1.0, 3.35617141647503099647e1, 5.21357949780152679795e2, 4.59432382970980127987e3,
    2.26290000613890934246e4, 4.92673942608635921086e4,
)  # fmt: skip
_P = (
    2.46196981473530512524e-10, 5.64189564831068821977e-1, 7.46321056442269912687, 4.86371970985681366614e1,
    1.96520832956077098242e2, 5.26445194995477358631e2, 9.34528527171957607540e2, 1.02755188689515710272e3,
    5.57535335369399327526e2,
)  # fmt: skip
_Q = (
    1.0, 1.32281951154744992508e1, 8.67072140885989742329e1, 3.54937778887819891062e2,
    9.75708501743205489753e2, 1.82390916687909736289e3, 2.24633760818710981792e3, 1.65666309194161350182e3,
    5.57535340817727675546e2,
)  # fmt: skip
_R = (
    5.64189583547755073984e-1, 1.27536670759978104416, 5.01905042251180477414, 6.16021097993053585195,
    7.40974269950448939160, 2.97886665372100240670,
)  # fmt: skip
_S = (
    1.0, 2.26052863220117276590, 9.39603524938001434673, 1.20489539808096656605e1, 1.70814450747565897222e1,
    9.60896809063285878198, 3.36907645100081516050,
)  # fmt: skip


def erf(x: Tensor) -> Tensor:
    """The error function. Beyond 7 it is 1 in double precision too."""
    size = torch.abs(x)
    held = torch.where(size > 7, 7.0, size)
    far = 1 - torch.exp(-held * held) * horner(held, _P) / horner(held, _Q)
    return torch.where(size < 1, _near(x), torch.where(x < 0, -far, far))


def erfc(x: Tensor) -> Tensor:
    """1 - erf x, without cancellation where x is large."""
    size = torch.abs(x)
    held = torch.where(size > 30, 30.0, size)  # zero from there on; the quotient stays a number
    middle, far = horner(held, _P) / horner(held, _Q), horner(held, _R) / horner(held, _S)
    # e^(-x²) in two parts, of which the large one has an exact exponent
    coarse = torch.floor(16 * held) / 16
    power = torch.exp(-coarse * coarse) * torch.exp((coarse - held) * (coarse + held))
    tail = power * torch.where(size < 8, middle, far)
    return torch.where(size < 1, 1 - _near(x), torch.where(x < 0, 2 - tail, tail))


def _near(x: Tensor) -> Tensor:
    square = torch.where(x * x > 1, 1.0, x * x)
    return x * horner(square, _T) / horner(square, _U)


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """x·Φ(x); ``approximate="tanh"`` as torch has it."""
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))
        return 0.5 * x * (1 + torch.tanh(inner))
    return 0.5 * x * (1 + erf(math.sqrt(0.5) * x))
