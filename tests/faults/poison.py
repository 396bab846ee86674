"""Chunks of a provider that hurt: what no encoder writes, what is too large, what is no chunk.

Each is a whole `data:` payload. `answer(name)` is the script of an answer with it in the middle.
"""

from __future__ import annotations

from tests.support.provider import Script

HALF = '"\\ud83d"'
"""Half an emoji, as JSON."""
LARGE = '"' + "x" * 300_000 + '"'
BEFORE = "before "


def _chunk(delta: str, choice: str = "") -> str:
    return (
        f'{{"model": "m", "choices": [{{"index": 0, "delta": {delta}{choice}, '
        '"finish_reason": null}]}'
    )


def _call(members: str) -> str:
    return _chunk('{"tool_calls": [{"index": 0, ' + members + "}]}")


def _logprobs(value: str) -> str:
    return _chunk('{"content": "a"}', f', "logprobs": {value}')


_CALLS = ",".join(
    f'{{"index": {n}, "id": "c{n}", "function": {{"name": "f"}}}}' for n in range(20_000)
)
_WORDS = _chunk(f'{{"content": "{BEFORE}"}}')
_END = '{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}'

POISON = {
    "half a character in the text": _chunk(f'{{"content": {HALF}}}'),
    "half a character in a call's id": _call(f'"id": {HALF}, "function": {{"name": "f"}}'),
    "half a character in a call's name": _call(f'"id": "a", "function": {{"name": {HALF}}}'),
    "half a character in a call's arguments": _call(
        f'"id": "a", "function": {{"name": "f", "arguments": {HALF}}}'
    ),
    "half a character in logprobs": _logprobs(f'{{"content": [{{"token": {HALF}}}]}}'),
    "half a character in an object's key": _logprobs(f"{{{HALF}: []}}"),
    "half a character in the model's name": _chunk('{"content": "a"}').replace('"m"', HALF),
    "half a character in an error": f'{{"error": {{"message": {HALF}}}}}',
    "half a character in the reason": _END.replace('"stop"', HALF),
    "a reason that is too large": _END.replace('"stop"', LARGE),
    "a call's name that is too large": _call(f'"id": "a", "function": {{"name": {LARGE}}}'),
    "logprobs that are too large": _logprobs(f'{{"content": [{{"token": {LARGE}}}]}}'),
    "logprobs with NaN": _logprobs('{"content": [NaN]}'),
    "logprobs that are a list": _logprobs("[1, 2]"),
    "logprobs that are a number": _logprobs("7"),
    "usage of 401 digits": '{"choices": [], "usage": {"prompt_tokens": '
    + "9" * 401
    + ', "completion_tokens": 1}}',
    "20,000 calls in one chunk": _chunk('{"tool_calls": [' + _CALLS + "]}"),
    "no JSON": "{",
}

CODES = frozenset({"provider-malformed", "answer-too-large", "provider-unavailable", "internal"})
"""How such an answer may fail; it may also be mended, and complete."""


def answer(name: str) -> Script:
    return Script(chunks=[_WORDS, POISON[name], _END, "[DONE]"])
