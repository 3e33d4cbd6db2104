"""The pool keeps what is sound, and a connection sends the rest of what did not fit."""

import socket
from pathlib import Path

import pytest

from vecroute._calls import status_call
from vecroute._session import MOST_IDLE, Connection, ConnectionLost, Exchange, Pool, Wait
from vecroute._varlink import encode_reply
from vecroute.errors import ClientClosed, DaemonUnavailable, ProtocolError


def pair() -> tuple[Connection, socket.socket]:
    """Return a connection and its other end."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return Connection(ours), theirs


def test_the_pool_gives_back_what_it_got_and_keeps_only_so_many() -> None:
    pool = Pool(Path("s"))
    others = []
    for _ in range(MOST_IDLE + 1):
        connection, theirs = pair()
        others.append(theirs)
        pool.give_back(connection)
    assert repr(pool) == f"<Pool s, {MOST_IDLE} idle>"
    assert others[-1].recv(1) == b""  # the one too many was closed
    taken = pool.take_nowait()
    assert taken is not None
    taken.close()
    pool.close()
    with pytest.raises(ClientClosed):
        pool.take_nowait()
    for theirs in others:
        theirs.close()


def test_a_connection_that_comes_back_after_the_end_is_closed() -> None:
    pool = Pool(Path("s"))
    connection, theirs = pair()
    pool.close()
    pool.give_back(connection)
    with theirs:
        assert theirs.recv(1) == b""


def test_a_connection_with_bytes_left_over_is_not_used_again() -> None:
    """A second reply to one call would be taken for the answer to the next."""
    pool = Pool(Path("s"))
    connection, theirs = pair()
    with theirs:
        theirs.send(encode_reply() + b"{")
        assert connection.receive_nowait() is not None
        pool.give_back(connection)
        assert pool.take_nowait() is None


def test_woken_for_nothing_is_no_reply() -> None:
    connection, theirs = pair()
    with theirs:
        assert connection.receive_nowait() is None
    connection.close()


def test_a_descriptor_the_kernel_does_not_take_was_not_delivered() -> None:
    connection, theirs = pair()
    with theirs, pytest.raises(ConnectionLost) as caught:
        connection.send_nowait(b"x", (-1,))
    assert not caught.value.delivered
    connection.close()


def test_the_daemon_hanging_up_on_a_call_that_it_did_not_read_may_have_got_it() -> None:
    """The kernel then says "connection reset", not end of file."""
    connection, theirs = pair()
    connection.send_nowait(b"call\0", ())
    theirs.close()
    with pytest.raises(ConnectionLost) as caught:
        connection.receive_nowait()
    assert caught.value.delivered
    connection.close()


def test_closing_the_steps_closes_the_connection() -> None:
    pool = Pool(Path("s"))
    connection, theirs = pair()
    pool.give_back(connection)
    steps = Exchange(pool, status_call()).steps()
    assert repr(next(steps)).startswith("<Wait read ")
    steps.close()
    with theirs:
        theirs.recv(1000)
        assert theirs.recv(1) == b""


def test_a_broken_reply_closes_the_connection() -> None:
    pool = Pool(Path("s"))
    connection, theirs = pair()
    pool.give_back(connection)
    with theirs:
        theirs.send(b"{]\0")
        with pytest.raises(ProtocolError):
            list(Exchange(pool, status_call()).steps())
        theirs.recv(1000)
        assert theirs.recv(1) == b""


def test_connecting_can_be_given_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        with pytest.raises(DaemonUnavailable, match="refused"):
            next(Exchange(Pool(tmp_path / "s"), status_call()).steps())


def test_a_pause_waits_for_no_descriptor() -> None:
    assert repr(Wait(3, "pause")) == "<Wait pause 3>"
