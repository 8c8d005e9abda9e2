"""Processor time of an answer against the raw library calls: python bench/engine.py [questions].

The raw calls are those that no answer can do without: one FAISS search of the passages, one of the
questions, and the BM25 scores of words and of n-grams, on the same data, for texts already cut and
encoded. Questions come from the dev fold; the two take turns. One thread. Run `qa rebuild` first.
"""

import random
import sys
import time

import numpy as np

from qa.answer import Engine, Question
from qa.evaluate.judged import read_judged
from qa.index.build import LONGEST_GRAM, QUESTION_DEPTH, bm25_scores
from qa.paths import CORPUS
from qa.search import DEPTH, Query
from qa.settings import Settings

TURNS = 3


def raw(engine: Engine, query: Query) -> None:
    """Make the library calls of one search."""
    index, vector = engine.index, query.vector
    index.vectors.search(vector[None], DEPTH)
    index.question_vectors.search(vector[None], QUESTION_DEPTH)
    bm25_scores(index.words, query.segments.terms)
    bm25_scores(index.grams, query.segments.grams(LONGEST_GRAM))


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    settings = Settings.load()
    engine = Engine.open(settings)
    texts = [judged.text for judged in read_judged(CORPUS / "judged", "dev")]
    random.Random(6).shuffle(texts)
    asked = [Question.parse(text, settings.k, settings) for text in texts[:n]]
    queries = [engine.query(question.text) for question in asked]
    work = {
        "raw FAISS and bm25s": lambda: [raw(engine, query) for query in queries],
        "answer": lambda: [engine.ask(question) for question in asked],
    }
    took: dict[str, list[float]] = {name: [] for name in work}
    for each in work.values():
        each()  # opens what is opened on first use
    for _ in range(TURNS):
        for name, each in work.items():
            start = time.process_time()
            each()
            took[name].append(1000 * (time.process_time() - start) / len(asked))
    base = float(np.median(took["raw FAISS and bm25s"]))
    for name, each_took in took.items():
        ms = float(np.median(each_took))
        print(f"{name:20} n={len(asked)} x {TURNS}  {ms:5.2f} ms a question ({ms / base:.1f}x)")


if __name__ == "__main__":
    main()
