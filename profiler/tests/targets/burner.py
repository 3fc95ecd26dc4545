"""A program whose CPU time goes to three Python functions in known shares: 60, 30 and 10 %.

burner.py [shares|native|threads N]: `native` spends it in C code (zlib) that those functions call,
`threads` in N threads that take turns. Writes "ready" once it burns; runs until killed.
"""

import sys
import threading
import zlib

BYTES = bytes(range(256)) * 64


def count_up(count):
    total = 0
    for i in range(count):
        total += i * i % 7
    return total


def checksum(count):
    for _ in range(count):
        zlib.crc32(BYTES)


def sixty_percent(work, unit):
    work(60 * unit)


def thirty_percent(work, unit):
    work(30 * unit)


def ten_percent(work, unit):
    work(10 * unit)


def burn(work, unit):
    while True:
        sixty_percent(work, unit)
        thirty_percent(work, unit)
        ten_percent(work, unit)


def main():
    mode = sys.argv[1] if len(sys.argv) > 1 else "shares"
    print("ready", flush=True)
    if mode == "native":
        burn(checksum, 1)
    for _ in range(int(sys.argv[2]) - 1 if mode == "threads" else 0):
        threading.Thread(target=burn, args=(count_up, 20), daemon=True).start()
    burn(count_up, 20)


main()
