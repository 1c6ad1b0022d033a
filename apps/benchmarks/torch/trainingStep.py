#!/usr/bin/env python3
"""What a training step costs in PyTorch, on one CPU thread.

The counterpart of the benchmark's own training step: the same models, forward, backward and AdamW, measured
part by part, with the peak of memory. Every measurement is a process of its own, so that each peak belongs to
one model. README.md says more.
"""

import argparse
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timezone
from time import perf_counter_ns
from typing import Callable, Dict, List, Tuple

# glibc hands large blocks back to the kernel on every free, and page faults then dominate a step. With these
# settings it keeps them. OpenBLAS has threads of its own, which torch.set_num_threads does not reach.
PINNED_ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": "4294967295",
    "MALLOC_TRIM_THRESHOLD_": "9999999999",
    "MALLOC_TOP_PAD_": "268435456",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


def restart_with_pinned_environment() -> None:
    """Starts this script anew if a setting is missing: glibc and OpenBLAS read theirs once, at the start."""
    missing = {name: value for name, value in PINNED_ENVIRONMENT.items() if name not in os.environ}
    if missing:
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **missing})


if __name__ == "__main__":
    restart_with_pinned_environment()

import torch  # noqa: E402 (after the restart, or it would be imported twice)
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402
from torch.optim import AdamW, Optimizer  # noqa: E402
from unet import UNet  # noqa: E402

LEARNING_RATE = 1e-3
WEIGHT_DECAY = 1e-5
PARTS = ("step", "forward", "backward", "optimizer")


# Models. Names, shapes and initial distributions of parameters are part of the comparison: see --describe.


def mlp() -> nn.Module:
    """784-256-10 with ReLU."""
    return nn.Sequential(
        OrderedDict(dense1=nn.Linear(784, 256), relu=nn.ReLU(), dense2=nn.Linear(256, 10)),
    )


def cnn(widths: Tuple[int, ...], hidden: int) -> nn.Module:
    """For 32x32 images: blocks of two (3x3 convolution, batch norm, ReLU) and a pool; two dense layers."""
    layers: "OrderedDict[str, nn.Module]" = OrderedDict()
    before = 3
    for index, width in enumerate(widths, start=1):
        block: "OrderedDict[str, nn.Module]" = OrderedDict()
        for half in ("1", "2"):
            conv = nn.Conv2d(before, width, kernel_size=3, padding=1)
            block[half] = nn.Sequential(OrderedDict(conv=conv, norm=nn.BatchNorm2d(width), relu=nn.ReLU()))
            before = width
        block["pool"] = nn.MaxPool2d(2)
        layers[f"block{index}"] = nn.Sequential(block)
    features = before * (32 // 2 ** len(widths)) ** 2
    layers["flatten"] = nn.Flatten()
    layers["dense1"] = nn.Linear(features, hidden)
    layers["relu"] = nn.ReLU()
    layers["dense2"] = nn.Linear(hidden, 10)
    return nn.Sequential(layers)


@dataclass(frozen=True)
class TransformerSize:
    """Every number of the transformer."""

    vocabulary: int = 2000
    width: int = 64
    heads: int = 4
    layers: int = 1
    """Layers of the encoder, and of the decoder."""
    feed_forward: int = 128
    length: int = 31
    """Positions of a sequence."""
    dropout: float = 0.2


class LanguageTransformer(nn.Module):
    """Encoder-decoder of the language task; both get the same tokens. README.md has every detail."""

    def __init__(self, size: TransformerSize) -> None:
        super().__init__()
        self.scale = size.width**0.5
        self.source = nn.Embedding(size.vocabulary, size.width)
        self.target = nn.Embedding(size.vocabulary, size.width)
        self.dropout = nn.Dropout(size.dropout)
        self.transformer = nn.Transformer(
            d_model=size.width,
            nhead=size.heads,
            num_encoder_layers=size.layers,
            num_decoder_layers=size.layers,
            dim_feedforward=size.feed_forward,
            dropout=size.dropout,
            activation="relu",
            norm_first=False,
        )
        self.output = nn.Linear(size.width, size.vocabulary)
        for weight in (self.source.weight, self.target.weight, self.output.weight):
            nn.init.uniform_(weight, -0.1, 0.1)
        nn.init.zeros_(self.output.bias)
        self.register_buffer("positions", sinusoids(size.length, size.width), persistent=False)
        causal = torch.full((size.length, size.length), float("-inf")).triu(diagonal=1)
        self.register_buffer("causal", causal, persistent=False)

    def embed(self, tokens: Tensor, embedding: nn.Embedding) -> Tensor:
        """Tokens [length, batch] as [length, batch, width], with their positions."""
        return self.dropout(embedding(tokens) * self.scale + self.positions)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits [length, batch, vocabulary] of the tokens that follow."""
        source = self.embed(tokens, self.source)
        target = self.embed(tokens, self.target)
        return self.output(self.transformer(source, target, tgt_mask=self.causal))


def sinusoids(length: int, width: int) -> Tensor:
    """Positional encoding [length, 1, width]: sin in even columns, cos in odd ones, base 10000."""
    rates = 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float32) / width)
    angles = torch.arange(length, dtype=torch.float32).unsqueeze(1) * rates
    return torch.stack((angles.sin(), angles.cos()), dim=2).reshape(length, 1, width)


# Batches. Values are random; one batch is used throughout, so that its loss has to fall.

Batch = Tuple[Tensor, Tensor]


def classified(batch: int, *shape: int) -> Batch:
    """Standard normal examples [batch, *shape] of ten classes."""
    return torch.randn(batch, *shape), torch.randint(10, (batch,))


def text(batch: int, size: TransformerSize) -> Batch:
    """Uniform tokens: inputs and the tokens after them, both [length, batch]."""
    tokens = torch.randint(size.vocabulary, (size.length + 1, batch))
    return tokens[:-1].contiguous(), tokens[1:].contiguous()


QUICK_UNET = {
    "side": 14,
    "widths": [8, 16, 32],
    "groups": 8,
    "timeFeatures": 32,
    "timeWidth": 32,
    "middleBlocks": 1,
    "attentiveBlocks": 0,
    "heads": 4,
    "dropout": 0.1,
    "times": 100,
}
"""The quick preset of the diffusion task."""


class NoiseTeller(nn.Module):
    """The UNet, given pictures and times together."""

    def __init__(self) -> None:
        super().__init__()
        self.unet = UNet(QUICK_UNET)

    def forward(self, inputs: Tuple[Tensor, Tensor]) -> Tensor:
        return self.unet(*inputs)


def noisy(batch: int) -> Tuple[Tuple[Tensor, Tensor], Tensor]:
    """Standard normal pictures at uniform times, and as much noise."""
    shape = (batch, 1, QUICK_UNET["side"], QUICK_UNET["side"])
    return (torch.randn(shape), torch.randint(QUICK_UNET["times"], (batch,))), torch.randn(shape)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Of classes along the last axis."""
    return F.cross_entropy(logits.flatten(0, -2), labels.flatten())


@dataclass(frozen=True)
class Case:
    """A model with its batch, and how many steps make a measurement of a few seconds."""

    summary: str
    model: Callable[[], nn.Module]
    batch: Callable[[], Batch]
    steps: int
    warmup: int
    loss: Callable[[Tensor, Tensor], Tensor] = cross_entropy
    channels_last: bool = False
    """Images and convolution weights in NHWC memory, which PyTorch does not do unless told."""

    def build(self) -> Tuple[nn.Module, Batch]:
        """The model, and a batch for it."""
        model, (inputs, labels) = self.model().train(), self.batch()
        if not self.channels_last:
            return model, (inputs, labels)
        layout = torch.channels_last
        return model.to(memory_format=layout), (inputs.contiguous(memory_format=layout), labels)


def small_cnn(channels_last: bool) -> Case:
    """The quick preset of the image task."""
    summary = "CIFAR-10 CNN, widths 8/16/32, hidden 64; batch 128"
    return Case(
        summary + ", channels last" * channels_last,
        lambda: cnn((8, 16, 32), 64),
        lambda: classified(128, 3, 32, 32),
        steps=50,
        warmup=5,
        channels_last=channels_last,
    )


def paper_cnn(channels_last: bool) -> Case:
    """The paper's network, in smaller batches than the paper's."""
    summary = "CIFAR-10 CNN, widths 64/128/256, hidden 512; batch 64"
    return Case(
        summary + ", channels last" * channels_last,
        lambda: cnn((64, 128, 256), 512),
        lambda: classified(64, 3, 32, 32),
        steps=12,
        warmup=3,
        channels_last=channels_last,
    )


def transformer(size: TransformerSize) -> Case:
    """The quick preset of the language task."""
    return Case(
        f"encoder-decoder, width 64, vocabulary 2000, dropout {size.dropout}; batch 16 of 31 tokens",
        lambda: LanguageTransformer(size),
        lambda: text(16, size),
        steps=100,
        warmup=10,
    )


CASES: Dict[str, Case] = {
    "mlp": Case("784-256-10, ReLU; batch 128", mlp, lambda: classified(128, 784), steps=300, warmup=30),
    "cnn-small": small_cnn(channels_last=False),
    "cnn-small-channels-last": small_cnn(channels_last=True),
    "cnn-paper": paper_cnn(channels_last=False),
    "cnn-paper-channels-last": paper_cnn(channels_last=True),
    "transformer": transformer(TransformerSize()),
    "transformer-no-dropout": transformer(TransformerSize(dropout=0.0)),
    "unet": Case(
        "diffusion UNet, widths 8/16/32, 14 x 14 pixels, dropout 0.1; batch 32",
        NoiseTeller,
        lambda: noisy(32),
        steps=100,
        warmup=10,
        loss=F.mse_loss,
    ),
}


# Measurement


def training_step(
    model: nn.Module, batch: Batch, optimizer: Optimizer, loss_of: Callable[[Tensor, Tensor], Tensor]
) -> Tuple[float, List[int]]:
    """One step: the loss before the update, and the nanoseconds of PARTS.

    Reading the loss belongs to the optimizer's part, and so does dropping the gradients: at once, so that
    they take no memory in the next forward pass.
    """
    inputs, labels = batch
    start = perf_counter_ns()
    loss = loss_of(model(inputs), labels)
    forward = perf_counter_ns()
    loss.backward()
    backward = perf_counter_ns()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    value = loss.item()
    end = perf_counter_ns()
    return value, [end - start, forward - start, backward - forward, end - backward]


def resident_mib() -> float:
    """Resident memory of this process now."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def peak_mib() -> float:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def measure(name: str, steps: int, warmup: int, seed: int) -> dict:
    """Trains one model in this process."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    load = os.getloadavg()[0]
    before = resident_mib()
    model, batch = CASES[name].build()
    optimizer = AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, foreach=True)
    losses, times = zip(*(training_step(model, batch, optimizer, CASES[name].loss) for _ in range(warmup + steps)))
    milliseconds = {part: [ns / 1e6 for ns in column] for part, column in zip(PARTS, zip(*times[warmup:]))}
    return {
        "name": name,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "threads": torch.get_num_threads(),
        "steps": steps,
        "warmup": warmup,
        "loadAverage": [round(load, 2), round(os.getloadavg()[0], 2)],
        "firstLoss": losses[0],
        "lastLoss": losses[-1],
        "medianMs": {part: statistics.median(values) for part, values in milliseconds.items()},
        "minMs": {part: min(values) for part, values in milliseconds.items()},
        "importedMiB": round(before, 1),
        "peakMiB": round(peak_mib(), 1),
    }


def measure_in_child(name: str, steps: int, warmup: int, seed: int) -> dict:
    """The same in a process of its own."""
    options = ["--model", name, "--steps", str(steps), "--warmup", str(warmup), "--seed", str(seed)]
    command = [sys.executable, os.path.abspath(__file__), "--child", *options]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def summarize(runs: List[dict]) -> dict:
    """Repetitions of one model as one result.

    Neighbours on the machine can only add time: `medianMs` is the median of the repetitions' medians,
    `quietMs` the medians of the repetition whose whole step was fastest, `minMs` the smallest of all values,
    each part for itself.
    """
    quiet = min(runs, key=lambda run: run["medianMs"]["step"])
    peak = statistics.median(run["peakMiB"] for run in runs)
    imported = statistics.median(run["importedMiB"] for run in runs)
    times = {
        "medianMs": {part: statistics.median(run["medianMs"][part] for run in runs) for part in PARTS},
        "quietMs": quiet["medianMs"],
        "minMs": {part: min(run["minMs"][part] for run in runs) for part in PARTS},
    }
    return {
        "name": runs[0]["name"],
        "summary": CASES[runs[0]["name"]].summary,
        "parameters": runs[0]["parameters"],
        "threads": runs[0]["threads"],
        "steps": runs[0]["steps"],
        "warmup": runs[0]["warmup"],
        "firstLoss": round(runs[0]["firstLoss"], 4),
        "lastLoss": round(runs[0]["lastLoss"], 4),
        **{key: {part: round(ms, 3) for part, ms in values.items()} for key, values in times.items()},
        "memoryMiB": {
            "peak": round(peak, 1),
            "imported": round(imported, 1),
            "own": round(peak - imported, 1),
        },
        "repetitions": [
            {
                "stepMedianMs": round(run["medianMs"]["step"], 3),
                "stepMinMs": round(run["minMs"]["step"], 3),
                "peakMiB": run["peakMiB"],
                "loadAverage": run["loadAverage"],
            }
            for run in runs
        ],
    }


# Where it ran


def blas_library() -> str:
    """The BLAS in use, as `folder/file`; `built in` if torch brings its own."""
    with open("/proc/self/maps", encoding="utf8") as file:
        paths = {line.split()[-1] for line in file if re.search(r"/lib\w*blas\w*[-.]", line)}
    return ", ".join("/".join(path.split("/")[-2:]) for path in sorted(paths)) or "built in"


def warn_of_slow_blas() -> None:
    """Debian installs the reference BLAS unless told otherwise. It is many times slower than OpenBLAS."""
    if blas_library().startswith("blas/"):
        print("warning: reference BLAS; install libopenblas0-pthread for fair figures", file=sys.stderr)


def environment() -> dict:
    """Machine, without its name, and versions."""
    with open("/proc/cpuinfo", encoding="utf8") as file:
        cpu = re.search(r"model name\s*: (.*)", file.read())
    built = torch.__config__.show()
    found = {
        "oneDnn": re.search(r"MKL-DNN v([\d.]+)", built),
        "capability": re.search(r"CPU capability usage: (\S+)", built),
    }
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "hardware": {
            "cpu": cpu.group(1) if cpu else "unknown",
            "cores": os.cpu_count(),
            "memoryGiB": round(memory / 2**30),
            "platform": f"{sys.platform}-{platform.machine()}",
        },
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "blas": blas_library(),
            **{name: match.group(1) if match else "unknown" for name, match in found.items()},
        },
        "environment": {name: os.environ.get(name) for name in PINNED_ENVIRONMENT},
    }


# Output


def describe(name: str) -> str:
    """Parameters of a model, in order, as a Markdown table."""
    model = CASES[name].model()
    rows = [(key, tuple(value.shape), value.numel()) for key, value in model.named_parameters()]
    body = [f"| `{key}` | {' x '.join(map(str, shape))} | {count:,} |" for key, shape, count in rows]
    total = f"| total | | {sum(count for _, _, count in rows):,} |"
    head = [f"{name}: {CASES[name].summary}", "", "| parameter | shape | values |", "|---|---|---:|"]
    return "\n".join([*head, *body, total, ""])


def readable(result: dict) -> str:
    """A result for people."""
    columns = ("medianMs", "quietMs", "minMs")
    rows = [f"  {part:<10}" + "".join(f"{result[key][part]:>10.2f}" for key in columns) for part in PARTS]
    memory = result["memoryMiB"]
    steps = result["warmup"] + result["steps"]
    return "\n".join([
        f"{result['name']}: {result['summary']}",
        f"  {result['parameters']:,} parameters",
        f"  loss {result['firstLoss']:.4f} -> {result['lastLoss']:.4f} in {steps} steps",
        f"  {'ms':<10}{'median':>10}{'quiet':>10}{'min':>10}",
        *rows,
        f"  peak {memory['peak']:.0f} MiB: {memory['imported']:.0f} after import, {memory['own']:.0f} on top",
        "",
    ])


def count(minimum: int) -> Callable[[str], int]:
    """A whole number from `minimum` on."""

    def parse(given: str) -> int:
        number = int(given)
        if number < minimum:
            raise argparse.ArgumentTypeError(f"{number} is less than {minimum}")
        return number

    return parse


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measures a training step in PyTorch, on one CPU thread.")
    parser.add_argument("--model", choices=[*CASES, "all"], default="all")
    parser.add_argument("--steps", type=count(1), help="measured steps; default: some seconds' worth")
    parser.add_argument("--warmup", type=count(0), help="steps before them; default: enough")
    parser.add_argument("--repetitions", type=count(1), default=1, help="processes for each model; default 1")
    parser.add_argument("--seed", type=int, default=0, help="of parameters, batch and dropout; default 0")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--describe", action="store_true", help="print the parameters of the models instead")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measures, round by round, so that a busy minute does not fall on one model alone."""
    given = arguments()
    names = list(CASES) if given.model == "all" else [given.model]
    if given.describe:
        print("\n".join(describe(name) for name in names), end="")
        return
    if given.child:
        print(json.dumps(measure(given.model, given.steps, given.warmup, given.seed)))
        return
    warn_of_slow_blas()
    runs: Dict[str, List[dict]] = {name: [] for name in names}
    for _ in range(given.repetitions):
        for name in names:
            steps = given.steps or CASES[name].steps
            warmup = CASES[name].warmup if given.warmup is None else given.warmup
            runs[name].append(measure_in_child(name, steps, warmup, given.seed))
    results = [summarize(runs[name]) for name in names]
    if not given.json:
        print(f"PyTorch {torch.__version__}, 1 thread, BLAS: {blas_library()}\n")
        print("\n".join(map(readable, results)), end="")
        return
    record = {
        "schema": "vradam-torch-training-step/1",
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        **environment(),
        "optimizer": {
            "name": "AdamW",
            "foreach": True,
            "learningRate": LEARNING_RATE,
            "weightDecay": WEIGHT_DECAY,
        },
        "seed": given.seed,
        "results": results,
    }
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
