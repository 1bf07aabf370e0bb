"""Verify: sources, ledger, records, vectors and indexes, each compared with the others, both ways.

Step: 9 of 11, a part of lifecycle.
Takes: a store, and the sources that a collection was made of.
Gives: what does not agree, by name, and on request what was mended.
Never: changes anything unless it is asked to, or takes what could not be looked at for sound.
"""

from vicinal.lifecycle.verify.finding import KINDS, Finding, Verification
from vicinal.lifecycle.verify.sample import MOST_SAMPLED, Sampled
from vicinal.lifecycle.verify.verify import verify

__all__ = ["KINDS", "MOST_SAMPLED", "Finding", "Sampled", "Verification", "verify"]
