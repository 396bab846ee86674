"""The answers of generations as far as they have come, ready to be shown.

Reading an answer costs what has been added since it was last read: the large ones that were asked
for of late stay folded, within a bound. Who reads gets values that nothing changes any more, and
of one large text all who read it at that time hold the same characters.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gevent.lock import Semaphore

from hub.store.history import History, Record
from workers.generation import BRIEF, Generation, channel_of, check_id, generation_of
from workers.log_reader import LogReader
from workers.transcript import Transcript

_KEPT_FROM_BYTES = 256 * 1024
"""A log below this is read again as fast as it is found again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A generation (in brief), its choices so far (`Transcript.choices_json`), what its provider
    said beside them, the application's own parts (`Transcript.data_json`), and the record that
    says so, of one moment."""

    generation: Generation
    choices: list[dict[str, Any]]
    beside: dict[str, Any]
    data: list[Mapping[str, Any]]
    record: Record


class _Kept:
    def __init__(self, reader: LogReader[Transcript]) -> None:
        self.reader = reader
        self.lock = Semaphore()


class Answers:
    """`kept_bytes`: how much of the logs may stay folded in this process."""

    def __init__(self, history: History, kept_bytes: int) -> None:
        self.history = history
        self._kept_bytes = kept_bytes
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def read(self, generation_id: str, *, by_creator: bool = False) -> Answer:
        """Raises `NotFound` (`generation_of`), `RedisUnavailable`."""
        channel = channel_of(check_id(generation_id))
        kept = self._kept.get(generation_id)
        if kept is None:
            kept = _Kept(LogReader(self.history, channel, Transcript, BRIEF))
            self._kept[generation_id] = kept
        with kept.lock:  # of many who come for one long log, the first reads it
            try:
                record = kept.reader.read()
                generation = generation_of(generation_id, record, by_creator=by_creator)
                fold = kept.reader.fold
                return Answer(
                    generation, fold.choices_json(), fold.beside_json(), fold.data_json(), record
                )
            finally:
                self._tidy(generation_id, kept)

    def _tidy(self, generation_id: str, kept: _Kept) -> None:
        if self._kept.get(generation_id) is kept:
            if kept.reader.bytes < _KEPT_FROM_BYTES:
                del self._kept[generation_id]
            else:
                self._kept.move_to_end(generation_id)
        size = sum(each.reader.bytes for each in self._kept.values())
        while size > self._kept_bytes:
            _, dropped = self._kept.popitem(last=False)
            size -= dropped.reader.bytes
