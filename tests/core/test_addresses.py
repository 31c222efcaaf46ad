"""Addresses with secrets: where they are checked, and where they may be seen."""

from __future__ import annotations

import pytest
import yaml

from eyas.core.config import dump_yaml, load_config
from eyas.core.errors import ConfigError
from eyas.core.schema.addresses import shown, shown_database
from eyas.core.template import commented_yaml

HOOK = "https://hooks.example.com/services/T00/B00/pS3cret"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (HOOK, "https://hooks.example.com/…"),
        ("http://me:pS3cret@alerts:9093", "http://alerts:9093/…"),
        ("http://alerts:9093/?key=pS3cret", "http://alerts:9093/…"),
        ("http://alerts:9093", "http://alerts:9093"),
        ("http://[::1]:9093/", "http://[::1]:9093/"),
        ("https://hooks.example.com/…", "https://hooks.example.com/…"),
    ],
)
def test_what_is_shown_holds_no_secret(url: str, says: str) -> None:
    assert shown(url) == says


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://eyas:pS3cret@db:5432/eyas?sslmode=require", "postgresql://eyas@db:5432/eyas"),
        ("postgresql://db/eyas?user=eyas&password=pS3cret", "postgresql://db/eyas"),
        ("postgresql://eyas@db/eyas?password=pS3cret", "postgresql://eyas@db/eyas"),
        ("postgresql://eyas:pS3cret@one:5432,[::1]:5433/eyas", "postgresql://eyas@one:5432,[::1]:5433/eyas"),
        ("postgresql:///eyas?service=eyas", "postgresql:///eyas"),
        ("postgresql://eyas:p/S3cret@db/eyas", "postgresql://…"),
        ("postgresql://eyas:1/pS3cret@db/eyas", "postgresql://…"),
        ("postgresql://eyas:1?pS3cret@db/eyas", "postgresql://…"),
        ("postgresql://eyas:[pS3cret@db/eyas", "postgresql://…"),
        ("postgresql://eyas:pS3cret", "postgresql://…"),
        ("postgresql:///eyas:pS3cret@db/eyas", "postgresql://…"),
        ("postgresql:////eyas:pS3cret@db/eyas", "postgresql://…"),
        ("sqlite:////srv/a@b/predictions.db", "sqlite:////srv/a@b/predictions.db"),
        ("/srv/predictions.db", "/srv/predictions.db"),
    ],
)
def test_what_is_shown_of_a_database_holds_no_password(url: str, says: str) -> None:
    assert shown_database(url) == says


def test_a_configuration_travels_without_its_webhooks_paths() -> None:
    config = load_config(None, [f"serve.monitor.webhooks={HOOK}", "serve.monitor.alertmanager=http://a:9093"])
    assert config.serve.monitor is not None
    assert config.serve.monitor.webhooks == (HOOK,)
    dumped = yaml.safe_load(dump_yaml(config))["serve"]["monitor"]
    assert (dumped["webhooks"], dumped["alertmanager"]) == (["https://hooks.example.com/…"], "http://a:9093")
    assert "pS3cret" not in config.model_dump_json()
    assert HOOK in commented_yaml(config)  # the user's own file


def test_a_run_that_was_kept_without_them_can_be_read() -> None:
    config = load_config(None, [f"serve.monitor.webhooks=[{HOOK}, {HOOK}-2]"])
    again = load_config(
        None, [f"serve.monitor.webhooks={yaml.safe_load(dump_yaml(config))['serve']['monitor']['webhooks']}"]
    )
    assert again.model_dump() == config.model_dump()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hooks.example.com/pS3cret",
        "hooks.example.com/pS3cret",
        "https:///pS3cret",
        "https://hooks.example.com:port/pS3cret",
        "https://hooks.example.com/pS3cret here",
        "https://hooks.example.com/pS3cret#here",
        "https://hooks.example.com/pS3cret/é",
        "https://hooks.example.com/…/pS3cret",
        "https://hööks.example.com/…",
    ],
)
def test_a_bad_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match="must be an http or https URL") as caught:
        load_config(None, [f"serve.monitor.webhooks=[{url!r}]"])
    assert "pS3cret" not in str(caught.value)
    assert str(caught.value).startswith("serve.monitor.webhooks.0 must")


@pytest.mark.parametrize(
    "words", [[f"webhooks=[{HOOK}, http://a, {HOOK}]"], [f"webhooks={HOOK}", f"alertmanager={HOOK}"]]
)
def test_nobody_is_told_twice(words: list[str]) -> None:
    with pytest.raises(ConfigError, match="must name each address of webhooks and alertmanager once") as caught:
        load_config(None, [f"serve.monitor.{word}" for word in words])
    assert "pS3cret" not in str(caught.value)


def test_a_token_needs_a_webhook() -> None:
    with pytest.raises(ConfigError, match="monitor must have webhooks where it has webhook_token_file") as caught:
        load_config(None, ["serve.monitor.webhook_token_file=token", "serve.monitor.alertmanager=http://me:pS3cret@a"])
    assert "pS3cret" not in str(caught.value)
