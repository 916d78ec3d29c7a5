// How long a page takes to load: load_time.mjs ROUNDS URL... Each round loads every page once, in a
// context that has seen nothing yet; the first round is not counted.
//
// Prints a JSON object for each counted round: the milliseconds of each page, in the order of the URLs.

import { launch } from "./browser.mjs";

const [rounds, ...urls] = process.argv.slice(2);
const browser = await launch();

async function load(url) {
  const context = await browser.newContext();
  context.setDefaultTimeout(25_000);
  const page = await context.newPage();
  const errors = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && errors.push(message.text()));
  page.on("requestfailed", (request) => errors.push(`${request.url()}: ${request.failure().errorText}`));
  await page.goto(url, { waitUntil: "load" });
  const { end, parts } = await page.evaluate(async () => {
    const [navigation] = performance.getEntriesByType("navigation");
    while (!navigation.loadEventEnd) await new Promise((resolve) => setTimeout(resolve, 1));
    const images = [...document.images].filter((image) => image.complete && image.naturalWidth);
    const parts = loaded.length + images.length + document.styleSheets.length;
    return { end: navigation.loadEventEnd, parts };
  });
  await context.close();
  if (parts !== 60) errors.push(`${url}: ${parts} of 60 assets`);
  if (errors.length) throw new Error(errors.join("\n"));
  return end;
}

try {
  for (let round = 0; round <= rounds; round++) {
    const loads = [];
    // Who comes first changes from round to round.
    const order = urls.map((_, index) => (index + round) % urls.length);
    for (const index of order) loads[index] = await load(urls[index]);
    if (round) console.log(JSON.stringify(loads));
  }
} finally {
  await browser.close();
}
