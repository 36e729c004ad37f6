// The dashboard against a real host: what an operator does, in a real browser.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, afterEach, before, test } from "node:test";

import { launch, open } from "./lib/browser.mjs";
import { Host } from "./lib/host.mjs";
import { breakable } from "./lib/proxy.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
// What a browser says of requests that fail because the host is down, stops, or has only begun to start.
const DOWN = /status of 503|ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|ERR_INCOMPLETE_CHUNKED/;
const VIEWS = ["", "plugins", "capabilities", "generations", "rejected", "routes", "services", "events", "config"];

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

const cleaning = [];
afterEach(async () => {
  for (const clean of cleaning.splice(0).reverse()) await clean();
});

// A host that serves, and a page that shows it. At the end of a test the page must have nothing to complain about.
async function serve({ guests = [], config, files = {}, ...options } = {}) {
  const host = new Host(config);
  cleaning.push(() => host.remove_all());
  if (guests.length) host.drop(...guests);
  for (const [file, text] of Object.entries(files)) host.write(file, text);
  await host.start();
  const opened = await open(browser, `${host.admin}/`, options);
  cleaning.push(async () => {
    await opened.context.close();
    assert.deepEqual(opened.complaints, []);
  });
  await opened.page.getByRole("status").getByText("live", { exact: true }).waitFor();
  return { host, ...opened };
}

async function go(page, view) {
  await page.evaluate((view) => (location.hash = `#/${view}`), view);
  await page.locator("main h1").waitFor();
}

const codec = (name, more = {}) => ({ kind: "codec", name, ...more });
const handler = (name, more = {}) => ({ kind: "handler", name, ...more });

test("a plugin that is dropped into the folder appears without reloading the page", async () => {
  const { host, page } = await serve({ guests: [codec("first")] });
  await go(page, "plugins");
  await page.getByRole("link", { name: "first" }).waitFor();
  await page.evaluate(() => (window.untouched = true));
  host.drop(handler("second", { version: "2.3.4" }));
  await page.getByRole("link", { name: "second" }).waitFor();
  await page.getByRole("cell", { name: "2.3.4" }).waitFor();
  assert.ok(await page.evaluate(() => window.untouched));
  host.remove("first.wasm");
  await page.getByRole("link", { name: "first" }).waitFor({ state: "detached" });
});

test("a broken configuration and a broken file are shown with the reason and what to do, until they are fixed", async () => {
  const good = '[host]\ndebounce = "20ms"\nlinked = false\n';
  const { host, page } = await serve({ guests: [codec("first")], config: good });
  host.set(`${good}\n[host2]\nx = 1\n`);
  host.write("broken.wasm", "not a plugin");
  await page.getByRole("link", { name: "Refused 2", exact: true }).click();
  const refused = page.locator("main li.card");
  await refused.filter({ hasText: "config.toml" }).filter({ hasText: "host2" }).waitFor();
  await refused.filter({ hasText: "broken.wasm" }).getByText("What to do:").waitFor();
  await refused.filter({ hasText: "broken.wasm" }).getByText("unknown-format").waitFor();
  host.set(good);
  host.remove("broken.wasm");
  await page.getByText("Nothing is refused").waitFor();
});

test("the figures, the log and the tester of routes show the calls", async () => {
  const { host, page } = await serve({ guests: [handler("echo", { stamp: "!" }), handler("bad", { handle: "the disk is full" })] });
  await go(page, "routes");
  await page.getByRole("button", { name: "Try /echo" }).click();
  await page.getByRole("combobox", { name: "Method" }).selectOption("POST");
  await page.getByRole("textbox", { name: "Body" }).fill("hello");
  await page.getByRole("button", { name: "Send" }).click();
  await page.locator("pre", { hasText: "hello!" }).waitFor();
  await page.getByRole("textbox", { name: "Path" }).fill("/nowhere");
  await page.getByRole("button", { name: "Send" }).click();
  await page.locator(".badge", { hasText: "404" }).waitFor();
  for (let i = 0; i < 8; i++) await host.call("POST", "/bad");
  await go(page, "plugins/bad");
  await page.locator(".log li", { hasText: "the disk is full" }).first().waitFor();
  await page.getByRole("heading", { name: "Latest errors" }).waitFor();
  await page.locator(".tile", { hasText: "Failed" }).getByText("100 %").waitFor();
  await page.locator(".badge", { hasText: "circuit" }).first().waitFor();
});

test("the progress of a canary is shown with the figures that it is judged by", async () => {
  const config = '[host]\ndebounce = "20ms"\nlinked = false\n[capabilities."handler:greet"]\nstrategy = "canary"\nsteps = [50, 100]\nevery = "2s"\ncalls = 10\n';
  const { host, page } = await serve({ guests: [handler("greet")], config });
  host.drop(handler("greet", { version: "2.0.0", stamp: "2" }));
  await go(page, "capabilities");
  const trial = page.getByLabel("Trial of greet 2.0.0");
  await trial.getByText("Step 1 of 1: it gets 50 % of the calls.").waitFor();
  let calling = true;
  cleaning.push(() => (calling = false));
  const calls = (async () => {
    while (calling) await host.call("POST", "/greet", { body: "x" });
  })();
  await trial.getByRole("row", { name: /^Calls [1-9]/ }).waitFor();
  await trial.getByText("good", { exact: true }).waitFor();
  // It passes, and takes all calls.
  await trial.waitFor({ state: "detached" });
  calling = false;
  await calls;
  await go(page, "events");
  await page.locator(".event", { hasText: "canary-promoted" }).waitFor();
});

test("an operator rolls back after seeing what changes, and applies changes again", async () => {
  const { host, page } = await serve({ guests: [codec("first")] });
  host.drop(codec("first", { version: "2.0.0" }), codec("second"));
  await go(page, "generations");
  const oldest = page.getByRole("article", { name: "Generation 1", exact: true });
  await oldest.getByRole("button", { name: "Roll back to this" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("~ first 2.0.0 → 1.0.0").waitFor();
  await dialog.getByText("− second 1.0.0").waitFor();
  await dialog.getByText("plugbay rollback 1").waitFor();
  await dialog.getByRole("button", { name: "Cancel" }).click();
  assert.equal((await host.status()).pinned, null);
  await oldest.getByRole("button", { name: "Roll back to this" }).click();
  await dialog.getByRole("button", { name: "Roll back to 1" }).click();
  await page.getByText("Rolled back to generation 1:").waitFor();
  const status = await host.status();
  assert.deepEqual([status.pinned, status.plugins.map((plugin) => plugin.version)], [1, ["1.0.0"]]);
  await page.getByRole("button", { name: "Apply changes again" }).click();
  await dialog.getByRole("button", { name: "Apply changes" }).click();
  await page.getByText("Rolled back to generation 1:").waitFor({ state: "detached" });
  assert.equal((await host.status()).plugins.length, 2);
});

test("a dialog is left by the keyboard, and gives the focus back", async () => {
  const { page } = await serve({ guests: [codec("first")] });
  const button = page.getByRole("button", { name: "Reload", exact: true });
  await button.focus();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Reload");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").getByRole("button", { name: "Reload", exact: true }).click();
  await page.getByText("nothing changed").waitFor();
});

test("a plugin is disabled and enabled, after the page says what is lost", async () => {
  const { host, page } = await serve({ guests: [handler("only")] });
  const offered = (await host.call("OPTIONS", "/v1/plugins/only/disable", { plane: "admin" })).status !== 404;
  const asked = [];
  if (!offered) {
    // This host has no such action: the page is held to the contract of it.
    for (const verb of ["disable", "enable", "restart", "drain", "breaker"])
      await page.route(`**/v1/plugins/only/${verb}*`, (route) => {
        const dry = route.request().url().endsWith("?dry_run=true");
        if (dry) return route.fulfill({ json: { change: { plugins: [{ name: "only", from: { version: "1.0.0" }, to: null, differs: [] }], capabilities_removed: ["handler:only"] } } });
        if (route.request().method() === "POST") asked.push([verb, route.request().postData()]);
        return route.fulfill({ json: { generation: 2, published: true, loaded: [], retired: ["only@1.0.0"], rejected: [] } });
      });
  }
  await go(page, "plugins/only");
  await page.getByRole("button", { name: "Disable" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("Nothing else offers handler:only").waitFor();
  await dialog.getByText("− only 1.0.0").waitFor();
  await dialog.getByRole("button", { name: "Disable" }).click();
  await dialog.waitFor({ state: "detached" });
  if (!offered) {
    await page.getByText("Retired only@1.0.0.").waitFor();
    await page.getByRole("button", { name: "Cut the circuit" }).click();
    await dialog.getByRole("button", { name: "Cut" }).click();
    await dialog.waitFor({ state: "detached" });
    assert.deepEqual(asked, [["disable", null], ["breaker", '{"state":"open"}']]);
    return;
  }
  await page.getByText("It does not run").waitFor();
  assert.equal((await host.call("POST", "/only")).status >= 400, true);
  await page.getByRole("button", { name: "Enable" }).click();
  await dialog.getByRole("button", { name: "Enable" }).click();
  await page.locator(".tile", { hasText: "running" }).waitFor();
});

test("a host that asks for a token gets one, and a viewer sees why a button does nothing", async () => {
  // The plane's side of the contract; what it protects is tested where it is built.
  const need = { viewer: "viewer", operator: "operator" };
  const prepare = (page) =>
    page.route("**/v1/**", (route) => {
      const given = route.request().headers().authorization?.replace(/^Bearer /, "");
      assert.ok(!route.request().url().includes("viewer"), "a token in a URL");
      if (!need[given]) return route.fulfill({ status: 401, contentType: "application/problem+json", body: '{"code":"unauthorized","detail":"expected a token"}' });
      if (route.request().url().endsWith("/v1/session")) return route.fulfill({ json: { name: "ada", role: need[given], open: false } });
      return route.continue();
    });
  const host = new Host();
  cleaning.push(() => host.remove_all());
  await host.drop(codec("first")).start();
  const { page, context, complaints } = await open(browser, `${host.admin}/`, { prepare, allow: /status of 401/ });
  cleaning.push(async () => {
    await context.close();
    assert.deepEqual(complaints, []);
  });
  await page.getByLabel("Token").fill("wrong");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText("The host does not know this token.").waitFor();
  await page.getByLabel("Token").fill("viewer");
  await page.keyboard.press("Enter");
  await page.getByText("ada · viewer").waitFor();
  const reload = page.getByRole("button", { name: "Reload", exact: true });
  assert.ok(await reload.isDisabled());
  assert.match(await reload.getAttribute("title"), /role operator/);
  assert.ok(!page.url().includes("viewer"));
  assert.equal(await page.evaluate(() => localStorage.getItem("plugbay-token")), null);
  await page.reload();
  await page.getByText("ada · viewer").waitFor();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByLabel("Token").fill("operator");
  await page.keyboard.press("Enter");
  await page.getByText("ada · operator").waitFor();
  await page.getByRole("button", { name: "Reload", exact: true }).and(page.locator(":enabled")).waitFor();
});

test("a host that dies leaves its figures with their age, and is followed again without a gap", async () => {
  const { host, page } = await serve({ guests: [codec("first")], allow: DOWN });
  await go(page, "events");
  host.drop(codec("before"));
  await page.locator(".event", { hasText: "loaded before@1.0.0" }).waitFor();
  await host.stop();
  await page.getByText("The host does not answer").waitFor();
  await page.getByText(/What you see is \d+ s old/).waitFor();
  await go(page, "plugins");
  await page.getByRole("link", { name: "first" }).waitFor();
  await go(page, "");
  assert.ok(await page.getByRole("button", { name: "Reload", exact: true }).isDisabled());
  // What the new process does before the page is back is not lost.
  host.drop(codec("meanwhile"));
  host.write("refused.wasm", "not a plugin");
  await host.start();
  await page.getByRole("button", { name: "Try now" }).click({ timeout: 2000 }).catch(() => {});
  await page.getByText("The host does not answer").waitFor({ state: "detached" });
  await go(page, "events");
  await page.locator(".event", { hasText: "the host was restarted" }).waitFor();
  await page.locator(".event", { hasText: "refused.wasm" }).waitFor();
});

test("events of a connection that broke follow by their numbers", async () => {
  const host = new Host();
  cleaning.push(() => host.remove_all());
  await host.drop(codec("first")).start();
  const between = await breakable(host.ports.admin);
  cleaning.push(between.close);
  const { page, context, complaints } = await open(browser, between.url, { allow: DOWN });
  cleaning.push(async () => {
    await context.close();
    assert.deepEqual(complaints, []);
  });
  await page.getByText("live", { exact: true }).waitFor();
  host.drop(codec("before"));
  await go(page, "events");
  await page.locator(".event", { hasText: "loaded before@1.0.0" }).waitFor();
  between.cut();
  await page.getByText("The host does not answer").waitFor();
  const names = ["one", "two", "three"];
  for (const name of names) host.drop(codec(name));
  while ((await host.status()).plugins.length < 5) await new Promise((done) => setTimeout(done, 50));
  between.mend();
  for (const name of names) await page.locator(".event", { hasText: `loaded ${name}@1.0.0` }).waitFor();
  assert.equal(await page.locator(".event", { hasText: "were missed" }).count(), 0);
  assert.equal(await page.locator(".event", { hasText: "restarted" }).count(), 0);
  assert.equal(await page.locator(".event", { hasText: "loaded before@1.0.0" }).count(), 1, "no event twice");
});

const HOSTILE = [
  "<img src=x onerror=alert(1)>",
  "<script>alert(2)</script>",
  "\"><svg onload=alert(3)>",
  "javascript:alert(4)",
  "{{constructor.constructor('alert(5)')()}}",
  "${alert(6)}",
  "</style><style>*{display:none}</style>",
];

test("what a plugin writes is text wherever it is shown", async () => {
  const text = HOSTILE.join(" ");
  const settings = Object.fromEntries(HOSTILE.map((it, i) => [`${it}${i}`, { type: "string", title: it, description: it, default: it }]));
  const guests = [
    handler("hostile", { description: text, handle: text, schema: { type: "object", title: text, properties: settings } }),
    handler("mirror", { stamp: text }),
    codec("refusing", { init: text }),
    codec("sick", { health: text, description: text }),
  ];
  const { host, page } = await serve({ guests, files: { "<img src=x onerror=alert(7)>.wasm": text } });
  await go(page, "routes");
  await page.getByRole("button", { name: "Try /mirror" }).click();
  await page.getByRole("combobox", { name: "Method" }).selectOption("POST");
  await page.getByRole("textbox", { name: "Body" }).fill(text);
  await page.getByRole("button", { name: "Send" }).click();
  await page.locator("pre", { hasText: HOSTILE[0] }).waitFor();
  for (let i = 0; i < 8; i++) await host.call("POST", "/hostile", { body: text, headers: { "x-request-id": "a" } });
  for (const view of [...VIEWS, "plugins/hostile", "plugins/refusing", "plugins/sick", `plugins/${encodeURIComponent(HOSTILE[0])}`]) {
    await go(page, view);
    if (view === "plugins/hostile") {
      await page.getByRole("heading", { name: HOSTILE[0] }).waitFor();
      await page.locator(".log li", { hasText: HOSTILE[1] }).first().waitFor();
      await page.getByText(HOSTILE[2]).first().waitFor();
    }
    if (view === "rejected") await page.locator("main", { hasText: HOSTILE[0] }).waitFor();
    // Whatever became an element would be one of these, which the page itself has none of.
    assert.equal(await page.locator("main :is(img, script, style, iframe, object, a[href^='javascript:'])").count(), 0, view);
    assert.ok(await page.locator("h1").isVisible(), view);
  }
});

for (const scheme of ["light", "dark"])
  test(`axe finds nothing serious in the ${scheme} scheme, and nothing is wider than a phone`, async () => {
    const guests = [handler("greet", { schema: { type: "object", properties: { a: { type: "string" } } } }), codec("other"), handler("bad", { handle: "no" })];
    const config = '[host]\ndebounce = "20ms"\nlinked = false\n[plugins.ghost]\n[capabilities."handler:greet"]\nstrategy = "canary"\nevery = "1h"\n[discovery]\nenabled = true\nlisten = "127.0.0.1:0"\n';
    const { host, page } = await serve({ guests, config, files: { "broken.wasm": "x" }, scheme });
    host.drop(handler("greet", { version: "2.0.0" }));
    for (let i = 0; i < 8; i++) await host.call("POST", "/bad");
    for (const more of [{ tags: ["v2", "primary"] }, { name: "db", host: "127.0.0.1", port: 1, check: { tcp: true, interval: 1, fall: 1 } }])
      await host.call("POST", "/services", { body: JSON.stringify({ name: "web", host: "10.0.0.7", port: 8080, ...more }), plane: "directory" });
    await go(page, "capabilities");
    await page.getByLabel("Trial of greet 2.0.0").waitFor();
    // The policy of the page admits no script of others: this one runs as the browser's tools do.
    const check = async (where) => {
      const { violations } = await page.evaluate(`${AXE}; axe.run(document, { resultTypes: ["violations"] })`);
      const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
      assert.deepEqual(serious.map(({ id, nodes }) => [where, id, nodes.map((node) => node.html.slice(0, 200))]), []);
    };
    for (const view of [...VIEWS, "plugins/greet", "plugins/bad", "plugins/gone", "nonsense"]) {
      await page.evaluate((view) => (location.hash = `#/${view}`), view);
      await page.locator("main :is(h1, .empty)").first().waitFor();
      await page.waitForFunction(() => !document.querySelector("main")?.textContent.includes("Loading…"));
      await check(view);
    }
    await go(page, "");
    await page.getByRole("button", { name: "Reload", exact: true }).click();
    await page.getByRole("dialog").waitFor();
    await check("dialog");
    await page.keyboard.press("Escape");
    await page.setViewportSize({ width: 360, height: 740 });
    for (const view of [...VIEWS, "plugins/greet"]) {
      await go(page, view);
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wider <= 0, `${view} is ${wider} px too wide`);
    }
  });

test("the services of the directory are shown as they change, with what is wrong", async () => {
  const config = `[host]\ndebounce = "20ms"\nlinked = false\ndrain = "2s"\n[discovery]\nenabled = true\nlisten = "127.0.0.1:0"\n`;
  // The requests that this test cuts or refuses.
  const { host, page } = await serve({ config, allow: /ERR_FAILED|status of 503/ });
  const send = async (method, path, body) => JSON.parse((await host.call(method, path, { body: JSON.stringify(body), plane: "directory" })).body);
  await go(page, "services");
  await page.getByText("No service").waitFor();
  await page.getByText(`plugbay services list --directory http://127.0.0.1:${host.ports.directory}`).waitFor();

  const web = await send("POST", "/services", { name: "web", host: "10.0.0.7", port: 8080, tags: ["v2"] });
  const row = page.getByRole("row", { name: /^web 10\.0\.0\.7:8080 / });
  await row.getByText("passing").waitFor();
  await row.getByText("v2").waitFor();
  const health = { status: "warning", output: "queue <b>full</b>" };
  await send("PUT", `/services/web/${web.id}/heartbeat`, { health });
  await row.getByText("warning").waitFor();
  await row.getByText(health.output).waitFor();
  // Nothing listens there.
  await send("POST", "/services", { name: "db", host: "127.0.0.1", port: 1, check: { tcp: true, interval: 1, fall: 1 } });
  const db = page.getByRole("row", { name: /^db / });
  await db.getByText("critical").waitFor();
  await db.getByText(/refused/).waitFor();
  await page.getByRole("searchbox").fill("v2");
  await db.waitFor({ state: "detached" });
  await page.getByRole("searchbox").fill("");

  await page.route("**/v1/services", (route) => route.abort());
  await page.getByText(/What you see is \d+ s old/).waitFor();
  await row.waitFor();
  await page.unroute("**/v1/services");
  await page.getByText(/What you see is/).waitFor({ state: "detached" });
  await host.call("DELETE", `/services/web/${web.id}`, { plane: "directory" });
  await row.waitFor({ state: "detached" });

  // Half a service that fell silent at once: what the API says of it.
  const kept = { id: "1", name: "shop", address: "10.0.0.8:80", health: "passing", since: new Date().toISOString(), retained: true, tags: [] };
  await page.route("**/v1/services", (route) => route.fulfill({ json: { directory: "http://127.0.0.1:1", total: 3, endpoints: [kept] } }));
  await page.getByRole("row", { name: /^shop / }).getByText("expired").waitFor();
  await page.getByText("2 more are not shown").waitFor();
  await page.unroute("**/v1/services");

  // The first answer is an error.
  await go(page, "");
  await page.route("**/v1/services", (route) => route.fulfill({ status: 503, json: { detail: "the first generation is being built" } }));
  await go(page, "services");
  await page.getByRole("alert").getByText("the first generation is being built").waitFor();
  await page.unroute("**/v1/services");
  await page.getByRole("button", { name: "Try again" }).click();
  await db.waitFor();
});

test("every view says what to do if there is nothing to show", async () => {
  const { page } = await serve();
  const empty = { plugins: "Drop a .wasm file", capabilities: "No capability", rejected: "Nothing is refused", routes: "No route", services: "No directory" };
  for (const [view, text] of Object.entries(empty)) {
    await go(page, view);
    await page.getByText(text).first().waitFor();
  }
});

test("the configuration is shown with the origin of each value", async () => {
  const { host, page } = await serve();
  if ((await host.call("GET", "/v1/config", { plane: "admin" })).status === 404) {
    await go(page, "config");
    await page.getByText("does not answer its configuration").waitFor();
    // This host has no such path: the page is held to the contract of it.
    const values = [
      { key: "host.linked", value: false, origin: { from: "file", path: "config.toml", line: 4 } },
      { key: "host.strict", value: false, origin: { from: "default" } },
    ];
    await page.route("**/v1/config", (route) => route.fulfill({ json: { generation: 1, toml: "", values } }));
    await go(page, "");
  }
  await go(page, "config");
  const linked = page.getByRole("row", { name: /^host\.linked false / });
  await linked.getByText(/config\.toml:\d+/).waitFor();
  await page.getByRole("row", { name: /^host\.strict false default/ }).waitFor();
  await page.getByRole("button", { name: "Without defaults" }).click();
  await page.getByRole("row", { name: /^host\.strict/ }).waitFor({ state: "detached" });
  await linked.waitFor();
});
