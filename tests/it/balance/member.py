"""A member of a pool as a process of its own, without any package: it can be killed and frozen.

Agrees to every upgrade, says "P" and echoes; anything else gets a 200. Arguments: host and port to listen
at (0: any). Prints one line of JSON: where it listens.
"""

import asyncio
import base64
import hashlib
import json
import sys

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


async def serve(reader, writer):
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        keys = [line.partition(": ")[2] for line in head.splitlines() if line.startswith("Sec-WebSocket-Key: ")]
        if keys:
            accept = base64.b64encode(hashlib.sha1((keys[0] + GUID).encode()).digest()).decode()
            writer.write(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {accept}\r\n\r\nP".encode()
            )
            while data := await reader.read(4096):
                writer.write(data)
                await writer.drain()
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    host, port = sys.argv[1:]
    server = await asyncio.start_server(serve, host, int(port))
    host, port = server.sockets[0].getsockname()
    print(json.dumps({"listening": f"{host}:{port}"}), flush=True)
    await server.serve_forever()


asyncio.run(main())
