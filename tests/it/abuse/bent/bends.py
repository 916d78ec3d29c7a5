"""Ways of bending a handshake: the ClientHello, another message, what comes behind the handshake, a record on its way.

Each makes what a row of the table says of `how`: `bend` sends a message otherwise, `after` is called behind the
handshake and `in_tunnel` behind the 101, `forge` and `bend_of` are for a handshake that takes up a session.
"""

import copy

from tlslite.constants import ContentType, ExtensionType, HandshakeType
from tlslite.extensions import PskIdentity, TLSExtension
from tlslite.handshakehelpers import HandshakeHelpers

CHANGE, DATA, HANDSHAKE = (
    ContentType.change_cipher_spec,
    ContentType.application_data,
    ContentType.handshake,
)
# A ticket that no server gave, and its secret.
NOBODYS = bytearray(b"none"), bytearray(32)


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


def in_tunnel(*records):
    """Sent behind the 101."""
    return {"in_tunnel": lambda connection: connection.send_records(records)}


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


def resuming(edit=None, forge=None, name="localhost", is_signed=True, behind=()):
    """Takes up the session of a handshake before. `forge` changes what the client has kept of it; `edit` its hello,
    which is signed anew if it is to be; `behind` it come these records.
    """

    def bend_of(session):
        def sign(connection, msg):
            if is_signed:
                kept = session.tickets, session.resumptionMasterSecret
                HandshakeHelpers.update_binders(msg, connection._handshake_hash, [NOBODYS], *kept)

        def bend(connection, msg, data):
            if not edit or msg.contentType != HANDSHAKE or data[0] != HandshakeType.client_hello:
                return None
            edit(msg)
            sign(connection, msg)
            return [(HANDSHAKE, bytearray(msg.write())), *behind]

        return bend

    return {"forge": forge or (lambda session: None), "bend_of": bend_of, "name": name}


def ticket(make):
    """Another one in place of that which was given."""

    def forge(session):
        for one in session.tickets:
            one.ticket = make(bytearray(one.ticket))

    return forge


def renamed(name):
    def forge(session):
        session.serverName = name

    return forge


def offer(edit):
    """`edit` changes the extension that offers the ticket."""
    return lambda msg: edit(msg.getExtension(ExtensionType.pre_shared_key))


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


def add_last(kind, data):
    def edit(msg):
        msg.extensions.append(TLSExtension(extType=kind).create(kind, bytearray(data)))

    return edit


def put_first(kind, data):
    def edit(msg):
        without(kind)(msg)
        add(kind, data)(msg)

    return edit


def binder(make):
    def edit(offered):
        offered.binders[0] = bytearray(make(offered.binders[0]))

    return edit


def aged(by):
    def edit(offered):
        offered.identities[0].obfuscated_ticket_age ^= by << 24

    return edit


def behind_another(offered):
    offered.identities.insert(0, PskIdentity().create(NOBODYS[0], 0))
    offered.binders.insert(0, bytearray(32))


def many_others(offered):
    offered.identities = [PskIdentity().create(NOBODYS[0], 0)] * 300
    offered.binders = [bytearray(32)] * 300


def no_binder(offered):
    offered.binders = []


def one_more_binder(offered):
    offered.binders.append(bytearray(32))


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
