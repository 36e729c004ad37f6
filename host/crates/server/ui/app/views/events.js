// What happens, as it happens.
import { useState } from "../../vendor/hooks.js";
import { Badge, Clock, Empty, Head, html, useFind } from "../parts.js";
import { events, link } from "../store.js";

// The tone of each word.
const TONES = {};
for (const [tone, words] of [
  ["good", "loaded recovered healthy breaker-closed canary-promoted published watch-restored resumed certificate-reloaded"],
  ["bad", "rejected breaker-opened unhealthy crash-loop canary-rolled-back last-config certificate-refused"],
  ["trial", "canary-started canary-step canary-ended"],
  ["warn", "restarting breaker-half-open drain-deadline config-warning pending-restart watch-lost rolled-back noticed operator override-dropped overrides-file certificate-expiring"],
]) for (const word of words.split(" ")) TONES[word] = tone;

// The stable word: a refusal has that of its reason.
export const word = (event) => (event.outcome === "rejected" ? event.reason : event.outcome);
export const tone = (event) => TONES[event.outcome] || "";

export function EventRow({ of }) {
  if (of.remark) return html`<li class="event"><${Clock} at=${of.at} /><span><${Badge} tone="warn">note<//></span><span>${of.remark}</span></li>`;
  return html`<li class="event"><${Clock} at=${of.at} /><span><${Badge} tone=${tone(of)}>${word(of)}<//></span><span>${of.text}</span></li>`;
}

export function Events() {
  const [has, field] = useFind("Find events", "Word, plugin or file");
  const [only, setOnly] = useState(false);
  const [held, setHeld] = useState(null);
  const [more, setMore] = useState(100);
  const all = held || events.value;
  const found = all.filter((event) => (!only || ["bad", "warn"].includes(tone(event))) && has(event.remark || word(event), event.text));
  const missed = held ? events.value.indexOf(held[0]) : 0;
  return html`<${Head} title="Events" lead="The host keeps the latest 256, and this page the latest 1,000 that it has seen." cli="events" />
    <div class="filter">
      ${field}
      <button aria-pressed=${only} onClick=${() => setOnly(!only)}>Troubles only</button>
      <button aria-pressed=${!!held} onClick=${() => setHeld(held ? null : events.value)}>${held ? `Resume${missed > 0 ? `, ${missed} new` : ""}` : "Pause"}</button>
    </div>
    <section class="card flush">
      ${found.length ? html`<ul>${found.slice(0, more).map((event) => html`<${EventRow} key=${event.key} of=${event} />`)}</ul>` : html`<${Empty} title=${all.length ? "No event matches" : "Nothing happened yet"}>${all.length ? "Change the filter to see the others." : link.value.state === "live" ? "Drop a file into the plugin folder, or save the configuration." : "Events appear once the host answers."}<//>`}
    </section>
    ${found.length > more && html`<button onClick=${() => setMore(more + 200)}>Show more, ${found.length - more} are hidden</button>`}`;
}
