"""The topic classifier: worked by hand, fitted without held-out questions, the same every time."""

from itertools import pairwise

import numpy as np
import pytest

from qa import classify
from qa.classify import TopicClassifier, fit

QUESTIONS = {
    "短信链接能点吗": "fake",
    "链接点了怎么办": "fake",
    "短信里的链接是真的吗": "fake",
    "几天内要回电话": "reply",
    "不回电话会怎样": "reply",
    "多久要回复短信": "reply",
    "征信上的逾期能删吗": "credit",
    "逾期记录多久能删": "credit",
    "征信修复靠谱吗": "credit",
}
NOWHERE = np.zeros(4, np.float32)


@pytest.fixture(scope="module")
def questions(segmenter):
    return [segmenter.segment(text) for text in QUESTIONS]


@pytest.fixture(scope="module")
def vectors():
    rows = np.random.default_rng(0).normal(size=(len(QUESTIONS), 4))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


LABELS = list(QUESTIONS.values())


@pytest.fixture
def ones(monkeypatch):
    """Give dense a value that is easy to reckon with, as the tests do with ridge."""
    monkeypatch.setattr(classify, "DENSE", 1.0)


def test_two_equal_questions_worked_by_hand(segmenter, ones):
    # Kernel [[1, 1], [1, 1]] from the text, nothing from the vectors:
    # dual = inverse of [[2, 1], [1, 2]] = [[2, −1], [−1, 2]] / 3.
    twice = [segmenter.segment("花呗")] * 2
    classifier, left_out = fit(
        twice, ["a", "b"], np.zeros((2, 4), np.float32), held=[0, 1], ridge=1.0
    )
    # Without the first, the second weighs 1 / (1 + 1): it says b, half sure.
    np.testing.assert_allclose(left_out.scores, [[0, 1 / 2], [1 / 2, 0]], atol=1e-6)
    np.testing.assert_array_equal(left_out.by_words, left_out.scores)
    # 花 is one of four equal features (花, 呗, 花呗, the word): each weighs 1/2 · (2/3 − 1/3).
    np.testing.assert_allclose(classifier.weights, np.full((4, 2), 1 / 6), atol=1e-3)
    scores = classifier.scores(segmenter.segment("花"), NOWHERE)
    np.testing.assert_allclose(scores, [1 / 6, 1 / 6], atol=1e-3)


def test_vectors_alone_worked_by_hand(segmenter, ones):
    # No feature is in two questions; the vectors' kernel is the identity, so dual = I / 2.
    apart = [segmenter.segment("花"), segmenter.segment("借")]
    vectors = np.array([[1, 0], [0, 1]], np.float32)
    classifier, left_out = fit(apart, ["a", "b"], vectors, held=[0, 1], ridge=1.0)
    assert classifier.features == {}
    np.testing.assert_allclose(left_out.scores, np.zeros((2, 2)), atol=1e-6)
    scores = classifier.scores(segmenter.segment("花"), np.array([0.6, 0.8], np.float32))
    np.testing.assert_allclose(scores, [0.3, 0.4], rtol=1e-6)
    assert classifier.scores(segmenter.segment("花"), None).tolist() == [0, 0]


@pytest.fixture
def two_features() -> TopicClassifier:
    """Two features; of two questions the first has 花 and 呗 (0.6, 0.8), the second 呗 alone."""
    return TopicClassifier(
        classes=("a",),
        features={"花": 0, "呗": 1},
        idf=np.array([1, 2], np.float32),
        weights=np.array([[1], [10]], np.float16),
        dense=np.array([[0.5], [0]], np.float32),
        labels=np.array([0, 0], np.int32),
        starts=np.array([0, 1, 3], np.int32),
        places=np.array([0, 0, 1], np.int32),
        values=np.array([0.6, 0.8, 1], np.float16),
    )


def test_score_worked_by_hand(segmenter, two_features):
    # 花 twice: 1 + ln 2 = 1.6931; 呗 once with idf 2: 2; length √(1.6931² + 2²) = 2.6204;
    # (1.6931 · 1 + 2 · 10) / 2.6204 = 8.2785, and 0.6 · 0.5 from the vector.
    vector = np.array([0.6, 0.8], np.float32)
    scores = two_features.scores(segmenter.segment("花，花呗"), vector)
    np.testing.assert_allclose(scores, [8.5785], atol=1e-3)


def test_similarities_worked_by_hand(segmenter, two_features):
    # 花 weighs 1.6931 / 2.6204 = 0.6461 and 呗 0.7632: 0.6461 · 0.6 + 0.7632 · 0.8 and 0.7632 · 1.
    found = two_features.similarities(segmenter.segment("花，花呗"))
    np.testing.assert_allclose(found, [0.9982, 0.7632], atol=1e-3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(two_features.similarities(segmenter.segment("花")), [0.6, 0], 1e-3)


def test_a_question_of_unknown_features_is_similar_to_none(segmenter, two_features):
    for text in ("", "调解"):
        assert two_features.similarities(segmenter.segment(text)).tolist() == [0, 0]


def test_similarities_are_those_of_the_questions_themselves(questions, vectors):
    classifier, _ = fit(questions, LABELS, vectors)
    classes = [classifier.classes[label] for label in classifier.labels]
    assert classes == LABELS
    found = np.array([classifier.similarities(one) for one in questions])
    np.testing.assert_allclose(np.diag(found), np.ones(len(questions)), atol=2e-3)
    np.testing.assert_allclose(found, found.T, atol=2e-3)  # values are float16
    assert (found >= 0).all()
    assert (found <= 1.002).all()


@pytest.mark.parametrize(
    ("text", "share"),
    [
        pytest.param("链接", 0, id="known"),
        pytest.param("鑀鬰", 1, id="unknown"),
        pytest.param("链接，鑀", 1 / 2, id="half"),
        pytest.param("链接，鑀，鑀", 1 / 2, id="a-word-counts-once"),
        pytest.param("的了", 0, id="stop-words-only"),
        pytest.param("", 0, id="nothing"),
    ],
)
def test_share_of_unknown_words(segmenter, questions, vectors, text, share):
    classifier, _ = fit(questions, LABELS, vectors)
    assert classifier.unknown_words(segmenter.segment(text)) == pytest.approx(share)


@pytest.mark.parametrize("common", [1, 4, 10**6], ids=["all-dense", "both", "all-sparse"])
def test_rows_multiply_as_dense_matrices_do(monkeypatch, common):
    from scipy.sparse import csr_array

    monkeypatch.setattr(classify, "COMMON", common)
    random = np.random.default_rng(0)
    features = (random.random((30, 50)) * (random.random((30, 50)) < 0.15)).astype(np.float32)
    vectors = random.normal(size=(30, 4)).astype(np.float32)
    rows = classify._System.of(csr_array(features), vectors, ridge=1.0)
    kernel = features @ features.T + classify.DENSE * vectors @ vectors.T
    identity = np.eye(30, dtype=np.float32)
    np.testing.assert_allclose(rows.dot(rows.sums(identity)), kernel, atol=1e-5)
    some = np.array([3, 1, 29])
    np.testing.assert_allclose(rows.dot(rows.sums(identity), some), kernel[some], atol=1e-5)


@pytest.mark.parametrize("common", [1, 22, 10**6], ids=["all-dense", "both", "all-sparse"])
@pytest.mark.parametrize("ridge", [0.1, 2.0, 50.0])
@pytest.mark.parametrize("left", [[], [4, 0, 17]], ids=["all-rows", "some-left-out"])
def test_gradients_arrive_where_numpy_does(monkeypatch, common, ridge, left):
    from scipy.sparse import csr_array

    monkeypatch.setattr(classify, "COMMON", common)
    random = np.random.default_rng(0)
    features = random.normal(size=(40, 60)) * (random.random((40, 60)) < 0.5)
    features = features.astype(np.float32)
    targets = np.eye(40, 3, dtype=np.float32)
    system = classify._System.of(csr_array(features), np.zeros((40, 2), np.float32), ridge)
    kept = np.setdiff1d(np.arange(40), left)
    kernel = features[kept].astype(np.float64) @ features[kept].T
    expected = np.zeros((40, 3))
    expected[kept] = np.linalg.solve(kernel + ridge * np.eye(len(kept)), targets[kept])
    places = np.array(left, np.int64)
    # No eigenvalue is below the ridge, so that no weight is further off than this.
    allowed = classify.TOLERANCE / ridge + 1e-5
    for start in (None, system.solve(targets)):
        found = system.solve(targets, places, start)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=allowed, rtol=0)


def test_a_column_without_targets_stays_at_nothing():
    from scipy.sparse import csr_array

    identity = csr_array(np.eye(4, dtype=np.float32))
    system = classify._System.of(identity, np.zeros((4, 2), np.float32), ridge=1.0)
    targets = np.array([[1, 0]] * 4, np.float32)
    np.testing.assert_allclose(system.solve(targets), targets / 2, atol=1e-6)


def test_a_larger_ridge_makes_scores_smaller(questions, vectors):
    weak, strong = (fit(questions, LABELS, vectors, ridge=ridge)[0] for ridge in (0.5, 50.0))
    for segments, vector in zip(questions, vectors, strict=True):
        assert strong.scores(segments, vector).max() < weak.scores(segments, vector).max()


@pytest.mark.parametrize("folds", [1, 2, 4])
def test_held_out_scores_equal_refitting_without_the_fold(questions, vectors, monkeypatch, folds):
    held = [7, 0, 4, 2]
    monkeypatch.setattr(classify, "MOST_LEFT_OUT", len(held) / folds / len(questions))
    whole, left_out = fit(questions, LABELS, vectors, held)
    for scores in (left_out.scores, left_out.by_words):
        assert (scores.shape, scores.dtype) == ((4, 3), np.float32)
    # The features and their idf stay those of all questions; the rest is fitted anew.
    monkeypatch.setattr(classify, "_vocabulary", lambda *_: (whole.features, whole.idf))
    for place, question in enumerate(held):
        left = held[place % folds :: folds]
        others = [i for i in range(len(questions)) if i not in left]
        again, none = fit(
            [questions[i] for i in others], [LABELS[i] for i in others], vectors[others]
        )
        assert none.scores.shape == none.by_words.shape == (0, 3)
        assert again.classes == whole.classes == ("credit", "fake", "reply")
        for vector, scores in (
            (vectors[question], left_out.scores),
            (None, left_out.by_words),
        ):
            expected = again.scores(questions[question], vector)
            np.testing.assert_allclose(scores[place], expected, atol=3e-3)  # weights are float16


def test_a_training_question_scores_its_own_class_highest(questions, vectors):
    classifier, _ = fit(questions, LABELS, vectors)
    for segments, vector, label in zip(questions, vectors, LABELS, strict=True):
        scores = classifier.scores(segments, vector)
        assert classifier.classes[int(scores.argmax())] == label


def test_fitting_twice_gives_the_same_scores_bit_for_bit(questions, vectors):
    held = range(len(questions))
    first, first_scores = fit(questions, LABELS, vectors, held)
    second, second_scores = fit(questions, LABELS, vectors, held)
    assert first_scores.scores.tobytes() == second_scores.scores.tobytes()
    assert first_scores.by_words.tobytes() == second_scores.by_words.tobytes()
    for segments, vector in zip(questions, vectors, strict=True):
        scores = first.scores(segments, vector)
        assert scores.tobytes() == first.scores(segments, vector).tobytes()
        assert scores.tobytes() == second.scores(segments, vector).tobytes()


@pytest.mark.parametrize(
    "text", ["", "？！", "鑀鬰", "zzz 987"], ids=["empty", "!", "rare", "latin"]
)
def test_unknown_features_and_no_vector_score_nothing(segmenter, questions, vectors, text):
    classifier, _ = fit(questions, LABELS, vectors)
    assert classifier.scores(segmenter.segment(text), NOWHERE).tolist() == [0, 0, 0]


def test_unknown_features_change_nothing_beside_known_ones(segmenter, questions, vectors):
    classifier, _ = fit(questions, LABELS, vectors)
    plain = classifier.scores(segmenter.segment("链接"), NOWHERE)
    noisy = classifier.scores(segmenter.segment("链接，鑀，zzz"), NOWHERE)
    assert plain.tobytes() == noisy.tobytes()


def test_features_of_one_question_only_are_left_out(questions, vectors):
    features = fit(questions, LABELS, vectors)[0].features
    assert {"链接", "w:链接", "逾期"} <= set(features)
    assert not {"靠谱", "w:靠谱", "靠"} & set(features)


def test_scores_have_one_column_per_class(questions, vectors):
    classifier, _ = fit(questions, LABELS, vectors)
    assert classifier.weights.shape == (len(classifier.features), 3)
    assert classifier.dense.shape == (4, 3)
    assert classifier.scores(questions[0], vectors[0]).shape == (3,)
    assert (classifier.weights.dtype, classifier.values.dtype) == (np.float16, np.float16)
    assert len(classifier.starts) == len(classifier.features) + 1
    assert classifier.starts[-1] == len(classifier.places) == len(classifier.values)


def test_pairs_are_of_neighbouring_words_in_order(segmenter):
    cut = segmenter.segment("几天内要回电话")
    words = [word for word, _ in cut.words]
    assert len(words) > 2
    classifier, _ = fit([cut] * 2, ["a", "b"], np.zeros((2, 1), np.float32), reads=classify.PAIRS)
    pairs = {f"{one}|{next}" for one, next in pairwise(["", *words, ""])}
    assert set(classifier.features) == {f"w:{word}" for word in words} | pairs


def test_the_order_of_words_counts_in_pairs_alone(segmenter):
    texts = ["电话要回", "电话要回", "要回电话", "要回电话"]
    cut, nowhere = [segmenter.segment(text) for text in texts], np.zeros((4, 1), np.float32)
    classifier, _ = fit(cut, ["a", "a", "b", "b"], nowhere, reads=classify.PAIRS)
    scores = classifier.scores(cut[0], nowhere[0])
    assert scores[0] > scores[1]
