"""Replies with descriptors: they go with the first byte and with no other, however little the client takes at once."""

import os
import socket

import anyio
import anyio.to_thread
import pytest

from daemon.channel import Channel
from daemon.images import Descriptor

pytestmark = pytest.mark.anyio


def _pair() -> tuple[Channel, socket.socket]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    ours.setblocking(False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    theirs.settimeout(10)
    return Channel(ours, 10, 10), theirs


def _read(sock: socket.socket, size: int) -> tuple[bytes, list[tuple[int, int]]]:
    """Return what came, and for each descriptor its number and the offset of the read that brought it."""
    data, descriptors = b"", []
    while len(data) < size:
        part, numbers, _, _ = socket.recv_fds(sock, 65536, 4)
        descriptors += [(number, len(data)) for number in numbers]
        data += part
    return data, descriptors


async def test_descriptors_go_once_and_with_the_first_byte() -> None:
    channel, client = _pair()
    reply = bytes(range(256)) * 4000
    descriptor = Descriptor(os.memfd_create("hints"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(channel.send, reply, [descriptor])
        data, descriptors = await anyio.to_thread.run_sync(_read, client, len(reply))
    assert data == reply
    ((number, offset),) = descriptors
    assert offset == 0
    assert os.fstat(number).st_ino == os.fstat(descriptor.fileno()).st_ino
    os.close(number)
    channel.close()
    client.close()


async def test_a_client_that_takes_nothing_at_first_gets_them_all_the_same() -> None:
    channel, client = _pair()
    filled = 0
    while sent := channel.send_nowait(b"x" * 1024):
        filled += sent
    descriptor = Descriptor(os.memfd_create("hints"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(channel.send, b"reply", [descriptor])
        await anyio.lowlevel.checkpoint()
        data, descriptors = await anyio.to_thread.run_sync(_read, client, filled + 5)
    assert data == b"x" * filled + b"reply"
    assert len(descriptors) == 1
    os.close(descriptors[0][0])
    channel.close()
    client.close()
