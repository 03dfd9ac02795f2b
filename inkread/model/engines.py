"""The engines that run the network of a model: ONNX Runtime by default, torch on a GPU or where it is asked for.

    int8    ONNX Runtime; convolutions and LSTMs in 8 bits, which takes less than half of the time
    onnx    ONNX Runtime in float32
    torch   torch in float32, or in bfloat16 where that is faster; the only one for a GPU

ONNX Runtime starts in a tenth of the time that torch takes.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from inkread.errors import BadConfig
from inkread.features.extract import Features
from inkread.model.checkpoint import Model

if TYPE_CHECKING:
    from onnxruntime import InferenceSession  # type: ignore[import-untyped]

EngineName = Literal["auto", "int8", "onnx", "torch"]
LogProbs = NDArray[np.float32]  # (T, C)

GPU_LINES = 2000  # importing torch and starting a GPU take as long as reading so many lines with two CPU cores
NVIDIA_DRIVERS = ("/dev/nvidia0", "/dev/dxg", "C:/Windows/System32/nvcuda.dll")  # Linux, WSL, Windows


class Engine(Protocol):
    """The network of one model. Several threads may call it at once."""

    @property
    def name(self) -> str:
        """What `--verbose` reports: the engine, its version and the device."""

    @property
    def batch(self) -> int:
        """How many lines it should be given at once."""

    def log_probs(self, lines: Sequence[Features]) -> list[LogProbs]:
        """The log-probabilities (T, C) of each line, given as features (T0, F)."""

    def start_thread(self) -> None:
        """Called in each thread that will call `log_probs`, before it does."""


class OnnxEngine:
    """ONNX Runtime on the CPU. It reads one line at a time, so a line does not depend on others."""

    batch = 1

    def __init__(self, model: Model, quantized: bool) -> None:
        import onnxruntime

        from inkread.model.onnx_graph import convert

        content = convert(model, one_line=True, quantized=quantized)
        self.session = start_session(content, threads=1)  # each thread of the recogniser reads a line
        self.name = f"ONNX Runtime {onnxruntime.__version__}, {'8 bits' if quantized else 'float32'}, CPU"

    def log_probs(self, lines: Sequence[Features]) -> list[LogProbs]:
        return [self.session.run(None, {"columns": line[None]})[0][:, 0] for line in lines]

    def start_thread(self) -> None:
        """Nothing: the session has no threads of its own."""


def start_session(content: bytes, threads: int) -> "InferenceSession":
    """ONNX Runtime on the CPU with the content of an ONNX file; each run uses so many threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # threads that wait leave their core free
    options.enable_cpu_mem_arena = False  # it takes 30 MB for a page, and saves no time
    options.log_severity_level = 3  # errors only
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def make_engine(model: Model, engine: EngineName = "auto", device: str = "auto", lines: int = 0) -> Engine:
    """The engine for a model.

    device: "auto", "cpu", or the name of a device of torch such as "cuda", "cuda:1" or "mps". With "auto" the engine is
    a GPU of NVIDIA if there is one and at least GPU_LINES `lines` are to be read; otherwise the CPU.
    Raises BadConfig for an engine or a device that does not exist or is not installed.
    """
    check_engine(engine, device)
    if engine == "auto":
        engine = _choose(model, device, lines)
    if engine == "torch":
        from inkread.model.torch_engine import TorchEngine

        return TorchEngine(model, device)
    return OnnxEngine(model, quantized=engine == "int8")


def check_engine(engine: str, device: str) -> None:
    """Raise BadConfig for an engine or a device that does not exist or is not available.

    torch is only imported if its engine or a device other than "auto" and "cpu" is asked for.
    """
    if engine not in get_args(EngineName):
        raise BadConfig(f"engine={engine!r}", hint=f"give one of {', '.join(get_args(EngineName))}")
    if engine in ("int8", "onnx"):
        if device not in ("auto", "cpu"):
            raise BadConfig(f"engine={engine} computes on the CPU, not on {device}", hint="use torch")
        if not _installed("onnxruntime"):
            raise BadConfig(f"engine={engine} needs ONNX Runtime", hint="run: pip install onnxruntime")
    elif engine == "torch" or device not in ("auto", "cpu"):
        if not _installed("torch"):
            what = "engine=torch" if engine == "torch" else f"device={device}"
            raise BadConfig(f"{what} needs torch", hint="run: pip install torch")
        from inkread.model.device import find_device

        find_device("cpu" if device == "auto" else device)


def _choose(model: Model, device: str, lines: int) -> EngineName:
    """The engine for "auto": torch on a GPU that pays or is asked for, else ONNX Runtime if it can run the model."""
    config = model.config
    in_onnx = not (config.cell == "elman" and config.activation == "gelu")  # ONNX has no such recurrent cell
    if device not in ("auto", "cpu"):
        return "torch"
    if device == "auto" and lines >= GPU_LINES and _has_gpu():
        return "torch"
    if in_onnx and _installed("onnxruntime"):
        return "int8"
    if _installed("torch"):
        return "torch"
    needed = "onnxruntime" if in_onnx else "torch"
    raise BadConfig("the package that runs this model is not installed", hint=f"run: pip install {needed}")


def _installed(package: str) -> bool:
    return find_spec(package) is not None


def _has_gpu() -> bool:
    """Whether torch finds a GPU of NVIDIA. torch is imported, which takes a second, only if there is a driver."""
    if not any(Path(driver).exists() for driver in NVIDIA_DRIVERS) or not _installed("torch"):
        return False
    import torch

    return torch.cuda.is_available()
