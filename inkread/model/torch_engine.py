"""The network of a model run by torch: on a GPU, or on the CPU where ONNX Runtime is not wanted."""

import threading
from collections.abc import Sequence

import torch

from inkread.features.extract import Features
from inkread.model.checkpoint import Model
from inkread.model.device import find_device, supports_bfloat16
from inkread.model.engines import LogProbs
from inkread.model.network import pad

BATCH_ON_CPU = 16  # lines; more are not faster
BATCH_ON_GPU = 128  # lines; a GPU is faster with many

_starting = threading.Lock()  # held while a thread sets its number of torch threads


class TorchEngine:
    """torch on the CPU or on a GPU; `device` is "auto" (then the CPU if there is no GPU) or a name that torch knows."""

    def __init__(self, model: Model, device: str) -> None:
        self.device = find_device(device)
        self.network = model.network().for_reading().to(self.device)
        on_cpu = self.device.type == "cpu"
        self.batch = BATCH_ON_CPU if on_cpu else BATCH_ON_GPU
        # On a CPU that has instructions for bfloat16, an LSTM behind convolutions is twice as fast.
        self.bfloat16 = on_cpu and model.config.cell == "lstm" and supports_bfloat16(self.device)
        where = "CPU" if on_cpu else str(self.device)
        self.name = f"torch {torch.__version__}, {'bfloat16' if self.bfloat16 else 'float32'}, {where}"

    def log_probs(self, lines: Sequence[Features]) -> list[LogProbs]:
        """See `Engine`."""
        columns, lengths = pad(lines)  # (B, T0, F), (B,)
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            log_probs, steps = self.network(columns.to(self.device), lengths.to(self.device))  # (T, B, C), (B,)
        log_probs = log_probs.cpu()
        return [log_probs[:length, index].numpy() for index, length in enumerate(steps.tolist())]

    def start_thread(self) -> None:
        """Let torch use one thread in this thread, without changing how many it uses in threads that start later."""
        with _starting:
            threads = torch.get_num_threads()
            torch.set_num_threads(1)  # in this thread, but also in all that start from now on
            restore = threading.Thread(target=torch.set_num_threads, args=(threads,))
            restore.start()
            restore.join()
