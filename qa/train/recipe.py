"""What can be varied about the training."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """The knobs; the defaults were chosen in the trials of docs/encoder.md."""

    seed: int = 0  # the same seed on the same machine gives the same model
    dim: int = 256  # at most the teacher's 384
    lengths: tuple[tuple[int, float], ...] = ((64, 0.5), (128, 0.5), (256, 1.0))
    # of each: (leading dimensions that must rank by themselves, weight)

    most_tokens: int = 40000
    fewest_words: int = 3  # texts that a word must stand in
    fewest_characters: int = 4
    own_weight: int = 20  # a text of the corpus counts as so many
    longest: int = 400  # tokens of a text

    passes: int = 3
    own_repeats: float = 5.0  # passes over the corpus's questions for one over the outside pairs
    english_repeats: float = 3.0  # passes over the corpus's English renderings
    translation_repeats: float = 2.0
    # Of the articles nearest to a statute question, the ranks of which one that does not answer it
    # stands beside each batch; equal ranks: none. They are found by a first run without them.
    near: tuple[int, int] = (5, 50)
    off_topic: int = 0  # off-topic questions beside each batch of the corpus's, as negatives

    batch: int = 1024
    translation_batch: int = 512
    learning_rate: float = 0.01
    warm_up: int = 50  # steps
    dropout: float = 0.4
    translation_dropout: float = 0.3
    scale: float = 14.0
    translation_scale: float = 20.0
