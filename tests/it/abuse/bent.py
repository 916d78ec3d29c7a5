"""A TLS client (tlslite-ng, which tlsfuzzer is made of) that is bent in one place at a time.

Usage: bent.py PORT [CASE]. Each case is a handshake and a WebSocket request. A line of JSON says how many there
were, and which ended otherwise than its row of the table says: with the server's alert of that name, or `served`.
"""

import copy
import json
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from tlslite.api import HandshakeSettings, TLSConnection
from tlslite.constants import AlertDescription, ContentType, ExtensionType, HandshakeType
from tlslite.errors import TLSAbruptCloseError, TLSRemoteAlert
from tlslite.extensions import TLSExtension
from tlslite.messages import Message

ALERT, CHANGE, DATA, HANDSHAKE = (
    ContentType.alert,
    ContentType.change_cipher_spec,
    ContentType.application_data,
    ContentType.handshake,
)
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
            if kind == HANDSHAKE and update_hashes:
                self._handshake_hash.update(data)
            yield from self._sendMsgThroughSocket(Message(kind, data))

    def send_records(self, records):
        for kind, data in records:
            for _ in self._recordLayer.sendRecord(Message(kind, bytearray(data))):
                pass


# What is bent: the ClientHello, another message, what comes behind the handshake, a record on its way.


def hello(edit, times=1):
    """`edit` changes the message, or says what is sent in its place; the one behind a HelloRetryRequest, too."""

    def bend(connection, msg, data):
        if msg.contentType != HANDSHAKE or data[0] != HandshakeType.client_hello:
            return None
        connection.hellos = getattr(connection, "hellos", 0) + 1
        if connection.hellos > times:
            return None
        # What it takes itself to have sent stays as it was.
        msg = copy.copy(msg)
        msg.extensions = list(msg.extensions)
        records = edit(msg)
        return records if isinstance(records, list) else [(HANDSHAKE, bytearray(msg.write()))]

    return {"bend": bend}


def message(wanted, make, content=HANDSHAKE):
    """`make` says what is sent in its place."""

    def bend(_, msg, data):
        return make(data) if (msg.contentType, data[0]) == (content, wanted) else None

    return {"bend": bend}


def finished(make):
    return message(HandshakeType.finished, make)


def key_exchange(make):
    return message(HandshakeType.client_key_exchange, make)


def change(make):
    return message(1, make, CHANGE)


def after(*records):
    """Sent behind the handshake."""
    return {"after": lambda connection: connection.send_records(records)}


def wire(change_it):
    """Changes the record behind the handshake as it leaves, already encrypted."""

    def act(connection):
        recorded = connection._recordLayer._recordSocket
        send = recorded._sockSendAll

        def changed(data):
            recorded._sockSendAll = send
            return send(change_it(bytearray(data)))

        recorded._sockSendAll = changed

    return {"after": act}


def without(kind):
    def edit(msg):
        msg.extensions = [one for one in msg.extensions if one.extType != kind]

    return edit


def put(kind, data):
    def edit(msg):
        without(kind)(msg)
        msg.extensions.append(TLSExtension(extType=kind).create(kind, bytearray(data)))

    return edit


def add(kind, data, count=1):
    def edit(msg):
        for number in range(kind, kind + count):
            msg.extensions.insert(0, TLSExtension(extType=number).create(number, bytearray(data)))

    return edit


def set_to(**fields):
    def edit(msg):
        for name, value in fields.items():
            setattr(msg, name, value)

    return edit


def in_pieces(size):
    def edit(msg):
        data = bytearray(msg.write())
        return [(HANDSHAKE, data[at : at + size]) for at in range(0, len(data), size)]

    return edit


def both(*edits):
    def edit(msg):
        for one in edits[:-1]:
            one(msg)
        return edits[-1](msg)

    return edit


def flipped(data):
    data[-1] ^= 1
    return [(HANDSHAKE, data)]


def flip_last(data):
    data[-1] ^= 1
    return data


def longer(by):
    def lengthen(data):
        length = int.from_bytes(data[3:5], "big") + by
        return data[:3] + length.to_bytes(2, "big") + data[5:] + bytes(by)

    return lengthen


def no_shares(msg):
    msg.getExtension(ExtensionType.key_share).client_shares = []


def unknown_ciphers(msg):
    msg.cipher_suites = [0x0A0A, *range(0x5600, 0x5700), 0xDADA, *msg.cipher_suites]


def hello_of(size):
    """Padded to so many bytes, by an extension that nobody knows."""

    def edit(msg):
        room = size - len(msg.write()) - 4
        msg.extensions.append(TLSExtension(extType=0x5600).create(0x5600, bytearray(room)))

    return edit


PING = (DATA, b"")
# By some alert or none: rustls sends none for what its parser of records finds.
ENDED = "ended"
KEY_UPDATE = bytes([24, 0, 0, 1])
A_SHARE = b"\0\x1d\0\x20" + bytes([9]) * 32
SHARES, VERSIONS = ExtensionType.key_share, ExtensionType.supported_versions
GROUPS, SIGNATURES = ExtensionType.supported_groups, ExtensionType.signature_algorithms
NAME, ALPN = ExtensionType.server_name, ExtensionType.alpn

# What, how it is bent, how it must end. In two things rustls is not as RFC 8446 has it: it says handshake_failure for
# missing_extension (9.2), and takes an empty encrypted record of a handshake (5.4).
BOTH = [
    ("nothing", {}, "served"),
    ("unknown and reserved cipher suites", hello(unknown_ciphers), "served"),
    ("no cipher suite that is known", hello(set_to(cipher_suites=[0x5600, 0xDADA])), "handshake_failure"),
    ("no cipher suite at all", hello(set_to(cipher_suites=[])), "decode_error"),
    ("an unknown extension", hello(add(0x0A0A, b"grease")), "served"),
    ("500 unknown extensions", hello(add(0x5600, b"", 500)), "served"),
    ("an extension twice", hello(both(add(0x5600, b""), add(0x5600, b""))), "decode_error"),
    ("a hello of 30,000 bytes", hello(both(hello_of(30_000), in_pieces(16_384))), "served"),
    ("a hello in records of one byte", hello(in_pieces(1)), "served"),
    ("a hello of 70,000 bytes", hello(lambda msg: [(HANDSHAKE, b"\1\1\x11\x70" + bytes(16_000))] * 5), ENDED),
    (
        "an empty record in the hello",
        hello(lambda msg: [(HANDSHAKE, b""), (HANDSHAKE, msg.write())]),
        "decode_error",
    ),
    ("data in the hello", hello(lambda msg: [(HANDSHAKE, msg.write()[:50]), (DATA, b"?")]), ENDED),
    ("an alert in the hello", hello(lambda msg: [(HANDSHAKE, msg.write()[:50]), (ALERT, b"\2\50")]), ENDED),
    ("an alert of one byte", hello(lambda msg: [(ALERT, b"\2")]), "decode_error"),
    ("an alert of three bytes", hello(lambda msg: [(ALERT, b"\2\50\0")]), "decode_error"),
    ("an alert of no level", hello(lambda msg: [(ALERT, b"\7\50")]), ENDED),
    ("no compression method", hello(set_to(compression_methods=[])), "decode_error"),
    ("a record longer than may be", hello(lambda msg: [(HANDSHAKE, bytes(16_385 + 2_048))]), "decode_error"),
    ("a name that is none", hello(put(NAME, b"\0\5\0\0\2\xff\xff")), "illegal_parameter"),
    ("an empty list of names", hello(put(NAME, b"\0\0")), "decode_error"),
    ("an empty list of protocols", hello(put(ALPN, b"\0\0")), "decode_error"),
    ("an empty protocol", hello(put(ALPN, b"\0\1\0")), "decode_error"),
    ("no protocol that is spoken", hello(put(ALPN, b"\0\3\2h2")), "no_application_protocol"),
    ("no groups", hello(put(GROUPS, b"\0\0")), "decode_error"),
    ("no signature algorithms", hello(put(SIGNATURES, b"\0\0")), "decode_error"),
    ("a Finished that is wrong", finished(flipped), "decrypt_error"),
    (
        "a Finished that is too short",
        finished(lambda d: [(HANDSHAKE, bytes([20, 0, 0, 3]) + d[4:7])]),
        "decrypt_error",
    ),
    ("no Finished", finished(lambda d: [(DATA, b"GET")]), "unexpected_message"),
    ("empty records of data", after(*[PING] * 20), "served"),
    ("a record of 16,385 bytes", after((DATA, bytes(16_385))), "record_overflow"),
    ("a record whose tag is wrong", wire(flip_last), "bad_record_mac"),
    ("a record that says it is longer", wire(longer(20_000)), "decode_error"),
    ("an encrypted alert of one byte", after((ALERT, b"\1")), "decode_error"),
    ("an encrypted alert of three bytes", after((ALERT, b"\1\0\0")), "decode_error"),
    ("a record of no type", after((99, b"what?")), "decode_error"),
    ("a ServerHello behind the handshake", after((HANDSHAKE, b"\2\0\0\0")), "decode_error"),
    ("a message of no type", after((HANDSHAKE, b"\x63\0\0\0")), "unexpected_message"),
]

TLS13 = [
    ("a hello that says SSL 3", hello(set_to(client_version=(3, 0))), "served"),
    ("a hello that says TLS 1.3", hello(set_to(client_version=(3, 4))), "served"),
    ("no version that is spoken", hello(put(VERSIONS, b"\2\3\7")), "protocol_version"),
    ("TLS 1.1 alone", hello(put(VERSIONS, b"\2\3\2")), "protocol_version"),
    ("no key shares: a retry", hello(no_shares), "served"),
    ("no key shares, and none in the retry", hello(no_shares, times=2), "illegal_parameter"),
    ("no key share extension", hello(without(SHARES)), "handshake_failure"),
    ("no groups beside key shares", hello(without(GROUPS)), "handshake_failure"),
    ("no signature algorithms", hello(without(SIGNATURES)), "handshake_failure"),
    ("a key share that is cut short", hello(put(SHARES, b"\0\6\0\x1d\0\x20\1\2")), "decode_error"),
    (
        "a point that is not on its curve",
        hello(put(SHARES, b"\0\x45\0\x17\0\x41\4" + bytes(64))),
        "illegal_parameter",
    ),
    ("two key shares of one group", hello(put(SHARES, b"\0\x48" + A_SHARE * 2)), "illegal_parameter"),
    ("compression", hello(set_to(compression_methods=[1, 0])), "illegal_parameter"),
    (
        "a change of cipher of two bytes",
        finished(lambda d: [(CHANGE, b"\1\1"), (HANDSHAKE, d)]),
        "unexpected_message",
    ),
    (
        "a change of cipher that is a 2",
        finished(lambda d: [(CHANGE, b"\2"), (HANDSHAKE, d)]),
        "unexpected_message",
    ),
    ("100 changes of cipher", finished(lambda d: [(CHANGE, b"\1")] * 100 + [(HANDSHAKE, d)]), ENDED),
    ("a change of cipher behind the handshake", after((CHANGE, b"\1")), "unexpected_message"),
    ("an update of keys", after((HANDSHAKE, KEY_UPDATE + b"\2")), "illegal_parameter"),
    ("an update of keys that is empty", after((HANDSHAKE, b"\x18\0\0\0")), "decode_error"),
    (
        "an update of keys with more behind it",
        after((HANDSHAKE, (KEY_UPDATE + b"\0") * 2)),
        "unexpected_message",
    ),
    ("data in the middle of a message", after((HANDSHAKE, KEY_UPDATE[:2]), (DATA, b"GET")), ENDED),
    ("an empty record of a handshake", after((HANDSHAKE, b"")), "served"),
    ("an empty alert", after((ALERT, b"")), "decode_error"),
    ("a Finished again", after((HANDSHAKE, b"\x14\0\0\x20" + bytes(32))), "unexpected_message"),
]

TLS12 = [
    ("a hello that says TLS 1.1", hello(set_to(client_version=(3, 2))), "protocol_version"),
    ("a hello that says TLS 1.9", hello(set_to(client_version=(3, 10))), "served"),
    ("no null compression", hello(set_to(compression_methods=[1])), "illegal_parameter"),
    ("a key exchange that is empty", key_exchange(lambda d: [(HANDSHAKE, b"\x10\0\0\0")]), ENDED),
    (
        "a key exchange of a point that is none",
        key_exchange(lambda d: [(HANDSHAKE, d[:5] + bytes(len(d) - 5))]),
        "illegal_parameter",
    ),
    ("no key exchange", key_exchange(lambda d: []), "unexpected_message"),
    (
        "a change of cipher before the key exchange",
        key_exchange(lambda d: [(CHANGE, b"\1"), (HANDSHAKE, d)]),
        "unexpected_message",
    ),
    ("no change of cipher", change(lambda d: []), ENDED),
    ("a change of cipher that is a 2", change(lambda d: [(CHANGE, b"\2")]), "decode_error"),
    ("a change of cipher twice", change(lambda d: [(CHANGE, b"\1")] * 2), "unexpected_message"),
]


def settings(version):
    chosen = HandshakeSettings()
    chosen.minVersion = chosen.maxVersion = version
    return chosen


def verdict(port, version, how):
    connection = Bent(socket.create_connection(("127.0.0.1", port), TIMEOUT))
    connection.sock.settimeout(TIMEOUT)
    connection.bend = how.get("bend")
    connection.closeSocket = True
    try:
        chosen = settings(version)
        connection.handshakeClientCert(settings=chosen, serverName="localhost", alpn=[b"http/1.1"])
        if "after" in how:
            how["after"](connection)
        connection.write(REQUEST)
        answer = connection.read(max=12, min=12)
        return "served" if answer == b"HTTP/1.1 101" else f"answered {bytes(answer)}"
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
    cases = [((3, 4), case) for case in BOTH + TLS13] + [((3, 3), case) for case in BOTH + TLS12]
    cases = [case for case in cases if sys.argv[2:] in ([], [case[1][0]])]
    wrong, lock = [], threading.Lock()

    def run(case):
        version, (name, how, expected) = case
        got = verdict(port, version, how)
        is_ended = got not in ("served", "silence")
        if got != expected and not (expected == ENDED and is_ended):
            with lock:
                wrong.append(f"TLS 1.{version[1] - 1}, {name}: {got}, not {expected}")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(run, cases))
    print(json.dumps({"cases": len(cases), "wrong": wrong}))


main()
