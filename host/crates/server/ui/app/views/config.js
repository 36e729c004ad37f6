// The configuration in force, read only, with where each value comes from.
import { useState } from "../../vendor/hooks.js";
import { Badge, Empty, Failure, Head, html, Loading, useFind, useLoad } from "../parts.js";
import { status } from "../store.js";

// Where a value comes from, in words.
function origin({ from, path, line, variable, key, by, number }) {
  return { file: `${path}:${line}`, environment: variable, flag: `--set ${key}`, operator: `operator ${by}`, generation: `generation ${number}` }[from] || from;
}

const written = (value) => (typeof value === "string" ? value : JSON.stringify(value));

export function Config() {
  const [has, field] = useFind("Find settings", "Key or value");
  const [own, setOwn] = useState(false);
  const { data, problem, loading, again } = useLoad("/v1/config", { deps: [status.value?.generation] });
  const head = html`<${Head} title="Configuration" lead="As it is in force. Change the file: the host applies it when you save it." cli="config" />`;
  if (loading) return html`${head}<${Loading} />`;
  if (!data && problem?.status === 404) return html`${head}<section class="card"><${Empty} title="Not shown here">This version of the host does not answer its configuration; the command above does.<//></section>`;
  if (!data) return html`${head}<${Failure} problem=${problem} again=${again} />`;
  const all = data.values.map((it) => ({ ...it, origin: origin(it.origin) }));
  const found = all.filter((it) => (!own || it.origin !== "default") && has(it.key, written(it.value)));
  return html`${head}
    <div class="filter">${field}
      <button aria-pressed=${own} onClick=${() => setOwn(!own)}>Without defaults</button></div>
    <section class="card flush">${found.length ? html`<div class="scroll"><table aria-label="Settings">
      <thead><tr><th scope="col">Key</th><th scope="col">Value</th><th scope="col" class="mid">From</th></tr></thead>
      <tbody>${found.slice(0, 500).map((it) => html`<tr key=${it.key}><td class="mono break">${it.key}</td><td class="mono break">${written(it.value)}</td><td class="mid">${it.origin === "default" ? html`<span class="muted">default</span>` : html`<${Badge}>${it.origin}<//>`}</td></tr>`)}</tbody></table></div>
      ${found.length > 500 && html`<p class="empty">${found.length - 500} more: narrow the search.</p>`}` : html`<${Empty} title="No setting matches">Change the search: there are ${all.length}.<//>`}</section>`;
}
