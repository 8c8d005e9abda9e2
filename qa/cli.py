"""The command line: parse, call, print. Heavy imports are inside the commands."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click
from click.core import ParameterSource

from qa import __version__
from qa.errors import CorpusInvalid, QAError

if TYPE_CHECKING:
    from datetime import datetime

    from qa.answer import Engine
    from qa.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])

_FOLDER = click.Path(path_type=Path)
_CORPUS = click.option("--corpus", type=click.Path(path_type=Path), help="语料文件夹。")
_INDEX = click.option("--index", type=click.Path(path_type=Path), help="索引文件夹。")
_MODEL = click.option("--model", help="编码模型的名称或文件夹；不写就用自带模型。")
_JSON = click.option("--json", "as_json", is_flag=True, help="输出 JSON，供程序读取。")


class _Group(click.Group):
    """Says every ``QAError`` in one sentence on stderr and exits 1."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except QAError as error:
            click.echo(f"错误：{error}", err=True)
            sys.exit(1)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="qa")
def cli() -> None:
    """调解通知问答：用写好的指引回答关于调解通知的问题。"""
    if isinstance(sys.stdout, TextIOWrapper):
        # A terminal that cannot show Chinese is told its code points, not a traceback.
        sys.stdout.reconfigure(errors="backslashreplace")


@cli.command()
@click.option("--host", help="监听的地址（默认 127.0.0.1，只在本机可见）。")
@click.option("--port", type=int, help="监听的端口（默认 8000；0 为任意空闲端口）。")
@click.option("--workers", type=int, help="进程数。")
@click.option("--threads", type=int, help="每个进程的线程数。")
@_CORPUS
@_INDEX
@_MODEL
def serve(**flags: Any) -> None:
    """启动网页和 /ask 接口；还没有索引时先建立。"""
    # One question needs no team of threads; faiss reads this when it is first imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from qa.errors import IndexCorrupt, IndexMissing
    from qa.index import current
    from qa.web.server import serve as run

    settings = _settings(flags)
    try:
        current(settings.index)
    except IndexMissing:
        click.echo("还没有索引，先建立一份……", err=True)
        _rebuild(settings)
    except IndexCorrupt:
        pass  # another build may serve; if none can, the server says so
    run(settings)


@cli.command()
@click.argument("question")
@click.option("-k", "k", type=int, help="每一问最多给出几段（默认 3）。")
@_CORPUS
@_INDEX
@_MODEL
@_JSON
def ask(question: str, k: int | None, as_json: bool, **flags: Any) -> None:
    """回答一个问题。"""
    from qa.answer import Engine, Question, to_json

    settings = _settings(flags)
    parsed = Question.parse(question, settings.k if k is None else k, settings)
    answer = Engine.open(settings).ask(parsed)
    if as_json:
        _print_json(to_json(answer))
    else:
        from qa.terminal import show_answer

        show_answer(answer)


@cli.command()
@_CORPUS
@_INDEX
@_MODEL
@_JSON
def rebuild(as_json: bool, **flags: Any) -> None:
    """用语料重建索引；核对无误后才切换，出错时旧索引不变。"""
    from dataclasses import asdict

    report = _rebuild(_settings(flags))
    if as_json:
        _print_json(asdict(report))
        return
    if report.unchanged:
        click.echo(f"语料、词典、模型和程序都没有变化，索引 {report.build} 继续使用。")
        return
    click.echo(
        f"已建立索引 {report.build}：{report.topics} 个主题，{report.passages} 段，"
        f"{report.questions} 种问法；新编码 {report.encoded} 条，沿用 {report.reused} 条。"
    )


@cli.command()
@_INDEX
@_JSON
def verify(as_json: bool, **flags: Any) -> None:
    """核对正在使用的和上一份索引的每个字节；有损坏时说出是哪个文件。"""
    from dataclasses import asdict

    from qa.index import verify as verify_builds

    folder = _settings(flags).index
    checked = verify_builds(folder)
    whole = not any(build.damaged for build in checked)
    if as_json:
        builds = [asdict(build) for build in checked]
        _print_json({"folder": str(folder), "healthy": whole, "builds": builds})
    else:
        from qa.terminal import show_verified

        show_verified(checked)
    if not whole:
        raise click.exceptions.Exit(1)


@cli.command()
@_CORPUS
@_INDEX
@_MODEL
@_JSON
def rollback(as_json: bool, **flags: Any) -> None:
    """退回上一份索引；再运行一次就换回来。"""
    from dataclasses import asdict

    from qa.answer import open_tools
    from qa.index import rollback as go_back

    settings = _settings(flags)
    pointer = go_back(settings.index, *open_tools(settings))
    if as_json:
        _print_json(asdict(pointer))
    else:
        click.echo(f"已退回索引 {pointer.current}；原来的 {pointer.previous} 留作上一份。")


@cli.command()
@_CORPUS
@_JSON
def check(as_json: bool, **flags: Any) -> None:
    """检查语料：每处问题都指出文件和行号。"""
    from dataclasses import asdict

    from qa.corpus import check as check_corpus
    from qa.corpus import read
    from qa.segment import Segmenter

    folder = _settings(flags).corpus
    try:
        Segmenter.open(folder)
        corpus = read(folder)
        faults = check_corpus(corpus)
    except CorpusInvalid as error:
        corpus, faults = None, list(error.faults)
    if as_json:
        _print_json([asdict(fault) for fault in faults])
    else:
        for fault in faults:
            click.echo(str(fault))
    if faults:
        raise click.exceptions.Exit(1)
    if corpus is not None and not as_json:
        questions = sum(len(document.questions) for document in corpus.documents)
        click.echo(
            f"没有发现问题：{len(corpus.documents)} 个文档，{len(corpus.passages)} 段，"
            f"{questions} 种问法。"
        )


@cli.command()
@click.option(
    "--fold", type=click.Choice(["dev", "test"]), default="dev", show_default=True, help="哪一组。"
)
@click.option("--misses", is_flag=True, help="列出第一段没答对的问题。")
@click.option("--robust", is_flag=True, help="把问题换成错别字、繁体、长故事等写法再问一遍。")
@click.option("--judged", type=_FOLDER, help="标注问题的文件夹（默认：语料里的 judged）。")
@click.option("--data", type=_FOLDER, help="BEIR 格式的文件夹：用它的文档和问题衡量，不动索引。")
@click.option(
    "--html", type=click.File("w", encoding="utf-8", atomic=True), help="把报告写成一个网页文件。"
)
@_CORPUS
@_INDEX
@_MODEL
@_JSON
@click.pass_context
def evaluate(
    context: click.Context,
    /,
    fold: str,
    misses: bool,
    robust: bool,
    judged: Path | None,
    data: Path | None,
    html: TextIO | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """用标注过的问题衡量检索效果；指明 --model 而不指明 --index 时，在内存里另建索引。"""
    from qa import evaluate as measuring
    from qa.terminal import show_evaluation

    settings = _settings(flags)
    folder = judged or data or settings.corpus / "judged"
    questions = measuring.read_judged(folder, fold)
    with _progress() as progress:
        evaluation = measuring.evaluate(
            _engine_to_measure(settings, flags, data, progress),
            questions,
            fold,
            depth=measuring.DEPTH_ELSEWHERE if data else measuring.DEPTH,
            robust=robust,
            typed=measuring.read_typed(folder, questions) if robust else (),
            progress=progress,
        )
    if html:
        from qa.evaluate.report import page

        html.write(page(evaluation, _command(context)))
    if as_json:
        _print_json(evaluation.to_json())
    else:
        show_evaluation(evaluation, misses)


@cli.command()
@_CORPUS
@_INDEX
@_MODEL
@_JSON
def info(as_json: bool, **flags: Any) -> None:
    """显示版本、设置及其来源、索引和模型是否正常。"""
    from qa.info import gather
    from qa.terminal import show_info

    report = gather(_settings(flags), flags)
    if as_json:
        _print_json(report)
    else:
        show_info(report)
    if not report["healthy"]:
        raise click.exceptions.Exit(1)


@cli.command()
@click.option("--host", help="服务要监听的地址。")
@click.option("--port", type=int, help="服务要监听的端口。")
@click.option("--workers", type=int, help="服务的进程数。")
@_CORPUS
@_INDEX
@_MODEL
@_JSON
def doctor(as_json: bool, **flags: Any) -> None:
    """检查这台机器能不能运行服务：每项一行，有问题的说明怎么办。"""
    from dataclasses import asdict

    from qa.doctor import MARKS, examine

    checks = examine(_settings(flags))
    if as_json:
        _print_json([asdict(check) for check in checks])
    else:
        for check in checks:
            click.echo(f"{MARKS[check.state]} {check.name}：{check.says}")
            if check.mend:
                click.echo(f"  → {check.mend}")
    if any(check.state == "fault" for check in checks):
        raise click.exceptions.Exit(1)


@cli.command()
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="从哪一天算起（默认：全部）。",
)
@click.option("--feedback", help="反馈数据库的地址（默认：本机文件）。")
@_JSON
def report(since: datetime | None, as_json: bool, **flags: Any) -> None:
    """显示哪些主题帮助最少、各章有多少问题没有答上；里面没有任何问题的文字。"""
    from qa.feedback import OFF, Feedback, nothing

    address = _settings(flags).feedback
    day = since.date() if since else None
    feedback = Feedback.open(address, make=False)
    found = feedback.report(day) if feedback else nothing(day)
    if as_json:
        _print_json(found.to_json())
    elif address == OFF:
        click.echo("反馈是关着的（QA_FEEDBACK=off），什么都没有记。")
    elif found.empty:
        click.echo("这段时间还没有反馈，也没有人提问。")
    else:
        from qa.terminal import show_report

        show_report(found)


@cli.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="训练数据文件夹。")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="写到哪个文件夹。")
@click.option("--seed", type=int, default=0, show_default=True, help="随机种子。")
@click.option("--without-corpus", is_flag=True, help="不学语料，只学外部数据（供比较）。")
@_CORPUS
def train(data: Path, out: Path, seed: int, without_corpus: bool, **flags: Any) -> None:
    """训练自带的编码模型（开发者用，需要 pip install '.[train]'）。"""
    from dataclasses import replace

    from qa.corpus import read, renderings
    from qa.segment import Segmenter
    from qa.train import train as run
    from qa.train.recipe import Recipe

    folder = _settings(flags).corpus
    corpus, rendered = read(folder), renderings(folder)
    if without_corpus:
        corpus, rendered = replace(corpus, documents=(), off_topic=()), ()
    segmenter = Segmenter.open(folder)
    with _progress() as progress:
        report = run(data, corpus, rendered, segmenter, out, Recipe(seed=seed), progress)
    click.echo(str(report))


def _settings(flags: dict[str, Any]) -> Settings:
    from qa.settings import Settings

    return Settings.load(**flags)


def _engine_to_measure(
    settings: Settings, flags: dict[str, Any], data: Path | None, progress: Any
) -> Engine:
    """Return the engine in service, or one made for the collection or the encoder to measure."""
    from qa.answer import Engine, open_tools
    from qa.corpus import read
    from qa.evaluate import engine_of, read_collection

    if data is None and (flags["index"] or not flags["model"]):
        return Engine.open(settings)
    segmenter, encoder = open_tools(settings)
    corpus = read_collection(data) if data else read(settings.corpus)
    return engine_of(corpus, segmenter, encoder, progress)


def _command(context: click.Context) -> str:
    """Return the command that is running, as it can be typed again."""
    words = ["qa", str(context.info_name)]
    for option in context.command.params:
        value = context.params[str(option.name)]
        if context.get_parameter_source(str(option.name)) is ParameterSource.COMMANDLINE:
            words.append(option.opts[0])
            if value is not True:
                words.append(str(value if isinstance(value, str | Path) else value.name))
    return shlex.join(words)


def _rebuild(settings: Settings) -> Any:
    from qa.answer import open_tools
    from qa.rebuild import rebuild as run

    segmenter, encoder = open_tools(settings)
    with _progress() as progress:
        return run(settings.corpus, settings.index, segmenter, encoder, progress)


def _progress() -> Any:
    from qa.terminal import progress

    return progress()


def _print_json(data: object) -> None:
    click.echo(json.dumps(data, ensure_ascii=False, indent=2, default=str))
