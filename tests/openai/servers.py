"""Streams in the shape of twelve kinds of servers, written from their documentation.

Each says what it sends and, in `said`, what of it must come out again on every face, by place. What
the hub understands (text, reasoning, tool calls, finish reason, usage) has its own names there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

DONE = "[DONE]"


@dataclass(frozen=True)
class Server:
    """`parts` is the content where it has other parts than texts; `delta`, `choice`, `completion`
    and `calls` hold the carried members as they add up."""

    name: str
    chunks: list[Any]
    content: str = "Hi there"
    reasoning: str = ""
    parts: list[Any] = field(default_factory=list)
    delta: dict[str, Any] = field(default_factory=dict)
    choice: dict[str, Any] = field(default_factory=dict)
    completion: dict[str, Any] = field(default_factory=dict)
    calls: list[dict[str, Any]] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)
    finish: str = "stop"

    def __str__(self) -> str:
        return self.name


def chunk(
    delta: dict[str, Any] | None = None,
    finish: str | None = None,
    choice: dict[str, Any] | None = None,
    **around: Any,
) -> dict[str, Any]:
    one = {"index": 0, "delta": delta or {}, "finish_reason": finish, **(choice or {})}
    return {
        "id": "x",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "m",
        "choices": [one],
        **around,
    }


def usage(**more: Any) -> dict[str, Any]:
    return {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12, **more}


def call(index: object, **members: Any) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, **members}]}


DETAILS = {
    "prompt_tokens_details": {"cached_tokens": 2, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 3, "accepted_prediction_tokens": 0},
}
TIER: dict[str, Any] = {"service_tier": "default", "system_fingerprint": "fp_1"}
CITATION = {
    "type": "url_citation",
    "url_citation": {"url": "https://example.org", "title": "E", "start_index": 0, "end_index": 2},
}
AUDIO = [{"id": "audio_1", "transcript": "Hi"}, {"data": "AAA="}, {"data": "BBB=", "expires_at": 9}]

OPENAI = Server(
    "OpenAI",
    [
        chunk({"role": "assistant", "content": "", "refusal": None}, **TIER, obfuscation="a1"),
        chunk({"content": "Hi"}, **TIER, obfuscation="b"),
        chunk({"content": " there", "annotations": [CITATION]}, **TIER, obfuscation="c22"),
        *(chunk({"audio": piece}, **TIER) for piece in AUDIO),
        chunk(call(0, id="c0", type="custom", custom={"name": "sh", "input": ""}), **TIER),
        chunk(call(0, custom={"input": "ls"}), **TIER),
        chunk(call(1, id="c1", type="function", function={"name": "f", "arguments": ""}), **TIER),
        chunk(call(1, function={"arguments": '{"a":1}'}), **TIER),
        chunk({}, "tool_calls", **TIER),
        {**chunk(**TIER), "choices": [], "usage": usage(**DETAILS)},
        DONE,
    ],
    delta={
        "annotations": [CITATION],
        "audio": {"id": "audio_1", "transcript": "Hi", "data": "AAA=BBB=", "expires_at": 9},
    },
    completion=TIER,
    calls=[
        {"id": "c0", "type": "custom", "custom": {"name": "sh", "input": "ls"}},
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
    ],
    usage=usage(**DETAILS),
    finish="tool_calls",
)

FILTER = {"hate": {"filtered": False, "severity": "safe"}}
PROMPT_FILTER = [{"prompt_index": 0, "content_filter_results": FILTER}]
AZURE = Server(
    "Azure",
    [
        {**chunk(), "choices": [], "id": "", "model": "", "prompt_filter_results": PROMPT_FILTER},
        chunk({"role": "assistant", "content": ""}, choice={"content_filter_results": {}}),
        chunk({"content": "Hi"}, choice={"content_filter_results": FILTER}),
        chunk({"content": " there"}, choice={"content_filter_results": FILTER}),
        chunk({}, "stop", choice={"content_filter_offsets": {"start_offset": 0, "end_offset": 8}}),
        {**chunk(), "choices": [], "usage": usage(**DETAILS)},
        DONE,
    ],
    choice={
        "content_filter_results": FILTER,
        "content_filter_offsets": {"start_offset": 0, "end_offset": 8},
    },
    completion={"prompt_filter_results": PROMPT_FILTER},
    usage=usage(**DETAILS),
)

SIGNATURE = {"google": {"thought_signature": "c2ln"}}
GEMINI = Server(
    "Gemini",
    [
        chunk({"role": "assistant", "content": "<thought>Hm"}, usage=usage(total_tokens=8)),
        chunk({"content": "</thought>Hi there", "extra_content": SIGNATURE}, usage=usage()),
        chunk(
            call(
                0,
                id="f1",
                type="function",
                function={"name": "f", "arguments": "{}"},
                extra_content=SIGNATURE,
            ),
            "tool_calls",
            usage=usage(),
        ),
        DONE,
    ],
    reasoning="Hm",
    delta={"extra_content": SIGNATURE},
    calls=[
        {
            "id": "f1",
            "type": "function",
            "function": {"name": "f", "arguments": "{}"},
            "extra_content": SIGNATURE,
        }
    ],
    usage=usage(),
    finish="tool_calls",
)

REFERENCE = {"type": "reference", "reference_ids": [0, 2]}
MISTRAL = Server(
    "Mistral",
    [
        chunk({"role": "assistant", "content": ""}),
        chunk(
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]},
            p="abc",
        ),
        chunk({"content": [{"type": "text", "text": "Hi"}, REFERENCE]}),
        chunk({"content": " there"}),
        chunk({}, "stop", usage=usage(num_cached_tokens=4)),
        DONE,
    ],
    reasoning="Hm",
    parts=[{"type": "text", "text": "Hi"}, REFERENCE, {"type": "text", "text": " there"}],
    completion={"p": "abc"},
    usage=usage(num_cached_tokens=4),
)

CACHE = {"prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 3}
DEEPSEEK = Server(
    "DeepSeek",
    [
        chunk({"role": "assistant", "content": None, "reasoning_content": ""}, **TIER),
        chunk({"content": None, "reasoning_content": "Hm"}, **TIER),
        chunk({"content": "Hi", "reasoning_content": None}, **TIER),
        chunk({"content": " there"}, **TIER),
        chunk({"content": ""}, "stop", usage=usage(**CACHE, **DETAILS), **TIER),
        DONE,
    ],
    reasoning="Hm",
    completion=TIER,
    usage=usage(**CACHE, **DETAILS),
)


def thought(**members: Any) -> dict[str, Any]:
    return {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0, **members}


PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}, "index": 0}
COST = {"cost": 0.0012, "cost_details": {"upstream_inference_cost": None}, "is_byok": False}
OPENROUTER = Server(
    "OpenRouter",
    [
        chunk(
            {"role": "assistant", "reasoning": "H", "reasoning_details": [thought(text="H")]},
            provider="Anthropic",
        ),
        chunk({"reasoning": "m", "reasoning_details": [thought(text="m")]}, provider="Anthropic"),
        chunk({"content": "", "reasoning_details": [thought(signature="s1")]}),
        chunk({"content": "Hi there"}, provider="Anthropic"),
        chunk({"content": "", "images": [PICTURE], "annotations": [CITATION]}),
        chunk({"content": ""}, "stop", choice={"native_finish_reason": "end_turn"}),
        {**chunk({}, None), "usage": usage(**COST, **DETAILS)},
        DONE,
    ],
    reasoning="Hm",
    delta={
        "reasoning_details": [thought(text="Hm", signature="s1")],
        "images": [PICTURE],
        "annotations": [CITATION],
    },
    choice={"native_finish_reason": "end_turn"},
    completion={"provider": "Anthropic"},
    usage=usage(cost=0.0012, cost_details={"upstream_inference_cost": None}, is_byok=False)
    | DETAILS,
)

SEARCH: dict[str, Any] = {
    "citations": ["https://example.org", "https://example.com"],
    "search_results": [{"title": "E", "url": "https://example.org", "date": "2026-01-02"}],
}
PERPLEXITY = Server(
    "Perplexity",
    [
        chunk({"role": "assistant", "content": "Hi"}, usage=usage(), **SEARCH),
        chunk({"content": " there"}, usage=usage(), **SEARCH),
        chunk(
            {"content": ""},
            "stop",
            choice={"message": {"role": "assistant", "content": "Hi there"}},
            usage=usage(search_context_size="low", cost={"total_cost": 0.006}),
            related_questions=["Why?"],
            images=[{"image_url": "https://example.org/a.png"}],
            **SEARCH,
        ),
        DONE,
    ],
    completion={
        **SEARCH,
        "related_questions": ["Why?"],
        "images": [{"image_url": "https://example.org/a.png"}],
    },
    usage=usage(search_context_size="low", cost={"total_cost": 0.006}),
)

TIMES = {"queue_time": 0.01, "prompt_time": 0.002, "completion_time": 0.03, "total_time": 0.032}
GROQ = Server(
    "Groq",
    [
        chunk({"role": "assistant", "content": ""}, x_groq={"id": "req_1", "seed": 7}, **TIER),
        chunk({"reasoning": "Hm", "channel": "analysis"}, **TIER),
        chunk({"content": "Hi there"}, **TIER),
        chunk({"executed_tools": [{"index": 0, "type": "search", "arguments": "{}"}]}, **TIER),
        chunk({}, "stop", x_groq={"id": "req_1", "usage": usage(**TIMES)}, **TIER),
        DONE,
    ],
    reasoning="Hm",
    delta={
        "channel": "analysis",
        "executed_tools": [{"index": 0, "type": "search", "arguments": "{}"}],
    },
    completion={**TIER, "x_groq": {"id": "req_1", "usage": usage(**TIMES)}},
    usage=usage(**TIMES),
)

OLLAMA = Server(
    "Ollama",
    [
        chunk({"role": "assistant", "content": "", "reasoning": "Hm"}, system_fingerprint="fp_o"),
        chunk({"role": "assistant", "content": "Hi there"}, system_fingerprint="fp_o"),
        chunk(
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {
                        "id": n,
                        "index": 0,
                        "type": "function",
                        "function": {"name": n, "arguments": a},
                    }
                    for n, a in (("f", '{"x":1}'), ("g", "{}"))
                ],
            },
            system_fingerprint="fp_o",
        ),
        chunk({"role": "assistant", "content": ""}, "tool_calls", system_fingerprint="fp_o"),
        {**chunk(system_fingerprint="fp_o"), "choices": [], "usage": usage()},
        DONE,
    ],
    reasoning="Hm",
    completion={"system_fingerprint": "fp_o"},
    calls=[
        {"id": "f", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
        {"id": "g", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ],
    usage=usage(),
    finish="tool_calls",
)

VLLM = Server(
    "vLLM",
    [
        chunk({"role": "assistant", "content": ""}, prompt_token_ids=[1, 2, 3]),
        chunk({"reasoning": "Hm", "reasoning_content": "Hm"}, choice={"token_ids": [9]}),
        chunk({"content": "Hi"}, choice={"token_ids": [10], "logprobs": None}),
        chunk({"content": " there"}, choice={"token_ids": [11, 12]}),
        chunk({"content": ""}, "stop", choice={"stop_reason": 128009, "token_ids": None}),
        {
            **chunk(kv_transfer_params={"remote": "a"}),
            "choices": [],
            "usage": usage(prompt_tokens_details={"cached_tokens": 4}),
        },
        DONE,
    ],
    reasoning="Hm",
    choice={"token_ids": [9, 10, 11, 12], "stop_reason": 128009},
    completion={"prompt_token_ids": [1, 2, 3], "kv_transfer_params": {"remote": "a"}},
    usage=usage(prompt_tokens_details={"cached_tokens": 4}),
)

TIMINGS = {"prompt_n": 7, "predicted_n": 5, "predicted_per_second": 101.25}
LLAMA_CPP = Server(
    "llama.cpp",
    [
        chunk({"role": "assistant", "content": None}, system_fingerprint="b1"),
        chunk({"reasoning_content": "Hm"}, system_fingerprint="b1"),
        chunk({"content": "Hi there"}, system_fingerprint="b1"),
        chunk({}, "stop", system_fingerprint="b1"),
        {
            **chunk(system_fingerprint="b1", timings=TIMINGS),
            "choices": [],
            "usage": usage(prompt_tokens_details={"cached_tokens": 1}),
        },
        DONE,
    ],
    reasoning="Hm",
    completion={"system_fingerprint": "b1", "timings": TIMINGS},
    usage=usage(prompt_tokens_details={"cached_tokens": 1}),
)


def block(**members: str) -> dict[str, Any]:
    return {"type": "thinking", **members}


FIELDS = {"thought_signatures": ["s"], "citation": None}
LITELLM = Server(
    "LiteLLM",
    [
        chunk(
            {
                "role": "assistant",
                "content": "",
                "reasoning_content": "H",
                "thinking_blocks": [block(thinking="H", signature="")],
            },
            citations=None,
        ),
        chunk({"reasoning_content": "m", "thinking_blocks": [block(thinking="m", signature="s")]}),
        chunk({"content": "Hi there", "provider_specific_fields": FIELDS}),
        chunk(
            {"content": None},
            "stop",
            choice={"provider_specific_fields": {"native": 1}},
            provider_specific_fields={"hidden": True},
        ),
        {**chunk(), "choices": [], "usage": usage(cache_read_input_tokens=3, **DETAILS)},
        DONE,
    ],
    reasoning="Hm",
    delta={
        "thinking_blocks": [block(thinking="Hm", signature="s")],
        "provider_specific_fields": FIELDS,
    },
    choice={"provider_specific_fields": {"native": 1}},
    completion={"provider_specific_fields": {"hidden": True}},
    usage=usage(cache_read_input_tokens=3, **DETAILS),
)

ODD = Server(
    "an odd one",  # what no kind of server does all of, and each has been seen somewhere
    [
        chunk({"annotations": [CITATION], "mood": False}, usage={"prompt_tokens": 7}, warnings=[1]),
        chunk({"content": {"type": "text", "text": "Hi"}}),
        chunk({"content": " there"}, choice={"matched_stop": 2}),
        chunk(call("0", type="function", function={"name": "f", "arguments": '{"x"'})),
        chunk(call("0", id="late", function={"arguments": ":1}"})),
        chunk(call(1, id="late", type="function", name="g", arguments="{")),
        chunk(call(1, arguments="}", cache_control={"type": "ephemeral"})),
        chunk({"tool_calls": [{"id": "w", "type": "web_search", "web_search": {"query": "q"}}]}),
        chunk({}, "tool_calls", choice={"matched_stop": 3}),
        chunk({}, "stop", usage={"completion_tokens": 5.0}),
        {**chunk(), "choices": None, "usage": {"cost": 0.5}},
        DONE,
    ],
    delta={"annotations": [CITATION], "mood": False},
    choice={"matched_stop": 3},
    completion={"warnings": [1]},
    calls=[
        {"id": "late", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
        {
            "id": "late",
            "type": "function",
            "function": {"name": "g", "arguments": "{}"},
            "cache_control": {"type": "ephemeral"},
        },
        {"id": "w", "type": "web_search", "web_search": {"query": "q"}},
    ],
    usage=usage(cost=0.5),
    finish="tool_calls",
)

CALLED = {"name": "f", "arguments": "{}", "provider_specific_fields": {"thought_signature": "s"}}
NAMESAKES = Server(
    "names of ours",  # members called as the hub's own are, and a whole message beside the deltas
    [
        chunk({"reasoning": "Hm"}),
        chunk({"content": "Hi", "status": "sure", "id": "m", "type": "t", "summary": "s"}),
        chunk({"content": " there"}, choice={"message": {"content": "Hi there", "sources": [1]}}),
        chunk({"content": ""}, choice={"message": {"content": "Hi there", "sources": [1, 2]}}),
        chunk(call(0, id="c", type="function", function=CALLED, custom={"name": ""}, name="n")),
        chunk(call(0, status="ok", call_id="x", extra_content={"a": {"s": 1}})),
        chunk(call(0, custom={}, extra_content={"a": {"t": 2}})),
        chunk({}, "tool_calls", usage=usage()),
        DONE,
    ],
    reasoning="Hm",
    delta={"status": "sure", "id": "m", "type": "t", "summary": "s", "sources": [1, 2]},
    calls=[
        {
            "id": "c",
            "type": "function",
            "function": CALLED,
            "name": "n",
            "status": "ok",
            "call_id": "x",
            "extra_content": {"a": {"s": 1, "t": 2}},
        }
    ],
    usage=usage(),
    finish="tool_calls",
)

SERVERS = [
    OPENAI, AZURE, GEMINI, MISTRAL, DEEPSEEK, OPENROUTER, PERPLEXITY, GROQ, OLLAMA, VLLM, LLAMA_CPP,
    LITELLM, ODD, NAMESAKES,
]  # fmt: skip
