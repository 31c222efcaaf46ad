"""URLs of storages: what is shown of them, and what is refused."""

import pytest

from eyas.core.errors import ConfigError
from eyas.tune.beginning import Wishes, check_wishes
from eyas.tune.storage import masked, open_storage


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


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://u:secret@h:port/db",
        "mysql://u:secret@h/db",
        "study.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///file::memory:?uri=true",
        "sqlite:///file:x?mode=memory&uri=true",
    ],
)
def test_a_url_that_cannot_keep_a_study_is_refused_at_once(tmp_path, url):
    with pytest.raises(ConfigError, match="--storage must be sqlite:///FILE") as caught:
        check_wishes(Wishes(storage=url))
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError, match="--storage must be sqlite:///FILE"):
        open_storage(url, tmp_path)
    assert list(tmp_path.iterdir()) == []
