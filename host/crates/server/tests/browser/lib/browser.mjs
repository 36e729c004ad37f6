// Debian's chromium, and pages of which a console error, an exception or a report of the page's policy fails the test.
import { existsSync } from "node:fs";
import { join } from "node:path";

import { chromium } from "playwright-core";

const PROGRAM = process.env.BROWSER_TEST_CHROMIUM || "chromium";

// The program as the shell finds it.
function found(program) {
  const folders = program.includes("/") ? [""] : process.env.PATH.split(":");
  const path = folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
  if (!path) throw new Error(`expected the program ${program}, found none; cargo xtask test --yes installs it`);
  return path;
}

export const launch = () => chromium.launch({ executablePath: found(PROGRAM), args: ["--no-sandbox", "--disable-dev-shm-usage", "--enable-precise-memory-info"] });

// Opens the dashboard. `complaints` fills with what no test may cause; a test that kills the host allows for the
// failed requests that follow.
export async function open(browser, url, { scheme = "light", width = 1280, height = 900, prepare, allow } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, reducedMotion: "reduce", timezoneId: "UTC", locale: "en-GB" });
  const page = await context.newPage();
  const complaints = [];
  const complain = (text) => allow?.test(text) || complaints.push(text);
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complain(`${message.type()}: ${message.text()} ${message.location().url}`);
  });
  page.on("pageerror", (error) => complain(`exception: ${error.message}`));
  page.on("dialog", (dialog) => (complain(`a script opened a dialog: ${dialog.message()}`), dialog.dismiss()));
  page.on("request", (sent) => new URL(sent.url()).origin === new URL(url).origin || sent.url().startsWith("data:") || complain(`a request to ${sent.url()}`));
  await page.addInitScript(() => document.addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`)));
  await prepare?.(page);
  page.setDefaultTimeout(20000);
  await page.goto(url);
  return { page, context, complaints };
}
