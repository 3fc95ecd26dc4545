"""The WebSocket: messages come back as they were sent."""

from aquilia.sockets import Connection, Event, OnConnect, Socket, SocketController

from .stats import stats


@Socket("/ws")
class EchoSocket(SocketController):
    @OnConnect()
    async def connected(self, connection: Connection):
        stats.requests += 1

    @Event("message")
    async def message(self, connection: Connection, payload: dict):
        await connection.send_raw(payload["frame"].encode())
