"""What a run cost, by the prices in the configuration; without a price nothing is claimed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.core.changes import Usage
    from app.core.settings_sections import PriceSettings

MILLION = 1_000_000


def cost(prices: Mapping[str, PriceSettings], model: str, usage: Usage) -> float | None:
    """Return what these tokens cost in US dollars; None where the model has no price.

    `input` counts the cached tokens too, as the model server and the Codex CLI do: they are taken out
    of it and paid for at their own price.
    """
    price = prices.get(model)
    if price is None:
        return None
    cached = min(usage.cached, usage.input)
    paid = (usage.input - cached) * price.input + cached * price.cached + usage.output * price.output
    return paid / MILLION
