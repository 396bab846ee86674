"""What a provider or a client may say, in one table: which member is what, how two pieces of it
join, and where it comes out. The parser, the transcript and the faces read it.

| layer | what it is | what becomes of it |
| --- | --- | --- |
| understood | text, reasoning, tool calls, usage, … (`UNDERSTOOD`) | the hub's own words |
| carried | every other member | kept under its own name, put back where it stood |
| left out | `LEFT_OUT`: means nothing once deltas are merged | nothing; the docs say so |
| refused | what breaks JSON, Unicode or a bound (`json_door`) | ends this generation |
| refused | `REFUSED`: a client's choice of model, address or key | 400, nothing stored |

A carried member travels flat in the data of a `delta` event, and in `choices[]` of the snapshot and
the record. Where it stood is told by its name (`HOME`), or else by the event's `places`:

    {"index": 0, "content": "Hi", "annotations": […], "matched_stop": 2,
     "places": {"matched_stop": "choice"}}

How two pieces of it join depends on the place, because that is what the place means: a delta's
texts, lists and objects are pieces, what stands around them is a state.

| where it stood | text | list | object | else |
| --- | --- | --- | --- | --- |
| delta | concatenated, but for `REPLACED` | by `index`, else appended | by member | replaced |
| tool call | replaced, but for `CALL_TEXTS` | replaced | by member | replaced |
| choice, completion | replaced | replaced, but for `APPENDED` | replaced | replaced |

Inside a delta's objects and the elements of its lists, `INNER_TEXTS` are concatenated and all else
is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

Place = Literal["completion", "choice", "delta", "content", "call"]

COMPLETION: Final[Place] = "completion"
CHOICE: Final[Place] = "choice"
DELTA: Final[Place] = "delta"
CONTENT: Final[Place] = "content"
CALL: Final[Place] = "call"

UNDERSTOOD: Mapping[Place, frozenset[str]] = {
    COMPLETION: frozenset({"id", "object", "created", "model", "choices", "usage", "error"}),
    CHOICE: frozenset(
        {"index", "delta", "message", "text", "finish_reason", "logprobs", "usage", "error"}
    ),
    DELTA: frozenset(
        {
            "role", "content", "reasoning", "reasoning_content", "refusal", "tool_calls",
            "function_call",
        }
    ),
    CONTENT: frozenset(),
    CALL: frozenset({"index", "id", "type", "function", "custom"}),
}  # fmt: skip

LEFT_OUT: Mapping[Place, frozenset[str]] = {
    # OpenAI's padding, which hides the length of a chunk from who counts bytes on the wire.
    COMPLETION: frozenset({"obfuscation"}),
    CHOICE: frozenset(),
    DELTA: frozenset({"obfuscation"}),
    CONTENT: frozenset(),
    CALL: frozenset(),
}

HOME: Mapping[str, Place] = {
    **dict.fromkeys(
        (
            "service_tier", "system_fingerprint", "citations", "search_results",
            "related_questions", "prompt_filter_results", "prompt_logprobs", "prompt_token_ids",
            "kv_transfer_params", "timings", "provider", "x_groq", "usage_breakdown",
        ),
        COMPLETION,
    ),
    **dict.fromkeys(
        (
            "content_filter_results", "content_filter_result", "content_filter_offsets",
            "native_finish_reason", "stop_reason", "token_ids",
        ),
        CHOICE,
    ),
}  # fmt: skip
"""Where a carried name stands if nothing else is said; any other stands in the delta."""

REPLACED = frozenset(
    {
        "id", "type", "name", "format", "phase", "channel", "recipient", "status", "signature",
        "thought_signature", "reasoning_signature", "encrypted_content", "reasoning_opaque",
    }
)  # fmt: skip
"""Texts of a delta that come whole."""

APPENDED = frozenset({"token_ids"})
"""Lists around a delta that are pieces all the same (vLLM)."""

INNER_TEXTS = frozenset({"text", "summary", "thinking", "data", "transcript"})
"""Texts inside what is carried that go on in the next piece: reasoning details, audio."""

CALL_TEXTS = frozenset({"arguments", "input"})
"""Texts of a tool call's `function` or `custom` that come in pieces. (`name` does, too, and is
repeated by some servers: `tool_calls` tells the two apart.)"""

PARTS: Final = "content_parts"
"""Parts of a `content` list that are no text, under a name of ours; their place is `CONTENT`."""

PLAIN = frozenset(
    {"index", "content", "reasoning", "refusal", "tool_calls", "logprobs", "finish_reason"}
)
"""The members of a `delta` event and of `choices[]` that hold nothing carried."""

OWN = PLAIN | {PARTS, "places"}
"""Names that a `delta` event and `choices[]` use themselves."""

OF_REASONING = frozenset({"reasoning_details", "thinking_blocks"})
"""Carried members that belong to the item `reasoning` of a response."""

REFUSED = re.compile(
    r"models|model_list|(?:.*_)?fallbacks?|route|router(?:_settings)?|preset|user_config"
    r"|custom_llm_provider|deployment_id|organization|proxy|proxies|authorization|extra_body"
    r"|(?:.*_)?(?:api|base)_?(?:base|url|key|type|version|endpoint)|endpoint(?:_url)?|url"
    r"|(?:extra_|default_)?(?:headers|query)|(?:aws|vertex|azure|watsonx|litellm)_.*"
)
"""Parameters of a request that choose another model, address or key than the operator's: gateways
behind the hub (OpenRouter, LiteLLM) would follow them."""


def known(place: Place) -> frozenset[str]:
    """The names that are not carried from `place`."""
    return UNDERSTOOD[place] | LEFT_OUT[place]


def home(name: str) -> Place:
    return HOME.get(name, DELTA)


def is_state(place: Place, name: str, value: object) -> bool:
    """Whether a piece equal to the one before it says nothing new."""
    if place == DELTA:
        return not isinstance(value, str | list) or name in REPLACED
    return name not in APPENDED


Carried = dict[tuple[Place, str], Any]
"""Carried members with the place that each stands in."""

_ORDER = (CONTENT, DELTA, CHOICE, COMPLETION, CALL)


def flat(carried: Mapping[tuple[Place, str], Any]) -> dict[str, Any]:
    """Carried members as they stand in the data of an event and in `choices[]`."""
    found: dict[str, Any] = {}
    places: dict[str, Place] = {}
    for place, name in sorted(carried, key=lambda key: _ORDER.index(key[0])):
        key = name
        while place != CONTENT and (key in OWN or key in found):
            key = f"{place}.{key}"
        found[key] = carried[place, name]
        if place != CONTENT and (key != name or home(name) != place):
            places[key] = place
    return {**found, "places": places} if places else found


def unflat(data: Mapping[str, Any]) -> Carried:
    """The carried members in such data; those that are the hub's own are not among them."""
    places = data.get("places") or {}
    found: Carried = {(CONTENT, PARTS): data[PARTS]} if PARTS in data else {}
    for key, value in data.items():
        if key not in OWN:
            place = places.get(key) or home(key)
            name = key.removeprefix(f"{place}.") if key in places else key
            found[place, name] = value
    return found
