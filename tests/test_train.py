"""Training, on data made small enough for seconds."""

import gzip
from dataclasses import replace

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

import qa.train as training
from qa.corpus import Rendering, read
from qa.embed import StaticEncoder
from qa.errors import TrainingDataMissing
from qa.train import HELD_OUT_EVERY, data, train
from qa.train.data import Pair
from qa.train.learning import Batches, Run, losses, nearest
from qa.train.recipe import Recipe
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
ARTICLES = [
    "民法典第一条 逾期记录由机构报送",
    "民法典第二条 收到传票应当到庭",
    "民法典第二条 传票由法院送达",
    "道路法第三条 手机不得在驾驶时使用",
]
# Of the fixture's variants 过了时间还能回吗 is held out: it is the fourth of its topic.
RENDERED = [
    Rendering("几天内要回电话", "Within how many days must I call back?"),
    Rendering("过了时间还能回吗", "Can I still reply after the deadline?"),
    Rendering("核实之前不要点链接。", "Do not tap the link before you have verified it."),
]
# Made data has each text once and few of them: real sizes would leave hardly a token or step.
SMALL = Recipe(batch=8, fewest_words=1, fewest_characters=1, near=(0, 3))
SENTENCES = [("我逾期了。", "I am overdue."), ("利息太高。", "The interest is too high.")] * 4


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "train").mkdir()
    lines = "".join(f"{left}\t{right}\tmade\n" for left, right in PAIRS * 8)
    for name in data.SOURCES:
        write(folder, f"{name}.tsv.gz", lines)
    articles = "".join(f"一句\t{article}\tmade\n" for article in ARTICLES)
    write(folder, "law_ict.tsv.gz", articles)
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
def trained(source, corpus_folder, segmenter, tmp_path):
    folder = tmp_path / "model"
    report = train(source, read(corpus_folder), RENDERED, segmenter, folder, SMALL, silent)
    return report, StaticEncoder(folder, segmenter)


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
        train(source, read(corpus_folder), RENDERED, segmenter, tmp_path / name, SMALL, silent)
        for name in ("first", "second")
    ]
    assert reports[0].sha256 == reports[1].sha256


def test_a_missing_file_is_named_and_nothing_is_written(corpus_folder, segmenter, tmp_path):
    with pytest.raises(TrainingDataMissing, match=r"train.*stard_train\.tsv\.gz"):
        train(tmp_path, read(corpus_folder), (), segmenter, tmp_path / "model", SMALL, silent)
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
    assert vocabulary(outside, own, Recipe()) == ["呗", "花", "词", "花呗", "常见"]
    assert vocabulary(outside, own, Recipe(most_tokens=2)) == ["呗", "花"]


def test_renderings_of_held_out_variants_are_left_out(corpus_folder):
    kept = data.renderings(read(corpus_folder), RENDERED, HELD_OUT_EVERY)
    assert [pair.left for pair in kept] == ["几天内要回电话", "核实之前不要点链接。"]


def test_every_fourth_off_topic_question_is_kept_from_the_encoder(source, corpus_folder):
    material = data.gather(source, read(corpus_folder), RENDERED, HELD_OUT_EVERY)
    assert material.off_topic == ["怎么开通花呗", "离婚要什么手续", "红烧肉怎么做"]


def test_off_topic_questions_count_as_seen_where_they_are_learned_from(
    source, corpus_folder, segmenter, tmp_path
):
    for size in (0, 2):
        folder, recipe = tmp_path / str(size), replace(SMALL, off_topic=size)
        train(source, read(corpus_folder), RENDERED, segmenter, folder, recipe, silent)
        encoder = StaticEncoder(folder, segmenter)
        assert encoder.has_seen("红烧肉怎么做") == (size > 0)
        assert not encoder.has_seen("今天天气怎么样")


@pytest.fixture
def run(source, corpus_folder, segmenter):
    """Return a function: recipe -> the losses of a training and how often each is learned."""
    import torch

    material = data.gather(source, read(corpus_folder), RENDERED, HELD_OUT_EVERY)
    batches = Batches.cut(material, segmenter, silent)
    words = vocabulary(frequencies(batches.outside), frequencies(batches.own), SMALL)
    rng = np.random.default_rng(0)
    rows = torch.from_numpy(rng.normal(size=(len(words), 256)).astype(np.float32))
    teacher = rng.normal(size=(len(material.english), 256)).astype(np.float32)
    table = torch.nn.EmbeddingBag.from_pretrained(rows, freeze=False, mode="sum")
    number = {word: i for i, word in enumerate(words)}

    def made(recipe, near=None):
        shared = Run(table, number, recipe, np.random.default_rng(0))
        return list(losses(shared, batches, teacher, near))

    return made


def test_renderings_are_a_teacher_s_loss_of_their_own(run):
    (without, with_them) = (run(replace(SMALL, english_repeats=times)) for times in (0, 256))
    assert len(with_them) == len(without) + 1
    loss, count = with_them[len(data.SOURCES) + 1]
    assert count == pytest.approx(SMALL.passes * 256 * 2 / SMALL.translation_batch)
    assert float(loss().detach()) > 0


def test_off_topic_questions_make_the_topics_loss_larger(run):
    alone, beside = (run(replace(SMALL, off_topic=size, dropout=0.0))[-2][0] for size in (0, 3))
    assert float(beside().detach()) > float(alone().detach())


def test_articles_of_one_number_answer_the_same_question(source, corpus_folder):
    material = data.gather(source, read(corpus_folder), (), HELD_OUT_EVERY)
    pairs = [Pair("传票", ARTICLES[1]), Pair("传票", ARTICLES[0]), Pair("手机", ARTICLES[3])]
    asked = replace(material, pairs={"stard_train": pairs}, articles=ARTICLES)
    assert asked.answers == [{0, 1, 2}, {0, 1, 2}, {3}]


def test_articles_are_those_of_questions_and_of_laws(source, corpus_folder):
    material = data.gather(source, read(corpus_folder), (), HELD_OUT_EVERY)
    assert material.articles == [*(right for _, right in PAIRS), *ARTICLES]


@pytest.mark.parametrize(("ranks", "found"), [((0, 3), [1, 2]), ((1, 3), [1, 2]), ((2, 3), [2])])
def test_near_articles_are_the_nearest_that_do_not_answer(
    source, corpus_folder, segmenter, ranks, found
):
    material = data.gather(source, read(corpus_folder), (), HELD_OUT_EVERY)
    batches = replace(
        Batches.cut(material, segmenter, silent),
        pairs={"stard_train": ([("逾期", "记录")], [("逾期", "记录")])},
        articles=[("逾期", "记录"), ("逾期", "手机"), ("手机",), ("利息",)],
        answers=[frozenset({0})],
    )
    words = ["逾期", "记录", "手机", "利息"]
    rows = np.eye(4, dtype=np.float32)
    near = nearest(rows, words, batches, replace(SMALL, near=ranks))
    assert [places.tolist() for places in near] == [found]


def test_near_articles_make_the_loss_of_statute_questions_larger(run):
    recipe = replace(SMALL, dropout=0.0)
    near = [np.array([1, 2])] * len(PAIRS * 8)
    alone, beside = (run(recipe, some)[0][0] for some in (None, near))
    assert float(beside().detach()) > float(alone().detach())


def test_a_question_without_near_articles_is_learned_without(run):
    recipe = replace(SMALL, dropout=0.0)
    alone, beside = (
        run(recipe, some)[0][0] for some in (None, [np.array([], int)] * len(PAIRS * 8))
    )
    assert float(beside().detach()) == float(alone().detach())


def test_without_ranks_there_is_one_run(source, corpus_folder, segmenter, tmp_path, monkeypatch):
    mined = []
    monkeypatch.setattr(training, "nearest", lambda *args: mined.append(args))
    recipe = replace(SMALL, near=(0, 0))
    train(source, read(corpus_folder), (), segmenter, tmp_path / "m", recipe, silent)
    assert mined == []


def test_a_model_has_the_dimensions_of_its_recipe(source, corpus_folder, segmenter, tmp_path):
    recipe = replace(SMALL, dim=8, lengths=((8, 1.0),))
    report = train(source, read(corpus_folder), (), segmenter, tmp_path / "m", recipe, silent)
    encoder = StaticEncoder(tmp_path / "m", segmenter)
    assert (report.dim, encoder.dim) == (8, 8)
    assert encoder.name.endswith("-8")
