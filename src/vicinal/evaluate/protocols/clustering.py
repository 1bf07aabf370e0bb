"""Clusters: k-means over the vectors, told how many labels there are, and how far its clusters are the labels.

Muennighoff et al. 2023, "MTEB", in both forms. The first clusters each of several sets whole. The fast one (Enevoldsen et
al. 2025, "MMTEB") encodes a sample of one set, draws from it with replacement ten times, and clusters each draw, for each
level of the labels. Judged by the v-measure (Rosenberg, Hirschberg 2007).
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence

import numpy as np

from vicinal._arrays import share, whole_number
from vicinal.evaluate.metrics import v_measure
from vicinal.evaluate.protocols.library import sklearn
from vicinal.evaluate.protocols.score import Encoding, ProtocolScore, Role, require_equal, require_some
from vicinal.space import Encoder
from vicinal.types import Progress

SEED = 42
MAX_SEED = 2**32 - 1
BATCH = 500
FAST_BATCH = 512
DRAWS = 10
DRAW_TEXTS = 16_384
SAMPLED = 0.04


def clustering(
    encoder: Encoder,
    sets: Sequence[tuple[Sequence[str], Sequence[str]]],
    *,
    seed: int = SEED,
    role: Role = "document",
    progress: Progress | None = None,
) -> ProtocolScore:
    """Return the mean v-measure over sets of labelled texts, each clustered whole (MTEB's first form).

    Parameters
    ----------
    sets : sequence of (texts, labels)
        A set with one label only counts 1.
    seed : int, 0 <= seed < 2**32
        Of k-means, for each set anew.
    role : {"document", "query"}
        The role in which all texts are encoded.

    Returns
    -------
    ProtocolScore
        ``v_measure`` and ``v_measure_std`` over the sets; ``runs`` has each set's.

    Raises
    ------
    InputError
        There is no set, one is empty, or its columns differ in length.
    MissingExtraError
        scikit-learn is not installed.
    """
    library = sklearn()
    whole_number(seed, "seed", low=0, high=MAX_SEED)
    require_some(len(sets), "sets of texts")
    for texts, labels in sets:
        require_some(len(texts), "texts in a set")
        require_equal(len(texts), len(labels), "texts and labels of a set")
    encoding = Encoding(encoder, progress)
    found = []
    for texts, labels in sets:
        count = len(set(labels))
        said = None if count == 1 else library.clustered(encoding(texts, role), count, batch=BATCH, seed=seed)
        found.append(1.0 if said is None else v_measure(labels, said))
    data = [[list(texts), list(labels)] for texts, labels in sets]
    environment = encoding.environment(data, packages=("scikit-learn",), batch=BATCH, seed=seed, role=role)
    return _mean("clustering", found, environment)


def fast_clustering(  # noqa: PLR0913 - what the benchmark fixes can be said
    encoder: Encoder,
    texts: Sequence[str],
    labels: Sequence[str | Sequence[str]],
    *,
    sampled: float | None = SAMPLED,
    most_texts: int | None = None,
    draws: int = DRAWS,
    draw_texts: int = DRAW_TEXTS,
    seed: int = SEED,
    role: Role = "document",
    progress: Progress | None = None,
) -> ProtocolScore:
    """Return the mean v-measure over draws from a sample, and over levels of labels (MMTEB's fast form).

    Parameters
    ----------
    texts : sequence of str
        All texts.
    labels : sequence of str, or of sequences of str
        The label of each text, or its labels from the coarsest level to the finest; texts that lack a level are left
        out there.
    sampled : float, 0 < sampled <= 1, or None
        The share of the texts that is encoded. None, without ``most_texts``: all of them.
    most_texts : int, 1 <= most_texts, optional
        How many are encoded at most, instead of a share.
    draws, draw_texts : int, 1 <= each
        How many draws for a level, and texts in each, with replacement.
    seed : int, 0 <= seed < 2**32
        Of the sample, the draws and k-means.
    role : {"document", "query"}
        The role in which all texts are encoded.

    Returns
    -------
    ProtocolScore
        ``v_measure``, ``v_measure_std``, and ``v_measure_level_0`` … for each level; ``runs`` has each draw's.

    Raises
    ------
    InputError
        There are no texts, the sample is empty, columns differ in length, or a number is out of its range.
    MissingExtraError
        scikit-learn is not installed.

    Notes
    -----
    Sample and draws are those of MTEB's program for the same seed and order of texts, except for texts without a level:
    where labels are strings, MTEB keeps them as a label of their own.
    """
    library = sklearn()
    require_equal(len(texts), len(labels), "texts and labels")
    require_some(len(texts), "texts")
    for name, value, high in (("draws", draws, None), ("draw_texts", draw_texts, None), ("seed", seed, MAX_SEED)):
        whole_number(value, name, low=0 if name == "seed" else 1, high=high)
    chance = random.Random(seed)  # noqa: S311 - a sample, no secret
    rows = _sample(len(texts), sampled, most_texts, chance)
    encoding = Encoding(encoder, progress)
    vectors = encoding([texts[row] for row in rows], role)
    paths = [_path(labels[row]) for row in rows]
    levels = []
    for level in range(max(map(len, paths))):
        kept = np.asarray([place for place, path in enumerate(paths) if len(path) > level])
        at_level = [paths[place][level] for place in kept]
        count = len(set(at_level))
        found = []
        for _ in range(draws):
            drawn = chance.choices(range(len(kept)), k=draw_texts)
            said = library.clustered(vectors[kept[drawn]], count, batch=FAST_BATCH, seed=seed)
            found.append(v_measure([at_level[place] for place in drawn], said))
        levels.append(found)
    data = [list(texts), [list(_path(label)) for label in labels]]
    environment = encoding.environment(
        data,
        packages=("scikit-learn",),
        sampled=len(rows),
        draws=draws,
        draw_texts=draw_texts,
        batch=FAST_BATCH,
        seed=seed,
        role=role,
    )
    each = {f"v_measure_level_{level}": float(np.mean(found)) for level, found in enumerate(levels)}
    return _mean("fast_clustering", [one for found in levels for one in found], environment, each)


def _sample(count: int, sampled: float | None, most: int | None, chance: random.Random) -> list[int]:
    """Return the rows that are encoded, in the order in which they were drawn."""
    if most is not None:
        wanted = min(count, whole_number(most, "most_texts", low=1))
    elif sampled is not None:
        wanted = int(share(sampled, "sampled") * count)
    else:
        return list(range(count))
    require_some(wanted, "texts in the sample (take a larger share)")
    return chance.sample(range(count), k=wanted)


def _path(label: object) -> tuple[Hashable, ...]:
    """Return the labels of a text from the coarsest to the finest."""
    return tuple(label) if isinstance(label, list | tuple) else (label,)


def _mean(
    protocol: str, found: Sequence[float], environment: dict[str, object], more: dict[str, float] | None = None
) -> ProtocolScore:
    return ProtocolScore(
        protocol=protocol,
        metric="v_measure",
        metrics={"v_measure": float(np.mean(found)), "v_measure_std": float(np.std(found)), **(more or {})},
        runs=tuple(found),
        environment=environment,
    )
