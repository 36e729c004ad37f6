// One plugin: what it is, what it may do, how it does, and what it says.
import { useEffect, useRef, useState } from "../../vendor/hooks.js";
import { Act, breaker, disable, drain, enable, pluginPath, restart } from "../actions.js";
import { get } from "../api.js";
import { base, bytes, count, date, digest, duration, percent, rate, seconds } from "../format.js";
import { Ago, Badge, Chart, Clock, Empty, Fact, Failure, Head, html, Loading, State, Tags, Tile, useLoad } from "../parts.js";
import { events, figures, keyOf, status } from "../store.js";
import { Trial } from "./capabilities.js";
import { EventRow, tone } from "./events.js";

const RATES = [{ label: "calls/s", tone: "accent", area: true }];
const LIMITS = { memory: bytes, total_memory: bytes, output: bytes, recycle_memory: bytes, cpu: duration, deadline: duration, init: duration };

function Grants({ of }) {
  const name = (grant) => (typeof grant === "string" ? grant : JSON.stringify(grant));
  const [asked, given] = [of.requested.map(name), of.granted.map(name)];
  const all = [...new Set([...asked, ...given])];
  return html`<section class="card flush"><h2>Grants</h2>${all.length ? html`<table aria-label="Grants"><thead><tr><th scope="col">Grant</th><th scope="col">It asks for it</th><th scope="col">The configuration gives it</th></tr></thead>
    <tbody>${all.map((it) => html`<tr><td class="mono">${it}</td><td>${asked.includes(it) ? "yes" : html`<span class="muted">no</span>`}</td><td>${given.includes(it) ? html`<${Badge} tone=${asked.includes(it) ? "good" : "warn"}>given<//>` : html`<${Badge} tone="bad">not given<//>`}</td></tr>`)}</tbody></table>` : html`<p class="muted inset">It asks for no file, machine, clock or variable, and is given none.</p>`}</section>`;
}

function Schema({ of }) {
  const properties = Object.entries(of?.properties || {});
  if (!properties.length) return html`<section class="card"><h2>Configuration</h2><p class="muted">It declares no settings.</p></section>`;
  const required = of.required || [];
  const type = (it) => [it?.type].flat().filter(Boolean).join(" or ") || (it?.enum ? it.enum.map((v) => JSON.stringify(v)).join(" | ") : "any");
  return html`<section class="card flush"><h2>${of.title || "Configuration"}</h2>
    <div class="scroll"><table aria-label="Settings that it declares"><tbody>${properties.map(([key, it]) => html`<tr><td><span class="mono break">${key}</span> ${required.includes(key) && html`<${Badge}>required<//>`}</td><td class="muted">${type(it)}</td><td class="break">${it?.title || it?.description || ""}${it?.default !== undefined && html` <span class="muted">default ${JSON.stringify(it.default)}</span>`}</td></tr>`)}</tbody></table></div></section>`;
}

function LogTail({ name }) {
  const [lines, set] = useState([]);
  const [problem, setProblem] = useState(null);
  const box = useRef(null);
  useEffect(() => {
    let [after, timer, gone] = [null, 0, false];
    const read = async () => {
      try {
        const part = await get(`/v1/logs?plugin=${encodeURIComponent(name)}&limit=200${after === null ? "" : `&after=${after}`}`);
        if (gone) return;
        // A smaller number is of another process, which counts from 1.
        after = after !== null && part.after < after ? null : part.after;
        setProblem(null);
        if (part.lines.length) set((old) => [...old, ...part.lines].slice(-400));
      } catch (failed) {
        if (gone) return;
        setProblem(failed);
        if (failed.status === 404) return;
      }
      timer = setTimeout(read, 2000);
    };
    read();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [name]);
  // Who reads further up is left there.
  const end = useRef(true);
  useEffect(() => {
    if (end.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines]);
  const scrolled = ({ currentTarget: it }) => (end.current = it.scrollHeight - it.scrollTop - it.clientHeight < 40);
  return html`<section class="card flush"><div class="title"><h2>Log</h2><span class="small muted">of the levels that the host logs</span></div>
    ${lines.length ? html`<ol class="log" ref=${box} onScroll=${scrolled} tabindex="0" aria-label="Log of ${name}">${lines.map((line) => html`<li key=${line.seq}><span class="muted"><${Clock} at=${line.at} /></span> <b class=${line.level}>${line.level}</b> ${line.message} <span class="muted">${line.fields}</span></li>`)}</ol>` : problem?.status === 404 ? html`<${Empty} title="Not kept">This program keeps no lines of its log.<//>` : html`<${Empty} title="No line yet">With <code>-v</code> the host also logs what plugins write at the level <code>info</code>.<//>`}
  </section>`;
}

function Version({ of }) {
  const live = figures.value?.rows.get(keyOf(of));
  const { stats, health, calls, policy } = of;
  const failed = Object.entries(calls.failed);
  const limits = Object.entries(policy).filter(([, value]) => typeof value !== "object" || "secs" in (value || {}));
  const history = live?.spark || [];
  const at = (figures.value?.at || 0) / 1000;
  const state = live?.state || of.state;
  return html`
    <div class="tiles">
      <${Tile} label="State" value=${html`<${State} of=${state} />`} note=${html`since <${Ago} at=${health.since} />`} />
      <${Tile} label="Calls" value=${rate(live?.rate)} unit="/s" note=${`${count(live?.calls ?? calls.answered)} so far`} />
      <${Tile} label="Failed" value=${percent(live?.failed ?? 0, live?.calls ?? 0)} tone=${live?.errors > 0 ? "bad" : ""} note=${failed.length ? failed.map(([why, n]) => `${count(n)} ${why}`).join(", ") : "none"} />
      <${Tile} label="Time, p99" value=${seconds(live?.p99)} note=${`p50 ${seconds(live?.p50)}, last 30 s`} />
      <${Tile} label="In flight" value=${count(live?.in_flight ?? of.leases)} note=${`${count(live?.waiting ?? 0)} wait for an instance`} />
      <${Tile} label="Memory" value=${bytes(live?.memory ?? stats.memory)} note=${`of ${bytes(policy.total_memory)}`} />
    </div>
    ${of.trial && html`<${Trial} of=${of} />`}
    <section class="card"><h2>Calls per second</h2><${Chart} label="Calls per second of ${of.name}" series=${RATES} value=${rate} data=${[history.map((_, i) => at - 2 * (history.length - 1 - i)), history]} /></section>
    <${of.trial ? "details" : "div"}>${of.trial && html`<summary class="small muted">What it is, how it runs, and what it may do</summary>`}<div class="grid">
      <section class="card"><h2>What it is</h2><dl class="facts">
        <${Fact} name="Version">${of.version}<//><${Fact} name="Form">${of.form}${of.isolation && `, ${of.isolation}`}<//>
        <${Fact} name="Source"><span title=${of.source}>${base(of.source)}</span><//><${Fact} name="Digest"><span class="mono" title=${of.digest}>${digest(of.digest)}</span>, ${bytes(of.size)}<//>
        <${Fact} name="Serves since">generation ${of.generation}, ${date(of.started_at)}<//>
        <${Fact} name="Offers"><${Tags} of=${of.capabilities} /><//>
        <${Fact} name="Routes"><${Tags} of=${of.routes.map((it) => `${it.methods.join(" ") || "any"} ${it.path}`)} /><//>
        <${Fact} name="Imports"><${Tags} of=${of.imports} /><//></dl></section>
      <section class="card"><h2>How it runs</h2><dl class="facts">
        <${Fact} name="Health">${health.healthy ? "healthy" : "unhealthy"}, ${count(health.checks)} checks${health.crash_loop ? `, crash loop after ${health.crash_loop} restarts` : ""}<//>
        <${Fact} name="Instances">${count(stats.instances)} now, ${count(stats.instantiations)} made, ${count(stats.discarded)} discarded<//>
        <${Fact} name="Peak memory">${bytes(stats.peak_memory || 0)}<//>
        <${Fact} name="CPU">${stats.cpu_seconds === undefined ? "unknown" : `${seconds(stats.cpu_seconds)} so far, ${(live?.cores || 0).toFixed(2)} cores now`}<//>
        <${Fact} name="Breaker">opens after ${policy.protection.breaker_failures} failures in a row<//>
        ${Object.entries(stats.limited || {}).map(([key, n]) => html`<${Fact} name="Limit ${key}">exceeded ${count(n)} times<//>`)}
        ${Object.entries(stats.denied || {}).map(([key, n]) => html`<${Fact} name="Denied ${key}">${count(n)} times<//>`)}
        ${stats.worker && html`<${Fact} name="Worker">${stats.worker.state}${stats.worker.pid ? `, process ${stats.worker.pid}` : ""} ${stats.worker.reason || ""}<//>`}</dl>
        <details><summary class="small muted">Limits</summary><dl class="facts">${limits.map(([key, value]) => html`<${Fact} name=${key}>${(LIMITS[key] || String)(value)}<//>`)}</dl></details></section>
      <${Grants} of=${of} /><${Schema} of=${of.config_schema} />
    </div><//>
    ${stats.metrics.length > 0 && html`<section class="card"><h2>What it counts itself</h2><dl class="facts">${stats.metrics.map((it) => html`<${Fact} name=${it.name}>${it.type === "histogram" ? `${count(it.count)} observed, ${it.sum} in all` : String(it.value)}${it.unit ? ` ${it.unit}` : ""}<//>`)}</dl></section>`}`;
}

export function Plugin({ name }) {
  const gone = status.value && !status.value.plugins.some((plugin) => plugin.name === name);
  const { data, problem, again } = useLoad(!gone && `/v1/plugins/${encodeURIComponent(name)}`, { every: 3000, deps: [status.value?.generation] });
  const refused = status.value?.rejected.filter((it) => it.plugin === name) || [];
  const about = events.value.filter((event) => !event.remark && (event.plugin?.replace(/@[^@]*$/, "") === name || event.on === name));
  const switched = (status.value?.overrides || []).find((it) => it.on === name);
  const errors = about.filter((event) => ["bad", "warn"].includes(tone(event)));
  const cut = data?.state === "breaker-open";
  return html`<p class="small"><a href="#/plugins">Plugins</a></p>
    <${Head} title=${name} lead=${!gone && data?.description} cli="plugin" args=${{ plugin: name }}>
      ${gone || (switched?.switch === "draining" || switched?.switch === "disabled") ? html`<${Act} path=${pluginPath(name, "enable")} ask=${enable(name)}>Enable<//>` : data && html`
        <${Act} path=${pluginPath(name, "restart")} ask=${restart(name)}>Restart<//>
        <${Act} path=${pluginPath(name, "breaker")} ask=${breaker(name, cut ? "closed" : "open")}>${cut ? "Reset the circuit" : "Cut the circuit"}<//>
        <${Act} path=${pluginPath(name, "drain")} ask=${drain(name)} danger>Drain<//>
        <${Act} path=${pluginPath(name, "disable")} ask=${disable(name)} danger>Disable<//>`}
    <//>
    ${switched && html`<div class="note warn" role="status"><span>An operator (${switched.by}) switched it: ${switched.switch}, <${Ago} at=${switched.since} />.</span></div>`}
    ${refused.map((it) => html`<div class="note bad" role="status"><span class="break"><b>${it.source} is refused: ${it.reason}.</b> ${it.message} ${it.hint}</span><a href="#/rejected">Details</a></div>`)}
    ${gone ? html`<section class="card"><${Empty} title="It does not run">No plugin of this name serves. <a href="#/rejected">Refused</a> may say why.<//></section>` : !data ? (problem ? html`<${Failure} problem=${problem} again=${again} />` : html`<${Loading} />`) : html`
      ${data.canary && html`<h2>On trial: ${data.canary.version}</h2><${Version} of=${data.canary} /><h2>Stable: ${data.version}</h2>`}
      <${Version} of=${{ ...data, canary: undefined }} />`}
    ${(errors.length > 0 || data?.health?.last_error) && html`<section class="card flush"><h2>Latest errors</h2><ul>
      ${data?.health?.last_error && html`<li class="event"><${Clock} at=${data.health.since} /><span><${Badge} tone="bad">health<//></span><span>${data.health.last_error}</span></li>`}
      ${errors.slice(0, 10).map((event) => html`<${EventRow} key=${event.key} of=${event} />`)}</ul></section>`}
    <${LogTail} name=${name} />
    ${about.length > 0 && html`<section class="card flush"><h2>Its events</h2><ul>${about.slice(0, 20).map((event) => html`<${EventRow} key=${event.key} of=${event} />`)}</ul></section>`}`;
}
