"""Who may ask: checked before anything else runs.

A page on another site must neither read nor post. Its requests carry a foreign `Origin` or say
`Sec-Fetch-Site: cross-site`; and where it has made its own name point at this machine (DNS
rebinding), they carry that name as `Host`.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import parse_qs, urlsplit

from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

HEADERS = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]

COOKIE = "epochal_monitor"


@lru_cache(64)
def is_loopback(host: str) -> bool:
    """Return whether a host name or address can only be reached from this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def headers_of(scope: Scope) -> dict[str, str]:
    """Return a request's headers by their lower-case names; of a repeated one the first."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}


class Guard:
    """Lets a request through to `app`, or answers it.

    Args:
        app: What is guarded.
        token: What every request must bring, as `Authorization: Bearer …` or in the cookie that the
            link `/?token=…` sets; None lets everybody in who reaches this machine's loopback address.
        names: Names other than localhost by which the server may be called. With a token any numeric
            address will do too: a page can rebind its name, not a number.
    """

    def __init__(self, app: ASGIApp, token: str | None = None, names: Iterable[str] = ()) -> None:
        self.app, self.token, self.names = app, token, {name.lower() for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = headers_of(scope)
        answer = self._refusal(headers) or self._link(scope) or self._unknown(headers)
        await (answer or self.app)(scope, receive, send)

    def _refusal(self, headers: dict[str, str]) -> Response | None:
        """Turn away a request that another site has made, or that calls this server by a wrong name."""
        host = headers.get("host", "")
        if not self._is_ours(host):
            return PlainTextResponse(
                f"this monitor isn't called {host[:100]!r}; start it with --host to change that", 403
            )
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in (f"http://{host.lower()}", f"https://{host.lower()}"):
            return PlainTextResponse("requests of other sites' pages are refused", 403)
        opened = headers.get("sec-fetch-mode") == "navigate"
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none") and not opened:
            return PlainTextResponse("requests of other sites' pages are refused", 403)
        return None

    def _is_ours(self, host: str) -> bool:
        name = _name_in(host)
        if is_loopback(name) or name in self.names:
            return True
        return self.token is not None and _is_address(name)

    def _link(self, scope: Scope) -> Response | None:
        """Answer the printed link with the cookie, and send the page on to where the token isn't in sight.

        It is sent on by `Refresh`, not by a redirect: a strict cookie isn't sent along a redirect that
        began on another site, as in a mail that was read in the browser.
        """
        if (
            self.token is None
            or scope["path"] != "/"
            or scope["method"] != "GET"
            or b"token=" not in scope["query_string"]
        ):
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if not self._is_token(given):
            return PlainTextResponse("this link's token is wrong; take the link that the monitor printed last", 401)
        answer = PlainTextResponse("opening …", headers={"refresh": "0; url=/", "cache-control": "no-store"})
        answer.set_cookie(self._cookie_name(scope), self.token, httponly=True, samesite="strict", path="/")
        return answer

    def _unknown(self, headers: dict[str, str]) -> Response | None:
        """Turn away a request without the token."""
        if self.token is None:
            return None
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(bearer.strip()):
            return None
        if any(self._is_token(value) for value in _cookies(headers)):
            return None
        words = "this monitor needs its token: open the link it printed, or send `Authorization: Bearer <token>`"
        return PlainTextResponse(words, 401, headers={"www-authenticate": "Bearer"})

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(errors="replace"), (self.token or "").encode())

    def _cookie_name(self, scope: Scope) -> str:
        """Return a name of this port's own: cookies know hosts only, and a machine may have two monitors."""
        server = scope.get("server")
        return f"{COOKIE}_{server[1] if server else 0}"


def _cookies(headers: dict[str, str]) -> list[str]:
    found = cookie_parser(headers.get("cookie", ""))  # which bears odd cookies of other programs on this host
    return [value for name, value in found.items() if name.startswith(f"{COOKIE}_")]


@lru_cache(64)
def _name_in(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def with_headers(app: ASGIApp) -> ASGIApp:
    """Return `app` with the headers on every answer that close a page to other sites."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        await app(scope, receive, send_with_headers)

    return wrapped
