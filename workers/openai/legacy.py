"""`functions`, as tools were called once: who asks with them is answered with a `function_call`."""

from __future__ import annotations

from typing import Any


def as_function_call(said: dict[str, Any]) -> None:
    """Call the first tool call of a delta or a message by its older name: there was but one."""
    calls = said.get("tool_calls")
    if not calls or calls[0].get("index", 0) != 0 or "function" not in calls[0]:
        return
    said["function_call"] = calls[0]["function"]
    if len(calls) > 1:
        said["tool_calls"] = calls[1:]
    else:
        del said["tool_calls"]
