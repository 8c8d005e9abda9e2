"""What people say of answers, and how often questions are answered: kept without any text.

The only importer of sqlalchemy. What is kept has no question, no address and no time of day: a day,
a topic or chapter of the guidance, and a choice from a short list.
"""

from __future__ import annotations

import atexit
import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Date,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    func,
    insert,
    inspect,
    select,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from qa.errors import FeedbackError
from qa.paths import FEEDBACK

OFF = "off"
SCHEMA = 1
# How a question was met. The first three are what a question can come to; danger and small talk
# are counted apart, so that they do not change the share of questions that went unanswered.
QUESTION_STATUSES = ("answered", "uncertain", "unanswered")
STATUSES = (*QUESTION_STATUSES, "urgent", "reply")
# Why an answer did not help: code, stored for ever → what people read.
REASONS = {
    "off-target": "不是我问的",
    "unclear": "看不懂",
    "too-general": "太笼统，没说到我的情况",
    "wrong": "和我了解的不一样",
    "person": "想找人问",
}

_BUSY_SECONDS = 3  # a writer waits so long for the others before it gives up
_LOCK = 20261124  # of PostgreSQL: one process at a time makes the tables
_Z = 1.959964  # the normal quantile of a 95 % interval

_TABLES = MetaData()
_SCHEMA = Table("qa_schema", _TABLES, Column("version", Integer, nullable=False))
_VERDICTS = Table(
    "qa_verdicts",
    _TABLES,
    Column("day", Date, nullable=False),
    Column("topic", String, nullable=False),  # "" where no passage was shown
    Column("chapter", String, nullable=False),  # its title, or ""
    Column("status", String, nullable=False),
    Column("helpful", Boolean, nullable=False),
    Column("reason", String),
    Column("build", String, nullable=False),
)
_ANSWERS = Table(
    "qa_answers",
    _TABLES,
    Column("day", Date, nullable=False),
    Column("chapter", String, nullable=False),  # of the nearest topic, shown or not
    Column("status", String, nullable=False),
    Column("count", Integer, nullable=False),  # every process adds rows of its own
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one person said of one answer."""

    topic: str  # id of the topic shown first, or ""
    chapter: str  # its chapter's title, or ""
    status: str  # one of STATUSES
    helpful: bool
    reason: str | None  # a code of REASONS; None with ``helpful`` or where none was chosen
    build: str  # that the topic was quoted from
    day: date = field(default_factory=date.today)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What people said of the answers of one topic, of one chapter, or of all."""

    helpful: int
    unhelpful: int
    reasons: dict[str, int]  # code → how often, the commonest first

    @property
    def count(self) -> int:
        """How many verdicts there are."""
        return self.helpful + self.unhelpful

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share that was helped (Wilson's); (0, 1) without verdicts."""
        n = self.count
        if not n:
            return 0.0, 1.0
        share, square = self.helpful / n, _Z * _Z
        middle = share + square / (2 * n)
        spread = _Z * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
        scale = 1 + square / n
        return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)

    def to_json(self) -> dict[str, Any]:
        """Return plain data; ``share`` is null without verdicts."""
        return {
            "verdicts": self.count,
            "helpful": self.helpful,
            "share": round(self.helpful / self.count, 4) if self.count else None,
            "interval": [round(end, 4) for end in self.interval],
            "reasons": self.reasons,
        }


@dataclass(frozen=True, slots=True)
class Chapter:
    """How the questions of one chapter, or of all, were met."""

    answers: dict[str, int]  # each of STATUSES → how often
    verdicts: Verdicts

    @property
    def questions(self) -> int:
        """How many questions were asked, without danger and small talk."""
        return sum(self.answers[status] for status in QUESTION_STATUSES)

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"questions": self.questions, **self.answers, **self.verdicts.to_json()}


@dataclass(frozen=True, slots=True)
class Report:
    """What the feedback says, from a day on."""

    since: date | None
    # By the upper end of the interval, lowest first: the topic that most surely helps least. Of two
    # with the same share, the one with more verdicts.
    topics: dict[str, Verdicts]
    chapters: dict[str, Chapter]  # the one with most unanswered questions first
    total: Chapter

    @property
    def empty(self) -> bool:
        """Tell whether nothing was kept."""
        return not (self.topics or self.chapters)

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "since": self.since and self.since.isoformat(),
            "topics": [{"topic": topic, **said.to_json()} for topic, said in self.topics.items()],
            "chapters": [{"chapter": title, **c.to_json()} for title, c in self.chapters.items()],
            "total": self.total.to_json(),
        }


class Feedback:
    """A database of verdicts and counts. ``open`` is the only maker; shared by threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._counts: Counter[tuple[date, str, str]] = Counter()
        self._counting = Lock()
        self._writing = Lock()
        self._closed = Event()
        self._failing = False

    @classmethod
    def open(cls, address: str, make: bool = True) -> Feedback | None:
        """Open the database, or return None where feedback is off.

        Args:
            address: "" for the file of this machine, "off", or an address as SQLAlchemy takes it.
            make: make what is missing; else return None where nothing was ever kept.

        Raises:
            FeedbackError: the database cannot be used; says which setting to change.
        """
        if address == OFF:
            return None
        url = _url(address)
        is_file = url.get_backend_name() == "sqlite"
        if is_file and not make and not Path(str(url.database)).exists():
            return None
        feedback = cls(_engine(url))
        with feedback._write() if make else feedback._transaction() as connection:
            return feedback if _prepare(connection, make) else None

    def keep(self, verdict: Verdict) -> None:
        """Keep what somebody said.

        Raises:
            FeedbackError: it could not be kept.
        """
        values = {column.name: getattr(verdict, column.name) for column in _VERDICTS.columns}
        with self._write() as connection:
            connection.execute(insert(_VERDICTS), values)

    def count(self, chapter: str, status: str, day: date | None = None) -> None:
        """Count an answer, in memory: nobody waits for the database. ``flush`` writes.

        Args:
            chapter: title of the chapter of the nearest topic, or "".
            status: one of STATUSES.
            day: today where not given.
        """
        with self._counting:
            self._counts[day or date.today(), chapter, status] += 1

    @property
    def failing(self) -> bool:
        """Tell whether the counts could not be written when that was last tried."""
        return self._failing

    def flush(self) -> None:
        """Write what was counted. Where that fails, log it once and keep the counts for later."""
        with self._writing:  # so that the last flush of a process waits for one under way
            with self._counting:
                counts, self._counts = self._counts, Counter()
            if not counts:
                return
            rows = [
                {"day": day, "chapter": chapter, "status": status, "count": count}
                for (day, chapter, status), count in counts.items()
            ]
            try:
                with self._write() as connection:
                    connection.execute(insert(_ANSWERS), rows)
            except FeedbackError as error:
                with self._counting:
                    self._counts.update(counts)
                if not self._failing:
                    logger.error("counts not written code=%s %s", error.code, error)
                self._failing = True
            else:
                self._failing = False

    def flush_every(self, seconds: float) -> None:
        """Write what is counted now and then, in a thread, and when the process ends."""
        atexit.register(self.close)
        Thread(
            target=self._flush_until_closed, args=[seconds], daemon=True, name="feedback"
        ).start()

    def close(self) -> None:
        """Write what was counted and stop writing now and then."""
        atexit.unregister(self.close)
        self._closed.set()
        self.flush()

    def report(self, since: date | None = None) -> Report:
        """Return what was kept, from a day on.

        Raises:
            FeedbackError: the database cannot be read.
        """
        said = select(
            _VERDICTS.c.topic,
            _VERDICTS.c.chapter,
            _VERDICTS.c.helpful,
            _VERDICTS.c.reason,
            func.count(),
        ).group_by(_VERDICTS.c.topic, _VERDICTS.c.chapter, _VERDICTS.c.helpful, _VERDICTS.c.reason)
        met = select(_ANSWERS.c.chapter, _ANSWERS.c.status, func.sum(_ANSWERS.c.count)).group_by(
            _ANSWERS.c.chapter, _ANSWERS.c.status
        )
        if since:
            said, met = said.where(_VERDICTS.c.day >= since), met.where(_ANSWERS.c.day >= since)
        with self._transaction() as connection:
            return _report(
                since,
                [_Said(*row) for row in connection.execute(said)],
                [_Met(*row) for row in connection.execute(met)],
            )

    def _flush_until_closed(self, seconds: float) -> None:
        while not self._closed.wait(seconds):
            self.flush()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise _unusable(self._engine.url, error) from error

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        """Begin to write; what was deleted while the service runs is made again."""
        url = self._engine.url
        if url.get_backend_name() == "sqlite":
            _make_file(Path(str(url.database)))
        with self._transaction() as connection:
            _prepare(connection, make=True)
            yield connection


def nothing(since: date | None = None) -> Report:
    """Return the report of a database that was never made."""
    return _report(since, [], [])


@dataclass(frozen=True, slots=True)
class _Said:
    topic: str
    chapter: str
    helpful: bool
    reason: str | None
    count: int


@dataclass(frozen=True, slots=True)
class _Met:
    chapter: str
    status: str
    count: int


def _report(since: date | None, said: list[_Said], met: list[_Met]) -> Report:
    topics = {
        topic: _verdicts(row for row in said if row.topic == topic)
        for topic in {row.topic for row in said}
    }
    chapters = {
        title: Chapter(
            _answers(row for row in met if row.chapter == title),
            _verdicts(row for row in said if row.chapter == title),
        )
        for title in {row.chapter for row in said} | {row.chapter for row in met}
    }
    return Report(
        since,
        dict(sorted(topics.items(), key=lambda one: (one[1].interval[1], -one[1].count, one[0]))),
        dict(sorted(chapters.items(), key=lambda one: (-one[1].answers["unanswered"], one[0]))),
        Chapter(_answers(met), _verdicts(said)),
    )


def _verdicts(rows: Iterable[_Said]) -> Verdicts:
    helpful = unhelpful = 0
    reasons: Counter[str] = Counter()
    for row in rows:
        if row.helpful:
            helpful += row.count
        else:
            unhelpful += row.count
        if row.reason:
            reasons[row.reason] += row.count
    ordered = sorted(reasons.items(), key=lambda one: (-one[1], one[0]))
    return Verdicts(helpful, unhelpful, dict(ordered))


def _answers(rows: Iterable[_Met]) -> dict[str, int]:
    found = dict.fromkeys(STATUSES, 0)
    for row in rows:
        found[row.status] = found.get(row.status, 0) + row.count
    return found


def _url(address: str) -> URL:
    if not address:
        return URL.create("sqlite", database=str(FEEDBACK))
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):  # a port that is not a number is a ValueError
        url = None
    # The message never repeats the address: it may hold a password.
    if url is None or url.get_backend_name() not in ("sqlite", "postgresql"):
        raise FeedbackError(
            "QA_FEEDBACK 不是可用的数据库地址。请写成 sqlite:////绝对/路径/feedback.db 或 "
            "postgresql+psycopg://用户:密码@主机/库名；留空用本机文件，off 为不记。",
            "QA_FEEDBACK is not the address of a database. Write sqlite:////absolute/path/"
            "feedback.db or postgresql+psycopg://user:password@host/name; leave it empty for the "
            "file of this machine, or set it to off.",
        )
    file = url.database if url.get_backend_name() == "sqlite" else "-"
    if not file or file == ":memory:" or file.startswith("file:"):
        raise FeedbackError(
            "QA_FEEDBACK 里没有文件名，内存里的反馈会随进程消失。"
            "请写成 sqlite:////绝对/路径/feedback.db，或设为 off。",
            "QA_FEEDBACK names no file, and feedback in memory goes with the process. "
            "Write sqlite:////absolute/path/feedback.db, or set it to off.",
        )
    return url


def _make_file(file: Path) -> None:
    """Make an empty file that only its owner can read; leave one alone that is there."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
    except OSError as error:
        raise FeedbackError(
            f"不能写反馈文件 {file}：{error.strerror}。"
            "请用 QA_FEEDBACK 换一个可以写的地方，或设为 off。",
            f"The file of feedback {file} cannot be written: {error.strerror}. "
            "Choose another place with QA_FEEDBACK, or set it to off.",
        ) from error


def _engine(url: URL) -> Engine:
    """Return an engine that connects for each transaction: they are few, and none goes stale."""
    is_sqlite = url.get_backend_name() == "sqlite"
    wait = {"timeout": _BUSY_SECONDS} if is_sqlite else {}
    try:
        engine = create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=wait)
    except (ImportError, SQLAlchemyError) as error:
        raise _unusable(url, error) from error
    if is_sqlite:
        event.listen(engine, "connect", _leave_transactions_to_us)
        event.listen(engine, "begin", _begin_as_writer)
    return engine


def _leave_transactions_to_us(connection: Any, _: object) -> None:
    """Stop Python's driver from beginning transactions late, and none for making tables."""
    connection.isolation_level = None


def _begin_as_writer(connection: Connection) -> None:
    """Wait for other writers at the start: one that has read first is refused without waiting."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _prepare(connection: Connection, make: bool) -> bool:
    """Make the tables, or tell whether they are there.

    Raises:
        FeedbackError: they are of another version of this program.
    """
    if make and connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    if not inspect(connection).has_table(_SCHEMA.name):
        if make:
            _TABLES.create_all(connection)
            connection.execute(insert(_SCHEMA), {"version": SCHEMA})
        return make
    version = connection.scalar(select(_SCHEMA.c.version))
    if version != SCHEMA:
        raise FeedbackError(
            f"反馈数据库的格式是第 {version} 版，本程序只认第 {SCHEMA} 版，没有改动它。"
            "请换用写它的那一版程序，或用 QA_FEEDBACK 另选一个地方。",
            f"The database of feedback has format {version}; this program knows format {SCHEMA} "
            "and left it alone. Use the release that wrote it, or choose another place with "
            "QA_FEEDBACK.",
        )
    return True


def _unusable(url: URL, error: Exception) -> FeedbackError:
    shown = url.set(query={}).render_as_string(hide_password=True)
    said = error.orig if isinstance(error, DBAPIError) else error
    reason = " ".join(str(said).split())  # drivers write lines
    return FeedbackError(
        f"反馈数据库 {shown} 用不了：{reason}。请改正 QA_FEEDBACK，或设为 off。",
        f"The database of feedback {shown} cannot be used: {reason}. "
        "Mend QA_FEEDBACK, or set it to off.",
    )
