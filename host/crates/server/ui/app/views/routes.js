// The routes of the data plane, and a tester that sends a request through them.
import { useEffect, useState } from "../../vendor/hooks.js";
import { has, post } from "../api.js";
import { bytes } from "../format.js";
import { Badge, Cli, Empty, Failure, Head, html, ready, Tags } from "../parts.js";
import { mayAct, whyNot } from "../store.js";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
const PATH = "/v1/routes/test";

function Answer({ of }) {
  const tone = of.status < 400 ? "good" : "bad";
  return html`<div class="card" role="status">
    <div class="title"><h3>Answer</h3><span class="actions"><${Badge} tone=${tone}>${of.status}<//><span class="small muted">${of.took_ms.toFixed(1)} ms · ${bytes(of.size)}</span></span></div>
    <details><summary class="small muted">${of.headers.length} header fields</summary><pre>${of.headers.map(({ name, value }) => `${name}: ${value}`).join("\n")}</pre></details>
    <pre>${of.body || "(no body)"}</pre>
    ${of.size > 65536 && html`<p class="small muted">Only the first 64 KiB are shown.</p>`}
  </div>`;
}

function Tester({ trial, set }) {
  const [state, setState] = useState({});
  const [offered, setOffered] = useState(true);
  useEffect(() => void has(PATH).then(setOffered), [mayAct.value]);
  const send = async (event) => {
    event.preventDefault();
    setState({ busy: true });
    try {
      const headers = trial.type ? [{ name: "content-type", value: trial.type }] : [];
      setState({ answer: await post(PATH, { method: trial.method, path: trial.path, headers, body: trial.body }) });
    } catch (problem) {
      setState({ problem });
    }
  };
  const field = (name) => ({ value: trial[name], onInput: (event) => set({ ...trial, [name]: event.currentTarget.value }) });
  return html`<section class="card"><h2>Try a request</h2>
    <p class="small muted">It goes through the data plane as a client's would: a plugin is called, and what it does is real.</p>
    <form class="stack" onSubmit=${send}>
      <div class="fields"><label>Method<select ...${field("method")}>${METHODS.map((name) => html`<option>${name}</option>`)}</select></label>
      <label class="grow">Path<input required pattern="/.*" placeholder="/hello/Ada" ...${field("path")} /></label>
      <label>Content type<input placeholder="application/json" ...${field("type")} /></label></div>
      <label>Body<textarea ...${field("body")}></textarea></label>
      <div class="actions"><button class="primary" disabled=${!offered || !mayAct.value || state.busy} title=${whyNot.value}>${state.busy ? "Sending…" : "Send"}</button>
      ${!offered && html`<span class="small muted">This host has no tester: send the request with <code>curl</code>.</span>`}
      ${trial.handler && html`<${Cli} of="routes" args=${{ capability: `handler:${trial.handler}`, method: trial.method, path: trial.path }} />`}</div>
    </form>
    ${state.problem && html`<${Failure} problem=${state.problem} />`}
    ${state.answer && html`<${Answer} of=${state.answer} />`}
  </section>`;
}

export function Routes() {
  const [trial, set] = useState({ method: "GET", path: "/", type: "", body: "", handler: "" });
  const head = () => html`<${Head} title="Routes" lead="Paths of the data plane, and the handlers that answer them." cli="overview" />`;
  const choose = (route) => {
    set({ ...trial, method: route.methods[0] || "GET", path: route.path.replace(/\{\*?(\w+)\}/g, "$1"), handler: route.handler });
    document.getElementById("tester").scrollIntoView({ block: "nearest" });
  };
  return ready(head, (at) => html`<section class="card flush">${at.routes.length ? html`<div class="scroll"><table class="rows" aria-label="Routes">
      <thead><tr><th scope="col">Path</th><th scope="col">Methods</th><th scope="col">Handler</th><th scope="col" class="mid">From</th><td></td></tr></thead>
      <tbody>${at.routes.map((route) => html`<tr>
        <td class="mono break">${route.path}</td>
        <td><${Tags} of=${route.methods.length ? route.methods : ["any"]} /></td>
        <td>${route.handler} ${!route.serves && html`<${Badge} tone="bad">${route.state === "unknown" ? "no such handler" : route.state}<//>`}</td>
        <td class="mid muted">${route.origin.replace("plugin:", "plugin ")}</td>
        <td class="num"><button class="plain" onClick=${() => choose(route)} aria-label="Try ${route.path}">Try</button></td></tr>`)}</tbody></table></div>` : html`<${Empty} title="No route">A handler plugin suggests its routes, or <code>[[routes]]</code> in the configuration names them.<//>`}</section>
    <div id="tester"><${Tester} trial=${trial} set=${set} /></div>`);
}
