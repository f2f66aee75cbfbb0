"""How weights are stored, and the nodes by which a graph multiplies by them.

A scheme answers two questions about a matrix: what x times it is, and which of its rows the tokens
name. The arithmetic is in `quantize`; which scheme a weight gets is decided in `scheme` alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from sitegen.models.matrix import Matrix, transposed
from sitegen.models.onnx_graph import MICROSOFT, OnnxGraph
from sitegen.models.quantize import INT4_BLOCK, INT8_ZERO, Int4, Int8, Role, Storage


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


def scheme(role: Role, storage: Storage) -> Scheme:
    """The scheme of a weight of this role: the whole policy."""
    schemes: dict[Storage, Scheme] = {"int4": Int4Blocks(), "int8": Int8Rows(), "fp32": Full()}
    return schemes[storage]


class Int4Blocks(Scheme):
    """4 bits a weight and a float16 scale for each block of a row: what GPUs multiply by."""

    def multiply(self, graph: OnnxGraph, x: str, matrix: Matrix, outliers: bool = False) -> str:
        packed, scales = self._store(graph, matrix)
        return graph.node(
            "MatMulNBits",
            [x, packed, scales],
            domain=MICROSOFT,
            K=matrix.columns,
            N=matrix.rows,
            bits=4,
            block_size=INT4_BLOCK,
            accuracy_level=4,  # int8 activations: dot products of bytes where the GPU has them
        )[0]

    def look_up(self, graph: OnnxGraph, matrix: Matrix, *, tied: bool) -> str:
        packed, scales = self._store(graph, matrix)
        table = graph.view(packed, (matrix.rows, matrix.columns // 2))
        return graph.node(
            "GatherBlockQuantized",
            [table, "input_ids", scales],
            domain=MICROSOFT,
            bits=4,
            block_size=INT4_BLOCK,
            gather_axis=0,
            quantize_axis=1,
        )[0]

    def _store(self, graph: OnnxGraph, matrix: Matrix) -> tuple[str, str]:
        rows, blocks = matrix.rows, matrix.columns // INT4_BLOCK
        int4 = Int4(matrix)
        packed = graph.stored(
            f"{matrix.name}.int4", "uint8", (rows, blocks, INT4_BLOCK // 2), int4.packed()
        )
        name = f"{matrix.name}.int4.scales"
        # A generator, so that the scales are asked for after `packed` has computed them.
        scales = graph.stored(name, "float16", (rows, blocks), (int4.scales for _ in range(1)))
        return packed, graph.cast(scales)


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
    """float32 as it is."""

    def multiply(self, graph: OnnxGraph, x: str, matrix: Matrix, outliers: bool = False) -> str:
        return graph.node("MatMul", [x, self._store_transposed(graph, matrix)])[0]

    def look_up(self, graph: OnnxGraph, matrix: Matrix, *, tied: bool) -> str:
        if tied:
            return _columns(graph, self._store_transposed(graph, matrix))
        shape = (matrix.rows, matrix.columns)
        table = graph.stored(f"{matrix.name}.float32", "float32", shape, matrix.blocks())
        return graph.node("Gather", [table, "input_ids"])[0]

    def _store_transposed(self, graph: OnnxGraph, matrix: Matrix) -> str:
        name = f"{matrix.name}.float32.transposed"
        return graph.stored(name, "float32", (matrix.columns, matrix.rows), transposed(matrix))


def _columns(graph: OnnxGraph, table: str) -> str:
    """Columns of a (hidden, vocab) table for input_ids, as rows: (1, sequence, hidden)."""
    [columns] = graph.node("Gather", [table, "input_ids"], axis=1)  # (hidden, 1, sequence)
    return graph.node("Transpose", [columns], perm=[1, 2, 0])[0]
