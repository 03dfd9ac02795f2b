"""Who may ask this server: pages that it has sent itself, and programs that know the token.

A web page from elsewhere can make a browser send requests to 127.0.0.1, or to a name that it lets point there (DNS
rebinding). Such requests name a foreign Host or Origin, are marked as cross-site, or lack the CSRF token.
"""

import hmac
import ipaddress
import secrets
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 100_000_000  # bytes of a request: a scanned book as PDF
COOKIE = "inkread_token"
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
METHODS = (*SAFE_METHODS, "POST", "PUT", "PATCH", "DELETE")
# They change nothing, so they need no CSRF token.
FOR_PROGRAMS = ("/api/read", "/api/strokes", "/api/v4.0/iink/batch")
OPEN_TO_ALL = ("/healthz",)  # says only that the server runs

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class TooLarge(Exception):
    """A request has more than MAX_BODY bytes."""


@dataclass(frozen=True)
class Access:
    """What requests must have. `host` is the address that the server listens on; with a token it may be any."""

    host: str = "127.0.0.1"
    token: str | None = None
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    def allows_host(self, headers: Headers) -> bool:
        """Whether the Host header names this machine. Any address in digits does: rebinding needs a name.

        A program that knows the token may use any name, as those that containers give to one another.
        """
        if self._knows_token(_keys(headers)):
            return True
        name = _host_of(f"//{headers.get('host', '')}")
        if name in LOCAL_NAMES or name == self.host:
            return True
        if self.token is None:
            return False
        return _is_address(name) or name in (socket.gethostname().lower(), socket.getfqdn().lower())

    def allows_token(self, headers: Headers, query: str) -> bool:
        """Whether a request knows the token: as bearer, as MyScript's application key, as cookie, or in its address."""
        if self.token is None:
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            cookie = None
        given = [*_keys(headers), *parse_qs(query).get("token", []), *([cookie.value] if cookie else [])]
        return self._knows_token(given)

    def _knows_token(self, given: Iterable[str]) -> bool:
        token = self.token
        return token is not None and any(hmac.compare_digest(each.encode(), token.encode()) for each in given)

    def allows_change(self, headers: Headers) -> bool:
        """Whether a request has the CSRF token."""
        return hmac.compare_digest(headers.get("x-csrf-token", "").encode(), self.csrf.encode())


def _keys(headers: Headers) -> list[str]:
    """What a program gives as token. No page of another website can send these headers."""
    return [headers.get("authorization", "").removeprefix("Bearer ").strip(), headers.get("applicationkey", "")]


def _host_of(url: str) -> str:
    """The name of the host in a URL, "" where there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Guard:
    """Refuses requests that may not be answered, limits their size, and adds HEADERS to all answers."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self.app)(scope, _limited(receive), send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer to a request that may not be answered; None for all others."""
        headers, path, method = Headers(scope=scope), scope["path"], scope["method"]
        query = scope.get("query_string", b"").decode("latin-1")
        if not self.access.allows_host(headers):
            return _refuse(403, "this server is not called so; use the address that it has printed")
        if _is_foreign(headers, method):
            return _refuse(403, "requests from other websites are not answered")
        if method not in METHODS:
            return JSONResponse({"error": f"no method {method}"}, 405, {"Allow": ", ".join(METHODS)})
        if path not in OPEN_TO_ALL and not self.access.allows_token(headers, query):
            return _refuse(401, "the token is missing or wrong; use the whole address that the server has printed")
        if method not in SAFE_METHODS and path not in FOR_PROGRAMS and not self.access.allows_change(headers):
            return _refuse(403, "the CSRF token is missing or old; reload the page")
        if int_or_zero(headers.get("content-length")) > MAX_BODY:
            return _refuse(413, f"more than {MAX_BODY // 1_000_000} MB; divide the file or scale it down")
        if self.access.token and method == "GET" and "token" in parse_qs(query):
            return self._remember(path, query)
        return None

    def _remember(self, path: str, query: str) -> Response:
        """Keep the token in a cookie, and take it out of the address, which a browser keeps and shows."""
        rest = {name: values for name, values in parse_qs(query).items() if name != "token"}
        response = RedirectResponse("/" + path.lstrip("/") + (f"?{urlencode(rest, doseq=True)}" if rest else ""), 303)
        response.set_cookie(COOKIE, self.access.token or "", httponly=True, samesite="strict")
        return response


def _is_foreign(headers: Headers, method: str) -> bool:
    """Whether a page of another website has made a browser send this request. Following a link to here is allowed."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
    if origin is not None and origin.partition("://")[2] != headers.get("host"):
        return True
    follows_link = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
    return site not in ("same-origin", "none") and not follows_link


def _limited(receive: Receive) -> Receive:
    size = 0

    async def receive_limited() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MAX_BODY:
            raise TooLarge
        return message

    return receive_limited


def _refuse(status: int, problem: str) -> Response:
    return JSONResponse({"error": problem}, status)


def int_or_zero(text: str | None) -> int:
    """A whole number, 0 for anything else."""
    return int(text) if text and text.isascii() and text.isdigit() else 0
