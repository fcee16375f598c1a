"""What a run cost."""

from pathlib import Path

import pytest

from app.core.changes import Usage
from app.core.errors import ConfigurationError
from app.core.prices import cost
from app.core.settings import PriceSettings, Settings, load

PRICES = {"gpt-5.5": PriceSettings(input=2.0, cached=0.5, output=10.0)}


def test_cached_tokens_are_part_of_the_input_and_cost_their_own_price() -> None:
    usage = Usage(input=1_000_000, cached=400_000, output=100_000)

    assert cost(PRICES, "gpt-5.5", usage) == pytest.approx(0.6 * 2 + 0.4 * 0.5 + 0.1 * 10)


def test_nothing_used_costs_nothing() -> None:
    assert cost(PRICES, "gpt-5.5", Usage()) == 0


@pytest.mark.parametrize("model", ["gpt-5", "GPT-5.5", ""])
def test_a_model_without_a_price_has_no_cost(model: str) -> None:
    assert cost(PRICES, model, Usage(input=10, output=10)) is None


def test_more_cached_than_sent_is_never_a_negative_cost() -> None:
    assert cost(PRICES, "gpt-5.5", Usage(input=100, cached=200)) == pytest.approx(100 * 0.5 / 1e6)


def test_prices_are_read_by_the_models_name(tmp_path: Path) -> None:
    settings = read(tmp_path, '[prices."gpt-5.5"]\ninput = 2\ncached = 0.5\noutput = 10\n')

    assert settings.prices == PRICES


def test_no_price_is_there_by_itself(tmp_path: Path) -> None:
    assert read(tmp_path, "").prices == {}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("input = -1", "prices.gpt-5.5.input: a number greater than or equal to 0 is expected"),
        ("input = nan", "prices.gpt-5.5.input: a finite number is expected"),
        ('input = "2"', "prices.gpt-5.5.input: a number is expected"),
        ("", "prices.gpt-5.5.input: is missing and has no default"),
        ("input = 1\nreasoning = 2", "prices.gpt-5.5.reasoning: unknown key"),
    ],
)
def test_a_wrong_price_is_named(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        read(tmp_path, f'[prices."gpt-5.5"]\ncached = 1\noutput = 1\n{line}\n')


def test_a_price_without_quotes_round_its_dots_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r'prices\.gpt-5: .* \[prices\."gpt-5\.5"\]'):
        read(tmp_path, "[prices.gpt-5.5]\ninput = 1\ncached = 1\noutput = 1\n")


def read(folder: Path, text: str) -> Settings:
    config = folder / "pimainteno.toml"
    config.write_text(f'state_dir = "{folder}"\n{text}')
    return load(config, env={"HOME": str(folder)}, cwd=folder)
