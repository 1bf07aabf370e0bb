"""Words are taken apart as fastText takes them apart: against numbers of its own, and by hand.

TINY is a file that fastText 0.9.2 wrote, and VECTORS are what its ``get_word_vector`` and ``get_subwords`` gave. It was
trained with dim=3, bucket=24, minCount=1, minn=2, maxn=4, epoch=3000, lr=.2, t=1, thread=1, ws=2, neg=2 on twenty times the
lines "the cat sat on köln", "東京 the cat 🙂" and "the dog sat".
"""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest

from vicinal.models.words import Ngrams, open_words
from vicinal.models.words.ngrams import fnv

TINY = (
    "eNrbJeavz8PAwMAMxExAvIObgYERyobRICwBpVmAOIUBBj7YcwJJTihPmxFC/4eCkoxUBhuYUhv9YjsGaxgvObGEQQPGKUbm5OcxiMDY2Ye3"
    "5SBxn83d+GTXGgT/w/yZTQheSn46gsOgCKWZobRBdMuB93VWDlvF+Q8s/bRiv0wQy4GZHHv2s/A931f+bbO9pTbX/urL+/ZP/53s4LLD4IBn"
    "TtP+vBZf+2ZepgMb5AwcCr9cO3AvlcvhWdfJA8d3idmfmbXW4dERBsdKX4P9LyefPOBxU8VhqoPugd1txx1+HOndrynQdMByK4edpO+S/Xfe"
    "xO4tm9nmwIAE0qbdO/Av5J/946MTUdSnFkvZ33zyYP/MX7v3I7thUYaKvY1z64G0ubb7xX9u2rdf18Te8hDzgVqHgweSFjU6GAk8tf/PUH7g"
    "6wlNB/dbjAcWlXk7hN7qO3CsYwaKvYfu+Dg8+OF10OzHeRTxxoyF9hPfeR447Sm5XyRWY3/zt032u1fF7f/OxubgZr7qgGfZUnvpQ1f2bXUt"
    "2a/KlXDgaW+pw79puw9sj93iEOx23J513+f95+rbHDKa/+xn+cl7IGKyjmMzp8DB9bwrHNaeELdre5O9b9+GTAf+f3ft4QkGFjn3L62yN9JV"
    "c2j7ucJ+baifw017J3v/ExF2T/9W7Lu164td6TSZfVu2c9qlnjXZ+/Z62V4Rud32Z0+67Am/lro/LifDwfjcfjv5muYDf8Kb9k8+sdxBi4Hn"
    "QFbk7X3OSsftp9R/2r9mD+v+03/u20dyvdoPAJpuC/8="
)
VECTORS = {
    "the": ((-3.465809, -0.371145, 0.641152), (0, 22, 16, 31, 10, 13, 31, 31, 9, 19)),
    "köln": ((1.368477, -5.014645, 1.442768), (5, 9, 22, 20, 16, 26, 14, 17, 27, 13, 24, 28, 22)),
    "東京": ((-4.090801, 0.296685, 4.91299), (6, 30, 30, 18, 16, 12, 18)),
    "</s>": ((-1.319905, -2.067512, -1.469012), (1,)),
    "cats": ((0.706418, -2.262722, 0.771923), (25, 20, 14, 26, 32, 13, 17, 26, 22, 17, 11, 21)),
    "Ölköln": (
        (-0.199185, -2.401048, 1.112395),
        (11, 11, 12, 25, 10, 17, 17, 22, 12, 16, 26, 14, 17, 27, 13, 24, 28, 22),
    ),
    "🙂🙂": ((-1.597908, -1.151541, 2.941736), (18, 16, 20, 18, 30, 16)),
    "q": ((-0.456162, 0.502208, -1.363601), (15, 17, 23)),
    "京": ((-0.81091, 0.613434, 3.053438), (28, 32, 18)),
}


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Return the file of fastText's own making, opened."""
    monkeypatch.setenv("VICINAL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "tiny.bin").write_bytes(zlib.decompress(base64.b64decode(TINY)))
    return open_words(tmp_path / "tiny.bin")


def test_the_hash_is_fnv_1a_with_signed_bytes():
    """By hand for one byte: (start ^ byte) * factor in 32 bits, a byte above 127 as a negative number."""
    assert fnv(b"") == 2_166_136_261
    assert fnv(b"a") == ((2_166_136_261 ^ 0x61) * 16_777_619) % 2**32 == 0xE40C292C
    assert fnv(b"\xe4") == ((2_166_136_261 ^ 0xFFFFFFE4) * 16_777_619) % 2**32
    assert fnv(b"bc", fnv(b"a")) == fnv(b"abc")


def test_ngrams_by_hand():
    """<ab> has ``<a ab b>`` of two and ``<ab ab>`` of three; a single mark of an end is none, a single letter is one."""
    rows = Ngrams(low=2, high=3, buckets=1 << 32, first=0).rows("ab")
    assert rows == [fnv(gram) for gram in (b"<a", b"<ab", b"ab", b"ab>", b"b>")]
    assert Ngrams(low=1, high=1, buckets=1 << 32, first=7).rows("é<") == [7 + fnv("é".encode()), 7 + fnv(b"<")]
    assert Ngrams(low=3, high=2, buckets=9, first=0).rows("word") == []
    assert Ngrams(low=1, high=6, buckets=9, first=0).rows("</s>") == []
    assert Ngrams(low=0, high=9, buckets=1 << 32, first=0).rows("") == [fnv(b"<>")]


@pytest.mark.parametrize("word", VECTORS)
def test_rows_and_vectors_are_those_of_fasttext(tiny, word):
    """Known and unknown words, in ASCII and beyond: the same rows in the same order, and their mean."""
    vector, rows = VECTORS[word]
    own = [tiny.words.index(word)] if word in tiny.words else []
    assert (*own, *tiny.ngrams.rows(word)) == rows
    assert np.allclose(tiny.table[list(rows)].astype(np.float64).mean(axis=0), vector, atol=1e-6)


def test_words_and_counts_are_those_of_fasttext(tiny):
    """By falling frequency, the end of a sentence among them."""
    assert tiny.words == ("the", "</s>", "cat", "sat", "on", "köln", "東京", "🙂", "dog")
    assert tiny.counts.tolist() == [60, 59, 40, 40, 20, 20, 20, 20, 20]
    assert tiny.total == 299
