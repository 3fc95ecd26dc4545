"""The figures of /stats, of one worker.

Handlers count requests themselves: a middleware that counts them would cost each framework a
different time.
"""

import os


class Stats:
    def __init__(self) -> None:
        self.requests = 0
        self.tasks_begun = 0
        self.tasks_done = 0

    def begin_task(self) -> int:
        self.tasks_begun += 1
        return self.tasks_begun

    def end_task(self) -> None:
        self.tasks_done += 1

    def shown(self) -> dict:
        return {
            "worker": os.getpid(),
            "requests": self.requests,
            "rss_bytes": _rss_bytes(),
            "background": {"begun": self.tasks_begun, "done": self.tasks_done},
        }


def _rss_bytes() -> int:
    with open("/proc/self/statm") as statm:
        pages = int(statm.read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
