"""A WebSocket client by the package websockets, with permessage-deflate: deflate_client.py URL CA.

Sends 1 MiB that compresses well and 1 MiB that does not, and prints what was agreed upon and how many bytes
came over the wire for each, TLS taken off.
"""

import asyncio
import json
import os
import ssl
import sys

from websockets.asyncio.client import connect

URL, CA = sys.argv[1:]
MIB = 1 << 20


async def main():
    tls = ssl.create_default_context(cafile=CA)
    async with connect(URL, ssl=tls, compression="deflate", max_size=None, proxy=None) as connection:
        received = 0
        protocol = connection.protocol
        receive_data = protocol.receive_data

        def count(data):
            nonlocal received
            received += len(data)
            receive_data(data)

        protocol.receive_data = count
        wire = []
        for message in ["wss in, ws out. " * (MIB // 16), os.urandom(MIB)]:
            before = received
            await connection.send(message)
            assert await connection.recv() == message
            wire.append("less" if received - before < MIB // 10 else "all")
    print(json.dumps({"extensions": [extension.name for extension in protocol.extensions], "wire": wire}))


asyncio.run(asyncio.wait_for(main(), 25))
