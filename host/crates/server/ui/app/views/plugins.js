// All plugins that serve, with their figures; and those that still drain.
import { useState } from "../../vendor/hooks.js";
import { Act, enable, pluginPath } from "../actions.js";
import { bytes, count, rate, seconds } from "../format.js";
import { Ago, Badge, Empty, Head, html, isBad, ready, Rows, Spark, State, useFind } from "../parts.js";
import { figures, keyOf } from "../store.js";

const COLUMNS = [
  ["name", "Plugin", ""],
  ["version", "Version", "mid"],
  ["state", "State", ""],
  ["form", "Form", "wide"],
  ["capabilities", "Capabilities", "wide"],
  ["rate", "Calls/s", "num"],
  ["failed", "Failed", "num mid"],
  ["p99", "p99", "num mid"],
  ["memory", "Memory", "num wide"],
];

function value(plugin, row, by) {
  if (by === "state") return isBad(plugin.state) ? `0${plugin.state}` : plugin.state;
  if (by === "capabilities") return plugin.capabilities.join(" ");
  return plugin[by] ?? row?.[by] ?? 0;
}

export function Plugins() {
  const head = (at) => html`<${Head} title="Plugins" lead=${at && `of generation ${at.generation}`} cli="plugins" />`;
  return ready(head, (at) => html`<${List} at=${at} />`);
}

function List({ at }) {
  const [has, field] = useFind("Find plugins", "Name, capability or description");
  const [only, setOnly] = useState("all");
  const [order, setOrder] = useState(["name", 1]);
  const rows = figures.value?.rows;
  const troubled = at.plugins.filter((plugin) => isBad(plugin.state)).length;
  const trials = at.plugins.filter((plugin) => plugin.trial).length;
  const found = at.plugins.filter(
    (plugin) =>
      (only === "all" || (only === "bad" ? isBad(plugin.state) : plugin.trial)) &&
      has(plugin.name, ...plugin.capabilities, plugin.description),
  );
  const [by, direction] = order;
  const keyed = found.map((plugin) => [plugin, rows?.get(keyOf(plugin))]);
  keyed.sort(([a, x], [b, y]) => {
    const [one, two] = [value(a, x, by), value(b, y, by)];
    return direction * (one < two ? -1 : one > two ? 1 : 0) || (a.name < b.name ? -1 : 1);
  });
  const sort = (name) => setOrder([name, by === name ? -direction : name === "name" || name === "state" ? 1 : -1]);
  const choose = (name, label, n) => html`<button aria-pressed=${only === name} onClick=${() => setOnly(name)}>${label} ${n}</button>`;
  const columns = COLUMNS.map(
    ([name, label, cls]) =>
      html`<th class=${cls} scope="col" aria-sort=${by === name ? (direction > 0 ? "ascending" : "descending") : undefined}><button onClick=${() => sort(name)}>${label}${by === name ? (direction > 0 ? " ↑" : " ↓") : ""}</button></th>`,
  );
  const row = ([plugin, live], index) => html`<tr key=${keyOf(plugin)} aria-rowindex=${index}>
    <td class="name"><a href="#/plugins/${encodeURIComponent(plugin.name)}" title=${plugin.description}>${plugin.name}</a></td>
    <td class="mid muted">${plugin.version}</td>
    <td><${State} of=${live?.state || plugin.state} /></td>
    <td class="wide muted">${plugin.form}</td>
    <td class="wide"><span class="tags">${plugin.capabilities.slice(0, 2).map((it) => html`<span class="tag">${it}</span>`)}${plugin.capabilities.length > 2 && html`<span class="muted small">+${plugin.capabilities.length - 2}</span>`}</span></td>
    <td class="num"><span class="figure"><${Spark} of=${live?.spark} />${rate(live?.rate)}</span></td>
    <td class="num mid ${live?.errors > 0 ? "" : "muted"}">${count(live?.failed || 0)}</td>
    <td class="num mid">${seconds(live?.p99)}</td>
    <td class="num wide">${bytes(live?.memory || 0)}</td>
  </tr>`;
  const disabled = (at.overrides || []).filter((it) => it.switch === "disabled");
  return html`<div class="filter">
      ${field}
      ${choose("all", "All", at.plugins.length)}${choose("bad", "In trouble", troubled)}${choose("trial", "On trial", trials)}
      <span class="muted small" role="status">${found.length === at.plugins.length ? "" : `${found.length} shown`}</span>
    </div>
    <section class="card flush">
      ${found.length ? html`<${Rows} label="Plugins" of=${keyed} row=${row} columns=${columns} />` : at.plugins.length ? html`<${Empty} title="No plugin matches">Change the filter: ${at.plugins.length} plugins serve.<//>` : html`<${Empty} title="No plugin serves">Drop a <code>.wasm</code> file into the plugin folder, and it appears here.<//>`}
    </section>
    ${at.draining.length > 0 && html`<section class="card flush"><h2>Draining</h2><ul class="list">${at.draining.map((it) => html`<li><span>${it.plugin}</span><${Badge} tone="warn">${it.leases + it.others} in flight<//><span class="small muted">Retired: it ends when its calls have.</span></li>`)}</ul></section>`}
    ${disabled.length > 0 && html`<section class="card flush"><h2>Disabled by an operator</h2><ul class="list">${disabled.map(({ on, by, since }) => html`<li><span><b>${on}</b> <span class="muted small">by ${by}, <${Ago} at=${since} /></span></span><${Act} path=${pluginPath(on, "enable")} ask=${enable(on)}>Enable<//></li>`)}</ul></section>`}`;
}
