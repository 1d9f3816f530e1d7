"""A continuous-in-depth residual network in PyTorch: what the C engine is compared with.

Three blocks, each the ODE dx/dt = eps R(theta(t), x) over 0 <= t <= 1, integrated by N steps of a
Runge-Kutta scheme, between stitches that change width and resolution. The architecture is that of
A. F. Queiruga, N. B. Erichson, D. Taylor, M. W. Mahoney, "Continuous-in-Depth Neural Networks",
arXiv:2008.02389 (2020), with the rules of docs/NUMERICS.md: cells of theta are found by integer
arithmetic, both norms of a stitch are applied, statistics of norms inside a block belong to cells.

Only PyTorch is needed. Written for reading and, because it also serves as the contender of
tests/bench_torch.py, without waste: one module per cell, no copies of weights, fused additions.
"""

from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import nn
from torch.nn import functional as F


# ---- schemes ------------------------------------------------------------------------------------

def _fractions(rows):
    return [[Fraction(entry) for entry in row] for row in rows]


class Tableau:
    """An explicit Runge-Kutta scheme; c is the row sums of a."""

    def __init__(self, a, b):
        self.a = _fractions(a)
        self.b = _fractions([b])[0]
        self.c = [sum(row, Fraction(0)) for row in self.a]


TABLEAUX = {
    "euler": Tableau([[]], [1]),
    "midpoint": Tableau([[], ["1/2"]], [0, 1]),
    "heun2": Tableau([[], [1]], ["1/2", "1/2"]),
    "rk4": Tableau([[], ["1/2"], [0, "1/2"], [0, 0, 1]], ["1/6", "1/3", "1/3", "1/6"]),
    "rk4_38": Tableau([[], ["1/3"], ["-1/3", 1], [1, -1, 1]], ["1/8", "3/8", "3/8", "1/8"]),
}


def cell_at(cells, step, steps, c, edge):
    """The cell that the stage at abscissa c of step `step` of `steps` reads, integers throughout.

    With edge "open" a stage at c = 1 belongs to its own step (the limit from the left); with
    "closed" it reads whatever begins there.
    """
    if edge == "open" and c == 1:
        return (cells * (step + 1) - 1) // steps
    p, q = c.numerator, c.denominator
    return min(cells * (step * q + p) // (steps * q), cells - 1)


# ---- layers -------------------------------------------------------------------------------------

ACTIVATIONS = {"relu": F.relu, "tanh": torch.tanh, "gelu": F.gelu, "softplus": F.softplus}


def conv3x3(inputs, outputs, stride=1):
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)


class DepthNorm(nn.BatchNorm2d):
    """Batch norm of one cell. Rule "visit": every call moves the running statistics. Rule
    "stateful": calls of one batch are collected, and settle() moves them once, to the mean over
    the calls of 0.9 s + 0.1 (batch statistic); the mean is geometric for variances."""

    def __init__(self, channels, rule):
        super().__init__(channels)
        self.collects = rule == "stateful"
        self.visits = []

    def forward(self, x):
        if not (self.training and self.collects):
            return super().forward(x)
        mean, variance = self.running_mean.clone(), self.running_var.clone()
        y = F.batch_norm(x, mean, variance, self.weight, self.bias, True, self.momentum, self.eps)
        self.visits.append((mean, variance))
        return y

    @torch.no_grad()
    def settle(self):
        if self.visits:
            means, variances = zip(*self.visits)
            self.running_mean.copy_(torch.stack(means).mean(0))
            self.running_var.copy_(torch.stack(variances).log().mean(0).exp())
        self.visits = []


class Residual(nn.Module):
    """F(x), or R at one cell: two 3x3 convolutions, each with its norm and activation, which
    come after the convolution (unit "post") or before it (unit "pre")."""

    def __init__(self, inputs, outputs, stride, unit, act, norm):
        super().__init__()
        self.pre = unit == "pre"
        self.act = ACTIVATIONS[act]
        self.conv1 = conv3x3(inputs, outputs, stride)
        self.conv2 = conv3x3(outputs, outputs)
        self.bn1 = norm(inputs if self.pre else outputs)
        self.bn2 = norm(outputs)

    def forward(self, x):
        if self.pre:
            y = self.conv1(self.act(self.bn1(x)))
            return self.conv2(self.act(self.bn2(y)))
        y = self.bn1(self.act(self.conv1(x)))
        return self.bn2(self.act(self.conv2(y)))


class Stitch(Residual):
    """x -> D x + scale F(x), D a strided 1x1 convolution without bias."""

    def __init__(self, inputs, outputs, stride, unit, act, scale):
        super().__init__(inputs, outputs, stride, unit, act, nn.BatchNorm2d)
        self.down = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
        self.scale = scale

    def forward(self, x):
        return torch.add(self.down(x), super().forward(x), alpha=self.scale)


class Block(nn.Module):
    """dx/dt = eps R(theta(t), x), theta piecewise constant on equal cells."""

    def __init__(self, width, config):
        super().__init__()
        self.eps = config.eps
        self.cells = nn.ModuleList(
            Residual(width, width, 1, config.unit, config.act,
                     lambda channels: DepthNorm(channels, config.norm_update))
            for _ in range(config.nodes))
        if config.skip:
            self.skip = nn.Parameter(torch.zeros(config.nodes))
        self.has_skip = config.skip

    def rate(self, cell, x):
        """R(theta(t), x), without eps."""
        y = self.cells[cell](x)
        return y * self.skip[cell] if self.has_skip else y

    def forward(self, x, scheme, steps, edge):
        tableau = TABLEAUX[scheme]
        for step in range(steps):
            slopes = []
            for row, c in zip(tableau.a, tableau.c):
                cell = cell_at(len(self.cells), step, steps, c, edge)
                slopes.append(self.rate(cell, self.advance(x, row, slopes, steps)))
            x = self.advance(x, tableau.b, slopes, steps)
        for unit in self.cells:
            unit.bn1.settle()
            unit.bn2.settle()
        return x

    def advance(self, x, weights, slopes, steps):
        """x + h eps sum of weights times slopes, h = 1/steps."""
        for weight, slope in zip(weights, slopes):
            if weight:
                x = torch.add(x, slope, alpha=float(weight) * self.eps / steps)
        return x


# ---- the net ------------------------------------------------------------------------------------

@dataclass
class Config:
    """The same keys, with the same meaning, as the engine's family "continuous"."""
    input: tuple            # channels, height, width
    classes: int
    width: int = 16         # A: of the stem, and of the first block when widen is 1
    widen: int = 1          # blocks have width A w, 2 A w, 4 A w
    unit: str = "post"      # "post", "pre"
    scheme: str = "euler"
    steps: int = 1          # N
    nodes: int = 1          # K
    basis: str = "piecewise_constant"
    act: str = "relu"
    eps: float = 0          # 0: nodes
    edge: str = "open"      # "open", "closed"
    norm_update: str = "stateful"  # "stateful", "visit"
    skip: bool = False
    seed: int = 1
    precision: str = "f64"

    def __post_init__(self):
        self.eps = float(self.eps or self.nodes)


class ContinuousNet(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.scheme, self.steps, self.edge = config.scheme, config.steps, config.edge
        stem, width = config.width, config.width * config.widen
        scale = config.eps / config.steps  # of the stitches: fixed for life
        self.stem = nn.Module()
        self.stem.conv = nn.Conv2d(config.input[0], stem, 3, padding=1, bias=False)
        self.stem.bn = nn.BatchNorm2d(stem)
        self.act = ACTIVATIONS[config.act]
        ends = [(stem, width, 1), (width, 2 * width, 2), (2 * width, 4 * width, 2)]
        for number, (inputs, outputs, stride) in enumerate(ends, 1):
            setattr(self, f"stitch{number}",
                    Stitch(inputs, outputs, stride, config.unit, config.act, scale))
            setattr(self, f"block{number}", Block(outputs, config))
        self.head = nn.Linear(4 * width, config.classes)
        if config.unit == "pre":
            self.head.bn = nn.BatchNorm2d(4 * width, momentum=0.9)
        self.initialise()

    @torch.no_grad()
    def initialise(self):
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv2d):
                area = module.kernel_size[0] ** 2
                module.weight.normal_(0, (2 / (area * module.out_channels)) ** 0.5)
                if "cells" in name:
                    module.bias.zero_()

    def forward(self, x):
        x = self.act(self.stem.bn(self.stem.conv(x)))
        for number in (1, 2, 3):
            x = getattr(self, f"stitch{number}")(x)
            x = getattr(self, f"block{number}")(x, self.scheme, self.steps, self.edge)
        if self.config.unit == "pre":
            x = self.head.bn(x)
        return self.head(x.mean((2, 3)))

    # -- tensors by the names the engine stores them under, cells stacked along a first axis --

    def _gather(self, named):
        stored = {}
        for name, tensor in named:
            if name.endswith("num_batches_tracked"):
                continue
            if ".cells." in name:
                block, rest = name.split(".cells.")
                cell, rest = rest.split(".", 1)
                assert int(cell) == len(stored.setdefault(f"{block}.{rest}", []))
                stored[f"{block}.{rest}"].append(tensor)
            else:
                stored[name] = tensor
        return {name: torch.stack(value) if isinstance(value, list) else value
                for name, value in stored.items()}

    def trainable(self):
        return self._gather((n, p.detach()) for n, p in self.named_parameters())

    def gradients(self):
        return self._gather((n, p.grad.detach() if p.grad is not None else torch.zeros_like(p))
                            for n, p in self.named_parameters())

    def statistics(self):
        return self._gather((n, b) for n, b in self.named_buffers())

    @torch.no_grad()
    def load(self, tensors):
        """Sets parameters and running statistics from stored names; every one must be there."""
        for name, own in list(self.named_parameters()) + list(self.named_buffers()):
            if name.endswith("num_batches_tracked"):
                continue
            if ".cells." in name:
                block, rest = name.split(".cells.")
                cell, rest = rest.split(".", 1)
                own.copy_(tensors[f"{block}.{rest}"][int(cell)])
            else:
                own.copy_(tensors[name])

    def count(self):
        return sum(parameter.numel() for parameter in self.parameters())


def check_counts():
    """The published numbers of trainable parameters."""
    for nodes in (1, 2, 4, 8):
        net = ContinuousNet(Config(input=(3, 32, 32), classes=10, nodes=nodes))
        assert net.count() == 78330 + 97440 * nodes, (nodes, net.count())
    wide = ContinuousNet(Config(input=(3, 32, 32), classes=100, widen=4, nodes=8, unit="pre"))
    assert wide.count() == 13630676, wide.count()


if __name__ == "__main__":
    check_counts()
    print("parameter counts agree")
