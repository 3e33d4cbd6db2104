"""The interface's text says what the structs say, field by field, and documents each of them."""

import re
import types
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
import pytest

from router import ExportInfo, Lane, Method
from tests.vecroute.parser import scanner
from vecroute import errors
from vecroute._interface import DESCRIPTION, INTERFACE, SERVICE_DESCRIPTION
from vecroute._varlink import SERVICE_INTERFACE
from vecroute._wire import (
    METHOD_TYPES,
    CacheStatus,
    DescriptionReply,
    DescriptionRequest,
    Empty,
    OutcomeStatus,
    ServiceInfo,
    Status,
    TruthStatus,
    WireDecision,
    WirePlan,
)

NAMES: dict[type, str] = {
    WirePlan: "Plan",
    WireDecision: "Decision",
    ExportInfo: "Export",
    CacheStatus: "CacheStatus",
    OutcomeStatus: "OutcomeStatus",
    TruthStatus: "TruthStatus",
    Status: "DaemonStatus",
}
ENUMS: dict[Any, str] = {Method: "Method", Lane: "Lane"}
# The one text inside a value is the decision's plan.
TEXT: dict[Any, str] = {msgspec.Raw: "Plan"}
SIMPLE: dict[Any, str] = {bool: "bool", int: "int", float: "float", str: "string", bytes: "string"}
SERVICE_METHODS: dict[str, tuple[type[msgspec.Struct], type[msgspec.Struct]]] = {
    "GetInfo": (Empty, ServiceInfo),
    "GetInterfaceDescription": (DescriptionRequest, DescriptionReply),
}
TEXTS = {INTERFACE: DESCRIPTION, SERVICE_INTERFACE: SERVICE_DESCRIPTION}
PARSED = {name: scanner.Interface(text) for name, text in TEXTS.items()}


def members(interface: str, kind: type) -> dict[str, Any]:
    return {name: member for name, member in PARSED[interface].members.items() if isinstance(member, kind)}


def spelled(kind: Any) -> str:
    """Return a Python type in the interface language."""
    if name := ENUMS.get(kind) or SIMPLE.get(kind) or NAMES.get(kind) or TEXT.get(kind):
        return name
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return f"({', '.join(arguments)})"
    if origin in (Union, types.UnionType) and type(None) in arguments:
        (other,) = (a for a in arguments if a is not type(None))
        return f"?{spelled(other)}"
    if origin is tuple:
        assert arguments[1] is ...
        return f"[]{spelled(arguments[0])}"
    assert origin is dict
    return f"[string]{spelled(arguments[1])}"


def fields_of(kind: type[msgspec.Struct]) -> dict[str, str]:
    return {field.encode_name: spelled(field.type) for field in msgspec.structs.fields(kind)}


def written(kind: Any) -> str:
    """Return a type as the third-party parser understood it, in the interface language."""
    if isinstance(kind, scanner._Maybe):
        return f"?{written(kind.element_type)}"
    if isinstance(kind, scanner._Array):
        return f"[]{written(kind.element_type)}"
    if isinstance(kind, scanner._Dict):
        return f"[string]{written(kind.element_type)}"
    if isinstance(kind, scanner._Enum):
        return f"({', '.join(kind.fields)})"
    return str(kind.name) if isinstance(kind, scanner._CustomType) else SIMPLE[type(kind)]


def written_fields(struct: Any) -> dict[str, str]:
    return {name: written(kind) for name, kind in struct.fields.items()}


@pytest.mark.parametrize("interface", TEXTS)
def test_it_parses_and_every_member_has_a_name_of_its_own(interface: str) -> None:
    assert PARSED[interface].name == interface
    said = re.findall(r"^(?:type|method|error) (\w+)", TEXTS[interface], re.MULTILINE)
    assert list(PARSED[interface].members) == said
    assert len(set(said)) == len(said)


@pytest.mark.parametrize(("kind", "name"), NAMES.items())
def test_types_have_the_structs_fields(kind: type[msgspec.Struct], name: str) -> None:
    assert written_fields(members(INTERFACE, scanner._Alias)[name].type) == fields_of(kind)


@pytest.mark.parametrize(("kind", "name"), ENUMS.items())
def test_enums_have_the_routers_words(kind: Any, name: str) -> None:
    assert tuple(members(INTERFACE, scanner._Alias)[name].type.fields) == get_args(kind)


def test_no_type_is_missing_or_left_over() -> None:
    assert set(members(INTERFACE, scanner._Alias)) == {*NAMES.values(), *ENUMS.values()}
    assert not members(SERVICE_INTERFACE, scanner._Alias)


@pytest.mark.parametrize(("interface", "methods"), [(INTERFACE, METHOD_TYPES), (SERVICE_INTERFACE, SERVICE_METHODS)])
def test_methods_take_and_give_the_structs_fields(
    interface: str, methods: dict[str, tuple[type[msgspec.Struct], type[msgspec.Struct]]]
) -> None:
    found = {
        name: (written_fields(method.in_type), written_fields(method.out_type))
        for name, method in members(interface, scanner._Method).items()
    }
    assert found == {name: (fields_of(takes), fields_of(gives)) for name, (takes, gives) in methods.items()}


@pytest.mark.parametrize("interface", TEXTS)
def test_errors_have_the_classes_fields(interface: str) -> None:
    found = {name: list(error.type.fields) for name, error in members(interface, scanner._Error).items()}
    kinds = [kind for kind in errors.BY_WIRE_NAME.values() if kind.namespace == interface]
    assert found == {kind.__name__: list(kind.fields) for kind in kinds}


@pytest.mark.parametrize("interface", TEXTS)
def test_every_member_and_every_field_has_a_comment_above_it(interface: str) -> None:
    lines = TEXTS[interface].splitlines()
    said = [i for i, line in enumerate(lines) if re.match(r"(interface|type|method|error) |  \w+", line)]
    assert said
    assert [lines[i] for i in said if not lines[i - 1].lstrip().startswith("# ")] == []


@pytest.mark.parametrize("interface", TEXTS)
def test_its_names_keep_to_the_language(interface: str) -> None:
    assert re.fullmatch(r"[A-Za-z](-*[A-Za-z0-9])*(\.[A-Za-z0-9](-*[A-Za-z0-9])*)+", interface)
    for field in re.findall(r"^  (\w+)", TEXTS[interface], re.MULTILINE):
        assert re.fullmatch(r"[A-Za-z](_?[A-Za-z0-9])*", field)
