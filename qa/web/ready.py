"""Whether questions are answered, and if not, or not as they should be, why and what to do.

Anybody may read it: it names no files.
"""

from __future__ import annotations

from qa.answer import Engine
from qa.errors import IndexProblem, QAError
from qa.feedback import OFF
from qa.index import current, switched
from qa.web.metrics import Serving
from qa.web.service import Service
from qa.web.wire import IndexInfo, Ready, Warned

# code → why nothing serves and what to do, in Chinese and in English.
_WHY = {
    "index_missing": (
        "还没有索引。请在服务器上运行 qa rebuild。",
        "There is no index. Run `qa rebuild` on the server.",
    ),
    "index_corrupt": (
        "索引的文件缺失或已损坏。请在服务器上运行 qa rebuild。",
        "Files of the index are missing or damaged. Run `qa rebuild` on the server.",
    ),
    "index_stale": (
        "索引是用另一个格式、模型或词典建立的。请在服务器上运行 qa rebuild。",
        "The index was built with another format, model or dictionary. "
        "Run `qa rebuild` on the server.",
    ),
    "model_missing": (
        "找不到编码模型。请检查 QA_MODEL，或重新安装。",
        "The encoder is missing. Check QA_MODEL, or install again.",
    ),
    "model_broken": (
        "编码模型打不开。请检查 QA_MODEL，或重新安装。",
        "The encoder cannot be opened. Check QA_MODEL, or install again.",
    ),
}
_PREVIOUS = (
    "索引有问题，现在用的是完好的一份：{why}",
    "Something is wrong with the index; a build that is whole serves: {why}",
)
_OTHER = (
    "磁盘上的索引已经不是正在使用的这一份。稍后仍是这样，请重启服务。",
    "The index on disk is not the one that serves. If that stays so, restart the service.",
)
_FEEDBACK = (
    "反馈和次数现在记不下来。请检查 QA_FEEDBACK 所指的数据库和磁盘空间。",
    "Feedback and counts cannot be written. Check the database of QA_FEEDBACK and the disk.",
)


def ready(service: Service, english: bool) -> Ready:
    """Return which index serves, and what to look at.

    Raises:
        QAError: why none serves; ``why`` says it.
    """
    engine = service.engine
    info = IndexInfo(build=engine.index.manifest.build, passages=len(engine.index))
    return Ready(index=info, warnings=_warnings(service, engine, english))


def why(error: QAError, english: bool) -> str:
    """Return why nothing serves and what to do, or "" for an error that says enough."""
    return _WHY[error.code][english] if error.code in _WHY else ""


def serving(service: Service) -> Serving | None:
    """Return which build serves, or None."""
    try:
        engine = service.engine
    except QAError:
        return None
    return Serving(
        engine.index.manifest.build,
        switched(service.settings.index),
        previous=service.fault is not None,
    )


def _warnings(service: Service, engine: Engine, english: bool) -> list[Warned]:
    found = []
    if fault := service.fault:
        detail = _PREVIOUS[english].format(why=why(fault, english))
        found.append(Warned(code="previous_build", detail=detail))
    elif _is_other(service, engine):
        found.append(Warned(code="other_build", detail=_OTHER[english]))
    off = service.settings.feedback == OFF
    if not off and (service.feedback is None or service.feedback.failing):
        found.append(Warned(code="feedback_unwritable", detail=_FEEDBACK[english]))
    return found


def _is_other(service: Service, engine: Engine) -> bool:
    try:
        return current(service.settings.index).current != engine.index.manifest.build
    except IndexProblem:  # it is being replaced, or was deleted under a service that goes on
        return True
