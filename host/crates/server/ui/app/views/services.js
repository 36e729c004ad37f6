// The services of the host's directory: their endpoints, how well each is, since when, and why not.
import { age } from "../format.js";
import { Ago, Badge, Empty, Failure, Head, html, Loading, Rows, Tags, useFind, useLoad } from "../parts.js";
import { now } from "../store.js";

const TONES = { passing: "good", warning: "warn", critical: "bad" };
const COLUMNS = ["Service", "Address", "Health", "Since", "Tags", "Last error"];

export function Services() {
  const [has, field] = useFind("Find services", "Service, address, health or tag");
  const { data, problem, loading, again, at } = useLoad("/v1/services", { every: 2000 });
  const found = data?.endpoints.filter((it) => has(it.name, it.address, it.health, ...it.tags));
  const row = (it, index) => html`<tr key=${it.id} aria-rowindex=${index}>
    <td class="name">${it.name}</td>
    <td class="mono">${it.address}</td>
    <td><${Badge} tone=${TONES[it.health]}>${it.health}<//> ${it.retained && html`<${Badge} tone="warn">expired<//>`}</td>
    <td class="mid muted"><${Ago} at=${it.since} /></td>
    <td class="wide"><${Tags} of=${it.tags} /></td>
    <td class="muted">${it.error}</td></tr>`;
  return html`<${Head} title="Services" lead="The endpoints in the directory of this host." cli="services" args=${{ directory: data?.directory || "http://127.0.0.1:7072" }} />
    ${problem && html`<${Failure} problem=${problem} again=${again}>${data && `What you see is ${age(now.value - at)} old.`}<//>`}
    ${loading && html`<${Loading} />`}
    ${data && html`<div class="filter">${field}</div><section class="card flush">
      ${found.length ? html`<${Rows} label="Services" of=${found} row=${row} columns=${COLUMNS} />` : html`<${Empty} title=${data.total ? "No endpoint matches" : data.directory ? "No service" : "No directory"}>${data.total ? "Change the search." : data.directory ? "Processes register at the directory." : html`<code>[discovery] enabled = true</code> in the configuration starts one.`}<//>`}
      ${data.total > data.endpoints.length && html`<p class="empty">${data.total - data.endpoints.length} more are not shown.</p>`}</section>`}`;
}
