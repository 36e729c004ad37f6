// Numbers, sizes and times as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

export const count = (n) => (n < 100000 ? whole.format(n) : short.format(n));

export function rate(n) {
  if (!(n > 0)) return "0";
  return n < 10 ? n.toFixed(1) : count(n);
}

export function percent(part, all) {
  if (!all || !part) return "0 %";
  const value = (100 * part) / all;
  return value < 0.1 ? "< 0.1 %" : `${value < 10 ? value.toFixed(1) : value.toFixed(0)} %`;
}

export function bytes(n) {
  if (n < 1024) return `${n} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let unit = -1;
  do {
    n /= 1024;
    unit += 1;
  } while (n >= 1024 && unit < 3);
  return `${n < 10 ? n.toFixed(1) : n.toFixed(0)} ${units[unit]}`;
}

// Seconds, with the unit that needs the fewest digits.
export function seconds(s) {
  if (s === null || s === undefined) return "–";
  const [value, unit] = s < 0.001 ? [s * 1e6, "µs"] : s < 1 ? [s * 1e3, "ms"] : [s, "s"];
  return `${value < 10 ? Number(value.toFixed(1)) : value.toFixed(0)} ${unit}`;
}

export function age(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} d`;
}

const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
export const time = (at) => clock.format(new Date(at));
export const date = (at) => full.format(new Date(at));

// The name of a file without its folders.
export const base = (path) => path.split(/[/\\]/).pop();

export const digest = (text) => text.replace(/^sha256:/, "").slice(0, 12);

// A duration as the API writes it: {secs, nanos}, or a text.
export function duration(value) {
  return value && typeof value === "object" && "secs" in value
    ? seconds(value.secs + value.nanos / 1e9)
    : String(value);
}

// The value below which this share of the counts lies, by linear interpolation within a bucket. The last count is of
// what is above all bounds: of that no more is known.
export function quantile(bounds, counts, share) {
  const all = counts.reduce((sum, n) => sum + n, 0);
  if (!all) return null;
  let left = share * all;
  for (let i = 0; i < counts.length; i++) {
    if (counts[i] >= left && counts[i] > 0) {
      const low = i ? bounds[i - 1] : 0;
      return i < bounds.length ? low + ((bounds[i] - low) * left) / counts[i] : low;
    }
    left -= counts[i];
  }
  return bounds.at(-1);
}
