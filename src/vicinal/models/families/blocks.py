"""What networks are made of: linear maps, norms, heads, attention, rotations, masks, as operations of one graph."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vicinal.models.families import weights
from vicinal.models.graph import FLOAT, INT64, Graph
from vicinal.models.safetensors import Tensor

LOWEST = float(np.finfo(np.float32).min)
"""Added to the score of what may not be looked at; finite, so that a row of nothing else stays finite too."""


class Blocks:
    """A graph with the inputs ``ids`` and ``mask``, and the parts that networks share.

    Token vectors are kept as rows (B * T, D), so that each product with weights is one Gemm.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        The weights, by the names of the file.
    weights_file : str
        The name of that file.
    prefix : str
        What stands before each name that is asked for.
    epsilon : float
        What norms add to a variance.

    Attributes
    ----------
    ids, mask : str
        The inputs, int64 (B, T).
    """

    def __init__(self, tensors: Mapping[str, Tensor], weights_file: str, *, prefix: str, epsilon: float) -> None:
        self._tensors = tensors
        self._prefix = prefix
        self._epsilon = epsilon
        self.graph = Graph(weights_file)
        self.ids = self.graph.take("ids", INT64, ["B", "T"])
        self.mask = self.graph.take("mask", INT64, ["B", "T"])
        self._shape = self.graph.node("Shape", self.ids)
        self._splits: dict[tuple[int, int], str] = {}

    def model(self, rows: str, dim: int) -> bytes:
        """Return the whole model, whose output ``tokens`` is float32 (B, T, D)."""
        whole = self.graph.node("Concat", self._shape, self.numbers(dim), axis=0)
        self.graph.give("tokens", self.graph.node("Reshape", rows, whole), FLOAT, ["B", "T", dim])
        return self.graph.to_bytes()

    def words(self, name: str) -> str:
        """Return the vector of each id out of a table: (B, T, D)."""
        return self.graph.node("Gather", self.weight(name), self.ids)

    def rows(self, value: str, dim: int) -> str:
        """(B, T, D) → (B * T, D)."""
        return self.graph.node("Reshape", value, self.numbers(-1, dim))

    def length(self) -> str:
        """T, int64 (1,)."""
        return self.graph.node("Shape", self.ids, start=1, end=2)

    def first_rows(self, name: str, count: str) -> str:
        """Return the first rows of a table."""
        zero = self.numbers(0)
        return self.graph.node("Slice", self.weight(name), zero, count, zero)

    def linear(self, value: str, name: str, *, biased: bool = True) -> str:
        """Return x Wᵀ + b, the weights as they lie in the file."""
        inputs = [value, self.weight(f"{name}.weight")] + ([self.weight(f"{name}.bias")] if biased else [])
        return self.graph.node("Gemm", *inputs, transB=1)

    def layer_norm(self, value: str, name: str, *, biased: bool = True) -> str:
        """(x - mean) / √(variance + ε) · w + b, over the last axis."""
        inputs = [value, self.weight(f"{name}.weight")] + ([self.weight(f"{name}.bias")] if biased else [])
        return self.graph.node("LayerNormalization", *inputs, axis=-1, epsilon=self._epsilon)

    def rms_norm(self, value: str, name: str) -> str:
        """Return x / √(mean x² + ε) · w, over the last axis (Zhang, Sennrich 2019)."""
        graph = self.graph
        mean = graph.node("ReduceMean", graph.node("Pow", value, self.number(2)), self.numbers(-1), keepdims=1)
        root = graph.node("Sqrt", graph.node("Add", mean, self.number(self._epsilon)))
        return graph.node("Mul", graph.node("Div", value, root), self.weight(f"{name}.weight"))

    def activate(self, value: str, activation: str) -> str:
        """Return the activation of that name (ours): ``gelu``, ``gelu_tanh``, ``relu``, ``silu``."""
        if activation == "relu":
            return self.graph.node("Relu", value)
        if activation == "silu":
            return self.graph.node("Mul", value, self.graph.node("Sigmoid", value))
        return self.graph.node("Gelu", value, approximate="tanh" if activation == "gelu_tanh" else "none")

    def heads(self, rows: str, count: int, size: int) -> str:
        """(B * T, H * d) → (B, T, H, d)."""
        if (count, size) not in self._splits:
            shape = self.graph.node("Concat", self._shape, self.numbers(count, size), axis=0)
            self._splits[count, size] = shape
        return self.graph.node("Reshape", rows, self._splits[count, size])

    def repeat(self, heads: str, count: int, groups: int, size: int) -> str:
        """(B, T, G, d) → (B, T, H, d): each of G heads stands for H / G neighbours."""
        if count == groups:
            return heads
        wider = self.graph.node("Unsqueeze", heads, self.numbers(3))
        copied = self.graph.node("Expand", wider, self.numbers(1, 1, 1, count // groups, 1))
        return self.heads(copied, count, size)

    def attend(self, query: str, key: str, value: str, bias: str, *, heads: int, size: int) -> str:
        """softmax(q kᵀ / √d + bias) v, of heads (B, T, H, d), joined: (B * T, H * d)."""
        graph = self.graph
        query = graph.node("Transpose", query, perm=(0, 2, 1, 3))
        key = graph.node("Transpose", key, perm=(0, 2, 3, 1))
        value = graph.node("Transpose", value, perm=(0, 2, 1, 3))
        scaled = graph.node("Mul", graph.node("MatMul", query, key), self.number(size**-0.5))
        scores = graph.node("Add", scaled, bias)
        mixed = graph.node("MatMul", graph.node("Softmax", scores, axis=-1), value)
        joined = graph.node("Transpose", mixed, perm=(0, 2, 1, 3))
        return graph.node("Reshape", joined, self.numbers(-1, heads * size))

    def mask_bias(self) -> str:
        """Return 0 where a token is and the lowest number where padding is: (B, 1, 1, T)."""
        absent = self.graph.node("Sub", self.graph.node("Cast", self.mask, to=FLOAT), self.number(1))
        lowest = self.graph.node("Mul", absent, self.number(-LOWEST))
        return self.graph.node("Unsqueeze", lowest, self.numbers(1, 2))

    def window_bias(self, bias: str, *, behind: int | None, ahead: int | None) -> str:
        """Return the bias with the lowest number, too, where a key is too far from its query: (B, 1, T, T).

        Parameters
        ----------
        bias : str
            As ``mask_bias`` gives it.
        behind, ahead : int or None
            How many places before and after itself a token looks; None is all.
        """
        graph = self.graph
        apart = self.apart()
        for sign, reach in ((-1, behind), (1, ahead)):
            if reach is not None:
                distance = apart if sign > 0 else graph.node("Neg", apart)
                far = graph.node("Cast", graph.node("Greater", distance, self.numbers(reach)), to=FLOAT)
                bias = graph.node("Min", bias, graph.node("Mul", far, self.number(LOWEST)))
        return bias

    def apart(self) -> str:
        """Return the place of each key less that of each query: int64 (T, T)."""
        places = self.places()
        columns = self.graph.node("Unsqueeze", places, self.numbers(0))
        return self.graph.node("Sub", columns, self.graph.node("Unsqueeze", places, self.numbers(1)))

    def places(self) -> str:
        """0, 1, 2 … T - 1: int64 (T,)."""
        length = self.graph.node("Squeeze", self.length())
        zero, one = (self.graph.constant(np.array(value, dtype=np.int64)) for value in (0, 1))
        return self.graph.node("Range", zero, length, one)

    def angles(self, size: int, theta: float, *, scaling: float | None = None, trained: int = 0) -> tuple[str, str]:
        """Return cosine and signed sine of each place's angles, for heads: (T, 1, d) or (B, T, 1, d).

        Parameters
        ----------
        size : int, even
            d, the size of a head.
        theta : float
            The base: pair i of d / 2 turns by theta ** (-2 i / d) from place to place (Su et al. 2021, RoFormer, 3.2.2).
        scaling, trained : float, int, optional
            Where a text has more tokens than the network was trained on, its base grows with its length
            (bloc97 2023, "Dynamically scaled RoPE"). By the length of the text, not of the batch that it stands in,
            so that a vector does not depend on its neighbours.
        """
        graph = self.graph
        turns = self._turns(size, theta, scaling, trained)
        places = graph.node("Unsqueeze", graph.node("Cast", self.places(), to=FLOAT), self.numbers(1))
        angles = graph.node("Mul", places, turns)
        sine, cosine = graph.node("Sin", angles), graph.node("Cos", angles)
        signed = graph.node("Concat", graph.node("Neg", sine), sine, axis=-1)
        both = graph.node("Concat", cosine, cosine, axis=-1)
        return graph.node("Unsqueeze", both, self.numbers(-2)), graph.node("Unsqueeze", signed, self.numbers(-2))

    def _turns(self, size: int, theta: float, scaling: float | None, trained: int) -> str:
        """Return the angle between two places, pair by pair: (d / 2,), or (B, 1, d / 2) where it depends on the text."""
        graph = self.graph
        exponents = np.arange(0, size, 2, dtype=np.float64) / size
        turns = graph.constant((theta**-exponents).astype(np.float32))
        if scaling is None:
            return turns
        tokens = graph.node("Cast", graph.node("ReduceSum", self.mask, self.numbers(1), keepdims=1), to=FLOAT)
        grown = graph.node("Sub", graph.node("Mul", tokens, self.number(scaling / trained)), self.number(scaling - 1))
        growth = graph.node("Unsqueeze", graph.node("Max", grown, self.number(1)), self.numbers(1))
        power = graph.constant((-exponents * size / max(size - 2, 1)).astype(np.float32))
        return graph.node("Mul", turns, graph.node("Pow", growth, power))

    def rotate(self, heads: str, angles: tuple[str, str]) -> str:
        """Turn each pair (x_i, x_{i + d/2}) of heads (B, T, H, d) by the angles of its place."""
        graph = self.graph
        cosine, signed = angles
        first, second = graph.split(heads, 2)
        swapped = graph.node("Concat", second, first, axis=-1)
        return graph.node("Add", graph.node("Mul", heads, cosine), graph.node("Mul", swapped, signed))

    def weight(self, name: str) -> str:
        """Return the weights of a name, as float32."""
        found = weights.find(self._tensors, self._prefix + name)
        assert found is not None  # noqa: S101 - ``describe`` has seen that it is there
        return self.graph.weight(found)

    def number(self, value: float) -> str:
        """Return a float32 constant without axes."""
        return self.graph.constant(np.array(value, dtype=np.float32))

    def numbers(self, *values: int) -> str:
        """Return an int64 constant with one axis."""
        return self.graph.constant(np.array(values, dtype=np.int64))
