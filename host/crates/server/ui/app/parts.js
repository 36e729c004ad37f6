// The parts that the views share. htm and Preact set texts as text: what a plugin wrote is never read as markup.
import { h } from "../vendor/preact.js";
import { useEffect, useRef, useState } from "../vendor/hooks.js";
import htm from "../vendor/htm.js";
import { signal } from "../vendor/signals.js";
import { commands } from "./commands.js";
import { get } from "./api.js";
import { age, date, time } from "./format.js";
import { now, refresh, status, statusError } from "./store.js";

export const html = htm.bind(h);

const STATES = {
  running: ["good", "running"],
  canary: ["trial", "on trial"],
  "breaker-open": ["bad", "circuit open"],
  "breaker-half-open": ["warn", "circuit half-open"],
  unhealthy: ["bad", "unhealthy"],
  "crash-loop": ["bad", "crash loop"],
  draining: ["warn", "draining"],
};

export function State({ of }) {
  const [tone, text] = STATES[of] || ["", of];
  return html`<span class="badge ${tone}"><i class="dot ${tone}"></i>${text}</span>`;
}
export const isBad = (state) => STATES[state]?.[0] === "bad";

export const Badge = ({ tone = "", children }) => html`<span class="badge ${tone}">${children}</span>`;
export const Tags = ({ of }) =>
  of.length ? html`<span class="tags">${of.map((text) => html`<span class="tag">${text}</span>`)}</span>` : html`<span class="muted">none</span>`;

// How long ago; the full time on hovering.
export const Ago = ({ at }) => html`<time datetime=${at} title=${date(at)}>${age(now.value - Date.parse(at))} ago</time>`;
export const Clock = ({ at }) => html`<time datetime=${at} title=${date(at)}>${time(at)}</time>`;

export function Tile({ label, value, unit, tone = "", href, note }) {
  const inner = html`<span>${label}</span><b>${value}${unit && html` <small>${unit}</small>`}</b>${note && html`<span>${note}</span>`}`;
  return href ? html`<a class="tile ${tone}" href=${href}>${inner}</a>` : html`<div class="tile ${tone}">${inner}</div>`;
}

export const Fact = ({ name, children }) => html`<dt>${name}</dt><dd>${children}</dd>`;
export const Empty = ({ title, children }) => html`<div class="empty"><b>${title}</b><p>${children}</p></div>`;
export const Loading = () => html`<div class="empty" role="status">Loading…</div>`;

export function Failure({ problem, again, children }) {
  const advice = {
    0: "Check that the host runs.",
    403: "This needs a token with the role operator.",
    404: "This version of the host does not offer it.",
    503: "The host is starting or overloaded: try again in a moment.",
  }[problem.status];
  return html`<div class="note bad" role="alert">
    <div><b>${problem.message}</b>${advice && html`<p class="small">${advice}</p>`}${children}</div>
    ${again && html`<button onClick=${again}>Try again</button>`}
  </div>`;
}

// The command that shows the same in a terminal.
export function Cli({ of, args = {} }) {
  const [copied, setCopied] = useState(false);
  const line = command(of, args);
  const copy = async () => {
    await navigator.clipboard?.writeText(line).catch(() => {});
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return html`<span class="cli"><code>${line}</code><button onClick=${copy} aria-label="Copy the command ${line}">${copied ? "Copied" : "Copy"}</button></span>`;
}

// Names are checked by the host, but a shell reads this: what is not plain is quoted.
const quoted = (text) => (/^[\w.:@/+-]+$/.test(text) ? text : `'${String(text).replaceAll("'", "'\\''")}'`);
const command = (of, args) => commands[of].replace(/\{(\w+)\}/g, (_, name) => quoted(args[name]));

export function Head({ title, lead, cli, args, children }) {
  return html`<header class="head">
    <div><h1 tabindex="-1" id="title">${title}</h1>${lead && html`<p class="muted break">${lead}</p>`}</div>
    <div class="actions">${cli && html`<${Cli} of=${cli} args=${args} />`}${children}</div>
  </header>`;
}

// What a view shows of the status, or why it cannot.
export function ready(head, body) {
  const at = status.value;
  return html`${head(at)}${at ? body(at) : statusError.value ? html`<${Failure} problem=${statusError.value} again=${refresh} />` : html`<${Loading} />`}`;
}

// Whether texts have what is typed in the field by which a list is narrowed; and the field.
export function useFind(label, hint) {
  const [text, set] = useState("");
  const needle = text.trim().toLowerCase();
  return [(...texts) => texts.join(" ").toLowerCase().includes(needle), html`<input type="search" placeholder=${hint} aria-label=${label} value=${text} onInput=${(event) => set(event.currentTarget.value)} />`];
}

// Reads a path when the view opens, when `deps` change, and every so often.
export function useLoad(path, { deps = [], every } = {}) {
  const [state, set] = useState({ loading: true });
  const again = useRef(() => {});
  useEffect(() => {
    let timer;
    let gone = false;
    const read = async () => {
      clearTimeout(timer);
      try {
        const data = path && (await get(path));
        if (!gone) set({ data, at: Date.now() });
      } catch (problem) {
        if (!gone) set(({ data, at }) => ({ data, at, problem }));
      }
      if (every && !gone) timer = setTimeout(read, every);
    };
    again.current = read;
    read();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [path, ...deps]);
  return { ...state, again: () => again.current() };
}

// A table of many rows of one height, of which only those near the window are in the page.
const scrolled = signal(0);
addEventListener("scroll", () => (scrolled.value = scrollY), { passive: true });
addEventListener("resize", () => (scrolled.value = scrollY + Math.random() / 4), { passive: true });

export function Rows({ of, row, columns, label }) {
  const body = useRef(null);
  const height = 45;
  let [from, to] = [0, of.length];
  if (of.length > 80) {
    const top = body.current ? body.current.getBoundingClientRect().top + scrollY : 300;
    from = Math.min(of.length - 1, Math.max(0, Math.floor((scrolled.value - top) / height) - 8));
    // An even number, so that stripes and rows do not jump.
    from -= from % 2;
    to = Math.min(of.length, from + Math.ceil(innerHeight / height) + 16);
  }
  return html`<div class="scroll"><table class="rows" aria-label=${label} aria-rowcount=${of.length + 1}>
    <thead><tr aria-rowindex="1">${columns.map((it) => (it.trim ? html`<th scope="col">${it}</th>` : it))}</tr></thead>
    <tbody ref=${body}>
      ${from > 0 && html`<tr class="pad" aria-hidden="true"><td style=${{ height: `${from * height}px` }}></td></tr>`}
      ${of.slice(from, to).map((item, i) => row(item, from + i + 2))}
      ${to < of.length && html`<tr class="pad" aria-hidden="true"><td style=${{ height: `${(of.length - to) * height}px` }}></td></tr>`}
    </tbody>
  </table></div>`;
}

// A line beside a number: the calls of the last two minutes.
export function Spark({ of = [] }) {
  const most = Math.max(...of, 0.001);
  const points = of.map((value, i) => `${(84 - (of.length - 1 - i) * 1.4).toFixed(1)},${(20 - (18 * value) / most).toFixed(1)}`);
  if (points.length < 2) return html`<svg class="spark" viewBox="0 0 84 22" aria-hidden="true"></svg>`;
  const line = `M${points.join("L")}`;
  return html`<svg class="spark ${of.some((value) => value > 0) ? "" : "idle"}" viewBox="0 0 84 22" preserveAspectRatio="none" aria-hidden="true">
    <path class="area" d="${line}V22H${points[0].split(",")[0]}Z" /><path d=${line} />
  </svg>`;
}

const HEIGHT = 168;
const [LEFT, BOTTOM, TOP] = [58, 22, 8];

// A round number of at least `n`: 1, 2, 2.5 or 5 times a power of ten.
function round(n) {
  const power = 10 ** Math.floor(Math.log10(n));
  return [1, 2, 2.5, 5, 10].find((step) => step * power >= n) * power;
}

const hour = (at) => new Date(at * 1000).toTimeString().slice(0, 8);

// `series` is [{label, tone, area}], and `data` is [times, values of each…]. A value that is not known is null.
// `least` is the smallest range of values that is shown.
export function Chart({ series, data, value, label, least = 1 }) {
  const box = useRef(null);
  const [width, setWidth] = useState(560);
  useEffect(() => {
    const watch = new ResizeObserver(([{ contentRect }]) => setWidth(Math.max(220, Math.round(contentRect.width))));
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  const [times, ...lines] = data;
  const most = round(Math.max(...lines.flat(), least));
  // At least half a minute is shown, so that the first samples do not jump.
  const [end, span] = [times.at(-1) || 0, Math.max(30, times.at(-1) - times[0] || 0)];
  const x = (at) => width - 8 - ((end - at) / span) * (width - LEFT - 8);
  const y = (of) => HEIGHT - BOTTOM - (of / most) * (HEIGHT - BOTTOM - TOP);
  const path = (values) => values.map((of, i) => (of === null ? "" : `${values[i - 1] === null || i === 0 ? "M" : "L"}${x(times[i]).toFixed(1)},${y(of).toFixed(1)}`)).join("");
  const labels = Math.max(2, Math.min(6, Math.floor(width / 130)));
  const ticks = [...Array(labels).keys()].map((i) => end - (span * (labels - 1 - i)) / (labels - 1));
  const now = series.map(({ label }, i) => `${label} ${value(lines[i].at(-1) ?? 0)}`).join(", ");
  return html`<figure ref=${box} class="chart" role="img" aria-label="${label}: now ${now}"><svg width=${width} height=${HEIGHT} aria-hidden="true">
    ${[0, 0.5, 1].map((part) => html`<path class="grid-line" d="M${LEFT} ${y(part * most)}H${width - 8}" /><text x=${LEFT - 8} y=${y(part * most) + 4} text-anchor="end">${part ? value(part * most) : "0"}</text>`)}
    ${times.length > 0 && ticks.map((at, i) => html`<text x=${x(at)} y=${HEIGHT - 4} text-anchor=${i === 0 ? "start" : i === ticks.length - 1 ? "end" : "middle"}>${hour(at)}</text>`)}
    ${series.map(({ tone, area }, i) => {
      const line = path(lines[i]);
      const first = times[lines[i].findIndex((of) => of !== null)];
      return html`${area && line && html`<path class="area ${tone}" d="${line}V${y(0)}H${x(first)}Z" />`}<path class="line ${tone}" d=${line} />`;
    })}
  </svg></figure>`;
}

export const Legend = ({ of }) => html`<div class="legend">${of.map(({ label, tone }) => html`<span><i class=${tone}></i>${label}</span>`)}</div>`;
