"""What a generation cost, from the provider's own count and the configured prices."""

from __future__ import annotations

from collections.abc import Mapping

from workers.provider.parts import Usage

_PER = 1_000_000
_MAX_TOLD = 1e12


def cost(
    usage: Usage | None, model: str | None, prices: Mapping[str, Mapping[str, float]]
) -> float | None:
    """The cost in the prices' currency; None where usage or price is not known: never a guess.

    `prices`: `{"model": {"prompt": …, "completion": …, "cached": …, "reasoning": …}}`, each per
    million tokens. Cached tokens are some of the prompt's, reasoning tokens some of the
    completion's, as providers count them; without a price of their own they cost what the others
    do. A dated name (`gpt-4o-2024-08-06`) takes the price of the longest name that it begins with,
    up to a `-`.
    Without a price, what the provider itself says it costs (`usage.cost`) counts.
    """
    if usage is None:
        return None
    price = None if model is None else _price(model, prices)
    if price is None or usage.prompt_tokens is None:
        return _told(usage.more.get("cost"))
    spent = _part(usage.prompt_tokens, _cached(usage), price, "prompt", "cached")
    completion = usage.completion_tokens or 0
    spent += _part(completion, _reasoning(usage), price, "completion", "reasoning")
    return round(spent / _PER, 10)


def _part(
    count: int, special: int, price: Mapping[str, float], name: str, special_name: str
) -> float:
    usual = price.get(name, 0.0)
    special = min(special, count)
    return (count - special) * usual + special * price.get(special_name, usual)


def _cached(usage: Usage) -> int:
    """Where it is told: OpenAI's details, or DeepSeek's own name."""
    cached = _detail(usage, "prompt_tokens_details", "cached_tokens")
    return _number(usage.more.get("prompt_cache_hit_tokens")) if cached is None else cached


def _reasoning(usage: Usage) -> int:
    return _detail(usage, "completion_tokens_details", "reasoning_tokens") or 0


def _detail(usage: Usage, details: str, name: str) -> int | None:
    told = usage.more.get(details)
    return _number(told[name]) if isinstance(told, Mapping) and name in told else None


def _number(value: object) -> int:
    return value if type(value) is int and value > 0 else 0


def _told(cost: object) -> float | None:
    if isinstance(cost, Mapping):  # Perplexity parts it
        cost = cost.get("total_cost")
    if isinstance(cost, bool) or not isinstance(cost, int | float):
        return None
    return cost if 0 <= cost < _MAX_TOLD else None


def _price(model: str, prices: Mapping[str, Mapping[str, float]]) -> Mapping[str, float] | None:
    if model in prices:
        return prices[model]
    # Only a date may follow: `gpt-4o-mini` must not cost what `gpt-4o` does.
    known = [name for name in prices if model.startswith(f"{name}-")]
    for name in sorted(known, key=len, reverse=True):
        if model[len(name) + 1 :].replace("-", "").isdigit():
            return prices[name]
    return None
