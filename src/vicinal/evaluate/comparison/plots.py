"""Three pictures of a comparison: quality against bytes, quality against time, and gains with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vicinal._svg import Drawing, shortened, width_of
from vicinal.evaluate.comparison.axis import Axis, Kind, linear, logarithmic

WIDTH, HEIGHT = 940.0, 460.0
LEFT, RIGHT, TOP, BOTTOM = 70.0, 110.0, 62.0, 56.0
NONE_WIDTH = 74.0
"""The place of those that cost nothing, left of a logarithmic axis, which has no 0."""
DOT = 5.0
SIZE = 12.0
LINE = 17.0
ROW = 26.0
NAME_WIDTH = 330.0
LONGEST = 230.0
"""How wide a label may be."""
CLASSES = {"lexical": "keyword", "dense": "dense", "hybrid": "hybrid", "plain": "the collection's own way"}
AROUND = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (-1, -1), (1, 1), (-1, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A setting in a picture: what it costs (None where that is not known), its quality with an interval, its mode."""

    name: str
    cost: float | None
    quality: float
    low: float
    high: float
    mode: str


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle that nothing else may touch."""

    left: float
    top: float
    right: float
    bottom: float

    def touches(self, other: Box) -> bool:
        """Return whether the two have a point in common."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def holds(self, other: Box) -> bool:
        """Return whether the other lies inside."""
        return (
            self.left <= other.left
            and other.right <= self.right
            and self.top <= other.top
            and other.bottom <= self.bottom
        )


def frontier_plot(name: str, marks: Sequence[Mark], *, title: str, quality: str, cost: str, kind: Kind) -> Drawing:
    """Return quality over cost, with the line of those that nothing cheaper is as good as.

    Parameters
    ----------
    name : str
        What ids begin with.
    marks : sequence of Mark
        Those without a known cost are named below the picture, and so are those that have no room for a label.
    title, quality, cost : str
        Of the picture and of its axes.
    kind : {"bytes", "ms"}
        How a cost is written.
    """
    shown = [one for one in marks if one.cost is not None]
    unknown = [one.name for one in marks if one.cost is None]
    canvas = _Canvas(shown, kind)
    labels, notes = _labelled(canvas, shown)
    notes += _wrapped("Cost not known:", unknown)
    best = pareto(shown)
    drawing = Drawing(
        name,
        width=WIDTH,
        height=HEIGHT + LINE * len(notes),
        title=title,
        description=_described(canvas, best, quality, cost),
    )
    _axes(drawing, canvas, title, quality, cost)
    _legend(drawing, shown)
    if len(best) > 1:
        drawing.shape("path", css="frontier", d=_steps(canvas, best))
    for one in shown:
        _whisker(drawing, canvas, one)
    for one in shown:
        x, y = canvas.place(one)
        _dot(drawing, x, y, _class(one.mode), title=f"{one.name}: {quality} {one.quality:.3f}, {canvas.told(one)}")
    for box, text in labels:
        drawing.text(box.left, box.bottom - 3.5, text, css="label", size=SIZE)
    for place, note in enumerate(notes):
        drawing.text(LEFT, HEIGHT + LINE * place, note, css="soft", size=SIZE)
    return drawing


def _wrapped(head: str, names: Sequence[str]) -> list[str]:
    """Return lines that list names, none wider than the picture; none for no names."""
    lines: list[str] = []
    width = WIDTH - LEFT - 4
    for name in names:
        text = shortened(name, width - width_of(head, SIZE) - SIZE, SIZE)
        if lines and width_of(f"{lines[-1]}; {text}", SIZE) <= width:
            lines[-1] += f"; {text}"
        else:
            lines.append(text if lines else f"{head} {text}")
    return lines


def pareto(marks: Sequence[Mark]) -> list[Mark]:
    """Return those that nothing as cheap or cheaper is better than, or as good and cheaper; the cheapest first."""
    best: list[Mark] = []
    known = [one for one in marks if one.cost is not None]
    for one in sorted(known, key=lambda one: (one.cost, -one.quality)):
        if not best or one.quality > best[-1].quality:
            best.append(one)
    return best


class _Canvas:
    """Where numbers lie on the picture."""

    def __init__(self, marks: Sequence[Mark], kind: Kind) -> None:
        costs = [one.cost for one in marks if one.cost is not None]
        self.has_free = any(one <= 0 for one in costs)
        self.left = LEFT + (NONE_WIDTH if self.has_free else 0)
        self.x: Axis = logarithmic(costs, kind=kind)
        self.y: Axis = linear([number for one in marks for number in (one.quality, one.low, one.high)], within=(0, 1))
        self.field = Box(LEFT, TOP, WIDTH - 4, HEIGHT - BOTTOM)

    def column(self, cost: float) -> float:
        """Return the x of a cost."""
        if cost <= 0:
            return LEFT + NONE_WIDTH / 2
        inset = 14.0
        return self.left + inset + self.x.share(cost) * (WIDTH - RIGHT - self.left - 2 * inset)

    def row(self, quality: float) -> float:
        """Return the y of a quality."""
        return HEIGHT - BOTTOM - self.y.share(quality) * (HEIGHT - BOTTOM - TOP)

    def place(self, mark: Mark) -> tuple[float, float]:
        """Return where a mark lies."""
        return self.column(mark.cost or 0.0), self.row(mark.quality)

    def told(self, mark: Mark) -> str:
        """Return a cost in words."""
        cost = mark.cost or 0.0
        one = Axis(low=0, high=1, ticks=(cost,), is_log=False, kind=self.x.kind)
        return one.texts()[0] if cost > 0 else "none"


def _described(canvas: _Canvas, best: Sequence[Mark], quality: str, cost: str) -> str:
    """Return the frontier in words."""
    listed = "; ".join(f"{one.name} with {one.quality:.3f} at {canvas.told(one)}" for one in best)
    return f"{quality} against {cost}. On the frontier: {listed or 'nothing'}."


def _axes(drawing: Drawing, canvas: _Canvas, title: str, quality: str, cost: str) -> None:
    """Draw the title, the grid, and what stands beside it."""
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    drawing.text(LEFT, 18, shortened(title, WIDTH - LEFT - RIGHT, 14), size=14)
    for value, text in zip(canvas.y.ticks, canvas.y.texts(), strict=True):
        y = canvas.row(value)
        drawing.shape("path", css="grid", d=f"M{LEFT:.1f} {y:.1f}H{right:.1f}")
        drawing.text(LEFT - 8, y + 4, text, css="soft", size=11, anchor="end")
    for value, text in zip(canvas.x.ticks, canvas.x.texts(), strict=True):
        x = canvas.column(value)
        drawing.shape("path", css="grid", d=f"M{x:.1f} {TOP:.1f}V{bottom:.1f}")
        drawing.text(x, bottom + 18, text, css="soft", size=11, anchor="middle")
    if canvas.has_free:
        drawing.shape("path", css="axis", d=f"M{canvas.left:.1f} {TOP:.1f}V{bottom:.1f}")
        drawing.text(LEFT + NONE_WIDTH / 2, bottom + 18, "none", css="soft", size=11, anchor="middle")
    drawing.shape("path", css="axis", d=f"M{LEFT:.1f} {bottom:.1f}H{right:.1f}")
    drawing.text((LEFT + right) / 2, bottom + 40, cost, css="soft", size=SIZE, anchor="middle")
    drawing.text(16, (TOP + bottom) / 2, quality, css="soft", size=SIZE, anchor="middle", turned=True)


def _legend(drawing: Drawing, marks: Sequence[Mark]) -> None:
    """Draw which shape is which mode, where there is more than one."""
    used = [one for one in CLASSES if any(_class(mark.mode) == one for mark in marks)]
    if len(used) < 2:  # noqa: PLR2004 - nothing to tell apart
        return
    x = LEFT
    for one in used:
        _dot(drawing, x + DOT, TOP - 24, one)
        drawing.text(x + 16, TOP - 20, CLASSES[one], css="soft", size=SIZE)
        x += 16 + width_of(CLASSES[one], SIZE) + 14


def _steps(canvas: _Canvas, best: Sequence[Mark]) -> str:
    """Return the frontier as stairs: to the right at the same quality, then up."""
    places = [canvas.place(one) for one in best]
    path = f"M{places[0][0]:.1f} {places[0][1]:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in places[1:])
    return f"{path}H{WIDTH - RIGHT:.1f}"


def _whisker(drawing: Drawing, canvas: _Canvas, mark: Mark) -> None:
    x = canvas.place(mark)[0]
    ends = f"M{x:.1f} {canvas.row(mark.low):.1f}V{canvas.row(mark.high):.1f}"
    drawing.shape("path", css=f"{_class(mark.mode)} whisker", d=ends)


def _dot(drawing: Drawing, x: float, y: float, css: str, *, title: str = "", filled: bool = True) -> None:
    """Draw a mark: a square for words, a circle for meaning, a diamond for both, a triangle else."""
    full = f"{css} dot" if filled else f"{css} dot open"
    if css == "dense":
        drawing.shape("circle", css=full, title=title, cx=x, cy=y, r=DOT)
        return
    around = {
        "lexical": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
        "hybrid": ((0, -1.35), (1.35, 0), (0, 1.35), (-1.35, 0)),
    }.get(css, ((0, -1.25), (1.15, 0.9), (-1.15, 0.9)))
    size = DOT * 0.92
    points = " ".join(f"{x + dx * size:.1f},{y + dy * size:.1f}" for dx, dy in around)
    drawing.shape("polygon", css=full, title=title, points=points)


def _class(mode: str) -> str:
    return mode if mode in CLASSES else "plain"


def _labelled(canvas: _Canvas, marks: Sequence[Mark]) -> tuple[list[tuple[Box, str]], list[str]]:
    """Return labels that touch neither one another nor a mark, and lines for those that the picture does not name.

    Marks at one place share a label: the name of the first and how many there are besides. Frontier first.
    """
    best = pareto(marks)
    ordered = [*best, *sorted((one for one in marks if one not in best), key=lambda one: -one.quality)]
    dots = [_around(*canvas.place(one), DOT + 2) for one in marks]
    lines = [_whisker_box(canvas, one) for one in marks] + _step_boxes(canvas, best)
    taken: list[tuple[Box, str]] = []
    notes, left_over = [], []
    for first, *others in _together(canvas, ordered):
        more = f" +{len(others)}" if others else ""
        text = shortened(first.name, LONGEST, SIZE) + more
        boxes = [box for box in _candidates(*canvas.place(first), text) if canvas.field.holds(box)]
        free = [box for box in boxes if not any(box.touches(other) for other in (*dots, *(held for held, _ in taken)))]
        clear = [box for box in free if not any(box.touches(line) for line in lines)]
        chosen = next(iter(clear or free), None)
        if chosen is None:
            left_over += [first, *others]
            continue
        taken.append((chosen, text))
        notes += _wrapped(f"{text}:", [one.name for one in others])
    return taken, notes + _wrapped("Not labelled:", [f"{one.name} ({canvas.told(one)})" for one in left_over])


def _together(canvas: _Canvas, marks: Sequence[Mark]) -> list[list[Mark]]:
    """Return the marks in groups that lie at one place, for an eye."""
    groups: list[list[Mark]] = []
    for one in marks:
        box = _around(*canvas.place(one), DOT)
        near = (group for group in groups if box.touches(_around(*canvas.place(group[0]), 1)))
        group = next(near, None)
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    return groups


def _whisker_box(canvas: _Canvas, mark: Mark) -> Box:
    x = canvas.place(mark)[0]
    return Box(x - 1, canvas.row(mark.high), x + 1, canvas.row(mark.low))


def _step_boxes(canvas: _Canvas, best: Sequence[Mark]) -> list[Box]:
    """Return the boxes of the frontier's stairs."""
    places = [canvas.place(one) for one in best]
    ends = [*places[1:], (WIDTH - RIGHT, places[-1][1])] if places else []
    flat = [Box(x, y - 1, until, y + 1) for (x, y), (until, _) in zip(places, ends, strict=True)]
    steep = [Box(x - 1, y, x + 1, below) for (_, below), (x, y) in zip(places, ends, strict=True)]
    return flat + steep


def _around(x: float, y: float, reach: float) -> Box:
    return Box(x - reach, y - reach, x + reach, y + reach)


def _candidates(x: float, y: float, text: str) -> list[Box]:
    """Return the places for a label of a point: on its eight sides, nearer ones first."""
    width, height = width_of(text, SIZE), SIZE + 3
    boxes = []
    for away in (DOT + 4, DOT + 12):
        for dx, dy in AROUND:
            left = x + away if dx > 0 else x - away - width if dx < 0 else x - width / 2
            top = y + away - 3 if dy > 0 else y - away - height + 3 if dy < 0 else y - height / 2
            boxes.append(Box(left, top, left + width, top + height))
    return boxes


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """A setting's gain over the baseline with its interval; ``told`` in words; ``certain`` where the test carries it."""

    name: str
    gain: float
    low: float
    high: float
    told: str
    certain: bool
    mode: str


def gain_plot(name: str, gains: Sequence[Gain], *, title: str, axis: str, allowed_loss: float) -> Drawing:
    """Return one row for each setting: its gain with its interval, filled where the test carries it.

    The band is what does not count: ``allowed_loss`` to both sides of 0.
    """
    right_width = 130.0
    left, right, top = LEFT / 4 + NAME_WIDTH, WIDTH - right_width, 46.0
    bottom = top + ROW * max(1, len(gains))
    scale = linear(
        [0.0, *(number for one in gains for number in (one.gain, one.low, one.high))],
        least_span=4 * allowed_loss or 0.02,
    )

    def at(value: float) -> float:
        return left + scale.share(value) * (right - left)

    listed = "; ".join(f"{one.name} {one.told}{'' if one.certain else ', not certain'}" for one in gains)
    drawing = Drawing(name, width=WIDTH, height=bottom + 48, title=title, description=f"{axis}: {listed or 'nothing'}.")
    drawing.text(LEFT / 4, 18, shortened(title, WIDTH - LEFT, 14), size=14)
    if allowed_loss > 0:
        begin, end = at(-allowed_loss), at(allowed_loss)
        drawing.shape("rect", css="band", x=begin, y=top, width=end - begin, height=bottom - top)
    for value, text in zip(scale.ticks, scale.texts(), strict=True):
        css = "axis" if value == 0 else "grid"
        drawing.shape("path", css=css, d=f"M{at(value):.1f} {top:.1f}V{bottom:.1f}")
        drawing.text(at(value), bottom + 16, text, css="soft", size=11, anchor="middle")
    drawing.text((left + right) / 2, bottom + 38, axis, css="soft", size=SIZE, anchor="middle")
    for place, one in enumerate(gains):
        y = top + ROW * (place + 0.5)
        css = _class(one.mode)
        drawing.text(LEFT / 4, y + 4, shortened(one.name, NAME_WIDTH - 12, SIZE), size=SIZE)
        drawing.shape("path", css=f"{css} whisker", d=f"M{at(one.low):.1f} {y:.1f}H{at(one.high):.1f}")
        _dot(drawing, at(one.gain), y, css, title=f"{one.name}: {one.told}", filled=one.certain)
        drawing.text(WIDTH - 8, y + 4, one.told, css="" if one.certain else "soft", size=SIZE, anchor="end")
    return drawing
