// A small application over plain HTTP/1.1: a page of sixty assets, server-sent events, long polling, and
// large bodies. Prints one JSON object a line: where it listens, then each large body's digest.

import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";

const say = (facts) => console.log(JSON.stringify(facts));
const KINDS = [
  ["css", "text/css", (n) => `.asset-${n} { order: ${n}; }\n`, ["/*", "*/"]],
  ["js", "text/javascript", (n) => `loaded.push(${n});\n`, ["/*", "*/"]],
  ["svg", "image/svg+xml", () => '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>', ["<!--", "-->"]],
];

// Twenty of each kind, from half a kilobyte to sixty, like the parts of a usual page.
const assets = new Map();
for (let n = 0; n < 60; n++) {
  const [extension, type, content, [open, close]] = KINDS[n % 3];
  const bytes = 512 + ((n * 7919) % 60) * 1024;
  const body = Buffer.from(content(n) + open + randomBytes(bytes / 2).toString("hex") + close);
  assets.set(`/asset-${n}.${extension}`, { type, body });
}

const page = (() => {
  const tags = [...assets.keys()].map((path) => {
    if (path.endsWith("css")) return `<link rel="stylesheet" href="${path}">`;
    return path.endsWith("js") ? `<script src="${path}"></script>` : `<img src="${path}" alt="">`;
  });
  const head = tags.filter((tag) => tag.startsWith("<link")).join("\n");
  const body = tags.filter((tag) => !tag.startsWith("<link")).join("\n");
  const title = '<meta charset="utf-8"><title>assets</title><link rel="icon" href="data:,">';
  return `<!doctype html>${title}<script>const loaded = [];</script>\n${head}\n<body>\n${body}`;
})();

// Events go on only as the page says that it has seen the last one: one that is held back on its way
// would be waited for in vain. Each response ends after three of them, so that the page has to reconnect.
const seen = new Map();
async function events(request, response) {
  let id = Number(request.headers["last-event-id"] ?? 0);
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" });
  for (let count = 0; count < 3; count++) {
    id += 1;
    const noticed = new Promise((resolve) => seen.set(id, resolve));
    response.write(`retry: 50\nid: ${id}\ndata: ${count}\n\n`);
    await noticed;
  }
  response.end();
}

// A long poll waits for the next word.
const polls = [];
async function say_word(request, response) {
  const word = (await body(request)).toString();
  polls.splice(0).forEach((poll) => poll.end(word));
  response.writeHead(204).end();
}

async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}

async function upload(request, response) {
  const digest = createHash("sha256");
  let bytes = 0;
  for await (const part of request) {
    digest.update(part);
    bytes += part.length;
  }
  say({ received: digest.digest("hex"), bytes });
  response.writeHead(201).end();
}

async function download(response, bytes) {
  const digest = createHash("sha256");
  const block = randomBytes(1 << 20);
  response.writeHead(200, { "content-type": "application/octet-stream", "content-length": bytes });
  for (let at = 0; at < bytes; at += block.length) {
    // Each one another, so that none can be lost, doubled or swapped unnoticed.
    const part = Buffer.from(block.subarray(0, Math.min(block.length, bytes - at)));
    part.writeUInt32BE(at / block.length, 0);
    digest.update(part);
    if (!response.write(part)) await once(response, "drain");
  }
  response.end();
  say({ sent: digest.digest("hex"), bytes });
}

const server = createServer((request, response) => {
  const url = new URL(request.url, "http://upstream");
  const asset = assets.get(url.pathname);
  if (asset) {
    response.writeHead(200, { "content-type": asset.type, "content-length": asset.body.length });
    return response.end(asset.body);
  }
  switch (url.pathname) {
    case "/":
      response.writeHead(200, { "content-type": "text/html", "content-length": Buffer.byteLength(page) });
      return response.end(page);
    case "/empty":
      response.writeHead(200, { "content-type": "text/html" });
      return response.end('<!doctype html><title>empty</title><link rel="icon" href="data:,">');
    case "/events":
      return events(request, response);
    case "/seen":
      seen.get(Number(url.searchParams.get("id")))();
      return response.writeHead(204).end();
    case "/poll":
      return polls.push(response);
    case "/say":
      return say_word(request, response);
    case "/upload":
      return upload(request, response);
    case "/download":
      return download(response, Number(url.searchParams.get("bytes")));
    default:
      return response.writeHead(404).end();
  }
});
server.listen(0, "127.0.0.1", () => say({ listening: `127.0.0.1:${server.address().port}` }));
