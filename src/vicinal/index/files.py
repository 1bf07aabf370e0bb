"""The files of a funnel index: its runs, int8 rows and calibration as one generation, and back.

::

    spans            int64 (S, 2)       first row and count of each stretch that was coded
    int8_spans       int64 (I, 2)       the same of the int8 rows
    values, scales   int8 (n, D), float32 (n,)   int8 rows, stretch after stretch
    center           float32 (D,)
    projection       float32 (d, D)     where only some directions are coded
    codes_0, factors_0, bias_0, rows_0, cell_offsets_0, centers_0, codes_1, …   the arrays of each run (``kernels.Run``)
    calibration.json                    the settings of each recall, written again when they are measured again

Letters: D components, W = ceil(D / 8).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vicinal import kernels
from vicinal.errors import DamagedIndexWarning, InputError
from vicinal.index import generation
from vicinal.index.calibration import Calibration
from vicinal.index.coding import Coder, Int8Part, Sink
from vicinal.index.parts import Part, cut, is_unit, metric_of, portions, stretches
from vicinal.index.turning import Turn
from vicinal.space import Space
from vicinal.types import Floats

KIND = "funnel"
VERSION = 2
_RUN_ARRAYS = ("bias", "rows", "cell_offsets", "centers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What the files of a generation hold."""

    coder: Coder
    runs: tuple[kernels.Run, ...]
    int8: tuple[Int8Part, ...]
    spans: tuple[tuple[int, int], ...]
    end: int
    calibration: Calibration | None
    path: Path


@dataclass(slots=True)
class Memory:
    """A sink that fills arrays: int8 rows that stay in memory."""

    values: NDArray[np.int8]
    scales: Floats
    done: int = 0

    def __call__(self, values: NDArray[np.int8], scales: Floats) -> None:
        """Take the next rows."""
        end = self.done + len(values)
        self.values[self.done : end], self.scales[self.done : end] = values, scales
        self.done = end


def int8_parts(spans: Iterable[tuple[int, int]], values: NDArray[np.int8], scales: Floats) -> Iterator[Int8Part]:
    """Go through the int8 rows of each stretch."""
    start = 0
    for first, count in spans:
        yield first, values[start : start + count], scales[start : start + count]
        start += count


def within(inner: Sequence[tuple[int, int]], outer: Sequence[tuple[int, int]]) -> bool:
    """Return whether every stretch of rows lies inside one of others; both ascend."""
    starts = [first for first, _ in outer]
    for first, count in inner:
        place = int(np.searchsorted(starts, first, side="right")) - 1
        if place < 0 or first + count > sum(outer[place]):
            return False
    return True


def publish_base(
    folder: Path,
    space: Space,
    coder: Coder,
    parts: Sequence[Part],
    base: Callable[[Sink], list[kernels.Run]],
    meta: Mapping[str, Any],
) -> None:
    """Publish a base while it is made: its int8 rows go to the file and never lie in memory together."""
    spans = stretches(parts)
    with generation.publish_stream(folder, _meta(space, coder, _end(spans), meta)) as draft:
        draft.append("values", np.empty((0, coder.dim), dtype=np.int8))
        draft.append("scales", np.empty(0, dtype=np.float32))

        def sink(values: NDArray[np.int8], scales: Floats) -> None:
            draft.append("values", values)
            draft.append("scales", scales)

        _put_runs(draft, coder, base(sink), spans, spans)


def publish_runs(  # noqa: PLR0913, PLR0917 - the parts of an index
    folder: Path,
    space: Space,
    coder: Coder,
    runs: Sequence[kernels.Run],
    spans: Sequence[tuple[int, int]],
    int8: Sequence[Int8Part],
    seen: Sequence[Part],
    meta: Mapping[str, Any],
    calibration: Calibration | None,
) -> None:
    """Publish runs that are there; int8 rows that are not are made of the floats."""
    with generation.publish_stream(folder, _meta(space, coder, _end(spans), meta)) as draft:
        draft.append("values", np.empty((0, coder.dim), dtype=np.int8))
        draft.append("scales", np.empty(0, dtype=np.float32))
        int8_spans = []
        for first, values, scales in int8:
            int8_spans.append((first, len(values)))
            draft.append("values", values)
            draft.append("scales", scales)
        behind = cut(seen, _end(int8_spans), _end(spans))
        for _, vectors in portions(behind, coder.dim):
            values, scales = kernels.encode_int8(vectors, coder.center, normalize=coder.normalizes)
            draft.append("values", values)
            draft.append("scales", scales)
        int8_spans += stretches(behind)
        _put_runs(draft, coder, runs, spans, int8_spans)
        if calibration is not None and calibration.queries:
            draft.meta["calibration"] = calibration.as_dict()


def keep_calibration(path: Path, calibration: Calibration) -> None:
    """Note new settings beside the arrays of a generation.

    Raises
    ------
    NoSpaceLeftError, ReadOnlyError, StoreError
        The disk refused; the settings of before stay.
    """
    generation.note(path, "calibration", calibration.as_dict())


def opened(
    folder: Path,
    space: Space,
    parts: Sequence[Part],
    accepts: Callable[[Mapping[str, Any]], bool],
) -> Opened | None:
    """Return the newest index that is sound, fits the space and the parts, and is accepted; None where none is.

    Warns
    -----
    DamagedIndexWarning
        A file is damaged, or its arrays do not fit together.
    """
    dim, metric = space.dim, metric_of(space)

    def fits(meta: Mapping[str, Any]) -> bool:
        said = tuple(meta.get(name) for name in ("kind", "version", "dim", "metric", "space"))
        caller = meta.get("caller")
        return said == (KIND, VERSION, dim, metric, space.id) and isinstance(caller, dict) and accepts(caller)

    found = generation.latest(folder, fits)
    if found is None:
        return None
    try:
        index = _read(found, space)
        # Shapes and offsets are looked at by the funnel's own checks; a row that no part has is no answer.
        index.coder.funnel(index.runs, index.int8, ())
    except (KeyError, TypeError, ValueError, IndexError, OverflowError, InputError) as error:
        warnings.warn(
            f"{found.path} is damaged: its arrays do not fit together ({type(error).__name__}). It is derived: "
            "nothing is lost, and it is left aside until it is built again.",
            DamagedIndexWarning,
            stacklevel=3,
        )
        return None
    return index if within(stretches(cut(parts, 0, index.end)), index.spans) else None


def _meta(space: Space, coder: Coder, end: int, meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a reader must know, the caller's own words included."""
    return {
        "kind": KIND,
        "version": VERSION,
        "dim": coder.dim,
        "metric": coder.metric,
        "space": space.id,
        "rotation_seed": coder.turn.seed if isinstance(coder.turn, kernels.Rotation) else None,
        "end": end,
        "caller": dict(meta),
    }


def _end(spans: Sequence[tuple[int, int]]) -> int:
    """Return the row behind the last stretch."""
    return max((first + count for first, count in spans), default=0)


def _put_runs(
    draft: generation.Draft,
    coder: Coder,
    runs: Sequence[kernels.Run],
    spans: Sequence[tuple[int, int]],
    int8_spans: Sequence[tuple[int, int]],
) -> None:
    """Write the arrays of all runs, each cut to its rows."""
    draft.put("center", coder.center)
    if isinstance(coder.turn, kernels.Projection):
        draft.put("projection", coder.turn.matrix)
    draft.put("spans", np.array(spans, dtype=np.int64).reshape(-1, 2))
    draft.put("int8_spans", np.array(int8_spans, dtype=np.int64).reshape(-1, 2))
    draft.meta["runs"] = [{"count": int(run.count), "first_row": int(run.first_row)} for run in runs]
    for number, run in enumerate(runs):
        blocks = -(-run.count // kernels.BLOCK_ROWS)
        draft.put(f"codes_{number}", run.codes[:blocks])
        draft.put(f"factors_{number}", run.factors[: run.count])
        for name in _RUN_ARRAYS:
            array = getattr(run, name)
            if array is not None:
                draft.put(f"{name}_{number}", array[: run.count] if name in {"bias", "rows"} else array)


def _read(found: generation.Generation, space: Space) -> Opened:
    """Return what a generation holds; what does not fit raises one of several errors."""
    arrays, meta = found.arrays, found.meta
    seed, matrix = meta["rotation_seed"], arrays.get("projection")
    turn: Turn | None = None if seed is None else kernels.Rotation(dim=space.dim, seed=int(seed))
    if matrix is not None:
        turn = kernels.Projection(matrix=matrix)
    coder = Coder(
        dim=space.dim,
        metric=metric_of(space),
        center=arrays["center"],
        turn=turn,
        unit=is_unit(space),
    )
    runs = tuple(
        kernels.Run(
            codes=arrays[f"codes_{number}"],
            factors=arrays[f"factors_{number}"],
            count=int(said["count"]),
            first_row=int(said["first_row"]),
            **{name: arrays.get(f"{name}_{number}") for name in _RUN_ARRAYS},
        )
        for number, said in enumerate(meta["runs"])
    )
    int8_spans = _spans(arrays["int8_spans"])
    values, scales = arrays["values"], arrays["scales"]
    if sum(count for _, count in int8_spans) != len(values):
        raise IndexError
    spans, end = _spans(arrays["spans"]), int(meta["end"])
    if end != _end(spans):
        raise IndexError
    return Opened(
        coder=coder,
        runs=runs,
        int8=tuple(int8_parts(int8_spans, values, scales)),
        spans=spans,
        end=end,
        calibration=_calibration(found, runs),
        path=found.path,
    )


def _calibration(found: generation.Generation, runs: Sequence[kernels.Run]) -> Calibration | None:
    """Return the settings that were noted last, if they are of an index with as many cells."""
    noted = generation.noted(found.path, "calibration")
    calibration = Calibration.from_dict(found.meta.get("calibration") if noted is None else noted)
    cells = max((len(run.centers) for run in runs if run.centers is not None), default=0)
    return calibration if calibration is not None and calibration.cells == cells else None


def _spans(array: NDArray[Any]) -> tuple[tuple[int, int], ...]:
    """Return stretches from their array."""
    spans = tuple((int(first), int(count)) for first, count in array.tolist())
    before = 0
    for first, count in spans:
        if first < before or count < 1:
            raise IndexError
        before = first + count
    return spans
