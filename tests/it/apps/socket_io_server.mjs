// A socket.io application: it serves its own client and one empty page, echoes what it is sent, and sends
// things of its own accord. Prints where it listens.

import { createServer } from "node:http";
import { createRequire } from "node:module";

const { Server } = createRequire(new URL("../../../target/interop/apps/", import.meta.url))("socket.io");

const http = createServer((request, response) => {
  response.writeHead(200, { "content-type": "text/html" });
  response.end(
    '<!doctype html><meta charset="utf-8"><title>socket.io</title><link rel="icon" href="data:,">' +
      '<script src="/socket.io/socket.io.js"></script>',
  );
});
const io = new Server(http, { maxHttpBufferSize: 4e6 });
io.on("connection", (socket) => {
  socket.on("echo", (data, answer) => answer(data));
  socket.on("count to", (last) => {
    for (let n = 1; n <= last; n++) socket.emit("count", n);
  });
  socket.on("facts", (answer) => {
    const { headers } = socket.handshake;
    answer({ proto: headers["x-forwarded-proto"], for: headers["x-forwarded-for"], host: headers.host });
  });
});
http.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ listening: `127.0.0.1:${http.address().port}` })));
