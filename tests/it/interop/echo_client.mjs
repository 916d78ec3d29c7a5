// A WebSocket client over TLS, by the package ws: echo_client.mjs URL. NODE_EXTRA_CA_CERTS says whom to trust.
//
// Checks every echo, and prints as one JSON object what was agreed upon and how both connections ended.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createRequire } from "node:module";

const { WebSocket } = createRequire(new URL("../../../target/interop/", import.meta.url))("ws");
const url = process.argv[2];

async function open() {
  const socket = new WebSocket(url, ["other", "chat"], { perMessageDeflate: { threshold: 0 } });
  await once(socket, "open");
  return socket;
}

async function echo(socket, message) {
  socket.send(message);
  const [echoed, isBinary] = await once(socket, "message");
  assert.equal(isBinary, typeof message !== "string");
  assert(Buffer.from(message).equals(echoed), `not the echo of ${message.slice(0, 40)}`);
}

async function fragments(socket, parts) {
  parts.forEach((part, at) => socket.send(part, { fin: at === parts.length - 1 }));
  const [echoed] = await once(socket, "message");
  assert.equal(echoed.toString(), parts.join(""));
}

async function closed(socket) {
  const [code, reason] = await once(socket, "close");
  return [code, reason.toString()];
}

setTimeout(() => assert.fail("not done in time"), 25_000).unref();

const socket = await open();
// What compresses well, what does not at all, and the lengths around which a frame's head changes.
for (const message of ["hello", "", "grüße \u{1f44b}", "lorem ipsum ".repeat(100_000)]) await echo(socket, message);
for (const length of [0, 125, 126, 65_535, 65_536, 2_000_000]) await echo(socket, randomBytes(length));
await fragments(socket, ["one, ", "two, ", "three"]);
socket.ping("are you there?");
const [pong] = await once(socket, "pong");
assert.equal(pong.toString(), "are you there?");
const facts = {
  subprotocol: socket.protocol,
  extensions: Object.keys(socket._extensions),
  tls: socket._socket.getProtocol(),
};
socket.close(4001, "enough");
facts.close = await closed(socket);

const other = await open();
other.send("please close");
facts.closed_by_server = await closed(other);
console.log(JSON.stringify(facts));
