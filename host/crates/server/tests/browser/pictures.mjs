// Takes the pictures of the dashboard for docs/images, of a host with something to show:
//
//   BROWSER_TEST_PROGRAM=… BROWSER_TEST_GUESTS=… node pictures.mjs ../../../../../docs/images
//
// They are reduced to 128 colours if there is a program pngquant.
import { spawnSync } from "node:child_process";
import { join } from "node:path";

import { launch, open } from "./lib/browser.mjs";
import { Host } from "./lib/host.mjs";

const into = process.argv[2];
if (!into) throw new Error("expected the folder for the pictures");

const config = `
[host]
debounce = "20ms"
[capabilities."handler:greeter"]
strategy = "canary"
steps = [10, 50, 100]
every = "1h"
calls = 20
[plugins.gretter]
`;
const greeter = { kind: "handler", name: "greeter", description: "Greets in many languages", schema: { type: "object", title: "Greeter", properties: { greeting: { type: "string", title: "What it says", default: "Hello" }, loud: { type: "boolean" } } } };

const host = new Host(config);
host.drop(greeter, { kind: "codec", name: "proto", version: "0.9.1", description: "Protocol buffers", media_type: "application/x-protobuf" }, { kind: "handler", name: "search", version: "2.1.0", description: "Finds what was indexed", handle: "the index is locked: expected a lease within 5 s, found none" });
host.write("draft.wasm", "not a plugin yet");
await host.start();
const browser = await launch();

// Calls as a quiet service has them.
let calling = true;
const load = (async () => {
  for (let i = 0; calling; i++) {
    const json = { headers: { "content-type": "application/json" }, body: '{"a":1}' };
    const calls = [host.call("POST", "/greeter"), host.call("POST", "/v1/codecs/json/encode", json), host.call("GET", "/hello/Ada")];
    if (i % 3 === 0) calls.push(host.call("POST", "/v1/codecs/yaml/encode", json));
    if (i === 400) for (let n = 0; n < 7; n++) calls.push(host.call("POST", "/search"));
    await Promise.all(calls);
    await new Promise((done) => setTimeout(done, 14 + 9 * Math.sin(i / 90) + 6 * Math.sin(i / 17)));
  }
})();

const pages = {};
for (const scheme of ["light", "dark"]) pages[scheme] = (await open(browser, `${host.admin}/`, { scheme, height: 860 })).page;
// A version that takes over, and one that goes on trial.
host.drop({ kind: "codec", name: "proto", version: "0.9.2", description: "Protocol buffers", media_type: "application/x-protobuf" });
await pages.light.locator(".event", { hasText: "loaded proto@0.9.2" }).waitFor();
host.drop({ ...greeter, version: "1.1.0", stamp: "!" });
await new Promise((done) => setTimeout(done, 75000));

async function take(name, page, view, { height = 860, width = 1280, act } = {}) {
  await page.setViewportSize({ width, height });
  await page.evaluate((view) => (location.hash = `#/${view}`), view);
  await page.locator("main h1").waitFor();
  await act?.(page);
  await page.waitForTimeout(4000);
  const path = join(into, `${name}.png`);
  await page.screenshot({ path });
  spawnSync("pngquant", ["128", "--force", "--strip", "--output", path, path]);
}

const { light, dark } = pages;
await take("dashboard", light, "");
await take("dashboard-dark", dark, "", {});
await take("dashboard-plugins", light, "plugins");
await take("dashboard-plugin", light, "plugins/greeter", { height: 1100 });
await take("dashboard-capabilities", dark, "capabilities", { height: 1100, act: (page) => page.getByRole("searchbox").fill("handler") });
await take("dashboard-refused", light, "rejected", { height: 480 });
await take("dashboard-rollback", light, "generations", { height: 620, act: (page) => page.getByRole("button", { name: "Roll back to this" }).last().click() });
await light.keyboard.press("Escape");
await take("dashboard-phone", light, "", { width: 360, height: 740 });
calling = false;
await load;
await host.stop();
await take("dashboard-stale", dark, "plugins", { height: 560 });
await browser.close();
await host.remove_all();
