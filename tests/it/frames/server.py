"""A WebSocket echo by the package wsproto: what it makes of frames depends on their bytes alone, not on how they come.

It takes one event after the other: an echo is sent before the next frame is looked at. Prints where it listens.
"""

import asyncio
import json

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, Request, TextMessage
from wsproto.utilities import RemoteProtocolError


class Conversation:
    def __init__(self):
        self.connection = WSConnection(ConnectionType.SERVER)
        self.message = []
        self.is_over = False

    def answer(self, event):
        """What is sent for one event."""
        if isinstance(event, Request):
            return self.connection.send(AcceptConnection())
        if isinstance(event, Ping):
            return self.connection.send(event.response())
        if isinstance(event, CloseConnection):
            self.is_over = True
            return self.connection.send(event.response())
        if isinstance(event, (TextMessage, BytesMessage)):
            self.message.append(event.data)
            if event.message_finished:
                parts, self.message = self.message, []
                whole = ("" if isinstance(event, TextMessage) else b"").join(parts)
                return self.connection.send(type(event)(data=whole))
        return b""

    def take(self, data):
        """What is sent for what has come."""
        out = b""
        try:
            self.connection.receive_data(data)
            for event in self.connection.events():
                out += self.answer(event)
                if self.is_over:
                    break
        except RemoteProtocolError as error:
            self.is_over = True
            out += self.connection.send(error.event_hint)
        return out


async def serve(reader, writer):
    conversation = Conversation()
    while not conversation.is_over and (data := await reader.read(65536)):
        writer.write(conversation.take(data))
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
    # Whoever closes with bytes unread resets the connection, and the close frame with it.
    while await reader.read(65536):
        pass
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    print(json.dumps({"listening": f"{host}:{port}"}), flush=True)
    await server.serve_forever()


asyncio.run(main())
