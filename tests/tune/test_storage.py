"""URLs of storages: what is shown of them, and what is refused."""

import pytest

from eyas.tune.storage import masked


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///here/study.db", "sqlite:///here/study.db"),
        ("postgresql+psycopg://u@h:5432/db", "postgresql+psycopg://u@h:5432/db"),
        ("postgresql+psycopg://u:secret@h/db", "postgresql+psycopg://u:***@h/db"),
        ("postgresql+psycopg://u:sec/ret@h/db", "postgresql+psycopg://u:***@h/db"),
        ("postgresql+psycopg://u:sec#ret@h/db", "postgresql+psycopg://u:***@h/db"),
        ("postgresql+psycopg://u:sec?ret@h/db", "postgresql+psycopg://u:***@h/db"),
        (
            "postgresql+psycopg://u:secret@h/db?sslpassword=secret&sslmode=require",
            "postgresql+psycopg://u:***@h/db?sslmode=require&sslpassword=***",
        ),
        ("postgresql+psycopg://u@h/db?password=secret", "postgresql+psycopg://u@h/db?password=***"),
        ("postgresql+psycopg://u:sec[ret@h/db", "postgresql+psycopg://u:***@h/db"),
        ("postgresql+psycopg://u:sec@ret@h/db", "postgresql+psycopg://***"),
        ("postgresql+psycopg://u:secret@h:port/db", "postgresql+psycopg://***"),
        ("u:secret@h/db", "***"),
    ],
)
def test_no_password_is_shown(url, shown):
    assert masked(url) == shown
    assert masked(shown) == shown
