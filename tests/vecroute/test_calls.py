"""Calls as messages: numbers of any kind travel as plain ones, and nothing is sent that was not given."""

import hashlib
from typing import Any, cast

import msgspec
import numpy as np
import pytest

from router import Features
from vecroute import _calls, image_hash
from vecroute._varlink import encode_error, encode_reply
from vecroute.errors import InvalidValue

HASH = "ab" * 16


def parameters(call: _calls.PreparedCall[Any]) -> Any:
    return msgspec.json.decode(call.message[:-1]).get("parameters")


def test_the_hash_of_an_image() -> None:
    assert image_hash(b"image") == hashlib.blake2b(b"image", digest_size=16).digest()


def test_only_what_was_given_is_sent() -> None:
    assert parameters(_calls.route_call(hash=HASH)) == {"hash": HASH}
    assert parameters(_calls.status_call()) is None


def test_numbers_measured_with_numpy_travel_as_plain_ones() -> None:
    half, nine, three = cast("Any", (np.float32(0.5), np.int64(9), np.int32(3)))
    call = _calls.route_call(features=Features(entropy=np.float64(1.5)), quality_target=half, svg_budget=nine)
    assert parameters(call) == {"features": {"entropy": 1.5}, "qualityTarget": 0.5, "svgBudget": 9}
    report = _calls.report_call(method="ppo", quality=half, seconds=half, svg_bytes=three)
    assert parameters(report) == {"method": "ppo", "quality": 0.5, "seconds": 0.5, "svgBytes": 3}


def test_features_are_sent_by_name_without_those_not_measured() -> None:
    call = _calls.route_call(features={"edgeDensity": 1, "entropy": 2.5})
    assert parameters(call) == {"features": {"edge_density": 1.0, "entropy": 2.5}}


def test_features_without_a_single_value_are_refused() -> None:
    with pytest.raises(InvalidValue, match="at least one") as caught:
        _calls.route_call(features=Features())
    assert caught.value.parameter == "features"


def test_reports_and_reloads_are_not_repeated() -> None:
    assert _calls.route_call(b"x").repeatable
    assert _calls.status_call().repeatable
    assert not _calls.reload_call().repeatable
    assert not _calls.flush_cache_call().repeatable
    assert not _calls.report_call(method="ppo", quality=1, seconds=1, svg_bytes=1).repeatable


def test_encoders_and_messages_end_with_one_nul() -> None:
    for message in (_calls.status_call().message, encode_reply({"x": "a\0b"}), encode_error(InvalidValue("a", "\0"))):
        assert message.endswith(b"\0")
        assert message.count(b"\0") == 1
