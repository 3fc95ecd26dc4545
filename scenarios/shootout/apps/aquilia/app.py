"""The shoot-out's application on Aquilia.

What it consists of is in `workspace.py`, its answers are in `modules/shootout/`. Choices, and the
pages of https://tubox.cloud that recommend them:

- the application from the workspace by AquiliaRuntime, as in Aquilia's own benchmarks
- Uvicorn with workers, see `start`: it is what the Dockerfile that `aq init workspace` writes runs.
  `aq serve --use-gunicorn`, which /docs/cli/core-commands recommends, does not start in 1.4.2.
"""

import json
from pathlib import Path

from aquilia.runtime import AquiliaRuntime
from aquilia.sockets.envelope import MessageEnvelope, MessageType


class PlainJson:
    """Each frame is one message of the same event.

    Aquilia's own codec takes only its envelopes, `{"event": …, "payload": …}`, which a comparison
    of frameworks does not send. This implements its MessageCodec; there is no setting for it.
    """

    def decode(self, data: bytes) -> MessageEnvelope:
        json.loads(data)
        return MessageEnvelope(MessageType.EVENT, "message", {"frame": data.decode()})

    def encode(self, envelope: MessageEnvelope) -> bytes:
        return envelope.payload["frame"].encode()


runtime = AquiliaRuntime.from_workspace(workspace_root=Path(__file__).parent, mode="prod")
runtime.server.aquila_sockets.codec = PlainJson()
app = runtime.server.app
