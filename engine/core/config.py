"""Configuration: one TOML file, the environment over it, the command line over both.

The models below are the whole of what may be configured; `docs/configuration.md` is
generated from them. Unknown keys are refused with the nearest known one, because a setting
that is silently ignored is worse than none.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from engine.core.clock import duration_ns
from engine.core.errors import ConfigError

APP = "quarterdeck"

_SYMBOL = re.compile(r"^[A-Z0-9]{1,20}/[A-Z0-9]{2,10}(:[A-Z0-9]{2,10})?$")


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values are fixed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class EngineSection(Section):
    """What is traded, on which prices, and who has the last word."""

    feed: str = Field("live", description="`live`, `sim`, or `replay:` and a path")
    venue: str = Field("binance", description="the exchange of the live feed, a ccxt id")
    fallback_venues: tuple[str, ...] = Field(
        ("okx", "kraken", "coinbase"),
        description="tried in order where the venue refuses the region (HTTP 451 or 403)",
    )
    symbols: tuple[str, ...] = Field(
        ("BTC/USDT", "ETH/USDT", "SOL/USDT"),
        description="what to follow; `BTC/USDT:USDT` is the perpetual",
    )
    timeframe: str = Field("15m", description="the decision bar: strategies speak at its close")
    mode: Literal["paper"] = Field("paper", description="whose money; paper is the only mode yet")
    approval: Literal["review", "auto", "review-above"] = Field(
        "review", description="which proposals wait for a person"
    )
    profile: str = Field(
        "balanced",
        description="a named set of parameters: conservative, balanced, aggressive, flow, ml, "
        "sniper",
    )
    cash: Decimal = Field(Decimal(10_000), gt=0, description="starting cash of a new journal")
    seed: int | None = Field(None, ge=0, description="repeats a run; drawn and shown when absent")
    speed: float | None = Field(
        None, ge=0, description="pace of replay and simulation; 0 is as fast as it goes"
    )
    sim_edge: float = Field(
        0.0, ge=0, le=1, description="edge planted in the simulated market, in sd per trade"
    )

    @field_validator("symbols", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return (
            [part.strip().upper() for part in value.split(",")] if isinstance(value, str) else value
        )

    @field_validator("symbols")
    @classmethod
    def _named(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("at least one symbol is needed")
        for symbol in value:
            if not _SYMBOL.match(symbol):
                raise ValueError(f"{symbol!r} is no symbol; write BTC/USDT or BTC/USDT:USDT")
        if len(set(value)) != len(value):
            raise ValueError("a symbol is named twice")
        return value

    @field_validator("timeframe")
    @classmethod
    def _span(cls, value: str) -> str:
        try:
            duration_ns(value)
        except ValueError:
            raise ValueError(f"{value!r} is no timeframe; write 1m, 15m, 1h, 4h or 1d") from None
        return value

    @field_validator("feed")
    @classmethod
    def _feed(cls, value: str) -> str:
        if value in ("live", "sim") or (value.startswith("replay:") and len(value) > 7):
            return value
        raise ValueError(f"{value!r} is no feed; write live, sim or replay:PATH")


class LlmSection(Section):
    """Where the language model answers, and on which feeds its strategist speaks.

    The model itself is asked on the live market alone, because a recording and a seed should
    come to the same with and without one; there the rules speak, or recorded replies.
    """

    host: str = Field("http://localhost:11434", description="Ollama's address")
    model: str = Field("qwen2.5:7b", description="the model's name")
    timeout: int = Field(30, ge=5, le=120, description="seconds before the rules speak instead")
    enabled: bool = Field(True, description="whether it may be asked; the rules speak otherwise")
    strategist: Literal["always", "live", "never", "ask"] = Field(
        "always",
        description="feeds on which conditions are written: `always` on every feed, off the "
        "live market by the rules or recorded replies; `live`; `never`; `ask` as always, and "
        "a simulation at speed 1 asks the model",
    )

    @field_validator("host")
    @classmethod
    def _scheme(cls, value: str) -> str:
        text = value.strip().rstrip("/")
        return text if "://" in text else f"http://{text}"


class NewsSection(Section):
    """Headlines that prompts quote; off until it is switched on and names sources.

    Fetched on the live market alone; a replay reads recorded ones (`--news`).
    """

    enabled: bool = Field(False, description="whether sources are asked")
    sources: tuple[str, ...] = Field((), description="addresses of RSS or Atom feeds")
    every: int = Field(10, ge=1, le=1_440, description="minutes between two requests")
    timeout: int = Field(15, ge=1, le=60, description="seconds that a request may take")

    @field_validator("sources")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if not re.fullmatch(r"https?://[^\s/]+\S*", one):
                raise ValueError(f"{one!r} is no http or https address")
        return value


class PathsSection(Section):
    """Where files are kept; empty means the platform's own folders."""

    data_dir: str = Field("", description="journals and exports")
    db: str = Field("", description="the journal file; otherwise one per mode and feed")


class ScreenSection(Section):
    """How the terminal is drawn."""

    theme: str = Field("dark", description="a theme of the program or of the themes folder")
    hz: float | None = Field(None, gt=0, le=30, description="samples a second; 10, over SSH 4")
    low_color: bool = Field(False, description="only the sixteen colours of the terminal")
    mouse: bool = Field(True, description="whether the mouse is used")
    readonly: bool = Field(False, description="look, and send no command")


class Secrets(Section):
    """Keys of a venue. From the environment only; never shown, stored or journaled."""

    binance_key: str = Field("", repr=False, description="BINANCE_API_KEY")
    binance_secret: str = Field("", repr=False, description="BINANCE_API_SECRET or BINANCE_SECRET")


class Config(Section):
    """The whole configuration, validated."""

    engine: EngineSection = EngineSection()
    llm: LlmSection = LlmSection()
    news: NewsSection = NewsSection()
    paths: PathsSection = PathsSection()
    screen: ScreenSection = ScreenSection()
    keys: dict[str, str] = Field(default_factory=dict, description="action id = key")
    parameters: dict[str, Any] = Field(
        default_factory=dict, description="declared parameters: name = value"
    )


ENVIRONMENT: Mapping[str, tuple[str, str]] = {
    "OLLAMA_HOST": ("llm", "host"),
    "AI_MODEL": ("llm", "model"),
    "AI_TIMEOUT": ("llm", "timeout"),
    "AI_TRADING_ENABLED": ("llm", "enabled"),
    "AI_STRATEGIST": ("llm", "strategist"),
    "NEWS_ENABLED": ("news", "enabled"),
    "DATA_DIR": ("paths", "data_dir"),
}
"""Variables that are read, and the setting that each of them overrides."""


class Loaded(BaseModel):
    """A configuration and where each setting that is no default came from."""

    model_config = ConfigDict(frozen=True)

    config: Config
    origins: dict[str, str]
    file: Path | None


def config_path() -> Path:
    """Where the configuration file is looked for unless one is named."""
    return Path(platformdirs.user_config_dir(APP)) / "config.toml"


def data_dir(config: Config) -> Path:
    """The folder of journals and exports, not yet made."""
    return Path(config.paths.data_dir or platformdirs.user_data_dir(APP)).expanduser()


def journal_path(config: Config, mode: str, feed: str) -> Path:
    """The journal of a mode and feed: one file per pair, so that paper never meets replay."""
    if config.paths.db:
        return Path(config.paths.db).expanduser()
    return data_dir(config) / f"{mode.lower()}-{feed.lower()}.db"


def read_secrets(environment: Mapping[str, str] | None = None) -> Secrets:
    """Venue keys from the environment, both spellings of the secret."""
    env = os.environ if environment is None else environment
    return Secrets(
        binance_key=env.get("BINANCE_API_KEY", ""),
        binance_secret=env.get("BINANCE_API_SECRET") or env.get("BINANCE_SECRET", ""),
    )


def load(
    path: Path | None = None,
    overrides: Mapping[tuple[str, str], Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Loaded:
    """Read and validate everything; `overrides` are the command line's, by section and key.

    Raises `ConfigError` naming the file, the key and the nearest known key. A file that was
    named must exist; the platform's own may be absent.
    """
    env = os.environ if environment is None else environment
    named = path is not None
    file = path or config_path()
    raw: dict[str, Any] = {}
    origins: dict[str, str] = {}
    if file.exists():
        raw = _read_toml(file)
        for section, values in raw.items():
            keys = values if isinstance(values, dict) else {"": values}
            origins.update({f"{section}.{key}".rstrip("."): str(file) for key in keys})
    elif named:
        raise ConfigError(f"there is no configuration file {file}", "leave --config out for none")
    for variable, (section, key) in ENVIRONMENT.items():
        if env.get(variable, "").strip():
            _put(raw, section, key, env[variable].strip())
            origins[f"{section}.{key}"] = variable
    for (section, key), value in (overrides or {}).items():
        if value is not None:
            _put(raw, section, key, value)
            origins[f"{section}.{key}"] = "command line"
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        raise _explain(error, origins, file) from None
    return Loaded(config=config, origins=origins, file=file if file.exists() else None)


def _put(raw: dict[str, Any], section: str, key: str, value: Any) -> None:
    table = raw.setdefault(section, {})
    if isinstance(table, dict):
        table[key] = value


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is no valid TOML: {error}", "nothing was changed") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} can't be read: {error}", "check its permissions") from None


def _explain(error: ValidationError, origins: Mapping[str, str], file: Path) -> ConfigError:
    """The first problem of a validation error, in a person's words."""
    first = error.errors()[0]
    where = [str(part) for part in first["loc"]]
    name = ".".join(where)
    if first["type"] == "extra_forbidden":
        known = _known_keys(where[:-1])
        near = difflib.get_close_matches(where[-1], known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
        return ConfigError(f"{file}: there is no setting {name!r}", hint)
    setting = ".".join(where[:2])
    origin = origins.get(setting, str(file))
    message = first["msg"].removeprefix("Value error, ")
    return ConfigError(f"{setting}: {message} (from {origin})", f"it was {first['input']!r}")


def _known_keys(section: list[str]) -> list[str]:
    fields = Config.model_fields
    if not section:
        return sorted(fields)
    model = fields[section[0]].annotation if section[0] in fields else None
    if isinstance(model, type) and issubclass(model, BaseModel):
        return sorted(model.model_fields)
    return []
