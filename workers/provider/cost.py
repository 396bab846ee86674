"""What a generation cost, from the provider's own count and the configured prices."""

from __future__ import annotations

from collections.abc import Mapping

from workers.provider.parts import Usage

_PER = 1_000_000


def cost(
    usage: Usage | None, model: str | None, prices: Mapping[str, Mapping[str, float]]
) -> float | None:
    """The cost in the prices' currency; None where usage or price is not known: never a guess.

    `prices`: `{"model": {"prompt": per million tokens, "completion": per million tokens}}`. A dated
    name (`gpt-4o-2024-08-06`) takes the price of the longest name that it begins with, up to a `-`.
    """
    price = None if model is None else _price(model, prices)
    if usage is None or price is None:
        return None
    spent = usage.prompt_tokens * price.get("prompt", 0.0)
    spent += usage.completion_tokens * price.get("completion", 0.0)
    return round(spent / _PER, 10)


def _price(model: str, prices: Mapping[str, Mapping[str, float]]) -> Mapping[str, float] | None:
    if model in prices:
        return prices[model]
    # Only a date may follow: `gpt-4o-mini` must not cost what `gpt-4o` does.
    known = [name for name in prices if model.startswith(f"{name}-")]
    for name in sorted(known, key=len, reverse=True):
        if model[len(name) + 1 :].replace("-", "").isdigit():
            return prices[name]
    return None
