// The demo's page in headless Chromium: demo_page.mjs URL SCREENSHOT CHROMIUM.
//
// Prints as one JSON object what a person would see.

import { createRequire } from "node:module";

const { chromium } = createRequire(new URL("../../../target/interop/", import.meta.url))("playwright-core");
const [url, screenshot, executablePath] = process.argv.slice(2);
const MESSAGE = "hello from Chromium";

const browser = await chromium.launch({
  executablePath,
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
try {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1200, height: 900 } });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const errors = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("requestfailed", (request) => errors.push(`${request.url()}: ${request.failure().errorText}`));

  await page.goto(url);
  const state = page.locator("#state");
  await state.filter({ hasText: "open" }).waitFor();
  await page.locator("#headers tr").first().waitFor();
  await page.fill("#message", MESSAGE);
  await page.click("#send");
  const echo = page.locator("li.echo .text").first();
  await echo.waitFor();
  // A few round trips, so that the picture shows them.
  await page.waitForFunction(() => document.querySelector("#bars").getAttribute("d").split("M").length > 4);
  await page.screenshot({ path: screenshot });

  const rows = await page.locator("#headers tr").evaluateAll((rows) =>
    rows.map((row) => [row.children[0].textContent.toLowerCase(), row.children[1].textContent]));
  const seen = {
    state: await state.textContent(),
    echo: await echo.textContent(),
    headers: Object.fromEntries(rows),
    errors,
  };
  console.log(JSON.stringify(seen));
} finally {
  await browser.close();
}
