// Node's own servers: HTTP/1 on 8080 and on 8100 to 8199, HTTP/2 with prior knowledge
// on 8082.
const http = require("http");
const http2 = require("http2");

let connections = 0;

function answer(request, response) {
  switch (request.url.split("?")[0]) {
    case "/connection": // which one it is
      request.resume();
      request.on("end", () => response.end(String(request.socket.number)));
      break;
    case "/unsaid": // the same, without a word on how long it is kept
      response.setHeader("Connection", "keep-alive");
      request.resume();
      request.on("end", () => response.end(String(request.socket.number)));
      break;
    case "/hints":
      response.writeEarlyHints({ link: "</style.css>; rel=preload" });
      response.end("after the hints");
      break;
    case "/echo":
      response.writeHead(200, { trailer: "x-bytes" });
      let bytes = 0;
      request.on("data", (data) => (bytes += data.length));
      request.on("end", () => response.addTrailers({ "x-bytes": bytes }));
      request.pipe(response);
      break;
    case "/cut": // a response that ends too early
      response.writeHead(200, { "content-length": 1000 });
      response.write("half of it", () => request.socket.destroy());
      break;
    default:
      response.writeHead(404).end();
  }
}

function upgrade(request, socket, head) {
  socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Accept: yes\r\n\r\n");
  socket.write(head);
  socket.pipe(socket);
}

function listen(port) {
  const server = http.createServer(answer);
  server.on("connection", (socket) => (socket.number = ++connections));
  server.on("upgrade", upgrade);
  server.listen(port);
}

listen(8080);
for (let port = 8100; port < 8200; port++) listen(port);

// Its limit of memory is for all streams of a connection.
const server2 = http2.createServer({ maxSessionMemory: 100 });
server2.on("stream", (stream, headers) => {
  if (headers[":path"] === "/cut") {
    stream.on("error", () => {});
    stream.respond({ ":status": 200 });
    stream.write("half of it", () => stream.destroy(new Error("cut")));
    return;
  }
  stream.respond({ ":status": 200, "x-path": headers[":path"] }, { waitForTrailers: true });
  let bytes = 0;
  stream.on("data", (data) => (bytes += data.length));
  stream.on("wantTrailers", () => stream.sendTrailers({ "x-bytes": bytes }));
  stream.pipe(stream);
});
server2.listen(8082);
