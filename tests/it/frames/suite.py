"""Frames in order and out of order, sent to one WebSocket server twice: directly, and through wssgate.

Arguments: the server's address, wssgate's, the CA's file. The cases are those of the sections of Autobahn's test suite
(framing, pings, reserved bits, opcodes, fragmentation, UTF-8, closing, limits). A verdict is what the server made of
them: its messages, its pongs, how it closed. Prints one JSON object: how many cases there are, which were judged
differently, and which not as RFC 6455 asks for.
"""

import json
import socket
import ssl
import struct
import sys
from collections import Counter

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
TIMEOUT = 30


def frame(opcode, payload=b"", fin=True, rsv=0, mask=b"\x01\x02\xf3\x84", length=None):
    """One frame; `length` is the way to write it (7, 16 or 64 bits), if not the shortest."""
    size = len(payload)
    length = length or (7 if size < 126 else 16 if size < 65536 else 64)
    bit = 0x80 if mask else 0
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    head += {
        7: lambda: bytes([bit | size]),
        16: lambda: bytes([bit | 126]) + struct.pack("!H", size),
        64: lambda: bytes([bit | 127]) + struct.pack("!Q", size),
    }[length]()
    if mask:
        repeated = (mask * (size // 4 + 1))[:size]
        masked = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
        payload = masked.to_bytes(size, "big")
    return head + (mask or b"") + payload


def close(code=None, reason=b""):
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


BYE = close(1000)


def fragments(opcode, payload, count, between=b""):
    """A message in so many fragments, with other frames between them."""
    size = max(1, -(-len(payload) // count))
    parts = [payload[at * size : (at + 1) * size] for at in range(count)]
    frames = [
        frame(opcode if at == 0 else CONTINUATION, part, fin=at == count - 1)
        for at, part in enumerate(parts)
    ]
    return between.join(frames)


VALID_TEXTS = ["Hello-µ@ßöäüàá-UTF-8!!", "κόσμε", "\U0001f600", "\ud7ff\ue000\ufffd\U0010ffff", "\x00"]
INVALID_TEXTS = [
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited", b"\xf4\x90\x80\x80", b"\xc0\xaf",
    b"\xe0\x80\xaf", b"\xff", b"\xfe", b"\x80", b"\xc2", b"\xe2\x82", b"\xf0\x9f\x98", b"a\xed\xbf\xbfb", b"\xf8\x88\x80\x80\x80",
]


def cases():
    """Name, bytes, sizes of the writes (None: one), and the close code that must come."""
    # 1 and 9: sizes, and the size of what is written at once.
    for opcode in (TEXT, BINARY):
        for size in (0, 1, 125, 126, 127, 128, 65535, 65536, 65537, 1 << 20):
            for chop in (None, 997) if size > 1000 else (None, 1, 7):
                yield f"1 {opcode} {size} by {chop}", frame(opcode, b"*" * size) + BYE, chop, 1000
        for length in (16, 64):
            yield f"1 {opcode} 5 in {length} bits", frame(opcode, b"hello", length=length) + BYE, None, None
        for mask in (b"\0\0\0\0", b"\xff\xff\xff\xff"):
            yield f"1 {opcode} mask {mask.hex()}", frame(opcode, b"hello", mask=mask) + BYE, None, 1000
        yield f"1 {opcode} unmasked", frame(opcode, b"hello", mask=None) + BYE, None, 1002
        for count in (4, 64, 1024):
            yield f"9 {opcode} 1 MiB in {count}", fragments(opcode, b"*" * (1 << 20), count) + BYE, 65536, 1000
        yield f"9 {opcode} 500 messages", frame(opcode, b"*" * 64) * 500 + BYE, None, 1000
    # 2: pings and pongs.
    for size in (0, 1, 124, 125):
        for chop in (None, 1):
            yield f"2 ping {size} by {chop}", frame(PING, b"p" * size) + BYE, chop, 1000
        yield f"2 pong {size}", frame(PONG, b"p" * size) + BYE, None, 1000
    yield "2 ten pings", b"".join(frame(PING, bytes([at])) for at in range(10)) + BYE, None, 1000
    yield "2 ping of 126", frame(PING, b"p" * 126) + BYE, None, 1002
    yield "2 pong of 126", frame(PONG, b"p" * 126) + BYE, None, 1002
    yield "2 ping in bits", frame(PING, b"\x00\xff\xfe") + BYE, None, 1000
    # 3: reserved bits.
    for rsv in range(1, 8):
        for opcode in (TEXT, BINARY, PING, CLOSE):
            yield f"3 {rsv} {opcode}", frame(TEXT, b"a") + frame(opcode, b"", rsv=rsv) + BYE, None, 1002
    # 4: reserved opcodes.
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        for payload in (b"", b"x" * 5):
            yield f"4 {opcode} {len(payload)}", frame(opcode, payload) + BYE, None, 1002
            yield f"4 {opcode} {len(payload)} behind", frame(TEXT, b"a") + frame(opcode, payload) + BYE, 1, 1002
    # 5: fragmentation.
    for opcode in (TEXT, BINARY):
        for count in (2, 3, 10, 100):
            for between in (b"", frame(PING, b"between"), frame(PONG, b"between")):
                for chop in (None, 1, 50):
                    name = f"5 {opcode} in {count} with {len(between)} by {chop}"
                    yield name, fragments(opcode, b"fragment" * 20, count, between) + BYE, chop, 1000
        yield f"5 {opcode} all empty", fragments(opcode, b"", 3) + BYE, None, 1000
        yield f"5 {opcode} in the middle", frame(opcode, b"a", fin=False) + frame(opcode, b"b") + BYE, None, 1002
        yield f"5 {opcode} unfinished", frame(opcode, b"a", fin=False) + BYE, None, 1000
    for fin in (False, True):
        yield f"5 continuation of nothing {fin}", frame(CONTINUATION, b"a", fin=fin) + BYE, None, 1002
        yield f"5 one more {fin}", fragments(TEXT, b"abcd", 2) + frame(CONTINUATION, b"a", fin=fin) + BYE, None, 1002
    for opcode in (PING, PONG, CLOSE):
        yield f"5 control in fragments {opcode}", frame(opcode, b"", fin=False) + BYE, None, 1002
    # 6: UTF-8.
    for at, text in enumerate(VALID_TEXTS):
        text = text.encode("utf-8", "surrogatepass")
        yield f"6 valid {at}", frame(TEXT, text) + BYE, None, 1000
        yield f"6 valid {at} in bytes", fragments(TEXT, text, len(text)) + BYE, 1, 1000
    for at, text in enumerate(INVALID_TEXTS):
        yield f"6 invalid {at}", frame(TEXT, text) + BYE, None, 1007
        if len(text) > 1:
            yield f"6 invalid {at} in bytes", fragments(TEXT, text, len(text)) + BYE, None, 1007
        yield f"6 invalid {at}, but binary", frame(BINARY, text) + BYE, None, 1000
    # 7: closing.
    yield "7 without a code", close(), None, 1005
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999):
        yield f"7 {code}", close(code, b"reason"), None, code
        yield f"7 {code} by 1", close(code, b"reason"), 1, code
    for code in (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535):
        yield f"7 invalid {code}", close(code), None, 1002
    yield "7 one byte", frame(CLOSE, b"\x03"), None, 1002
    yield "7 longest reason", close(1000, b"r" * 123), None, 1000
    yield "7 too long a reason", close(1000, b"r" * 124), None, 1002
    yield "7 reason that is no text", close(1000, b"\xff\xfe"), None, 1007
    yield "7 ping behind it", BYE + frame(PING, b"late"), None, 1000
    yield "7 message behind it", BYE + frame(TEXT, b"late"), None, 1000
    yield "7 twice", BYE + close(1001), None, 1000
    yield "7 in the middle of a message", frame(TEXT, b"a", fin=False) + BYE, None, 1000


def connect(address, ca):
    host, port = address.rsplit(":", 1)
    stream = socket.create_connection((host, int(port)), timeout=TIMEOUT)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if ca:
        stream = ssl.create_default_context(cafile=ca).wrap_socket(stream, server_hostname="localhost")
    request = (
        f"GET /frames HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    stream.sendall(request.encode())
    buffer = b""
    while b"\r\n\r\n" not in buffer:
        read = stream.recv(4096)
        assert read, buffer
        buffer += read
    head, behind = buffer.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 101 "), head
    return stream, behind


def verdict(address, ca, data, chop):
    """What the server makes of it."""
    stream, answer = connect(address, ca)
    for at in range(0, len(data), chop or len(data)):
        stream.sendall(data[at : at + (chop or len(data))])
    while read := stream.recv(65536):
        answer += read
    stream.close()
    return read_frames(answer)


def read_frames(data):
    """Messages, pongs and the close; a server does not mask, and this one does not fragment."""
    messages, pongs, closed = [], [], None
    while len(data) >= 2:
        first, size = data[0], data[1]
        at = 2
        if size == 126:
            (size,), at = struct.unpack("!H", data[2:4]), 4
        elif size == 127:
            (size,), at = struct.unpack("!Q", data[2:10]), 10
        payload, data = data[at : at + size], data[at + size :]
        if first & 0x0F == PONG:
            pongs.append(payload.hex())
        elif first & 0x0F == CLOSE:
            closed = struct.unpack("!H", payload[:2])[0] if payload else 1005
        else:
            messages.append([first, len(payload), hash(payload)])
    return {"messages": messages, "pongs": pongs, "close": closed}


def main():
    direct, through, ca = sys.argv[1:]
    differing, unexpected, verdicts = [], [], Counter()
    count = 0
    for name, data, chop, code in cases():
        count += 1
        one, other = verdict(direct, None, data, chop), verdict(through, ca, data, chop)
        verdicts[str(one["close"])] += 1
        if one != other:
            differing.append([name, one, other])
        if code is not None and one["close"] != code:
            unexpected.append([name, one["close"], code])
    print(json.dumps({"cases": count, "differing": differing, "unexpected": unexpected, "verdicts": verdicts}))


main()
