"""A provider's answer to a question for embeddings, in the place of a stream of deltas."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hub.long_text import slices
from workers.provider.parts import Data, Said

PIECE_CHARACTERS = 1 << 18


class EmbeddingsStream:
    """`ask` is called once, and gives the answer's bytes, which leave as `data` parts."""

    def __init__(self, ask: Callable[[], bytes]) -> None:
        self._ask = ask

    def __iter__(self) -> Iterator[Said]:
        for piece in slices(self._ask().decode("utf-8", "replace"), PIECE_CHARACTERS):
            yield Data("embeddings", piece)

    def close(self) -> None:
        pass  # it is one answer, and has a deadline
