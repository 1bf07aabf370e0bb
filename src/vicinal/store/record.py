"""Records as they are written, and the groups in which they stand in the database.

A group is some records that were written together. It is never changed: deleted records stay in it until none is left
or compaction writes the living ones again, and what changes in place stands beside it. So one checksum covers a group,
and one entry in a table serves several records.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from json.decoder import scanstring  # type: ignore[attr-defined]  # the typing stubs leave it out
from json.encoder import encode_basestring
from typing import NamedTuple

from vicinal._json import prepared
from vicinal.space import Space, Vectors
from vicinal.store.format import GROUP_CHARS, text_crc
from vicinal.types import Fields, Record

JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
"""How fields stand in the database."""
_encode = prepared(JSON)

_PARSE = json.JSONDecoder().raw_decode

MAX_FIELDS = 1024
"""Fields that a record has at most."""
GROUP_COLUMNS = "number, lane, first_row, row_count, record_count, counts, sequence, lengths, texts, lines, crc"


@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class NewRecord:
    """A record to be written: its spans stand in the order of its vectors.

    Nobody changes one. It is not frozen, since that would make each of a million records four times as dear to make.
    """

    id: str
    text: str
    source: str = ""
    fields: Fields = field(default_factory=dict)
    spans: tuple[tuple[int, int], ...]
    chunker: str
    origin: str = ""
    text_digest: str
    fields_digest: str
    cut_chunks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """Records with the vectors of their chunks in the form of one lane: its space, and its chunker.

    ``chunker`` is ``""`` for vectors that were made elsewhere: they fit whatever lane is in their space.
    """

    records: tuple[NewRecord, ...]
    vectors: Vectors
    chunker: str = ""

    def fits(self, space: Space, chunker: str) -> bool:
        """Return whether a lane of that space and chunker can take them."""
        return self.vectors.space.id == space.id and self.chunker in {"", chunker}


class Line(NamedTuple):
    """One record of a group: its number, the first of its rows, and the parts of its line.

    ``written`` is the commit that wrote the record; a later one may have moved it.
    """

    number: int
    first_row: int
    written: int
    id: str
    text: str
    source: str
    fields: Fields
    origin: str
    text_digest: str
    fields_digest: str
    spans: tuple[tuple[int, int], ...]
    chunker: str
    cut_chunks: int

    def record(self) -> Record:
        """Return it as a collection has it."""
        return Record(id=self.id, text=self.text, source=self.source, fields=self.fields, spans=self.spans)

    def new_record(self, chunker: str) -> NewRecord:
        """Return it as it would be written again; ``chunker`` is the lane's."""
        return NewRecord(
            id=self.id,
            text=self.text,
            source=self.source,
            fields=self.fields,
            spans=self.spans,
            chunker=self.chunker or chunker,
            origin=self.origin,
            text_digest=self.text_digest,
            fields_digest=self.fields_digest,
            cut_chunks=self.cut_chunks,
        )


@dataclass(frozen=True, slots=True)
class Lines:
    """Records ready to be written: the text of each, all else as one JSON array each, and how many rows each has."""

    texts: Sequence[str]
    lines: Sequence[str]
    counts: Sequence[int]

    def __len__(self) -> int:
        """Return how many records there are."""
        return len(self.lines)


def lines_of(records: Sequence[NewRecord], chunker: str) -> Lines:
    """Return the lines of new records. ``chunker`` is the lane's."""
    text, chunkers = encode_basestring, {chunker: '""'}
    lines = [
        f"[{text(one.id)},{text(one.source)},{fields},{text(one.origin)},{text(one.text_digest)},"
        f"{text(one.fields_digest)},{_spans(one.spans)},{chunkers.get(one.chunker) or text(one.chunker)},"
        f"{one.cut_chunks},0]"
        for one, fields in zip(records, encoded([one.fields for one in records]), strict=True)
    ]
    return Lines([one.text for one in records], lines, [len(one.spans) for one in records])


def moved_lines(records: Sequence[Line]) -> Lines:
    """Return the lines of records that are written again elsewhere; each remembers when it was written."""
    lines = [
        JSON.encode(
            [
                one.id,
                one.source,
                one.fields,
                one.origin,
                one.text_digest,
                one.fields_digest,
                [place for span in one.spans for place in span],
                one.chunker,
                one.cut_chunks,
                one.written,
            ]
        )
        for one in records
    ]
    return Lines([one.text for one in records], lines, [len(one.spans) for one in records])


def _spans(spans: Sequence[tuple[int, int]]) -> str:
    """Return spans as a JSON list of starts and ends in turn."""
    if len(spans) == 1:
        return f"[{spans[0][0]},{spans[0][1]}]"
    return f"[{','.join([f'{start},{end}' for start, end in spans])}]"


def encoded(fields: Sequence[Fields]) -> list[str]:
    """Return the fields of records as JSON objects."""
    return [_encode(one if type(one) is dict else dict(one)) for one in fields]


def groups_of(new: Lines, *, number: int, lane: int, first_row: int, sequence: int) -> Iterator[tuple[int | str, ...]]:
    """Go through the rows of ``groups`` that hold some lines: numbers and rows ascend with them."""
    sizes = [len(text) for text in new.texts]
    one_each = all(count == 1 for count in set(new.counts))
    start = size = 0
    for end, (line, length) in enumerate(zip(new.lines, sizes, strict=True), 1):
        size += len(line) + length
        if size >= GROUP_CHARS or end == len(sizes):
            count, part = end - start, new.counts[start:end]
            rows = count if one_each else sum(part)
            told = "" if one_each or set(part) == {1} else " ".join(map(str, part))
            lengths, texts = " ".join(map(str, sizes[start:end])), "".join(new.texts[start:end])
            lines = "\n".join(new.lines[start:end])
            numbers = f"{number}\x1f{lane}\x1f{first_row}\x1f{rows}\x1f{count}\x1f{told}\x1f{sequence}\x1f{lengths}"
            crc = text_crc(f"{numbers}\x1f{texts}\x1f{lines}")
            yield number, lane, first_row, rows, count, told, sequence, lengths, texts, lines, crc
            number, first_row = number + count, first_row + rows
            start, size = end, 0


class Group(NamedTuple):
    """A row of ``groups``, its checksum compared."""

    number: int
    lane: int
    first_row: int
    row_count: int
    record_count: int
    counts: str
    sequence: int
    lengths: str
    texts: str
    json_lines: str

    def row_counts(self) -> list[int]:
        """Return how many rows each record has."""
        return [int(count) for count in self.counts.split()] if self.counts else [1] * self.record_count

    def first_rows(self) -> list[int]:
        """Return the first row of each record; one without rows has that of the next."""
        return list(accumulate(self.row_counts()[:-1], initial=self.first_row))

    def lines(self) -> list[Line]:
        """Return all records of the group."""
        ends = list(accumulate(map(int, self.lengths.split())))
        if ends[-1] != len(self.texts):
            raise ValueError(self.number)
        starts = [0, *ends[:-1]]
        parts = zip(self.json_lines.split("\n"), starts, ends, self.first_rows(), strict=True)
        return [
            self._line(place, line, self.texts[start:end], first_row)
            for place, (line, start, end, first_row) in enumerate(parts)
        ]

    def ids(self) -> list[str]:
        """Return the ids of its records, and read nothing else of them."""
        return [scanstring(line, 2)[0] for line in self.json_lines.split("\n")]

    def line(self, number: int) -> Line:
        """Return the record of a number."""
        place = number - self.number
        lengths = self.lengths.split(maxsplit=place + 1)
        start = sum(map(int, lengths[:place]))
        text = self.texts[start : start + int(lengths[place])]
        first_row = self.first_rows()[place] if self.counts else self.first_row + place
        return self._line(place, self.json_lines.split("\n")[place], text, first_row)

    def line_at(self, row: int) -> Line:
        """Return the record that a row belongs to."""
        if not self.counts:
            return self.line(self.number + row - self.first_row)
        place = 0
        for place, (first, count) in enumerate(zip(self.first_rows(), self.row_counts(), strict=True)):  # noqa: B007 - the last is meant
            if first <= row < first + count:
                break
        return self.line(self.number + place)

    def _line(self, place: int, line: str, text: str, first_row: int) -> Line:
        record_id, source, fields, origin, text_digest, fields_digest, spans, chunker, cut, written = _PARSE(line)[0]
        return Line(
            self.number + place,
            first_row,
            written or self.sequence,
            record_id,
            text,
            source,
            fields,
            origin,
            text_digest,
            fields_digest,
            ((spans[0], spans[1]),) if len(spans) == 2 else tuple(zip(spans[::2], spans[1::2], strict=True)),  # noqa: PLR2004 - one span
            chunker,
            cut,
        )
