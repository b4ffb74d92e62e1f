// A chat on nothing but Node.js: frames of up to 64 KB, whole messages.  {to, text} goes to every tab of a user.
// With BUG=leak the recipient is kept where the next message puts its own while a look-up is waited for.
// With BUG=loss a tab that has left meanwhile ends the delivery to those after it.
const http = require("http");
const { createHash } = require("crypto");

const tabs = new Map();
let recipient = null; // shared by everybody

function frame(text) {
  const data = Buffer.from(text);
  const head = data.length < 126 ? [0x81, data.length] : [0x81, 126, data.length >> 8, data.length & 255];
  return Buffer.concat([Buffer.from(head), data]);
}

function deliver(to, from, text) {
  for (const socket of tabs.get(to) || []) socket.write(frame(JSON.stringify({ from, text })));
}

function said(user, message) {
  const { to, text } = JSON.parse(message);
  if (process.env.BUG === "leak") {
    recipient = to;
    setImmediate(() => deliver(recipient, user, text)); // stands for a look-up in a database
  } else if (process.env.BUG === "loss") {
    const there = [...(tabs.get(to) || [])];
    setTimeout(() => {
      for (const socket of there) {
        if (!tabs.get(to).has(socket)) break;
        socket.write(frame(JSON.stringify({ from: user, text })));
      }
    }, 10); // stands for a look-up in a database
  } else {
    setImmediate(() => deliver(to, user, text));
  }
}

function read(socket, user, buffer) {
  while (buffer.length >= 6) {
    let size = buffer[1] & 127;
    let at = 2;
    if (size === 126) {
      if (buffer.length < 8) break;
      size = buffer.readUInt16BE(2);
      at = 4;
    }
    if (buffer.length < at + 4 + size) break;
    const opcode = buffer[0] & 15;
    const data = Buffer.from(buffer.subarray(at + 4, at + 4 + size));
    for (let i = 0; i < size; i++) data[i] ^= buffer[at + (i & 3)];
    if (buffer[0] & 112 || ![1, 8, 9, 10].includes(opcode)) {
      socket.end(Buffer.from([0x88, 2, 3, 234])); // 1002
      return Buffer.alloc(0);
    }
    if (opcode === 8) socket.end(Buffer.from([0x88, 2, 3, 232])); // 1000
    else if (opcode === 9) socket.write(Buffer.concat([Buffer.from([0x8a, size]), data]));
    else if (opcode === 1) said(user, data.toString());
    buffer = buffer.subarray(at + 4 + size);
  }
  return buffer;
}

const server = http.createServer();
server.on("upgrade", (request, socket) => {
  const user = request.url.split("/").pop();
  const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
  socket.setNoDelay(true);
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      `Sec-WebSocket-Accept: ${accept.digest("base64")}\r\n\r\n`,
  );
  if (!tabs.has(user)) tabs.set(user, new Set());
  tabs.get(user).add(socket);
  let buffer = Buffer.alloc(0);
  socket.on("data", (data) => {
    try {
      buffer = read(socket, user, Buffer.concat([buffer, data]));
    } catch {
      socket.end(Buffer.from([0x88, 2, 3, 239])); // 1007: what was said was no JSON
    }
  });
  socket.on("error", () => {});
  socket.on("close", () => tabs.get(user).delete(socket));
});
server.listen(Number(process.argv[2]), "127.0.0.1");
