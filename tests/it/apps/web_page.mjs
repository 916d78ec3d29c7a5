// A page of web_server.mjs, put to one of its uses: web_page.mjs URL USE. Prints what the page has seen.

import { inPage } from "./browser.mjs";

const [url, use] = process.argv.slice(2);

const USES = {
  // Every kind of asset is there, twenty times.
  async assets(page) {
    await page.goto(url);
    return page.evaluate(() => {
      // Of a sheet that did not come there is nothing to read, and why is said elsewhere.
      const isLoaded = (sheet) => {
        try {
          return sheet.cssRules.length === 1;
        } catch {
          return false;
        }
      };
      return {
        scripts: loaded.length,
        sheets: [...document.styleSheets].filter(isLoaded).length,
        images: [...document.images].filter((image) => image.naturalWidth === 8).length,
      };
    });
  },

  // The server sends no event before the page has said that it got the last one.
  async events(page) {
    await page.goto(`${url}/empty`);
    return page.evaluate(() => {
      const source = new EventSource("/events");
      const seen = { ids: [], opened: 0, states: [] };
      source.onopen = () => seen.opened++;
      source.onerror = () => seen.states.push(source.readyState);
      return new Promise((resolve) => {
        source.onmessage = async ({ lastEventId }) => {
          seen.ids.push(Number(lastEventId));
          if (lastEventId === "7") {
            source.close();
            resolve(seen);
          }
          await fetch(`/seen?id=${lastEventId}`);
        };
      });
    });
  },

  // Three words, each said while a poll waits for it.
  async polling(page) {
    await page.goto(`${url}/empty`);
    return page.evaluate(async () => {
      const heard = [];
      for (const word of ["one", "two", "three"]) {
        const poll = fetch("/poll").then((response) => response.text());
        const early = await Promise.race([poll, new Promise((resolve) => setTimeout(resolve, 1500, "nothing yet"))]);
        const { status } = await fetch("/say", { method: "POST", body: word });
        heard.push([early, status, await poll]);
      }
      return { heard };
    });
  },
};

await inPage(USES[use]);
