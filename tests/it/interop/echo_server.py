"""A plain WebSocket echo, by the package websockets: the upstream.

Prints one JSON object a line: where it listens, then for each connection, when it has ended, what was
agreed upon and how it was closed. "please close" makes it close the connection itself.
"""

import asyncio
import json

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


def say(**facts):
    print(json.dumps(facts), flush=True)


async def echo(connection):
    try:
        async for message in connection:
            if message == "please close":
                await connection.close(4002, "as you wish")
            else:
                await connection.send(message)
    except ConnectionClosed:
        pass
    await connection.wait_closed()
    headers = connection.request.headers
    say(
        subprotocol=connection.subprotocol,
        extensions=[extension.name for extension in connection.protocol.extensions],
        close=[connection.close_code, connection.close_reason],
        path=connection.request.path,
        headers={name: headers.get(name) for name in ["Host", "Connection", "X-Forwarded-Proto"]},
    )


async def main():
    async with serve(
        echo, "127.0.0.1", 0, subprotocols=["chat"], compression="deflate", max_size=None
    ) as server:
        host, port = server.sockets[0].getsockname()
        say(listening=f"{host}:{port}")
        await server.serve_forever()


asyncio.run(main())
