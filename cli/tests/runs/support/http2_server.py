# An HTTP/2 server of an independent library (Python's h2), which is strict about the client, with a
# fault that the first word names. A second port reports its counts.
import socket, ssl, sys, threading

import h2.config, h2.connection, h2.errors, h2.events, h2.exceptions, h2.settings

MODE = sys.argv[1]
CODES = h2.settings.SettingCodes
SETTINGS = {
    "limited": {CODES.MAX_CONCURRENT_STREAMS: 3},
    "one_byte": {CODES.INITIAL_WINDOW_SIZE: 1},
    "no_stream": {CODES.MAX_CONCURRENT_STREAMS: 0},
    "no_table": {CODES.HEADER_TABLE_SIZE: 0},
    "small_window": {CODES.INITIAL_WINDOW_SIZE: 1000},
}.get(MODE, {})
NAMES = ["connections", "answered", "violations", "refused", "unprocessed", "cancelled", "bytes"]
seen = dict.fromkeys(NAMES, 0)
faults = []
lock = threading.Lock()


def note(name, count=1):
    with lock:
        seen[name] += count


class Connection:
    def __init__(self, sock):
        self.sock = sock
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.h2.local_settings = h2.settings.Settings(client=False, initial_values={
            CODES.MAX_CONCURRENT_STREAMS: 100, **SETTINGS})
        self.streams = 0
        self.is_leaving = False
        self.last = 0

    def answer(self, stream):
        if self.is_leaving and (stream > self.last or MODE == "expel"):
            return note("unprocessed")
        self.streams += 1
        if MODE == "refuse" and self.streams % 10 == 3:
            note("refused")
            return self.h2.reset_stream(stream, h2.errors.ErrorCodes.REFUSED_STREAM)
        if MODE == "cancel" and self.streams % 10 == 3:
            return self.h2.reset_stream(stream, h2.errors.ErrorCodes.INTERNAL_ERROR)
        if MODE == "silent" and self.streams in (3, 13, 23):
            return None
        if MODE == "interim":
            self.h2.send_headers(stream, [(":status", "103"), ("link", "</x>")])
        status = "503" if MODE == "unavailable" else "200"
        fields = [(":status", status), ("server", "judge"), ("x-count", str(self.streams % 7))]
        self.h2.send_headers(stream, fields)
        padding = 11 if MODE == "padded" else None
        self.h2.send_data(stream, b"hello", pad_length=padding)
        if MODE == "interim":
            self.h2.send_headers(stream, [("x-trailer", "yes")], end_stream=True)
        else:
            self.h2.end_stream(stream)
        note("answered")
        if MODE == "ping":
            self.h2.ping(b"01234567")
        if MODE == "barring" and self.streams == 1:
            with lock:
                SETTINGS[CODES.MAX_CONCURRENT_STREAMS] = 0
            self.h2.update_settings({CODES.MAX_CONCURRENT_STREAMS: 0})
        if MODE in ("go_away", "expel") and self.streams == 25:
            self.is_leaving, self.last = True, stream
            code = 11 if MODE == "expel" else 0
            if MODE == "expel":
                # It takes this one, and never answers it.
                self.last += 2
            self.sock.sendall(self.h2.data_to_send())
            # A second GOAWAY may lower the first one, and the library sends only the frame.
            frame = bytes([0, 0, 8, 7, 0, 0, 0, 0, 0]) + self.last.to_bytes(4, "big")
            frame += code.to_bytes(4, "big")
            self.sock.sendall(frame)

    def on(self, event):
        if isinstance(event, h2.events.DataReceived):
            note("bytes", len(event.data))
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self.answer(event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            note("cancelled")
        elif isinstance(event, h2.events.ConnectionTerminated):
            return False
        return True

    def run(self):
        note("connections")
        self.h2.initiate_connection()
        self.sock.sendall(self.h2.data_to_send())
        is_open = True
        while is_open:
            data = self.sock.recv(65536)
            if not data:
                break
            try:
                for event in self.h2.receive_data(data):
                    is_open = self.on(event) and is_open
            except h2.exceptions.ProtocolError as why:
                faults.append(repr(why))
                note("violations")
                is_open = False
            self.sock.sendall(self.h2.data_to_send())
            if self.is_leaving:
                # Bytes that are not read would turn the end into a reset.
                self.sock.shutdown(socket.SHUT_WR)
                while self.sock.recv(65536):
                    pass
                break
        self.sock.close()


def serve(sock, context):
    try:
        if context:
            sock = context.wrap_socket(sock, server_side=True)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        Connection(sock).run()
    except OSError:
        pass


def report(listener):
    while True:
        sock, _ = listener.accept()
        with lock:
            text = " ".join(str(seen[name]) for name in NAMES) + "\n" + "; ".join(faults)
        sock.sendall(text.encode())
        sock.close()


def listening():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    return listener


def main():
    context = None
    if len(sys.argv) > 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2], sys.argv[3])
        if MODE != "no_alpn":
            context.set_alpn_protocols(["h2"])
    listener, reporter = listening(), listening()
    threading.Thread(target=report, args=(reporter,), daemon=True).start()
    print(listener.getsockname()[1], reporter.getsockname()[1], flush=True)
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock, context), daemon=True).start()


main()
