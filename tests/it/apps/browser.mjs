// What the scripts that drive a page share: headless Chromium, and a list of everything that went wrong.

import { createRequire } from "node:module";

const require = createRequire(new URL("../../../target/interop/apps/", import.meta.url));
const { chromium } = require("playwright-core");

// The machine's certificate authorities do not know the one of certs/.
export const SETTINGS = { ignoreHTTPSErrors: true };

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
    ],
  });
}

// Prints as one JSON object what `visit` has seen of a page, beside the errors that the page had.
export async function inPage(visit) {
  const browser = await launch();
  try {
    const context = await browser.newContext(SETTINGS);
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
