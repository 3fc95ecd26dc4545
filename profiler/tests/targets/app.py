"""A FastAPI application whose handlers burn some 200 µs of Python each: `uvicorn app:app`.

As a program it serves itself on 127.0.0.1, and writes "listening PORT".
"""

import socket

import uvicorn
from fastapi import FastAPI

app = FastAPI()


def burn(count):
    total = 0
    for i in range(count):
        total += i * i % 7
    return total


@app.get("/")
async def compute_answer():
    total = 0
    for i in range(4000):
        total += i * i % 7
    return {"answer": total}


@app.get("/threaded")
def compute_in_thread():
    return {"answer": burn(4000)}


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    print("listening", listener.getsockname()[1], flush=True)
    config = uvicorn.Config(app, access_log=False, log_level="warning")
    uvicorn.Server(config).run(sockets=[listener])
