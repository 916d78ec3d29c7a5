// The status page in headless Chromium: page.mjs URL FOLDER. CHROMIUM says where that is.
//
// After each step it prints as a line of JSON what a person would see. Pictures go into the folder.

import { createRequire } from "node:module";

const { chromium } = createRequire(new URL("../../../target/interop/", import.meta.url))("playwright-core");
const [url, folder] = process.argv.slice(2);

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

async function open(options) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(url);
  await page.locator("#tunnels tr").first().waitFor();
  return page;
}

const look = (page) => page.evaluate(() => {
  const text = (id) => document.getElementById(id).textContent;
  return {
    state: text("state"),
    version: text("version"),
    open: text("tunnels-open"),
    opened: text("tunnels-opened"),
    note: text("tunnels-note"),
    places: [...document.querySelectorAll("#tunnels tr")].map((row) => row.firstChild.textContent),
    members: [...document.querySelectorAll("#upstreams tr:not(.group)")].map((row) => row.children[1].textContent),
  };
});

const tell = async (page) => console.log(JSON.stringify(await look(page)));
const shows = (page, id, text) => page.locator(`#${id}`).filter({ hasText: text }).waitFor();
const rows = (page, number) => page.waitForFunction((number) => document.querySelectorAll("#tunnels tr").length === number, number);
const isTooWide = (page) => page.evaluate(() => document.documentElement.scrollWidth > innerWidth);

const errors = [];
try {
  const page = await open({ viewport: { width: 1280, height: 900 }, colorScheme: "light" });
  await rows(page, 2);
  await tell(page);
  await rows(page, 3);
  await page.locator("#tunnels tr").first().hover();
  await tell(page);
  await shows(page, "tunnels-note", "1 new");
  await tell(page);
  await page.mouse.move(1, 1);
  await rows(page, 4);
  await tell(page);
  await shows(page, "upstreams", "down");
  await tell(page);

  const third = page.locator("#tunnels tr", { hasText: "/third" }).locator("button");
  await third.click();
  await page.click("#ask-no");
  await page.mouse.move(1, 1);
  await tell(page);
  await third.click();
  await page.screenshot({ path: `${folder}/status-ask.png` });
  await page.click("#ask-yes");
  await page.mouse.move(1, 1);
  await rows(page, 3);
  await tell(page);
  await page.fill("#filter", "/CHAT");
  await rows(page, 1);
  await tell(page);
  await page.fill("#filter", "");
  await rows(page, 3);

  const dark = await open({ viewport: { width: 1280, height: 900 }, colorScheme: "dark" });
  const phone = await open({ viewport: { width: 360, height: 780 }, colorScheme: "light", hasTouch: true });
  const tooWide = [];
  for (const [name, one] of [["status", page], ["status-dark", dark], ["status-phone", phone]]) {
    // A second look, so that there are rates.
    await shows(one, "to-client-rate", "/s");
    await one.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
    if (await isTooWide(one)) tooWide.push(name);
  }
  const pictures = await page.locator("img").count();
  console.log(JSON.stringify({ errors, too_wide: tooWide, pictures }));
  await shows(page, "state", "not reachable since");
  await page.screenshot({ path: `${folder}/status-lost.png` });
  await tell(page);
} finally {
  await browser.close();
}
