"""Builds: what they hold, how they are found damaged, stale or missing, and how they switch."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from qa import index
from qa.answer import Engine
from qa.corpus import read
from qa.errors import IndexCorrupt, IndexLocked, IndexMissing, IndexStale, IndexUnwritable
from qa.index.build import best
from qa.index.store import BUILDS, CURRENT, MANIFEST
from qa.rebuild import rebuild
from qa.segment import Segmenter


def silent(what, done, of):
    pass


def build_folder(folder: Path) -> Path:
    return folder / BUILDS / index.current(folder).current


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_nearest_returns_the_closest_passages_first(small_engine, encoder):
    found = small_engine.index.nearest(encoder.encode_query("链接点"), 2)
    first, second = (small_engine.index.passages[row] for row, _ in found)
    assert (first.topic, second.topic) == ("fake", "fake")
    assert found[0][1] >= found[1][1]


def test_nearest_equals_a_plain_dot_product(small_engine, encoder):
    index_, vector = small_engine.index, encoder.encode_query("征信逾期回时")
    vectors = index_.vectors.reconstruct_n(0, len(index_))
    plain = sorted(enumerate(vectors @ vector), key=lambda pair: (-pair[1], pair[0]))
    found = index_.nearest(vector, len(index_))
    assert [row for row, _ in found] == [row for row, _ in plain]
    np.testing.assert_allclose([c for _, c in found], [c for _, c in plain], atol=1e-6)


def test_nearest_returns_fewer_than_k_from_a_small_index(small_engine, encoder):
    found = small_engine.index.nearest(encoder.encode_query("征信"), 10**6)
    assert len(found) == len(small_engine.index)
    assert all(0 <= row < len(small_engine.index) for row, _ in found)


def test_unknown_words_say_nothing(small_engine, segmenter):
    sparse = small_engine.index.sparse(segmenter.segment("zzz qqq"))
    assert not sparse.bm25.any()
    assert not sparse.word_share.any()
    assert not sparse.gram_share.any()


def test_bm25_finds_the_passage_that_has_the_word(small_engine, segmenter):
    bm25 = small_engine.index.sparse(segmenter.segment("验证码")).bm25
    assert "验证码" in small_engine.index.passages[int(bm25.argmax())].text
    assert bm25.max() == 1


def test_a_passage_that_has_every_word_has_the_whole_share(small_engine, segmenter):
    sparse = small_engine.index.sparse(segmenter.segment("法院 验证码"))
    assert sparse.word_share.max() == pytest.approx(1)
    half = small_engine.index.sparse(segmenter.segment("法院 zzz")).word_share.max()
    assert 0 < half < 1


def test_question_variants_are_indexed_but_never_among_the_passages(small_engine):
    assert small_engine.index.question_topics.count("reply") == 5  # title and four variants
    shown = "".join(passage.text for passage in small_engine.index.passages)
    assert "几天内要回电话" not in shown


def test_a_loaded_build_equals_the_one_that_was_saved(index_folder, segmenter, encoder):
    first = index.load(index_folder, segmenter, encoder)
    second = index.load(index_folder, segmenter, encoder)
    assert first.passages == second.passages
    assert first.ranker == second.ranker
    assert first.word_ranker == second.word_ranker != first.ranker
    assert first.manifest == second.manifest
    assert first.known_vectors().keys() == second.known_vectors().keys()


def test_a_build_has_its_rules_its_vocabulary_and_its_classifiers(index_folder):
    build = build_folder(index_folder)
    names = {path.relative_to(build).as_posix() for path in build.rglob("*") if path.is_file()}
    arrays = {"idf", "weights", "dense", "labels", "starts", "places", "values"}
    assert {"urgent.jsonl", "replies.jsonl", "vocabulary.json"} <= names
    for folder in ("classifier", "wording", "danger"):
        inside = {name for name in names if name.startswith(f"{folder}/")}
        assert inside == {f"{folder}/{name}.npy" for name in arrays} | {f"{folder}/names.json"}
    manifest = json.loads((build / MANIFEST).read_text("utf-8"))
    assert manifest["format"] == 3
    assert set(manifest["files"]) == names - {MANIFEST}


def test_rules_and_vocabulary_come_back_as_they_were_built(corpus_folder, segmenter, encoder):
    corpus = read(corpus_folder)
    built = index.build(corpus, segmenter, encoder, {}, silent)
    folder = corpus_folder.parent / "index"
    rebuild(corpus_folder, folder, segmenter, encoder, silent)
    loaded = index.load(folder, segmenter, encoder)
    assert loaded.urgent == built.urgent == corpus.urgent
    assert loaded.replies == built.replies == corpus.replies
    assert loaded.vocabulary == built.vocabulary
    assert loaded.vocabulary.lookalikes == corpus.lookalikes
    assert hash(loaded.urgent) == hash(corpus.urgent)  # tuples again, not lists
    assert hash(loaded.replies) == hash(corpus.replies)


@pytest.mark.parametrize("name", ["classifier", "danger"])
def test_a_classifier_comes_back_bit_for_bit(corpus_folder, segmenter, encoder, name):
    built = getattr(index.build(read(corpus_folder), segmenter, encoder, {}, silent), name)
    folder = corpus_folder.parent / "index"
    rebuild(corpus_folder, folder, segmenter, encoder, silent)
    loaded = getattr(index.load(folder, segmenter, encoder), name)
    assert loaded.classes == built.classes
    assert loaded.features == built.features
    for array in ("idf", "weights", "dense", "labels", "starts", "places", "values"):
        before, after = getattr(built, array), getattr(loaded, array)
        assert (after.dtype, after.shape) == (before.dtype, before.shape)
        assert after.tobytes() == before.tobytes()


def test_the_danger_classifier_knows_the_kinds_of_the_rules_and_none(small_engine):
    kinds = {rule.kind for rule in small_engine.index.urgent}
    assert set(small_engine.index.danger.classes) == kinds | {"none"}


def test_guidance_without_variants_still_knows_danger(tmp_path, segmenter, encoder):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/a.txt").write_text("征信记录不会删除。", "utf-8")
    rebuild(tmp_path / "texts", tmp_path / "index", segmenter, encoder, silent)
    loaded = index.load(tmp_path / "index", segmenter, encoder)
    assert loaded.classifier is None
    assert loaded.danger is not None


def test_a_rebuild_of_the_same_corpus_has_the_same_name(
    corpus_folder, index_folder, segmenter, encoder
):
    before = index.current(index_folder).current
    rebuild(corpus_folder, index_folder, segmenter, encoder, silent)
    assert index.current(index_folder).current == before


def test_where_nothing_changed_nothing_is_fitted(
    corpus_folder, index_folder, segmenter, encoder, monkeypatch
):
    before = index.current(index_folder)
    monkeypatch.setattr("qa.rebuild.fit", None)
    report = rebuild(corpus_folder, index_folder, segmenter, encoder, silent)
    assert report.unchanged
    assert (report.build, report.encoded) == (before.current, 0)
    assert report.reused == len(set(index.load(index_folder, segmenter, encoder).keys))
    assert index.current(index_folder) == before


@pytest.mark.parametrize("made_by", ["_code", "version"])
def test_other_code_or_another_library_builds_anew(
    corpus_folder, index_folder, segmenter, encoder, monkeypatch, made_by
):
    monkeypatch.setattr(sys.modules["qa.index.build"], made_by, lambda *_: "another")
    report = rebuild(corpus_folder, index_folder, segmenter, encoder, silent)
    assert not report.unchanged
    assert report.encoded == 0
    assert report.build == index.current(index_folder).current


def test_only_changed_texts_are_encoded_and_the_result_is_that_of_a_full_build(
    corpus_folder, index_folder, segmenter, encoder, tmp_path
):
    document = corpus_folder / "guidance/c1/reply.md"
    document.write_text(document.read_text("utf-8").replace("再尽早", "再尽快"), "utf-8")
    encoder.encoded.clear()
    report = rebuild(corpus_folder, index_folder, segmenter, encoder, silent)
    assert report.encoded == 1
    assert len(encoder.encoded) == 1
    assert "再尽快" in encoder.encoded[0]
    full = rebuild(corpus_folder, tmp_path / "full", segmenter, encoder, silent)
    assert full.build == report.build
    assert full.reused == 0


def test_the_previous_build_is_kept_and_older_ones_go(
    corpus_folder, index_folder, segmenter, encoder
):
    first = index.current(index_folder).current
    for word in ("甲", "乙"):
        (corpus_folder / "guidance/c1/more.txt").write_text(f"{word}一段新的文字。", "utf-8")
        rebuild(corpus_folder, index_folder, segmenter, encoder, silent)
    pointer = index.current(index_folder)
    kept = {path.name for path in (index_folder / BUILDS).iterdir()}
    assert kept == {pointer.current, pointer.previous}
    assert first not in kept


def test_an_index_folder_without_a_build_is_missing(tmp_path, segmenter, encoder):
    with pytest.raises(IndexMissing, match="qa rebuild"):
        index.load(tmp_path / "none", segmenter, encoder)


def test_every_flipped_byte_and_every_missing_file_is_named(
    index_folder, copy_of, segmenter, encoder
):
    files = [path for path in build_folder(index_folder).rglob("*") if path.is_file()]
    assert len(files) > 15
    for number, path in enumerate(files):
        damaged = copy_of(index_folder, f"flipped{number}")
        target = damaged / path.relative_to(index_folder)
        damage(target)
        with pytest.raises((IndexCorrupt, IndexStale)) as caught:
            index.load(damaged, segmenter, encoder)
        assert path.name in str(caught.value) or path.name == MANIFEST
        target.unlink()
        with pytest.raises(IndexCorrupt, match=path.name):
            index.load(damaged, segmenter, encoder)


@pytest.mark.parametrize("text", ["", "{}", "null", '{"current": 1', "\0"])
def test_a_damaged_pointer_is_corrupt(index_folder, segmenter, encoder, text):
    (index_folder / CURRENT).write_text(text, "utf-8")
    with pytest.raises(IndexCorrupt):
        index.load(index_folder, segmenter, encoder)


def test_a_build_of_another_model_is_refused_by_name(index_folder, segmenter, encoder):
    encoder.sha256 = "d" * 64
    with pytest.raises(IndexStale, match="编码模型"):
        index.load(index_folder, segmenter, encoder)


def test_a_build_of_another_dictionary_is_refused_by_name(index_folder, encoder, tmp_path):
    (tmp_path / "dictionary.txt").write_text("新词\n", "utf-8")
    with pytest.raises(IndexStale, match="分词词典"):
        index.load(index_folder, Segmenter(tmp_path), encoder)


def test_a_build_of_another_format_is_refused_by_name(index_folder, segmenter, encoder):
    manifest = build_folder(index_folder) / MANIFEST
    data = {**json.loads(manifest.read_text("utf-8")), "format": 99}
    manifest.write_text(json.dumps(data, indent=1), "utf-8")
    name = sha256(json.dumps(data, separators=(",", ":")).encode()).hexdigest()[:16]
    manifest.parent.rename(manifest.parent.with_name(name))
    pointer = json.dumps({"current": name, "previous": None}) + "\n"
    (index_folder / CURRENT).write_text(pointer, "utf-8")
    with pytest.raises(IndexStale, match="格式"):
        index.load(index_folder, segmenter, encoder)


def test_a_rebuild_over_a_stale_or_damaged_build_works(
    corpus_folder, index_folder, segmenter, encoder
):
    damage(build_folder(index_folder) / "vectors.faiss")
    report = rebuild(corpus_folder, index_folder, segmenter, encoder, silent)
    assert report.reused == 0
    assert len(index.load(index_folder, segmenter, encoder)) == report.passages


def test_a_second_rebuild_at_the_same_time_is_refused(
    corpus_folder, index_folder, segmenter, encoder
):
    with index.locked(index_folder), pytest.raises(IndexLocked):
        rebuild(corpus_folder, index_folder, segmenter, encoder, silent)
    rebuild(corpus_folder, index_folder, segmenter, encoder, silent)


def test_a_full_disk_leaves_the_build_in_service(
    corpus_folder, index_folder, segmenter, encoder, monkeypatch
):
    before = index.current(index_folder)
    (corpus_folder / "guidance/c1/more.txt").write_text("一段新的文字。", "utf-8")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(IndexUnwritable, match="磁盘已满"):
        rebuild(corpus_folder, index_folder, segmenter, encoder, silent)
    assert index.current(index_folder) == before
    assert len(index.load(index_folder, segmenter, encoder)) > 0
    leftovers = [path for path in (index_folder / BUILDS).iterdir() if path.name[0] == "."]
    assert leftovers == []


def test_no_file_of_a_build_is_a_pickle(index_folder):
    for path in build_folder(index_folder).rglob("*"):
        if path.suffix == ".npy":
            np.load(path, allow_pickle=False)
        elif path.is_file():
            assert path.suffix in {".json", ".jsonl", ".txt", ".faiss"}


def test_a_faulty_corpus_leaves_the_build_in_service(
    corpus_folder, index_folder, segmenter, encoder
):
    before = index.current(index_folder)
    (corpus_folder / "guidance/c1/empty.md").write_text("", "utf-8")
    with pytest.raises(Exception, match=r"c1/empty\.md:1"):
        rebuild(corpus_folder, index_folder, segmenter, encoder, silent)
    assert index.current(index_folder) == before


def test_documents_without_question_variants_have_no_class(corpus_folder, segmenter, encoder):
    (corpus_folder / "guidance/c1/plain.md").write_text("# 标题\n\n一段话。", "utf-8")
    built = index.build(read(corpus_folder), segmenter, encoder, {}, silent)
    assert set(built.classifier.classes) == {"reply", "fake", "credit", "off-topic"}
    assert built.wording.classes == built.classifier.classes


def test_an_unchanged_rebuild_leaves_the_build_in_service_alone(
    corpus_folder, index_folder, segmenter, encoder
):
    before = {path: path.stat().st_ino for path in build_folder(index_folder).rglob("*")}
    encoder.encoded.clear()
    rebuild(corpus_folder, index_folder, segmenter, encoder, silent)
    assert {path: path.stat().st_ino for path in build_folder(index_folder).rglob("*")} == before
    assert encoder.encoded == []
    assert list((index_folder / BUILDS).iterdir()) == [build_folder(index_folder)]


def test_a_damaged_build_of_the_same_name_is_replaced(
    corpus_folder, index_folder, segmenter, encoder
):
    (build_folder(index_folder) / "passages.jsonl").write_text("", "utf-8")
    rebuild(corpus_folder, index_folder, segmenter, encoder, silent)
    assert len(index.load(index_folder, segmenter, encoder)) > 0
    assert len(list((index_folder / BUILDS).iterdir())) == 1


def test_what_others_put_beside_the_builds_is_left_alone(
    corpus_folder, index_folder, segmenter, encoder
):
    (index_folder / BUILDS / "release-1.0").mkdir()
    for word in ("甲", "乙"):
        (corpus_folder / "guidance/c1/more.txt").write_text(f"{word}一段新的文字。", "utf-8")
        rebuild(corpus_folder, index_folder, segmenter, encoder, silent)
    assert (index_folder / BUILDS / "release-1.0").is_dir()


def test_others_can_read_a_build(index_folder):
    umask = os.umask(0)
    os.umask(umask)
    assert build_folder(index_folder).stat().st_mode & 0o777 == 0o777 & ~umask


def test_the_pointer_moves_only_after_the_build_was_read_back(
    corpus_folder, index_folder, segmenter, encoder, monkeypatch
):
    before = index.current(index_folder)
    (corpus_folder / "guidance/c1/more.txt").write_text("一段新的文字。", "utf-8")

    def unreadable(*_):
        raise IndexCorrupt("坏", "bad")

    monkeypatch.setattr("qa.index.store.load_build", unreadable)
    with pytest.raises(IndexCorrupt):
        rebuild(corpus_folder, index_folder, segmenter, encoder, silent)
    assert index.current(index_folder) == before


def test_the_same_corpus_gives_the_same_build_in_another_process(corpus_folder, tmp_path):
    names = set()
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "qa", "rebuild", "--json"]
        places = ["--corpus", str(corpus_folder), "--index", str(tmp_path / f"i{seed}")]
        env = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run([*command, *places], env=env, capture_output=True, check=True)
        names.add(json.loads(done.stdout)["build"])
    assert len(names) == 1


@pytest.mark.parametrize("k", [1, 3, 4, 5, 9])
def test_the_best_are_the_highest_and_ties_go_by_place(k):
    scores = np.array([0.5, 0, 0.9, 0.5, 0], np.float32)
    assert best(scores, k).tolist() == [2, 0, 3, 1, 4][:k]


def test_a_build_that_is_pruned_while_it_serves_answers_on(index_folder, small_engine, segmenter):
    expected = small_engine.rank("几天内要回电话", 3)
    loaded = index.load(index_folder, segmenter, small_engine.encoder)
    shutil.rmtree(index_folder)
    engine = Engine(loaded, segmenter, small_engine.encoder)
    assert engine.rank("几天内要回电话", 3) == expected


def test_workers_share_the_pages_of_the_classifiers(small_engine):
    weights = small_engine.index.classifier.weights
    assert not weights.flags.owndata
    assert not weights.flags.writeable


def test_a_rebuild_cuts_each_question_once_whichever_thread_needs_it(
    corpus_folder, tmp_path, segmenter, encoder, monkeypatch
):
    cut, seen = Segmenter._cut, Counter()

    def counted(self, text):
        seen[text] += 1
        return cut(self, text)

    monkeypatch.setattr(Segmenter, "_cut", counted)
    rebuild(corpus_folder, tmp_path / "index", segmenter, encoder, silent)
    questions = [text for d in read(corpus_folder).documents for text in d.questions]
    assert questions
    assert {seen[text] for text in questions} == {1}


def test_an_unchanged_rebuild_clears_up_after_one_that_was_killed(
    corpus_folder, index_folder, segmenter, encoder
):
    (corpus_folder / "guidance/c1/more.txt").write_text("一段新的文字。", "utf-8")
    rebuild(corpus_folder, index_folder, segmenter, encoder, silent)
    pointer = index.current(index_folder)
    (index_folder / BUILDS / ".unfinished-1").mkdir()
    (index_folder / BUILDS / ("0" * 16)).mkdir()
    (index_folder / f"{CURRENT}.new").write_text("{", "utf-8")
    damage(index_folder / BUILDS / pointer.previous / "passages.jsonl")
    report = rebuild(corpus_folder, index_folder, segmenter, encoder, silent)
    assert report.unchanged
    assert index.current(index_folder) == index.Pointer(pointer.current)
    assert [path.name for path in (index_folder / BUILDS).iterdir()] == [pointer.current]
    assert not (index_folder / f"{CURRENT}.new").exists()
