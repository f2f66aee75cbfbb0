"""One variant under onnxruntime on this machine's CPU, in bounded memory.

onnxruntime maps the weights file and reads it from there, but it repacks blocks of weights for the
CPU's kernels: a second copy of the model, and a larger one. So a large graph is cut into segments
that are loaded one after the other; what a segment computes for the next is a few arrays.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper

from sitegen.models.network.inventory import LayerCache, cache_tensors
from sitegen.models.quantization.variants import Variant
from sitegen.models.weights import Float32

ELEMENT_TYPES = {
    "tensor(float)": onnx.TensorProto.FLOAT,
    "tensor(float16)": onnx.TensorProto.FLOAT16,
    "tensor(int32)": onnx.TensorProto.INT32,
    "tensor(int64)": onnx.TensorProto.INT64,
    "tensor(bool)": onnx.TensorProto.BOOL,
    "tensor(uint8)": onnx.TensorProto.UINT8,
}
SEGMENT_BYTES = 96 << 20  # of weights that are repacked; a larger matrix is a segment alone


@dataclass(frozen=True)
class Past:
    """What the layers keep of so many tokens, in the order of `cache_tensors`."""

    tokens: int
    tensors: Sequence[NDArray[Any]]


State = tuple[Float32, Past]
"""Logits of the last positions (keep, vocab), and the cache after them."""
Reached = tuple[Sequence[Float32], Past]
"""Of a feed: the logits of each chunk, (keep, vocab), and the cache after the last one."""


@dataclass(frozen=True)
class Feed:
    """Tokens to run after `past`, chunk by chunk through the cache. keep: of how many positions at
    the end of each chunk the logits are wanted; 0: of all."""

    chunks: Sequence[Sequence[int]]
    past: Past
    keep: int = 0


class Runner:
    """Runs one variant. is_cut: it has several segments, and every `run` loads all of them."""

    def __init__(
        self,
        graph: bytes,
        weights: Path,
        layers: Sequence[LayerCache],
        variant: Variant,
        threads: int = 1,
        segment_bytes: int = SEGMENT_BYTES,
    ):
        """weights: the folder of the joined file."""
        self._options = options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.enable_cpu_mem_arena = False
        options.intra_op_num_threads = threads
        # Threads that spin while they wait stand in each other's way on a busy machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # fp16 is widened instead, where activations are float32.
        repacks = variant.storage in ("int4", "int8-blocks", "fp16")
        if not repacks:  # as fast without the second copy
            options.add_session_config_entry("session.disable_prepacking", "1")
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(weights)
        )
        self._dtype, self._cache = variant.dtype, cache_tensors(layers)
        self._segments = Segments(graph, segment_bytes if repacks else sys.maxsize)
        self.is_cut = len(self._segments) > 1
        # The only segment stays loaded; of several none does.
        self._loaded = None if self.is_cut else self._segments.load(0, options)

    def empty(self) -> Past:
        """The cache before the first token."""
        return Past(0, [np.zeros(tensor.shape, self._dtype) for tensor in self._cache])

    def forward(self, ids: Sequence[int], past: Past, keep: int) -> State:
        """Run `ids` after `past`; logits of the last `keep` of them."""
        [([logits], after)] = self.run([Feed([ids], past, keep)])
        return logits, after

    def run(self, feeds: Sequence[Feed]) -> list[Reached]:
        """What each feed gives; a graph in segments is loaded once for all of them, or not at all
        for none."""
        if not feeds:
            return []
        runs = [_Run(feed, [tensor.past for tensor in self._cache]) for feed in feeds]
        renamed = {tensor.present: tensor.past for tensor in self._cache}
        for n in range(len(self._segments)):
            session = self._loaded or self._segments.load(n, self._options)
            for run in runs:
                run.through(session, renamed)
            del session  # before the next one is there
        return [run.result() for run in runs]


class _Run:
    """One feed on its way through the segments."""

    def __init__(self, feed: Feed, names: Sequence[str]):
        self._cache = dict(zip(names, feed.past.tensors, strict=True))
        self._tokens = feed.past.tokens
        self._values: list[dict[str, NDArray[Any]]] = []  # of each chunk
        for ids in feed.chunks:
            self._tokens += len(ids)
            self._values.append(
                {
                    "input_ids": np.array([ids], np.int64),
                    "attention_mask": np.ones((1, self._tokens), np.int64),
                    "num_logits_to_keep": np.array(feed.keep, np.int64),
                }
            )

    def through(self, session: onnxruntime.InferenceSession, renamed: dict[str, str]) -> None:
        """renamed: output of a graph's cache → the input it becomes."""
        inputs = [tensor.name for tensor in session.get_inputs()]
        outputs = [tensor.name for tensor in session.get_outputs()]
        for values in self._values:
            known = self._cache | values
            found = session.run(outputs, {name: known[name] for name in inputs})
            for name, value in zip(outputs, found, strict=True):
                if name in renamed:
                    self._cache[renamed[name]] = value
                else:
                    values[name] = value

    def result(self) -> Reached:
        logits = [values["logits"][0].astype(np.float32, copy=False) for values in self._values]
        return logits, Past(self._tokens, list(self._cache.values()))


class Segments:
    """A graph cut into graphs that follow each other, each with at most `limit` bytes of stored
    weights where a single operator has no more. Values that cross a cut are outputs on one side
    and inputs on the other."""

    def __init__(self, graph: bytes, limit: int):
        self._model = onnx.load_from_string(graph)
        self._initializers = {tensor.name: tensor for tensor in self._model.graph.initializer}
        # Nodes that depend on stored tensors alone belong to every segment that uses them: kernels
        # repack weights only where they see that their scales are constant.
        self._folded = {
            node.output[0]: node
            for node in self._model.graph.node
            if all(x in self._initializers for x in node.input)
        }
        nodes = [node for node in self._model.graph.node if node.output[0] not in self._folded]
        self._cuts = list(_cuts(nodes, _stored(self._initializers), limit))
        self._types = {x.name: x.type.tensor_type.elem_type for x in self._model.graph.input}

    def __len__(self) -> int:
        return len(self._cuts)

    def load(self, n: int, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
        """A session of segment n; those before it must have been loaded once."""
        session = onnxruntime.InferenceSession(
            self._part(n), options, providers=["CPUExecutionProvider"]
        )
        for output in session.get_outputs():
            self._types[output.name] = ELEMENT_TYPES[output.type]
        return session

    def _part(self, n: int) -> bytes:
        """A segment as a model; the types of what enters it are known from those before."""
        cut = self._cuts[n]
        folded = {x: self._folded[x] for node in cut for x in node.input if x in self._folded}
        nodes = [*folded.values(), *cut]
        later = {x for after in self._cuts[n + 1 :] for node in after for x in node.input}
        later |= {output.name for output in self._model.graph.output}
        made = {x for node in nodes for x in node.output if x}
        used = {x for node in nodes for x in node.input if x}
        values = helper.make_tensor_value_info
        model = helper.make_model(
            helper.make_graph(
                nodes,
                f"{self._model.graph.name}-{n + 1}",
                [
                    values(name, self._types[name], None)
                    for name in sorted(used - made - set(self._initializers))
                ],
                [onnx.ValueInfoProto(name=name) for name in sorted((made & later) - set(folded))],
                [self._initializers[name] for name in sorted(used & set(self._initializers))],
            ),
            opset_imports=self._model.opset_import,
            ir_version=self._model.ir_version,
        )
        serialized: bytes = model.SerializeToString()
        return serialized


def _stored(initializers: Mapping[str, onnx.TensorProto]) -> dict[str, int]:
    """Bytes of the tensors in the weights file."""
    return {
        name: next(int(entry.value) for entry in tensor.external_data if entry.key == "length")
        for name, tensor in initializers.items()
        if tensor.data_location == onnx.TensorProto.EXTERNAL
    }


def _cuts(
    nodes: Sequence[onnx.NodeProto], sizes: Mapping[str, int], limit: int
) -> Iterator[list[onnx.NodeProto]]:
    """The nodes in runs of at most `limit` bytes of weights."""
    cut: list[onnx.NodeProto] = []
    held: set[str] = set()
    for node in nodes:
        stored = {name for name in node.input if name in sizes}
        if cut and stored and sum(sizes[name] for name in held | stored) > limit:
            yield cut
            cut, held = [], set()
        cut.append(node)
        held |= stored
    yield cut
