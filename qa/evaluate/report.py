"""An evaluation as one page of HTML that needs nothing else. The only importer of jinja2."""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from qa import __version__
from qa.evaluate import Evaluation, labels
from qa.evaluate.metrics import Bin, Estimate
from qa.paths import PACKAGE

TEMPLATE = "report.html"
# The reliability plot's square, in units of its SVG.
SIDE = 360.0
LARGEST, SMALLEST = 15.0, 3.0  # radii of points
COLUMNS = 70.0  # height of the tallest column below the square


@dataclass(frozen=True, slots=True)
class Point:
    """A bin as it is drawn: y counts downwards."""

    x: float
    y: float
    radius: float
    column: float  # height
    left: float  # of the column
    bin: Bin

    @property
    def diagonal(self) -> float:
        """Where the point would be if confidence were right."""
        return SIDE - self.x


def page(evaluation: Evaluation, command: str, now: datetime.datetime | None = None) -> str:
    """Return the page.

    Args:
        command: what to run for the same numbers.
        now: when they were measured; the present moment where none is given.
    """
    environment = Environment(
        loader=FileSystemLoader(PACKAGE / "evaluate"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(share=share, points=points, interval=interval)
    return environment.get_template(TEMPLATE).render(
        evaluation=evaluation,
        measures=list(evaluation.systems["fused"].estimates),
        plot=plot(evaluation.bins),
        side=SIDE,
        columns=COLUMNS,
        labels=labels,
        command=command,
        version=__version__,
        measured=(now or datetime.datetime.now()).strftime("%Y-%m-%d %H:%M"),
    )


def plot(bins: tuple[Bin, ...]) -> list[Point]:
    """Return the points of the reliability plot; a bin without questions has none."""
    most = max((bin.n for bin in bins), default=0)
    return [
        Point(
            x=bin.confidence * SIDE,
            y=(1 - bin.right) * SIDE,
            radius=max(LARGEST * math.sqrt(bin.n / most), SMALLEST),
            column=COLUMNS * bin.n / most,
            left=bin.low * SIDE,
            bin=bin,
        )
        for bin in bins
        if bin.n
    ]


def share(value: float | None) -> str:
    """Return a number in [0, 1] with three decimals; a dash for none."""
    return "–" if value is None else f"{value:.3f}"


def points(value: float | None) -> str:
    """Return a difference of shares in points of percent, with its sign."""
    if value is None:
        return "–"
    rounded = round(value * 100, 1)
    return f"{rounded:+.1f}".replace("-", "−") if rounded else "0.0"


def interval(estimate: Estimate, in_points: bool = False) -> str:
    """Return the ends of an estimate's interval; nothing for none."""
    if estimate.low is None or estimate.high is None:
        return ""
    show = points if in_points else share
    return f"{show(estimate.low)} 至 {show(estimate.high)}"
