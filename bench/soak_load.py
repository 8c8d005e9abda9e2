"""Ask a real server four times as much as it can answer: python -m bench.soak_load [--seconds S].

First as many clients as it has threads ask as fast as they are answered: so much it can serve.
Then questions come at fixed times, whether or not those before are answered: at half of that, at
four times, at half again, and at half while 200 clients have sent half a question each and hold on.
Beside them somebody looks at /healthz and a topic page twice a second. Prints a table and what
does not hold, if anything; exit 1 then. It asks the index of `QA_INDEX`, over loopback.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import cycle

from qa.evaluate import read_judged
from qa.paths import CORPUS

FACTOR = 4
HOLDERS = 200  # clients that send half a question
LOOK_SECONDS = 0.5
LOOKED_AT = ("/healthz", "/topics/respond-how-fast")
PATIENCE = 30.0  # seconds that a client waits for an answer
REFUSED_WITHIN = 1.0  # seconds, 99 of 100
LATE = 1.0  # seconds beyond the time limit, 99 of 100 accepted; the load comes from this machine
FAST = 0.5  # seconds
RECOVERED_WITHIN = 3.0  # seconds after the load
LIMIT_MS = 2000

HEADING = (
    f"{'phase':26}  {'sent/s':>6}  {'answered/s':>10}  {'refused/s':>9}  {'failed':>6}  "
    f"{'p50 ms':>7}  {'p99 ms':>7}  {'refused p50':>11}  {'p99':>6}  {'looks p50':>9}  {'most':>6}"
)


@dataclass(frozen=True)
class Reply:
    """What became of one request."""

    at: float  # seconds from the beginning of its phase, when it was sent
    seconds: float
    status: int  # 0 if there was no whole response
    retry: str | None = None  # Retry-After


@dataclass
class Phase:
    """What was asked, and what came of it."""

    name: str
    seconds: float
    replies: list[Reply] = field(default_factory=list)
    looks: list[Reply] = field(default_factory=list)

    def of(self, *statuses: int) -> list[float]:
        return sorted(one.seconds for one in self.replies if one.status in statuses)

    @property
    def lasted(self) -> float:
        """How many seconds it took to send all; more than planned on a busy machine."""
        return max([self.seconds, *(one.at for one in self.replies)])

    @property
    def failed(self) -> Counter[int]:
        """The statuses that are neither an answer nor a refusal; 0 for broken connections."""
        every = Counter(one.status for one in [*self.replies, *self.looks])
        return Counter({status: n for status, n in every.items() if status not in (200, 503)})


class Client:
    """Asks one server, each question over a connection of its own."""

    def __init__(self, port: int) -> None:
        self._port = port
        questions = [one.text for one in read_judged(CORPUS / "judged", "dev")]
        self._bodies = cycle([json.dumps({"question": text}).encode() for text in questions])

    def post(self) -> bytes:
        """Return the next question as a request."""
        body = next(self._bodies)
        head = (
            "POST /ask HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def fetch(self, request: bytes, begun: float) -> Reply:
        """Send a request and read all of the response."""
        start = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE):
                status, retry = await self._exchange(request)
        except (OSError, ValueError, IndexError):  # TimeoutError is an OSError
            status, retry = 0, None
        return Reply(start - begun, time.monotonic() - start, status, retry)

    async def _exchange(self, request: bytes) -> tuple[int, str | None]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(request)
            response = await reader.read()
        finally:
            writer.close()
        head, _, body = response.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if len(body) != int(fields.get(b"content-length", b"-1")):
            raise ValueError("cut off")
        retry = fields.get(b"retry-after")
        return int(head.split()[1]), retry.decode() if retry else None

    async def hold(self) -> asyncio.StreamWriter:
        """Send half a question; return the connection, which stays open."""
        _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        request = self.post()
        writer.write(request[: len(request) - 8])
        return writer


async def closed(client: Client, phase: Phase, clients: int) -> None:
    """Ask from so many clients, each as soon as it has its answer."""
    begun = time.monotonic()

    async def ask() -> None:
        while time.monotonic() < begun + phase.seconds:
            phase.replies.append(await client.fetch(client.post(), begun))

    await asyncio.gather(*(ask() for _ in range(clients)))


async def opened(client: Client, phase: Phase, rate: float) -> None:
    """Send so many questions a second, each at its time, and look at the rest of the server."""
    begun = time.monotonic()
    asked = []
    looking = asyncio.create_task(look(client, phase, begun))
    for number in range(int(rate * phase.seconds)):
        await asyncio.sleep(begun + number / rate - time.monotonic())
        asked.append(asyncio.create_task(client.fetch(client.post(), begun)))
    phase.replies += await asyncio.gather(*asked)
    await looking


async def look(client: Client, phase: Phase, begun: float) -> None:
    """Fetch what must not be refused or wait, however many ask."""
    for path in cycle(LOOKED_AT):
        if time.monotonic() > begun + phase.seconds:
            break
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        phase.looks.append(await client.fetch(request, begun))
        await asyncio.sleep(LOOK_SECONDS)


async def soak(client: Client, threads: int, seconds: float) -> list[Phase]:
    """Run the phases one after another, and print each."""
    phases = [Phase("as fast as it can", seconds)]
    await closed(client, Phase("warm-up", 2), threads)
    await closed(client, phases[0], threads)
    served = len(phases[0].of(200)) / seconds
    print(HEADING)
    show(phases[0])
    for name, factor in (("before", 0.5), ("load", FACTOR), ("after", 0.5)):
        phases.append(phase := Phase(f"{name}: {factor} times", seconds))
        await opened(client, phase, factor * served)
        show(phase)
    held = [await client.hold() for _ in range(HOLDERS)]
    phases.append(phase := Phase(f"{HOLDERS} hold on: 0.5 times", seconds))
    await opened(client, phase, 0.5 * served)
    show(phase)
    for writer in held:
        writer.close()
    return phases


def show(phase: Phase) -> None:
    """Print a row; times in milliseconds."""
    answered, refused = phase.of(200), phase.of(503)
    looks = sorted(one.seconds for one in phase.looks)
    print(
        f"{phase.name:26}  {len(phase.replies) / phase.lasted:6.0f}  "
        f"{len(answered) / phase.lasted:10.0f}  {len(refused) / phase.lasted:9.0f}  "
        f"{phase.failed.total():6}  {ms(answered, 50):>7}  {ms(answered, 99):>7}  "
        f"{ms(refused, 50):>11}  {ms(refused, 99):>6}  {ms(looks, 50):>9}  {ms(looks, 100):>6}",
        flush=True,
    )


def ms(seconds: list[float], percent: int) -> str:
    return f"{1000 * percentile(seconds, percent):.0f}" if seconds else "-"


def percentile(seconds: list[float], percent: int) -> float:
    """Return a percentile of sorted seconds; 0 where there are none."""
    return seconds[min(len(seconds) * percent // 100, len(seconds) - 1)] if seconds else 0.0


def recovery(after: Phase) -> float:
    """Return after how many seconds a second begins in which all are answered, half of them fast.

    That of the whole phase where there is none.
    """
    for second in range(int(after.seconds)):
        then = [one for one in after.replies if second <= one.at < second + 1]
        fast = [one for one in then if one.seconds < FAST]
        if all(one.status == 200 for one in then) and 2 * len(fast) >= len(then) > 0:
            return second
    return after.seconds


def faults(phases: list[Phase]) -> list[str]:
    """Return what does not hold."""
    _, before, load, after, holding = phases
    found = [f"{p.name}: {dict(p.failed)} failed (by status)" for p in phases if p.failed]
    found += [f"{p.name}: refused without need" for p in (before, holding) if p.of(503)]
    refusals = [one for one in load.replies if one.status == 503]
    if any(one.retry is None for one in refusals):
        found.append("a refusal without Retry-After")
    if percentile(load.of(503), 99) > REFUSED_WITHIN:
        found.append(f"refusals take more than {REFUSED_WITHIN} s")
    if percentile(load.of(200), 99) > LIMIT_MS / 1000 + LATE:
        found.append(f"answers take {LATE} s longer than the time limit")
    if any(one.status != 200 for phase in phases for one in phase.looks):
        found.append("a page or a check of health was refused")
    if recovery(after) > RECOVERED_WITHIN:
        found.append(f"not recovered after {RECOVERED_WITHIN} s")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20, help="of each phase")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=4)
    given = parser.parse_args()
    command = [sys.executable, "-m", "qa", "serve", "--port", "0"]
    settings = {
        "QA_WORKERS": str(given.workers),
        "QA_THREADS": str(given.threads),
        "QA_TIME_LIMIT_MS": str(LIMIT_MS),
        "QA_RATE_LIMIT": "off",
        "QA_FEEDBACK": "off",
    }
    with subprocess.Popen(
        command,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    ) as server:
        try:
            port = int(re.search(r":(\d+)/", server.stdout.readline())[1])
            client = Client(port)
            phases = asyncio.run(soak(client, given.workers * given.threads, given.seconds))
        finally:
            server.send_signal(signal.SIGTERM)
            stopped = server.wait(60)
    found = faults(phases)
    if stopped:
        found.append(f"the server stopped with {stopped}")
    print(f"recovered {recovery(phases[3]):.1f} s after the load")
    print("\n".join(found) or "all as it should be")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
