"""What no HTTP library lets one send, over plain sockets: sockets.py PORT."""

import contextlib
import socket
import struct
import sys
import time

PORT = int(sys.argv[1])
LIMIT = 10.0  # seconds for any one answer
HEAD = b" HTTP/1.1\r\nHost: x\r\n"


class Answer:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body


class Client:
    """One connection, and the answers that come over it."""

    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", PORT), LIMIT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.bytes = b""

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        data = self.socket.recv(65536)
        self.bytes += data
        return bool(data)

    def until(self, mark):
        while mark not in self.bytes:
            if not self.more():
                raise EOFError(f"closed after {self.bytes[-80:]!r}")
        head, self.bytes = self.bytes.split(mark, 1)
        return head

    def take(self, count):
        while len(self.bytes) < count:
            if not self.more():
                raise EOFError(f"closed, {count - len(self.bytes)} bytes missing")
        body, self.bytes = self.bytes[:count], self.bytes[count:]
        return body

    def answer(self, head=False):
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        fields = {}
        for line in lines[1:]:
            name, value = line.split(":", 1)
            fields[name.lower()] = value.strip()
        status = int(lines[0].split()[1])
        if head or status in (100, 204, 304):
            body = b""
        elif fields.get("transfer-encoding") == "chunked":
            body = self.chunks()
        elif "content-length" in fields:
            body = self.take(int(fields["content-length"]))
        else:
            while self.more():
                pass
            body, self.bytes = self.bytes, b""
        return Answer(status, fields, body)

    def chunks(self):
        body = b""
        while size := int(self.until(b"\r\n"), 16):
            body += self.take(size)
            expect("end of a chunk", self.take(2), b"\r\n")
        expect("end of the chunks", self.take(2), b"\r\n")
        return body

    def closed(self):
        """True when the peer ends it and has nothing more to say."""
        with contextlib.suppress(ConnectionResetError):
            while self.more():
                pass
        return self.bytes == b""

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def expect(what, actual, expected):
    if actual != expected:
        raise AssertionError(f"{what}: {str(actual)[:200]}, expected {str(expected)[:200]}")


def get(path):
    return b"GET " + path.encode() + HEAD + b"\r\n"


def post(*lines):
    return b"POST /echo" + HEAD + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def echo(body):
    return post(b"Content-Length: %d" % len(body)) + body


GET = get("/")


def check_pipeline():
    client = Client()
    client.send(GET * 16)
    for _ in range(16):
        expect("body", client.answer().body, b"Hello, world")


def check_pipeline_of_bodies():
    client = Client()
    bodies = [b"%d" % n * (n * 37 % 5000) for n in range(100)]
    client.send(b"".join(echo(body) for body in bodies))
    for body in bodies:
        expect("echo", client.answer().body, body)


def check_pipeline_keeps_order():
    client = Client()
    client.send(get("/slow?ms=200") + GET + get("/stream?n=3&size=5"))
    slow, hello, stream = client.answer(), client.answer(), client.answer()
    expect("statuses", (slow.status, hello.status, stream.status), (200, 200, 200))
    expect("second", hello.body, b"Hello, world")
    expect("third", len(stream.body), 15)


def check_pipeline_ends_at_close():
    client = Client()
    client.send(GET + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + GET)
    expect("first", client.answer().status, 200)
    expect("second", client.answer().fields.get("connection", "").lower(), "close")
    expect("no third", client.closed(), True)


def check_head_in_a_pipeline():
    client = Client()
    client.send(b"HEAD /" + HEAD + b"\r\n" + GET)
    expect("length", client.answer(head=True).fields["content-length"], "12")
    expect("next", client.answer().body, b"Hello, world")


def check_byte_by_byte():
    client = Client()
    for byte in echo(b"slowly"):
        client.send(bytes([byte]))
    expect("echo", client.answer().body, b"slowly")


def check_chunks_byte_by_byte():
    client = Client()
    client.send(post(b"Transfer-Encoding: chunked"))
    for byte in b"3\r\nabc\r\n10;ext=1\r\n0123456789abcdef\r\n0\r\nTrailer: t\r\n\r\n":
        client.send(bytes([byte]))
    expect("echo", client.answer().body, b"abc0123456789abcdef")
    client.send(GET)
    expect("next", client.answer().status, 200)


def check_empty_lines_before_a_request():
    client = Client()
    client.send(b"\r\n" + GET)
    expect("first", client.answer().status, 200)
    client.send(b"\r\n" + GET)
    expect("second", client.answer().status, 200)


def check_continue_comes_before_the_body():
    client = Client()
    client.send(post(b"Content-Length: 4", b"Expect: 100-continue"))
    expect("interim", client.answer().status, 100)
    client.send(b"body")
    expect("echo", client.answer().body, b"body")


def check_too_large_is_refused_before_the_body():
    client = Client()
    client.send(post(b"Content-Length: 99999999999", b"Expect: 100-continue"))
    expect("status", client.answer().status, 413)
    expect("closed", client.closed(), True)


def check_half_closed_client_is_answered():
    client = Client()
    client.send(GET)
    client.socket.shutdown(socket.SHUT_WR)
    expect("body", client.answer().body, b"Hello, world")
    expect("closed", client.closed(), True)


def check_refused():
    rows = [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: x\n\n", 400),  # bare LF
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (post(b"Content-Length: 1", b"Transfer-Encoding: chunked"), 400),
        (post(b"Content-Length: 1", b"Content-Length: 2"), 400),
        (post(b"Content-Length: 1", b"Content-Length: 1"), 400),
        (post(b"Content-Length: +1"), 400),
        (post(b"Content-Length: 1_0"), 400),
        (b"POST /echo HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (post(b"Transfer-Encoding: chunked") + b"1_a\r\n", 400),
        (post(b"Transfer-Encoding: chunked") + b"ffffffffffffffffff\r\n", 400),
    ]
    for request, status in rows:
        client = Client()
        client.send(request)
        answer = client.answer()
        if status == 400 and b"ffffffffffffffffff" in request:
            expect(request, answer.status in (400, 413), True)
        else:
            expect(request, answer.status, status)
        expect(f"closed after {request}", client.closed(), True)


def check_nothing_after_a_refusal_is_run():
    client = Client()
    client.send(post(b"Content-Length: x") + GET)
    expect("status", client.answer().status, 400)
    expect("no more", client.closed(), True)


def check_clients_that_go_away():
    upload = echo(b"x" * 100000)[:5000]
    long = get("/stream?n=1000&size=50000")
    for request in (b"", GET[:8], GET, upload, long, get("/slow?ms=300")):
        for leave in (Client.reset, lambda client: client.socket.close()):
            client = Client()
            client.send(request)
            leave(client)
    time.sleep(0.4)  # the slow ones have come due by then
    client = Client()
    client.send(GET)
    expect("served", client.answer().status, 200)


def check_many_connections():
    clients = [Client() for _ in range(200)]
    for client in clients:
        client.send(GET)
    for client in reversed(clients):
        expect("body", client.answer().body, b"Hello, world")
    for client in clients:
        client.socket.close()


def main():
    passed = failed = 0
    for name, check in list(globals().items()):
        if not name.startswith("check_"):
            continue
        try:
            check()
            passed += 1
        except Exception as error:  # pylint: disable=broad-except
            failed += 1
            print(f"FAILED sockets: {name[6:].replace('_', ' ')}: {type(error).__name__} {error}")
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
