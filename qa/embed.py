"""Turn texts into unit vectors. The only importer of safetensors and sentence_transformers.

Two encoders: the shipped one, a table of token vectors that opens without torch, and any
sentence-transformers model. What callers may expect of both is the protocol ``Encoder``.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from qa.errors import ModelBroken, ModelMissing
from qa.paths import MODEL
from qa.segment import Segmenter

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

FORMAT = 1
FORMAT_KEY = "mediation_notice_static"
UNKNOWN = "[UNK]"  # no token of a segmenter: brackets are punctuation

_MARKS = re.compile(rb"(?:[0-9a-f]{12}\n)+|\n")
_POINTER = b"version https://git-lfs.github.com/spec/"
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


class Encoder(Protocol):
    """What turns texts into float32 vectors of unit length.

    A vector is zero only for a text of which the encoder knows nothing, and is the same bit for
    bit whatever else is encoded with it.
    """

    @property
    def dim(self) -> int:
        """Length of a vector."""

    @property
    def name(self) -> str:
        """What people call the model."""

    @property
    def sha256(self) -> str:
        """Differs when vectors may differ."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of passages or other texts, shape (len(texts), dim)."""

    def encode_query(self, text: str) -> np.ndarray:
        """Return the vector of a question, shape (dim,)."""

    def has_seen(self, question: str) -> bool:
        """Tell whether the model was trained on a question, and so knows it too well."""


def open_encoder(model: str, segmenter: Segmenter) -> Encoder:
    """Return the encoder that a setting names.

    Args:
        model: empty for the shipped model; else a folder, or a name on the Hugging Face hub.
        segmenter: cuts texts for the shipped model and any other in its format.

    Raises:
        ModelMissing: nothing is there, or only a Git LFS pointer.
        ModelBroken: the files are there but cannot be used.
    """
    folder = Path(model) if model else MODEL
    if not model or Layout(folder).is_ours():
        return StaticEncoder(folder, segmenter)
    return SentenceTransformerEncoder(model)


@dataclass(frozen=True)
class Layout:
    """The files of a model in our static format, which is also sentence-transformers' own."""

    folder: Path

    MODULES = "modules.json"
    CONFIG = "config_sentence_transformers.json"
    VOCABULARY = "tokenizer.json"
    TABLE = "model.safetensors"
    TRAINED_ON = "trained-on.txt"
    REQUIRED = (MODULES, CONFIG, VOCABULARY, TABLE, TRAINED_ON)

    def is_ours(self) -> bool:
        """Tell whether the folder's configuration names our format."""
        path = self.folder / self.CONFIG
        try:
            return FORMAT_KEY in json.loads(path.read_bytes())
        except (OSError, ValueError, TypeError):
            return False

    def read(self) -> dict[str, bytes]:
        """Return the content of every required file.

        Raises:
            ModelMissing: none is there, or one is a Git LFS pointer.
            ModelBroken: some are not there, or one cannot be read.
        """
        absent = [name for name in self.REQUIRED if not (self.folder / name).is_file()]
        if len(absent) == len(self.REQUIRED):
            raise _missing(self.folder)
        if absent:
            raise _broken(self.folder, f"缺少文件 {'、'.join(absent)}", f"no {', '.join(absent)}")
        _refuse_pointers(self.folder)
        try:
            return {name: (self.folder / name).read_bytes() for name in self.REQUIRED}
        except OSError as error:
            raise _broken(self.folder, f"无法读取文件（{error}）", str(error)) from error


class StaticEncoder:
    """Adds up the vectors of a text's tokens: the shipped model.

    Args:
        folder: a model in our static format; see ``save_static``.
        segmenter: cuts texts into the tokens that the model was trained on.

    Raises:
        ModelMissing: nothing is there, or only a Git LFS pointer.
        ModelBroken: files are missing, cannot be read, or do not fit together.
    """

    def __init__(self, folder: Path, segmenter: Segmenter) -> None:
        files = Layout(folder).read()
        try:
            config = json.loads(files[Layout.CONFIG])[FORMAT_KEY]
            self._rows: dict[str, int] = json.loads(files[Layout.VOCABULARY])["model"]["vocab"]
            arrays = load(files[Layout.TABLE])
            self._table, self._scales = arrays["embeddings"], arrays["weights"]
            self.name = str(config["name"])
            self._seen = _marks(files[Layout.TRAINED_ON])
            _check(config["format"], self._rows, self._table, self._scales)
        except (ValueError, TypeError, KeyError, AttributeError, SafetensorError) as error:
            raise _broken(
                folder, f"内容不合格式（{error}）", f"not in the format: {error}"
            ) from error
        self._rows.pop(UNKNOWN, None)
        self._segmenter = segmenter
        self.dim = int(self._table.shape[1])
        self.sha256 = _sha256(files)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of texts, shape (len(texts), dim); zero where no token is known."""
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            vector[:] = self.encode_query(text)
        return vectors

    def encode_query(self, text: str) -> np.ndarray:
        """Return the vector of one text, shape (dim,); questions and passages are alike here."""
        known = [
            row
            for token in self._segmenter.tokens(text)
            if (row := self._rows.get(token)) is not None
        ]
        # Double precision, so that the sum rounds to the same float32 on every machine.
        total = (self._table[known] * self._scales[known, None]).sum(axis=0, dtype=np.float64)
        return _unit(total)

    def has_seen(self, question: str) -> bool:
        """Tell whether a question is among those that the model was trained on."""
        return _mark(question) in self._seen


class SentenceTransformerEncoder:
    """Any sentence-transformers model, by folder or by name.

    Texts are encoded one at a time: in a batch, padding would change the last bits of a vector
    with the length of its neighbours. Nothing is downloaded for a model that is on disk.

    Args:
        model: a folder, or a name on the Hugging Face hub.

    Raises:
        ModelMissing: nothing is there, or only a Git LFS pointer.
        ModelBroken: the files are there but cannot be used.
    """

    def __init__(self, model: str) -> None:
        self.name = model
        self._model, self.sha256 = _open(model)
        dim = self._model.get_embedding_dimension()
        if dim is None:
            raise _broken(model, "没有固定的向量维度", "its vectors have no fixed length")
        self.dim = dim

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of texts, shape (len(texts), dim), with the document prompt."""
        vectors = self._model.encode_document(list(texts), batch_size=1, show_progress_bar=False)
        return np.array([_unit(vector) for vector in vectors], dtype=np.float32).reshape(
            -1, self.dim
        )

    def encode_query(self, text: str) -> np.ndarray:
        """Return the vector of a question, shape (dim,), with the model's query prompt."""
        return _unit(self._model.encode_query(text, show_progress_bar=False))

    def has_seen(self, question: str) -> bool:
        """Return False: such a model was trained by others, on other questions."""
        return False


def encode_in_batches(folder: Path, texts: Sequence[str]) -> np.ndarray:
    """Return the vectors of many texts by a sentence-transformers model, shape (n, dim).

    For training: several times faster than an ``Encoder``, and a vector's last bits depend on
    the other texts.
    """
    vectors = _load(str(folder)).encode(list(texts), batch_size=128, show_progress_bar=False)
    return np.asarray(vectors, dtype=np.float32)


def save_static(
    folder: Path, name: str, vectors: Mapping[str, np.ndarray], trained_on: Iterable[str] = ()
) -> None:
    """Write a model in our static format, which ``SentenceTransformer(folder)`` opens too.

    Each vector is kept as int8 with a float32 scale. sentence-transformers multiplies the two
    when it opens the folder; its tokenizer takes the segmenter's tokens joined by spaces.

    Args:
        folder: created if need be; files of the same names are overwritten.
        name: the model's, shown to people.
        vectors: token -> vector, all of one length; the order is that of the rows.
        trained_on: the questions that the model has seen; only marks of them are kept.
    """
    rows = np.array([np.zeros_like(next(iter(vectors.values()))), *vectors.values()], np.float32)
    scales = np.abs(rows).max(axis=1) / np.float32(127)
    table = np.rint(rows / np.where(scales > 0, scales, 1)[:, None]).astype(np.int8)
    vocabulary = {token: row for row, token in enumerate([UNKNOWN, *vectors])}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / Layout.TABLE).write_bytes(save({"embeddings": table, "weights": scales}))
    _write_json(folder / Layout.VOCABULARY, _tokenizer(vocabulary), indent=None)
    _write_json(folder / Layout.MODULES, _modules("StaticEmbedding", "Normalize"), indent=2)
    _write_json(folder / Layout.CONFIG, {FORMAT_KEY: {"format": FORMAT, "name": name}}, indent=2)
    marks = sorted({_mark(question) for question in trained_on})
    (folder / Layout.TRAINED_ON).write_text("\n".join(marks) + "\n", "ascii")


def _marks(content: bytes) -> frozenset[str]:
    """Return the marks that a file lists, one a line; raise ValueError for anything else."""
    if not _MARKS.fullmatch(content):
        raise ValueError(f"{Layout.TRAINED_ON}: not lines of 12 hex digits")
    return frozenset(content.decode("ascii").split())


def _mark(question: str) -> str:
    """Return what stands for a question among those trained on: 48 bits of its sha256."""
    return hashlib.sha256(question.encode()).hexdigest()[:12]


def _modules(*types: str) -> list[dict[str, Any]]:
    names = [("" if i == 0 else f"{i}_{kind}", kind) for i, kind in enumerate(types)]
    prefix = "sentence_transformers.models"
    return [
        {"idx": i, "name": str(i), "path": path, "type": f"{prefix}.{kind}"}
        for i, (path, kind) in enumerate(names)
    ]


def _tokenizer(vocabulary: Mapping[str, int]) -> dict[str, Any]:
    """Return a tokenizer of words between spaces; others are unknown (row 0, zero)."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": UNKNOWN},
    }


def _write_json(path: Path, content: object, indent: int | None) -> None:
    separators = (",", ":") if indent is None else None
    text = json.dumps(content, ensure_ascii=False, indent=indent, separators=separators)
    path.write_text(text + "\n", "utf-8")


def _check(version: object, rows: Mapping[str, int], table: np.ndarray, scales: np.ndarray) -> None:
    """Raise ValueError unless the parts of a static model fit together."""
    if version != FORMAT:
        raise ValueError(f"format {version}, expected {FORMAT}")
    if table.ndim != 2 or table.dtype != np.int8:
        raise ValueError(f"embeddings: {table.dtype} {table.shape}, expected int8 (rows, dim)")
    if scales.shape != table.shape[:1] or scales.dtype != np.float32:
        raise ValueError(
            f"weights: {scales.dtype} {scales.shape}, expected float32 ({len(table)},)"
        )
    if not np.isfinite(scales).all():
        raise ValueError("weights: not finite")
    if set(rows.values()) != set(range(len(table))) or len(rows) != len(table):
        raise ValueError(f"{len(rows)} tokens for {len(table)} rows")


def _unit(vector: np.ndarray) -> np.ndarray:
    """Return a vector as float32 of unit length; a zero vector stays zero."""
    exact = np.asarray(vector, dtype=np.float64)
    norm = math.sqrt(float((exact * exact).sum()))
    return (exact / norm if norm else exact).astype(np.float32)


def _open(model: str) -> tuple[SentenceTransformer, str]:
    """Return a model and its sha256; a hub name is downloaded only if it is not on disk."""
    if Path(model).is_dir():
        _refuse_pointers(Path(model))
        return _load(model), _folder_sha256(Path(model))
    if not _HUB_NAME.fullmatch(model):
        raise _missing(model)
    repository = model if "/" in model else f"sentence-transformers/{model}"
    if not _commit(repository):
        _download(repository)
    return _load(repository), hashlib.sha256(
        f"{repository} {_commit(repository)}".encode()
    ).hexdigest()


def _commit(repository: str) -> str:
    """Return the commit of a hub model that is on disk, or nothing."""
    from huggingface_hub import try_to_load_from_cache

    for name in (Layout.MODULES, "config.json"):
        if isinstance(path := try_to_load_from_cache(repository, name), str):
            return Path(path).parent.name
    return ""


def _load(model: str) -> SentenceTransformer:
    """Open a folder, or a name whose files are in the hub's cache, without calling out."""
    from sentence_transformers import SentenceTransformer  # imports torch: seconds
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        return SentenceTransformer(model, local_files_only=True)
    except Exception as error:  # whatever its parts raise; translated here and nowhere else
        raise _broken(model, f"无法打开（{error}）", str(error)) from error


def _download(repository: str) -> None:
    """Fetch what sentence-transformers needs of a hub model into the hub's cache."""
    from huggingface_hub import model_info
    from sentence_transformers import SentenceTransformer

    try:
        # Fails at once where there is no network; the download alone would retry for a minute.
        model_info(repository, timeout=10)
        SentenceTransformer(repository)
    except Exception as error:
        raise _missing(repository) from error


def _refuse_pointers(folder: Path) -> None:
    """Raise ModelMissing when a file is what Git leaves in place of one it has not fetched."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.stat().st_size < 1024 and path.read_bytes().startswith(_POINTER):
            raise ModelMissing(
                f"模型文件 {path} 只是 Git LFS 的指针，内容还没有下载。"
                "请运行 git lfs pull，再重试。",
                f"{path} is a Git LFS pointer, not the model itself. "
                "Run `git lfs pull`, then try again.",
            )


def _sha256(files: Mapping[str, bytes]) -> str:
    """Hash files by name and content, in the order of their names."""
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(f"{name} {hashlib.sha256(files[name]).hexdigest()}\n".encode())
    return total.hexdigest()


def _folder_sha256(folder: Path) -> str:
    """Hash the files of a model's folder; cards and hidden files make no difference to vectors."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and path.suffix != ".md" and not name.startswith("."):
            with path.open("rb") as file:
                total.update(f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def _missing(model: Path | str) -> ModelMissing:
    if model == MODEL:
        return ModelMissing(
            f"自带模型不在 {model}。请重新安装；在源码目录里，请运行 qa train 重新训练。",
            f"The shipped model is not at {model}. Install again; in a checkout, run `qa train`.",
        )
    return ModelMissing(
        f"找不到模型 {model}：磁盘上没有，也没能下载。"
        "请检查设置 QA_MODEL（文件夹，或 Hugging Face 上的名称）；留空则用自带模型。",
        f"No model {model}: it is not on disk and could not be downloaded. Check QA_MODEL "
        "(a folder, or a name on Hugging Face); leave it empty for the shipped model.",
    )


def _broken(model: Path | str, chinese: str, english: str) -> ModelBroken:
    advice = (
        ("请重新安装", "Install again") if model == MODEL else ("请重新取得它", "Fetch it again")
    )
    return ModelBroken(
        f"模型 {model} 不能用：{chinese}。{advice[0]}，或换一个模型（设置 QA_MODEL）。",
        f"The model {model} cannot be used: {english}. {advice[1]}, "
        "or choose another with QA_MODEL.",
    )
