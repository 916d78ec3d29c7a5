// A page that speaks socket.io: socket_io_page.mjs URL TRANSPORT... Prints what it has seen.

import { inPage } from "./browser.mjs";

const [url, ...transports] = process.argv.slice(2);

await inPage(async (page) => {
  await page.goto(url);
  return page.evaluate(async (transports) => {
    const socket = window.io({ transports, reconnection: false });
    const event = (source, name) => new Promise((resolve) => source.once(name, resolve));
    const failed = new Promise((_, reject) => socket.once("connect_error", reject));
    const opened = event(socket.io.engine, "open").then(() => socket.io.engine.transport.name);
    const upgraded = transports.includes("websocket") && event(socket.io.engine, "upgrade");
    await Promise.race([event(socket, "connect"), failed]);
    await upgraded;

    const text = "grüße \u{1f44b} ".repeat(20_000);
    const bytes = crypto.getRandomValues(new Uint8Array(60_000));
    const echoedText = await socket.timeout(10_000).emitWithAck("echo", text);
    const echoedBytes = new Uint8Array(await socket.timeout(10_000).emitWithAck("echo", bytes.buffer));
    const counted = [];
    const done = new Promise((resolve) => socket.on("count", (n) => counted.push(n) === 100 && resolve()));
    socket.emit("count to", 100);
    await done;
    const facts = await socket.timeout(10_000).emitWithAck("facts");
    const last = socket.io.engine.transport.name;
    const closed = event(socket, "disconnect");
    socket.disconnect();
    return {
      transports: [await opened, last],
      text: echoedText === text,
      bytes: echoedBytes.length === bytes.length && echoedBytes.every((byte, at) => byte === bytes[at]),
      counted: counted.every((n, at) => n === at + 1) && counted.length,
      headers: { ...facts, host: facts.host === location.host },
      closed: await closed,
    };
  }, transports);
});
