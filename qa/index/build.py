"""What a build holds, and how it is made from a corpus."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from hashlib import sha256
from importlib.metadata import version

import bm25s
import faiss
import numpy as np
from pydantic import BaseModel, ConfigDict

from qa import classify
from qa.classify import LeftOut, TopicClassifier
from qa.corpus import NO_DANGER, OFF_TOPIC, Contact, Corpus, Passage, Reply, Urgent
from qa.embed import Encoder
from qa.paths import PACKAGE
from qa.rank import Ranker
from qa.repair import Vocabulary
from qa.segment import Segmenter, Segments

# Raised when a file of a build changes its meaning; an older build is then refused by name.
FORMAT = 3
METRIC = "inner_product"
# Libraries of which another version may build otherwise.
MADE_BY = ("faiss-cpu", "bm25s", "jieba", "numpy", "opencc", "pypinyin", "scipy")
LONGEST_GRAM = 2
QUESTION = "?"  # before a question's text in its key: it may be encoded otherwise than a passage
PROGRESS_EVERY = 256
# Of words beside character n-grams in BM25; 0.25 to 0.5 were best on dev (docs/evaluation.md).
WORD_WEIGHT = np.float32(0.25)
# Chosen on messages written for it (docs/evaluation.md, "Danger").
DANGER_RIDGE = 1.0
CALM_EVERY = 2  # of the questions that speak of no danger: all of them would drown the examples
WORDING_RIDGE = 1.0  # chosen on held-out variants (docs/evaluation.md, "Ranker")
# Enough questions for sixteen weights, few enough for a rebuild of seconds (ADR 0027).
MOST_HELD_OUT = 2500
QUESTION_DEPTH = 200  # the nearest questions that speak for their topics

# One question is too little to share out among threads: waking them costs more than the search.
faiss.omp_set_num_threads(1)

Float = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
Pairs = Sequence[tuple[int, float]]  # (row or place, similarity), best first
Progress = Callable[[str, int, int], None]  # (what, done, of)
_Fit = Future[tuple[TopicClassifier, LeftOut]]


class Manifest(BaseModel):
    """What a build is made of, and what must be running for it to serve."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    passages: int
    topics: int
    questions: int
    dim: int
    metric: str = METRIC
    model: str
    model_sha256: str
    segmenter_sha256: str
    corpus_sha256: str
    versions: dict[str, str]
    files: dict[str, str] = {}  # name -> sha256, filled in when the build is saved

    @property
    def build(self) -> str:
        """The build's name: 16 hex digits of the sha256 of what it is made of."""
        return sha256(self.model_dump_json().encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Topic:
    """What is shown of a document around its passages."""

    id: str
    title: str
    chapter: str  # the chapter's title, or ""
    related: tuple[str, ...]
    often: bool  # asked often: listed on the start page


@dataclass(frozen=True, slots=True)
class Sparse:
    """Lexical evidence about each passage, arrays of shape (passages,), all in [0, 1].

    None depends on how large the corpus is, so that weights learned on one serve another.
    """

    bm25: Float  # of words and n-grams, each divided by its maximum for the question, weighted
    word_share: Float  # of the question's words, weighted by idf, the share that the passage has
    gram_share: Float  # the same of its character n-grams


@dataclass(frozen=True)
class HeldOut:
    """A question of the corpus, scored by a classifier that never saw it: rankers learn by it."""

    segments: Segments
    vector: Float  # (dim,)
    label: str  # a topic's id, or OFF_TOPIC
    scores: Float  # (classes,), of the classifier of topics
    word_scores: Float  # (classes,), by a classifier that was not told the vector either
    wording: Float  # (classes,), of the classifier of wording
    sparse: Sparse
    place: int  # among the classifier's questions
    # The questions of nearest vectors and of most similar wording, itself aside: pairs as rows of
    # arrays, since there are half a million.
    nearest: np.ndarray  # float64 (n, 2): row, cosine
    similar: np.ndarray  # float64 (n, 2): place among the classifier's questions, similarity


@dataclass(frozen=True)
class Index:
    """A build in memory. Row *i* of vectors, words and grams is ``passages[i]``."""

    manifest: Manifest
    passages: tuple[Passage, ...]
    topics: tuple[Topic, ...]
    contacts: tuple[Contact, ...]
    urgent: tuple[Urgent, ...]
    replies: tuple[Reply, ...]
    vocabulary: Vocabulary
    vectors: faiss.Index  # passages
    question_vectors: faiss.Index  # titles, then question variants, then off-topic questions
    question_topics: tuple[str, ...]  # topic of each row of question_vectors, or OFF_TOPIC
    keys: tuple[str, ...]  # what each vector was made from, hashed: passages, then questions
    words: bm25s.BM25
    grams: bm25s.BM25
    classifier: TopicClassifier | None
    wording: TopicClassifier | None  # of the same classes; reads words and pairs of them alone
    danger: TopicClassifier | None  # tells dangers from none; None where there are no examples
    ranker: Ranker | None = None  # None only between build and fit
    word_ranker: Ranker | None = None  # of questions without a vector; None where none are asked
    held_out: tuple[HeldOut, ...] = field(default=(), repr=False)  # not saved

    def __len__(self) -> int:
        return len(self.passages)

    @cached_property
    def topic(self) -> dict[str, Topic]:
        """Topics by id."""
        return {topic.id: topic for topic in self.topics}

    @cached_property
    def rows_of_topic(self) -> dict[str, list[int]]:
        """Rows of each topic's passages, in the document's order."""
        rows: dict[str, list[int]] = {}
        for row, passage in enumerate(self.passages):
            rows.setdefault(passage.topic, []).append(row)
        return rows

    def nearest(self, vector: Float, k: int) -> Pairs:
        """Return the k passage rows closest to a question vector.

        Args:
            vector: float32, shape (dim,), unit length.
            k: at least 1; more than ``len(self)`` is allowed and returns fewer.

        Returns:
            (row, cosine) pairs, best first, ties by row; cosine in [−1, 1].
        """
        return next(_nearest(self.vectors, vector[None], k))

    def nearest_questions(self, vector: Float, k: int) -> Pairs:
        """Return the k rows of ``question_vectors`` closest to a question vector."""
        return next(_nearest(self.question_vectors, vector[None], k))

    def similar_questions(self, segments: Segments, k: int) -> Pairs:
        """Return the k of the classifier's questions whose wording is most like a question's."""
        return _similar(self.classifier, segments, k) if self.classifier else []

    def cosines(self, vector: Float, rows: Sequence[int]) -> Float:
        """Return the cosine of each of some passage rows with a question vector."""
        found: Float = self.vectors.reconstruct_batch(np.array(rows, np.int64)) @ vector
        return found

    def sparse(self, segments: Segments) -> Sparse:
        """Return what words and character n-grams say of each passage."""
        return _sparse(self.words, self.grams, segments)

    def known_vectors(self) -> dict[str, Float]:
        """Return the vector of every text that this build encoded, by its key."""
        parts = (self.vectors, self.question_vectors)
        vectors = [vector for part in parts for vector in part.reconstruct_n(0, part.ntotal)]
        return dict(zip(self.keys, vectors, strict=True))


def build(
    corpus: Corpus,
    segmenter: Segmenter,
    encoder: Encoder,
    known: Mapping[str, Float],
    progress: Progress,
) -> Index:
    """Return the index of a corpus, without a ranker.

    Args:
        known: vectors by their keys, as ``Index.known_vectors`` gives them, made by
            the same encoder and segmenter; only texts that are not among them are encoded.
    """
    shown = [searched_text(passage) for passage in corpus.passages]
    asked = [(document.title, document.id) for document in corpus.documents]
    asked += [(text, d.id) for d in corpus.documents for text in d.questions]
    if _learns(corpus):
        asked += [(question.text, OFF_TOPIC) for question in corpus.off_topic]
    texts = [*shown, *(text for text, _ in asked)]
    vectors, keys = _encode(shown, [text for text, _ in asked], encoder, known, progress)
    passage_vectors, question_vectors = vectors[: len(shown)], vectors[len(shown) :]
    cut = []
    for i, text in enumerate(shown):
        cut.append(segmenter.segment(text))
        progress("segment", i + 1, len(shown))
    words = bm25(segments.terms for segments in cut)
    grams = bm25(segments.grams(LONGEST_GRAM) for segments in cut)
    training = _training(corpus, segmenter, encoder, question_vectors, asked)
    with classify.workers() as pool:
        # The longest first, and the short ones beside it.
        fits = _fits(training, pool) if training else ()
        # In this thread's context, where the segmenter remembers what has been cut.
        danger = pool.submit(copy_context().run, _danger_classifier, corpus, segmenter)
        vocabulary = pool.submit(copy_context().run, _vocabulary, corpus, texts, segmenter)
    classifiers = [fit.result() for fit in fits]
    classifier, wording = (fitted for fitted, _ in classifiers) if training else (None, None)
    held_out: tuple[HeldOut, ...] = ()
    if training:
        held_out = tuple(_held_out(training, classifiers, segmenter, words, grams))
    titles = {chapter.id: chapter.title for chapter in corpus.chapters}
    ids = {document.id for document in corpus.documents}
    return Index(
        manifest=manifest(corpus, segmenter, encoder),
        passages=corpus.passages,
        topics=tuple(
            Topic(
                d.id,
                d.title,
                titles.get(d.chapter, ""),
                tuple(r for r in d.related if r in ids),
                d.often,
            )
            for d in corpus.documents
        ),
        contacts=tuple(contact for contact in corpus.contacts if contact.shown),
        urgent=corpus.urgent,
        replies=corpus.replies,
        vocabulary=vocabulary.result(),
        vectors=_flat(passage_vectors),
        question_vectors=_flat(question_vectors),
        question_topics=tuple(topic for _, topic in asked),
        keys=keys,
        words=words,
        grams=grams,
        classifier=classifier,
        wording=wording,
        danger=danger.result(),
        held_out=held_out,
    )


def manifest(corpus: Corpus, segmenter: Segmenter, encoder: Encoder) -> Manifest:
    """Return the manifest of a corpus's build, without the files.

    Where two are equal, so are the builds.
    """
    return Manifest(
        passages=len(corpus.passages),
        topics=len(corpus.documents),
        questions=sum(len(document.questions) for document in corpus.documents),
        dim=encoder.dim,
        model=encoder.name,
        model_sha256=encoder.sha256,
        segmenter_sha256=segmenter.sha256,
        corpus_sha256=corpus.sha256,
        versions={**{name: version(name) for name in MADE_BY}, "code": _code()},
    )


def searched_text(passage: Passage) -> str:
    """Return what is encoded and searched for a passage: its title and heading with its text."""
    return "\n".join(part for part in (passage.title, passage.heading, passage.text) if part)


@dataclass(frozen=True)
class _Training:
    """What both classifiers of topics learn from: titles, variants and off-topic questions."""

    rows: list[int]  # of question_vectors
    texts: list[str]
    labels: list[str]
    segments: list[Segments]
    vectors: Float  # of all questions, those in no row of ``rows`` as well
    held: list[int]  # places, not rows


def _training(
    corpus: Corpus,
    segmenter: Segmenter,
    encoder: Encoder,
    vectors: Float,
    asked: Sequence[tuple[str, str]],
) -> _Training | None:
    """Return what there is to learn from, or None.

    Documents without variants take no part: a class learned from a title alone would crowd out
    what retrieval finds in them.
    """
    if not _learns(corpus):
        return None
    learned = {document.id for document in corpus.documents if document.questions} | {OFF_TOPIC}
    rows = [row for row, (_, topic) in enumerate(asked) if topic in learned]
    texts, labels = [asked[row][0] for row in rows], [asked[row][1] for row in rows]
    held = _unseen(texts, labels, encoder)
    held = held[:: max(1, -(-len(held) // MOST_HELD_OUT))]
    return _Training(rows, texts, labels, [*map(segmenter.segment, texts)], vectors, held)


def _fits(training: _Training, pool: ThreadPoolExecutor) -> tuple[_Fit, _Fit]:
    """Begin to fit the classifiers of topics and of wording.

    The second knows no vectors: the encoder was trained on most variants, and beside its vectors,
    too near there, the words of a question weigh less than they should (ADR 0021).
    """
    segments, labels, held = training.segments, training.labels, training.held
    vectors = training.vectors[training.rows]
    nowhere = np.zeros((len(labels), 1), np.float32)
    pairs = classify.PAIRS
    return (
        pool.submit(classify.fit, segments, labels, vectors, held),
        pool.submit(classify.fit, segments, labels, nowhere, held, WORDING_RIDGE, pairs),
    )


def _held_out(
    training: _Training,
    fitted: Sequence[tuple[TopicClassifier, LeftOut]],
    segmenter: Segmenter,
    words: bm25s.BM25,
    grams: bm25s.BM25,
) -> Iterator[HeldOut]:
    """Yield the evidence about each held-out question."""
    (classifier, left_out), (_, worded) = fitted
    held_vectors = training.vectors[[training.rows[i] for i in training.held]]
    nearest = _nearest(_flat(training.vectors), held_vectors, QUESTION_DEPTH)
    scores = zip(left_out.scores, left_out.by_words, worded.scores, strict=True)
    for i, own, near in zip(training.held, scores, nearest, strict=True):
        segments, row = segmenter.question(training.texts[i]), training.rows[i]
        yield HeldOut(
            segments,
            training.vectors[row],
            training.labels[i],
            *own,
            sparse=_sparse(words, grams, segments),
            place=i,
            nearest=_without(row, near),
            similar=_without(i, _similar(classifier, segments, QUESTION_DEPTH)),
        )


def _vocabulary(corpus: Corpus, texts: Sequence[str], segmenter: Segmenter) -> Vocabulary:
    return Vocabulary.of(
        [*texts, *(example.text for example in corpus.examples)],
        [phrase for rule in corpus.urgent for phrase in rule.phrases],
        [word for rule in corpus.urgent for word in rule.lookalikes]
        + [phrase for reply in corpus.replies for phrase in reply.phrases],
        corpus.lookalikes,
        segmenter,
        knows_questions=_learns(corpus),
    )


def _without(own: int, pairs: Pairs) -> np.ndarray:
    return np.array([pair for pair in pairs if pair[0] != own]).reshape(-1, 2)


def _unseen(texts: Sequence[str], labels: Sequence[str], encoder: Encoder) -> list[int]:
    """Return the places of questions new to the encoder, which knows its own too well.

    An encoder that was trained on every answerable question leaves nothing to judge it by: all
    questions count then, and confidence is too high.
    """
    unseen = [i for i, text in enumerate(texts) if not encoder.has_seen(text)]
    if any(labels[i] != OFF_TOPIC for i in unseen):
        return unseen
    return list(range(len(texts)))


def _danger_classifier(corpus: Corpus, segmenter: Segmenter) -> TopicClassifier | None:
    """Fit what tells messages that speak of a danger from others.

    Questions of the guidance and off-topic ones speak of none, but for those of the topics that
    answer a danger.
    """
    if not corpus.examples:
        return None
    urgent = {topic for rule in corpus.urgent for topic in rule.topics}
    calm = [q for d in corpus.documents if d.id not in urgent for q in (d.title, *d.questions)]
    calm += [question.text for question in corpus.off_topic]
    messages = [(example.text, example.kind) for example in corpus.examples]
    messages += [(text, NO_DANGER) for text in calm[::CALM_EVERY]]
    segments = [segmenter.segment(text) for text, _ in messages]
    labels = [kind for _, kind in messages]
    # Wording is enough here (docs/evaluation.md, "Danger"), and it needs no encoder.
    nowhere = np.zeros((len(messages), 1), np.float32)
    return classify.fit(segments, labels, nowhere, ridge=DANGER_RIDGE)[0]


def _learns(corpus: Corpus) -> bool:
    """Tell whether there are question variants to learn from."""
    return any(document.questions for document in corpus.documents)


def _encode(
    passages: Sequence[str],
    questions: Sequence[str],
    encoder: Encoder,
    known: Mapping[str, Float],
    progress: Progress,
) -> tuple[Float, tuple[str, ...]]:
    """Return the vectors of passages, then of questions, and their keys.

    Questions are encoded as they are when they are asked. Each distinct unknown text is encoded
    once.
    """
    keys = (*map(_key, passages), *(_key(QUESTION + question) for question in questions))
    missing = {key: i for i, key in enumerate(keys) if key not in known}
    found = dict(known)
    for done, (key, i) in enumerate(missing.items(), 1):
        if i < len(passages):
            found[key] = encoder.encode([passages[i]])[0]
        else:
            found[key] = encoder.encode_query(questions[i - len(passages)])
        if done % PROGRESS_EVERY == 0 or done == len(missing):
            progress("encode", done, len(missing))
    return np.stack([found[key] for key in keys]).astype(np.float32), keys


def _key(text: str) -> str:
    return sha256(text.encode()).hexdigest()


@lru_cache(maxsize=1)
def _code() -> str:
    """Return the sha256 of this package's code: other code may build otherwise."""
    digest = sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sparse(words: bm25s.BM25, grams: bm25s.BM25, segments: Segments) -> Sparse:
    terms, characters = segments.terms, segments.grams(LONGEST_GRAM)
    by_words = bm25_scores(words, (*terms, *segments.synonyms))
    by_grams = bm25_scores(grams, characters)
    return Sparse(
        bm25=_relative(by_words) * WORD_WEIGHT + _relative(by_grams) * (1 - WORD_WEIGHT),
        word_share=_shares(words, terms),
        gram_share=_shares(grams, characters),
    )


def _flat(vectors: Float) -> faiss.IndexFlatIP:
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(np.ascontiguousarray(vectors))
    return index


def _nearest(index: faiss.Index, vectors: Float, k: int) -> Iterator[Pairs]:
    """Return, for each vector, the k nearest rows."""
    cosines, rows = index.search(vectors, min(k, index.ntotal))
    # FAISS pads with -1 where it finds fewer than it was asked for.
    for pair in zip(rows, cosines, strict=True):
        found = np.lexsort((pair[0], -pair[1]))
        near = zip(*(column[found].tolist() for column in pair), strict=True)
        yield [one for one in near if one[0] >= 0]


def _similar(classifier: TopicClassifier, segments: Segments, k: int) -> Pairs:
    similarities = classifier.similarities(segments)
    places = best(similarities, k)
    return list(zip(places.tolist(), similarities[places].tolist(), strict=True))


def best(scores: Float, k: int) -> np.ndarray:
    """Return the places of the k highest scores, or of all there are, best first, ties by place."""
    places = np.arange(len(scores))
    if k < len(scores):
        places = np.flatnonzero(scores >= np.partition(scores, -k)[-k])
    return places[np.argsort(-scores[places], kind="stable")][:k]


def bm25(texts: Iterable[Sequence[str]]) -> bm25s.BM25:
    """Return the BM25 index of texts already cut; they are read once and not kept.

    Terms are numbered in sorted order: left to itself bm25s numbers a set, whose order differs
    from process to process, and the same corpus would give another build each time.
    """
    # bm25s cannot index texts that are all empty; one made-up term that nobody asks for can be.
    met = {"\0": 0}
    numbers = [[met.setdefault(term, len(met)) for term in ("\0", *text)] for text in texts]
    vocabulary = {term: i for i, term in enumerate(sorted(met))}
    place = [vocabulary[term] for term in met]
    numbers = [[place[number] for number in text] for text in numbers]
    index = bm25s.BM25()
    index.index((numbers, vocabulary), show_progress=False)
    return index


def bm25_scores(index: bm25s.BM25, terms: Sequence[str]) -> Float:
    """Return the BM25 score of each text, shape (texts,)."""
    known = [term for term in terms if term in index.vocab_dict]
    if not known:
        return np.zeros(index.scores["num_docs"], np.float32)
    scores: Float = index.get_scores(known)
    return scores


def _relative(scores: Float) -> Float:
    highest = scores.max()
    return scores / highest if highest > 0 else scores


def _shares(index: bm25s.BM25, terms: Sequence[str]) -> Float:
    """Return, of the idf of all distinct terms, the share of those that each text has."""
    count: int = index.scores["num_docs"]
    starts, places = index.scores["indptr"], index.scores["indices"]
    shares, total = np.zeros(count, np.float32), 0.0
    for term in sorted(set(terms)):
        row = index.vocab_dict.get(term)
        having = places[starts[row] : starts[row + 1]] if row is not None else places[:0]
        idf = math.log(1 + (count - len(having) + 0.5) / (len(having) + 0.5))
        shares[having] += idf
        total += idf
    return shares / total if total else shares
