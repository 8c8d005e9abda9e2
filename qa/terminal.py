"""What the command line prints for people. The only importer of rich."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress, TextColumn
from rich.table import Table
from rich.text import Text

from qa.answer import NOTICE, Answer, Quote, chinese_count, chinese_place
from qa.corpus import Contact

if TYPE_CHECKING:
    from qa.evaluate import Evaluation, Scores
    from qa.evaluate.metrics import Estimate
    from qa.feedback import Report, Verdicts
    from qa.index import Verified

_STATUS = {
    "answered": ("已找到依据", "green"),
    "uncertain": ("没有完全对应的指引，下面是最接近的，请谨慎参考", "yellow"),
    "unanswered": ("目前的指引没有回答这个问题", "yellow"),
}
BRIEF = ("hit@1", "hit@3", "MRR@10")
_STAGES = {
    "encode": "编码",
    "segment": "分词",
    "learn": "学习排序",
    "ask": "提问",
    "words": "普通分词",
    "compare": "比较各种检索",
    "forms": "换一种写法再问",
    "teacher": "请教英语教师",
    "train": "训练",
}


def show_answer(answer: Answer) -> None:
    """Print an answer: danger first, then its passages with their sources, or whom to call."""
    console = _console()
    _show_opening(console, answer)
    for quote in answer.leads:
        _show_quote(console, quote)
    if answer.parts:
        asked = chinese_count(len(answer.parts))
        console.print(Text(f"\n您问了{asked}件事", style="bold"))
    for number, (part, given) in enumerate(answer.by_part, 1):
        over = f"\n第{chinese_place(number)}问：“{part}”"
        console.print(Text(over, style="bold"))
        if given:
            _show_quote(console, given, before="")
        else:
            console.print(Text("这一问没有另外列出指引，可以单独再问一次。"))
    if answer.others and (answer.parts or answer.urgent):
        console.print(Text("\n也可能有用：", style="bold"))
    for quote in answer.others:
        _show_quote(console, quote)
    if answer.related:
        console.print(Text("\n相关主题："))
        for topic in answer.related:
            console.print(Text(f"- {topic.title}"))
    if answer.contacts and not answer.urgent:
        console.print(Text("\n可以打这些电话问（请自己拨号，不要用短信里的号码）："))
        _show_contacts(console, answer.contacts)
    console.print(Text(f"\n{NOTICE}", style="dim"))


def _show_opening(console: Console, answer: Answer) -> None:
    """Print what comes before the passages."""
    if answer.urgent:
        console.print(Text(answer.urgent.says, style="bold"))
        _show_contacts(console, answer.contacts, style="bold")
    elif answer.reply:
        console.print(Text(answer.reply.says))
    else:
        words, colour = _STATUS[answer.status]
        console.print(Text(f"【{words}】", style=f"bold {colour}"))
    if answer.searched:
        console.print(Text(f"已按“{answer.searched}”查找", style="dim"))


def _show_contacts(console: Console, contacts: Sequence[Contact], style: str = "") -> None:
    for contact in contacts:
        line = f"  {contact.number}  {contact.name}：{contact.purpose}"
        console.print(Text(line, style=style))


def _show_quote(console: Console, quote: Quote, before: str = "\n") -> None:
    passage = quote.passage
    heading = f" · {passage.heading}" if passage.heading else ""
    console.print(Text(f"{before}{quote.rank}. {passage.title}{heading}", style="bold"))
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
    """Print what one fold says, and the misses if asked."""
    console = Console(highlight=False)
    measured = list(evaluation.systems["fused"].estimates)
    # Of the recalls, the one that says most: how often the answer is there to be ranked.
    recalls = [name for name in measured if name.startswith("recall")]
    shown = [name for name in measured if name not in recalls[:-1]]
    console.print(_scores_table("各种检索", evaluation.systems, shown))
    console.print(_refused_table(evaluation))
    console.print(_calibration_table(evaluation))
    if evaluation.chapters:
        console.print(_scores_table("各章（fused）", evaluation.chapters, BRIEF))
    if evaluation.robustness:
        console.print(_robustness_table(evaluation))
    of = f"{evaluation.fold}，索引 {evaluation.build}，模型 {evaluation.model}"
    console.print(Text(f"{of}。下面一行是 95% 区间。", style="dim"))
    for miss in evaluation.misses if misses else ():
        expected, found = " ".join(sorted(miss.question.topics)), " ".join(miss.found)
        console.print(
            Text(f"{miss.question.id}\t{miss.question.text}\n  应为 {expected}\n  得到 {found}")
        )


def _table(title: str, *columns: str) -> Table:
    """Return a table whose columns but the first hold numbers."""
    table = Table(title=title, title_justify="left")
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left", overflow="fold")
    return table


def _scores_table(title: str, rows: dict[str, Scores], measures: Sequence[str]) -> Table:
    table = _table(title, "", *measures, "n")
    for name, scores in rows.items():
        table.add_row(name, *(_estimate(scores[measure]) for measure in measures), str(scores.n))
    return table


def _refused_table(evaluation: Evaluation) -> Table:
    from qa.evaluate import labels

    table = _table("问题与状态", "问题", "不答的比例", *labels.STATUSES.values(), "n")
    for kind, share in evaluation.refused.items():
        counts = evaluation.statuses.get(kind, {}).values()
        numbers = [*map(str, counts)] or [""] * len(labels.STATUSES)
        if share.n:
            table.add_row(labels.KINDS.get(kind, kind), _estimate(share), *numbers, str(share.n))
    return table


def _calibration_table(evaluation: Evaluation) -> Table:
    table = _table("把握", "", "值", "n")
    for name, estimate in (
        ("校准误差（ECE）", evaluation.calibration),
        ("能答与不能答的区分度（AUROC）", evaluation.auroc),
    ):
        table.add_row(name, _estimate(estimate), str(estimate.n))
    return table


def _robustness_table(evaluation: Evaluation) -> Table:
    from qa.evaluate import labels

    table = _table("换一种写法", "", "hit@1", "hit@3", "少几个百分点", "不答的比例", "n")
    for form, found in evaluation.robustness.items():
        numbers = (found.hit1, found.hit3, found.refused)
        hit1, hit3, refused = map(_estimate, numbers)
        label, drop = labels.FORMS.get(form, form), _estimate(found.drop, 100, "+.1f")
        table.add_row(f"{label}\n{form}", hit1, hit3, drop, refused, str(found.hit3.n))
        if found.either3:
            either = found.either3
            table.add_row("  其中至少一个", "", _estimate(either), "", "", str(either.n))
    return table


def _estimate(estimate: Estimate, scale: float = 1, form: str = ".3f") -> Text:
    """Return a value with its interval below it."""
    if estimate.value is None:
        return Text("–")
    value, low, high = (
        format((number or 0.0) * scale + 0.0, form)
        for number in (estimate.value, estimate.low, estimate.high)
    )
    return Text(f"{value}\n{low}–{high}".replace("\n0.", "\n.").replace("–0.", "–."))


def show_report(report: Report) -> None:
    """Print which topics help least, and how the questions of each chapter were met."""
    console = Console(highlight=False, soft_wrap=True)
    if report.topics:
        console.print(_topics_table(report))
        console.print(
            Text(
                "95% 区间上限低的在前，即最能肯定帮助少的；比例相同时，反馈多的在前。",
                style="dim",
            )
        )
    console.print(_chapters_table(report))
    answers = report.total.answers
    console.print(
        Text(
            "不答最多的章在前；不答的问题按最接近的主题归章。"
            f"危急信息 {answers['urgent']} 条、没有提问的信息 {answers['reply']} 条不算问题。",
            style="dim",
        )
    )


def _topics_table(report: Report) -> Table:
    table = _table("各主题的反馈", "主题", "反馈", "有帮助", "95% 区间")
    table.add_column("说得最多的原因", overflow="fold")
    for topic, said in report.topics.items():
        low, high = said.interval
        table.add_row(
            topic or "（没有给出指引）",
            str(said.count),
            _share(said.helpful, said.count),
            f"{low:.0%}–{high:.0%}",
            _commonest(said),
        )
    return table


def _chapters_table(report: Report) -> Table:
    from qa.evaluate.labels import STATUSES

    table = _table("各章的问题", "章", "问题", *STATUSES.values(), "有帮助")
    for title, chapter in [*report.chapters.items(), ("合计", report.total)]:
        table.add_row(
            title or "（不在任何章）",
            str(chapter.questions),
            *(_share(chapter.answers[status], chapter.questions) for status in STATUSES),
            _share(chapter.verdicts.helpful, chapter.verdicts.count),
        )
    return table


def _commonest(said: Verdicts) -> str:
    """Return the reason that was given most, and how often; the first where several were."""
    from qa.feedback import REASONS  # and with it SQLAlchemy, which an answer does not need

    for code, times in said.reasons.items():
        return f"{REASONS.get(code, code)} {times}"
    return ""


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "–"


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


def show_verified(checked: Sequence[Verified]) -> None:
    """Print which files of the builds are damaged, and how that is mended."""
    console = _console()
    for role, build in zip(("正在使用", "上一份"), checked, strict=False):
        counted = f"{role} {build.build}：{build.files} 个文件，{build.size} 字节"
        console.print(Text(f"{counted}，{'有损坏' if build.damaged else '完好'}。"))
        for name in build.damaged:
            console.print(Text(f"- {name} 缺失或已损坏", style="red"))
    if any(build.damaged for build in checked):
        console.print(Text("请运行 qa rebuild，用语料重建索引；完好的那一份照常使用。"))
    else:
        console.print(Text("每个字节都对。"))


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
