"""The bar of drift on real text: how often unchanged windows alarm, and how often new ones do (CLINC150, MiniLM).

``LONG_STEPS`` says how many no-drift pairs are compared; the full bar is 200.
"""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from vicinal.lifecycle.drift.panel import compare, corrected

PAIRS = 12
LEVEL = 0.05
POOL = 3_300


@pytest.fixture(scope="module")
def world(data_folder, minilm):
    """Return vectors of in-scope texts, those of out-of-scope ones, and which of the former are of banking."""
    path = data_folder / "clinc150" / "data_full.json"
    if not path.is_file():
        pytest.skip("CLINC150 is not in the data folder")
    told = json.loads(path.read_text(encoding="utf-8"))
    domains = json.loads((data_folder / "clinc150" / "domains.json").read_text(encoding="utf-8"))
    steps = int(os.environ.get("LONG_STEPS", PAIRS))
    chance = np.random.default_rng(1)
    inside = [pair for part in ("train", "val", "test") for pair in told[part]]
    size = len(inside) if steps > PAIRS else POOL
    inside = [inside[at] for at in chance.permutation(len(inside))[:size].tolist()]
    outside = [text for part in ("oos_train", "oos_val", "oos_test") for text, _ in told[part]]
    outside = outside if steps > PAIRS else outside[:200]
    known = np.asarray(minilm.encode_queries([text for text, _ in inside]))
    new = np.asarray(minilm.encode_queries(outside))
    return known, new, np.array([intent in set(domains["banking"]) for _, intent in inside]), steps


def alarm(before, now, seed):
    """Return whether a window is beyond the level, all tests together."""
    found = compare(before, now, seed=seed, with_power=False)
    return min(corrected(list(found.p_values.values()))) < LEVEL


@pytest.mark.slow
def test_unchanged_windows_alarm_in_at_most_7_percent(world):
    """Pairs of windows of 1,000 from one pool: at most 7 % of 200; of a few, no more than chance gives once in 300."""
    known, _, _, steps = world
    chance = np.random.default_rng(2)
    alarms = 0
    for seed in range(steps):
        mixed = known[chance.permutation(len(known))]
        alarms += alarm(mixed[:1000], mixed[1000:2000], seed)
    assert alarms <= (0.07 * steps if steps >= 200 else 3), f"{alarms} of {steps}"


@pytest.mark.slow
def test_a_tenth_of_new_texts_is_found(world):
    """10 % out-of-scope texts, 1,000 against 1,000: in 80 % of the windows and more."""
    known, new, _, steps = world
    chance = np.random.default_rng(3)
    tried, found = max(10, steps // 2), 0
    for seed in range(tried):
        mixed = known[chance.permutation(len(known))]
        window = np.concatenate([mixed[1000:1900], new[chance.permutation(len(new))[:100]]])
        found += alarm(mixed[:1000], window, seed)
    assert found >= 0.8 * tried, f"{found} of {tried}"


@pytest.mark.slow
def test_more_banking_is_named_by_its_cell(world):
    """Banking from 10 % to 20 %: where the mixture is found to have shifted, a cell of banking is among those named."""
    known, _, is_banking, _ = world
    chance = np.random.default_rng(4)
    named = shifted = 0
    for seed in range(6):
        order = chance.permutation(len(known))
        before, rest = order[:1000], order[1000:]
        now = np.concatenate([rest[is_banking[rest]][:200], rest[~is_banking[rest]][:800]])
        found = compare(known[before], known[now], seed=seed, with_power=False)
        p_values = found.p_values
        if min(corrected(list(p_values.values()))[1:]) >= LEVEL:
            continue
        grown = [cell for cell in found.cells.changed if cell.grew] or list(found.cells.likeliest)
        shifted += 1
        told = np.concatenate([is_banking[before], is_banking[now]])
        named += any(told[found.cells.cell_of == cell.number].mean() > 0.5 for cell in grown)
    assert shifted >= 3
    assert named >= shifted - 1
