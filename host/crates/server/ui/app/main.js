// The page: which view the address names, and what surrounds it: the list of views, the connection, and the login.
import { render } from "../vendor/preact.js";
import { useEffect, useState } from "../vendor/hooks.js";
import { signal } from "../vendor/signals.js";
import { Dialog, Toasts } from "./actions.js";
import { locked, login, token } from "./api.js";
import { age, time } from "./format.js";
import { Empty, html } from "./parts.js";
import { figures, heard, identify, link, now, retry, session, start, status } from "./store.js";
import { Capabilities } from "./views/capabilities.js";
import { Config } from "./views/config.js";
import { Events } from "./views/events.js";
import { Generations } from "./views/generations.js";
import { Overview } from "./views/overview.js";
import { Plugin } from "./views/plugin.js";
import { Plugins } from "./views/plugins.js";
import { Rejected } from "./views/rejected.js";
import { Routes } from "./views/routes.js";
import { Services } from "./views/services.js";

const VIEWS = {
  "": [Overview, "Overview"],
  plugins: [Plugins, "Plugins"],
  capabilities: [Capabilities, "Capabilities"],
  generations: [Generations, "Generations"],
  rejected: [Rejected, "Refused"],
  routes: [Routes, "Routes"],
  services: [Services, "Services"],
  events: [Events, "Events"],
  config: [Config, "Configuration"],
};

// The parts of the address after `#/`.
const parts = () => location.hash.replace(/^#\/?/, "").split("/").map((text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
});
const place = signal(parts());
addEventListener("hashchange", () => (place.value = parts()));

const ICON = new URL("../icon.svg", import.meta.url).href;
const KEY = "plugbay-theme";
const THEMES = ["system", "light", "dark"];
let chosen = localStorage.getItem(KEY) || "system";

function theme() {
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
}

function Theme() {
  const [shown, set] = useState(chosen);
  const next = THEMES[(THEMES.indexOf(shown) + 1) % 3];
  const change = () => {
    chosen = next;
    localStorage.setItem(KEY, next);
    theme();
    set(next);
  };
  const icon = { system: "◐", light: "☀", dark: "☾" }[shown];
  return html`<button class="plain" onClick=${change} aria-label="Colours: ${shown}. Change to ${next}" title="Colours: ${shown}">${icon}</button>`;
}

function Live() {
  const { state } = link.value;
  const [tone, text] = { live: ["good", "live"], lost: ["bad", "not connected"], starting: ["warn", "starting"] }[state] || ["", "connecting"];
  return html`<span class="live" role="status"><i class="dot ${tone}"></i>${text}</span>`;
}

function Side({ views, at }) {
  const now = status.value;
  const names = new Set(now?.plugins.map((plugin) => plugin.name));
  const counts = now && {
    plugins: names.size,
    capabilities: now.capabilities.length,
    generations: now.generation,
    rejected: now.rejected.length,
    routes: now.routes.length,
  };
  const { name, role, open } = session.value;
  return html`<aside class="side">
    <a class="brand" href="#/"><img src=${ICON} alt="" />Plugbay</a>
    <nav class="nav" aria-label="Views">
      ${Object.entries(views).map(([view, [, title]]) => {
        const count = counts?.[view];
        return html`<a href="#/${view}" aria-current=${at === view ? "page" : undefined}>${title}
          ${count !== undefined && html`<span class="count ${view === "rejected" && count ? "bad" : ""}">${count}</span>`}</a>`;
      })}
    </nav>
    <footer>
      <${Live} />
      <span class="who">${open ? "No token is needed here." : `${name} · ${role}`}</span>
      <span><${Theme} />${token.value && html`<button class="plain" onClick=${() => (login(null), (locked.value = true))}>Log out</button>`}</span>
    </footer>
  </aside>`;
}

// What is shown may be old: since when, why, and what to do.
function Banner() {
  const { state, since, next, why } = link.value;
  if (state === "live" || (state === "connecting" && now.value - since < 3000)) return null;
  if (state === "starting")
    return html`<div class="note warn banner" role="status"><span>The host is starting: its first generation is being built.</span></div>`;
  const known = figures.value || status.value;
  const wait = Math.max(0, Math.ceil((next - now.value) / 1000));
  return html`<div class="note bad banner" role="alert">
    <span><b>The host does not answer</b> for ${age(now.value - since)}.
    ${known ? ` What you see is ${age(now.value - heard.value)} old, of ${time(heard.value)}.` : ""}
    ${wait > 0 ? ` Next try in ${wait} s.` : " Trying…"} <span class="muted">${why}</span></span>
    <button onClick=${retry}>Try now</button>
  </div>`;
}

function Login() {
  const [state, set] = useState({});
  const submit = async (event) => {
    event.preventDefault();
    const field = event.currentTarget.elements.token;
    login(field.value.trim());
    set({ busy: true });
    try {
      await identify();
      locked.value = false;
    } catch (problem) {
      login(null);
      set({ why: problem.status === 401 ? "The host does not know this token." : problem.message });
      field.select();
    }
  };
  return html`<main class="login"><form class="card" onSubmit=${submit}>
    <span class="brand"><img src=${ICON} alt="" />Plugbay</span>
    <p>This host asks for a token. The section <code>[admin]</code> of its configuration says where they are kept.</p>
    <label>Token<input name="token" type="password" autocomplete="current-password" required autofocus aria-describedby="why" /></label>
    <p id="why" class="small" role="alert">${state.why || ""}</p>
    <button class="primary" disabled=${state.busy && !state.why}>Log in</button>
    <p class="small muted">It stays in this tab, and is forgotten when you close it.</p>
  </form></main>`;
}

function Page() {
  const [view, item] = place.value;
  const [View, title] = VIEWS[view] || [];
  const name = view === "plugins" && item ? item : title || "No such view";
  useEffect(() => {
    document.title = `${name} · Plugbay`;
    // A reader of the screen hears where it is now; nothing moves for others.
    document.getElementById("title")?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [view, item]);
  if (view === "plugins" && item) return html`<${Plugin} key=${item} name=${item} />`;
  if (View) return html`<${View} />`;
  return html`<${Empty} title="No such view">The address names no view of the dashboard. <a href="#/">Go to the overview</a>.<//>`;
}

function App() {
  if (locked.value) return html`<${Login} />`;
  return html`<a class="skip" href="#title" onClick=${(event) => (event.preventDefault(), document.getElementById("title")?.focus())}>Skip to the view</a>
    <div class="frame">
      <${Side} views=${VIEWS} at=${place.value[0]} />
      <main><${Banner} /><${Page} /></main>
    </div>
    <${Dialog} /><${Toasts} />`;
}

theme();
start();
const root = document.getElementById("app");
root.replaceChildren();
render(html`<${App} />`, root);
