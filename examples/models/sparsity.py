# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Masks that hold weights of linears at zero while a model is retrained.

A pattern divides a weight matrix into units and its units into groups of the
same size; each group keeps the same number of units, the largest:

- N of M: a unit is one weight, a group M consecutive inputs of one output;
- blocks: a unit is a block of rows x columns, a group all blocks in the same
  rows, so that every panel of rows keeps as many bytes as any other.

Equal units go by their place, the first is dropped first.
"""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Pattern:
    rows: int     # of a unit
    columns: int
    group: int    # units in a group, 0 for all that stand beside each other
    keep: float   # the part of a group that stays

    def check(self, name, weight):
        n, k = weight.shape
        if n % self.rows or k % (self.columns * max(self.group, 1)):
            raise ValueError(f"{name}: {n} x {k} is not a multiple of "
                             f"{self.rows} x {self.columns} units in groups")

    def sizes(self, weight):
        """The size of each unit: [groups, units in a group]."""
        n, k = weight.shape
        units = weight.double().view(n // self.rows, self.rows,
                                     k // self.columns, self.columns)
        units = units.square().sum(dim=(1, 3))
        return units.view(-1, self.group or units.shape[1])

    def kept(self, sizes):
        """Units that stay in each group."""
        return max(1, round(sizes.shape[1] * self.keep))

    def mask(self, weight, progress):
        """1 for what stays. The share `progress` of all that go in the end is
        gone, the smallest first."""
        sizes = self.sizes(weight)
        drop = sizes.shape[1] - self.kept(sizes)
        order = sizes.argsort(dim=1, stable=True)[:, :drop]
        going = sizes.gather(1, order).flatten()
        now = going.argsort(stable=True)[:round(progress * len(going))]
        gone = torch.zeros_like(going, dtype=torch.bool)
        gone[now] = True
        stays = torch.ones_like(sizes, dtype=weight.dtype)
        stays.scatter_(1, order, (~gone).view(order.shape).to(weight.dtype))
        n, k = weight.shape
        stays = stays.view(n // self.rows, k // self.columns)
        return stays.repeat_interleave(self.rows, 0).repeat_interleave(
            self.columns, 1)


PATTERNS = {
    "sparse24": Pattern(1, 1, 4, 0.5),
    "blocks50": Pattern(16, 32, 0, 0.5),
    "blocks75": Pattern(16, 32, 0, 0.25),
}


class Masks:
    """The masks of all linears in a model's layers, on the schedule
    1 - (1 - t)^3 over the first part of training, then fixed. Embeddings and
    norms stay dense."""

    UNTIL = 0.5   # of all steps
    UPDATES = 20  # of the masks until then

    def __init__(self, pattern, model):
        self.pattern = pattern
        self.masks = {}
        self.stage = -1
        for name, weight in self.weights(model):
            pattern.check(name, weight)

    @property
    def final(self):
        return self.stage == self.UPDATES

    @staticmethod
    def weights(model):
        return [(name, p) for name, p in model.model.layers.named_parameters()
                if p.dim() == 2]

    @torch.no_grad()
    def update(self, model, time):
        """Masks for this time, 0 to 1; weights are not touched once final."""
        stage = min(self.UPDATES, int(time / self.UNTIL * self.UPDATES) + 1)
        if stage == self.stage:
            return
        self.stage = stage
        progress = 1 - (1 - stage / self.UPDATES) ** 3
        self.masks = {name: self.pattern.mask(weight, progress)
                      for name, weight in self.weights(model)}
        self.apply(model)

    @torch.no_grad()
    def apply(self, model):
        for name, weight in self.weights(model):
            weight.mul_(self.masks[name])

    @torch.no_grad()
    def apply_to_gradients(self, model):
        for name, weight in self.weights(model):
            weight.grad.mul_(self.masks[name])

    def verify(self, model):
        """What is written must have the pattern, whatever came before."""
        for name, weight in self.weights(model):
            sizes = self.pattern.sizes(weight)
            most = (sizes > 0).sum(dim=1).max().item()
            if most > self.pattern.kept(sizes):
                raise RuntimeError(
                    f"{name}: a group has {most} units that are not zero, "
                    f"expected at most {self.pattern.kept(sizes)}")

    def state(self):
        return (self.stage, self.masks)

    def restore(self, state):
        self.stage, self.masks = state
