"""The paper's autoencoder in PyTorch: the same layers in the same order, with the library's weights.

Written as one would there: `Conv2d`, `BatchNorm2d`, `MaxPool2d` that returns indices, `MaxUnpool2d`. Tensors
are (time, channels, height, width), in memory in that order or with the channels last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from lassovae.autoencoder import Weights

POOLINGS = 3
SLOPE = 0.01  # of the leaky ReLU
EPS = 1e-5  # of the batch norms
LAYOUTS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPS)


class Encoder(nn.Module):
    """Frames to latent maps and the indices of every pooling, finest first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inputs = (1, *[channels] * (POOLINGS - 1))
        self.convs = nn.ModuleList(nn.Conv2d(count, channels, 3, padding=1) for count in inputs)
        self.norms = nn.ModuleList(_norm(channels) for _ in inputs)
        self.pool = nn.MaxPool2d(2, return_indices=True)
        self.collapse = nn.Conv2d(channels, 1, 1)

    def forward(self, shown: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """(time, 1, height, width) to (time, 1, height / 8, width / 8)."""
        x, positions = shown, []
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x, position = self.pool(norm(F.leaky_relu(conv(x), SLOPE)))
            positions.append(position)
        return self.collapse(x), positions


class Decoder(nn.Module):
    """Latent maps to residual frames."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        outputs = (*[channels] * (POOLINGS - 1), 1)
        self.expand = nn.Conv2d(1, channels, 1)
        self.unpool = nn.MaxUnpool2d(2)
        self.convs = nn.ModuleList(nn.Conv2d(channels, count, 3, padding=1) for count in outputs)
        self.norms = nn.ModuleList(_norm(count) for count in outputs)

    def forward(self, latents: torch.Tensor, positions: Sequence[torch.Tensor]) -> torch.Tensor:
        """(time, 1, height, width) to (time, 1, 8 height, 8 width)."""
        x = self.expand(latents)
        for conv, norm, position in zip(self.convs, self.norms, reversed(positions), strict=True):
            x = F.leaky_relu(norm(conv(self.unpool(x, position))), SLOPE)
        return x


class Twin(nn.Module):
    """Encoder and decoder with the weights of a library's `Weights`, in training mode.

    Args:
        weights: of a convolutional encoder.
        layout: a key of LAYOUTS, of the weights and of the frames.
        device: "cpu" or "cuda".
        dtype: torch.float32 or torch.float64.
    """

    def __init__(
        self, weights: Weights, layout: str = "nchw", device: str = "cpu", dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        channels = weights.params["encoder"]["Conv3x3_0"]["kernel"].shape[-1]
        self.encoder, self.decoder = Encoder(channels), Decoder(channels)
        self.place = {"device": device, "dtype": dtype}
        self.memory_format = LAYOUTS[layout]
        self.to(**self.place)
        load(self, weights)
        self.to(memory_format=self.memory_format)
        self.train()

    def frames(self, frames: np.ndarray) -> torch.Tensor:
        """(time, height, width), or one frame, to the twin's device, dtype and layout."""
        frames = np.asarray(frames)
        shaped = torch.tensor(frames.reshape(-1, 1, *frames.shape[-2:]), **self.place)
        return shaped.contiguous(memory_format=self.memory_format)

    def forward(self, frames: torch.Tensor, mean_frame: torch.Tensor) -> torch.Tensor:
        """Loss of the plain autoencoder: mean (x - (f_dec(f_enc(x - m)) + 1) m)^2."""
        residual = self.decoder(*self.encoder(frames - mean_frame))
        return (frames - (residual + 1) * mean_frame).square().mean()


def layers(twin: Twin) -> Iterator[tuple[str, str, nn.Module]]:
    """Part and layer as the library names them, and the twin's module."""
    for part, ends in (("encoder", "collapse"), ("decoder", "expand")):
        module = getattr(twin, part)
        yield part, ends, getattr(module, ends)
        for level in range(POOLINGS):
            yield part, f"Conv3x3_{level}", module.convs[level]
            yield part, f"BatchNorm_{level}", module.norms[level]


@torch.no_grad()
def load(twin: Twin, weights: Weights) -> None:
    """Give the twin the library's weights: kernels HWIO to OIHW, dense ones as 1 x 1 convolutions."""
    for part, name, module in layers(twin):
        params = {key: torch.tensor(np.asarray(value)) for key, value in weights.params[part][name].items()}
        module.bias.copy_(params["bias"])
        if isinstance(module, nn.BatchNorm2d):
            stats = weights.batch_stats[part][name]
            module.weight.copy_(params["scale"])
            module.running_mean.copy_(torch.tensor(np.asarray(stats["mean"])))
            module.running_var.copy_(torch.tensor(np.asarray(stats["var"])))
        else:
            kernel = params["kernel"]
            kernel = kernel if kernel.ndim == 4 else kernel[None, None]
            module.weight.copy_(kernel.permute(3, 2, 0, 1))


def as_params(twin: Twin, grads: Sequence[torch.Tensor]) -> dict[str, Any]:
    """Gradients in the order of `twin.parameters()` as the library's nested dictionaries of arrays."""
    of = {
        id(parameter): grad.detach().cpu().numpy()
        for parameter, grad in zip(twin.parameters(), grads, strict=True)
    }
    nested: dict[str, Any] = {"encoder": {}, "decoder": {}}
    for part, name, module in layers(twin):
        kernel, bias = of[id(module.weight)], of[id(module.bias)]
        if isinstance(module, nn.BatchNorm2d):
            nested[part][name] = {"scale": kernel, "bias": bias}
            continue
        kernel = kernel.transpose(2, 3, 1, 0)
        dense = kernel.shape[:2] == (1, 1)
        nested[part][name] = {"kernel": kernel[0, 0] if dense else kernel, "bias": bias}
    return nested


def with_gradients(twin: Twin, loss_of: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, tuple]:
    """A loss and its gradients in `twin.parameters()`, waited for."""
    loss = loss_of()
    grads = torch.autograd.grad(loss, list(twin.parameters()))
    if loss.is_cuda:
        torch.cuda.synchronize(loss.device)
    return loss.detach(), grads


def gradient_step(twin: Twin, compiled: bool = False) -> Callable[..., tuple[torch.Tensor, tuple]]:
    """(frames, mean_frame) to loss and gradients of the plain autoencoder, forward and backward pass.

    Args:
        twin: whose weights; its running statistics are updated, as in any step.
        compiled: through `torch.compile`, which needs a C++ compiler where it runs.
    """
    forward = torch.compile(twin) if compiled else twin
    return lambda frames, mean_frame: with_gradients(twin, lambda: forward(frames, mean_frame))
