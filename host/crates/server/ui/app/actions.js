// What an operator can do. Each action says first what will change, and asks.
import { useEffect, useRef, useState } from "../vendor/hooks.js";
import { signal } from "../vendor/signals.js";
import { get, has, post } from "./api.js";
import { Cli, html } from "./parts.js";
import { mayAct, refresh, status, whyNot } from "./store.js";

const asked = signal(null);
let asks = 0;
const told = signal([]);

export function tell(text, tone = "info") {
  const toast = { text, tone };
  told.value = [...told.value, toast].slice(-3);
  setTimeout(() => (told.value = told.value.filter((it) => it !== toast)), 8000);
}

export const Toasts = () =>
  html`<div class="toasts" role="status">${told.value.map(({ text, tone }) => html`<div class="note ${tone}"><span class="break">${text}</span></div>`)}</div>`;

// What a change did, by the report of its reconciliation.
function summary(report) {
  if (!report || report.generation === undefined) return "Done.";
  if (report.preparing?.length && !report.published) return `Preparing ${report.preparing.join(", ")}.`;
  if (report.action && !report.published) return [`${report.action} ${report.on}: done.`, ...report.notes].join(" ");
  const parts = [report.published ? `Generation ${report.generation} serves.` : `Generation ${report.generation} goes on: nothing changed.`];
  if (report.loaded?.length) parts.push(`Loaded ${report.loaded.join(", ")}.`);
  if (report.retired?.length) parts.push(`Retired ${report.retired.join(", ")}.`);
  if (report.rejected?.length) parts.push(`${report.rejected.length} refused.`);
  return parts.concat(report.notes || []).join(" ");
}

export const Dialog = () => asked.value && html`<${Ask} key=${asked.value.number} ask=${asked.value} />`;

function Ask({ ask }) {
  const at = useRef(null);
  const [state, set] = useState({});
  useEffect(() => {
    const opener = document.activeElement;
    at.current.showModal();
    return () => opener?.isConnected && opener.focus();
  }, []);
  // The event of its closing may come when the next one is open.
  const close = () => asked.value === ask && (asked.value = null);
  const run = async (event) => {
    event.preventDefault();
    set({ busy: true });
    try {
      tell(summary(await ask.run()));
      refresh();
      close();
    } catch (problem) {
      set({ problem });
    }
  };
  return html`<dialog ref=${at} onClose=${close} aria-labelledby="ask">
    <form class="dialog" onSubmit=${run}>
      <h2 id="ask">${ask.title}</h2>
      <${ask.body} />
      ${ask.cli && html`<${Cli} of=${ask.cli} args=${ask.args} />`}
      ${state.problem && html`<div class="note bad" role="alert"><span class="break">${state.problem.message}</span></div>`}
      <div class="actions">
        <button type="button" onClick=${close} disabled=${state.busy} autofocus>Cancel</button>
        <button class=${ask.danger ? "danger" : "primary"} disabled=${state.busy || !mayAct.value} title=${whyNot.value}>${state.busy ? "Working…" : ask.confirm}</button>
      </div>
    </form>
  </dialog>`;
}

// A button of an action. It is hidden if this host has no such action, and disabled with the reason if it may not be
// used now.
export function Act({ path, children, ask, danger, plain }) {
  const [offered, set] = useState(!path);
  useEffect(() => {
    let gone = false;
    if (path) has(path).then((yes) => gone || set(yes));
    return () => (gone = true);
  }, [path, mayAct.value]);
  if (!offered) return null;
  return html`<button class=${danger ? "danger" : plain ? "plain" : ""} disabled=${!mayAct.value} title=${whyNot.value} onClick=${() => (asked.value = { ...ask(), number: (asks += 1) })}>${children}</button>`;
}

const text = (...lines) => () => lines.map((line) => html`<p class="break">${line}</p>`);
const part = encodeURIComponent;

export const reload = () => ({
  title: "Reload now?",
  body: text("The host reads its folder and its configuration, and tries again what it refused. What is unchanged keeps serving."),
  confirm: "Reload",
  cli: "reload",
  run: () => post("/v1/reload"),
});

export const resume = () => ({
  title: "Apply changes again?",
  body: text("The host applies all changes of files and configuration that it held back since the rollback."),
  confirm: "Apply changes",
  cli: "resume",
  run: () => post("/v1/resume"),
});

// Which plugins differ between two lists of `name@version`.
export function differences(from, to) {
  const split = (label) => [label.slice(0, label.lastIndexOf("@")), label.slice(label.lastIndexOf("@") + 1)];
  const [old, now] = [new Map(from.map(split)), new Map(to.map(split))];
  const changes = [];
  for (const [name, version] of now) {
    if (!old.has(name)) changes.push({ kind: "add", text: `+ ${name} ${version}` });
    else if (old.get(name) !== version) changes.push({ kind: "mod", text: `~ ${name} ${old.get(name)} → ${version}` });
  }
  for (const [name, version] of old) if (!now.has(name)) changes.push({ kind: "del", text: `− ${name} ${version}` });
  return changes;
}

export const Changes = ({ of, none }) =>
  of.length ? html`<ul class="diff mono">${of.map(({ kind, text }) => html`<li class=${kind}>${text}</li>`)}</ul>` : html`<p class="muted">${none}</p>`;

// The host's own account of what will change; `other` until it is there, and if it gives none.
function Preview({ of, other = null }) {
  const [change, set] = useState(null);
  useEffect(() => void of().then((read) => set(read?.change), () => {}), []);
  if (!change) return other;
  const value = (it) => (it === null || it === undefined ? "unset" : typeof it === "string" ? it : JSON.stringify(it));
  const named = (sign, texts = []) => texts.map((text) => ({ kind: sign === "+" ? "add" : "del", text: `${sign} ${text}` }));
  const section = (title, lines) => lines.length > 0 && html`<h3>${title}</h3><${Changes} of=${lines} />`;
  const plugin = ({ name, from, to, differs }) =>
    from && to ? { kind: "mod", text: `~ ${name} ${from.version} → ${to.version}${from.version === to.version ? `: ${differs.join(", ")} differs` : ""}` } : named(to ? "+" : "−", [`${name} ${(to || from).version}`])[0];
  return [
    section("Plugins", (change.plugins || []).map(plugin)),
    section("Capabilities", [...named("+", change.capabilities_added), ...named("−", change.capabilities_removed)]),
    section("Without calls", named("−", change.capabilities_held)),
    section("Routes", [...named("+", change.routes_added), ...named("−", change.routes_removed)]),
    section("Configuration", (change.config || []).map(({ key, from, to }) => ({ kind: "mod", text: `~ ${key}: ${value(from)} → ${value(to)}` }))),
  ];
}

export const rollback = (past) => ({
  title: `Roll back to generation ${past.generation}?`,
  body() {
    const serving = status.value?.history.at(-1)?.plugins || [];
    const known = html`<${Changes} of=${differences(serving, past.plugins)} none="No plugin changes its version." />`;
    return html`<p>Its plugins and its configuration serve as a new generation, and calls in flight finish. Changes of files and configuration are held back until you apply them again.</p>
      <${Preview} of=${() => get(`/v1/generations/${past.generation}/diff`)} other=${known} />`;
  },
  confirm: `Roll back to ${past.generation}`,
  danger: true,
  cli: "rollback",
  args: { generation: past.generation },
  run: () => post(`/v1/generations/${past.generation}/rollback`),
});

// An action that a host can also try without doing it.
const act = (path, verb, name, sentences, { body, danger } = {}) => {
  const title = verb[0].toUpperCase() + verb.slice(1);
  return {
    title: `${title} ${name}?`,
    body: () => html`${sentences.map((line) => html`<p class="break">${line}</p>`)}<${Preview} of=${() => post(`${path}?dry_run=true`, body)} />`,
    confirm: title,
    danger,
    run: () => post(path, body),
  };
};

// What `name` offers that no other plugin does: its callers get errors once it is gone.
function alone(name) {
  const offered = (status.value?.capabilities || []).filter((it) => it.providers.every((label) => label.startsWith(`${name}@`)));
  const list = offered.map((it) => `${it.kind}:${it.name}`).join(", ");
  return list ? `Nothing else offers ${list}: calls of it are refused.` : "Other plugins offer what it offers.";
}

export const pluginPath = (name, verb) => `/v1/plugins/${part(name)}/${verb}`;
const plugin = (verb, name, ...more) => act(pluginPath(name, verb), verb, name, ...more);
export const restart = (name) => () => plugin("restart", name, [`${name} is started again and checked. It takes the calls, and the old one finishes its own.`]);
export const disable = (name) => () => plugin("disable", name, [`${name} is taken out of the running set. Calls in flight finish.`, alone(name)], { danger: true });
export const enable = (name) => () => plugin("enable", name, [`${name} is loaded from its file again and joins the running set.`]);
export const drain = (name) => () => plugin("drain", name, [`${name} gets no new calls, and those in flight finish. It stays loaded.`, alone(name)], { danger: true });
export const breaker = (name, state) => () =>
  state === "open"
    ? act(pluginPath(name, "breaker"), "cut", name, [`The circuit of ${name} opens: it gets no calls until you reset it.`, alone(name)], { body: { state }, danger: true })
    : act(pluginPath(name, "breaker"), "reset", name, [`The circuit of ${name} closes: it gets its calls again.`], { body: { state } });

export const weightsPath = (capability) => `/v1/capabilities/${part(capability)}/weights`;
export const weigh = (capability, weights) => () => {
  const list = Object.entries(weights).map(([name, weight]) => `${name} ${weight}`).join(", ");
  return act(weightsPath(capability), "weigh", capability, [`Calls are shared in this proportion from the next one on: ${list}.`], { body: { weights } });
};
