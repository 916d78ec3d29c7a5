// A desktop in a page, by noVNC: vnc_page.mjs URL. Prints what there was to see.

import { inPage } from "./browser.mjs";

const [url] = process.argv.slice(2);

await inPage(async (page) => {
  await page.goto(`${url}/vnc.html`);
  await page.waitForFunction(() => window.connect);
  return page.evaluate(async () => {
    const rfb = window.connect();
    const event = (name) => new Promise((resolve) => rfb.addEventListener(name, ({ detail }) => resolve(detail)));
    const [name, closed] = [event("desktopname"), event("disconnect")];
    const failed = closed.then(() => Promise.reject(new Error("the connection was lost")));
    await Promise.race([event("connect"), failed]);
    // The server's background is a pattern of two colours; before it comes there is one.
    const colours = () => {
      const canvas = document.querySelector("#screen canvas");
      const size = [canvas.width, canvas.height];
      const copy = new OffscreenCanvas(...size).getContext("2d", { willReadFrequently: true });
      copy.drawImage(canvas, 0, 0);
      const { data } = copy.getImageData(0, 0, ...size);
      return { size, colours: new Set(new Uint32Array(data.buffer)).size };
    };
    for (let tries = 0; colours().colours < 2 && tries < 500; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const seen = { ...colours(), name: (await name).name };
    rfb.disconnect();
    return { ...seen, clean: (await closed).clean };
  });
});
