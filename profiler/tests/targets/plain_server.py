"""An HTTP/1.1 keep-alive server of the standard library alone; `compute_answer` burns some 200 µs.

plain_server.py [PORT [WORKERS]]: on 127.0.0.1; writes "listening PORT" (0: any free port). WORKERS
(0: the process itself serves) are forked and share the listener; one that dies is replaced, and
all end with the master.
"""

import asyncio
import os
import socket
import sys


def compute_answer():
    total = 0
    for i in range(4000):
        total += i * i % 7
    return b"%d" % total


class Connection(asyncio.Protocol):
    def __init__(self):
        self.received = b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            self.received = self.received[end + 4 :]
            self.respond()

    def respond(self):
        body = compute_answer()
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s"
            % (len(body), body)
        )


async def serve(listener, master=None):
    loop = asyncio.get_running_loop()
    if master is not None:
        # Readable once nobody can write to it: the master is gone.
        loop.add_reader(master, os._exit, 0)
    server = await loop.create_server(Connection, sock=listener)
    await server.serve_forever()


def start_worker(listener, master, alive):
    if os.fork() == 0:
        os.close(alive)
        asyncio.run(serve(listener, master))
        os._exit(0)


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    print("listening", listener.getsockname()[1], flush=True)
    if workers == 0:
        asyncio.run(serve(listener))
    master, alive = os.pipe()
    for _ in range(workers):
        start_worker(listener, master, alive)
    while True:
        os.wait()
        start_worker(listener, master, alive)


main()
