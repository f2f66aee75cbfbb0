"""How weights are stored, and the nodes by which a graph multiplies by them.

A scheme answers two questions about a matrix: what x times it is, and which of its rows the tokens
name. The arithmetic is in `quantize`; which scheme a weight gets is decided in `scheme` alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sitegen.errors import ModelError
from sitegen.models.graph.onnx_graph import MICROSOFT, OnnxGraph
from sitegen.models.network.matrix import Matrix, transposed
from sitegen.models.quantization import quantize
from sitegen.models.quantization.blockwise import Bits
from sitegen.models.quantization.quantize import INT8_ZERO, Int8, Role, check_float16
from sitegen.models.quantization.variants import Variant
from sitegen.models.weights import Float32


class Scheme(ABC):
    """x is (1, sequence, columns), the matrix (rows, columns) = (outputs, inputs)."""

    @abstractmethod
    def multiply(self, graph: OnnxGraph, x: str, matrix: Matrix, outliers: bool = False) -> str:
        """x times the transpose of the matrix: (1, sequence, rows). outliers: see `Network`."""

    @abstractmethod
    def look_up(self, graph: OnnxGraph, matrix: Matrix, *, tied: bool) -> str:
        """The rows that input_ids name: (1, sequence, columns).

        tied: the graph multiplies by the same matrix, and the bytes are stored once.
        """


def scheme(role: Role, variant: Variant) -> Scheme:
    """The scheme of a weight of this role: the whole policy. Raises ModelError where the author
    asks for two widths of one table."""
    options = variant.quantization
    match variant.storage:
        case "fp32":
            return Full("float32")
        case "fp16":
            return Full("float16")
        case "int8":
            return Int8Rows()
        case "int8-blocks":
            return InBlocks(8, options.block_size)
    head = options.head_bits or 4
    embedding = options.embedding_bits or head
    if role == "tied" and head != embedding:
        raise ModelError(
            "this model's embeddings are its output layer as well: they cannot have "
            f"{embedding} bits and it {head}",
            hint=f"Leave out `embedding_bits`, or make both {max(head, embedding)}.",
        )
    bits: dict[Role, Bits] = {"linear": 4, "head": head, "tied": head, "embedding": embedding}
    return InBlocks(bits[role], options.block_size, options.symmetric)


class InBlocks(Scheme):
    """4 or 8 bits a weight and a float16 scale for each block of a row: what GPUs multiply by."""

    def __init__(self, bits: Bits, block_size: int, symmetric: bool = True):
        self.bits, self.block_size = bits, block_size
        self.symmetric = symmetric or bits == 8

    def multiply(self, graph: OnnxGraph, x: str, matrix: Matrix, outliers: bool = False) -> str:
        return graph.node(
            "MatMulNBits",
            [x, *self._store(graph, matrix)],
            domain=MICROSOFT,
            K=matrix.columns,
            N=matrix.rows,
            bits=self.bits,
            block_size=self.block_size,
            accuracy_level=4,  # int8 activations: dot products of bytes where the GPU has them
        )[0]

    def look_up(self, graph: OnnxGraph, matrix: Matrix, *, tied: bool) -> str:
        packed, scales, *zeros = self._store(graph, matrix)
        table = graph.view(packed, (matrix.rows, matrix.columns * self.bits // 8))
        return graph.node(
            "GatherBlockQuantized",
            [table, "input_ids", scales, *zeros],
            domain=MICROSOFT,
            bits=self.bits,
            block_size=self.block_size,
            gather_axis=0,
            quantize_axis=1,
        )[0]

    def _store(self, graph: OnnxGraph, matrix: Matrix) -> list[str]:
        """Packed weights, scales, and zero points where there are any."""
        rows, blocks = matrix.rows, matrix.columns // self.block_size
        name = f"{matrix.name}.int{self.bits}"
        calibrated = graph.calibrated.get(matrix.name) if self.bits == 4 else None
        found = quantize.InBlocks(matrix, self.bits, self.block_size, self.symmetric, calibrated)
        dims = (rows, blocks, self.block_size * self.bits // 8)
        packed = graph.stored(name, "uint8", dims, found.packed())
        # Generators: they are asked for after `packed` has computed them.
        scales = graph.stored(f"{name}.scales", "float16", (rows, blocks), found.scales())
        if self.symmetric:
            return [packed, graph.cast(scales)]
        shape = (rows, (blocks * self.bits + 7) // 8)
        zeros = graph.stored(f"{name}.zeros", "uint8", shape, found.zeros())
        return [packed, graph.cast(scales), zeros]


class Int8Rows(Scheme):
    """8 bits a weight and a scale for each row; activations become int8 as they come, with one
    scale for all tokens of a pass: what WebAssembly multiplies by fastest."""

    def multiply(self, graph: OnnxGraph, x: str, matrix: Matrix, outliers: bool = False) -> str:
        table, scales = self._store_transposed(graph, matrix)
        zero = graph.constant("int8_zero", np.array(INT8_ZERO, np.uint8))
        if not outliers:
            return graph.node("DynamicQuantizeMatMul", [x, table, scales, zero], domain=MICROSOFT)[
                0
            ]
        # Each token is first divided by its own largest input: otherwise one that is thousands of
        # times larger would leave the others no digits.
        [magnitude] = graph.node("Abs", [x])
        [largest] = graph.node("ReduceMax", [magnitude, graph.integers(-1)], keepdims=1)
        [largest] = graph.node("Max", [largest, graph.number(1e-30)])
        [x] = graph.node("Div", [x, largest])
        [y] = graph.node("DynamicQuantizeMatMul", [x, table, scales, zero], domain=MICROSOFT)
        return graph.node("Mul", [y, largest])[0]

    def look_up(self, graph: OnnxGraph, matrix: Matrix, *, tied: bool) -> str:
        if tied:
            table, scales = self._store_transposed(graph, matrix)
            rows = _columns(graph, table)
        else:
            int8 = Int8(matrix)
            table = graph.stored(
                f"{matrix.name}.int8", "uint8", (matrix.rows, matrix.columns), int8.straight()
            )
            scales = self._scales(graph, matrix, int8)
            [rows] = graph.node("Gather", [table, "input_ids"])
        [whole] = graph.node("Cast", [rows], to=graph.type)
        [whole] = graph.node("Sub", [whole, graph.number(INT8_ZERO)])
        [scale] = graph.node("Gather", [scales, "input_ids"])
        [scale] = graph.node("Unsqueeze", [scale, graph.integers(-1)])
        return graph.node("Mul", [whole, scale])[0]

    def _store_transposed(self, graph: OnnxGraph, matrix: Matrix) -> tuple[str, str]:
        int8 = Int8(matrix)
        shape = (matrix.columns, matrix.rows)
        name = f"{matrix.name}.int8.transposed"
        table = graph.stored(name, "uint8", shape, int8.transposed())
        return table, self._scales(graph, matrix, int8)

    def _scales(self, graph: OnnxGraph, matrix: Matrix, int8: Int8) -> str:
        return graph.stored(
            f"{matrix.name}.int8.scales", "float32", (matrix.rows,), (int8.scales for _ in range(1))
        )


class Full(Scheme):
    """float32 as it is, or rounded to float16. In variants with float32 activations onnxruntime
    widens float16 when it loads the model."""

    def __init__(self, dtype: Literal["float16", "float32"]):
        self.dtype = dtype

    def multiply(self, graph: OnnxGraph, x: str, matrix: Matrix, outliers: bool = False) -> str:
        return graph.node("MatMul", [x, self._store_transposed(graph, matrix)])[0]

    def look_up(self, graph: OnnxGraph, matrix: Matrix, *, tied: bool) -> str:
        if tied:
            return _columns(graph, self._store_transposed(graph, matrix))
        shape, name = (matrix.rows, matrix.columns), f"{matrix.name}.{self.dtype}"
        table = graph.stored(name, self.dtype, shape, self._rounded(matrix, matrix.blocks()))
        return graph.node("Gather", [graph.cast(table), "input_ids"])[0]

    def _store_transposed(self, graph: OnnxGraph, matrix: Matrix) -> str:
        shape, name = (matrix.columns, matrix.rows), f"{matrix.name}.{self.dtype}.transposed"
        blocks = self._rounded(matrix, transposed(matrix))
        return graph.cast(graph.stored(name, self.dtype, shape, blocks))

    def _rounded(self, matrix: Matrix, blocks: Iterator[Float32]) -> Iterator[NDArray[Any]]:
        if self.dtype == "float32":
            yield from blocks
            return
        for block in blocks:
            with np.errstate(over="ignore"):
                half = block.astype(np.float16)
            check_float16(half, matrix.name, matrix.tensor)
            yield half


def _columns(graph: OnnxGraph, table: str) -> str:
    """Columns of a (hidden, vocab) table for input_ids, as rows: (1, sequence, hidden)."""
    [columns] = graph.node("Gather", [table, "input_ids"], axis=1)  # (hidden, 1, sequence)
    return graph.node("Transpose", [columns], perm=[1, 2, 0])[0]
