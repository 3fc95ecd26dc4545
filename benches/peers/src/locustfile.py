"""The four-step flow of flow.toml for Locust, by its fast client: users without pauses.

The rows of users.csv beside it are taken in turn, as there.
"""

import csv
import itertools
import re

from locust import FastHttpUser, task

with open("users.csv", newline="") as rows:
    USERS = itertools.cycle(list(csv.DictReader(rows)))
WORD = re.compile(r"[a-zA-Z]+")


class User(FastHttpUser):
    @task
    def four(self):
        user = next(USERS)
        with self.client.get("/", headers={"X-User": user["email"]}, catch_response=True) as answer:
            if answer.status_code != 200:
                answer.failure("login")
            token = answer.headers["Server"]
        bearer = {"Authorization": f"Bearer {token}"}
        with self.client.get("/", headers=bearer, catch_response=True) as answer:
            if answer.status_code != 200:
                answer.failure("list")
        with self.client.get("/", headers=bearer, catch_response=True) as answer:
            found = WORD.search(answer.text)
            if "Hello" not in answer.text or not found:
                answer.failure("order")
            word = found.group() if found else ""
        with self.client.get("/", headers=bearer | {"X-Word": word}, catch_response=True) as answer:
            if answer.status_code != 200:
                answer.failure("pay")
