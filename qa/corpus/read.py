"""Read a folder of guidance into a corpus, naming every fault by file and line."""

from __future__ import annotations

import datetime
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from qa import paths
from qa.corpus import markdown, plain
from qa.corpus.model import (
    NO_DANGER,
    OFF_TOPIC,
    Chapter,
    Contact,
    Corpus,
    Document,
    Example,
    OffTopic,
    Passage,
    Rendering,
    Reply,
    Urgent,
)
from qa.corpus.split import Section, passages
from qa.errors import CorpusInvalid, CorpusMissing, Fault

GUIDANCE = "guidance"
CHAPTERS = "chapters.yaml"
OFF_TOPIC_FILE = "off-topic.tsv"
CONTACTS = "contacts.yaml"
NEVER = "never-write.txt"
URGENT = "urgent.yaml"
EXAMPLES = "urgent.tsv"
REPLIES = "replies.yaml"
LOOKALIKES = "lookalikes.txt"
ENGLISH = "english.tsv"
SUFFIXES = (".md", ".txt")

# Beside guidance that lies in no folder of its own, these are not guidance.
_NOT_GUIDANCE = {NEVER, LOOKALIKES, "dictionary.txt", "stopwords.txt", "synonyms.txt"}
_EXTRA = (CHAPTERS, OFF_TOPIC_FILE, CONTACTS, NEVER, URGENT, EXAMPLES, REPLIES, LOOKALIKES)
_FENCE = "---"
# Together with what YAML cannot read.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_WRONG_VALUE = {
    "string_type": "应是文字",
    "string_too_short": "是空的",
    "list_type": "应是列表",
    "bool_type": "应是 true 或 false",
    "date_type": "应是日期，例如 2026-11-24",
    "string_pattern_mismatch": "只能有文字、数字、- 和 _",
}

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
# Words with spaces between them.
Words = Annotated[tuple[str, ...], BeforeValidator(lambda text: tuple(str(text).split()))]
Part = TypeVar("Part")


# libyaml's loader is the same parser in C, where the platform's wheel has it.
class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """A safe loader that says where a date that does not exist stands."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            raise yaml.constructor.ConstructorError(
                problem=str(error), problem_mark=node.start_mark
            ) from error


class FrontMatter(BaseModel):
    """What the head of a guidance file may say (corpus/README.md explains each field)."""

    model_config = ConfigDict(extra="forbid", strict=True)

    title: Text
    id: str | None = Field(default=None, pattern=r"^[\w-]+$")
    questions: list[Text] = []
    sources: list[Text] = []
    reviewed: datetime.date | None = None
    related: list[Text] = []
    often: bool = False


class UrgentRule(BaseModel):
    """An item of ``urgent.yaml``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: str = Field(pattern=r"^[a-z][a-z-]*$")
    says: Text
    numbers: Words
    topics: Words
    phrases: Annotated[Words, Field(min_length=1)]
    lookalikes: Words = ()
    margin: float = 0.0


class ReplyRule(BaseModel):
    """An item of ``replies.yaml``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: str = Field(pattern=r"^[a-z][a-z-]*$")
    says: Text
    phrases: list[Text] = []


Rule = TypeVar("Rule", UrgentRule, ReplyRule)


@dataclass(frozen=True, slots=True)
class _File:
    """A file's text and where it came from."""

    path: str
    text: str  # line ends are "\n"


class _Faulty(Exception):
    """Stops the reading of one file; the reader goes on with the next."""

    def __init__(self, path: str, line: int, chinese: str, english: str) -> None:
        self.fault = Fault(path, line, chinese, english)


def read(folder: Path) -> Corpus:
    """Return the corpus under a folder.

    Documents are the ``.md`` and ``.txt`` files below ``folder/guidance``, or below ``folder``
    where there is no such folder; names that begin with a dot are passed over.

    ``chapters.yaml``, ``off-topic.tsv``, ``contacts.yaml``, ``never-write.txt``, ``urgent.yaml``,
    ``urgent.tsv``, ``replies.yaml`` and ``lookalikes.txt`` are the shipped ones where the folder
    has none of its own.

    Raises:
        CorpusMissing: no folder, or no document in it.
        CorpusInvalid: the first fault of every faulty file, by file and line.
    """
    faults: list[Fault] = []
    documents: list[Document] = []
    files = list(_files(folder))
    extra = {name: _own_or_shipped(folder, name) for name in _EXTRA}
    # Before they are read: a file that is changed meanwhile gives the next build another digest.
    digest = _sha256(folder, [*files, *extra.values()])
    for path in files:
        try:
            documents.append(_document(_text(path, folder), folder))
        except _Faulty as faulty:
            faults.append(faulty.fault)
    faults += _duplicates(documents)
    chapters = _or_fault(_chapters, extra[CHAPTERS], faults)
    off_topic = _or_fault(_off_topic, extra[OFF_TOPIC_FILE], faults)
    contacts = _or_fault(_contacts, extra[CONTACTS], faults)
    never = _or_fault(_never, extra[NEVER], faults)
    urgent = _or_fault(_urgent, extra[URGENT], faults)
    examples = _or_fault(_examples, extra[EXAMPLES], faults)
    replies = _or_fault(_replies, extra[REPLIES], faults)
    lookalikes = _or_fault(_lookalikes, extra[LOOKALIKES], faults)
    if faults:
        # A fault of urgent.yaml is met again where the examples of its kinds are read.
        distinct = dict.fromkeys(faults)
        raise CorpusInvalid(sorted(distinct, key=lambda fault: (fault.path, fault.line)))
    order = {chapter.id: i for i, chapter in enumerate(chapters)}
    documents.sort(key=lambda document: (order.get(document.chapter, len(order)), document.path))
    return Corpus(
        documents=tuple(documents),
        chapters=chapters,
        off_topic=off_topic,
        contacts=contacts,
        never=never,
        urgent=urgent,
        examples=examples,
        replies=replies,
        lookalikes=_by_character(lookalikes),
        sha256=digest,
    )


def renderings(folder: Path) -> tuple[Rendering, ...]:
    """Return the English of the corpus's texts; none where the folder has no ``english.tsv``.

    No part of the corpus: only the training of the encoder reads it.

    Raises:
        CorpusInvalid: the first faulty line.
    """
    if not (folder / ENGLISH).is_file():
        return ()
    faults: list[Fault] = []
    found = _or_fault(_english, folder / ENGLISH, faults)
    if faults:
        raise CorpusInvalid(faults)
    return found


def _own_or_shipped(folder: Path, name: str) -> Path:
    return folder / name if (folder / name).is_file() else paths.CORPUS / name


def _or_fault(
    parse: Callable[[Path], tuple[Part, ...]], path: Path, faults: list[Fault]
) -> tuple[Part, ...]:
    """Return what a file holds; of a faulty file nothing, and add its fault to ``faults``."""
    try:
        return parse(path)
    except _Faulty as faulty:
        faults.append(faulty.fault)
        return ()


def _files(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        raise CorpusMissing(
            f"语料文件夹 {folder} 不存在。请用 --corpus 指定一个文件夹。",
            f"The corpus folder {folder} does not exist. Name one with --corpus.",
        )
    root = folder / GUIDANCE if (folder / GUIDANCE).is_dir() else folder
    found = [
        path
        for path in sorted(_everything(root, folder))
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
        and not (path.parent == folder and path.name in _NOT_GUIDANCE)
    ]
    if not found:
        raise CorpusMissing(
            f"{root} 里没有 .md 或 .txt 文件。请放入指引文件后再运行 qa rebuild。",
            f"There is no .md or .txt file in {root}. Put guidance there and run `qa rebuild`.",
        )
    yield from found


def _everything(root: Path, folder: Path) -> Iterator[Path]:
    """Yield every file below a folder; one that may not be listed would be missed in silence."""

    def refuse(error: OSError) -> None:
        name = Path(error.filename).relative_to(folder).as_posix()
        raise CorpusInvalid([_unreadable(name, error).fault]) from error

    for parent, _, names in os.walk(root, onerror=refuse):
        yield from (Path(parent, name) for name in names)


def _unreadable(name: str, error: OSError) -> _Faulty:
    return _Faulty(name, 1, f"无法读取：{error.strerror}。", f"cannot be read: {error.strerror}.")


def _text(path: Path, folder: Path) -> _File:
    name = path.relative_to(folder).as_posix()
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise _Faulty(
            name, line, "不是 UTF-8 编码，请另存为 UTF-8。", "not UTF-8; save it as UTF-8."
        ) from error
    except OSError as error:
        raise _unreadable(name, error) from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise _Faulty(name, 1, "文件是空的。", "the file is empty.")
    if control := _CONTROL.search(text):
        line = text.count("\n", 0, control.start()) + 1
        raise _Faulty(name, line, "含有控制字符，请删除。", "has a control character; delete it.")
    return _File(name, text)


def _document(file: _File, folder: Path) -> Document:
    head, body, body_line, lines = _front_matter(file)
    if _is_plain(file.path):
        title, sections = None, plain.sections(body, body_line)
    else:
        title, sections = markdown.sections(body, body_line, head.title if head else None)
    if not sections:
        raise _Faulty(file.path, body_line, "没有正文。", "there is no text below the head.")
    stem = Path(file.path).stem
    id = head.id if head and head.id else (stem if head else _slug(file.path))
    if not id or id == OFF_TOPIC:
        raise _Faulty(file.path, 1, "请换一个文件名。", "the file needs another name.")
    if head and id != stem:
        raise _Faulty(
            file.path,
            lines.get("id", 1),
            f"id “{id}” 与文件名不同。",
            f'id "{id}" is not the file name.',
        )
    parts = Path(file.path).parent.parts
    document = Document(
        id=id,
        title=head.title if head else title or stem,
        chapter=parts[1] if len(parts) > 1 and parts[0] == GUIDANCE else "",
        questions=tuple(head.questions) if head else (),
        sources=tuple(head.sources) if head else (),
        reviewed=head.reviewed.isoformat() if head and head.reviewed else None,
        related=tuple(head.related) if head else (),
        often=head is not None and head.often,
        passages=(),
        path=file.path,
        lines=lines,
    )
    return _with_passages(document, sections, prepared=head is not None)


def _with_passages(document: Document, sections: list[Section], prepared: bool) -> Document:
    """Split the sections; a file that nobody prepared is one topic per section."""
    found: list[Passage] = []
    seen: dict[str, int] = {}
    for number, section in enumerate(sections):
        for block in passages(section):
            digest = hashlib.sha256(f"{section.heading}\n{block.text}".encode()).hexdigest()
            id = f"{document.id}#{digest[:8]}"
            if id in seen:
                raise _Faulty(
                    document.path,
                    block.line,
                    f"与第 {seen[id]} 行的段落重复。",
                    f"repeats the passage of line {seen[id]}.",
                )
            seen[id] = block.line
            found.append(
                Passage(
                    id=id,
                    topic=document.id,
                    group=document.id if prepared else f"{document.id}#{number}",
                    title=document.title,
                    heading=section.heading,
                    text=block.text,
                    sources=document.sources,
                    reviewed=document.reviewed,
                    line=block.line,
                )
            )
    return Document(
        **{name: getattr(document, name) for name in Document.__slots__ if name != "passages"},
        passages=tuple(found),
    )


def _front_matter(file: _File) -> tuple[FrontMatter | None, str, int, dict[str, int]]:
    """Return the head, the body, the body's first line, and the line of each key of the head."""
    first, _, rest = file.text.partition("\n")
    if first.rstrip() != _FENCE or _is_plain(file.path):
        return None, file.text, 1, {}
    lines = rest.split("\n")
    end = next((i for i, line in enumerate(lines) if line.rstrip() == _FENCE), None)
    if end is None:
        raise _Faulty(
            file.path, 1, "文件头没有用 --- 结束。", "the front matter is not closed with ---."
        )
    data, keys = _yaml(file.path, "\n".join(lines[:end]), first_line=2)
    if not isinstance(data, dict):
        raise _Faulty(
            file.path, 1, "文件头应是“字段: 值”。", "the front matter must be `key: value`."
        )
    try:
        head = FrontMatter.model_validate(data)
    except ValidationError as error:
        raise _field_fault(file.path, error, keys) from error
    return head, "\n".join(lines[end + 1 :]), end + 3, keys


def _is_plain(path: str) -> bool:
    return path.lower().endswith(".txt")


def _yaml(path: str, text: str, first_line: int) -> tuple[object, dict[str, int]]:
    """Return the parsed text, and the file's line of each key of a mapping or place in a list.

    Args:
        first_line: the line of the file on which ``text`` begins.
    """
    loader = _Loader(text)
    keys: dict[str, int] = {}
    try:
        node = loader.get_single_node()
        for name, mark in _marks(node):
            if name in keys:
                raise _Faulty(
                    path,
                    first_line + mark.line,
                    f"字段 {name} 重复。",
                    f"the field {name} is given twice.",
                )
            keys[name] = first_line + mark.line
        return None if node is None else loader.construct_document(node), keys
    except yaml.MarkedYAMLError as error:
        line = first_line + (error.problem_mark.line if error.problem_mark else 0)
        raise _Faulty(
            path, line, f"不是有效的 YAML：{error.problem}。", f"invalid YAML: {error.problem}."
        ) from error
    finally:
        loader.dispose()


def _marks(node: yaml.Node | None) -> Iterator[tuple[str, Any]]:
    """Yield each key of a mapping, or place in a list, with where it stands."""
    if isinstance(node, yaml.MappingNode):
        yield from ((str(key.value), key.start_mark) for key, _ in node.value)
    elif isinstance(node, yaml.SequenceNode):
        yield from ((str(i), item.start_mark) for i, item in enumerate(node.value))


def _field_fault(path: str, error: ValidationError, keys: dict[str, int]) -> _Faulty:
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    line = keys.get(name, 1)
    if first["type"] == "missing":
        return _Faulty(path, line, f"缺少字段 {name}。", f"the field {name} is missing.")
    if first["type"] == "extra_forbidden":
        return _Faulty(path, line, f"不认识的字段 {name}。", f"the field {name} is not known.")
    wrong = _WRONG_VALUE.get(first["type"], first["msg"])
    return _Faulty(path, line, f"字段 {name} 的值不对：{wrong}。", f"{name}: {first['msg']}.")


def _duplicates(documents: list[Document]) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for document in documents:
        if document.id in seen:
            yield Fault(
                document.path,
                document.lines.get("id", 1),
                f"id “{document.id}” 已用于 {seen[document.id]}。",
                f'id "{document.id}" is taken by {seen[document.id]}.',
            )
        seen.setdefault(document.id, document.path)


def _chapters(path: Path) -> tuple[Chapter, ...]:
    data, lines = _yaml(CHAPTERS, _text(path, path.parent).text, first_line=1)
    chapters = data if isinstance(data, dict) else {"": None}
    found = []
    for id, title in chapters.items():
        if not isinstance(title, str):
            raise _Faulty(
                CHAPTERS,
                lines.get(str(id), 1),
                "每行应是“章的文件夹名: 章名”。",
                "each line must be `folder: title`.",
            )
        found.append(Chapter(str(id), title))
    return tuple(found)


def _contacts(path: Path) -> tuple[Contact, ...]:
    data, lines = _yaml(CONTACTS, _text(path, path.parent).text, first_line=1)
    rows = data if isinstance(data, list) else [None]
    return tuple(_contact(row, lines.get(str(i), 1)) for i, row in enumerate(rows))


def _contact(row: Any, line: int) -> Contact:
    match row:
        case {"number": str() | int() as number, "name": str() as name, "for": str() as purpose}:
            shown, words = row.get("shown", False), row.get("words", [])
            if isinstance(shown, bool) and isinstance(words, list):
                return Contact(str(number), name, purpose, shown, tuple(map(str, words)))
    raise _Faulty(
        CONTACTS,
        line,
        "每项应有 number、name、for；shown 只能是 true 或 false，words 是一列词。",
        "each item needs number, name and for; shown is true or false, words a list.",
    )


def _urgent(path: Path) -> tuple[Urgent, ...]:
    """Return the rules about danger; their numbers are those of the contacts beside them."""
    contacts = _contacts(_own_or_shipped(path.parent, CONTACTS))
    known = {contact.number: contact for contact in contacts}
    found = []
    for rule, line in _rules(path, UrgentRule):
        if unknown := [number for number in rule.numbers if number not in known]:
            chinese, english = f"{CONTACTS} 里没有电话 {unknown[0]}。", f"no contact {unknown[0]}."
            raise _Faulty(URGENT, line, chinese, english)
        numbers = tuple(known[number] for number in rule.numbers)
        texts = (rule.topics, rule.phrases, rule.lookalikes)
        found.append(Urgent(rule.kind, rule.says, numbers, *texts, rule.margin))
    return tuple(found)


def _examples(path: Path) -> tuple[Example, ...]:
    kinds = {rule.kind for rule in _urgent(_own_or_shipped(path.parent, URGENT))} | {NO_DANGER}
    found = []
    for number, line in enumerate(_text(path, path.parent).text.splitlines(), 1):
        kind, tab, text = line.partition("\t")
        if not tab or kind not in kinds or not text.strip():
            chinese = f"每行应是 {'、'.join(sorted(kinds))} 之一、制表符、例句。"
            english = f"each line must be one of {', '.join(sorted(kinds))}, a tab, a message."
            raise _Faulty(EXAMPLES, number, chinese, english)
        found.append(Example(kind, text.strip()))
    return tuple(found)


def _replies(path: Path) -> tuple[Reply, ...]:
    rules = _rules(path, ReplyRule)
    return tuple(Reply(rule.kind, rule.says, tuple(rule.phrases)) for rule, _ in rules)


def _rules(path: Path, model: type[Rule]) -> Iterator[tuple[Rule, int]]:
    """Yield each item of a list of rules, with its line."""
    data, lines = _yaml(path.name, _text(path, path.parent).text, first_line=1)
    for i, row in enumerate(data if isinstance(data, list) else [data]):
        line = lines.get(str(i), 1)
        try:
            yield model.model_validate(row), line
        except ValidationError as error:
            fault = _field_fault(path.name, error, {}).fault
            raise _Faulty(path.name, line, fault.chinese, fault.english) from error


def _lookalikes(path: Path) -> tuple[str, ...]:
    found = []
    for number, line in enumerate(_text(path, path.parent).text.splitlines(), 1):
        for group in [] if line.startswith("#") else line.split():
            if len(group) < 2:
                chinese, english = "一组至少两个字。", "a group needs two characters."
                raise _Faulty(LOOKALIKES, number, chinese, english)
            found.append(group)
    return tuple(found)


def _by_character(groups: Iterable[str]) -> dict[str, str]:
    """Return, for each character, the others of its groups."""
    found: dict[str, str] = {}
    for group in groups:
        for character in group:
            found[character] = found.get(character, "") + group.replace(character, "")
    return found


def _never(path: Path) -> tuple[str, ...]:
    lines = (line.strip() for line in _text(path, path.parent).text.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def _off_topic(path: Path) -> tuple[OffTopic, ...]:
    found = []
    for number, line in enumerate(_text(path, path.parent).text.splitlines(), 1):
        kind, tab, text = line.partition("\t")
        if not tab or kind not in ("near", "far") or not text.strip():
            raise _Faulty(
                OFF_TOPIC_FILE,
                number,
                "每行应是 near 或 far、制表符、问题。",
                "each line must be near or far, a tab, a question.",
            )
        found.append(OffTopic(kind, text.strip()))
    return tuple(found)


def _english(path: Path) -> tuple[Rendering, ...]:
    found: dict[str, Rendering] = {}
    for number, line in enumerate(_text(path, path.parent).text.splitlines(), 1):
        chinese, *rest = (part.strip() for part in line.split("\t"))
        if not chinese or len(rest) != 1 or not rest[0]:
            raise _Faulty(
                ENGLISH,
                number,
                "每行应是中文、制表符、英文。",
                "each line must be Chinese, a tab, English.",
            )
        if chinese in found:
            raise _Faulty(ENGLISH, number, "这句中文前面已有。", "this Chinese stands above.")
        found[chinese] = Rendering(chinese, rest[0])
    return tuple(found.values())


def _slug(path: str) -> str:
    """Return an id made of a path: its words joined by hyphens, without the suffix."""
    stem = Path(path).with_suffix("").as_posix().removeprefix(f"{GUIDANCE}/")
    return re.sub(r"[^\w]+", "-", stem).strip("-").lower()


def _sha256(folder: Path, files: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        name = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
        with suppress(OSError):  # reading it says so
            digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()
