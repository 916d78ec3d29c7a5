"""A plain WebSocket echo by the package websockets, with permessage-deflate.

Prints one JSON object a line: where it listens, then the extensions of each connection.
"""

import asyncio
import json

from websockets.asyncio.server import serve


def say(**facts):
    print(json.dumps(facts), flush=True)


async def echo(connection):
    say(extensions=[extension.name for extension in connection.protocol.extensions])
    async for message in connection:
        await connection.send(message)


async def main():
    async with serve(echo, "127.0.0.1", 0, compression="deflate", max_size=None) as server:
        host, port = server.sockets[0].getsockname()
        say(listening=f"{host}:{port}")
        await server.serve_forever()


asyncio.run(main())
