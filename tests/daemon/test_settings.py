"""Settings: three sources with an order, strict names, clear refusals."""

from pathlib import Path

import pytest

from daemon import Settings, SettingsError, load_settings
from daemon.settings import NAMES
from vecroute._paths import UnsafeDirectory

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"


def test_defaults_need_no_source() -> None:
    assert load_settings(environment={}) == Settings()


def test_a_flag_wins_over_the_environment_which_wins_over_the_file(tmp_path: Path) -> None:
    config = tmp_path / "vecroute.toml"
    config.write_text('cache-entries = 1\nqueue-limit = 2\nlog-format = "json"\nmodels = "/from/file"\n')
    settings = load_settings(
        config,
        {"VECROUTE_CACHE_ENTRIES": "3", "VECROUTE_QUEUE_LIMIT": "4", "PATH": "/bin"},
        {"queue-limit": "5", "lanes": "torchscript, onnx", "watch": "false"},
    )
    assert (settings.cache_entries, settings.queue_limit, settings.log_format) == (3, 5, "json")
    assert (settings.models, settings.lanes, settings.watch) == (Path("/from/file"), ("torchscript", "onnx"), False)


def test_the_file_can_be_named_in_the_environment(tmp_path: Path) -> None:
    config = tmp_path / "vecroute.toml"
    config.write_text("prediction-deadline = 0.02\n")
    assert load_settings(environment={"VECROUTE_CONFIG": str(config)}).prediction_deadline == 0.02


def test_what_concerns_clients_alone_is_no_setting() -> None:
    assert load_settings(environment={"VECROUTE_SHARED_CACHE": "0"}) == Settings()


@pytest.mark.parametrize(
    ("file", "environment", "flags", "said"),
    [
        pytest.param("cache-entires = 1", {}, {}, "cache-entires in .*did you mean cache-entries", id="typo in file"),
        pytest.param("", {"VECROUTE_FOO": "1"}, {}, "foo in the environment; known are", id="unknown variable"),
        pytest.param("", {}, {"nonsense": "1"}, "nonsense on the command line", id="unknown flag"),
        pytest.param("cache-entries = 0", {}, {}, "cache-entries in .* is 0", id="below its bound"),
        pytest.param("cache-entries = 10000001", {}, {}, "cache-entries in .* is 10000001", id="above its bound"),
        pytest.param("", {"VECROUTE_CACHE_TTL": "0"}, {}, "cache-ttl", id="no time to live"),
        pytest.param('cache-entries = "9"', {}, {}, "cache-entries in .* is '9'", id="wrong type in file"),
        pytest.param("", {"VECROUTE_CACHE_ENTRIES": "many"}, {}, "cache-entries in the environment", id="no number"),
        pytest.param("", {"VECROUTE_SOCKET_MODE": "rw"}, {}, "socket-mode", id="no mode"),
        pytest.param("", {"VECROUTE_POLICY": "cheapest"}, {}, "policy", id="unknown policy"),
        pytest.param("", {"VECROUTE_MODELS": ""}, {}, "models .*give a path", id="empty path"),
        pytest.param("base-weight = 0.9", {}, {}, "weights", id="weights do not sum to 1"),
        pytest.param("caution = inf", {}, {}, "caution is inf", id="endless caution"),
        pytest.param("watch-step = inf", {}, {}, "watch-step in .* is inf", id="never"),
        pytest.param("watch-step = 1e-4", {}, {}, "watch-step in .* is 0.0001", id="all the time"),
        pytest.param("drain-seconds = nan", {}, {}, "drain-seconds in .* is nan", id="no number of seconds"),
        pytest.param("inference-threads = 100_000", {}, {}, "inference-threads in .*<= 256", id="too many threads"),
        pytest.param("lanes = []", {}, {}, "lanes", id="no lane"),
        pytest.param("= broken", {}, {}, "cannot read", id="broken file"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(
    tmp_path: Path, file: str, environment: dict[str, str], flags: dict[str, str], said: str
) -> None:
    config = tmp_path / "vecroute.toml"
    config.write_text(file)
    with pytest.raises(SettingsError, match=said):
        load_settings(config, environment, flags)


def test_without_a_safe_place_for_a_socket_one_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(directory: Path, _user: int) -> Path:
        raise UnsafeDirectory(directory)

    monkeypatch.setattr("vecroute._paths._private", refuse)
    monkeypatch.setattr("os.geteuid", lambda: 987_654)
    for name in ("XDG_RUNTIME_DIR", "VECROUTE_SOCKET"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError, match="set VECROUTE_SOCKET"):
        load_settings(environment={})
    assert load_settings(environment={"VECROUTE_SOCKET": "/x"}).socket == Path("/x")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        load_settings(tmp_path / "missing.toml", {})


def test_each_setting_is_documented() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert [name for name in NAMES if f"`{name}`" not in text] == []


def test_the_document_names_each_default() -> None:
    rows = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    defaults = {row.split("|")[1].strip(" `"): row.split("|")[2].strip(" `") for row in rows}
    plain = {n: d for n, d in zip(NAMES, Settings.__struct_defaults__, strict=True) if isinstance(d, str | int | float)}
    assert {name: defaults[name] for name in plain} == {name: _written(value) for name, value in plain.items()}


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
