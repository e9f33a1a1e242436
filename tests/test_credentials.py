"""Names and passwords in URLs: out of every text, and back where a server is asked."""

import pytest

from aria_docs.credentials import SERVERS, hand_down, with_credentials, without_credentials


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("http://user:pw@host:8000/v1", "http://host:8000/v1"),
        ("https://token@host/v1", "https://host/v1"),
        ("http://user:p@ss:w@host/v1", "http://host/v1"),
        ("http://host/v1", "http://host/v1"),
        ("http://host/a@b", "http://host/a@b"),
        ("http://host?to=a@b", "http://host?to=a@b"),
        ("run in --server http://u:p@h/v1 --server 'http://u:q@i/v1'", "run in --server http://h/v1 --server 'http://i/v1'"),
        ("mail me@example.org", "mail me@example.org"),
    ],
)  # fmt: skip
def test_a_text_without_credentials(text: str, clean: str) -> None:
    assert without_credentials(text) == clean


def test_credentials_come_back_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SERVERS, "http://a:b@one/v1")
    hand_down(["http://c:d@two/v1", "http://three/v1"])
    shown = ["http://two/v1", "http://three/v1", "http://one/v1"]
    assert with_credentials(shown) == ("http://c:d@two/v1", "http://three/v1", "http://a:b@one/v1")


def test_nothing_is_handed_down_where_nothing_is_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SERVERS, raising=False)
    hand_down(["http://three/v1"])
    assert with_credentials(["http://three/v1"]) == ("http://three/v1",)
