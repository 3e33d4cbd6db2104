"""`vecroute serve` hands its flags to the daemon."""

from collections.abc import Sequence

import pytest

from vecroute.cli import main


@pytest.mark.parametrize(
    ("arguments", "flags"),
    [
        pytest.param([], [], id="nothing said"),
        pytest.param(["--socket", "/s", "--models", "/m"], ["--socket=/s", "--models=/m"], id="own flags"),
        pytest.param(
            ["--config=c.toml", "--log-format", "json"], ["--config=c.toml", "--log-format", "json"], id="others"
        ),
    ],
)
def test_flags_reach_the_daemon(arguments: list[str], flags: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Sequence[str] | None] = []

    def serve(arguments: Sequence[str] | None = None) -> int:
        given.append(arguments)
        return 3

    monkeypatch.setattr("daemon.__main__.main", serve)
    assert main(["serve", *arguments]) == 3
    assert given == [flags]


def test_settings_that_make_no_sense(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--cache-entries", "-1"]) == 2
    assert "cache-entries" in capsys.readouterr().err
