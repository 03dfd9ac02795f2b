"""Runs the application until Ctrl-C."""

import errno
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import uvicorn

from inkread._locks import Locked, locked
from inkread.errors import BadConfig
from inkread.studio.app import Settings, make_app
from inkread.studio.security import Access

LOCK = ".inkread-studio.lock"  # a file in the folder, locked while a studio serves it
GRACE_SECONDS = 2  # for requests that run when the server is stopped


def make_access(host: str | None, token: str | None = None) -> Access:
    """Loopback, without a token unless one is given; any other address with that one, or a new one."""
    if host is None:
        return Access(token=token)
    return Access(host.lower(), token or secrets.token_urlsafe(24))


def run(settings: Settings, port: int, announce: Callable[[str], None], browser: bool) -> None:
    """Serve until Ctrl-C or SIGTERM. `announce` is called with the address once the server can be reached.

    Raises BadConfig where the address cannot be used, or where another studio serves the folder.
    """
    with _alone_in(settings.folder):
        _run(settings, port, announce, browser)


def _run(settings: Settings, port: int, announce: Callable[[str], None], browser: bool) -> None:
    access = settings.access
    listening = _listen(access.host, port)
    address = _address(access, listening.getsockname()[1])
    config = uvicorn.Config(
        make_app(settings),
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    announce(address)
    if browser:  # it may block, as text browsers do
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    uvicorn.Server(config).run(sockets=[listening])


@contextmanager
def _alone_in(folder: Path | None) -> Iterator[None]:
    """Keep a second server from a folder: each would undo what the other has saved at the same moment."""
    with ExitStack() as stack:
        if folder:
            try:
                stack.enter_context(locked(folder / LOCK))
            except Locked as error:
                hint = "use that one, or stop it first"
                raise BadConfig("another inkread studio serves this folder", path=folder, hint=hint) from error
            except OSError:
                pass  # nothing can be saved there anyway, and the pages are shown
        yield


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise BadConfig(
                f"--port {port} is used by another program", hint="give another one, or 0 for any"
            ) from error
        raise BadConfig(f"cannot listen on {host}, port {port} ({error.strerror})", hint="check both") from error
    # Connections inherit it. asyncio sets it for sockets of its own only, and each answer would wait for 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _address(access: Access, port: int) -> str:
    host = f"[{access.host}]" if ":" in access.host else access.host
    if access.host in ("0.0.0.0", "::"):  # all addresses of this machine
        host = socket.gethostname()
    token = f"?token={access.token}" if access.token else ""
    return f"http://{host}:{port}/{token}"
