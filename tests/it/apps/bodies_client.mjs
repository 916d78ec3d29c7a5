// A large upload and a large download: bodies_client.mjs URL BYTES. Prints the digests of both.

import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { request } from "node:https";

const [url, size] = process.argv.slice(2);
const bytes = Number(size);

async function upload() {
  const digest = createHash("sha256");
  const block = randomBytes(1 << 20);
  const sending = request(`${url}/upload`, { method: "POST", headers: { "content-length": bytes } });
  const answered = once(sending, "response");
  for (let at = 0; at < bytes; at += block.length) {
    const part = Buffer.from(block.subarray(0, Math.min(block.length, bytes - at)));
    part.writeUInt32BE(at / block.length, 0);
    digest.update(part);
    if (!sending.write(part)) await once(sending, "drain");
  }
  sending.end();
  const [response] = await answered;
  response.resume();
  return { status: response.statusCode, digest: digest.digest("hex") };
}

async function download() {
  const asking = request(`${url}/download?bytes=${bytes}`).end();
  const [response] = await once(asking, "response");
  const digest = createHash("sha256");
  let received = 0;
  for await (const part of response) {
    digest.update(part);
    received += part.length;
  }
  return { status: response.statusCode, digest: digest.digest("hex"), bytes: received };
}

for (const turn of [upload, download]) console.log(JSON.stringify(await turn()));
process.exit(0);
