// What was refused, and why: files, plugins, conflicts and configurations; and settings without effect.
import { Act, reload } from "../actions.js";
import { base, digest } from "../format.js";
import { Ago, Badge, Empty, Head, html, ready } from "../parts.js";
import { status } from "../store.js";

const CONFLICT = /conflict|clash|duplicate|taken/;

function Refused({ of }) {
  const serving = of.plugin && status.value.plugins.find((plugin) => plugin.name === of.plugin && !plugin.trial);
  return html`<li class="card">
    <div class="title"><h2 class="break" title=${of.source}>${base(of.source)}</h2><span class="actions">${CONFLICT.test(of.reason) && html`<${Badge} tone="warn">conflict<//>`}<${Badge} tone="bad">${of.reason}<//></span></div>
    <p class="break">${of.message}</p>
    ${of.hint && html`<p class="break"><b>What to do:</b> ${of.hint}</p>`}
    <p class="small muted break">${base(of.source) !== of.source && html`<span class="mono">${of.source}</span>, `}refused since <${Ago} at=${of.since} />.
      ${of.plugin && html` Plugin <a href="#/plugins/${encodeURIComponent(of.plugin)}">${of.plugin}</a>${serving ? `, of which ${serving.version} keeps serving` : ""}.`}
      ${of.digest && html` <span class="mono" title=${of.digest}>${digest(of.digest)}</span>`}</p>
  </li>`;
}

const Remarks = ({ title, of, children }) => of.length > 0 && html`<section class="card flush"><h2>${title}</h2><ul class="list">${of.map(children)}</ul></section>`;

export function Rejected() {
  const head = () => html`<${Head} title="Refused" lead="What the folder and the configuration ask for and the host does not serve. What served before keeps serving." cli="rejected"><${Act} ask=${reload}>Try again<//><//>`;
  return ready(head, (at) => {
    const nothing = !at.rejected.length && !at.warnings.length && !at.pending_restart.length;
    return html`${nothing && html`<section class="card"><${Empty} title="Nothing is refused">Every file of the folder and every line of the configuration is in force.<//></section>`}
      ${at.rejected.length > 0 && html`<ul class="stack">${at.rejected.map((it) => html`<${Refused} key=${it.source} of=${it} />`)}</ul>`}
      <${Remarks} title="Settings without effect" of=${at.warnings}>${(it) => html`<li><code>${it.key}</code><${Badge} tone="warn">no effect<//><span class="small break">${it.message}</span></li>`}<//>
      <${Remarks} title="In force after a restart" of=${at.pending_restart}>${(it) => html`<li><code>${it.key || String(it)}</code><${Badge} tone="warn">restart<//></li>`}<//>`;
  });
}
