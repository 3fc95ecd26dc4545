"""A FastAPI application whose handlers burn some 200 µs of Python each: `uvicorn app:app`."""

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
