// An HTTP server that burns CPU time in one function, `burnHere`, below others with names.
//
// It listens on a port of its own and prints it: "ready PORT".
'use strict';
const http = require('node:http');

function burnHere(rounds) {
  let x = 88172645;
  for (let i = 0; i < rounds; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
  }
  return x >>> 0;
}

class App {
  constructor(rounds) {
    this.rounds = rounds;
  }

  handle(request, answer) {
    const body = `${burnHere(this.rounds)}\n`;
    answer.writeHead(200, { 'Content-Length': body.length });
    answer.end(body);
  }
}

// So few calls that their caller is never compiled with the function inlined.
const app = new App(10_000_000);
const server = http.createServer((request, answer) => app.handle(request, answer));
server.listen(0, '127.0.0.1', () => console.log('ready', server.address().port));
