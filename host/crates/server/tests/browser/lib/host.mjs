// A host in a folder of its own, and the guests that a test drops into it.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, mkdirSync, rmSync, writeFileSync, renameSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const { BROWSER_TEST_PROGRAM: PROGRAM, BROWSER_TEST_GUESTS: WRITER } = process.env;

if (!PROGRAM || !WRITER) throw new Error("expected BROWSER_TEST_PROGRAM and BROWSER_TEST_GUESTS; cargo xtask test sets both");

const CONFIG = `
[host]
debounce = "20ms"
linked = false
drain = "2s"
`;

export class Host {
  #process = null;

  constructor(config = CONFIG) {
    this.folder = mkdtempSync(join(tmpdir(), "plugbay-browser-"));
    this.plugins = join(this.folder, "plugins");
    mkdirSync(this.plugins);
    this.set(config);
    this.ports = { data: 0, admin: 0 };
  }

  // Saves the configuration as an editor does: a reader sees the old or the new file.
  set(config) {
    writeFileSync(join(this.folder, "config.part"), config);
    renameSync(join(this.folder, "config.part"), join(this.folder, "config.toml"));
  }

  // Writes guests into the plugin folder.
  drop(...guests) {
    const input = JSON.stringify(guests.map((guest) => ({ ...guest, file: join(this.plugins, guest.file || `${guest.name}.wasm`) })));
    const { status, stderr } = spawnSync(WRITER, { input, encoding: "utf8" });
    if (status !== 0) throw new Error(stderr);
    return this;
  }

  write(file, text) {
    writeFileSync(join(this.plugins, file), text);
    return this;
  }

  remove(file) {
    rmSync(join(this.plugins, file));
  }

  // Starts the program. A second time it takes the ports of the first.
  async start(...more) {
    const listen = (port) => `127.0.0.1:${port}`;
    const set = [`host.plugins=${this.plugins}`, `server.listen=${listen(this.ports.data)}`, `admin.listen=${listen(this.ports.admin)}`, ...more];
    const child = spawn(PROGRAM, ["up", "--config", join(this.folder, "config.toml"), "-v", ...set.flatMap((it) => ["--set", it])], { cwd: this.folder, stdio: ["ignore", "pipe", "pipe"] });
    this.#process = child;
    let said = "";
    child.stderr.on("data", (part) => (said = (said + part).slice(-20000)));
    const lines = createInterface({ input: child.stdout });
    await new Promise((done, failed) => {
      child.once("exit", (code) => failed(new Error(`the host ended with ${code}: ${said}`)));
      lines.on("line", (line) => {
        const port = Number(line.match(/:(\d+)$/)?.[1]);
        if (line.startsWith("serving")) this.ports.data = port;
        if (line.startsWith("admin")) this.ports.admin = port;
        if (line.startsWith("directory")) this.ports.directory = port;
        if (line.startsWith("watching")) done();
      });
    });
    child.removeAllListeners("exit");
    return this;
  }

  get admin() {
    return `http://127.0.0.1:${this.ports.admin}`;
  }

  // One request; resolves to {status, body}.
  call(method, path, { body, headers = {}, plane = "data" } = {}) {
    return new Promise((done, failed) => {
      const sent = request({ host: "127.0.0.1", port: this.ports[plane], method, path, headers }, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (part) => (text += part));
        response.on("end", () => done({ status: response.statusCode, headers: response.headers, body: text }));
      });
      sent.on("error", failed);
      sent.end(body);
    });
  }

  async status() {
    return JSON.parse((await this.call("GET", "/v1/status", { plane: "admin" })).body);
  }

  // Ends it as a power cut does, or by a signal that it handles.
  async stop(signal = "SIGKILL") {
    const child = this.#process;
    this.#process = null;
    if (!child) return;
    const ended = new Promise((done) => child.once("exit", done));
    child.kill(signal);
    await ended;
  }

  async remove_all() {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
