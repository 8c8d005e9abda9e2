"""What stands around every route: who may ask, how often, from where, and the headers."""

from __future__ import annotations

import ipaddress
import logging
import re
import time
from math import ceil

from flask import Flask, Response, request
from flask_cors import CORS
from flask_limiter import ApplicationLimit, Limiter, RateLimitExceeded
from limits import parse_many
from limits.errors import ConfigurationError
from limits.storage import storage_from_string
from werkzeug.middleware.proxy_fix import ProxyFix

from qa.errors import SettingInvalid, TooManyRequests
from qa.settings import Settings, listed, variable
from qa.web import incoming, problems

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; "
    "script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
HTTPS_ONLY = "max-age=31536000"  # a year; subdomains are not ours to speak for

NO_LIMIT = "off"
BATCH = "/api/v1/ask:batch"
# (method, path) of what counts against the limit: what costs work, or writes.
COUNTED = {("GET", "/ask"), ("GET", "/api/v1/ask")}
COUNTED |= {("POST", path) for path in ("/", "/ask", "/api/v1/ask", BATCH, "/feedback")}
IPV6_PREFIX = 64  # what a provider gives one customer
STORAGE_SECONDS = 1  # what a question waits for a storage at most
LOOPBACK = ("127.0.0.1", "::1", "::ffff:127.0.0.1")
# By any of these a proxy says that it asks for somebody else.
PROXY_HEADERS = ("X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "Via", "X-Real-IP")

PREFLIGHT_SECONDS = 600
OPEN_PATHS = (r"/ask", r"/api/.*")  # what other sites' pages may call, where any may

logger = logging.getLogger(__name__)


def check(settings: Settings) -> None:
    """Refuse a rate limit that cannot be kept, before anything is served.

    Raises:
        SettingInvalid: ``rate_limit`` or ``rate_storage``; says what to write instead.
    """
    if settings.rate_limit == NO_LIMIT:
        return
    try:
        limits = parse_many(settings.rate_limit)
    except ValueError:
        limits = []
    if not limits or not all(limit.amount for limit in limits):
        name = variable("rate_limit")
        raise SettingInvalid(
            f"设置 {name} 的值 {settings.rate_limit!r} 不能用："
            "请写成 60/minute 或 60/minute;1000/hour，不限就写 off。",
            f"{name} = {settings.rate_limit!r} cannot be used: write 60/minute, "
            "60/minute;1000/hour, or off.",
        )
    try:
        storage_from_string(settings.rate_storage, **_storage_options(settings))
    except (ConfigurationError, ValueError) as error:
        name = variable("rate_storage")
        raise SettingInvalid(
            f"设置 {name} 的值不能用：请写 memory:// 或 redis://主机:6379"
            "（后者要先安装：pip install 'mediation-notice-qa[redis]'）。",
            f"{name} cannot be used: write memory:// or redis://host:6379 "
            "(which needs pip install 'mediation-notice-qa[redis]').",
        ) from error


def protect(app: Flask, settings: Settings) -> None:
    """Put an application behind its limits, and give every response its headers.

    Raises:
        SettingInvalid: see ``check``.
    """
    check(settings)
    app.config["TRUSTED_HOSTS"] = listed(settings.hosts) or None
    if settings.proxies:
        n = settings.proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=n, x_proto=n, x_host=n)  # type: ignore[method-assign]
    else:
        app.before_request(_ProxyWarning())
    if settings.rate_limit != NO_LIMIT:
        _limit(app, settings)
    app.after_request(_with_headers)
    if settings.cors:
        _open(app, listed(settings.cors))


def client() -> str:
    """Return whom a request counts for: an address, of version 6 the network it is in."""
    given = request.remote_addr or "unknown"
    try:
        address = ipaddress.ip_address(given.partition("%")[0])
    except ValueError:  # a socket file, or what a proxy wrote
        return given
    if address.version == 4:
        return str(address)
    network = ipaddress.ip_network((int(address), IPV6_PREFIX), strict=False)
    return str(address.ipv4_mapped or network)


def _limit(app: Flask, settings: Settings) -> None:
    """Count what ``COUNTED`` names, together, for each client.

    A storage that fails is replaced by this process's memory until it is back.
    """

    def cost() -> int:
        return incoming.how_many(settings) if request.path == BATCH else 1

    limiter = Limiter(
        client,
        app=app,
        application_limits=[
            ApplicationLimit(limit_provider=settings.rate_limit, exempt_when=_is_free, cost=cost)
        ],
        storage_uri=settings.rate_storage,
        storage_options=_storage_options(settings),
        strategy="moving-window",  # a refused request costs nothing; no burst at a window's edge
        in_memory_fallback_enabled=True,
    )

    def refuse(_: RateLimitExceeded) -> Response:
        limit = limiter.current_limit
        seconds = ceil(limit.reset_at - time.time()) if limit else 1
        return problems.respond(TooManyRequests(max(1, seconds)), settings)

    app.register_error_handler(RateLimitExceeded, refuse)


def _is_free() -> bool:
    method = "GET" if request.method == "HEAD" else request.method
    return (method, request.path) not in COUNTED


def _storage_options(settings: Settings) -> dict[str, str | int]:
    if not settings.rate_storage.startswith("redis"):
        return {}
    return {"socket_timeout": STORAGE_SECONDS, "socket_connect_timeout": STORAGE_SECONDS}


def _open(app: Flask, origins: list[str]) -> None:
    """Let pages of other origins call the API."""
    CORS(
        app,
        resources={path: {} for path in OPEN_PATHS},
        origins=origins if origins == ["*"] else [_exactly(origin) for origin in origins],
        methods=["GET", "POST"],
        allow_headers=["Accept-Language", "Content-Type", "If-None-Match"],
        expose_headers=["ETag", "Retry-After"],
        max_age=PREFLIGHT_SECONDS,
        send_wildcard=origins == ["*"],
    )
    if origins != ["*"]:
        app.after_request(_vary_by_origin)


def _exactly(origin: str) -> re.Pattern[str]:
    """Return a pattern: a string with brackets, as addresses of version 6 have, would be one too,
    and match other origins."""
    return re.compile(rf"{re.escape(origin)}\Z")


def _vary_by_origin(response: Response) -> Response:
    """Say that another origin gets other headers; flask-cors does so for the allowed ones only."""
    response.vary.add("Origin")
    return response


class _ProxyWarning:
    """Warns once where people seem to come through a proxy that nobody has told of."""

    def __init__(self) -> None:
        self._warned = False

    def __call__(self) -> None:
        if self._warned or "X-Forwarded-For" not in request.headers:
            return
        if request.remote_addr in LOOPBACK:
            self._warned = True
            logger.warning(
                "requests come through a proxy on this machine and all count as one client: "
                "set %s to the number of proxies",
                variable("proxies"),
            )


def _with_headers(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", HTTPS_ONLY)
    if response.status_code >= 400:
        response.headers["Cache-Control"] = "no-store"
    # Shared phones and computers keep no page of what somebody asked or read; the API says itself
    # what its clients may keep.
    response.headers.setdefault("Cache-Control", "no-store")
    return response
