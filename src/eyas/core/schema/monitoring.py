"""The keys of `serve.monitor`: what is watched while the service predicts."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from eyas.core.schema.addresses import SECRET, SecretUrl, is_left_out
from eyas.core.schema.section import Section

Rate = Annotated[float, Field(gt=0, lt=1)]


class MonitoringConfig(Section):
    """Watching what is predicted: drift, outliers, accuracy once labels arrive. It never fails a prediction."""

    folder: str | None = None
    """Where the monitor's state, its alarms and the prediction store lie. Unset: nothing outlives the service, and
    there is no store unless `store` names one."""
    store: str | None = None
    """The prediction store: a SQLite file, or the URL of a PostgreSQL database (postgresql://…), which needs the extra
    [postgres]. Unset: `predictions.db` in `folder`."""
    false_alarms: Rate = 0.01
    """Chance of an alarm without any drift, in `horizon` predictions."""
    horizon: PositiveInt = 10_000
    """Predictions that `false_alarms` speaks of."""
    most_per_second: PositiveFloat = 200.0
    """Predictions that the drift tests look at, at most; of what comes on top a random part is left out. All of them
    are counted and stored."""
    keep_days: PositiveInt = 30
    """Predictions older than this leave the store."""
    keep_images: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of predictions whose image is stored, too, as PNG."""
    keep_image_days: PositiveInt = 7
    """Images older than this leave the store; at most `keep_days`."""
    save_seconds: NonNegativeFloat = 10.0
    """Between two times that the monitor's state is saved; after a crash the tests go on from there."""
    webhooks: tuple[SecretUrl, ...] = ()
    """URLs that alarms and the moves of rollouts are posted to, as JSON. What is secret in them is neither logged nor
    kept with a run."""
    webhook_token_file: str | None = None
    """A file whose content every webhook gets as a bearer token; it is read anew each time."""
    alertmanager: SecretUrl | None = None
    """A Prometheus Alertmanager that is told the same, such as http://alertmanager:9093. Unset: none is."""

    @field_validator("keep_image_days")
    @classmethod
    def _images_go_first(cls, days: int, info: ValidationInfo) -> int:
        if days > (most := info.data.get("keep_days", days)):
            raise ValueError(f"be at most keep_days, which is {most}")
        return days

    @field_validator("webhooks", mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str) else given

    @model_validator(mode="after")
    def _each_is_told_once(self) -> Self:
        told = [one for one in (*self.webhooks, self.alertmanager) if one and not is_left_out(one)]
        if len({*told}) < len(told):
            raise PydanticCustomError(SECRET, "Value error, name each address of webhooks and alertmanager once")
        return self

    @model_validator(mode="after")
    def _token_has_a_reader(self) -> Self:
        if self.webhook_token_file and not self.webhooks:
            raise PydanticCustomError(SECRET, "Value error, have webhooks where it has webhook_token_file")
        return self
