# A gRPC server of the project's own library (Python's grpcio). Its handlers get the bytes of messages,
# so that no code is generated. A second port reports what it saw.
import socket, sys, threading, time
from concurrent import futures

import grpc

NAMES = ["calls", "messages", "bytes", "tagged", "deadlines"]
seen = dict.fromkeys(NAMES, 0)
lock = threading.Lock()


def look(context, messages):
    fields = dict(context.invocation_metadata())
    is_tagged = fields.get("x-test") == "yes" and fields.get("blob-bin") == b"\x00\x01"
    left = context.time_remaining()
    with lock:
        seen["calls"] += 1
        seen["messages"] += len(messages)
        seen["bytes"] += sum(map(len, messages))
        seen["tagged"] += is_tagged
        seen["deadlines"] += left is not None and left < 3600


def echo(request, context):
    look(context, [request])
    return request


def fail(request, context):
    look(context, [request])
    # The last field of the message.
    code = next(code for code in grpc.StatusCode if code.value[0] == request[-1])
    context.abort(code, "refused: 100% of \u20ac\nnext line")


def wait(request, context):
    look(context, [request])
    while context.is_active():
        time.sleep(0.01)
    return b""


def large(request, context):
    look(context, [request])
    return bytes(300_000)


def count(request, context):
    look(context, [request])
    for number in range(5):
        yield bytes(number)


def collect(requests, context):
    look(context, list(requests))
    return b""


def both(requests, context):
    yield from requests


def stop(request, context):
    yield b"one"
    context.abort(grpc.StatusCode.DATA_LOSS, "half of it is gone")


class Handler(grpc.GenericRpcHandler):
    def service(self, details):
        return {
            "/t.S/Echo": grpc.unary_unary_rpc_method_handler(echo),
            "/t.S/Fail": grpc.unary_unary_rpc_method_handler(fail),
            "/t.S/Wait": grpc.unary_unary_rpc_method_handler(wait),
            "/t.S/Large": grpc.unary_unary_rpc_method_handler(large),
            "/t.S/Count": grpc.unary_stream_rpc_method_handler(count),
            "/t.S/Stop": grpc.unary_stream_rpc_method_handler(stop),
            "/t.S/Both": grpc.stream_stream_rpc_method_handler(both),
            "/t.S/Collect": grpc.stream_unary_rpc_method_handler(collect),
        }.get(details.method)


def report(listener):
    while True:
        sock, _ = listener.accept()
        with lock:
            text = " ".join(str(seen[name]) for name in NAMES)
        sock.sendall(text.encode())
        sock.close()


def main():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), handlers=[Handler()])
    if len(sys.argv) > 2:
        certificate, key = (open(name, "rb").read() for name in sys.argv[1:3])
        credentials = grpc.ssl_server_credentials([(key, certificate)])
        port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    threading.Thread(target=report, args=(listener,), daemon=True).start()
    print(port, listener.getsockname()[1], flush=True)
    server.wait_for_termination()


main()
