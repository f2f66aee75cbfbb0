"""Attention as ONNX nodes: one fused operator where every backend has what the model needs.

GroupQueryAttention of onnxruntime takes heads of a multiple of 8 dimensions, and turns multiples
of 16 only. On WebGPU it leaves out `softcap` without a word (onnxruntime-web 1.30): there the
scores are computed with plain operators.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto

from sitegen.models.graph.onnx_graph import MICROSOFT
from sitegen.models.network import Attention
from sitegen.models.network.rope import Rope

if TYPE_CHECKING:
    from sitegen.models.graph import Graph

SINK_INPUT = 11  # of GroupQueryAttention: `head_sink`
NOTHING = -1e30  # whose exponential is 0, whatever is subtracted


def attend(graph: Graph, qkv: str | tuple[str, str, str], layer: int, attention: Attention) -> str:
    """Attention of one layer over its cache and the new tokens: (1, S, heads x head_dim)."""
    for kind in ("key", "value"):
        for state, length, declare in (
            (f"past_key_values.{layer}", "past_sequence", graph.input),
            (f"present.{layer}", "present_sequence", graph.output),
        ):
            dims = (attention.kv_heads, length, attention.head_dim)
            declare(f"{state}.{kind}", graph.type, 1, *dims)
    if attention.softcap is not None and "webgpu" in graph.variant.backends:
        return _plain(graph, _turned(graph, qkv, attention), layer, attention)
    if attention.rope is None or (attention.rope.dim % 16 or attention.head_dim % 16) == 0:
        return _fused(graph, qkv, layer, attention, attention.rope)
    return _fused(graph, _turned(graph, qkv, attention), layer, attention, None)


def _fused(
    graph: Graph,
    qkv: str | tuple[str, str, str],
    layer: int,
    attention: Attention,
    rope: Rope | None,
) -> str:
    past, present = f"past_key_values.{layer}", f"present.{layer}"
    inputs = [qkv, "", ""] if isinstance(qkv, str) else list(qkv)
    inputs += [f"{past}.key", f"{past}.value", graph.last, graph.total]
    if rope is not None:
        inputs += graph.cos_sin(rope)
    if graph.variant.backends == ("wasm",) and attention.softcap is None:
        inputs += [""] * (SINK_INPUT - len(inputs)) + [_no_sink(graph, attention.heads)]
    window = attention.window
    return graph.node(
        "GroupQueryAttention",
        inputs,
        [f"layer.{layer}.attention", f"{present}.key", f"{present}.value"],
        domain=MICROSOFT,
        num_heads=attention.heads,
        kv_num_heads=attention.kv_heads,
        do_rotary=int(rope is not None),
        scale=attention.factor,
        local_window_size=window if window is not None and window < graph.context else -1,
        softcap=attention.softcap or 0.0,
    )[0]


def _no_sink(graph: Graph, heads: int) -> str:
    """A share of attention that goes nowhere, made nothing: (heads,).

    Where it is given, onnxruntime 1.30 computes scores by matrix products. Else it takes a kernel
    of its own for them, which WebAssembly has no vector code for: 512 tokens of SmolLM2-135M took
    2.6 times as long.
    """
    return graph.constant(f"no_sink.{heads}", np.full(heads, NOTHING, np.float32))


def _turned(
    graph: Graph, qkv: str | tuple[str, str, str], attention: Attention
) -> tuple[str, str, str]:
    """Queries, keys and values apart, queries and keys turned to their positions."""
    heads, kv_heads, head_dim = attention.heads, attention.kv_heads, attention.head_dim
    if isinstance(qkv, str):
        sizes = graph.integers(heads * head_dim, kv_heads * head_dim, kv_heads * head_dim)
        q, k, v = graph.node("Split", [qkv, sizes], 3, axis=-1)
    else:
        q, k, v = qkv
    if (rope := attention.rope) is None:
        return q, k, v
    q, k = (
        graph.node(
            "RotaryEmbedding",
            [x, graph.new_positions, *graph.cos_sin(rope)],
            domain=MICROSOFT,
            num_heads=count,
            rotary_embedding_dim=0 if rope.dim == head_dim else rope.dim,
        )[0]
        for x, count in ((q, heads), (k, kv_heads))
    )
    return q, k, v


def _plain(graph: Graph, qkv: tuple[str, str, str], layer: int, attention: Attention) -> str:
    """The formula of the paper, with capped scores."""
    heads, kv_heads, head_dim = attention.heads, attention.kv_heads, attention.head_dim
    group = graph.integers(0, 0, kv_heads, heads // kv_heads, head_dim)
    [q] = graph.node("Reshape", [qkv[0], group])
    [q] = graph.node("Transpose", [q], perm=[0, 2, 3, 1, 4])  # (1, kv_heads, group, S, head_dim)
    whole = []
    for x, kind in zip(qkv[1:], ("key", "value"), strict=True):
        [x] = graph.node("Reshape", [x, graph.integers(0, 0, kv_heads, head_dim)])
        [x] = graph.node("Transpose", [x], perm=[0, 2, 1, 3])
        past, present = f"past_key_values.{layer}.{kind}", f"present.{layer}.{kind}"
        graph.node("Concat", [past, x], [present], axis=2)
        # (1, kv_heads, 1, past + S, head_dim): each serves its whole group
        whole += graph.node("Unsqueeze", [present, graph.integers(2)])
    [keys] = graph.node("Transpose", [whole[0]], perm=[0, 1, 2, 4, 3])
    [scores] = graph.node("MatMul", [q, keys])
    scores = graph.scale(scores, attention.factor)
    if (cap := attention.softcap) is not None:
        scores = graph.scale(graph.node("Tanh", [graph.scale(scores, 1 / cap)])[0], cap)
    [scores] = graph.node("Add", [scores, _mask(graph, attention.window)])
    [shares] = graph.node("Softmax", [scores], axis=-1)
    [mixed] = graph.node("MatMul", [shares, whole[1]])
    [mixed] = graph.node("Transpose", [mixed], perm=[0, 3, 1, 2, 4])
    return graph.node("Reshape", [mixed, graph.integers(0, 0, -1)])[0]


def _mask(graph: Graph, window: int | None) -> str:
    """What is added to the scores: 0 for the tokens a query sees, else the lowest number there is.

    (S, past + S); int32, because WebGPU compares no int64.
    """
    if window not in graph.masks:
        queries, keys = (
            graph.node("Cast", [positions], to=TensorProto.INT32)[0]
            for positions in (graph.new_positions, graph.all_positions)
        )
        [queries] = graph.node("Transpose", [queries], perm=[1, 0])  # (S, 1)
        [hidden] = graph.node("Greater", [keys, queries])
        if window is not None:
            last = graph.constant(f"window.{window}", np.array(window - 1, np.int32))
            [age] = graph.node("Sub", [queries, keys])
            [old] = graph.node("Greater", [age, last])
            [hidden] = graph.node("Or", [hidden, old])
        lowest = graph.number(float(np.finfo(graph.variant.dtype).min))
        [graph.masks[window]] = graph.node("Where", [hidden, lowest, graph.number(0.0)])
    return graph.masks[window]
