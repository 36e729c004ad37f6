// Greets the name in the path.

import { plugin } from "../sdk/plugbay.js";

const { lifecycle, handler } = plugin({
  name: "plugin-name",
  version: "0.1.0",
  description: "greets the name in the path",
  // `[plugins.plugin-name.config]`, as JSON Schema.
  config: {
    type: "object",
    properties: { greeting: { type: "string", description: "the word to greet with", default: "Hello" } },
    additionalProperties: false,
  },
  // What a call gets besides its input.
  start: ({ greeting = "Hello" }) => ({ greeting }),
  handlers: [{
    name: "plugin-name",
    routes: [{ methods: ["GET"], path: "/plugin-name/{name}" }],

    handle(request, { greeting }) {
      const name = request.param("name") ?? "world";
      return {
        headers: { "content-type": "text/plain; charset=utf-8" },
        body: `${greeting}, ${name}!\n`,
      };
    },
  }],
});

export { handler, lifecycle };
