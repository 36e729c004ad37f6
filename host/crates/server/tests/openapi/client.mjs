// Uses the admin plane by the types that openapi-typescript generates from the document: the compiler of TypeScript checks
// this file against them, and then it runs against a host.
import assert from "node:assert/strict";
import { env } from "node:process";
import createClient from "openapi-fetch";

/** @typedef {import("@plugbay/admin").paths} paths */
/** @type {typeof createClient<paths>} */
const create = createClient;
const admin = create({ baseUrl: env.ADMIN, headers: { authorization: `Bearer ${env.TOKEN}` } });

async function names() {
  const { data, error } = await admin.GET("/v1/plugins");
  assert(data, JSON.stringify(error));
  return data.plugins.map((plugin) => plugin.name);
}

/** @param {string} name @param {boolean} dry_run */
async function disable(name, dry_run) {
  const { data, error } = await admin.POST("/v1/plugins/{name}/disable", { params: { path: { name }, query: { dry_run } } });
  assert(data && "change" in data, JSON.stringify(error ?? data));
  return data;
}

assert((await names()).includes("hello"));
const preview = await disable("hello", true);
assert(preview.dry_run && preview.change.capabilities_removed.includes("handler:hello"));
assert((await names()).includes("hello"), "a dry run changes nothing");

assert.equal((await disable("hello", false)).published, true);
assert(!(await names()).includes("hello"));
const status = await admin.GET("/v1/status");
const [override] = status.data?.overrides ?? [];
assert.deepEqual([override?.on, override?.switch, override?.by], ["hello", "disabled", "ada"]);

const enabled = await admin.POST("/v1/plugins/{name}/enable", { params: { path: { name: "hello" } } });
assert(enabled.data && "change" in enabled.data && enabled.data.published);
assert((await names()).includes("hello"));

const generations = await admin.GET("/v1/generations");
const acts = (generations.data?.events ?? []).flatMap((event) => (event.outcome === "operator" ? [event.action] : []));
assert.deepEqual(acts, ["disable", "enable"]);

const missing = await admin.POST("/v1/plugins/{name}/disable", { params: { path: { name: "nobody" } } });
assert.equal(missing.response.status, 404);
assert.equal(missing.error?.code, "not-found");
const stranger = await create({ baseUrl: env.ADMIN }).GET("/v1/plugins");
assert.deepEqual([stranger.response.status, stranger.error?.code], [401, "unauthenticated"]);

// @ts-expect-error there is no such path
assert.equal((await admin.GET("/v1/plugin")).response.status, 404);
