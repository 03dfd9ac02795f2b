"""Learning a handwriting: a process that fine-tunes a model, how far it is, and how it ended."""

import asyncio
import importlib.util
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from inkread.errors import BadConfig, InkreadError
from inkread.studio.jobs import start_process

LISTEN_SECONDS = 0.5  # between looks whether the user wants to stop
GRACE_SECONDS = 5.0  # for the process to end by itself, between two steps of the training


@dataclass(frozen=True)
class Order:
    """What to learn: `documents` are those of `export_lines`, and `start` is the model to fine-tune.

    `strokes` says whether that one reads pen strokes, and not images. `options` are those of `load_reader`: they say
    how lines are read to measure the error rate.
    """

    name: str
    documents: Sequence[tuple[str, str, dict[int, str]]]
    start: str
    options: dict[str, Any]
    strokes: bool = False


@dataclass
class State:
    """What the browser shows."""

    name: str
    running: bool = True
    stage: str = "Starting"
    share: float = 0.0
    seconds_left: float | None = None
    result: dict[str, Any] | None = None
    error: str = ""


class Learning:
    """Fine-tunes models, one after the other. `learnt(result)` is called after each."""

    def __init__(self, learnt: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        self._learnt = learnt
        self.state: State | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self, order: Order) -> None:
        """Begin. Raises BadConfig if it cannot be done now."""
        if self.state and self.state.running:
            raise BadConfig("a handwriting is being learnt already", hint="wait for its end, or stop it")
        self.state, self._stopping = State(order.name), False
        self._task = asyncio.create_task(self._run(order, self.state))

    def stop(self) -> None:
        """End it without a result; a model of that name stays as it was."""
        self._stopping = True

    async def close(self) -> None:
        """Stop, and wait until the process has ended."""
        self.stop()
        if self._task:
            await asyncio.wait([self._task])

    def forget(self) -> None:
        """Show no result any longer."""
        if self.state and not self.state.running:
            self.state = None

    async def _run(self, order: Order, state: State) -> None:
        try:
            result = await asyncio.to_thread(self._follow, order, state)
            if result is None:
                self.state = None  # stopped
            else:
                await self._learnt(result)
                state.result = result
        except Exception as error:
            state.error = str(error) if isinstance(error, InkreadError) else f"an error in inkread ({error!r})"
        finally:
            state.running = False

    def _follow(self, order: Order, state: State) -> dict[str, Any] | None:
        """Start the process, and follow it until it has ended. None if it was stopped."""
        process, connection = start_process(_main, order, daemon=False)
        began: float | None = None
        try:
            while not self._stopping:
                if not connection.poll(LISTEN_SECONDS):
                    continue
                kind, *answer = connection.recv()
                if kind == "done":
                    result: dict[str, Any] = answer[0]
                    return result
                if kind == "failed":
                    raise answer[0]
                state.stage, state.share = answer
                if began is None and state.share:
                    began = time.monotonic() - 1  # about the first step
                if began is not None and state.share:
                    state.seconds_left = (time.monotonic() - began) * (1 - state.share) / state.share
            connection.send("stop")
            process.join(GRACE_SECONDS)
        except (EOFError, OSError) as error:
            raise InkreadError("learning ended unexpectedly", hint="close other programs, and try again") from error
        finally:
            process.kill()
            process.join()
            connection.close()
        return None


def check_torch() -> None:
    """Raise BadConfig where torch, which trains networks, is not installed: reading does without it."""
    if importlib.util.find_spec("torch") is None:
        raise BadConfig("learning needs torch, which is not installed", hint="run: pip install torch")


def _main(connection: Connection, order: Order) -> None:
    """What runs in the process. Ctrl-C reaches it too, but it is the server that ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from inkread.studio.adapt import serve

    serve(connection, order)
