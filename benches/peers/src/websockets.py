"""Echo round trips by Python's websockets over asyncio: URL CONNECTIONS SECONDS MESSAGE.

Prints as JSON how many there were in how long. Messages are neither compressed nor checked.
"""

import asyncio
import json
import sys
import time

import websockets


async def round_trips(socket, message, end):
    count = 0
    while time.monotonic() < end:
        await socket.send(message)
        await socket.recv()
        count += 1
    return count


async def main(url, connections, seconds, message):
    sockets = [
        await websockets.connect(url, compression=None, ping_interval=None)
        for _ in range(connections)
    ]
    started = time.monotonic()
    counts = await asyncio.gather(
        *(round_trips(socket, message, started + seconds) for socket in sockets)
    )
    took = time.monotonic() - started
    print(json.dumps({"requests": sum(counts), "seconds": took}))
    await asyncio.gather(*(socket.close() for socket in sockets))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]))
