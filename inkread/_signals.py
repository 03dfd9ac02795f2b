"""Programs that are told to stop clean up first."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def _signals() -> list[signal.Signals]:
    """SIGTERM and SIGHUP where they exist. Only the main thread may handle them."""
    names = ("SIGTERM", "SIGHUP") if threading.current_thread() is threading.main_thread() else ()
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


@contextmanager
def signals_as_exceptions() -> Iterator[None]:
    """Raise SystemExit on SIGTERM and SIGHUP, so that temporary files are removed; not if the program handles them."""

    def stop(number: int, frame: object) -> None:
        sys.exit(128 + number)

    changed = [number for number in _signals() if signal.getsignal(number) is signal.SIG_DFL]
    for number in changed:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Let SIGTERM and SIGHUP wait until the end of the block, for what must not be interrupted half way."""
    held: list[int] = []
    handlers = {number: signal.getsignal(number) for number in _signals()}
    handlers = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, lambda number, frame: held.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for received in held:
        signal.raise_signal(received)
