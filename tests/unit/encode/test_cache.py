"""The encoding cache: the vectors it gives are those that were encoded, whatever happens to its file."""

from __future__ import annotations

import os
import random
import resource
import sqlite3
import stat
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vicinal.encode.cache import EncodingCache, cached, store, tables
from vicinal.encode.cache.cached import _digests, _head
from vicinal.encode.function import FunctionEncoder
from vicinal.encode.shrink import cut, project, random_rotation
from vicinal.errors import (
    DtypeError,
    EncodeError,
    FallbackWarning,
    InputError,
    RangeError,
    SpaceMismatchError,
    TooLongError,
    TruncationWarning,
    UnknownTextWarning,
)
from vicinal.space import Vectors
from vicinal.testing import ToyEncoder, check_encoder

MIB = 1 << 20
MANY = [f"text {number} of many" for number in range(50)]


@pytest.fixture
def path(tmp_path):
    """Where the cache lies; its folder is not there yet."""
    return tmp_path / "cache" / "encodings"


@pytest.fixture
def cache(path):
    """An open cache of 8 MiB."""
    with EncodingCache(path, limit_bytes=8 * MIB) as found:
        yield found


def digests(count, salt=0):
    """Return different digests."""
    chance = random.Random(salt)
    return [chance.randbytes(16) for _ in range(count)]


def vectors(count, dim=64, seed=0):
    """Return float32 vectors with every kind of bits."""
    return np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)


def test_the_contract_of_encoders_holds(cache):
    """Every check of vicinal.testing, cold and warm, and around and within the other wrappers."""
    for encoder in (
        cached(ToyEncoder(), cache),
        cached(cut(ToyEncoder(), 4, trained=(4,)), cache),
        project(cached(ToyEncoder(), cache), random_rotation(8, 5, 0)),
    ):
        check_encoder(encoder)
        check_encoder(encoder)


def test_what_is_known_is_never_encoded_again(cache):
    """The second run over the same texts calls the model for none, and gives the same bits in the same order."""
    toy = ToyEncoder()
    encoder = cached(toy, cache)
    first = np.asarray(encoder.encode_documents(MANY))
    asked = toy.batches
    assert asked > 0
    again = np.asarray(encoder.encode_documents(MANY[::-1]))
    assert toy.batches == asked
    assert np.array_equal(again[::-1], first)
    assert np.array_equal(first, np.asarray(ToyEncoder().encode_documents(MANY)))


def test_a_new_process_finds_what_the_last_one_knew(path):
    """Closed and opened again, with another encoder of the same space."""
    with EncodingCache(path, limit_bytes=MIB) as one:
        expected = np.asarray(cached(ToyEncoder(), one).encode_queries(MANY))
    toy = ToyEncoder()
    with EncodingCache(path, limit_bytes=MIB) as other:
        assert np.array_equal(np.asarray(cached(toy, other).encode_queries(MANY)), expected)
    assert toy.batches == 0


def test_equal_texts_are_encoded_once_and_only_what_is_missing(cache):
    """The model is given each different unknown text once."""
    seen = []

    def counts(texts):
        seen.extend(texts)
        return [ToyEncoder.counts(text) for text in texts]

    encoder = cached(FunctionEncoder(counts, name="counts", version="1", dim=8), cache)
    encoder.encode_documents(["a", "b"])
    encoder.encode_documents(["c", "a", "c", "b", "d"])
    assert seen == ["a", "b", "c", "d"]


def test_roles_spaces_and_runtimes_never_share(cache):
    """A question is not found as a document, nor by an encoder of another space, nor by another runtime."""
    plain = ToyEncoder()
    cached(plain, cache).encode_documents(["a"])
    other = ToyEncoder(max_tokens=99)
    exact = ToyEncoder()
    exact.runtime = "onnxruntime fp32"
    for encoder in (other, exact):
        cached(encoder, cache).encode_documents(["a"])
        assert encoder.batches == 1
    cached(plain, cache).encode_queries(["a"])
    assert plain.batches == 2
    assert cache.info().vectors == 4


@given(texts=st.lists(st.text(st.sampled_from("ab 日\0"), max_size=4), max_size=12), seed=st.integers(0, 9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_any_texts_in_any_order(cache, texts, seed):
    """Whatever is known already, the vectors are those of the encoder within."""
    random.Random(seed).shuffle(texts)
    got = cached(ToyEncoder(), cache).encode_documents(texts)
    assert np.array_equal(np.asarray(got), np.asarray(ToyEncoder().encode_documents(texts)))
    assert got.space == ToyEncoder().space


def test_what_was_cut_is_told_each_time(cache):
    """``cut_rows`` and a warning, whether the vector was encoded now or is known; equal texts all of them."""
    encoder = cached(ToyEncoder(max_tokens=2, overflow="cut"), cache)
    texts = ["a b c", "a", "a b c", "d e f"]
    for _ in range(2):
        with pytest.warns(TruncationWarning):
            assert encoder.encode_documents(texts).cut_rows == (0, 2, 3)
    with pytest.warns(TruncationWarning, match="3 of the texts were cut at the window of 2 tokens when") as told:
        encoder.encode_documents(texts)
    assert (len(told), told[0].filename) == (1, __file__)


def test_unknown_texts_are_told_each_time(cache):
    """A vector of zeros is as near to nothing from the cache as it was from the model."""
    encoder = cached(FunctionEncoder(lambda texts: [[len(one)] for one in texts], name="l", version="1", dim=1), cache)
    for _ in range(2):
        with pytest.warns(UnknownTextWarning, match="1 of the texts"):
            assert np.asarray(encoder.encode_documents(["", "a"])).ravel().tolist() == [0, 1]


def test_a_text_that_is_refused_is_told_by_its_own_row(cache):
    """Known and equal texts before it do not count; what came before stays known."""
    encoder = cached(ToyEncoder(max_tokens=2, overflow="error"), cache)
    encoder.encode_documents(["a", "b"])
    with pytest.raises(TooLongError, match=r"^Text 4 has 3 words") as caught:
        encoder.encode_documents(["a", "c", "c", "b", "d e f"])
    assert caught.value.where == 4
    assert caught.value.args[0] == caught.value.message


def test_errors_of_the_model_pass(cache):
    """One without a row is the same object; nothing of the block is stored."""

    def failing(texts):
        raise OSError

    encoder = cached(FunctionEncoder(failing, name="f", version="1", dim=1), cache)
    with pytest.raises(EncodeError, match="'f' raised OSError"):
        encoder.encode_documents(["a"])
    assert cache.info().vectors == 0


def test_blocks_before_a_failure_are_kept(cache, monkeypatch):
    """A run that breaks off has lost one block at most."""
    monkeypatch.setattr(sys.modules["vicinal.encode.cache.cached"], "BLOCK_TEXTS", 2)

    def picky(texts):
        if "e" in texts:
            raise OSError
        return [[1]] * len(texts)

    encoder = cached(FunctionEncoder(picky, name="p", version="1", dim=1), cache)
    with pytest.raises(EncodeError):
        encoder.encode_documents(list("abcde"))
    assert cache.info().vectors == 4


def test_progress_counts_what_is_known_at_once(cache):
    """Three of eight rows are known, the rest comes in batches of one; equal rows count, and the end is the total."""
    toy = ToyEncoder(batch=1)
    encoder = cached(toy, cache)
    encoder.encode_documents(["a", "b"])
    told = []
    encoder.encode_documents(["a", "b", "b", "c", "c", "d", "e", "f"], progress=lambda *far: told.append(far))
    assert told == [(3, 8), (4, 8), (5, 8), (6, 8), (8, 8)]


def test_another_space_from_the_model_is_refused(cache):
    """An encoder that begins to give vectors of another space is found out before they are kept."""

    class Turncoat(ToyEncoder):
        def encode_documents(self, texts, *, progress=None):
            found = super().encode_documents(texts, progress=progress)
            return Vectors(np.asarray(found), replace(found.space, weights="other"))

    with pytest.raises(SpaceMismatchError):
        cached(Turncoat(), cache).encode_documents(["a"])
    assert cache.info().vectors == 0


def test_no_text_is_stored(cache, path):
    """Neither the file nor its log holds a word of it."""
    cached(ToyEncoder(), cache).encode_documents(["a very secret sentence"])
    for one in path.parent.iterdir():
        assert b"secret" not in one.read_bytes()


def test_the_digest_by_hand():
    """BLAKE2b of 16 bytes over all that the vector depends on, a zero byte, and the text."""
    import hashlib  # noqa: PLC0415 - for this test alone
    import json  # noqa: PLC0415 - for this test alone

    toy = ToyEncoder()
    head = json.dumps(["vicinal-encoding-1", toy.space.canonical(), "", "a proof", "query"]).encode() + b"\0"
    assert _digests(_head(toy, "query", "a proof"), ["é"]) == [
        hashlib.blake2b(head + "é".encode(), digest_size=16).digest()
    ]


def test_bits_come_back(cache):
    """Vectors of any floats, their order, their flags, in chunks of any size."""
    chance, count = np.random.default_rng(0), 2500
    names, numbers, flags = digests(count), vectors(count, 3), chance.random(count) < 0.3
    numbers[0] = [0.0, -0.0, np.finfo(np.float32).max]
    cache.add(names, numbers, flags)
    order = chance.permutation(count)
    found = cache.get([names[place] for place in order] + digests(5, 1), 3)
    assert found.found.tolist() == [True] * count + [False] * 5
    assert np.array_equal(found.vectors[:count].view(np.int32), numbers[order].view(np.int32))
    assert np.array_equal(found.cut[:count], flags[order])
    assert not found.vectors[count:].any()
    info = cache.info()
    assert (info.vectors, info.hits, info.misses, info.dropped) == (count, count, 5, 0)


def test_another_length_is_not_found(cache):
    """A vector is not taken for one with more or fewer numbers."""
    cache.add(digests(1), vectors(1, 4), np.array([False]))
    assert cache.get(digests(1), 5).found.sum() == 0


def test_what_is_known_stays_as_it_is(cache):
    """Adding the same digest again changes nothing."""
    one, other = vectors(1), vectors(1, seed=1)
    for numbers in (one, other):
        cache.add(digests(1), numbers, np.array([False]))
    assert np.array_equal(cache.get(digests(1), 64).vectors, one)
    assert cache.info().vectors == 1


def sizes(path):
    """Return the bytes of all files of a cache."""
    return sum(one.stat().st_size for one in path.parent.iterdir())


@pytest.mark.parametrize("dim", [8, 384, 1024, 5000])
def test_the_files_stay_below_the_limit(path, dim):
    """After each of many writes of four times the limit in all, the log and the index included; most room is used."""
    with EncodingCache(path, limit_bytes=2 * MIB) as cache:
        each = 4 * dim + 100
        portion = min(2 * MIB // 8 // each + 1, 3000)
        for number in range(min(8 * MIB // each // portion + 1, 25)):
            cache.add(digests(portion, number), vectors(portion, dim), np.zeros(portion, bool))
            assert sizes(path) <= 2 * MIB
        assert cache.info().passed == 0
        if dim > 8:
            assert cache.info().vectors * 4 * dim > 2 * MIB * 0.4


def test_the_least_recently_used_go_first(path):
    """Of what fills the cache twice, the part that was found again in between is still there, and the newest."""
    with EncodingCache(path, limit_bytes=4 * MIB) as cache:
        dim, portion = 1000, 50
        kept = digests(portion, "kept")
        cache.add(kept, vectors(portion, dim), np.zeros(portion, bool))
        for number in range(40):
            cache.add(digests(portion, number), vectors(portion, dim), np.zeros(portion, bool))
            cache.get(kept, dim)
        found = [cache.get(digests(portion, number), dim).found.sum() for number in range(40)]
        assert cache.get(kept, dim).found.sum() == portion
        assert found[0] == 0
        assert found[-1] == portion
        assert found == sorted(found)


def test_a_lower_limit_shrinks_the_file(path):
    """The next writes after opening with a lower limit give the room back to the disk, a quarter at a time."""
    with EncodingCache(path, limit_bytes=16 * MIB) as cache:
        cache.add(digests(2000), vectors(2000, 1000), np.zeros(2000, bool))
        assert sizes(path) > 6 * MIB
    with EncodingCache(path, limit_bytes=2 * MIB) as cache:
        for number in range(30):
            cache.add(digests(1, number), vectors(1, 1000), np.array([False]))
        assert cache.info().vectors > 2 * MIB / 4000 * 0.45
    assert sizes(path) <= 2 * MIB


def test_a_vector_larger_than_the_room_is_not_kept(path):
    """It is encoded each time, and nothing else is thrown out for it."""
    with EncodingCache(path, limit_bytes=MIB) as cache:
        cache.add(digests(1), vectors(1), np.array([False]))
        cache.add(digests(1, 1), vectors(1, 200_000), np.array([False]))
        assert cache.get(digests(1), 64).found.sum() == 1
        assert cache.get(digests(1, 1), 200_000).found.sum() == 0


def test_a_flipped_bit_in_a_vector_drops_the_row_alone(path):
    """The crc finds it: that text is encoded again, the others are known."""
    toy = ToyEncoder()
    with EncodingCache(path, limit_bytes=MIB) as cache:
        expected = np.asarray(cached(toy, cache).encode_documents(MANY))
    content = path.read_bytes()
    place = content.index(expected[7].tobytes())
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    again = ToyEncoder(batch=1)
    with EncodingCache(path, limit_bytes=MIB) as cache:
        assert np.array_equal(np.asarray(cached(again, cache).encode_documents(MANY)), expected)
        assert (again.batches, cache.info().dropped) == (1, 1)
        assert np.array_equal(np.asarray(cached(again, cache).encode_documents(MANY)), expected)
        assert (again.batches, cache.info().dropped) == (1, 1)


def test_rows_that_lead_astray_are_dropped(path):
    """Two digests whose rows were exchanged, and one whose row is gone, are not found, and are encoded again."""
    with EncodingCache(path, limit_bytes=MIB) as cache:
        cache.add(digests(4), vectors(4), np.zeros(4, bool))
    with sqlite3.connect(path) as db:
        keys = [int.from_bytes(one[:8], "big", signed=True) for one in digests(4)]
        db.execute("UPDATE keys SET row = 1 - row WHERE key IN (?, ?)", keys[:2])
        db.execute("UPDATE keys SET row = 99 WHERE key = ?", keys[2:3])
    db.close()
    with EncodingCache(path, limit_bytes=MIB) as cache:
        assert cache.get(digests(4), 64).found.tolist() == [False, False, False, True]
        cache.add(digests(4), vectors(4), np.zeros(4, bool))
        assert np.array_equal(cache.get(digests(4), 64).vectors, vectors(4))


@pytest.mark.parametrize("turn", range(40))
def test_a_damaged_file_gives_no_error_and_no_wrong_vector(path, turn):
    """Bytes overwritten, cut off, or put behind, anywhere: the vectors are right, and soon known again."""
    chance = random.Random(turn)
    texts = [f"text {number}" for number in range(300)]
    expected = np.asarray(ToyEncoder().encode_documents(texts))
    with EncodingCache(path, limit_bytes=MIB) as cache:
        cached(ToyEncoder(), cache).encode_documents(texts)
    content = bytearray(path.read_bytes())
    if turn % 4 == 3:
        content = content[: chance.randrange(len(content))]
    else:
        for _ in range(1 + 5 * (turn % 4)):
            place = chance.randrange(len(content)) if turn % 8 < 4 else chance.randrange(200)
            content[place : place + 16] = chance.randbytes(16)
    path.write_bytes(content)
    with EncodingCache(path, limit_bytes=MIB) as cache:
        encoder = cached(ToyEncoder(), cache)
        for _ in range(3):
            assert np.array_equal(np.asarray(encoder.encode_documents(texts)), expected)
        known = cache.info()
    toy = ToyEncoder()
    with EncodingCache(path, limit_bytes=MIB) as cache:
        cached(toy, cache).encode_documents(texts)
    assert toy.batches == 0 or known.dropped


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"SQLite format 3\0", b"x" * 40_000])
def test_a_file_of_ours_that_is_no_database_is_begun_anew(path, content):
    """The mark beside it says that the path is a cache's, whatever became of the file."""
    EncodingCache(path, limit_bytes=MIB).close()
    path.write_bytes(content)
    with EncodingCache(path, limit_bytes=MIB) as cache:
        cached(ToyEncoder(), cache).encode_documents(MANY)
        assert cache.info().vectors == len(MANY)


@pytest.mark.parametrize("written", ["NULL", "-1", "'x'", "9000000000000000000", "1.5"])
def test_a_damaged_clock_is_a_damaged_file(path, written):
    """A clock that no cache can have is found, and everything begun anew; so is one that went back."""
    with EncodingCache(path, limit_bytes=MIB) as cache:
        cache.add(digests(4), vectors(4), np.zeros(4, bool))
    for setting in (f"written = {written}" if written != "NULL" else "written = zeroblob(3)", "written = 1"):
        db = sqlite3.connect(path)
        db.execute(f"UPDATE clock SET {setting}")
        db.commit()
        db.close()
        with EncodingCache(path, limit_bytes=MIB) as cache:
            for salt in (1, 0, 0):
                cache.get(digests(4, salt), 64)
                cache.add(digests(4, salt), vectors(4), np.zeros(4, bool))
            assert np.array_equal(cache.get(digests(4), 64).vectors, vectors(4))


def test_another_format_is_begun_anew(path):
    """A cache of another version is of no use, and no error."""
    with EncodingCache(path, limit_bytes=MIB) as cache:
        cache.add(digests(1), vectors(1), np.array([False]))
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with EncodingCache(path, limit_bytes=MIB) as cache:
        assert (cache.info().vectors, cache.info().rebuilt) == (0, 1)


def test_what_is_no_cache_is_not_touched(tmp_path):
    """A file of the user's, a database of another program, a folder: refused by name, left as they are."""
    for name, content in (("notes.txt", b"my notes"), ("folder", None), ("other.sqlite", b"SQLite format 3\0" * 100)):
        place = tmp_path / name
        place.mkdir() if content is None else place.write_bytes(content)
        with pytest.raises(InputError, match="is no encoding cache"):
            EncodingCache(place, limit_bytes=MIB)
        assert content is None or place.read_bytes() == content
        assert not (tmp_path / f"{name}.lock").exists()


@pytest.mark.parametrize(("limit", "error"), [(0, RangeError), (MIB - 1, RangeError), (1e9, DtypeError)])
def test_a_limit_is_a_number_of_bytes(path, limit, error):
    """At least 1 MiB."""
    with pytest.raises(error, match="limit_bytes"):
        EncodingCache(path, limit_bytes=limit)


def test_a_path_that_cannot_be_written_is_done_without(tmp_path):
    """One warning; everything is encoded."""
    (tmp_path / "file").write_text("x")
    toy = ToyEncoder()
    with pytest.warns(FallbackWarning, match="is done without") as told:
        cache = EncodingCache(tmp_path / "file" / "below", limit_bytes=MIB)
    for _ in range(2):
        cached(toy, cache).encode_documents(["a"])
    assert toy.batches == 2
    assert len(told) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_forbids_writing_is_done_without(tmp_path):
    """The mode of the folder stands against it: no error."""
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.warns(FallbackWarning):
            EncodingCache(tmp_path / "cache", limit_bytes=MIB)
    finally:
        tmp_path.chmod(stat.S_IRWXU)


@pytest.mark.parametrize(
    ("code", "free", "meant"),
    [
        (sqlite3.SQLITE_BUSY, True, "busy"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, True, "busy"),
        (sqlite3.SQLITE_IOERR_READ, True, "refused"),
        (sqlite3.SQLITE_FULL, False, "refused"),
        (sqlite3.SQLITE_FULL, True, "damaged"),
        (sqlite3.SQLITE_CORRUPT_INDEX, True, "damaged"),
        (sqlite3.SQLITE_NOTADB, False, "damaged"),
        (None, True, "damaged"),
    ],
)
def test_what_an_error_of_the_file_means(code, free, meant):
    """By SQLite's primary code; a full disk that is not full is a damaged page number."""
    error = sqlite3.OperationalError("x")
    if code is not None:
        error.sqlite_errorcode = code
    assert tables.fault(error, free=free) == meant


def test_a_busy_file_is_not_waited_for(path, monkeypatch):
    """While another process writes, what is known is found, and what is new is not kept; no call waits for long."""
    monkeypatch.setattr(store, "PAUSE_S", 0.05)
    with EncodingCache(path, limit_bytes=MIB) as cache:
        toy = ToyEncoder()
        encoder = cached(toy, cache)
        encoder.encode_documents(["a"])
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        begun = time.perf_counter()
        encoder.encode_documents(["a", "b"])
        assert time.perf_counter() - begun < 1
        assert (toy.batches, cache.info().passed) == (2, 1)
        encoder.encode_documents(["a"])
        assert toy.batches == 2
        other.execute("ROLLBACK")
        other.close()
        time.sleep(0.06)
        encoder.encode_documents(["a", "b"])
        encoder.encode_documents(["a", "b"])
        assert toy.batches == 3


def test_a_writer_does_not_hold_up_reading(path):
    """Noting when a row was of use is left out while another process writes, without waiting."""
    with EncodingCache(path, limit_bytes=MIB) as cache:
        cache.add(digests(3), vectors(3), np.zeros(3, bool))
        cache._held.db.execute("UPDATE clock SET written = written + 1000000000")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        begun = time.perf_counter()
        assert cache.get(digests(3), 64).found.sum() == 3
        assert time.perf_counter() - begun < tables.BUSY_S / 2
        assert cache.info().passed == 0
        other.execute("ROLLBACK")
        other.close()


def test_a_damaged_file_that_another_holds_is_left_until_it_lets_go(path, monkeypatch):
    """Two users in one process: the first to find the damage cannot begin anew under the other, and goes on without."""
    monkeypatch.setattr(store, "PAUSE_S", 0.0)
    texts = [f"text {number}" for number in range(300)]
    expected = np.asarray(ToyEncoder().encode_documents(texts))
    one, other = EncodingCache(path, limit_bytes=MIB), EncodingCache(path, limit_bytes=MIB)
    cached(ToyEncoder(), one).encode_documents(texts)
    one._held.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    with path.open("r+b") as file:
        for start in range(0, path.stat().st_size, tables.PAGE_BYTES):
            file.seek(start)
            file.write(b"\xff" * 120)
    one._held.db.execute("PRAGMA shrink_memory")
    for _ in range(2):
        assert np.array_equal(np.asarray(cached(ToyEncoder(), one).encode_documents(texts)), expected)
    assert one.info().rebuilt == 0
    other.close()
    for _ in range(2):
        assert np.array_equal(np.asarray(cached(ToyEncoder(), one).encode_documents(texts)), expected)
    assert (one.info().rebuilt, one.info().vectors) == (1, 300)
    one.close()


def test_a_file_that_was_removed_is_made_again(cache, path):
    """A cache may be deleted at any time; the next call makes another."""
    encoder = cached(ToyEncoder(), cache)
    encoder.encode_documents(MANY)
    for one in path.parent.iterdir():
        one.unlink()
    encoder.encode_documents(MANY)
    toy = ToyEncoder()
    with EncodingCache(path, limit_bytes=MIB) as other:
        cached(toy, other).encode_documents(MANY)
    assert toy.batches == 0


def test_a_closed_cache_knows_nothing_and_keeps_nothing(path):
    """An encoder that still has it goes on; closing twice is no error."""
    cache = EncodingCache(path, limit_bytes=MIB)
    cache.close()
    cache.close()
    toy = ToyEncoder()
    for _ in range(2):
        cached(toy, cache).encode_documents(["a"])
    assert (toy.batches, cache.info().vectors) == (2, 0)


def test_many_threads_share_a_cache(cache):
    """Eight threads with overlapping texts get what one encoder gives, and most is encoded once."""
    toy = ToyEncoder(batch=1)
    encoder = cached(toy, cache)
    parts = [MANY[start:] + MANY[:start] for start in range(0, 50, 5)] * 3
    barrier = threading.Barrier(8)

    def work(texts):
        if not barrier.broken and barrier.n_waiting < 8:
            barrier.wait(timeout=10)
        return np.asarray(encoder.encode_documents(texts))

    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(work, parts[:24]))
    for texts, found in zip(parts, got, strict=False):
        assert np.array_equal(found, np.asarray(ToyEncoder().encode_documents(texts)))
    assert cache.info().vectors == 50


def test_a_forked_child_has_a_connection_of_its_own(cache, path):
    """What the child encodes the parent finds, and the parent's connection still works."""
    encoder = cached(ToyEncoder(), cache)
    encoder.encode_documents(["a"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, from Python 3.12 on
        child = os.fork()
    if not child:
        try:
            toy = ToyEncoder()
            cached(toy, cache).encode_documents(["a", "b"])
            os._exit(0 if toy.batches == 1 else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    toy = ToyEncoder()
    cached(toy, cache).encode_documents(["a", "b"])
    assert toy.batches == 0


def test_a_full_disk_is_done_without(path):
    """A child process that may write no file beyond 100 kB encodes everything, right, with one warning and no error."""
    texts = [f"text {number}" for number in range(3000)]
    child = os.fork()
    if not child:
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
            with warnings.catch_warnings(record=True) as told, EncodingCache(path, limit_bytes=8 * MIB) as full:
                warnings.simplefilter("always")
                got = [np.asarray(cached(ToyEncoder(), full).encode_documents(texts)) for _ in range(2)]
            expected = np.asarray(ToyEncoder().encode_documents(texts))
            right = all(np.array_equal(one, expected) for one in got)
            os._exit(0 if right and [one.category for one in told] == [FallbackWarning] else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0


def test_a_relative_path_is_that_of_the_beginning(tmp_path, monkeypatch):
    """A change of the folder afterwards does not lead to another file."""
    monkeypatch.chdir(tmp_path)
    with EncodingCache("here", limit_bytes=MIB) as cache:
        monkeypatch.chdir("/")
        assert cache.path == tmp_path / "here"
