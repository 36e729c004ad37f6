// The generations that can be rolled back to, the newest first, with what each changed.
import { Act, Changes, differences, resume, reload, rollback } from "../actions.js";
import { Ago, Badge, Empty, Head, html, ready } from "../parts.js";
import { events } from "../store.js";
import { tone, word } from "./events.js";

function Step({ of, before, serves, previous }) {
  const changes = before ? differences(before.plugins, of.plugins) : [];
  const what = events.value.filter((event) => event.generation === of.generation && !event.remark && !["loaded", "published", "drained"].includes(event.outcome));
  return html`<li><div class="rail"><i class="dot ${serves ? "good" : ""}"></i></div>
    <article class="card" aria-label="Generation ${of.generation}">
      <div class="title"><h2>Generation ${of.generation} ${serves ? html`<${Badge} tone="good">serves<//>` : previous ? html`<${Badge}>the one before<//>` : ""}</h2><span class="small muted"><${Ago} at=${of.published_at} /></span></div>
      ${before ? html`<${Changes} of=${changes} none="The same versions: files of the same version, the configuration or limits changed." />` : html`<p class="muted">The oldest that the host keeps: ${of.plugins.length} plugins.</p>`}
      ${what.length > 0 && html`<p class="tags">${what.slice(0, 6).map((event) => html`<span title=${event.text}><${Badge} tone=${tone(event)}>${word(event)}<//></span>`)}${what.length > 6 && html`<span class="muted small">and ${what.length - 6} more</span>`}</p>`}
      ${of.plugins.length > 0 && html`<details><summary class="small muted">${of.plugins.length} plugins</summary><p class="tags">${of.plugins.slice(0, 300).map((label) => html`<span class="tag">${label}</span>`)}</p></details>`}
      ${!serves && html`<div><${Act} ask=${() => rollback(of)}>Roll back to this<//></div>`}
    </article></li>`;
}

export function Generations() {
  const head = (at) => html`<${Head} title="Generations" lead="Each is one complete set of plugins, routes and configuration, published at once." cli="generations">
    ${at?.pinned ? html`<${Act} ask=${resume}>Apply changes again<//>` : html`<${Act} ask=${reload}>Reload<//>`}<//>`;
  return ready(head, (at) => {
    const steps = [...at.history].reverse();
    return html`${at.pinned && html`<div class="note warn" role="status"><span>Rolled back to generation ${at.pinned}: changes of files and configuration are held back until you apply them again.</span></div>`}
      ${steps.length ? html`<ol class="timeline">${steps.map((it, i) => html`<${Step} key=${it.generation} of=${it} before=${steps[i + 1]} serves=${i === 0} previous=${it.generation === at.previous} />`)}</ol>` : html`<section class="card"><${Empty} title="No generation is kept">The setting <code>host.history</code> says how many.<//></section>`}`;
  });
}
