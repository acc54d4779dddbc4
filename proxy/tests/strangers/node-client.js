// Node's own clients: node-client.js TEST
const assert = require("assert");
const fs = require("fs");
const http = require("http");
const http2 = require("http2");
const { setTimeout: pause } = require("timers/promises");

const HOST = "10.9.0.2";

function ask(options, body) {
  return new Promise((resolve, reject) => {
    const result = { interim: [] };
    const request = http.request({ host: HOST, port: 8080, ...options }, (response) => {
      const pieces = [];
      response.on("data", (data) => pieces.push(data));
      response.on("error", reject);
      response.on("end", () => {
        const { statusCode: status, headers, trailers } = response;
        const connection = request.reusedSocket ? "reused" : "new";
        resolve({ ...result, status, headers, trailers, body: Buffer.concat(pieces), connection });
      });
    });
    request.on("information", (response) => result.interim.push(response));
    request.on("error", reject);
    request.end(body);
  });
}

// Bytes that differ, as many as asked.
function bytes(size) {
  const bytes = Buffer.alloc(size);
  for (let index = 0; index < size; index++) bytes[index] = (index * index) >> 3;
  return bytes;
}

const tests = {
  // An agent that keeps its connection.
  async reuse() {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (let number = 0; number < 30; number++) {
      const method = number % 2 ? "POST" : "GET";
      const body = number % 2 ? "some body" : undefined;
      const answer = await ask({ agent, method, path: "/connection" }, body);
      assert.strictEqual(answer.status, 200);
      assert.strictEqual(answer.connection, number ? "reused" : "new");
      assert.strictEqual(answer.body.toString(), "1");
    }
    agent.destroy();
  },

  // Many connections at once.
  async many() {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 20 });
    const one = async (number) => {
      const body = bytes(200 * number);
      const answer = await ask({ agent, method: "POST", path: "/echo" }, body);
      assert(answer.body.equals(body));
    };
    await Promise.all(Array.from({ length: 200 }, (_, number) => one(number)));
    agent.destroy();
  },

  // Pauses about as long as the server keeps a connection, before requests that can't be
  // sent twice; and one client that never pauses for long. Each has a port of the server,
  // so that no other refreshes its connections.
  async pauses() {
    let port = 8100;
    const client = async (milliseconds, path, times) => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      const options = { agent, method: "POST", path, port: port++ };
      let before;
      for (let number = 0; number < times; number++) {
        if (number) await pause(milliseconds);
        const answer = await ask(options, "body");
        assert.strictEqual(answer.status, 200, `after ${milliseconds} ms`);
        assert.strictEqual(answer.connection, number ? "reused" : "new");
        // The server's connection is given up early enough that the server's end of it
        // can't cross with a request.
        const connection = answer.body.toString();
        if (milliseconds > 4300) assert.notStrictEqual(connection, before, `after ${milliseconds} ms`);
        before = connection;
      }
      agent.destroy();
    };
    // 5 s is the default; newer versions of Node add a second to what they announce.
    const pauses = [3900, 3990, 4000, 4010, 4400, 4900, 4990, 5000, 5010, 5100, 5900, 5990, 6000, 6010, 6100];
    const clients = pauses.flatMap((it) => [client(it, "/connection", 2), client(it, "/unsaid", 2)]);
    clients.push(client(100, "/connection", 60), client(100, "/unsaid", 60));
    await Promise.all(clients);
  },

  async hints() {
    const answer = await ask({ path: "/hints" });
    assert.strictEqual(answer.interim[0].statusCode, 103);
    assert.strictEqual(answer.interim[0].headers.link, "</style.css>; rel=preload");
    assert.strictEqual(answer.body.toString(), "after the hints");
  },

  async trailers() {
    const body = bytes(1_000_000);
    const answer = await ask({ method: "POST", path: "/echo", headers: { te: "trailers" } }, body);
    assert(answer.body.equals(body));
    assert.deepStrictEqual({ ...answer.trailers }, { "x-bytes": "1000000" });
  },

  // Half a response is an error for the client, too.
  async cut() {
    for (let number = 0; number < 50; number++) {
      await assert.rejects(ask({ path: "/cut" }), { code: "ECONNRESET" });
    }
  },

  async upgrade() {
    const sent = bytes(500_000);
    const headers = { connection: "Upgrade", upgrade: "websocket" };
    const request = http.request({ host: HOST, port: 8080, path: "/socket", headers });
    request.end();
    const [response, socket, head] = await new Promise((resolve, reject) => {
      request.on("upgrade", (...all) => resolve(all));
      request.on("response", (response) => reject(new Error(`status ${response.statusCode}`)));
      request.on("error", reject);
    });
    assert.strictEqual(response.statusCode, 101);
    assert.strictEqual(response.headers.upgrade.toLowerCase(), "websocket");
    assert.strictEqual(response.headers["x-accept"], "yes");
    const pieces = [head];
    socket.on("data", (data) => pieces.push(data));
    socket.end(sent);
    await new Promise((resolve, reject) => socket.on("end", resolve).on("error", reject));
    assert(Buffer.concat(pieces).equals(sent));
  },

  // Streams that send both ways at once, with trailers, on one connection.
  async streams() {
    const session = http2.connect(`http://${HOST}:8082`, { maxSessionMemory: 100 });
    const one = (number) =>
      new Promise((resolve, reject) => {
        const sent = bytes(20_000 * number + 1);
        const stream = session.request({ ":method": "POST", ":path": `/${number}` });
        const pieces = [];
        let headers, trailers;
        stream.on("response", (all) => (headers = all));
        stream.on("trailers", (all) => (trailers = all));
        stream.on("data", (data) => pieces.push(data));
        stream.on("error", reject);
        stream.on("end", () => {
          assert.strictEqual(headers[":status"], 200);
          assert.strictEqual(headers["x-path"], `/${number}`);
          assert.strictEqual(trailers["x-bytes"], String(sent.length));
          assert(Buffer.concat(pieces).equals(sent));
          resolve();
        });
        stream.end(sent);
      });
    session.on("error", (error) => assert.fail(error));
    await Promise.all(Array.from({ length: 20 }, (_, number) => one(number)));
    session.close();
  },

  // Streams of nginx, on one connection.
  async nginx() {
    const session = open(8081);
    await Promise.all(Array.from({ length: 20 }, () => session.get("/numbers")));
    session.close();
  },

  // Servers that take few requests by each connection, of which the client hears nothing.
  async few() {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (let number = 0; number < 30; number++) {
      const answer = await ask({ agent, port: 8083, path: "/words.txt" });
      assert.strictEqual(answer.status, 200);
      assert.strictEqual(answer.connection, number ? "reused" : "new");
    }
    agent.destroy();
    const session = open(8084);
    for (let number = 0; number < 70; number++) await session.get("/words.txt");
    session.close();
  },

  // Half a stream, too, and not without the half that came.
  async cutStream() {
    const session = http2.connect(`http://${HOST}:8082`);
    session.on("error", (error) => assert.fail(error));
    for (let number = 0; number < 50; number++) {
      const said = await new Promise((resolve) => {
        const stream = session.request({ ":path": "/cut" });
        let said = "";
        stream.on("response", (headers) => (said += `${headers[":status"]} `));
        stream.on("data", (data) => (said += data));
        stream.on("error", (error) => (said += `: ${error.message}`));
        stream.on("close", () => resolve(said));
      });
      const expected = "200 half of it: Stream closed with error code NGHTTP2_INTERNAL_ERROR";
      assert.strictEqual(said, expected);
    }
    session.close();
  },

  // The same for many uploads at once, which are sent again where the server has not
  // taken them.
  async uploads() {
    const session = open(8084);
    const sent = bytes(10_000);
    await Promise.all(Array.from({ length: 50 }, (_, number) => session.put(`/upload-${number}`, sent)));
    session.close();
  },

  // The same for many at once.
  async crowd() {
    const session = open(8084);
    await Promise.all(Array.from({ length: 50 }, () => session.get("/words.txt")));
    session.close();
  },
};

// A connection of HTTP/2, whose server has the files that are expected.
function open(port) {
  const session = http2.connect(`http://${HOST}:${port}`, { maxSessionMemory: 100 });
  session.on("error", (error) => assert.fail(error));
  const get = (path) =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ":path": path });
      const pieces = [];
      let status;
      stream.on("response", (headers) => (status = headers[":status"]));
      stream.on("data", (data) => pieces.push(data));
      stream.on("error", reject);
      stream.on("end", () => {
        assert.strictEqual(status, 200, Buffer.concat(pieces).toString());
        assert(Buffer.concat(pieces).equals(fs.readFileSync(`expected${path}`)));
        resolve();
      });
    });
  const put = (path, sent) =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ":method": "PUT", ":path": path });
      let status;
      let said = "";
      stream.on("response", (headers) => (status = headers[":status"]));
      stream.on("data", (data) => (said += data));
      stream.on("error", reject);
      stream.on("end", () => {
        assert.strictEqual(status, 201, said);
        resolve();
      });
      stream.end(sent);
    });
  return { get, put, close: () => session.close() };
}

tests[process.argv[2]]().catch((error) => {
  console.error(error);
  process.exit(1);
});
