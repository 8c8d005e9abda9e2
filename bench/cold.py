"""Wall time and peak memory of one `qa ask` from a cold start: python bench/cold.py [runs].

Each run is a new process. Beside it stands `python -c pass`, so that machines can be compared.
"""

import os
import statistics
import sys
import time

QUESTION = "收到花呗的调解短信，三天内要我回电话，怎么办"


def run(command: list[str]) -> tuple[float, float]:
    """Return (seconds, MB resident at the peak) of a command."""
    start = time.perf_counter()
    child = os.posix_spawnp(
        command[0],
        command,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        ],
    )
    _, status, usage = os.wait4(child, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed: run `qa rebuild` first")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    python = sys.executable
    for name, command in {
        "python -c pass": [python, "-c", "pass"],
        "qa --help": [python, "-m", "qa", "--help"],
        "qa ask": [python, "-m", "qa", "ask", QUESTION],
    }.items():
        run(command)  # writes bytecode, warms the file cache
        seconds, memory = zip(*(run(command) for _ in range(runs)), strict=True)
        print(
            f"{name:15} n={runs}  median {statistics.median(seconds):.2f} s  "
            f"max {max(seconds):.2f} s  peak {max(memory):.0f} MB"
        )


if __name__ == "__main__":
    main()
