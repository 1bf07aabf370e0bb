"""The keyword index: SciFact's nDCG@10, its speed beside tantivy used directly, planted codes, masks, new rows.

python benchmarks/lexical/run.py [--passages 100000] [--only quality speed codes masks tail]

Quality: title and text as the data has them, the default analysis, k1 = 1.2 and b = 0.75; nothing was chosen on the test
questions. nDCG@10 as benchmarks/retrieval/run.py computes it.
Speed: the same files are asked for the ten best rows, once through ``LexicalIndex.search`` (the question is analysed,
compiled, asked, masked, ordered) and once through tantivy, whose parser is given the tokens of the question.
Codes: 200 codes of eight kinds, each in one passage, asked alone and inside a sentence; the passage must be first.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

import record
from vicinal import kernels
from vicinal.lexical import LexicalIndex, LexicalText
from vicinal.lexical.scoring import weights_of

K = 10
SEED = 5
PLANTED = 200
STAGES = ("quality", "speed", "codes", "masks", "tail")


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """Go through the objects of a file."""
    with path.open() as file:
        yield from map(json.loads, file)


def qrels(path: Path) -> dict[str, dict[str, int]]:
    """Return query id → document id → grade."""
    grades: dict[str, dict[str, int]] = defaultdict(dict)
    for line in path.read_text().splitlines()[1:]:
        query, document, grade = line.split("\t")
        grades[query][document] = int(grade)
    return grades


def ndcg_at_k(ids: list[str], grades: dict[str, int], k: int) -> float:
    """Return DCG of the first k ids over that of the best order."""
    dcg = sum(grades.get(one, 0) / math.log2(place + 2) for place, one in enumerate(ids[:k]))
    ideal = sum(gain / math.log2(place + 2) for place, gain in enumerate(sorted(grades.values(), reverse=True)[:k]))
    return dcg / ideal if ideal else 0.0


def quality(data: Path) -> dict[str, Any]:
    """Return SciFact's nDCG@10, test and train, without and with the title counted again."""
    documents = list(lines(data / "scifact/corpus.jsonl"))
    questions = {one["_id"]: one["text"] for one in lines(data / "scifact/queries.jsonl")}
    texts = [LexicalText(row=row, text=one["text"], title=one["title"]) for row, one in enumerate(documents)]
    begun = time.perf_counter()
    index = LexicalIndex.build(texts)
    index.search("cells", k=1)
    figures: dict[str, Any] = {"rows": len(texts), "index_s": round(time.perf_counter() - begun, 2)}
    for split in ("test", "train"):
        judged = qrels(data / f"scifact/qrels/{split}.tsv")
        for boost in (0.0, 0.25, 1.5):
            found = [
                ndcg_at_k([documents[row]["_id"] for row in rows], grades, K)
                for query, grades in judged.items()
                for rows in [index.search(questions[query], k=K, title_boost=boost).rows]
            ]
            name = f"{split}_ndcg_at_10" + (f"_title_{boost}" if boost else "")
            figures[name] = round(statistics.fmean(found), 4)
    return figures


def passages(data: Path, count: int) -> Iterator[str]:
    """Give one to three neighbouring sentences at a time of SciFact's abstracts, until there are enough."""
    given = 0
    documents = list(lines(data / "scifact/corpus.jsonl"))
    for width in (2, 1, 3, 4, 5, 6):
        for one in documents:
            sentences = one["sentences"]
            for place in range(max(1, len(sentences) - width + 1)):
                yield " ".join(sentences[place : place + width])
                given += 1
                if given == count:
                    return


def planted(chance: random.Random) -> list[str]:
    """Return codes of eight kinds, each once."""
    letters, digits = "ABCDEFGHJKLMNPQRSTUVWXYZ", "0123456789"
    word = lambda size: "".join(chance.choices(letters, k=size))  # noqa: E731
    number = lambda size: chance.choice("123456789") + "".join(chance.choices(digits, k=size - 1))  # noqa: E731
    makers: list[Callable[[], str]] = [
        lambda: f"{word(2)}-{number(4)}",
        lambda: f"E{number(5)}",
        lambda: f"v{number(1)}.{number(2)}.{number(2)}",
        lambda: f"{word(5).lower()}.{word(4).lower()}@{word(6).lower()}.org",
        lambda: f"10.{number(2)}.{number(2)}.{number(2)}",
        lambda: f"get{word(1)}{word(5).lower()}{word(1)}{word(4).lower()}",
        lambda: number(8),
        lambda: f"/srv/{word(4).lower()}/{word(5).lower()}_{number(2)}.log",
    ]
    codes: dict[str, None] = {}
    while len(codes) < PLANTED:
        codes[makers[len(codes) % len(makers)]()] = None
    return list(codes)


def timed(ask: Callable[[str], object], questions: list[str], repeats: int = 3) -> float:
    """Return the median milliseconds of a question, over repeats of all."""
    took = []
    for _ in range(repeats):
        for question in questions:
            begun = time.perf_counter()
            ask(question)
            took.append((time.perf_counter() - begun) * 1000)
    return statistics.median(took)


def speed(index: LexicalIndex, questions: list[str]) -> dict[str, Any]:
    """Return the median time of a question, through the index and through tantivy."""
    reading = index._reading()[0]  # noqa: SLF001 - the same files must be asked
    searcher, direct = reading._searcher, index._engine._postings._index  # type: ignore[union-attr]  # noqa: SLF001 - the same
    asked = {one: weights_of(reading, index.clauses(one), 0.0)[0] for one in questions}
    tokens = {one: " ".join(leaf.tokens[0] for leaf in leaves) for one, leaves in asked.items()}
    mask = np.ones(index.end, dtype=np.bool_)
    mask[::100] = False
    bits = kernels.bits_of_mask(mask)

    def directly(question: str) -> object:
        query, _ = direct.parse_query_lenient(question, ["body"])
        hits = searcher.search(query, K, count=False).hits
        return searcher.fast_field_values("row", [address for _, address in hits])

    for ask in (directly, lambda one: index.search(one, k=K)):
        timed(ask, list(tokens.values())[:50], 1)  # the files are in memory then
    alone = timed(directly, list(tokens.values()))
    through = timed(lambda one: index.search(one, k=K), questions)
    masked = timed(lambda one: index.search(one, k=K, mask=bits), questions)
    return {
        "tantivy_ms": round(alone, 3),
        "search_ms": round(through, 3),
        "ratio": round(through / alone, 2),
        "masked_1_percent_dead_ms": round(masked, 3),
        "masked_ratio": round(masked / alone, 2),
    }


def masks(index: LexicalIndex, questions: list[str], rows: int) -> dict[str, Any]:
    """Return the median time of a question for masks of each share."""
    chance = np.random.default_rng(SEED)
    figures = {}
    for share in (0.5, 0.1, 0.02, 0.005, 0.001):
        bits = kernels.bits_of_mask(chance.random(rows) < share)
        figures[str(share)] = round(
            timed(lambda one, bits=bits: index.search(one, k=K, mask=bits), questions[:100], 1), 3
        )  # type: ignore[misc]
    return {"masked_ms_by_share": figures}


def tail(index: LexicalIndex, texts: list[str]) -> dict[str, Any]:
    """Return the milliseconds until 100 new rows, and one, are found."""
    figures = {}
    for count in (100, 1):
        took = []
        for _ in range(15):
            new = [LexicalText(row=index.end + place, text=texts[place]) for place in range(count)]
            begun = time.perf_counter()
            index = index.extended(new)
            index.search("cells", k=1)
            took.append((time.perf_counter() - begun) * 1000)
        figures[f"new_{count}_visible_ms"] = round(statistics.median(took), 2)
    return figures


def main() -> None:
    """Measure and write the line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--only", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--dry", action="store_true", help="print the figures and write no line")
    chosen = parser.parse_args()
    figures: dict[str, Any] = {}
    if "quality" in chosen.only:
        figures["scifact"] = quality(record.DATA)
    if set(chosen.only) - {"quality"}:
        figures["passages"] = measured(chosen.passages, chosen.only)
    if chosen.dry:
        print(json.dumps(figures, indent=1))
        return
    record.write(
        "lexical",
        versions=("numpy", "tantivy"),
        parameters={"k": K, "k1": 1.2, "b": 0.75, "digest": record.digest(record.DATA / "scifact/corpus.jsonl")},
        **figures,
    )


def measured(count: int, only: list[str]) -> dict[str, Any]:
    """Return the figures over many passages, some with codes."""
    chance = random.Random(SEED)  # noqa: S311 - the same each time
    texts = list(passages(record.DATA, count))
    codes = planted(chance)
    places = dict(zip(codes, chance.sample(range(len(texts)), len(codes)), strict=True))
    for code, row in places.items():
        words = texts[row].split()
        cut = chance.randrange(len(words) + 1)
        texts[row] = " ".join([*words[:cut], code, *words[cut:]])
    questions = [one["text"] for one in lines(record.DATA / "scifact/queries.jsonl")][:300]
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        rows = [LexicalText(row=row, text=text) for row, text in enumerate(texts)]
        index = LexicalIndex.build(rows, folder=Path(folder))
        figures: dict[str, Any] = {
            "rows": len(texts),
            "build_cpu_s": round(time.process_time() - begun, 1),
            "bytes": sum(file.stat().st_size for file in index.path.iterdir()) if index.path else 0,
            "parts": index.info()["parts"],
        }
        if "codes" in only:
            asked = ("{}", "what does {} mean in the results of the study", "patients and cells with {}")
            figures["codes_first"] = {
                form: sum(index.search(form.format(code), k=1).rows.tolist() == [row] for code, row in places.items())
                for form in asked
            }
            figures["codes_planted"] = len(codes)
        if "speed" in only:
            figures |= speed(index, questions)
        if "masks" in only:
            figures |= masks(index, questions, len(texts))
        if "tail" in only:
            figures |= tail(index, texts)
    return figures


if __name__ == "__main__":
    main()
