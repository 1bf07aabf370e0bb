"""Many threads, and the end of a call: an error or Ctrl-C leaves no thread behind and harms no other call."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from provider_worlds import fake_vector
from vicinal.encode.providers.client import Clock
from vicinal.errors import RemoteError


def test_an_encoder_serves_many_threads(openai, connect):
    """Each gets its own vectors, from many small calls and large ones at once."""
    encoder = connect(openai)
    wrong = []

    def work(number):
        for size in (1, 40, 3):
            texts = [f"thread {number} text {place}" for place in range(size)]
            if not np.allclose(np.asarray(encoder.encode_documents(texts)), [*map(fake_vector, texts)], atol=1e-6):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def _labourers():
    return [thread for thread in threading.enumerate() if thread.name.startswith("vicinal-provider")]


def test_an_error_ends_the_call_and_its_threads_at_once(openai, connect):
    """The others wait for a server that will not answer for half a minute; they are woken."""
    encoder = connect(openai, timeout_s=60)
    openai.faults.extend(["slow", "slow", "400"])
    started = time.monotonic()
    with pytest.raises(RemoteError, match="400"):
        encoder.encode_documents([f"text {number}" for number in range(400)])
    assert time.monotonic() - started < 3
    assert not _labourers()


def test_an_error_of_one_call_leaves_the_others_alone(openai, connect):
    """What is woken are the connections of the call that failed."""
    encoder = connect(openai, timeout_s=60)
    openai.faults.append("slow")
    got = []
    other = threading.Thread(target=lambda: got.append(encoder.encode_queries(["cat"])))
    other.start()
    while len(openai.seen) < 2:
        time.sleep(0.001)
    openai.faults.append("400")
    with pytest.raises(RemoteError):
        encoder.encode_documents([f"text {number}" for number in range(400)])
    openai.released.set()
    other.join()
    assert np.allclose(got[0][0], fake_vector("cat"), atol=1e-6)


INTERRUPTED = """
import sys, threading
sys.path.insert(0, sys.argv[1])
from provider_worlds import FakeOpenAI
from vicinal.encode import providers
fake = FakeOpenAI().__enter__()
encoder = providers.connect(fake.name, timeout_s=60, secret=lambda _: None)
fake.always = "slow"
texts = [f"text {number}" for number in range(int(sys.argv[2]))]
def tell():
    while len(fake.seen) < 2:
        pass
    print("waiting", flush=True)
threading.Thread(target=tell, daemon=True).start()
try:
    encoder.encode_documents(texts)
except KeyboardInterrupt:
    alive = [t for t in threading.enumerate() if t.name.startswith("vicinal-provider")]
    print("interrupted", len(alive), flush=True)
"""


@pytest.mark.parametrize("count", [1, 400])
def test_ctrl_c_ends_a_call_at_once(count):
    """With one request under way and with several: no thread is left, and the process ends."""
    tests = Path(__file__).resolve().parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, str(tests), str(count)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ},
    )
    assert process.stdout.readline() == "waiting\n"
    time.sleep(0.1)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert out == "interrupted 0\n"
    assert time.monotonic() - started < 5


def test_a_pause_ends_with_the_call(openai, connect):
    """One thread waits half a minute as told, by the real clock, when another meets an error."""
    encoder = connect(openai, clock=Clock())
    both = threading.Barrier(2, timeout=5)
    openai.faults.append(lambda handler, _: (both.wait(), handler.send_json(429, {}, retry_after="30")))
    openai.faults.append(lambda handler, _: (both.wait(), time.sleep(0.2), handler.send_json(400, {})))
    started = time.monotonic()
    with pytest.raises(RemoteError, match="400"):
        encoder.encode_documents([f"text {number}" for number in range(400)])
    assert time.monotonic() - started < 3
    assert not _labourers()
