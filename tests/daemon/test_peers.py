"""Other people's Varlink clients can talk to the daemon."""

import warnings
from collections.abc import Iterator

import pytest

from tests.daemon.harness import Daemon
from tests.daemon.pictures import png
from vecroute._interface import DESCRIPTION, INTERFACE

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its sources hold escape sequences that Python has come to dislike
    import varlink


@pytest.fixture(scope="module")
def peer(shared: Daemon) -> Iterator[varlink.Client]:
    with varlink.Client.new_with_address(f"unix:{shared.path}") as client:
        yield client


def test_it_asks_who_we_are(peer: varlink.Client) -> None:
    with peer.open("org.varlink.service") as service:
        info = service.GetInfo()
    assert info["product"] == "vecroute"
    assert INTERFACE in info["interfaces"]


def test_it_reads_our_interface(peer: varlink.Client) -> None:
    with peer.open("org.varlink.service") as service:
        assert service.GetInterfaceDescription(INTERFACE)["description"] == DESCRIPTION


def test_it_gets_a_decision_for_features_and_for_an_image(peer: varlink.Client) -> None:
    import base64

    with peer.open(INTERFACE) as router:
        by_features = router.Route(features={"unique_colors": 4.0}, timeBudget=0.1)
        by_content = router.Route(content=base64.b64encode(png()).decode(), preferredMethods=["performance"])
        again = router.Route(hash=by_content["hash"])
    assert by_features["decision"]["primaryMethod"]
    assert again["decision"]["cache"] == "hit"


def test_it_gets_our_errors_with_their_message(peer: varlink.Client) -> None:
    with peer.open(INTERFACE) as router, pytest.raises(varlink.VarlinkError) as caught:
        router.Route(features={"charm": 1.0})
    assert caught.value.error() == f"{INTERFACE}.InvalidValue"
    assert caught.value.parameters()["parameter"] == "features"


def test_it_reads_the_status(peer: varlink.Client) -> None:
    with peer.open(INTERFACE) as router:
        assert router.Status()["status"]["ready"] is True
