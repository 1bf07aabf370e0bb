"""What every index must do, tried on small worlds whose answers are worked out in float64.

Letters: N rows, Q queries, D components, K places.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vicinal.errors import SpaceMismatchError, UnsupportedError, VicinalError, VicinalWarning
from vicinal.space import Space, Vectors
from vicinal.testing.demand import require
from vicinal.types import Bits, Floats, Mask, Neighbors, Rows

ROWS = 4_800
"""Enough that an approximate index does not simply compare everything."""
DIM = 20
"""No multiple of 8."""
QUERIES = 24
K = 10
SCORE_TOLERANCE = 2e-5
"""Of the largest score: the last bits of a float32 sum."""
RECALL_SLACK = 0.06
"""How far a recall of 24 queries with 10 places may lie below the estimate: more than three of its standard errors."""
THREADS = 4
WORLDS = (("cosine", True, 0), ("cosine", True, 40), ("cosine", False, 40), ("dot", False, 0), ("l2", False, 40))
"""Metric, whether vectors have unit length, and clusters."""

Parts: TypeAlias = Sequence[tuple[int, Floats]]


class SearchableIndex(Protocol):
    """What an index must have; ``can`` names what it is able to do.

    ``exact``: nothing is missed. ``approximate scores``: a score is near the true one only.
    ``insert``: it has ``extended(parts)``. ``save``: it has ``save(folder, meta)`` and ``open(folder, parts, space)``.
    """

    @property
    def can(self) -> frozenset[str]:
        """What it is able to do."""
        ...

    @property
    def row_count(self) -> int:
        """The row number behind the last: the length of a mask."""
        ...

    def search(self, queries: Vectors, *, k: int, mask: Any = None) -> Neighbors:  # noqa: ANN401 - bools or bits
        """Return the k stored vectors most similar to each query."""
        ...


MakeIndex: TypeAlias = Callable[[Parts, Space], SearchableIndex]
"""Makes an index of parts; ``UnsupportedError`` says that it has no such metric."""


@dataclass(frozen=True, slots=True)
class World:
    """Stored vectors in parts with gaps between them, queries, and the true scores (Q, row_count) in float64."""

    name: str
    space: Space
    parts: Parts
    queries: Vectors
    scores: NDArray[np.float64]


def check_index(make_index: MakeIndex) -> None:
    """Run every check of this module on an index.

    Parameters
    ----------
    make_index : callable
        Takes parts and a space, and returns the index; called many times, with some thousand rows at most.

    Raises
    ------
    AssertionError
        The index breaks the contract; the message says where.
    """
    for check in INDEX_CHECKS:
        check(make_index)


def check_neighbors_are_found(make_index: MakeIndex) -> None:
    """Require the true neighbours, or as many as the answer's own estimate says, for every metric that there is."""
    for world, index in _worlds(make_index):
        with _quiet():
            found = index.search(world.queries, k=K)
        _require_true(world, index, found, K, None)


def check_cosine_of_unit_vectors_is_supported(make_index: MakeIndex) -> None:
    """Require the one metric that nearly every model has."""
    try:
        make_index([(0, _unit(_drawn(8, DIM)))], space_of(DIM))
    except UnsupportedError as error:
        message = "the cosine of unit vectors must be supported"
        raise AssertionError(message) from error


def check_equal_scores_ascend_by_row(make_index: MakeIndex) -> None:
    """Require that equal vectors come by ascending row, across parts and wherever their part was named."""
    same = _unit(_drawn(1, DIM, seed=3))
    others = _unit(_drawn(ROWS, DIM, seed=4))
    others[[5, 70, 71, 2000]] = same
    cut = ROWS // 2
    index = make_index([(cut, others[cut:]), (0, others[:cut])], space_of(DIM))
    with _quiet():
        found = index.search(Vectors(same, space_of(DIM)), k=6)
    if "approximate scores" in index.can:
        require(set(found.rows[0, :4].tolist()) == {5, 70, 71, 2000}, "equal vectors must all be found first")
    else:
        require(found.rows[0, :4].tolist() == [5, 70, 71, 2000], "equal scores must come by ascending row")
    _require_ordered(found)


def check_masks_are_kept(make_index: MakeIndex) -> None:
    """Require, with masks as booleans and as bits: none, empty, one row, a tenth, a half, and a neighbourhood."""
    for world, index in _worlds(make_index, (WORLDS[1], WORLDS[-1])):
        for mask in _masks(world):
            with _quiet():
                found = index.search(world.queries, k=K, mask=mask)
                as_bits = index.search(world.queries, k=K, mask=bits_of(mask))
            require(
                bool(mask[found.rows[found.rows >= 0]].all()), "a row that the mask leaves out must not be an answer"
            )
            require(np.array_equal(found.rows, as_bits.rows), "a mask of bits must do what one of booleans does")
            _require_true(world, index, found, K, mask)


def check_wrong_masks_are_refused(make_index: MakeIndex) -> None:
    """Require an error for a mask that is too short, or of another type."""
    index = make_index([(0, _unit(_drawn(100, DIM)))], space_of(DIM))
    query = Vectors(_unit(_drawn(1, DIM)), space_of(DIM))
    for wrong in (np.ones(99, np.bool_), np.ones(1, np.uint64), np.ones(100, np.float32), [True] * 100):
        _require_refused(lambda wrong=wrong: index.search(query, k=1, mask=wrong), VicinalError, "a wrong mask")  # type: ignore[misc]  # bound at once


def check_more_places_than_rows(make_index: MakeIndex) -> None:
    """Require every row once, then row -1 and score -inf, when k is above N."""
    vectors = _unit(_drawn(11, DIM))
    index = make_index([(3, vectors)], space_of(DIM))
    found = index.search(Vectors(vectors[:2], space_of(DIM)), k=30)
    require(found.rows.shape == found.scores.shape == (2, 30), "the shape must be (Q, k) whatever is stored")
    require(found.counts.tolist() == [11, 11], "all rows must be found")
    require(bool((np.sort(found.rows[:, :11], axis=1) == np.arange(3, 14)).all()), "every row must come once")
    require(
        bool((found.rows[:, 11:] == -1).all() and (found.scores[:, 11:] == -np.inf).all()), "places must stay unused"
    )


def check_many_places_are_filled(make_index: MakeIndex) -> None:
    """Require k answers when k is a third of N, and no row twice."""
    vectors = _unit(_drawn(ROWS, DIM))
    index = make_index([(0, vectors)], space_of(DIM))
    with _quiet():
        found = index.search(Vectors(vectors[:3], space_of(DIM)), k=ROWS // 3)
    require(bool((found.counts == ROWS // 3).all()), "k rows must be found where there are so many")
    require(all(len(set(rows)) == ROWS // 3 for rows in found.rows.tolist()), "no row may come twice")


def check_empty_in_empty_out_of_an_index(make_index: MakeIndex) -> None:
    """Require the shapes of any other answer without queries, and without rows."""
    vectors = _unit(_drawn(ROWS, DIM))
    none = make_index([(0, vectors)], space_of(DIM)).search(Vectors(vectors[:0], space_of(DIM)), k=3)
    require(none.rows.shape == none.scores.shape == (0, 3) and none.counts.shape == (0,), "no queries must give (0, k)")
    for parts in ([], [(0, vectors[:0])], [(7, vectors[:0]), (7, vectors[:0])]):
        found = make_index(parts, space_of(DIM)).search(Vectors(vectors[:2], space_of(DIM)), k=3)
        require(found.rows.tolist() == [[-1] * 3] * 2 and not found.counts.any(), "no rows must give unused places")


def check_other_spaces_are_refused(make_index: MakeIndex) -> None:
    """Require SpaceMismatchError for queries of another space, and an error for a bare array."""
    vectors = _unit(_drawn(ROWS, DIM))
    index = make_index([(0, vectors)], space_of(DIM))
    other = Vectors(vectors[:1], replace(space_of(DIM), pooling="another"))
    _require_refused(lambda: index.search(other, k=1), SpaceMismatchError, "another space")
    _require_refused(lambda: index.search(vectors[:1], k=1), VicinalError, "a bare array")  # type: ignore[arg-type]  # the wrong type is the check


def check_wrong_k_is_refused(make_index: MakeIndex) -> None:
    """Require an error for k below 1, no whole number, or a boolean."""
    vectors = _unit(_drawn(20, DIM))
    index = make_index([(0, vectors)], space_of(DIM))
    for wrong in (0, -1, 1.5, True, "3"):
        _require_refused(
            lambda wrong=wrong: index.search(Vectors(vectors[:1], space_of(DIM)), k=wrong),  # type: ignore[misc]  # bound at once
            VicinalError,
            f"k={wrong!r}",
        )


def check_inputs_are_not_modified(make_index: MakeIndex) -> None:
    """Require that parts, queries and masks may be read only, and are the same afterwards."""
    vectors, mask = _unit(_drawn(ROWS, DIM)), np.arange(ROWS) % 2 == 0
    before = vectors.copy(), mask.copy()
    vectors.flags.writeable = mask.flags.writeable = False
    index = make_index([(0, vectors)], space_of(DIM))
    with _quiet():
        index.search(Vectors(vectors[:5], space_of(DIM)), k=3, mask=mask)
        index.search(Vectors(vectors[:5], space_of(DIM)), k=3, mask=bits_of(mask))
    require(np.array_equal(vectors, before[0]) and np.array_equal(mask, before[1]), "the inputs must not be changed")


def check_answer_does_not_depend_on_batch(make_index: MakeIndex) -> None:
    """Require that a query gets the same rows alone, in company, and in another order."""
    vectors, asked = _unit(_drawn(ROWS, DIM)), _unit(_drawn(50, DIM, seed=9))
    index = make_index([(0, vectors)], space_of(DIM))
    with _quiet():
        together = index.search(Vectors(asked, space_of(DIM)), k=K)
        backwards = index.search(Vectors(asked[::-1], space_of(DIM)), k=K)
        alone = [index.search(Vectors(one[None], space_of(DIM)), k=K) for one in asked]
    require(np.array_equal(together.rows, backwards.rows[::-1]), "the order of the queries must not change an answer")
    require(
        np.array_equal(together.rows, np.concatenate([one.rows for one in alone])),
        "the company of a query must not change its answer",
    )


def check_threads_share_an_index(make_index: MakeIndex) -> None:
    """Require that searches from several threads at once give what they give alone."""
    vectors, asked = _unit(_drawn(ROWS, DIM)), _unit(_drawn(8, DIM, seed=9))
    index = make_index([(0, vectors)], space_of(DIM))

    def answer(_: int) -> Rows:
        return index.search(Vectors(asked, space_of(DIM)), k=K, mask=np.arange(ROWS) % 3 > 0).rows

    with _quiet():
        alone = answer(0)
        with ThreadPoolExecutor(THREADS) as pool:
            found = list(pool.map(answer, range(4 * THREADS)))
    require(all(np.array_equal(rows, alone) for rows in found), "threads must not disturb each other")


def check_extended_sees_every_row(make_index: MakeIndex) -> None:
    """Require, where it can, that an extended index finds new rows at once, few or many, and the old one stays."""
    space, vectors = space_of(DIM), _unit(_drawn(ROWS + 2_600, DIM, seed=5))
    asked = _unit(_drawn(QUERIES, DIM, seed=9))
    index = make_index([(0, vectors[:ROWS])], space)
    if "insert" not in index.can:
        return
    old, ends = index, (ROWS + 1, ROWS + 40, ROWS + 1_300, ROWS + 2_600)
    for end in ends:
        index = index.extended([(0, vectors[:ROWS]), (ROWS, vectors[ROWS:end])])  # type: ignore[attr-defined]  # it can
        require(index.row_count == end, "an extended index must count the new rows")
        with _quiet():
            rows = index.search(Vectors(vectors[end - 1 : end], space), k=1).rows
        require(rows.tolist() == [[end - 1]], f"row {end - 1} must be found when it has been added")
    with _quiet():
        require(
            int(old.search(Vectors(vectors[:20], space), k=5).rows.max()) < ROWS, "the old index must stay as it is"
        )
        found = index.search(Vectors(asked, space), k=K)
    _require_true(world_of("extended", space, [(0, vectors)], asked), index, found, K, None)


def check_rows_that_are_gone_are_no_answers(make_index: MakeIndex) -> None:
    """Require, where it can extend, that the rows of a part that was dropped do not come back."""
    space, vectors = space_of(DIM), _unit(_drawn(ROWS, DIM, seed=6))
    third = ROWS // 3
    parts = [(start, vectors[start : start + third]) for start in (0, third, 2 * third)]
    index = make_index(parts, space)
    if "insert" not in index.can:
        return
    moved = [parts[0], parts[2], (ROWS, parts[1][1].copy())]
    index = index.extended(moved)  # type: ignore[attr-defined]  # it can
    mask = held_rows(moved, index.row_count)
    with _quiet():
        found = index.search(Vectors(parts[1][1][:20], space), k=5, mask=mask)
    require(bool(mask[found.rows].all()), "a row of a dropped part must not be an answer")
    require(
        found.rows[:, 0].tolist() == list(range(ROWS, ROWS + 20)), "a row that moved must be found in its new place"
    )


def check_save_open_same_answers(make_index: MakeIndex) -> None:
    """Require, where it can be saved, the same answers afterwards, and None for a folder without one or another space."""
    vectors, asked, space = _unit(_drawn(ROWS, DIM)), _unit(_drawn(20, DIM, seed=9)), space_of(DIM)
    index: Any = make_index([(0, vectors)], space)
    if "save" not in index.can:
        return
    with tempfile.TemporaryDirectory() as name, _quiet():
        folder = Path(name) / "kept"
        require(type(index).open(folder, [(0, vectors)], space) is None, "a folder without an index must give None")
        index.save(folder, {"lane": 7})
        opened = type(index).open(folder, [(0, vectors)], space, lambda meta: meta.get("lane") == 7)  # noqa: PLR2004 - as above
        require(opened is not None, "what was saved must be opened")
        before, after = (one.search(Vectors(asked, space), k=K) for one in (index, opened))
        require(np.array_equal(before.rows, after.rows), "what was saved must give the same rows")
        require(np.array_equal(before.scores, after.scores), "what was saved must give the same scores")
        other = replace(space, pooling="another")
        require(type(index).open(folder, [(0, vectors)], other) is None, "an index of another space must not be opened")
        refused = type(index).open(folder, [(0, vectors)], space, lambda _: False)
        require(refused is None, "what is not accepted must not be opened")


INDEX_CHECKS: tuple[Callable[[MakeIndex], None], ...] = (
    check_neighbors_are_found,
    check_cosine_of_unit_vectors_is_supported,
    check_equal_scores_ascend_by_row,
    check_masks_are_kept,
    check_wrong_masks_are_refused,
    check_more_places_than_rows,
    check_many_places_are_filled,
    check_empty_in_empty_out_of_an_index,
    check_other_spaces_are_refused,
    check_wrong_k_is_refused,
    check_inputs_are_not_modified,
    check_answer_does_not_depend_on_batch,
    check_threads_share_an_index,
    check_extended_sees_every_row,
    check_rows_that_are_gone_are_no_answers,
    check_save_open_same_answers,
)


def space_of(dim: int, metric: str = "cosine", *, normalized: bool = True) -> Space:
    """Return a space for worlds of vectors that no model made."""
    return Space(
        weights="world",
        architecture="world",
        tokenizer="world",
        pooling="none",
        max_tokens=8,
        overflow="cut",
        full_dim=dim,
        dim=dim,
        normalized=normalized,
        metric=metric,
    )


def bits_of(mask: Mask) -> Bits:
    """Return booleans as bits: row r is bit r % 64 of word r // 64."""
    padded = np.zeros(-(-len(mask) // 64) * 64, dtype=np.bool_)
    padded[: len(mask)] = mask
    return np.packbits(padded, bitorder="little").view("<u8").astype(np.uint64)


def held_rows(parts: Parts, row_count: int) -> Mask:
    """Return which row numbers are in a part."""
    held = np.zeros(row_count, dtype=np.bool_)
    for first, vectors in parts:
        held[first : first + len(vectors)] = True
    return held


def world_of(name: str, space: Space, parts: Parts, asked: Floats) -> World:
    """Return a world, its scores worked out in float64: -inf where there is no row."""
    row_count = max((first + len(vectors) for first, vectors in parts), default=0)
    scores = np.full((len(asked), row_count), -np.inf)
    for first, vectors in parts:
        scores[:, first : first + len(vectors)] = _true_scores(vectors, asked, space)
    return World(name, space, parts, Vectors(asked, space), scores)


def _true_scores(vectors: Floats, asked: Floats, space: Space) -> NDArray[np.float64]:
    """Return the scores (Q, N) as the metric defines them."""
    stored, queries = vectors.astype(np.float64), asked.astype(np.float64)
    scores: NDArray[np.float64] = queries @ stored.T
    if space.metric == "l2":
        scores = 2 * scores - (stored**2).sum(axis=1) - (queries**2).sum(axis=1)[:, None]
    elif space.metric == "cosine" and not space.normalized:
        lengths = np.linalg.norm(queries, axis=1)[:, None] * np.linalg.norm(stored, axis=1)
        scores = np.divide(scores, lengths, out=np.zeros_like(scores), where=lengths > 0)
    return scores


def _worlds(
    make_index: MakeIndex, kinds: Sequence[tuple[str, bool, int]] = WORLDS
) -> Iterator[tuple[World, SearchableIndex]]:
    """Go through worlds, random (0 clusters) and clustered, of every metric that the index has, with an index each."""
    for metric, normalized, clusters in kinds:
        space = space_of(DIM, metric, normalized=normalized)
        vectors = _clustered(ROWS + QUERIES, DIM, clusters)
        vectors = _unit(vectors) if normalized else vectors
        if not normalized:
            vectors[[10, ROWS // 2]] = 0
        stored, asked = vectors[:ROWS], vectors[ROWS:]
        third = ROWS // 3
        parts = [(2 * third + 70, stored[2 * third :]), (5, stored[:third]), (third + 5, stored[third : 2 * third])]
        try:
            index = make_index(parts, space)
        except UnsupportedError:
            continue
        yield world_of(f"{metric}, {'clustered' if clusters else 'random'}", space, parts, asked), index


def _masks(world: World) -> list[Mask]:
    """Return masks: nothing, one row, a tenth, a half, and those nearest to the first query."""
    count = world.scores.shape[1]
    draw = np.random.default_rng(12).random((count,))
    alive, none = held_rows(world.parts, count), np.zeros(count, dtype=np.bool_)
    one, near = none.copy(), none.copy()
    one[world.parts[0][0] + 1] = True
    near[np.argsort(-world.scores[0])[: ROWS // 3]] = True
    return [none, one, alive & (draw < 0.1), alive & (draw < 0.5), near]  # noqa: PLR2004 - the shares


def _require_true(world: World, index: SearchableIndex, found: Neighbors, k: int, mask: Mask | None) -> None:
    """Require what an answer says: its shape and order, its scores, and its recall."""
    _require_ordered(found)
    scores = world.scores if mask is None else np.where(mask, world.scores, -np.inf)
    open_count = int((scores[0] > -np.inf).sum())
    places = min(k, open_count)
    where = f"{world.name}{'' if mask is None else f', {open_count} rows let through'}"
    require(bool((found.counts == places).all()), f"{where}: as many as are there must be found, up to k")
    if not places:
        return
    rows = found.rows[:, :places]
    true = np.take_along_axis(scores, rows, axis=1)
    require(bool(np.isfinite(true).all()), f"{where}: an answer must be a row that is there and let through")
    tolerance = SCORE_TOLERANCE * max(1.0, float(np.abs(scores[np.isfinite(scores)]).max()))
    if "approximate scores" not in index.can:
        far = float(np.abs(found.scores[:, :places] - true).max())
        require(far <= tolerance, f"{where}: the scores must be those of the metric, one is {far:.1e} away")
    best = -np.sort(-scores, axis=1)[:, :places]
    if "exact" in index.can:
        require(bool((np.abs(true - best) <= tolerance).all()), f"{where}: an exact index must miss nothing")
        return
    reached = float((true >= best[:, -1:] - tolerance).mean())
    require(
        reached >= found.recall_estimate - RECALL_SLACK,
        f"{where}: the recall must be near the estimate {found.recall_estimate:.3f}, is {reached:.3f}",
    )


def _require_ordered(found: Neighbors) -> None:
    """Require types, descending scores, no row twice, and unused places at the end."""
    require(found.rows.dtype == found.counts.dtype == np.int64, "rows and counts must be int64")
    require(found.scores.dtype == np.float32, "scores must be float32")
    for place, count in enumerate(found.counts.tolist()):
        rows: list[int] = found.rows[place].tolist()
        scores: list[float] = found.scores[place].tolist()
        require(len(set(rows[:count])) == count and min(rows[:count], default=0) >= 0, "no row may come twice")
        require(set(rows[count:]) <= {-1} and set(scores[count:]) <= {-np.inf}, "unused places hold row -1, score -inf")
        pairs = [(-score, row) for score, row in zip(scores[:count], rows[:count], strict=True)]
        require(pairs == sorted(pairs), "scores must descend, equal ones by ascending row")


def _require_refused(call: Callable[[], object], error: type[VicinalError], what: str) -> None:
    try:
        call()
    except error:
        return
    require(holds=False, message=f"{what} must be refused with {error.__name__}")


def _quiet() -> warnings.catch_warnings[None]:
    """Leave warnings of ours aside: an approximate index may say that it reaches less than it was asked for."""
    return warnings.catch_warnings(action="ignore", category=VicinalWarning)


def _drawn(count: int, dim: int, *, seed: int = 1) -> Floats:
    return np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)


def _clustered(count: int, dim: int, clusters: int) -> Floats:
    """Return vectors of several lengths around some centres, or around none."""
    draw = np.random.default_rng((2, clusters))
    vectors = draw.standard_normal((count, dim))
    if clusters:
        vectors = 0.5 * vectors + draw.standard_normal((clusters, dim))[draw.integers(0, clusters, count)]
    return np.asarray(vectors * draw.uniform(0.8, 1.25, (count, 1)), dtype=np.float32)


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)
