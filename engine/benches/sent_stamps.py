"""Accepts so many connections, answers a request on each, and prints when the kernel delivered them.

A line per round: CLOCK_MONOTONIC in nanoseconds, in order. On the loopback interface a segment is
stamped (SO_TIMESTAMPNS) while its sender is still in the system call that sends it.
"""

import socket
import struct
import sys
import time

SO_TIMESTAMPNS = 35
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def stamped(sock):
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    return sock


def offset():
    """From CLOCK_MONOTONIC to CLOCK_REALTIME, as near as two readings can be."""
    readings = []
    for _ in range(100):
        before, real, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        readings.append((after - before, real - (before + after) // 2))
    return min(readings)[1]


def delivered(connection):
    _, messages, _, _ = connection.recvmsg(4096, 256)
    for level, kind, data in messages:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = struct.unpack("qq", data[:16])
            return seconds * 1_000_000_000 + nanoseconds
    raise SystemExit("the kernel did not say when it delivered a request")


def main():
    count = int(sys.argv[1])
    listener = stamped(socket.socket())
    listener.bind(("127.0.0.1", 0))
    listener.listen(4096)
    print(listener.getsockname()[1], flush=True)
    while True:
        connections = [stamped(listener.accept()[0]) for _ in range(count)]
        to_monotonic = offset()
        times = []
        for connection in connections:
            times.append(delivered(connection) - to_monotonic)
            connection.sendall(ANSWER)
        print(*sorted(times), flush=True)
        for connection in connections:
            connection.close()


if __name__ == "__main__":
    main()
