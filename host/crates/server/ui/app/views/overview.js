// The host in one look: whether all is well, how much it does, and what needs attention.
import { Act, reload, resume } from "../actions.js";
import { base, bytes, count, percent, rate, seconds } from "../format.js";
import { Ago, Badge, Chart, Empty, Head, html, isBad, Legend, ready, Spark, State, Tile } from "../parts.js";
import { events, figures } from "../store.js";
import { EventRow } from "./events.js";

const RATES = [{ label: "calls/s", tone: "accent", area: true }, { label: "failed/s", tone: "bad" }];
const TIMES = [{ label: "p99", tone: "trial" }, { label: "p50", tone: "accent" }];

// Everything that an operator should know of, worst first: {tone, what, why, href}.
export function concerns(now) {
  const found = [];
  const add = (tone, what, why, href) => found.push({ tone, what, why, href });
  for (const it of now.plugins) if (isBad(it.state)) add("bad", `${it.name} ${it.version}`, it.health.last_error || "It fails its calls and gets none for a while.", `#/plugins/${it.name}`);
  for (const it of now.rejected) add("bad", base(it.source), `${it.reason}: ${it.message}`, "#/rejected");
  if (now.pinned) add("warn", `Rolled back to generation ${now.pinned}`, "Changes of files and configuration are held back.", "#/generations");
  if (now.watch_error) add("warn", "Files are not watched", now.watch_error, "#/events");
  for (const it of now.warnings) add("warn", it.key, it.message, "#/rejected");
  for (const it of now.pending_restart) add("warn", it.key || String(it), "This setting takes effect after a restart.", "#/rejected");
  for (const it of now.draining) add("warn", it.plugin, `Retired, and ${it.leases + it.others} calls are still in flight.`, "#/plugins");
  return found;
}

function Verdict({ of, preparing }) {
  const bad = of.filter(({ tone }) => tone === "bad").length;
  const [tone, text] = bad ? ["bad", `${bad} ${bad === 1 ? "thing needs" : "things need"} your attention`] : of.length ? ["warn", "It serves, with remarks"] : ["good", "All is well"];
  return html`<span class="verdict"><i class="dot ${tone}"></i>${text}${preparing > 0 && html`<${Badge}>preparing ${preparing}<//>`}</span>`;
}

export function Overview() {
  const head = (at) => {
    const lead = at && html`Generation ${at.generation}, published <${Ago} at=${at.published_at} />`;
    return html`<${Head} title=${at ? html`<${Verdict} of=${concerns(at)} preparing=${at.preparing.length} />` : "Overview"} lead=${lead} cli="overview">
      ${at?.pinned && html`<${Act} ask=${resume}>Apply changes again<//>`}<${Act} ask=${reload}>Reload<//><//>`;
  };
  return ready(head, (at) => html`<${Look} at=${at} />`);
}

function Look({ at }) {
  const live = figures.value;
  const total = live?.total;
  const problems = concerns(at);
  const names = new Set(at.plugins.map((plugin) => plugin.name));
  const history = live?.history || [];
  const column = (name) => history.map((sample) => sample[name]);
  const times = column("at");
  const busy = [...(live?.rows.values() || [])].filter((row) => row.calls > 0).sort((a, b) => b.rate - a.rate || b.calls - a.calls).slice(0, 6);
  const share = total?.rate ? total.errors / total.rate : 0;
  return html`
    <div class="tiles">
      <${Tile} label="Calls" value=${total ? rate(total.rate) : "–"} unit="/s" note=${total && `${count(total.calls)} so far`} />
      <${Tile} label="Failed" value=${total ? percent(total.errors, total.rate) : "–"} tone=${share > 0.01 ? "bad" : ""} note=${total && `${count(total.failed)} so far`} />
      <${Tile} label="Time, p50" value=${seconds(total?.p50)} note="of the last 30 s" />
      <${Tile} label="Time, p99" value=${seconds(total?.p99)} note="of the last 30 s" />
      <${Tile} label="Memory" value=${total ? bytes(total.memory) : "–"} note=${total && `${count(total.instances)} instances`} />
      <${Tile} label="Plugins" value=${names.size} href="#/plugins" note=${`${at.capabilities.length} capabilities`} />
      <${Tile} label="Refused" value=${at.rejected.length} href="#/rejected" tone=${at.rejected.length ? "bad" : ""} note=${at.rejected.length ? "see why" : "nothing"} />
    </div>
    ${problems.length > 0 && html`<section class="card flush"><h2>Needs attention</h2><ul class="list">
      ${problems.slice(0, 6).map((it) => html`<li><a href=${it.href} class="break"><b>${it.what}</b></a><${Badge} tone=${it.tone}>${it.tone === "bad" ? "act" : "note"}<//><span class="small muted break">${it.why.split("\n")[0]}</span></li>`)}
      ${problems.length > 6 && html`<li><a href="#/rejected">${problems.length - 6} more</a></li>`}
    </ul></section>`}
    <div class="grid">
      <section class="card"><div class="title"><h2>Calls per second</h2><${Legend} of=${RATES} /></div><${Chart} label="Calls per second" series=${RATES} value=${rate} data=${[times, column("rate"), column("errors")]} /></section>
      <section class="card"><div class="title"><h2>Time of a call</h2><${Legend} of=${TIMES} /></div><${Chart} label="Time of a call" series=${TIMES} value=${seconds} least=${0.001} data=${[times, column("p99"), column("p50")]} /></section>
    </div>
    <div class="grid">
      <section class="card flush"><h2>Busiest plugins</h2>
        ${busy.length ? html`<table class="rows"><tbody>${busy.map((row) => html`<tr key=${row.name + row.version}><td class="name"><a href="#/plugins/${row.name}">${row.name}</a></td><td class="mid"><${State} of=${row.state} /></td><td class="num"><span class="figure"><${Spark} of=${row.spark} />${rate(row.rate)} /s</span></td></tr>`)}</tbody></table>` : html`<${Empty} title="No call yet">Plugins appear here once they are called.<//>`}
      </section>
      <section class="card flush brief"><div class="title"><h2>Latest events</h2><a class="small" href="#/events">All events</a></div>
        ${events.value.length ? html`<ul>${events.value.slice(0, 6).map((event) => html`<${EventRow} key=${event.key} of=${event} />`)}</ul>` : html`<${Empty} title="Nothing happened yet">Events appear here as they happen.<//>`}
      </section>
    </div>`;
}
