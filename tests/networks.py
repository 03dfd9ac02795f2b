"""What tests of networks share."""

from typing import Any

from numpy.typing import NDArray
from torch import nn


def weights_of(network: nn.Module) -> dict[str, NDArray[Any]]:
    """The weights of a network as they are in a model file."""
    return {name: weight.detach().numpy() for name, weight in network.state_dict().items()}
