// What the scripts that drive a page share: headless Chromium, and a list of everything that went wrong.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(new URL("../../../target/interop/apps/", import.meta.url));
const { chromium } = require("playwright-core");

// The machine's authorities do not know the one of certs/. Chromium takes this key as it takes any that is
// certified; were it told to overlook errors, it would begin most of its connections twice.
const key = readFileSync(new URL("../../../certs/localhost.spki.sha256", import.meta.url), "utf8");
const trusted = Buffer.from(key.trim(), "hex").toString("base64");

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      `--ignore-certificate-errors-spki-list=${trusted}`,
    ],
  });
}

// Prints as one JSON object what `visit` has seen of a page, beside the errors that the page had.
export async function inPage(visit) {
  const browser = await launch();
  try {
    const context = await browser.newContext();
    context.setDefaultTimeout(20_000);
    const page = await context.newPage();
    const errors = [];
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && errors.push(message.text()));
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("requestfailed", (request) => {
      // A page that closes its EventSource aborts the request.
      const closed = request.resourceType() === "eventsource" && request.failure().errorText === "net::ERR_ABORTED";
      if (!closed) errors.push(`${request.url()}: ${request.failure().errorText}`);
    });
    const seen = await visit(page);
    console.log(JSON.stringify({ ...seen, errors }));
  } finally {
    await browser.close();
  }
}
