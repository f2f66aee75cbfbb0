"""What `export` asks of a model, whichever way it was read: by its family, or by optimum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from sitegen.models.network.inventory import LayerCache
from sitegen.models.quantization.variants import Variant
from sitegen.models.shards import ShardWriter
from sitegen.models.weights import Float32


class Exportable(Protocol):
    """A model that was read and checked; nothing of it is computed yet."""

    @property
    def model_type(self) -> str:
        """Of its config.json."""

    @property
    def vocab(self) -> int: ...

    @property
    def max_context(self) -> int:
        """Tokens it was made for."""

    @property
    def layers(self) -> Sequence[LayerCache]:
        """What each layer keeps between tokens."""

    @property
    def short_context(self) -> int | None:
        """See `Inventory`."""

    @property
    def parameters(self) -> int: ...

    @property
    def half_precision(self) -> bool:
        """Whether float16 holds its activations."""

    @property
    def packages(self) -> Mapping[str, str]:
        """Packages beyond sitegen's own that the export depends on, with their versions."""

    def reference(self, ids: Sequence[int]) -> Float32:
        """Logits of every position, (len(ids), vocab), unquantized: what exports must compute."""

    def graph(self, variant: Variant, writer: ShardWriter, context: int) -> bytes:
        """The ONNX graph of one variant; its tensors are in `writer` when this returns.

        context: the longest that the browser will run it for, in tokens.
        """
