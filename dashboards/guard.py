"""What every answer of the pages carries, and which requests are answered at all.

Pages on loopback are open to whoever uses the machine, but not to a web site that points a name of its own at
127.0.0.1 (DNS rebinding): only names of this machine, and those of the settings, are answered. What a proxy says of a
request (X-Forwarded-For, X-Forwarded-Proto) is believed only of the proxies in the settings, and passed on as the
request's own address and scheme; what a client says of itself never is. A proxy that did not come over https is
refused. It knows no pages and no accounts.
"""

from __future__ import annotations

from ipaddress import ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboards.settings import PageSettings

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
OWN = frozenset({"content-security-policy"})
"""What an answer may say itself: a report that stands alone has a policy of its own, which allows less."""
HTTPS_ONLY = "max-age=31536000"
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
FORWARDING = ("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "forwarded", "via")


class Guard:
    """ASGI middleware: refuses foreign Host headers, adds `SECURITY_HEADERS`, and forbids caches to keep pages.

    Bound to a wildcard address, any literal address is accepted as Host too, because a rebinding attack needs a name.
    """

    def __init__(self, app: ASGIApp, settings: PageSettings) -> None:
        self._app = app
        self._names = LOOPBACK_NAMES | {settings.host.lower(), *settings.names}
        self._any_address = settings.host in ("0.0.0.0", "::")
        self._proxies = frozenset(str(ip_address(text)) for text in settings.proxies)
        self._needs_proxy = bool(settings.proxies) and not settings.local and settings.certificate is None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        asked, why = self._as_asked(scope, headers)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                carried = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    if name not in OWN or name not in carried:
                        carried[name] = value
                if asked["scheme"] == "https":
                    carried["strict-transport-security"] = HTTPS_ONLY
                carried.setdefault("cache-control", "no-cache" if scope["path"].startswith("/static/") else "no-store")
            await send(message)

        if not self._accepts(headers.getlist("host")):
            refusal = PlainTextResponse("This address is not served here; use the machine's own name.\n", 421)
            await refusal(scope, receive, guarded)
        elif why:
            await PlainTextResponse(why, 403)(scope, receive, guarded)
        else:
            await self._app(asked, receive, guarded)

    def _as_asked(self, scope: Scope, headers: Headers) -> tuple[Scope, str]:
        """The request as it was before the proxy, and why it is refused; '' if it is not."""
        peer = scope.get("client")
        if not self._proxies:
            return scope, ""
        if peer is None or _plain(peer[0]) not in self._proxies:
            return scope, "These pages are reached by way of their proxy.\n" if self._needs_proxy else ""
        chain = [part.strip() for line in headers.getlist("x-forwarded-for") for part in line.split(",")]
        if not chain:
            return scope, "The proxy does not say who asks (X-Forwarded-For).\n" if self._needs_proxy else ""
        client = next((part for part in reversed(chain) if _plain(part) not in self._proxies), chain[0])
        schemes = headers.getlist("x-forwarded-proto")
        if [scheme.strip().lower() for scheme in schemes] != ["https"]:
            return scope, "These pages are reached over https (X-Forwarded-Proto).\n"
        if not _is_address(client):
            return scope, "The proxy names no address (X-Forwarded-For).\n"
        return {**scope, "client": (_plain(client), 0), "scheme": "https"}, ""

    def _accepts(self, hosts: list[str]) -> bool:
        if len(hosts) != 1:
            return False
        name = _without_port(hosts[0]).lower()
        return name in self._names or (self._any_address and _is_address(name))


def forwarded(headers: Headers) -> bool:
    """Does a request say that it came by way of a proxy?"""
    return any(name in headers for name in FORWARDING)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _plain(address: str) -> str:
    """An address in one way of writing; an IPv4 address in IPv6 clothes as what it is."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return str(getattr(found, "ipv4_mapped", None) or found)
