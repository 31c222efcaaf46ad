"""What a rollout is to do: fixed at its start, and kept with it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from eyas.core.errors import ConfigError
from eyas.core.schema import Section
from eyas.core.schema.section import NAME, Fraction
from eyas.rollout.assignment import check_salt, new_salt

Mode = Literal["shadow", "canary", "ab"]
STAGES: dict[str, tuple[float, ...]] = {"shadow": (1.0,), "canary": (0.01, 0.1, 0.5, 1.0), "ab": (0.01, 0.1, 0.5)}
FURTHEST = 10_000
"""Times the shortest window, below which the longest must stay: one ring of counts holds both."""
NUMBER = r"[0-9]+(?:\.[0-9]+)?"


def _rising(stages: tuple[float, ...]) -> tuple[float, ...]:
    if not all(low < high for low, high in zip((0.0, *stages), (*stages, 1.1), strict=True)) or stages[-1:] > (1.0,):
        raise ValueError("be shares that rise, above 0 and up to 1, such as 1%,10%,50%,100%")
    return stages


def _usual_stages(values: dict[str, Any]) -> tuple[float, ...]:
    return STAGES.get(values.get("mode", ""), (1.0,))


def _salt(salt: str) -> str:
    try:
        return check_salt(salt)
    except ConfigError as error:
        raise ValueError(f"be 8 to 64 bytes ({error})") from error


Name = Annotated[str, Field(pattern=f"^{NAME}$")]
Level = Annotated[float, Field(gt=0, lt=1)]
Factor = Annotated[float, Field(ge=1)]
Budget = Annotated[float, Field(gt=0, le=1)]


class BurnWindow(Section):
    """A burn rate that is too high in a long and in a short window at once."""

    long_seconds: PositiveFloat
    """The long one: it is not a mere moment."""
    short_seconds: PositiveFloat
    """The short one: it goes on still."""
    factor: PositiveFloat
    """How many times faster than allowed the budget may be spent."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.short_seconds < self.long_seconds:
            raise ValueError(f"have a short window below the long one of {self.long_seconds:g} s")
        return self


def check_windows(windows: Sequence[BurnWindow]) -> tuple[BurnWindow, ...]:
    """Those of one plan, at least one, that one ring of counts can hold.

    Raises:
        ValueError: their lengths are too different.
    """
    longest, shortest = max(one.long_seconds for one in windows), min(one.short_seconds for one in windows)
    if not longest < FURTHEST * shortest:
        raise ValueError(
            f"keep the longest below {FURTHEST:,} times the shortest: {longest:g} s is too long beside {shortest:g} s"
        )
    return tuple(windows)


class RolloutPlan(Section):
    """How a challenger takes over from the champion."""

    mode: Mode = "canary"
    """`shadow`: the challenger is asked as well, its answers are only compared. `canary`: it answers a share that
    grows. `ab`: it answers a share until labels say that it is no worse."""
    champion: Name
    """The version that is live."""
    challenger: Name
    """The version that is to be."""
    stages: Annotated[tuple[float, ...], AfterValidator(_rising)] = Field(default_factory=_usual_stages, min_length=1)
    """The challenger's shares of the requests, one after the other. Unset: 1, 10, 50 and 100 % for a canary; 1, 10 and
    50 % for `ab`; 100 % for a shadow."""
    stage_requests: PositiveInt = 500
    """Answers of the challenger, at least, before a stage may end."""
    stage_seconds: NonNegativeFloat = 600.0
    """Seconds, at least, before a stage may end."""
    margin: Fraction = 0.01
    """Loss of accuracy that is put up with."""
    alpha: Level = 0.05
    """Chance of a wrong word on accuracy or disagreement, over the whole rollout and all looks."""
    ratio_alpha: Level = 0.001
    """Chance of a wrong alarm about the arms' shares."""
    error_budget: Budget = 0.01
    """Share of the challenger's requests that may fail."""
    slow_seconds: PositiveFloat | None = None
    """A request that takes longer is slow. Unset: none is."""
    slow_budget: Budget = 0.05
    """Share of the challenger's requests that may be slow."""
    windows: Annotated[tuple[BurnWindow, ...], Field(min_length=1), AfterValidator(check_windows)] = (
        BurnWindow(long_seconds=300, short_seconds=30, factor=14.4),
        BurnWindow(long_seconds=3600, short_seconds=300, factor=6),
    )
    """Over which the budgets are watched."""
    least_failures: PositiveInt = 5
    """Failed (or slow) requests in the long window below which nothing is said of the rate."""
    latency_ratio: Factor | None = 1.5
    """The challenger's p95 and p99 may be so many times the champion's. Unset: anything."""
    p95_seconds: PositiveFloat | None = None
    """Of the challenger, whatever the champion's. Unset: anything."""
    p99_seconds: PositiveFloat | None = None
    """Of the challenger, whatever the champion's. Unset: anything."""
    disagreement: Fraction = 0.1
    """Share of images on which a shadow may answer with another class."""
    gated: bool = False
    """Whether it passed the gate on the test images at its start; what starts it says so. Without the gate, only labels
    can show that the challenger is no worse."""
    salt: Annotated[str, AfterValidator(_salt)] = Field(default_factory=new_salt)
    """Deals the users to the arms; drawn anew for each rollout."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.champion == self.challenger:
            raise ValueError(f"have a challenger other than the champion {self.champion}")
        if self.mode == "ab" and self.stages[-1] == 1:
            raise ValueError(
                "keep some requests for the champion in every stage of ab: nothing to compare with at 100%"
            )
        return self

    @property
    def last_stage(self) -> int:
        """Its index."""
        return len(self.stages) - 1


def make_plan(values: Mapping[str, Any], *, strict: bool = False) -> RolloutPlan:
    """A plan from plain values.

    Args:
        values: by key.
        strict: take them as JSON has them: a number is no text, and no truth value.

    Raises:
        ConfigError: unknown keys, or values that break their rule; it names each.
    """
    try:
        if strict:
            return RolloutPlan.model_validate_json(json.dumps(dict(values)), strict=True)
        return RolloutPlan.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError("\n".join(_said(problem) for problem in error.errors())) from error


def parse_share(text: str, name: str = "a share") -> float:
    """`5%`, `5 %` or `0.05` as 0.05.

    A whole number other than 0 and 1 has no meaning of its own: 5 might be 5 % or a slip for 0.5.

    Args:
        text: as a person writes it.
        name: of the option, for the message.

    Raises:
        ConfigError: neither a percentage up to 100% nor a number from 0 to 1.
    """
    match = re.fullmatch(rf"\s*({NUMBER})\s*(%?)\s*", text, re.ASCII)
    share = float(match[1]) / (100 if match[2] else 1) if match else 2.0
    if share > 1:
        raise ConfigError(f"{name} must be a percentage such as 5%, or a number from 0 to 1, got {text!r}")
    return share


def parse_stages(text: str, name: str = "stages") -> tuple[float, ...]:
    """`1%,10%,50%,100%`, or `1,10,50,100%`, as shares.

    A last `%` counts for those before it that have neither `%` nor a point.

    Raises:
        ConfigError: one that is no share, or shares that do not rise.
    """
    parts = [part.strip() for part in text.split(",")]
    if parts[-1].endswith("%"):
        parts = [part if "%" in part or "." in part else f"{part}%" for part in parts]
    stages = tuple(parse_share(part, f"each of {name}") for part in parts)
    try:
        return _rising(stages)
    except ValueError as error:
        raise ConfigError(f"{name} must {error}, got {text!r}") from error


def percent(share: float) -> str:
    """0.05 as `5 %`."""
    return f"{100 * share:.4g} %"


def _said(problem: Any) -> str:
    path = ".".join(map(str, problem["loc"])) or "a rollout"
    if problem["type"] == "extra_forbidden":
        return f"unknown key {path} of a rollout; known: {', '.join(RolloutPlan.model_fields)}"
    if problem["type"] == "missing":
        return f"{path} of a rollout must be given"
    rule = str(problem["msg"]).replace("Value error, ", "must ").replace("Input should", "must")
    return f"{path}: {rule}" if path == "a rollout" else f"{path} {rule}, got {problem['input']!r}"
