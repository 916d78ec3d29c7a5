"""A WebSocket client over TLS, by the package websockets: echo_client.py URL CA.

Checks every echo, and prints as one JSON object what was agreed upon and how both connections ended.
"""

import asyncio
import json
import os
import ssl
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

URL, CA = sys.argv[1:]


def open_connection():
    return connect(
        URL,
        ssl=ssl.create_default_context(cafile=CA),
        subprotocols=["other", "chat"],
        compression="deflate",
        max_size=None,
        proxy=None,
    )


async def echoes(connection):
    # What compresses well, what does not at all, and the lengths around which a frame's head changes.
    messages = ["hello", "", "grüße \N{WAVING HAND SIGN}", "lorem ipsum " * 100_000]
    messages += [os.urandom(length) for length in (0, 125, 126, 65_535, 65_536, 2_000_000)]
    for message in messages:
        await connection.send(message)
        assert await connection.recv() == message, f"not the echo of {message[:40]!r}"
    await connection.send(["one, ", "two, ", "three"])
    assert await connection.recv() == "one, two, three"
    pong = await connection.ping("are you there?")
    await pong


async def main():
    async with open_connection() as connection:
        await echoes(connection)
        await connection.close(4001, "enough")
        tls = connection.transport.get_extra_info("ssl_object")
        facts = {
            "subprotocol": connection.subprotocol,
            "extensions": [extension.name for extension in connection.protocol.extensions],
            "tls": tls and tls.version(),
            "close": [connection.close_code, connection.close_reason],
        }
    async with open_connection() as connection:
        await connection.send("please close")
        try:
            await connection.recv()
        except ConnectionClosed:
            pass
        facts["closed_by_server"] = [connection.close_code, connection.close_reason]
    print(json.dumps(facts))


asyncio.run(asyncio.wait_for(main(), 25))
