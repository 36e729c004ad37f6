// What may lie between the page and the host: a connection that breaks, and a plane that is larger than a test can start.
import { createServer, request } from "node:http";
import { connect, createServer as createTcpServer } from "node:net";

// Passes connections on, until they are cut; later ones are refused until `mend`.
export async function breakable(port) {
  const open = new Set();
  let whole = true;
  const server = createTcpServer((near) => {
    if (!whole) return near.destroy();
    const far = connect(port, "127.0.0.1");
    for (const [one, other] of [[near, far], [far, near]]) {
      open.add(one);
      one.on("error", () => {}).on("close", () => (open.delete(one), other.destroy()));
      one.pipe(other);
    }
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const cut = () => {
    whole = false;
    for (const socket of open) socket.destroy();
  };
  return { url: `http://127.0.0.1:${server.address().port}/`, cut, mend: () => (whole = true), close: () => (cut(), server.close()) };
}

// The files of the dashboard as the host serves them, and the answers of `plane`, an object of functions by path.
export async function pretend(port, plane) {
  const server = createServer((asked, answer) => {
    const path = asked.url.split("?")[0];
    if (plane[path]) return plane[path](asked, answer);
    const sent = request({ host: "127.0.0.1", port, path: asked.url, method: asked.method, headers: asked.headers }, (got) => {
      answer.writeHead(got.statusCode, got.headers);
      got.pipe(answer);
    });
    sent.on("error", () => answer.destroy());
    asked.pipe(sent);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => (server.closeAllConnections(), server.close()) };
}
