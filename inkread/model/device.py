"""The device on which a network is computed: the CPU or a GPU."""

import torch

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
