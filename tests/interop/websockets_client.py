"""Python's websockets against the interop server: websockets_client.py PORT."""

import asyncio
import os
import sys

import websockets
from websockets.exceptions import ConnectionClosed, InvalidStatusCode

PORT = int(sys.argv[1])
URL = f"ws://127.0.0.1:{PORT}/ws"
LIMIT = 15.0
TEXT, BINARY, CONTINUATION, CLOSE, PING = 1, 2, 0, 8, 9


def connect(path="", **options):
    return websockets.connect(URL + path, max_size=2**24, **options)


def expect(what, actual, expected):
    if actual != expected:
        raise AssertionError(f"{what}: {str(actual)[:120]!r}, expected {str(expected)[:120]!r}")


async def closes_with(ws):
    """The code with which the server ends it."""
    try:
        while True:
            await ws.recv()
    except ConnectionClosed:
        return ws.close_code


async def check_text():
    async with connect() as ws:
        sizes = ("x" * 125, "x" * 126, "é" * 32767, "x" * 65535, "x" * 65536)
        for text in ("", "a", "Grüße, 世界 🌬", *sizes):
            await ws.send(text)
            expect("echo", await ws.recv(), text)


async def check_binary():
    async with connect() as ws:
        for size in (0, 1, 125, 126, 65535, 65536, 300000):
            data = os.urandom(size)
            await ws.send(data)
            expect("echo", await ws.recv(), data)


async def check_one_mebibyte():
    async with connect() as ws:
        text, data = "z" * 2**20, os.urandom(2**20)
        await ws.send(text)
        await ws.send(data)
        expect("text", await ws.recv(), text)
        expect("binary", await ws.recv(), data)


async def check_without_offer_of_compression():
    async with connect(compression=None) as ws:
        await ws.send("plain")
        expect("echo", await ws.recv(), "plain")
        expect("extensions", ws.extensions, [])


async def check_many_in_flight():
    async with connect() as ws:
        texts = [f"message {n}" for n in range(2000)]
        for text in texts:
            await ws.send(text)
        for text in texts:
            expect("order", await ws.recv(), text)


async def check_fragments():
    async def parts(of):
        for part in of:
            yield part

    async with connect() as ws:
        await ws.send(parts(["frag", "", "ments", " é"]))
        expect("text", await ws.recv(), "fragments é")
        await ws.send(parts([b"\x00\xff"] * 500))
        expect("binary", await ws.recv(), b"\x00\xff" * 500)


async def check_ping_between_fragments():
    async with connect(compression=None) as ws:
        await ws.write_frame(False, TEXT, "é".encode()[:1])
        await asyncio.wait_for(await ws.ping(b"payload"), LIMIT)
        await ws.write_frame(True, CONTINUATION, "é".encode()[1:])
        expect("text", await ws.recv(), "é")


async def check_ping():
    async with connect() as ws:
        for payload in (b"", b"x", b"y" * 125):
            await asyncio.wait_for(await ws.ping(payload), LIMIT)
        await ws.pong(b"nobody asked")
        await ws.send("still here")
        expect("echo", await ws.recv(), "still here")


async def check_close_codes():
    for code in (1000, 1001, 1003, 1011, 3000, 4999):
        ws = await connect()
        await ws.close(code, "as agreed")
        expect("code", (ws.close_rcvd.code, ws.close_rcvd_then_sent), (code, False))


async def check_close_without_code():
    ws = await connect(compression=None)
    await ws.write_frame(True, CLOSE, b"")
    await ws.wait_closed()
    expect("code", ws.close_rcvd.code, 1005)


async def check_violations():
    rows = [
        ("not UTF-8", [(True, TEXT, b"\xff\xfe")], 1007),
        ("surrogate", [(True, TEXT, b"\xed\xa0\x80")], 1007),
        ("not UTF-8 later", [(False, TEXT, b"\xe2\x82"), (True, CONTINUATION, b"\xff")], 1007),
        ("unfinished UTF-8", [(True, TEXT, b"\xe2\x82")], 1007),
        ("continuation of nothing", [(True, CONTINUATION, b"x")], 1002),
        ("text in a message", [(False, TEXT, b"x"), (True, TEXT, b"y")], 1002),
        ("reserved opcode", [(True, 3, b"x")], 1002),
        ("reserved control opcode", [(True, 11, b"")], 1002),
        ("close of one byte", [(True, CLOSE, b"x")], 1002),
        ("close with 1005", [(True, CLOSE, b"\x03\xed")], 1002),
        ("close with 999", [(True, CLOSE, b"\x03\xe7")], 1002),
        ("close, reason not UTF-8", [(True, CLOSE, b"\x03\xe8\xff")], 1007),
    ]
    for name, frames, code in rows:
        ws = await connect(compression=None)
        for fin, opcode, data in frames:
            if opcode in (TEXT, BINARY, CONTINUATION, CLOSE):
                await ws.write_frame(fin, opcode, data)
            else:  # the library sends no such frame
                ws.transport.write(bytes([0x80 | opcode, 0x80 | len(data), 0, 0, 0, 0]) + data)
        expect(name, await closes_with(ws), code)


async def check_bits_and_masks():
    rows = [
        ("reserved bit 1", b"\xc1\x80\0\0\0\0", 1002),
        ("reserved bit 2", b"\xa1\x80\0\0\0\0", 1002),
        ("no mask", b"\x81\x01x", 1002),
        ("fragmented ping", b"\x09\x80\0\0\0\0", 1002),
        ("long ping", b"\x89\xfe\x00\x7e\0\0\0\0" + b"x" * 126, 1002),
        ("length with top bit", b"\x82\xff\x80" + bytes(7) + b"\0\0\0\0", 1002),
        ("too large", b"\x82\xff\0\0\0\0\x40\0\0\0" + b"\0\0\0\0", 1009),
    ]
    for name, data, code in rows:
        ws = await connect(compression=None)
        ws.transport.write(data)
        expect(name, await closes_with(ws), code)


async def check_handshakes_refused():
    rows = [("/nothing/here", {}, 404), ("", {"origin": "http://evil.example"}, 403)]
    for path, options, status in rows:
        try:
            await connect(path, **options)
        except InvalidStatusCode as error:
            expect(path, error.status_code, status)
        else:
            raise AssertionError(f"{path} {options} was accepted")


async def check_own_origin():
    async with connect(origin=f"http://127.0.0.1:{PORT}") as ws:
        await ws.send("mine")
        expect("echo", await ws.recv(), "mine")


async def check_broadcast():
    sockets = await asyncio.gather(*(connect("/broadcast") for _ in range(50)))
    texts = [f"news {n}" for n in range(20)]
    for text in texts:
        await sockets[7].send(text)
    await sockets[7].send(b"\x00" * 1000)
    for ws in sockets:
        for text in texts:
            expect("news", await ws.recv(), text)
        expect("binary news", await ws.recv(), b"\x00" * 1000)
    await asyncio.gather(*(ws.close() for ws in sockets[:25]))
    await sockets[30].send("the rest")
    for ws in sockets[25:]:
        expect("the rest", await ws.recv(), "the rest")
    await asyncio.gather(*(ws.close() for ws in sockets[25:]))


async def check_vanishing_clients():
    sockets = [await connect("/broadcast") for _ in range(10)]
    for ws in sockets[:9]:
        ws.transport.abort()
    await sockets[9].send("anybody?")
    expect("echo", await sockets[9].recv(), "anybody?")
    await sockets[9].close()


async def main():
    passed = failed = 0
    for name, check in list(globals().items()):
        if not name.startswith("check_"):
            continue
        try:
            await asyncio.wait_for(check(), LIMIT)
            passed += 1
        except Exception as error:  # pylint: disable=broad-except
            failed += 1
            what = name[6:].replace("_", " ")
            print(f"FAILED websockets: {what}: {type(error).__name__} {error}")
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
