"""Every handshake that is bent: what it is, how, and how it must end."""

from bends import *
from tlslite.constants import ContentType

ALERT = ContentType.alert
PING = (DATA, b"")
# By some alert or none: rustls sends none for what its parser of records finds.
ENDED = "ended"
KEY_UPDATE = bytes([24, 0, 0, 1])
A_SHARE = b"\0\x1d\0\x20" + bytes([9]) * 32
SHARES, VERSIONS = ExtensionType.key_share, ExtensionType.supported_versions
GROUPS, SIGNATURES = ExtensionType.supported_groups, ExtensionType.signature_algorithms
NAME, ALPN = ExtensionType.server_name, ExtensionType.alpn
MODES, EARLY = ExtensionType.psk_key_exchange_modes, ExtensionType.early_data
TICKET, EMS = ExtensionType.session_ticket, ExtensionType.extended_master_secret

# What, how it is bent, how it must end. In some things rustls is not as RFC 8446 has it: it says handshake_failure for
# missing_extension (9.2), decode_error for illegal_parameter where the ticket is not offered last, decrypt_error for
# decode_error where a binder is too short (both 4.2.11), and takes an empty encrypted record of a handshake (5.4).
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
    (
        "data in the middle of a message, in a tunnel",
        in_tunnel((HANDSHAKE, KEY_UPDATE[:2]), (DATA, b"GET")),
        ENDED,
    ),
    ("an empty record of a handshake", after((HANDSHAKE, b"")), "served"),
    ("an empty alert", after((ALERT, b"")), "decode_error"),
    ("a Finished again", after((HANDSHAKE, b"\x14\0\0\x20" + bytes(32))), "unexpected_message"),
]

# With the ticket of a session. Early data, of which tickets say that there is none, is passed over, up to 16 KiB of it
# (4.2.10).
TLS13 += [
    ("a ticket", resuming(), "resumed"),
    ("a ticket for another name", resuming(forge=renamed("other.test"), name="other.test"), "served"),
    ("a ticket with a wrong age", resuming(offer(aged(7))), "resumed"),
    ("a ticket with a bit that is another", resuming(forge=ticket(flip_last)), "served"),
    ("a ticket that is cut short", resuming(forge=ticket(lambda old: old[:-1])), "served"),
    ("a ticket of one byte", resuming(forge=ticket(lambda old: old[:1])), "served"),
    ("a ticket of no byte", resuming(forge=ticket(lambda old: b"")), "decode_error"),
    ("a ticket of 60,000 bytes", resuming(forge=ticket(lambda old: old * (60_000 // len(old)))), "served"),
    ("a ticket behind one that is none", resuming(offer(behind_another)), "resumed"),
    ("300 tickets that are none", resuming(offer(many_others), is_signed=False), "served"),
    ("a binder with a bit that is another", resuming(offer(binder(flip_last)), is_signed=False), "decrypt_error"),
    ("a binder of 31 bytes", resuming(offer(binder(lambda old: old[1:])), is_signed=False), "decrypt_error"),
    ("a binder of 96 bytes", resuming(offer(binder(lambda old: old * 3)), is_signed=False), "decrypt_error"),
    ("a ticket without a binder", resuming(offer(no_binder), is_signed=False), "decode_error"),
    ("a binder too many", resuming(offer(one_more_binder), is_signed=False), "illegal_parameter"),
    ("a ticket that is not offered last", resuming(add_last(0x5600, b""), is_signed=False), "decode_error"),
    ("a ticket with no modes", resuming(without(MODES)), "missing_extension"),
    ("a ticket for use without a key exchange", resuming(put_first(MODES, b"\1\0")), "served"),
    ("early data that is not sent", resuming(add(EARLY, b"")), "resumed"),
    ("early data", resuming(add(EARLY, b""), behind=[(DATA, bytes(1_000))]), "resumed"),
    ("early data without an end", resuming(add(EARLY, b""), behind=[(DATA, bytes(1_000))] * 20), ENDED),
    ("early data without a ticket", hello(add(EARLY, b"")), "served"),
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


TLS12 += [
    ("a session", resuming(), "resumed"),
    ("a session of which nobody knows", hello(set_to(session_id=bytes(32))), "served"),
    ("a session of 33 bytes", hello(set_to(session_id=bytes(33))), "decode_error"),
    ("a ticket of which nobody knows", hello(put(TICKET, bytes(200))), "served"),
    ("a ticket of 15,000 bytes", hello(put(TICKET, bytes(15_000))), "served"),
    ("a session without its extended master secret", resuming(without(EMS), is_signed=False), "illegal_parameter"),
]

CASES = [((3, 4), case) for case in BOTH + TLS13] + [((3, 3), case) for case in BOTH + TLS12]
