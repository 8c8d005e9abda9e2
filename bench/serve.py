"""Speed and memory of the server, as ratios within one run: python bench/serve.py [requests].

The questions of the dev fold go to `/ask` and to the page, none twice in a turn, against an
endpoint of the same server that returns the JSON of one answer from memory; it is added here and
nowhere else. The three take turns, so that a busy machine slows them alike. The clients are threads
of one process on the same machine, and cost time too. Run `qa rebuild` first.
"""

import http.client
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlencode

from flask import Flask, jsonify

from qa.evaluate.judged import read_judged
from qa.paths import CORPUS
from qa.settings import Settings
from qa.web import app, server

CONSTANT = "/bench/constant"
CLIENTS = 4
TURNS = 4
WARM = 60  # requests of each kind before anything is measured
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}

Request = tuple[str, str, str | None, dict[str, str]]  # method, address, body, headers


def serve(workers: int) -> None:
    """Serve with the constant endpoint, until killed."""
    shipped = app.create_app

    def create_app(settings: Settings) -> Flask:
        made = shipped(settings)
        answer = made.test_client().get(f"/ask?q={quote(questions()[0])}").get_json()
        made.config["TESTING"] = False
        made._got_first_request = False  # the answer above was one
        made.add_url_rule(CONSTANT, view_func=lambda: jsonify(answer))
        return made

    app.create_app = create_app
    server.serve(
        Settings.load(
            port=0, workers=workers, feedback="off", rate_limit="off", time_limit_ms=25000
        )
    )


def questions() -> list[str]:
    """Return the questions of the dev fold, in an order of their own that is always the same."""
    found = [judged.text for judged in read_judged(CORPUS / "judged", "dev")]
    random.Random(6).shuffle(found)
    return found


def requests(kind: str, n: int) -> list[Request]:
    asked = questions()[:n]
    if kind == "constant":
        return [("GET", CONSTANT, None, {})] * len(asked)
    if kind == "/ask":
        return [("GET", f"/ask?q={quote(text)}", None, {}) for text in asked]
    return [("POST", "/", urlencode({"question": text}), FORM) for text in asked]


@contextmanager
def running(workers: int) -> Iterator[tuple[int, int]]:
    """Run a server of its own; yield the master's process id and the port."""
    command = [sys.executable, __file__, "serve", str(workers)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            found = re.search(r":(\d+)/", process.stdout.readline())
            if not found:
                sys.exit("no server: run `qa rebuild` first")
            yield process.pid, int(found[1])
        finally:
            process.terminate()


def send(port: int, asked: list[Request]) -> tuple[float, list[float]]:
    """Return the seconds that all requests took together, and each."""
    took: list[float] = []

    def client(share: list[Request]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for method, address, body, headers in share:
            start = time.perf_counter()
            connection.request(method, address, body, headers)
            response = connection.getresponse()
            response.read()
            took.append(time.perf_counter() - start)
            if response.status != 200:
                sys.exit(f"{address.partition('?')[0]}: {response.status}")
        connection.close()

    start = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(client, [asked[i::CLIENTS] for i in range(CLIENTS)]))
    return time.perf_counter() - start, took


def speed(n: int) -> None:
    """Print requests a second and latencies of the three, by turns on one worker."""
    kinds = ("constant", "/ask", "page")
    seconds, took = dict.fromkeys(kinds, 0.0), {kind: [] for kind in kinds}
    with running(1) as (_, port):
        for kind in kinds:
            send(port, requests(kind, WARM))
        for _ in range(TURNS):
            for kind in kinds:
                spent, each = send(port, requests(kind, n))
                seconds[kind] += spent
                took[kind] += each
    print(f"one worker, {CLIENTS} clients, {TURNS} turns")
    base_rate = len(took["constant"]) / seconds["constant"]
    base_p99 = percentile(took["constant"], 99)
    for kind in kinds:
        rate, p99 = len(took[kind]) / seconds[kind], percentile(took[kind], 99)
        print(
            f"{kind:9} n={len(took[kind]):5}  {rate:6.1f} a second ({rate / base_rate:.2f})  "
            f"p50 {percentile(took[kind], 50):6.1f} ms  p99 {p99:6.1f} ms ({p99 / base_p99:.1f}x)"
        )


def percentile(seconds: list[float], percent: int) -> float:
    """Return a percentile in milliseconds."""
    return 1000 * statistics.quantiles(seconds, n=100, method="inclusive")[percent - 1]


def memory(workers: int, n: int) -> None:
    """Print what each worker holds after it has answered."""
    with running(workers) as (master, port):
        for _ in range(workers):
            send(port, requests("/ask", n) + requests("page", n))
        for pid in children(master):
            held = dict(re.findall(r"^(\w+): +(\d+) kB", _rollup(pid), re.M))
            rss, pss, own = (int(held[name]) / 1024 for name in ("Rss", "Pss", "Private_Dirty"))
            print(f"worker of {workers}  RSS {rss:.0f} MB  PSS {pss:.0f} MB  written {own:.0f} MB")


def _rollup(pid: int) -> str:
    return Path(f"/proc/{pid}/smaps_rollup").read_text()


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        serve(int(sys.argv[2]))
        return
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    speed(n)
    for workers in (1, 4):
        memory(workers, min(n, 100))


if __name__ == "__main__":
    main()
