"""Vectors that were encoded before: kept in one file by the digest of text, role and space, and found again.

Step: 4 of 11, encode, around the model.
Takes: texts in a role, for an encoder of any space.
Gives: the vectors that the encoder gave for them, now or before.
Never: stores a text, gives a vector that is not the encoder's, or fails because of its file: it can all be encoded again.
"""

from vicinal.encode.cache.cached import cached, uncached
from vicinal.encode.cache.store import CacheInfo, EncodingCache

__all__ = ["CacheInfo", "EncodingCache", "cached", "uncached"]
