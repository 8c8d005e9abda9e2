"""What the command line prints for people. The only importer of rich."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress, TextColumn
from rich.table import Table
from rich.text import Text

from qa.answer import NOTICE, Answer, Quote

if TYPE_CHECKING:
    from qa.evaluate import Evaluation, Scores

_STATUS = {
    "answered": ("已找到依据", "green"),
    "uncertain": ("没有完全对应的指引，下面是最接近的，请谨慎参考", "yellow"),
    "unanswered": ("目前的指引没有回答这个问题", "yellow"),
}
_STAGES = {
    "encode": "编码",
    "segment": "分词",
    "learn": "学习排序",
    "teacher": "请教英语教师",
    "train": "训练",
}


def show_answer(answer: Answer) -> None:
    """Print an answer: its passages with their sources, or whom to call."""
    console = _console()
    words, colour = _STATUS[answer.status]
    console.print(Text(f"【{words}】", style=f"bold {colour}"))
    for quote in answer.quotes:
        console.print()
        _show_quote(console, quote)
    if answer.related:
        console.print(Text("\n相关主题："))
        for topic in answer.related:
            console.print(Text(f"- {topic.title}"))
    if answer.contacts:
        console.print(Text("\n可以打这些电话问（请自己拨号，不要用短信里的号码）："))
        for contact in answer.contacts:
            console.print(Text(f"  {contact.number}  {contact.name}：{contact.purpose}"))
    console.print(Text(f"\n{NOTICE}", style="dim"))


def _show_quote(console: Console, quote: Quote) -> None:
    passage = quote.passage
    heading = f" · {passage.heading}" if passage.heading else ""
    console.print(Text(f"{quote.rank}. {passage.title}{heading}", style="bold"))
    text = Text(passage.text)
    for start, end in quote.highlights:
        text.stylize("underline", start, end)
    console.print(text)
    if passage.sources:
        console.print(Text("依据：", style="dim"))
        for source in passage.sources:
            console.print(Text(f"- {source}", style="dim"))
    if passage.reviewed:
        console.print(Text(f"核对日期：{passage.reviewed}", style="dim"))
    console.print(Text(f"主题：{passage.topic}", style="dim"))


def _console() -> Console:
    """Return a console that wraps on a terminal; in a pipe, quoted lines stay as they are."""
    console = Console(highlight=False)
    console.soft_wrap = not console.is_terminal
    return console


def show_evaluation(evaluation: Evaluation, misses: bool) -> None:
    """Print the scores of one fold, and the misses if asked."""
    console = Console(highlight=False)
    console.print(_scores_table(f"{evaluation.fold}：各种检索", evaluation.systems))
    console.print(_scores_table(f"{evaluation.fold}：各章（fused）", evaluation.chapters))
    table = Table(
        "问题", "answered", "uncertain", "unanswered", "n", title=f"{evaluation.fold}：状态"
    )
    for kind, counts in evaluation.statuses.items():
        table.add_row(kind, *map(str, counts.values()), str(sum(counts.values())))
    console.print(table)
    if misses:
        for miss in evaluation.misses:
            expected, found = " ".join(sorted(miss.question.topics)), " ".join(miss.found)
            console.print(
                Text(f"{miss.question.id}\t{miss.question.text}\n  应为 {expected}\n  得到 {found}")
            )


def _scores_table(title: str, rows: dict[str, Scores]) -> Table:
    table = Table("", "hit@1", "hit@3", "MRR@10", "n", title=title, title_justify="left")
    for name, scores in rows.items():
        numbers = (scores.hit1, scores.hit3, scores.mrr10)
        table.add_row(name, *(f"{number:.3f}" for number in numbers), str(scores.n))
    return table


def show_info(report: dict[str, Any]) -> None:
    """Print what is installed, which settings are in force, and whether all is well."""
    console = Console(highlight=False)
    for part in ("versions", "index", "model"):
        table = Table("", "", title=part, title_justify="left", show_header=False)
        for name, value in report[part].items():
            table.add_row(name, Text(str(value)))
        console.print(table)
    table = Table("设置", "值", "来自", "说明", title="settings", title_justify="left")
    for row in report["settings"]:
        table.add_row(row["name"], Text(row["value"]), row["origin"], row["help"])
    console.print(table)
    console.print(Text("一切正常。" if report["healthy"] else f"有问题：{report['problem']}"))


@contextmanager
def progress() -> Iterator[Any]:
    """Yield a ``Progress`` function that draws on a terminal and is silent elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda what, done, of: None
        return
    with Progress(
        TextColumn("{task.description}"),
        *Progress.get_default_columns()[1:],
        console=console,
        transient=True,
    ) as bars:
        tasks: dict[str, Any] = {}

        def report(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(_STAGES.get(what, what), total=of)
            bars.update(tasks[what], completed=done, total=of)

        yield report
