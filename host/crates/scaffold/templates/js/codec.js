// A list of texts, one on each line.

import { fromUtf8, invalidInput, plugin, unsupported } from "../sdk/plugbay.js";

const { lifecycle, codec } = plugin({
  name: "plugin-name",
  version: "0.1.0",
  description: "a list of texts, one on each line",
  // `[plugins.plugin-name.config]`, as JSON Schema.
  config: {
    type: "object",
    properties: { prefix: { type: "string", description: "what stands before each line", default: "" } },
    additionalProperties: false,
  },
  // What a call gets besides its input.
  start: ({ prefix = "" }) => ({ prefix }),
  codecs: [{
    name: "plugin-name",
    mediaTypes: ["text/plain"],

    encode(document, { prefix }) {
      if (!Array.isArray(document) || !document.every((it) => typeof it === "string")) {
        throw unsupported("expected a list of texts, found another document");
      }
      const two = document.find((line) => line.includes("\n"));
      if (two !== undefined) throw unsupported(`expected one line, found ${JSON.stringify(two)}`);
      return document.map((line) => `${prefix}${line}\n`).join("");
    },

    decode(bytes, { prefix }) {
      const lines = fromUtf8(bytes).split("\n");
      if (lines.at(-1) === "") lines.pop();
      const other = lines.find((line) => !line.startsWith(prefix));
      if (other !== undefined) {
        throw invalidInput(`expected a line that begins with ${JSON.stringify(prefix)}, found ${JSON.stringify(other)}`);
      }
      return lines.map((line) => line.slice(prefix.length));
    },
  }],
});

export { codec, lifecycle };
