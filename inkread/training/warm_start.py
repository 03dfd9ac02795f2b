"""Start a training from the weights of a model, also if the network has more characters, cells or channels."""

import torch
from torch import Tensor

from inkread.alphabet import BLANK
from inkread.model.checkpoint import Model
from inkread.model.network import Network

OUTPUTS = ("output.weight", "output.bias", "auxiliary.weight", "auxiliary.bias")  # have a row for each character
READ_CHANNELS = ("front.", "auxiliary.", "rnn.layers.0.")  # weights whose inputs are channels, not cells


def copy_weights(network: Network, start: Model) -> None:
    """Copy the weights of a model into a network of the same kind whose alphabet begins with the model's.

    The network then gives the same results as the model (Chen et al. 2016, "Net2Net"): the weights from new cells and
    channels to old ones are 0, and their other weights stay random. The weights of a new character are the mean of
    those of the known characters.
    """
    own = network.state_dict()
    cells = start.config.hidden, network.rnn.cells
    for name, weight in start.network().state_dict().items():
        if weight.shape == own[name].shape:
            own[name] = weight
            continue
        rows = torch.arange(len(weight))
        if name.startswith("rnn."):
            rows = _spread(rows, *cells)
        if weight.ndim == 1:
            own[name][rows] = weight
            continue
        columns = torch.arange(weight.shape[1])
        if not name.startswith(READ_CHANNELS):
            columns = _spread(columns, *cells)
        own[name][rows] = 0
        own[name][rows.unsqueeze(1), columns] = weight
    known = start.alphabet.size
    for name in OUTPUTS:
        if name in own and len(own[name]) > known > BLANK + 1:
            own[name][known:] = own[name][BLANK + 1 : known].mean(dim=0)
    network.load_state_dict(own)


def _spread(places: Tensor, old: int, new: int) -> Tensor:
    """The new places of cells if each gate or direction grows from `old` to `new` cells.

    For example from 2 to 3 cells: 0, 1, 2, 3 -> 0, 1, 3, 4.
    """
    return places // old * new + places % old
