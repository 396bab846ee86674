"""What a link to a generation's page shows of it: the question, and how the answer begins."""

from __future__ import annotations

import json

from hub.web.pages import Preview
from workers.generation import BRIEF, channel_of, check_id, generation_of
from workers.store import Generations
from workers.transcript import Transcript

_TITLE = 90
_DESCRIPTION = 200
_LOG_BYTES = 16_384


def preview(generations: Generations, generation_id: str) -> Preview:
    """Raises `NotFound`, `RedisUnavailable`. Only the beginning of the answer is read."""
    channel = channel_of(check_id(generation_id))
    record = generations.history.record(channel, *BRIEF, log_from=0, log_bytes=_LOG_BYTES)
    generation = generation_of(generation_id, record)
    transcript = Transcript()
    whole_lines, _, _ = record.log.rpartition(b"\n")
    for line in whole_lines.splitlines():
        transcript.add(json.loads(line))
    answer = next((one["content"] for one in transcript.choices_json() if one["index"] == 0), "")
    return Preview(
        _short(generation.request.question, _TITLE) or "A picture",
        _short(answer, _DESCRIPTION) or "The answer is being written.",
    )


def _short(text: str, most: int) -> str:
    words = " ".join(text.split())
    return words if len(words) <= most else f"{words[: most - 1].rstrip()}…"
