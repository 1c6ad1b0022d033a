#!/usr/bin/env python3
"""The diffusion task's UNet in PyTorch, to hold its loss and gradient against ours. README.md says more.

Reads JSON from standard input, with the keys `size` (numbers of the network), `parameters` and `batch` (tensors by
name, each with `shape` and `data`), and writes JSON: the loss, in float64, and its gradient by parameter.
"""

import json
import math
import sys
from typing import Dict, List

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Convolution(nn.Module):
    """GroupNorm, SiLU, 3x3 convolution."""

    def __init__(self, groups: int, source: int, target: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, source)
        self.conv = nn.Conv2d(source, target, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.silu(self.norm(x)))


class Block(nn.Module):
    """Two convolutions with the time between them, and a way past them."""

    def __init__(self, size: Dict, source: int, target: int) -> None:
        super().__init__()
        self.add_module("1", Convolution(size["groups"], source, target))
        self.add_module("2", Convolution(size["groups"], target, target))
        self.time = nn.Linear(size["timeWidth"], target)
        self.dropout = nn.Dropout(size["dropout"])
        self.skip = nn.Identity() if source == target else nn.Conv2d(source, target, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        first, second = getattr(self, "1"), getattr(self, "2")
        timed = first(x) + F.silu(self.time(time))[:, :, None, None]
        return self.dropout(second(timed)) + self.skip(x)


class Attention(nn.Module):
    """Of all pixels to each other, by 1x1 convolutions."""

    def __init__(self, size: Dict, width: int) -> None:
        super().__init__()
        self.heads = size["heads"]
        self.norm = nn.GroupNorm(size["groups"], width)
        self.qkv = nn.Conv2d(width, 3 * width, 1)
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(n, 3 * self.heads, c // self.heads, h * w).chunk(3, dim=1)
        weights = torch.einsum("nhdi,nhdj->nhij", q, k).mul((c // self.heads) ** -0.5).softmax(dim=-1)
        mixed = torch.einsum("nhij,nhdj->nhdi", weights, v)
        return x + self.out(mixed.reshape(n, c, h, w))


class UNet(nn.Module):
    def __init__(self, size: Dict) -> None:
        super().__init__()
        self.size = size
        widths: List[int] = size["widths"]
        self.time = nn.ModuleDict(
            {"1": nn.Linear(size["timeFeatures"], size["timeWidth"]), "2": nn.Linear(size["timeWidth"], size["timeWidth"])}
        )
        self.add_module("in", nn.Conv2d(1, widths[0], 3, padding=1))
        for i, (source, target) in enumerate(zip(widths, widths[1:])):
            self.add_module(f"down{i}", Block(size, source, target))
        for i in range(size["middleBlocks"]):
            self.add_module(f"middle{i}", Block(size, widths[-1], widths[-1]))
        self.middle = nn.ModuleDict({"attention": Attention(size, widths[-1])})
        width = widths[-1]
        self.levels = list(reversed(range(len(widths) - 1)))
        for order, i in enumerate(self.levels):
            up = Block(size, width + widths[i + 1], widths[i])
            if order < size["attentiveBlocks"]:
                up.attention = Attention(size, widths[i])
            self.add_module(f"up{i}", up)
            width = widths[i]
        self.out = Convolution(size["groups"], widths[0], 1)

    def embed(self, times: Tensor) -> Tensor:
        half = self.size["timeFeatures"] // 2
        dtype = self.time["1"].weight.dtype
        frequencies = torch.exp(-math.log(10000) * torch.arange(half, dtype=dtype) / (half - 1))
        angles = times[:, None].to(dtype) * frequencies[None]
        waves = torch.cat([angles.sin(), angles.cos()], dim=1)
        return self.time["2"](F.silu(self.time["1"](waves)))

    def forward(self, x: Tensor, times: Tensor) -> Tensor:
        time = self.embed(times)
        x = getattr(self, "in")(x)
        skips = []
        for i in reversed(self.levels):
            x = getattr(self, f"down{i}")(x, time)
            skips.append(x)
            x = F.max_pool2d(x, 2)
        for i in range(self.size["middleBlocks"]):
            x = getattr(self, f"middle{i}")(x, time)
            if i == 0:
                x = self.middle["attention"](x)
        for i in self.levels:
            skip = skips.pop()
            x = torch.cat([F.interpolate(x, size=skip.shape[2:], mode="nearest"), skip], dim=1)
            up = getattr(self, f"up{i}")
            x = up(x, time)
            if hasattr(up, "attention"):
                x = up.attention(x)
        return self.out(x)


def tensor(value: Dict, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor(value["data"], dtype=dtype).reshape(value["shape"])


def main() -> None:
    given = json.load(sys.stdin)
    model = UNet(given["size"]).double()
    state = {name: tensor(value) for name, value in given["parameters"].items()}
    # ours are products of rows; a 1x1 convolution has two axes more
    own = model.state_dict()
    model.load_state_dict({name: value.reshape(own[name].shape) for name, value in state.items()})
    batch = given["batch"]
    told = model(tensor(batch["noisy"]), tensor(batch["times"], torch.int64))
    loss = F.mse_loss(told, tensor(batch["noise"]))
    loss.backward()
    gradient = {name: parameter.grad.flatten().tolist() for name, parameter in model.named_parameters()}
    json.dump({"loss": loss.item(), "gradient": gradient}, sys.stdout)


if __name__ == "__main__":
    main()
