"""Runs a program in a pseudo-terminal and plays steps on it: argument 1 is JSON, and so is the output.

A step waits for a text, then acts: a key, a signal, another size. The modes of the terminal are noted
before the first step, at each before it acts, where it stops the program after that, and at the end.
"""
import fcntl, json, os, pty, select, signal, struct, sys, termios, time

PATIENCE = 90

spec = json.loads(sys.argv[1])
environ = {k: v for k, v in os.environ.items() if k not in ("CI", "GITHUB_ACTIONS", "NO_COLOR")}
environ.update(spec["environ"])
may_begin, begin = os.pipe()
pid, fd = pty.fork()
if pid == 0:
    os.read(may_begin, 1)  # until the size is set
    os.execve(spec["command"][0], spec["command"], environ)

text = ""


def size(columns, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def modes():
    flags = termios.tcgetattr(fd)[3]
    return {"canonical": bool(flags & termios.ICANON), "echo": bool(flags & termios.ECHO)}


def read(until):
    """Reads more; False at the end."""
    global text
    ready, _, _ = select.select([fd], [], [], max(0, until - time.monotonic()))
    if not ready:
        return False
    try:
        part = os.read(fd, 65536)
    except OSError:
        return False
    text += part.decode("utf-8", "replace")
    return bool(part)


size(*spec["size"])
os.write(begin, b".")
before, seen, at, missing = modes(), [], 0, None
for step in spec["steps"]:
    until = time.monotonic() + PATIENCE
    while (found := text.find(step["wait"], at)) < 0 and read(until):
        pass
    if found < 0:
        missing = step["wait"]
        break
    at = len(text)
    noted = modes()
    if "key" in step:
        os.write(fd, step["key"].encode())
    if "size" in step:
        size(*step["size"])
    if "signal" in step:
        os.kill(pid, getattr(signal, "SIG" + step["signal"]))
        if step["signal"] == "TSTP":
            os.waitpid(pid, os.WUNTRACED)
            noted = modes()
            # What it wrote before is not what it writes when it goes on.
            while read(time.monotonic()):
                pass
            at = len(text)
    seen.append(noted)
if missing is not None:
    os.kill(pid, signal.SIGKILL)
while read(time.monotonic() + PATIENCE):
    pass
after = modes()
_, status = os.waitpid(pid, 0)
print(json.dumps({
    "text": text, "before": before, "seen": seen, "after": after, "missing": missing,
    "code": os.waitstatus_to_exitcode(status),
}))
