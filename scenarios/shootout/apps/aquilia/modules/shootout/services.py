"""The rows of db-read and db-write, by Aquilia's database engine, which uses asyncpg.

The engine is made here and not by DatabaseIntegration: that hands on the URL alone, and so cannot
set the size of the pool.
"""

import os

import content
from aquilia import service
from aquilia.db import AquiliaDatabase
from aquilia.faults.domains import ServiceUnavailableFault


@service(scope="app")
class Rows:
    def __init__(self):
        self._database: AquiliaDatabase | None = None

    async def open(self, url: str) -> None:
        self._database = AquiliaDatabase(
            url, pool_min_size=content.POOL_MIN, pool_max_size=content.POOL_MAX
        )
        await self._database.connect()

    async def close(self) -> None:
        if self._database is not None:
            await self._database.disconnect()

    async def read(self, id: int) -> dict | None:
        return await self._opened().fetch_one(content.SELECT_ROW, [id])

    async def write(self, name: str, email: str, score: int) -> dict:
        return await self._opened().fetch_one(content.INSERT_ROW, [name, email, score])

    def _opened(self) -> AquiliaDatabase:
        if self._database is None:
            raise ServiceUnavailableFault(content.NO_DATABASE)
        return self._database


async def open_database(config: dict, container) -> None:
    if url := os.environ.get("DATABASE_URL"):
        rows = await container.resolve_async(Rows)
        await rows.open(url)


async def close_database(config: dict, container) -> None:
    rows = await container.resolve_async(Rows)
    await rows.close()
