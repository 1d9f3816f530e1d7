"""The sizes of the scan: one ODE net (K = N = 2, Euler, 3 channels in) over widths, batches and
sides, and which of them are too large to be measured in reasonable time or memory."""

import itertools
import os
from dataclasses import dataclass

WIDTHS, BATCHES, SIDES = (8, 16, 32, 64, 128), (1, 16, 128, 512), (8, 16, 28, 32, 64)
FLOPS_A_SECOND = 1e11  # of the slower contender, roughly: for deciding what to leave out
BYTES = 300  # of an activation of the first block, all that PyTorch keeps for it included
SHARE_OF_MEMORY = 0.7


@dataclass
class Case:
    width: int
    batch: int
    side: int

    def name(self):
        return f"A={self.width}, batch {self.batch}, {self.side}x{self.side}"

    def options(self):
        return ["--scheme", "euler", "--nodes", "2", "--width", str(self.width), "--batch",
                str(self.batch), "--input", "3", str(self.side), str(self.side), "--only", "train"]

    def seconds(self):
        """Of a step, roughly: twelve convolutions in the blocks and what amounts to three in the
        stitches, each of 18 A^2 side^2 flops, three times (forward and two gradients)."""
        return 3 * 15 * 18 * self.width**2 * self.side**2 * self.batch / FLOPS_A_SECOND

    def bytes(self):
        return BYTES * self.width * self.side**2 * self.batch

    def too_large(self, step_seconds):
        """Why the case is left out, for both; "" when it is not."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if self.seconds() > step_seconds:
            return f"a step of about {self.seconds():.0f} s; the limit is {step_seconds:g} s"
        if self.bytes() > SHARE_OF_MEMORY * memory:
            return (f"about {self.bytes() / 1e9:.0f} GB; the limit is "
                    f"{SHARE_OF_MEMORY * memory / 1e9:.0f} GB")
        return ""


def cases():
    return [Case(*sizes) for sizes in itertools.product(WIDTHS, BATCHES, SIDES)]
