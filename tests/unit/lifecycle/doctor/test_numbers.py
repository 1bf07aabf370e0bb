"""Each number of the doctor against its definition, worked plainly or by hand."""

from __future__ import annotations

import math
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vicinal import kernels
from vicinal.lifecycle.doctor import agreement, codecs, duplicates, geometry, hubness, hygiene, identity, languages
from vicinal.lifecycle.doctor.check import Limits
from vicinal.types import Floats

SEEDS = st.integers(0, 1 << 20)
VARIANCES = hnp.arrays(np.float64, st.integers(2, 12), elements=st.floats(0.001, 10))


def unit(seed: int, count: int = 30, dim: int = 5) -> Floats:
    """Return random vectors at unit length, not around zero."""
    rows = np.random.default_rng(seed).standard_normal((count, dim)) + 0.3
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@given(SEEDS)
def test_the_mean_cosine_is_that_of_all_pairs(seed: int) -> None:
    """One pass over the sum gives the mean over every pair of two."""
    rows = unit(seed)
    plain = np.mean([rows[one] @ rows[two] for one, two in combinations(range(len(rows)), 2)])
    assert geometry.mean_cosine(rows) == pytest.approx(plain, abs=1e-5)


@given(SEEDS)
def test_uniformity_and_alignment_are_their_equations(seed: int) -> None:
    """log E exp(-2 |x - y|^2) over pairs, and E |x - y|^2 over those that belong together (arXiv 2005.10242)."""
    rows = unit(seed)
    gaps = [float(((rows[one] - rows[two]) ** 2).sum()) for one, two in combinations(range(len(rows)), 2)]
    found = geometry.uniformity(geometry.pair_cosines(rows))
    assert found == pytest.approx(math.log(np.mean([math.exp(-2 * gap) for gap in gaps])), abs=1e-5)
    plain = np.mean([((one.astype(float) - two) ** 2).sum() for one, two in zip(rows[:10], rows[10:20], strict=True)])
    assert geometry.alignment(rows[:10], rows[10:20]) == pytest.approx(plain, abs=1e-6)


@given(VARIANCES)
def test_isoscore_is_its_algorithm(variances: np.ndarray) -> None:
    """The six steps of the paper (arXiv 2108.07344) give what the participation ratio gives at once."""
    dim = len(variances)
    normalised = math.sqrt(dim) * variances / np.linalg.norm(variances)
    defect = np.linalg.norm(normalised - 1) / math.sqrt(2 * (dim - math.sqrt(dim)))
    utilised = (dim - defect**2 * (dim - math.sqrt(dim))) ** 2 / dim**2
    plain = (dim * utilised - 1) / (dim - 1)
    assert geometry.isoscore(variances) == pytest.approx(plain, abs=1e-9)
    assert -1e-9 <= geometry.isoscore(variances) <= 1 + 1e-9


def test_ranks_by_hand() -> None:
    """Equal variances: all directions, whatever is asked. 2, 1, 1: 16 / 6 of 3, and exp(1.5 log 2) = 2^1.5."""
    for count in (1, 2, 7):
        same = np.full(count, 0.5)
        assert geometry.participation_ratio(same) == pytest.approx(count)
        assert geometry.effective_rank(same) == pytest.approx(count)
        assert geometry.isoscore(same) == pytest.approx(1)
    uneven = np.array([2.0, 1.0, 1.0])
    assert geometry.participation_ratio(uneven) == pytest.approx(16 / 6)
    assert geometry.effective_rank(uneven) == pytest.approx(2**1.5)
    assert geometry.isoscore(np.array([3.0, 0.0, 0.0])) == 0


@given(SEEDS)
def test_the_spectrum_is_that_of_the_covariance(seed: int) -> None:
    """Values and directions: each direction times the covariance is the direction times its value; the way of the wide too."""
    rows = unit(seed, count=40, dim=6)
    covariance = np.cov(rows.T)
    narrow = geometry.spectrum(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(geometry, "WIDEST", 5)
        wide = geometry.spectrum(np.repeat(rows, 1, axis=0)[:5])
    assert narrow.values == pytest.approx(np.sort(np.linalg.eigvalsh(covariance))[::-1], abs=1e-5)
    for value, direction in zip(narrow.values, narrow.directions, strict=True):
        assert covariance @ direction == pytest.approx(value * direction, abs=1e-4)
    assert wide.values[:4] == pytest.approx(np.sort(np.linalg.eigvalsh(np.cov(rows[:5].T)))[::-1][:4], abs=1e-5)
    assert float(narrow.shares.sum()) == pytest.approx(1, abs=1e-5)


@given(SEEDS, st.integers(1, 6))
def test_hubs_are_counted_as_by_hand(seed: int, k: int) -> None:
    """N_k of each vector: how many others have it among the k with the largest cosines, equal ones by their number."""
    rows = unit(seed, count=25)
    plain = np.zeros(len(rows), dtype=int)
    for one in range(len(rows)):
        others = sorted(
            (other for other in range(len(rows)) if other != one), key=lambda other: (-exact(rows, one, other), other)
        )
        plain[others[:k]] += 1
    counts = hubness.hub_counts(hubness.neighbors_of(rows, k=k), len(rows))
    assert counts.tolist() == plain.tolist()
    assert counts.sum() == k * len(rows)


def exact(rows: Floats, one: int, other: int) -> float:
    """Return a dot product as the kernels add it."""
    return float(kernels.exact.scores_of(rows[other : other + 1], rows[one], "dot")[0])


def test_a_single_hub_is_seen_among_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more vectors than are compared with one another, all are looked at by some: one that is near to all is named."""
    monkeypatch.setattr(hubness, "ASKED", 60)
    random = np.random.default_rng(0)
    rows = random.standard_normal((900, 40)) + 3
    rows[777] = rows.mean(axis=0)
    rows = np.ascontiguousarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)
    counts, asked = hubness.asked_counts(rows, seed=0)
    plain = np.argsort(-(rows @ rows.T - 3 * np.eye(900)), axis=1)[:, :10]
    chosen = np.sort(np.random.default_rng(0).permutation(900)[:60])
    assert (asked, counts.tolist()) == (60, np.bincount(plain[chosen].ravel(), minlength=900).tolist())
    found = hubness.check_largest(counts, asked, [f"r{row}" for row in range(900)])
    assert (found.state, found.details["id"]) == ("alarm", "r777")
    assert found.value == pytest.approx((found.details["times"] - 2 * math.sqrt(found.details["times"])) / (600 / 900))


def test_copies_do_not_hide_one_another() -> None:
    """With more copies of a vector than places each still has k others, and none itself."""
    rows = np.ones((30, 4), dtype=np.float32) / 2
    found = hubness.neighbors_of(rows, k=3)
    assert found.shape == (30, 3)
    assert (found != np.arange(30)[:, None]).all()


@given(hnp.arrays(np.int64, st.integers(2, 40), elements=st.integers(0, 50)))
def test_skewness_and_robin_hood_are_their_definitions(counts: np.ndarray) -> None:
    """The third moment over the cube of the deviation; half of what is above or below k, of all places."""
    mean, spread = counts.mean(), counts.std()
    plain = 0.0 if spread == 0 else np.mean([(one - mean) ** 3 for one in counts]) / spread**3
    assert hubness.skewness(counts) == pytest.approx(plain, abs=1e-9)
    plain = 0.5 * sum(abs(int(one) - 10) for one in counts) / (len(counts) * 10)
    assert hubness.robin_hood(counts, 10) == pytest.approx(plain)


def test_skewness_by_hand() -> None:
    """Counts 0, 0, 0, 4: mean 1, deviations -1, -1, -1, 3; 24 / 4 over 3 to the power of 1.5."""
    assert hubness.skewness(np.array([0, 0, 0, 4])) == pytest.approx(6 / 3**1.5)
    assert hubness.robin_hood(np.array([0, 0, 0, 4]), 1) == pytest.approx(0.75)


@given(st.lists(st.sampled_from([b"", b"a", b"b", b"c"]), max_size=30))
def test_repeats_are_counted_as_by_hand(digests: list[bytes]) -> None:
    """A text is a repeat if an earlier one is equal; blank ones are none."""
    plain = sum(one != b"" and one in digests[:place] for place, one in enumerate(digests))
    count, groups = duplicates.repeated(digests)
    assert count == plain
    assert all(len(group) > 1 and len({digests[place] for place in group}) == 1 for group in groups)


@given(SEEDS)
def test_the_nearest_other_is_found(seed: int) -> None:
    """The largest cosine with any but itself; a copy of itself is another one."""
    rows = np.concatenate([unit(seed, count=20), unit(seed, count=3)])
    asked = np.arange(len(rows))
    others, cosines = duplicates.nearest_others(rows, asked)
    plain = rows @ rows.T
    np.fill_diagonal(plain, -2)
    assert cosines == pytest.approx(plain.max(axis=1), abs=1e-5)
    assert (others != asked).all()


@given(hnp.arrays(np.float32, st.integers(4, 60), elements=st.floats(-4, 4, width=16)))
def test_the_split_is_the_best_of_all(values: np.ndarray) -> None:
    """No cut of the sorted numbers has a larger variance between its groups."""
    found = identity.split(values)
    ordered = np.sort(values.astype(np.float64))
    best = max(_between(ordered, cut) for cut in range(1, len(ordered)))
    assert (
        _between(ordered, int((values <= found.at).sum())) >= best - 1e-6 * max(1, abs(best))
        or len(set(values.tolist())) == 1
    )
    assert found.share <= 0.5 or len(set(values.tolist())) == 1


def _between(ordered: np.ndarray, cut: int) -> float:
    low, high = ordered[:cut], ordered[cut:]
    return float(len(low) * len(high) * (low.mean() - high.mean()) ** 2) if len(low) and len(high) else 0.0


def test_two_humps_are_told_from_one() -> None:
    """One normal hump is 2.65 wide and a uniform one 3.46, as worked in the docstring; two of them are as far as they are."""
    random = np.random.default_rng(0)
    assert identity.split(random.standard_normal(100_000)).distance == pytest.approx(2.65, abs=0.05)
    assert identity.split(random.random(100_000)).distance == pytest.approx(3.46, abs=0.05)
    two = np.concatenate([random.standard_normal(9500), 12 + random.standard_normal(500)])
    found = identity.split(two)
    assert found.distance == pytest.approx(12, abs=0.3)
    assert found.share == pytest.approx(0.05, abs=1e-6)


@given(st.lists(st.floats(-5, 5, width=16), min_size=3, max_size=40))
def test_robust_scores_are_their_definition(values: list[float]) -> None:
    """The distance to the median over 1.4826 times the median of the distances; nothing where half are equal."""
    array = np.array(values, dtype=np.float32)
    spread = 1.4826 * np.median(np.abs(array - np.median(array)))
    plain = np.zeros(len(array)) if spread < hygiene.LENGTH_SLACK else (array - np.median(array)) / spread
    assert hygiene.robust_scores(array) == pytest.approx(plain, rel=1e-4, abs=1e-4)


@given(SEEDS)
def test_what_codes_keep_is_counted_as_by_hand(seed: int) -> None:
    """The share of the true columns among those that were found."""
    random = np.random.default_rng(seed)
    true = np.stack([random.permutation(30)[:10] for _ in range(6)])
    found = np.stack([random.permutation(30)[:12] for _ in range(6)])
    plain = np.mean([len(set(one) & set(two)) / 10 for one, two in zip(true.tolist(), found.tolist(), strict=True)])
    assert codecs.found_share(true, found) == pytest.approx(plain)


@given(SEEDS)
def test_four_bits_are_within_half_a_step(seed: int) -> None:
    """No component is further away than half of a seventh of the vector's largest; zeros stay."""
    rows = unit(seed)
    rows[3] = 0
    steps = np.abs(rows).max(axis=1, keepdims=True) / 7
    assert (np.abs(codecs.four_bits(rows) - rows) <= steps / 2 + 1e-6).all()
    assert not codecs.four_bits(rows)[3].any()


def test_words_and_bags() -> None:
    """Texts of the same words have a cosine of 1, of none in common nearly 0; scripts without spaces give pairs of letters."""
    assert agreement.words_of("The cat, the Mat.") == {"the", "cat", "mat"}
    assert agreement.words_of("東京都 x") == {"東京", "京都", "x"}
    assert agreement.words_of("...") == set()
    found = agreement.bags(
        ["red apple tree", "tree apple red", "blue river stone", "", *(f"w{one} v{one}" for one in range(20))]
    )
    assert float(found[0] @ found[1]) == pytest.approx(1, abs=1e-5)
    assert abs(float(found[0] @ found[2])) < 0.2
    assert not found[3].any()


def test_agreement_knows_whose_vectors_these_are() -> None:
    """Vectors that are the bags themselves agree; the same in another order do not."""
    random = np.random.default_rng(0)
    topics = [[f"t{topic}w{word}" for word in range(12)] for topic in range(20)]
    texts = [" ".join(random.choice(topics[random.integers(0, 20)], 8)) for _ in range(600)]
    vectors = agreement.bags(texts)
    assert agreement.agreement(texts, vectors, seed=0).none.mean() == 0
    mixed = agreement.agreement(texts, vectors[random.permutation(len(texts))], seed=0)
    assert mixed.none.mean() > 0.4


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("hello", "Latin"),
        ("Привет, мир", "Cyrillic"),
        ("ab東京都です", "Japanese"),
        ("東京都庁", "Han"),
        ("42 %", ""),
        ("", ""),
        ("Où ça", "accented Latin"),
        ("naive words, and one café among many others", "Latin"),
        ("สวัสดี", "Thai"),
    ],
)
def test_scripts(text: str, script: str) -> None:
    """The script of most letters; the order of equal ones is that of their names; no letters, no script."""
    assert languages.script_of(text) == script


@given(st.text(max_size=60))
def test_a_script_is_that_of_most_letters(text: str) -> None:
    """Counted letter by letter it is the same, whatever the text; Han beside Japanese letters is Japanese."""
    counts: dict[str, int] = {}
    for letter in text:
        if letter.isalpha():
            counts[languages._script(letter)] = counts.get(languages._script(letter), 0) + 1
    if "Japanese" in counts:
        counts["Japanese"] += counts.pop("Han", 0)
    plain = max(counts, key=lambda one: (counts[one], one)) if counts else ""
    accents = sum(not letter.isascii() and letter.isalpha() and languages._script(letter) == "Latin" for letter in text)
    if plain == "Latin" and accents > 0.05 * counts["Latin"]:
        plain = "accented Latin"
    assert languages.script_of(text) == plain


def test_groups_and_their_crowding() -> None:
    """The language where one was told, else the script; the mean cosine within each, those of few texts left out."""
    told = languages.groups_of(["en", "", "", ""], ["Latin", "Thai", "", "Latin"])
    assert told == ["English", "Thai script", "", languages.UNTOLD]
    rows = np.eye(4, dtype=np.float32)[[0, 1] * 40 + [2] * 60 + [3] * 5 + [3] * 90]
    groups = ["English"] * 80 + ["Thai script"] * 60 + ["German"] * 5 + [languages.UNTOLD] * 90
    found = languages.crowding(rows, groups)
    assert list(found) == ["English", "Thai script"]
    assert found["Thai script"] == (60, pytest.approx(1))
    assert found["English"][1] == pytest.approx((2 * 40 * 39) / (80 * 79))


@pytest.mark.parametrize(
    ("limits", "value", "state"),
    [
        (Limits(notice=1, alarm=2), 1, "ok"),
        (Limits(notice=1, alarm=2), 1.5, "notice"),
        (Limits(notice=1, alarm=2), 2.5, "alarm"),
        (Limits(notice=1, alarm=0.5, below=True), 1, "ok"),
        (Limits(notice=1, alarm=0.5, below=True), 0.7, "notice"),
        (Limits(notice=1, alarm=0.5, below=True), 0.4, "alarm"),
        (Limits(alarm=0), 0, "ok"),
        (Limits(), 1e9, "ok"),
    ],
)
def test_limits(limits: Limits, value: float, state: str) -> None:
    """A value on a limit is still on its good side; without limits everything is well."""
    assert limits.state(value) == state


def test_every_pair_of_states_is_ordered() -> None:
    """Alarms come first, then notices, what is well, what was skipped; within them families by worth."""
    from vicinal.lifecycle.doctor.check import FAMILIES, STATES, Check, in_order  # noqa: PLC0415 - beside its use

    every = [
        Check(name=f"{family} {state}", family=family, state=state, told="") for family in FAMILIES for state in STATES
    ]
    expected = [(state, family) for state in STATES for family in FAMILIES]
    for shuffled in (every, every[::-1], *map(list, list(permutations(every[:4]))[:3])):
        found = [(one.state, one.family) for one in in_order(shuffled)]
        assert found == sorted(found, key=expected.index)
