"""Arithmetic on dimensions: what can be said before a graph runs is what the graph computes."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest
from onnx import ModelProto

from sitegen.models.tracing.dimensions import settle

NEW, TOTAL = 5, 9  # tokens
HEAD = """
<ir_version: 8, opset_import: ["": 18]>
part (
    int64[1, sequence] input_ids,
    int64[1, total_sequence] attention_mask,
    float[1, sequence, 8] x
) => (float[n] y)
<
    int64 zero = {0}, int64 one = {1}, int64 minus = {-1}, int64 eight = {8},
    int64[1] zeros = {0}, int64[1] ones = {1}, int64[1] twos = {2}, int64[1] threes = {3},
    int64[1] fives = {5}, int64[1] last = {-1}, int64[2] front = {0, 1}, int64[3] back = {2, 1, 0},
    int64[3] free = {-1, -1, -1}, int64[3] units = {1, 1, 1},
    int64[4] heads = {1, -1, 2, 4}, int64[3] halves = {1, -1, 4},
    int64[1] end = {9223372036854775807}, int64[1] begin = {-9223372036854775808},
    float[1] single = {1}
>
"""


def model(body: str) -> ModelProto:
    """A graph whose last line makes y, of any shape."""
    parsed = onnx.parser.parse_model(f"{HEAD}{{ {body} }}")
    onnx.checker.check_model(parsed)
    parsed.graph.output[0].type.tensor_type.ClearField("shape")
    return parsed


def run(model: ModelProto) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    [y] = session.run(
        ["y"],
        {
            "input_ids": np.arange(NEW)[None],
            "attention_mask": np.ones((1, TOTAL), np.int64),
            "x": np.arange(NEW * 8, dtype=np.float32).reshape(1, NEW, 8),
        },
    )
    return np.asarray(y)


def left(model: ModelProto) -> list[str]:
    """The operators that y needs."""
    made_by = {output: node for node in model.graph.node for output in node.output}
    found, asked = [], ["y"]
    while asked:
        if (node := made_by.pop(asked.pop(), None)) is not None:
            found.append(node.op_type)
            asked += node.input
    return sorted(found)


JOIN = "Concat <axis = 0>"
CASES = {
    "dimensions apart and together": (
        f"""s = Shape (x)  b = Gather (s, zero)  t = Gather (s, one)
        b1 = Unsqueeze (b, zeros)  t1 = Unsqueeze (t, zeros)
        j = {JOIN} (b1, t1, twos, last)  y = Reshape (x, j)""",
        ["Reshape"],
    ),
    "in another order": (
        f"""s = Shape (x)  w = Slice (s, twos, threes)  t = Slice (s, ones, twos)
        j = {JOIN} (w, t)  y = Reshape (x, j)""",
        ["Reshape"],
    ),
    "backwards by a slice": (
        "s = Shape (x)  b = Slice (s, last, begin, zeros, last)  y = Reshape (x, b)",
        ["Reshape"],
    ),
    "backwards by places": ("s = Shape (x)  b = Gather (s, back)  y = Reshape (x, b)", ["Reshape"]),
    "a shape from its middle on": ("s = Shape <start = -2> (x)  y = Reshape (x, s)", ["Reshape"]),
    "a shape up to its middle": (
        f"s = Shape <end = -1> (x)  j = {JOIN} (s, last)  y = Reshape (x, j)",
        ["Reshape"],
    ),
    "two that vary": (
        f"""s = Shape <end = 2> (x)  t = Slice (s, ones, end)  u = Squeeze (t)
        v = Reshape (u, last)  j = {JOIN} (v, last)  y = Reshape (x, j)""",
        ["Concat", "Reshape", "Shape"],
    ),
    "one dimension, measured twice": (
        f"""a = Shape <start = 1, end = 2> (x)  b = Shape <start = 1, end = 2> (input_ids)
        j = {JOIN} (a, b)  y = Expand (single, j)""",
        ["Concat", "Expand", "Shape"],
    ),
    "two dimensions": (
        f"""a = Shape <start = 1> (attention_mask)  b = Shape <start = 1> (input_ids)
        j = {JOIN} (a, b)  y = Expand (single, j)""",
        ["Concat", "Expand", "Shape", "Shape"],
    ),
    "heads, and the dimension they leave": (
        "h = Reshape (x, heads)  s = Shape <start = 1, end = 2> (h)  y = Expand (single, s)",
        ["Expand", "Shape"],
    ),
    "twice as many rows": (
        "h = Reshape (x, halves)  s = Shape <start = 1, end = 2> (h)  y = Expand (single, s)",
        ["Expand", "Reshape", "Shape"],
    ),
    "a Reshape that takes 0 at its word": (
        "s = Shape (x)  y = Reshape <allowzero = 1> (x, s)",
        ["Reshape", "Shape"],
    ),
    "a quotient": (
        f"""s = Shape (x)  w = Gather (s, minus)  h = Div (w, twos)
        j = {JOIN} (zeros, last, twos, h)  y = Reshape (x, j)""",
        ["Reshape"],
    ),
    "negative numbers": (
        f"""a = Sub (threes, eight)  b = Div (a, twos)  c = Add (b, threes)  d = Mul (c, twos)
        j = {JOIN} (d, last)  y = Reshape (x, j)""",
        ["Reshape"],
    ),
    "the largest number": (
        "a = Div (end, ones)  s = Slice (units, zeros, a)  y = Expand (single, s)",
        ["Expand"],
    ),
    "-1 for what is kept, of a shape": (
        """s = Shape (x)  a = ConstantOfShape <value = int64[1] {1}> (threes)  b = Mul (a, minus)
        e = Equal (s, b)  t = Where (e, a, s)  y = Expand (single, t)""",
        ["Expand", "Shape", "Where"],
    ),
    "-1 for what is kept, said once": (
        "e = Equal (free, last)  t = Where (e, ones, free)  y = Expand (x, t)",
        ["Expand"],
    ),
    "-1 for what is kept, as a number": (
        "s = Shape (x)  e = Equal (s, minus)  t = Where (e, one, s)  y = Reshape (x, t)",
        ["Reshape"],
    ),
    "a number and a vector are a vector": (
        """e = Equal (one, ones)  t = Where (e, eight, one)  u = Unsqueeze (t, zeros)
        f = Cast <to = 1> (u)  y = Mul (single, f)""",
        ["Cast", "Mul", "Unsqueeze"],
    ),
    "truth by places": (
        "e = Equal (units, free)  f = Gather (e, front)  t = Where (f, zeros, ones)"
        "  y = Expand (single, t)",
        ["Expand"],
    ),
    "truth of another form": (
        "e = Equal (ones, ones)  f = Squeeze (e)  g = Unsqueeze (f, zeros)"
        "  y = Where (g, single, x)",
        ["Where"],
    ),
    "truth as numbers": (
        "e = Equal (units, free)  f = Cast <to = 7> (e)  y = Reshape (x, f)",
        ["Reshape"],
    ),
    "a shape for what has it": ("s = Shape (x)  y = Expand (x, s)", ["Expand"]),
    "a shape for what has fewer dimensions": (
        "r = Squeeze (x, zeros)  s = Shape (x)  y = Expand (r, s)",
        ["Expand", "Squeeze"],
    ),
    "many of one number": (
        f"""a = ConstantOfShape <value = int64[1] {{4}}> (ones)  j = {JOIN} (a, last)
        y = Reshape (x, j)""",
        ["Reshape"],
    ),
    "whether there are five tokens": (
        """s = Shape <start = 1, end = 2> (x)  e = Equal (s, fives)
        y = Where (e, single, x)""",
        ["Equal", "Shape", "Where"],
    ),
    "the sum of a number and a vector": (
        """a = Add (one, twos)  u = Unsqueeze (a, zeros)  f = Cast <to = 1> (u)
        y = Mul (single, f)""",
        ["Cast", "Mul", "Unsqueeze"],
    ),
    "more dimensions than a vector has": (
        "u = Unsqueeze (eight, front)  f = Cast <to = 1> (u)  y = Mul (single, f)",
        ["Cast", "Mul", "Unsqueeze"],
    ),
}


@pytest.mark.parametrize(("body", "operators"), CASES.values(), ids=list(CASES))
def test_a_graph_computes_what_it_did(body: str, operators: list[str]) -> None:
    graph = model(body)
    expected = run(graph)
    settle(graph)
    found = run(graph)
    np.testing.assert_array_equal(found, expected)
    assert found.shape == expected.shape
    assert left(graph) == operators
