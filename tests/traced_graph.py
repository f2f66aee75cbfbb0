"""A decoder's ONNX graph as a tracer writes it: any batch, position_ids, all logits, no fused node.

One layer with two heads, a rotation of sorts by the position, a head that is the embedding again
and a factor behind it. Needs no PyTorch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser

VOCAB, HIDDEN, HEADS, HEAD_DIM, INNER = 96, 64, 2, 32, 128
CACHE = f"float[batch, {HEADS}, past, {HEAD_DIM}]"
GRAPH = f"""
<ir_version: 8, opset_import: ["": 18]>
decoder (
    int64[batch, sequence] input_ids,
    int64[batch, total] attention_mask,
    int64[batch, sequence] position_ids,
    {CACHE} past_key,
    {CACHE} past_value
) => (
    float[batch, sequence, {VOCAB}] logits,
    float[batch, {HEADS}, total, {HEAD_DIM}] present_key,
    float[batch, {HEADS}, total, {HEAD_DIM}] present_value
)
<
    int64 zero = {{0}}, int64 one = {{1}}, int64 two = {{2}},
    int64[1] zeros = {{0}}, int64[1] ones = {{1}}, int64[1] twos = {{2}}, int64[1] last = {{-1}},
    int64[1] heads = {{{HEADS}}}, int64[1] head_dim = {{{HEAD_DIM}}},
    float square = {{2}}, float epsilon = {{0.00001}}, float infinity = {{-3.4e38}},
    float[1] nothing = {{0}}, float factor = {{0.5}}, float root = {{0.17677669}}
>
{{
    embedded = Gather (table, input_ids)

    positions = Cast <to = 1> (position_ids)
    column = Unsqueeze (positions, last)
    angles = Mul (column, frequencies)
    turned = Cos (angles)

    powers = Pow (embedded, square)
    means = ReduceMean (powers, last)
    above = Add (means, epsilon)
    roots = Sqrt (above)
    divided = Div (embedded, roots)
    normed = Mul (norm, divided)

    shape = Shape (normed)
    batch = Gather (shape, zero)
    sequence = Gather (shape, one)
    batches = Unsqueeze (batch, zeros)
    sequences = Unsqueeze (sequence, zeros)
    by_head = Concat <axis = 0> (batches, last, heads, head_dim)
    joined = Concat <axis = 0> (batches, sequences, last)

    queries = MatMul (normed, query_weight)
    keys = MatMul (normed, key_weight)
    values = MatMul (normed, value_weight)
    queries_turned = Mul (queries, turned)
    keys_turned = Mul (keys, turned)
    queries_split = Reshape (queries_turned, by_head)
    keys_split = Reshape (keys_turned, by_head)
    values_split = Reshape (values, by_head)
    query = Transpose <perm = [0, 2, 1, 3]> (queries_split)
    key = Transpose <perm = [0, 2, 1, 3]> (keys_split)
    value = Transpose <perm = [0, 2, 1, 3]> (values_split)
    present_key = Concat <axis = 2> (past_key, key)
    present_value = Concat <axis = 2> (past_value, value)

    mask_shape = Shape (attention_mask)
    total = Gather (mask_shape, one)
    all = Range (zero, total, one)
    last_position = Unsqueeze (position_ids, last)
    hidden = Less (last_position, all)
    hidden_heads = Unsqueeze (hidden, ones)
    mask = Where (hidden_heads, infinity, nothing)
    across = Transpose <perm = [0, 1, 3, 2]> (present_key)
    products = MatMul (query, across)
    scaled = Mul (products, root)
    scores = Add (scaled, mask)
    softmax = Softmax <axis = -1> (scores)
    guard = IsNaN (softmax)
    guarded = Where (guard, nothing, softmax)
    mixed = MatMul (guarded, present_value)
    mixed_back = Transpose <perm = [0, 2, 1, 3]> (mixed)
    mixed_flat = Reshape (mixed_back, joined)
    attended = MatMul (mixed_flat, output_weight)
    residual = Add (embedded, attended)

    rows = Reshape (residual, by_row)
    wide = Gemm <transB = 1> (rows, up_weight, up_bias)
    active = Relu (wide)
    narrow = Gemm <transB = 1> (active, down_weight, down_bias)
    narrow_back = Reshape (narrow, joined)
    final = Add (residual, narrow_back)
    product = MatMul (final, head_weight)
    logits = Mul (product, factor)
}}
"""
NAMES = {
    f"{side}_{kind}": f"{whole}.0.{kind}"
    for side, whole in (("past", "past_key_values"), ("present", "present"))
    for kind in ("key", "value")
}


def model(seed: int = 0, **changes: np.ndarray) -> onnx.ModelProto:
    """The graph with random weights; `changes` replace some of them."""
    random = np.random.default_rng(seed)

    def matrix(rows: int, columns: int) -> np.ndarray:
        return random.standard_normal((rows, columns), np.float32) / np.float32(rows**0.5)

    table = random.standard_normal((VOCAB, HIDDEN), np.float32)
    weights: dict[str, Any] = {
        "table": table,
        "head_weight": np.ascontiguousarray(table.T),
        "norm": 1 + 0.1 * random.standard_normal(HIDDEN, np.float32),
        "frequencies": (0.5 ** np.arange(HIDDEN)).astype(np.float32),
        **{f"{name}_weight": matrix(HIDDEN, HIDDEN) for name in ("query", "key", "value")},
        "output_weight": matrix(HIDDEN, HIDDEN),
        "up_weight": matrix(HIDDEN, INNER).T.copy(),
        "up_bias": random.standard_normal(INNER, np.float32),
        "down_weight": matrix(INNER, HIDDEN).T.copy(),
        "down_bias": random.standard_normal(HIDDEN, np.float32),
        "by_row": np.array([-1, HIDDEN], np.int64),
        **changes,
    }
    model = onnx.parser.parse_model(GRAPH)
    for name, values in weights.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    for node in model.graph.node:  # the parser reads no dots in names
        node.input[:] = [NAMES.get(name, name) for name in node.input]
        node.output[:] = [NAMES.get(name, name) for name in node.output]
    for value in (*model.graph.input, *model.graph.output):
        value.name = NAMES.get(value.name, value.name)
    onnx.checker.check_model(model)
    return model


def save(model: onnx.ModelProto, folder: Path) -> Path:
    """Write it with its weights beside it, as optimum's export leaves them; returns the path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    onnx.save_model(
        model, path, save_as_external_data=True, location="weights.data", size_threshold=128
    )
    return path
