// Who offers what: the providers of each capability, their share of the calls, and the progress of trials.
import { useState } from "../../vendor/hooks.js";
import { Act, breaker, pluginPath, weigh, weightsPath } from "../actions.js";
import { count, percent, rate } from "../format.js";
import { Badge, Empty, Head, html, ready, State, Tags, useFind } from "../parts.js";
import { figures, keyOf, status } from "../store.js";

// The figures that a trial is judged by, of both versions.
export function Trial({ of: plugin }) {
  const it = plugin.trial;
  const ms = (value) => (value === null ? "–" : `${value.toFixed(value < 10 ? 2 : 0)} ms`);
  const tone = { good: "good", bad: "bad" }[it.judgement] || "";
  const done = it.step - 1 + (it.judgement === "good" ? 0.5 : 0);
  const line = (name, one, two) => html`<tr><th scope="row">${name}</th><td class="num">${one}</td><td class="num">${two}</td></tr>`;
  return html`<section class="trial-card" aria-label="Trial of ${plugin.name} ${plugin.version}">
    <div class="title"><h3>Trial of ${plugin.name} ${plugin.version}</h3><${Badge} tone=${tone}>${it.judgement}<//></div>
    <p class="small">Step ${it.step} of ${it.steps}: it gets ${it.share} % of the calls.</p>
    <progress max=${it.steps} value=${done} aria-label="Step ${it.step} of ${it.steps}"></progress>
    <div class="scroll"><table><thead><tr><th scope="col">Of this step</th><th scope="col" class="num">${it.stable}</th><th scope="col" class="num">${plugin.name}@${plugin.version}</th></tr></thead><tbody>
      ${line("Calls", count(it.stable_calls), count(it.calls))}
      ${line("Failed", percent(it.stable_errors, it.stable_calls), percent(it.errors, it.calls))}
      ${line("Input refused", percent(it.stable_refusals, it.stable_calls), percent(it.refusals, it.calls))}
      ${line("Time, p95", ms(it.stable_latency_ms), ms(it.latency_ms))}
    </tbody></table></div>
  </section>`;
}

function Provider({ plugin, share, weight }) {
  const row = figures.value?.rows.get(keyOf(plugin));
  const state = row?.state || plugin.state;
  const cut = state === "breaker-open";
  return html`<li><span><a href="#/plugins/${encodeURIComponent(plugin.name)}">${plugin.name}</a> <span class="muted">${plugin.version}</span> <${State} of=${state} /></span>
    <span class="actions"><span class="muted small">${rate(row?.rate)} /s${share === null ? "" : ` · ${share.toFixed(0)} %`}${weight === undefined ? "" : ` · weight ${weight}`}</span>
    <${Act} plain path=${pluginPath(plugin.name, "breaker")} ask=${breaker(plugin.name, cut ? "closed" : "open")}>${cut ? "Reset" : "Cut"}<//></span></li>`;
}

function Weights({ of, plugins }) {
  const names = [...new Set(plugins.map((plugin) => plugin.name))];
  // What was typed over those in force.
  const [typed, set] = useState({});
  const weights = Object.fromEntries(names.map((name) => [name, typed[name] ?? of.weights?.[name] ?? 0]));
  const key = `${of.kind}:${of.name}`;
  return html`<details><summary class="small">Change weights</summary><div class="filter">
    ${names.map((name) => html`<label>${name}<input type="number" min="0" max="10000" value=${weights[name]} onInput=${(event) => set({ ...typed, [name]: Number(event.currentTarget.value) })} /></label>`)}
    <${Act} path=${weightsPath(key)} ask=${weigh(key, weights)}>Change…<//></div></details>`;
}

function Capability({ of }) {
  const key = `${of.kind}:${of.name}`;
  const at = status.value;
  // The same label may be that of the stable version and of the one on trial.
  const plugins = [...new Set(of.providers)].flatMap((label) => at.plugins.filter((plugin) => `${plugin.name}@${plugin.version}` === label && plugin.capabilities.includes(key)));
  const rates = plugins.map((plugin) => figures.value?.rows.get(keyOf(plugin))?.rate || 0);
  const all = rates.reduce((sum, it) => sum + it, 0);
  const share = (i) => (plugins.length < 2 || !all ? null : (100 * rates[i]) / all);
  const trials = plugins.filter((plugin) => plugin.trial);
  return html`<li class="capability" aria-label=${key}>
    <div><h3 class="mono">${of.name} ${of.strategy && html`<${Badge} tone=${of.strategy === "canary" ? "trial" : ""}>${of.strategy}<//>`}</h3>
      ${of.description && html`<p class="small muted break">${of.description}</p>`}
      ${of.media_types.length > 0 && html`<${Tags} of=${of.media_types} />`}</div>
    <div class="stack"><ul class="providers">${plugins.map((plugin, i) => html`<${Provider} key=${keyOf(plugin)} plugin=${plugin} share=${share(i)} weight=${of.weights?.[plugin.name]} />`)}</ul>
      ${all > 0 && plugins.length > 1 && html`<div class="meter" aria-hidden="true">${plugins.map((plugin, i) => html`<i class=${plugin.trial ? "trial" : ""} style=${{ width: `${share(i)}%`, opacity: plugin.trial ? 1 : 1 - i * 0.25 }}></i>`)}</div>`}
      ${of.strategy === "split" && html`<${Weights} of=${of} plugins=${plugins} />`}
      ${trials.map((plugin) => html`<${Trial} of=${plugin} />`)}</div>
  </li>`;
}

export function Capabilities() {
  const [has, field] = useFind("Find capabilities", "Kind, name or plugin");
  const head = () => html`<${Head} title="Capabilities" lead="What callers ask for, and the plugins that answer." cli="capabilities" />`;
  return ready(head, (at) => {
    const found = at.capabilities.filter((it) => has(`${it.kind}:${it.name}`, ...it.providers));
    const kinds = [...new Set(found.map((it) => it.kind))];
    return html`<div class="filter">${field}</div>
      ${kinds.length === 0 && html`<section class="card"><${Empty} title=${at.capabilities.length ? "No capability matches" : "No capability"}>${at.capabilities.length ? "Change the search." : "Plugins in the folder offer them."}<//></section>`}
      ${kinds.map((kind) => {
        const of = found.filter((it) => it.kind === kind);
        return html`<section class="card flush"><div class="title"><h2>${kind}</h2><span class="small muted">${of.length}</span></div><ul>${of.slice(0, 100).map((it) => html`<${Capability} key=${it.name} of=${it} />`)}</ul>
          ${of.length > 100 && html`<p class="empty">${of.length - 100} more: narrow the search.</p>`}</section>`;
      })}`;
  });
}
