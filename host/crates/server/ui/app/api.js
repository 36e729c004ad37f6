// Requests to the admin plane. The token is kept for this tab alone, and is sent in a header field, never in a URL.
import { signal } from "../vendor/signals.js";

const KEY = "plugbay-token";
// The plane may lie below a prefix.
const base = new URL("../../", import.meta.url);

export const token = signal(sessionStorage.getItem(KEY));
// Whether the plane asks for a token.
export const locked = signal(false);

export function login(text) {
  if (text) sessionStorage.setItem(KEY, text);
  else sessionStorage.removeItem(KEY);
  token.value = text || null;
}

// A failure as the plane describes it (RFC 9457), or a network failure, whose status is 0.
export class Problem extends Error {
  constructor(status, { code = "", detail = "" } = {}) {
    super(detail || `the host answered with status ${status}`);
    this.status = status;
    this.code = code;
  }
}

export async function request(path, { method = "GET", body, headers = {}, signal, timeout = 30000 } = {}) {
  const limits = [signal, timeout && AbortSignal.timeout(timeout)].filter(Boolean);
  const fields = { accept: "application/json", ...headers };
  if (token.value) fields.authorization = `Bearer ${token.value}`;
  if (body !== undefined) fields["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(new URL(path.replace(/^\//, ""), base), {
      method,
      headers: fields,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.any(limits),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
    });
  } catch (error) {
    throw new Problem(0, { detail: `no connection (${error.message})` });
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  if (response.status === 401) locked.value = true;
  throw new Problem(response.status, problem);
}

export const get = async (path, options) => (await request(path, options)).json();

export async function post(path, body) {
  const response = await request(path, { method: "POST", body, timeout: 120000 });
  const text = await response.text();
  return text && (response.headers.get("content-type") || "").includes("json") ? JSON.parse(text) : null;
}

const known = new Map();

// Whether the plane has this path, asked by a method that changes nothing. A version of the host that lacks an action
// has no such path.
export function has(path) {
  if (!known.has(path)) {
    const asked = request(path, { method: "OPTIONS" }).then(
      () => true,
      (problem) => {
        // Not a path's own answer: ask again next time.
        if (problem.status === 0 || problem.status === 401) known.delete(path);
        return ![0, 404].includes(problem.status);
      },
    );
    known.set(path, asked);
  }
  return known.get(path);
}

export const forget = () => known.clear();

// Reads a stream of server-sent events. fetch, and not EventSource, which can send no token.
export async function stream(path, { last, open, event, signal }) {
  const response = await request(path, {
    headers: { accept: "text/event-stream", "last-event-id": String(last) },
    signal,
    timeout: 0,
  });
  open();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    // The plane sends a comment every 15 s: a longer silence is a dead connection.
    const quiet = setTimeout(() => reader.cancel().catch(() => {}), 40000);
    const { value, done } = await reader.read().finally(() => clearTimeout(quiet));
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const data = part.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim());
      if (data.length) event(JSON.parse(data.join("\n")));
    }
  }
}
