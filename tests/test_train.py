"""Training, on data made small enough for seconds."""

import gzip

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from qa.corpus import read
from qa.embed import StaticEncoder
from qa.errors import TrainingDataMissing
from qa.train import HELD_OUT_EVERY, data, train
from qa.train.rows import frequencies, vocabulary

PAIRS = [
    ("逾期几天上征信", "逾期记录由银行报送征信系统"),
    ("法院传票怎么办", "收到传票应当按时到庭"),
    ("利息太高怎么办", "利息超过上限的部分不受保护"),
    ("手机丢了怎么挂失", "手机丢失应当联系运营商挂失"),
]
GLOSSES = (
    "逾期 逾期 [yu2 qi1] /to be overdue/exceed the time limit/\n利息 利息 [li4 xi1] /interest/\n"
)
SENTENCES = [("我逾期了。", "I am overdue."), ("利息太高。", "The interest is too high.")] * 4


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "train").mkdir()
    lines = "".join(f"{left}\t{right}\tmade\n" for left, right in PAIRS * 8)
    for name in data.SOURCES:
        write(folder, f"{name}.tsv.gz", lines)
    write(folder, "cedict.txt.gz", "# made\n" + GLOSSES)
    sentences = "".join(f"{zh}\t{en}\tmade\n" for zh, en in SENTENCES)
    write(folder, "tatoeba_zh_en.tsv.gz", sentences)
    return folder


def write(folder, name, text):
    with gzip.open(folder / "train" / name, "wt", encoding="utf-8") as file:
        file.write(text)


def silent(what, done, of):
    pass


@pytest.fixture
def trained(source, corpus_folder, segmenter, tmp_path, monkeypatch):
    # Made data has each text once and few of them: real sizes would leave hardly a token or step.
    monkeypatch.setattr("qa.train.learning.BATCH", 8)
    monkeypatch.setattr("qa.train.rows.FEWEST_WORDS", 1)
    monkeypatch.setattr("qa.train.rows.FEWEST_CHARACTERS", 1)
    report = train(source, read(corpus_folder), segmenter, tmp_path / "model", 0, silent)
    return report, StaticEncoder(tmp_path / "model", segmenter)


def test_the_model_brings_pairs_together(trained):
    _, encoder = trained
    left = encoder.encode([left for left, _ in PAIRS])
    right = encoder.encode([right for _, right in PAIRS])
    nearness = left @ right.T
    assert (nearness.argmax(axis=1) == np.arange(len(PAIRS))).all()


def test_both_loaders_open_what_was_written(trained, segmenter, tmp_path):
    _, encoder = trained
    theirs = SentenceTransformer(str(tmp_path / "model"))
    text = "逾期利息太高怎么办"
    expected = theirs.encode(" ".join(segmenter.tokens(text)))
    np.testing.assert_allclose(encoder.encode_query(text), expected, atol=1e-5)


def test_every_fourth_variant_is_kept_from_the_encoder(trained, corpus_folder):
    report, encoder = trained
    for document in read(corpus_folder).documents:
        seen = [encoder.has_seen(question) for question in document.questions]
        assert seen == [i % HELD_OUT_EVERY != 0 for i in range(1, len(seen) + 1)]
        assert encoder.has_seen(document.title)
    assert (report.questions, report.held_out) == (12, 3)


def test_the_same_seed_gives_the_same_model(source, corpus_folder, segmenter, tmp_path):
    reports = [
        train(source, read(corpus_folder), segmenter, tmp_path / name, 1, silent)
        for name in ("first", "second")
    ]
    assert reports[0].sha256 == reports[1].sha256


def test_a_missing_file_is_named_and_nothing_is_written(corpus_folder, segmenter, tmp_path):
    with pytest.raises(TrainingDataMissing, match=r"train.*stard_train\.tsv\.gz"):
        train(tmp_path, read(corpus_folder), segmenter, tmp_path / "model", 0, silent)
    assert not (tmp_path / "model").exists()


def test_glosses_are_freed_of_cross_references(source):
    write(
        source,
        "cedict.txt.gz",
        "後 后 [hou4] /back/variant of 後|后[hou4]/CL:個|个[ge4]/(fig.) later/\n",
    )
    assert data.glosses(source) == {"后": ["back", "later"]}
    write(source, "cedict.txt.gz", "# made\n" + GLOSSES)


def test_the_corpus_counts_for_more_in_the_vocabulary():
    outside = frequencies([("常见", "词")] * 5 + [("罕见",)])
    own = frequencies([("花呗", "花", "呗")])
    assert vocabulary(outside, own) == ["呗", "花", "词", "花呗", "常见"]
