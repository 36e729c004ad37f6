// What the page knows of the host: its status, its figures, its events, and whether the connection to it lives.
import { batch, computed, effect, signal } from "../vendor/signals.js";
import { forget, get, locked, stream, token } from "./api.js";
import { quantile } from "./format.js";

const POLL = 2000;
// How many samples a small chart shows, and how many the figures beside it are taken over: 2 minutes and 30 seconds.
const SPARK = 60;
const WINDOW = 15;
const HISTORY = 450;
const EVENTS = 1000;

export const now = signal(Date.now());
export const session = signal({ name: "", role: "operator", open: true });
export const status = signal(null);
export const statusError = signal(null);
export const figures = signal(null);
export const events = signal([]);
// connecting, starting, live or lost; since when, and when it is tried again.
export const link = signal({ state: "connecting", since: Date.now() });
// When the host was heard of last.
export const heard = signal(0);

export const mayAct = computed(() => session.value.role === "operator" && link.value.state === "live");
export const whyNot = computed(() => {
  if (session.value.role !== "operator") return "This needs the role operator; your token has the role viewer.";
  return link.value.state === "live" ? "" : "The host does not answer.";
});

// --- status

let dirty = false;
let reading = false;
let notBefore = 0;

// Reads the status soon. Many calls make one request: the status of a thousand plugins is large.
export function refresh() {
  dirty = true;
  if (reading) return;
  reading = true;
  setTimeout(async () => {
    dirty = false;
    const began = performance.now();
    try {
      const read = await get("/v1/status");
      batch(() => {
        status.value = read;
        statusError.value = null;
        heard.value = Date.now();
      });
    } catch (problem) {
      statusError.value = problem;
    }
    notBefore = performance.now() + Math.max(250, 8 * (performance.now() - began));
    reading = false;
    if (dirty) refresh();
  }, Math.max(0, notBefore - performance.now()));
}

// --- figures

let host = null;
let rows = new Map();
let history = [];
let total = newRow({ name: "", version: "" });

function newRow(of) {
  return { name: of.name, version: of.version, canary: !!of.canary, started: of.started_at, samples: [], spark: [] };
}

export const keyOf = (plugin) => `${plugin.name}@${plugin.version}${plugin.canary || plugin.trial ? "*" : ""}`;

// Takes one more sample of a row, and computes what is shown of it.
function take(row, bounds, sample) {
  const { samples } = row;
  const last = samples.at(-1);
  const per = (from, name) => (sample.at > from.at ? Math.max(0, sample[name] - from[name]) / (sample.at - from.at) : 0);
  row.spark.push(last ? per(last, "calls") : 0);
  if (row.spark.length > SPARK) row.spark.shift();
  samples.push(sample);
  if (samples.length > WINDOW) samples.shift();
  const first = samples[0];
  const recent = samples.at(-4) || first;
  row.rate = per(recent, "calls");
  row.errors = per(recent, "failed");
  row.cores = per(recent, "cpu");
  const within = sample.durations.map((n, i) => Math.max(0, n - (first.durations[i] || 0)));
  row.p50 = quantile(bounds, within, 0.5);
  row.p99 = quantile(bounds, within, 0.99);
  Object.assign(row, sample.now);
  row.calls = sample.calls;
  row.failed = sample.failed;
}

function understand(read) {
  if (host && host !== read.host_started_at) {
    rows = new Map();
    total = newRow(total);
  }
  host = read.host_started_at;
  const at = Date.parse(read.at) / 1000;
  const fresh = new Map();
  const all = { at, calls: 0, failed: 0, cpu: 0, durations: new Array(read.bounds.length + 1).fill(0), now: {} };
  const sums = { memory: 0, in_flight: 0, waiting: 0, instances: 0 };
  for (const plugin of read.plugins) {
    const key = keyOf(plugin);
    let row = rows.get(key);
    if (!row || row.started !== plugin.started_at) row = newRow(plugin);
    const { state, memory, in_flight, waiting, instances } = plugin;
    const calls = plugin.answered + plugin.failed + plugin.cancelled;
    const cpu = plugin.cpu_seconds || 0;
    const sample = { at, calls, failed: plugin.failed, cpu, durations: plugin.durations };
    take(row, read.bounds, { ...sample, now: { state, memory, in_flight, waiting, instances } });
    fresh.set(key, row);
    all.calls += calls;
    all.failed += plugin.failed;
    all.cpu += cpu;
    plugin.durations.forEach((n, i) => (all.durations[i] += n));
    for (const name in sums) sums[name] += plugin[name];
  }
  // A version that is gone takes its counts along: the sum begins anew.
  const dropped = [...rows].some(([key, row]) => fresh.get(key) !== row);
  rows = fresh;
  all.now = sums;
  if (dropped) total.samples = [];
  take(total, read.bounds, all);
  history.push({ at, rate: total.samples.length > 1 ? total.spark.at(-1) : null, errors: total.errors, p50: total.p50, p99: total.p99, memory: sums.memory });
  if (history.length > HISTORY) history.shift();
  const { generation, rejected, draining } = read;
  return { at: at * 1000, generation, rejected, draining, rows, total, history };
}

async function poll() {
  let wait = POLL;
  if (!document.hidden && link.value.state === "live") {
    const began = performance.now();
    try {
      const read = await get("/v1/figures");
      const known = figures.value;
      batch(() => {
        figures.value = understand(read);
        heard.value = Date.now();
      });
      const changed = !known || known.generation !== read.generation || known.rejected !== read.rejected || known.draining !== read.draining;
      // A trial moves without an event, and so does a breaker's probe.
      const moving = status.value?.plugins.some((plugin) => plugin.trial) || read.draining > 0;
      const old = Date.now() - heard.value > 15000;
      if (changed || moving || old) refresh();
      wait = Math.max(POLL, 8 * (performance.now() - began));
    } catch {
      // The stream of events says whether the host is lost.
    }
  }
  setTimeout(poll, wait);
}

// --- events

let last = 0;
let process = null;
let pending = [];
let flushing = false;

function flush() {
  flushing = false;
  const news = pending.reverse();
  pending = [];
  batch(() => {
    events.value = news.concat(events.value).slice(0, EVENTS);
    heard.value = Date.now();
  });
  refresh();
}

function push(event) {
  pending.push(event);
  if (pending.length > EVENTS) pending.shift();
  if (!flushing) {
    flushing = true;
    setTimeout(flush, 120);
  }
}

let mark = 0;
const remark = (text) => push({ key: `m${++mark}`, at: new Date().toISOString(), remark: text });

function take_event(event) {
  if (last && event.seq > last + 1) remark(`${event.seq - last - 1} events were missed: the host keeps the latest 256`);
  last = event.seq;
  push({ ...event, key: `${process}-${event.seq}` });
}

let wake = () => {};
export const retry = () => wake();

const sleep = (ms) =>
  new Promise((done) => {
    const timer = setTimeout(done, ms);
    wake = () => (clearTimeout(timer), done());
  });

function lost(problem, next) {
  const before = link.value;
  const starting = problem.code === "starting";
  const since = before.state === "live" || before.state === "connecting" ? Date.now() : before.since;
  link.value = { state: starting ? "starting" : "lost", since, next: Date.now() + next, why: problem.message };
}

// Follows the events for as long as the page is open.
async function follow() {
  let wait = 500;
  for (;;) {
    try {
      if (locked.value) await new Promise((go) => { const stop = effect(() => { if (!locked.value) { queueMicrotask(() => stop()); go(); } }); });
      await identify();
      const read = await get("/v1/figures");
      if (process !== read.host_started_at) {
        if (process) remark("the host was restarted: what follows is what the new process reports");
        // Another process counts from 1. The events that it keeps are read from the first.
        [process, last] = [read.host_started_at, 0];
      }
      await stream("/v1/events", {
        last,
        open() {
          wait = 500;
          link.value = { state: "live", since: Date.now() };
          heard.value = Date.now();
          forget();
          refresh();
        },
        event: take_event,
      });
      throw new Error("the host ended the connection");
    } catch (problem) {
      if (locked.value) continue;
      const next = wait * (0.75 + Math.random() / 2);
      lost(problem, next);
      await sleep(next);
      wait = Math.min(wait * 1.6, 5000);
    }
  }
}

// Who this is to the host. One without sessions is open to all who can reach it.
export async function identify() {
  try {
    session.value = await get("/v1/session");
  } catch (problem) {
    if (problem.status !== 404) throw problem;
    session.value = { name: "", role: "operator", open: true };
  }
}

export function start() {
  setInterval(() => (now.value = Date.now()), 1000);
  document.addEventListener("visibilitychange", () => document.hidden || (now.value = Date.now()));
  effect(() => {
    token.value;
    forget();
  });
  follow();
  poll();
}
