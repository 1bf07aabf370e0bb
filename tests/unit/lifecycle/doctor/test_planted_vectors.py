"""Faults of vectors and texts, each planted into a collection of its own: the doctor names it, and nothing in the healthy one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import doctor_worlds as worlds
from vicinal.collection import Collection, Health
from vicinal.space import Vectors
from vicinal.types import Floats

Plant = Callable[[Path], Collection]
TENTH = worlds.COUNT // 10
TWENTIETH = worlds.COUNT // 20


def examined(collection: Collection) -> Health:
    """Return the health of a collection, with few questions for its recall; the database is closed."""
    try:
        return collection.doctor(samples=10)
    finally:
        collection._store.close()


def unit(array: Floats) -> Floats:
    """Return vectors at unit length."""
    return array / np.linalg.norm(array, axis=1, keepdims=True)


def array() -> Floats:
    """Return a copy of the healthy vectors."""
    return np.array(worlds.vectors())


def planted(path: Path, change: Callable[[Floats], Floats]) -> Collection:
    """Return the healthy texts with changed vectors."""
    return worlds.filled(path, worlds.texts(), worlds.changed(change(array())))


def zeros(path: Path) -> Collection:
    """One vector of ten is zero."""

    def change(rows: Floats) -> Floats:
        rows[::10] = 0
        return rows

    return planted(path, change)


def not_normalised(path: Path) -> Collection:
    """Three vectors are twice as long as they should be."""

    def change(rows: Floats) -> Floats:
        rows[[5, 50, 500]] *= 2
        return rows

    return planted(path, change)


def other_model(path: Path) -> Collection:
    """One vector of twenty is of another model, of the same length and dimension."""
    texts = worlds.texts()

    def change(rows: Floats) -> Floats:
        chosen = range(7, worlds.COUNT, 20)
        rows[chosen] = unit(worlds.other_function([texts[row] for row in chosen]))
        return rows

    return planted(path, change)


def other_cone(path: Path) -> Collection:
    """Vectors without texts, all in a cone, but one in twenty, which is of a model that has none."""

    def change(rows: Floats) -> Floats:
        rows = unit(rows + 0.8 * np.eye(worlds.DIM, dtype=np.float32)[0])
        rows[:TWENTIETH] = unit(worlds.other_function(list(worlds.texts()[:TWENTIETH])))
        return rows

    return worlds.filled(path, [""] * worlds.COUNT, worlds.changed(change(array())))


def shifted(path: Path) -> Collection:
    """Each vector stands beside the text before its own."""
    return planted(path, lambda rows: np.roll(rows, 1, axis=0))


def collapsed(path: Path) -> Collection:
    """Half of the variance lies along one direction."""

    def change(rows: Floats) -> Floats:
        random = np.random.default_rng(0)
        return unit(rows + np.outer(random.standard_normal(len(rows)), np.eye(worlds.DIM)[0]))

    return planted(path, change)


def few_directions(path: Path) -> Collection:
    """All variance lies along four directions."""

    def change(rows: Floats) -> Floats:
        rows[:, 4:] *= 0.01
        return unit(rows)

    return planted(path, change)


def cone(path: Path) -> Collection:
    """All vectors have a long direction in common."""
    return planted(path, lambda rows: unit(rows + 1.2 * np.eye(worlds.DIM, dtype=np.float32)[0]))


def hub(path: Path) -> Collection:
    """One vector is the mean of all, in vectors that share a direction: it is nearest to everything."""

    def change(rows: Floats) -> Floats:
        rows = unit(rows + 1.5 * np.eye(worlds.DIM, dtype=np.float32)[0])
        rows[3] = rows.mean(axis=0) / np.linalg.norm(rows.mean(axis=0))
        return rows

    return planted(path, change)


def equal_texts(path: Path) -> Collection:
    """Half of the texts repeat another one."""
    half = worlds.texts()[: worlds.COUNT // 2]
    return worlds.filled(path, half * 2, Vectors(np.tile(array()[: len(half)], (2, 1)), worlds.encoder().space))


def near_vectors(path: Path) -> Collection:
    """A tenth of the texts has nearly the vector of another text."""

    def change(rows: Floats) -> Floats:
        noise = 0.001 * np.random.default_rng(0).standard_normal((TENTH, worlds.DIM))
        rows[:TENTH] = unit(rows[TENTH : 2 * TENTH] + noise)
        return rows

    return planted(path, change)


def empty_texts(path: Path) -> Collection:
    """One text of twenty is white space."""
    given = [" \n" if row % 20 == 0 else text for row, text in enumerate(worlds.texts())]
    return worlds.filled(path, given, worlds.vectors())


def short_texts(path: Path) -> Collection:
    """Two texts of three are a word or two."""
    given = [text if row % 3 == 0 else f"r{row} ok" for row, text in enumerate(worlds.texts())]
    return worlds.filled(path, given, worlds.encoder().encode_documents(given))


def foreign_texts(path: Path) -> Collection:
    """One text of eight is Greek, of which the model knows no word."""
    random = np.random.default_rng(0)
    letters = np.array(list("αβγδεζηθικλμνξοπρστυφχψω"))
    given = list(worlds.texts())
    for row in range(0, worlds.COUNT, 8):
        given[row] = " ".join("".join(random.choice(letters, 6)) for _ in range(worlds.WORDS))
    return worlds.filled(path, given, worlds.encoder().encode_documents(given))


FAULTS: list[tuple[Plant, str, str]] = [
    (zeros, "zero vectors", "alarm"),
    (not_normalised, "unit length", "alarm"),
    (other_model, "texts and vectors", "alarm"),
    (other_cone, "mixed spaces", "alarm"),
    (shifted, "texts and vectors", "alarm"),
    (shifted, "encoded again", "alarm"),
    (collapsed, "first direction", "alarm"),
    (few_directions, "effective dimensions", "alarm"),
    (cone, "anisotropy", "alarm"),
    (hub, "largest hub", "alarm"),
    (hub, "hubness", "alarm"),
    (equal_texts, "equal texts", "alarm"),
    (near_vectors, "near-identical vectors", "alarm"),
    (empty_texts, "empty texts", "alarm"),
    (short_texts, "short texts", "alarm"),
    (foreign_texts, "foreign languages", "alarm"),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Plant], Health]]:
    """Examine each planted collection once."""
    known: dict[Plant, Health] = {}

    def look(plant: Plant) -> Health:
        if plant not in known:
            known[plant] = examined(plant(tmp_path_factory.mktemp("planted") / "n.vicinal"))
        return known[plant]

    return look


def test_a_healthy_collection_has_nothing(tmp_path: Path) -> None:
    """No alarm and no notice, nothing to do; what could not be measured says why."""
    healthy = examined(worlds.filled(tmp_path / "n.vicinal"))
    assert [(one.name, one.told) for one in healthy.checks if one.state in {"alarm", "notice"}] == []
    assert (healthy.state, healthy.advice) == ("ok", ())
    assert [one.name for one in healthy.checks if one.state == "skipped"] == ["keyword index"]
    assert (healthy.records, healthy.chunks, healthy.sampled) == (worlds.COUNT,) * 3


@pytest.mark.parametrize(("plant", "name", "state"), FAULTS, ids=lambda one: getattr(one, "__name__", str(one)))
def test_a_planted_fault_is_found(found: Callable[[Plant], Health], plant: Plant, name: str, state: str) -> None:
    """The check that the fault belongs to raises the alarm, with advice, before all that is well."""
    health = found(plant)
    check = health.check(name)
    assert check.state == state, check.told
    assert check.advice in health.advice
    assert check in health.alarms
    assert health.state == "alarm"


def test_hubs_are_listed_by_id(found: Callable[[Plant], Health]) -> None:
    """The planted hub is the first of the list, and is among the neighbours of very many."""
    first = found(hub).check("hubness").details["hubs"][0]
    assert first["id"] == "r3"
    assert first["times"] > worlds.COUNT / 4


def test_what_is_off_is_listed_by_id(found: Callable[[Plant], Health]) -> None:
    """Rows that are wrong are named by their ids, the first few of them."""
    assert found(zeros).check("zero vectors").details["ids"] == ["r0", "r10", "r20", "r30", "r40"]
    assert found(not_normalised).check("unit length").details["ids"] == ["r5", "r50", "r500"]
    listed = found(other_model).check("texts and vectors").details["ids"]
    assert listed
    assert all(int(one[1:]) % 20 == 7 for one in listed)
    assert set(found(other_cone).check("mixed spaces").details["ids"]) <= {f"r{row}" for row in range(TWENTIETH)}
