"""A TLS client (tlslite-ng, which tlsfuzzer is made of) that is bent in one place at a time.

Usage: client.py PORT [CASE]. Each case is a handshake and a WebSocket request. A line of JSON says how many there
were, and which ended otherwise than its row of the table says: with the server's alert of that name, `served`, or
`resumed`, which is served after a handshake that took up the session of the one before.
"""

import json
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from table import CASES, ENDED
from tlslite.api import HandshakeSettings, TLSConnection
from tlslite.constants import AlertDescription, ContentType
from tlslite.errors import TLSAbruptCloseError, TLSRemoteAlert
from tlslite.messages import Message

REQUEST = (
    b"GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
TIMEOUT = 20
AT_ONCE = 4


class Bent(TLSConnection):
    """Sends in place of a message the records that `bend` makes of it: their types and their bytes."""

    bend = None

    def _sendMsg(self, msg, randomizeFirstBlock=True, update_hashes=True):
        data = bytearray(msg.write())
        records = self.bend(self, msg, data) if self.bend else None
        if records is None:
            yield from super()._sendMsg(msg, randomizeFirstBlock, update_hashes)
            return
        for kind, data in records:
            if kind == ContentType.handshake and update_hashes:
                self._handshake_hash.update(data)
            yield from self._sendMsgThroughSocket(Message(kind, data))

    def send_records(self, records):
        """All in one go."""
        self.sock.buffer_writes = True
        for kind, data in records:
            for _ in self._recordLayer.sendRecord(Message(kind, bytearray(data))):
                pass
        self.sock.flush()
        self.sock.buffer_writes = False


def settings(version):
    chosen = HandshakeSettings()
    chosen.minVersion = chosen.maxVersion = version
    return chosen


def open_to(port):
    connection = Bent(socket.create_connection(("127.0.0.1", port), TIMEOUT))
    connection.sock.settimeout(TIMEOUT)
    connection.closeSocket = True
    return connection


def shake(connection, version, name="localhost", session=None):
    connection.handshakeClientCert(settings=settings(version), serverName=name, alpn=[b"http/1.1"], session=session)


def ask(connection):
    connection.write(REQUEST)
    answer = connection.read(max=12, min=12)
    return None if answer == b"HTTP/1.1 101" else f"answered {bytes(answer)}"


def session_of(port, version):
    """One with a ticket, if there is one: that comes no later than the answer."""
    connection = open_to(port)
    try:
        shake(connection, version)
        if said := ask(connection):
            raise RuntimeError(said)
        return connection.session
    finally:
        connection.sock.close()


def verdict(port, version, how):
    session = None
    if "forge" in how:
        session = session_of(port, version)
        how["forge"](session)
        how = {**how, "bend": how["bend_of"](session)}
    connection = open_to(port)
    connection.bend = how.get("bend")
    try:
        shake(connection, version, how.get("name", "localhost"), session)
        if "after" in how:
            how["after"](connection)
        said = ask(connection)
        if not said and "in_tunnel" in how:
            how["in_tunnel"](connection)
            while connection.read(max=4096, min=1):
                pass
            return "closed"
        return said or ("resumed" if connection.resumed else "served")
    except TLSRemoteAlert as alert:
        return AlertDescription.toStr(alert.description)
    except (TLSAbruptCloseError, ConnectionError):
        return "closed"
    except socket.timeout:
        return "silence"
    except Exception as error:
        return f"the client's own {error!r}"
    finally:
        connection.sock.close()


def main():
    port = int(sys.argv[1])
    cases = [case for case in CASES if sys.argv[2:] in ([], [case[1][0]])]
    wrong, lock = [], threading.Lock()

    def run(case):
        version, (name, how, expected) = case
        got = verdict(port, version, how)
        is_ended = got not in ("served", "resumed", "silence")
        if got != expected and not (expected == ENDED and is_ended):
            with lock:
                wrong.append(f"TLS 1.{version[1] - 1}, {name}: {got}, not {expected}")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(run, cases))
    print(json.dumps({"cases": len(cases), "wrong": wrong}))


main()
