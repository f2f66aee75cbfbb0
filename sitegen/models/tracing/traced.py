"""A decoder as an exporter traced it, written down again with this package's weights.

The nodes stay what they are, except for those that multiply by a matrix or look tokens up in a
table: these get the scheme of the variant, as the matrices of the direct families do. Where a
variant computes in half precision, so do the nodes, except where half precision is not enough.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from sitegen.config import Quantization
from sitegen.errors import ModelError
from sitegen.models.graph.onnx_graph import OnnxGraph
from sitegen.models.graph.schemes import scheme
from sitegen.models.jobs import CORES_EACH
from sitegen.models.network.inventory import AttentionCache
from sitegen.models.network.matrix import Matrix, Part
from sitegen.models.quantization.quantize import Role, check_float16
from sitegen.models.quantization.variants import Variant, variants
from sitegen.models.shards import ShardWriter
from sitegen.models.verification.runner import Runner
from sitegen.models.weights import Float32, Tensor

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
LARGE = 1024  # truth values that are worth a place in the weights file

# Sums over many numbers, and what turns small differences or large numbers into results.
SINGLE = {"Softmax", "LogSoftmax", "ReduceMean", "ReduceSum", "ReduceSumSquare", "ReduceL2"}
SINGLE |= {"CumSum", "Sqrt", "Reciprocal", "Exp", "Log"}
ELEMENTWISE = {"Add", "Sub", "Mul", "Div", "Pow", "Neg", "Abs", "Tanh", "Where", "Max", "Min"}
BRANCHING = {"NonZero", "Compress", "Unique"}
RESHAPING = {"Reshape", "Identity", "Cast", "Squeeze", "Unsqueeze"}


@dataclass(frozen=True)
class Product:
    """A node that multiplies the value `x` by a matrix and adds a bias."""

    x: str
    matrix: Matrix
    bias: str | None


class Traced:
    """A graph with the one interface (see `graph`), in float32 and with its own weights.

    path: an ONNX file that `rewrite` has passed; its weights are external data beside it. The other
    arguments are those of an `Exportable`.
    Raises ModelError for a graph that cannot be taken apart.
    """

    half_precision = True
    short_context = None

    def __init__(
        self,
        model_type: str,
        path: Path,
        max_context: int,
        parameters: int,
        packages: Mapping[str, str],
    ):
        self.model_type, self.max_context = model_type, max_context
        self.parameters, self.packages = parameters, packages
        graph = onnx.load(path, load_external_data=False).graph
        self.path = path
        self.nodes: list[NodeProto] = list(graph.node)
        self.inputs, self.outputs = list(graph.input), list(graph.output)
        self.constants: dict[str, TensorProto] = {}
        self.tensors: dict[str, Tensor] = {}
        for tensor in graph.initializer:
            if tensor.data_location == TensorProto.EXTERNAL and tensor.data_type == FLOAT:
                self.tensors[tensor.name] = _tensor(tensor, path.parent)
            else:
                self.constants[tensor.name] = tensor
        self.layers = [
            AttentionCache(shape[1].dim_value, shape[3].dim_value)
            for value in self.inputs
            if value.name.endswith(".key")
            for shape in [value.type.tensor_type.shape.dim]
        ]
        self.vocab = self.outputs[0].type.tensor_type.shape.dim[-1].dim_value
        self._ranks = {
            v.name: len(v.type.tensor_type.shape.dim)
            for v in graph.value_info
            if v.type.tensor_type.HasField("shape")
        }
        self.types = self._all_types([*graph.value_info, *self.inputs, *self.outputs])
        self._refuse_branches()
        self.products, self.tables = self._products_and_tables()
        self.tied = {each.matrix for each in self.products.values()} & set(self.tables.values())
        self.single = self._in_single()
        self.precise = {
            name for node in self.nodes if node.output[0] in self.single for name in node.input
        }

    # Reading

    def _all_types(self, known: Iterable[onnx.ValueInfoProto]) -> dict[str, int]:
        types = {value.name: value.type.tensor_type.elem_type for value in known}
        types |= {name: tensor.data_type for name, tensor in self.constants.items()}
        types |= dict.fromkeys(self.tensors, FLOAT)
        for node in self.nodes:  # of operators that onnx does not know: as their first input
            for output in node.output:
                types.setdefault(output, types.get(node.input[0], 0) if node.input else 0)
        return types

    def _refuse_branches(self) -> None:
        """Raise ModelError where the numbers decide which nodes run, or on how many rows: a mixture
        of experts, whose empty rows not every kernel can multiply."""
        computed = {"input_ids"}
        for node in self.nodes:
            if node.op_type == "Shape" or computed.isdisjoint(node.input):
                continue
            computed.update(node.output)
            if node.op_type in BRANCHING or any(each.HasField("g") for each in node.attribute):
                raise ModelError(
                    f"the model sends tokens different ways ({node.op_type} in the exported "
                    "graph), as a mixture of experts does",
                    hint="Such models do not run in the browser yet: take a dense one.",
                )

    def _products_and_tables(self) -> tuple[dict[str, Product], dict[str, Matrix]]:
        """What is multiplied by a matrix, and what is looked up in a table, by the node's output.

        A head that holds the table's numbers once more is the table.
        """
        products: dict[str, Product] = {}
        tables: dict[str, Matrix] = {}
        tokens = {"input_ids"}
        for node in self.nodes:
            output = node.output[0]
            if node.op_type in RESHAPING and node.input[0] in tokens:
                tokens.add(output)
            elif node.op_type == "Gather" and node.input[1] in tokens:
                tensor = self.tensors.get(node.input[0])
                if tensor and len(tensor.shape) == 2 and self._ranks.get(output) == 3:
                    tables[output] = Matrix((Part(tensor),))
            elif product := self._product(node):
                products[output] = product
        for output, product in products.items():
            for table in tables.values():
                if _same(product.matrix, table):
                    products[output] = Product(product.x, table, product.bias)
        return products, tables

    def _product(self, node: NodeProto) -> Product | None:
        if node.op_type not in ("MatMul", "Gemm"):
            return None
        weight = self.tensors.get(node.input[1])
        if weight is None or len(weight.shape) != 2:
            return None
        options = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        if options.get("transA", 0) or options.get("alpha", 1) != 1 or options.get("beta", 1) != 1:
            return None
        part = Part(weight, transposed=not options.get("transB", 0))
        bias = node.input[2] if len(node.input) > 2 else None
        return Product(node.input[0], Matrix((part,)), bias)

    def _in_single(self) -> set[str]:
        """Outputs of the nodes that compute in single precision in every variant.

        That is: positions, masks and whatever else is known before the first token is looked up
        (an angle of thousands of radians has no fraction left in half precision); the sums of
        SINGLE; and elementwise nodes that nothing else reads, from attention's products on.
        """
        flowing = {v.name for v in self.inputs if v.type.tensor_type.elem_type == FLOAT}
        readers: dict[str, list[NodeProto]] = {v.name: [] for v in self.outputs}
        for node in self.nodes:
            for name in node.input:
                readers.setdefault(name, []).append(node)
            if node.op_type == "Gather" and node.input[0] in self.tensors:
                flowing.update(node.output)
            elif any(name in flowing and self.types[name] == FLOAT for name in node.input):
                flowing.update(o for o in node.output if self.types[o] == FLOAT)
        single: set[str] = set()
        outputs = {value.name for value in self.outputs}
        for node in reversed(self.nodes):
            output = node.output[0]
            next = readers.get(output, [])
            if (
                output not in flowing
                or node.op_type in SINGLE
                or node.op_type in ELEMENTWISE
                and output not in outputs
                and next
                and all(each.output[0] in single for each in next)
            ):
                single.update(node.output)
        return single

    # What `export` asks

    def reference(self, ids: Sequence[int]) -> Float32:
        """Logits of every position, (len(ids), vocab), of the graph with its own weights."""
        [fp32] = variants(Quantization(recipe="fp32"))
        runner = Runner(self.path.read_bytes(), self.path.parent, self.layers, fp32, CORES_EACH)
        return runner.forward(ids, runner.empty(), 0)[0]

    def graph(self, variant: Variant, writer: ShardWriter, context: int) -> bytes:
        copy = _Copy(self, variant, writer)
        for node in self.nodes:
            copy.add(node)
        return copy.serialized()


class _Copy(OnnxGraph):
    """A traced graph as it becomes the graph of one variant."""

    def __init__(self, traced: Traced, variant: Variant, writer: ShardWriter):
        super().__init__(variant, writer)
        self.traced = traced
        self.inputs = [_with_type(value, self.type) for value in traced.inputs]
        self.outputs = [_with_type(value, self.type) for value in traced.outputs]
        self._names: dict[str, str] = {}  # of values that are called otherwise here
        self._floats = {v.name: self.type for v in self.inputs if v.name.startswith("past")}
        self._converted: dict[tuple[str, int], str] = {}

    def add(self, node: NodeProto) -> None:
        """Append a node of the traced graph, or what stands for it."""
        output = node.output[0]
        if product := self.traced.products.get(output):
            self._name(output, self._multiply(product))
        elif table := self.traced.tables.get(output):
            tied = table in self.traced.tied
            role = scheme("tied" if tied else "embedding", self.variant)
            self._name(output, role.look_up(self, table, tied=tied))
        else:
            self._copy(node)

    def _multiply(self, product: Product) -> str:
        matrix = product.matrix
        role: Role = "head" if matrix.rows == self.traced.vocab else "linear"
        if matrix in self.traced.tied:
            role = "tied"
        # What comes out of the wide middle of an MLP may have outliers.
        x, outliers = self._value(product.x, self.type), matrix.columns > matrix.rows
        y = scheme(role, self.variant).multiply(self, x, matrix, outliers)
        if product.bias is not None:
            [y] = self.node("Add", [y, self._value(product.bias, self.type)])
        return y

    def _name(self, traced: str, name: str) -> None:
        """Remember under which name a value of the traced graph is found here."""
        self._names[traced], self._floats[name] = name, self.type
        if any(value.name == traced for value in self.outputs):
            self.node("Identity", [name], [traced])

    def _copy(self, node: NodeProto) -> None:
        wanted = FLOAT if node.output[0] in self.traced.single else self.type
        copy = NodeProto()
        copy.CopyFrom(node)
        copy.input[:] = [name and self._value(name, wanted) for name in node.input]
        for attribute in copy.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == FLOAT:
                attribute.i = wanted
        self.nodes.append(copy)
        self._floats |= {o: wanted for o in node.output if self.traced.types[o] == FLOAT}

    def _value(self, name: str, wanted: int) -> str:
        """A value of the traced graph by its name here; if it is float, in the wanted type."""
        if name in self.traced.tensors:
            return self._convert(self._tensor(self.traced.tensors[name]), wanted)
        if name in self.traced.constants:
            return self._constant(self.traced.constants[name], wanted)
        return self._convert(self._names.get(name, name), wanted)

    def _convert(self, name: str, wanted: int) -> str:
        if self._floats.get(name, wanted) == wanted:
            return name
        if (name, wanted) not in self._converted:
            [self._converted[name, wanted]] = self.node("Cast", [name], to=wanted)
        return self._converted[name, wanted]

    def _tensor(self, tensor: Tensor) -> str:
        """Norm weights, biases, positions and whatever else no scheme quantizes."""
        if self.variant.stores_halves and tensor.name not in self.traced.precise:
            name = f"{tensor.name}.float16"
            self._floats[name] = HALF
            return self.stored(name, "float16", tensor.shape, _halves(tensor))
        name = f"{tensor.name}.float32"
        self._floats[name] = FLOAT
        return self.stored(name, "float32", tensor.shape, tensor.blocks())

    def _constant(self, tensor: TensorProto, wanted: int) -> str:
        values = numpy_helper.to_array(tensor, str(self.traced.path.parent))
        if tensor.data_type == TensorProto.BOOL and values.size >= LARGE:
            digest = hashlib.sha256(values.tobytes()).hexdigest()  # layers have the same mask
            name = self.stored(f"mask.{digest}", "uint8", values.shape, [values.view(np.uint8)])
            if (name, TensorProto.BOOL) not in self._converted:
                [truth] = self.node("Cast", [name], to=TensorProto.BOOL)
                self._converted[name, TensorProto.BOOL] = truth
            return self._converted[name, TensorProto.BOOL]
        if tensor.data_type == FLOAT and wanted == HALF:
            limit = np.finfo(np.float16).max  # of the numbers that stand for infinity
            return self.constant(f"{tensor.name}.half", values.clip(-limit, limit).astype("<f2"))
        return self.constant(tensor.name, values)


def _tensor(tensor: TensorProto, folder: Path) -> Tensor:
    """External data as `weights` reads it."""
    entry = {each.key: each.value for each in tensor.external_data}
    path, start = folder / entry["location"], int(entry.get("offset", 0))
    return Tensor(tensor.name, "F32", tuple(tensor.dims), path, start)


def _halves(tensor: Tensor) -> Iterator[NDArray[np.float16]]:
    for block in tensor.blocks():
        with np.errstate(over="ignore"):
            half = block.astype(np.float16)
        check_float16(half, tensor.name, tensor)
        yield half


def _with_type(value: onnx.ValueInfoProto, type: int) -> onnx.ValueInfoProto:
    """The same input or output, in the type of the activations if it is float."""
    copy = onnx.ValueInfoProto()
    copy.CopyFrom(value)
    if value.type.tensor_type.elem_type == FLOAT:
        copy.type.tensor_type.elem_type = type
    return copy


def _same(a: Matrix, b: Matrix) -> bool:
    """Whether two matrices hold the same numbers, however they are stored."""
    return (a.rows, a.columns) == (b.rows, b.columns) and _digest(a) == _digest(b)


def _digest(matrix: Matrix) -> bytes:
    digest = hashlib.sha256()
    for block in matrix.blocks():
        digest.update(np.ascontiguousarray(block).data)
    return digest.digest()
