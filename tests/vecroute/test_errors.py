"""Each error is one readable line, and what the router refuses keeps its meaning."""

import pytest

from router import errors as router_errors
from vecroute import errors

SURROGATE = "caf\udce9"
EXAMPLES: dict[type[errors.RequestError], dict[str, str | int]] = {
    errors.InvalidImage: {"message": "m"},
    errors.ImageTooLarge: {"message": "m", "amount": 3, "limit": 2, "unit": "bytes"},
    errors.InvalidValue: {"parameter": "p", "message": "m"},
    errors.UnknownImage: {"hash": "h", "message": "m"},
    errors.Overloaded: {"message": "m"},
    errors.MessageTooLarge: {"message": "m", "limit": 2},
    errors.ReloadFailed: {"message": "m"},
    errors.NoSharedCache: {"message": "m"},
    errors.ShuttingDown: {"message": "m"},
    errors.InternalError: {"message": "m"},
    errors.InvalidParameter: {"parameter": "p"},
    errors.InterfaceNotFound: {"interface": "i"},
    errors.MethodNotFound: {"method": "m"},
    errors.MethodNotImplemented: {"method": "m"},
    errors.PermissionDenied: {},
    errors.ExpectedMore: {},
}


def test_every_error_that_travels_is_known() -> None:
    assert {kind.wire_name(): kind for kind in EXAMPLES} == errors.BY_WIRE_NAME


@pytest.mark.parametrize(("kind", "parameters"), EXAMPLES.items())
def test_an_error_is_made_from_its_parameters_and_gives_them_back(
    kind: type[errors.RequestError], parameters: dict[str, str | int]
) -> None:
    made = kind(**parameters)  # type: ignore[arg-type]
    assert made.wire_parameters() == parameters
    assert isinstance(made, errors.VecrouteError)
    assert str(made)


@pytest.mark.parametrize(
    "error",
    [
        errors.DaemonUnavailable(f"/run/{SURROGATE}\n", "gone\naway"),
        errors.TimeoutExceeded(1.5),
        errors.ClientClosed(),
        errors.ProtocolError(f"{SURROGATE}\n"),
        errors.UnknownDaemonError("a.B", f'{{"x":"{SURROGATE}"}}' * 100),
        errors.InvalidImage(f"{SURROGATE}\nis bad"),
        errors.UnknownImage("ab"),
        errors.Overloaded(),
        errors.MessageTooLarge(1),
        errors.ShuttingDown(),
        errors.InvalidParameter("a\nb"),
        errors.MethodNotFound(SURROGATE),
    ],
)
def test_messages_are_one_line_that_can_be_written(error: errors.VecrouteError) -> None:
    text = str(error)
    assert len(text.splitlines()) == 1
    assert text.encode()
    assert len(text) < 400


@pytest.mark.parametrize(
    ("error", "expected", "parameter"),
    [
        pytest.param(router_errors.InvalidConstraint("quality_target", 2, "x"), errors.InvalidValue, "qualityTarget"),
        pytest.param(router_errors.InvalidConstraint("preferred", 2, "x"), errors.InvalidValue, "preferredMethods"),
        pytest.param(router_errors.InvalidPlan("color_precision", 9, 1, 8), errors.InvalidValue, "plan.colorPrecision"),
        pytest.param(router_errors.InvalidFeatures("entropy", "is odd"), errors.InvalidValue, "features"),
        pytest.param(router_errors.RouterError("odd"), errors.InvalidValue, "request"),
        pytest.param(router_errors.NotAnImage(3), errors.InvalidImage, None),
        pytest.param(router_errors.DamagedImage("short"), errors.InvalidImage, None),
        pytest.param(router_errors.ImageTooLarge(3, 2, "pixels"), errors.ImageTooLarge, None),
    ],
)
def test_the_routers_errors_in_terms_of_the_wire(
    error: router_errors.RouterError, expected: type[errors.RequestError], parameter: str | None
) -> None:
    got = errors.from_router(error)
    assert type(got) is expected
    assert got.message == str(error)
    assert getattr(got, "parameter", None) == parameter


def test_too_large_keeps_its_numbers() -> None:
    got = errors.from_router(router_errors.ImageTooLarge(3, 2, "pixels"))
    assert got.wire_parameters() | {"message": ""} == {"message": "", "amount": 3, "limit": 2, "unit": "pixels"}
