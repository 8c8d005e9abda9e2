"""Serve the application through gunicorn: one master, workers that each open the engine.

The engine is opened after the fork: FAISS and OpenMP have threads, and threads do not survive one.
``kill -HUP`` replaces the workers; a new build they find by themselves.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import socket
from tempfile import mkdtemp
from typing import Any

import click
from gunicorn import glogging
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from qa.errors import SettingInvalid
from qa.logs import set_up
from qa.settings import Settings
from qa.web import METRICS_FOLDER, guard
from qa.web.worker import STOP_SECONDS, Worker

BACKLOG = 2048
METRICS_KINDS = ("counter", "histogram", "gauge_livesum")
METRICS_BYTES = 1 << 20  # what prometheus_client begins with
SILENT_SECONDS = 30  # after which gunicorn replaces a worker that does not say it is well
ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (to say where it can be reached)

logger = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; answers under way are finished first.

    Raises:
        SettingInvalid: the host and port cannot be listened on, or the rate limit cannot be kept.
    """
    guard.check(settings)  # in a worker it would only be logged, again and again
    listener = _listen(settings)
    set_up(settings.log_format, settings.log_level)
    os.environ[METRICS_FOLDER] = mkdtemp(prefix="qa-metrics-")
    _Server(settings, listener).run()


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn with our settings, none of its own files or variables."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        self._settings = settings
        self._fd = listener.detach()
        super().__init__()

    def load_config(self) -> None:
        """Tell gunicorn what to do; it calls this again on ``kill -HUP``."""
        options = {
            "bind": f"fd://{self._fd}",
            "workers": self._settings.workers,
            "threads": self._settings.threads,
            "worker_class": Worker,
            "logger_class": _QuietLogger,
            "loglevel": "warning",
            "timeout": SILENT_SECONDS,
            "graceful_timeout": STOP_SECONDS + 5,  # the worker counts, too, and is not to be killed
            "when_ready": _say_address,
            "child_exit": _worker_ended,
            "on_exit": _forget_metrics,
            "control_socket_disable": True,
            "backlog": BACKLOG,
        }
        for name, value in options.items():
            if name in self.cfg.settings:  # older gunicorns have no control socket
                self.cfg.set(name, value)

    def load(self) -> Any:
        """Return the application; called in each worker."""
        from qa.web.app import create_app

        _reserve_metrics()
        return create_app(self._settings)


class _QuietLogger(glogging.Logger):  # type: ignore[misc]
    """gunicorn's log in the one pipeline, without access lines, which would hold the question."""

    def setup(self, cfg: Any) -> None:
        """Leave its lines to the handler of all others."""
        self.cfg = cfg
        self.error_log.propagate = True
        self.error_log.setLevel(logging.WARNING)

    def access(self, *args: object, **kwargs: object) -> None:
        """Log nothing."""


def _listen(settings: Settings) -> socket.socket:
    """Return a listening socket; binding here names the fault that gunicorn would only log."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        chinese, english = _reason(error)
        raise SettingInvalid(
            f"不能在 {settings.host} 的端口 {settings.port} 上提供服务：{chinese}",
            f"Cannot listen on {settings.host}, port {settings.port}: {english}",
        ) from error


def _reason(error: OSError) -> tuple[str, str]:
    if error.errno == errno.EADDRINUSE:
        return (
            "端口已被别的程序占用。请用 --port 换一个端口。",
            "the port is in use. Choose another with --port.",
        )
    if error.errno == errno.EACCES:
        return (
            "没有权限使用这个端口。请用 --port 换一个 1024 以上的端口。",
            "not permitted. Choose a port above 1024 with --port.",
        )
    return (
        "这不是本机的地址。请用 --host 换一个地址。",
        "it is not an address of this machine. Choose another with --host.",
    )


def _reserve_metrics() -> None:
    """Make room for what this process counts, or count for itself alone.

    prometheus_client maps files with holes: to write into one on a full disk ends the process.
    """
    folder = os.environ[METRICS_FOLDER]
    try:
        os.makedirs(folder, exist_ok=True)  # temporary files are cleaned up now and then
        for kind in METRICS_KINDS:
            with open(os.path.join(folder, f"{kind}_{os.getpid()}.db"), "wb") as file:
                os.posix_fallocate(file.fileno(), 0, METRICS_BYTES)
    except OSError as error:
        logger.warning("metrics of this process alone", extra={"detail": str(error)})
        del os.environ[METRICS_FOLDER]


def _worker_ended(_: Arbiter, worker: Worker) -> None:
    from qa.web import metrics  # not before the folder is named: prometheus_client looks for it

    metrics.worker_ended(worker.pid)


def _forget_metrics(_: Arbiter) -> None:
    """Delete the folder of metrics; gunicorn calls this in the master alone."""
    shutil.rmtree(os.environ[METRICS_FOLDER], ignore_errors=True)


def _say_address(arbiter: Arbiter) -> None:
    host, port = arbiter.LISTENERS[0].getsockname()[:2]
    host = ANY_HOST.get(host, host)
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"正在提供服务：http://{shown}:{port}/ （按 Ctrl+C 停止）")
