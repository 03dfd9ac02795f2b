"""The device on which a network is computed, the CPU or a GPU, and in which precision."""

import torch

from inkread.config import NetworkConfig
from inkread.errors import BadConfig


def find_device(name: str) -> torch.device:
    """The device of that name: "cpu", "cuda", "cuda:1" or "mps", as torch calls them, or "auto", which is a GPU if
    there is one. Raises BadConfig if there is no such device.
    """
    counts = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if counts[kind]))
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise BadConfig(f"device={name!r}: no such device", hint='give "cpu", "cuda", "cuda:1" or "mps"') from error
    if (device.index or 0) >= counts.get(device.type, 0):
        raise BadConfig(f"device={name!r}: not available on this machine", hint='use "cpu"')
    return device


def prefers_bfloat16(device: torch.device, config: NetworkConfig) -> bool:
    """Whether a network computes faster in bfloat16 than in float32: where the processor has instructions for it.

    On a CPU, Elman and GRU cells without convolutions gain nothing from it (experiments/LOG.md).
    """
    return supports_bfloat16(device) and (device.type == "cuda" or config.features == "conv" or config.cell == "lstm")


def supports_bfloat16(device: torch.device) -> bool:
    """Whether a device has instructions for bfloat16. Without them, a CPU is slower in it or has no LSTM for it."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
