/* node's ws against the interop server: node ws_client.mjs PORT */

import crypto from 'node:crypto';
import {createRequire} from 'node:module';

const {WebSocket} = createRequire(import.meta.url)('ws');
const base = `ws://127.0.0.1:${process.argv[2]}`;
const LIMIT_MS = 15000;

function expect(what, actual, expected) {
    if (actual !== expected) {
        throw new Error(
            `${what}: ${String(actual).slice(0, 120)}, expected ${String(expected).slice(0, 120)}`,
        );
    }
}

/* A socket with a queue of what came: take() waits for the next thing. */
class Client {
    #things = [];
    #takers = [];

    static open(path = '/ws', options = {}) {
        const client = new Client();
        client.socket = new WebSocket(base + path, options);
        client.socket.on('message', (data, isBinary) => client.#put({data, isBinary}));
        client.socket.on('pong', (data) => client.#put({pong: data.toString()}));
        client.socket.on('close', (code, reason) => client.#put({code, reason: reason.toString()}));
        return new Promise((resolve, reject) => {
            client.socket.on('open', () => resolve(client));
            client.socket.on('error', reject);
            client.socket.on('unexpected-response', (_, response) => {
                client.socket.terminate();
                reject(
                    Object.assign(new Error(`status ${response.statusCode}`), {
                        status: response.statusCode,
                    }),
                );
            });
        });
    }

    #put(thing) {
        const taker = this.#takers.shift();
        taker ? taker(thing) : this.#things.push(thing);
    }

    take() {
        return this.#things.length > 0
            ? Promise.resolve(this.#things.shift())
            : new Promise((resolve) => {
                  this.#takers.push(resolve);
              });
    }

    async text() {
        const {data, isBinary} = await this.take();
        expect('type', isBinary, false);
        return data.toString();
    }

    async echo(data) {
        this.socket.send(data);
        const back = await this.take();
        expect('type', back.isBinary, typeof data !== 'string');
        expect(`echo of ${data.length}`, Buffer.compare(back.data, Buffer.from(data)), 0);
    }

    async close(code, reason) {
        this.socket.close(code, reason);
        return this.take();
    }
}

const checks = {
    async 'text and binary of all sizes'() {
        const client = await Client.open();
        for (const size of [0, 1, 125, 126, 127, 65535, 65536, 2 ** 20]) {
            await client.echo('x'.repeat(size));
            await client.echo(crypto.randomBytes(size));
        }
        await client.echo('Grüße, 世界 🌬');
        await client.close();
    },

    async 'many in flight'() {
        const client = await Client.open();
        const texts = Array.from({length: 2000}, (_, index) => `message ${index}`);
        texts.forEach((text) => client.socket.send(text));
        for (const text of texts) {
            expect('order', await client.text(), text);
        }
        await client.close();
    },

    async fragments() {
        const client = await Client.open('/ws', {perMessageDeflate: false});
        const send = (data, fin) => client.socket.send(data, {fin, binary: false});
        send('frag', false);
        client.socket.ping('in between');
        send('', false);
        send('ments', true);
        expect('pong', (await client.take()).pong, 'in between');
        expect('text', await client.text(), 'fragments');
        const parts = Array.from({length: 64}, () => crypto.randomBytes(16384));
        parts.forEach((part, index) => client.socket.send(part, {binary: true, fin: index === 63}));
        expect('1 MiB', Buffer.compare((await client.take()).data, Buffer.concat(parts)), 0);
        await client.close();
    },

    async ping() {
        const client = await Client.open();
        for (const payload of ['', 'a', 'b'.repeat(125)]) {
            client.socket.ping(payload);
            expect('pong', (await client.take()).pong, payload);
        }
        await client.close();
    },

    async 'close codes'() {
        for (const code of [1000, 1001, 1008, 3000, 4999]) {
            const client = await Client.open();
            expect('code', (await client.close(code, 'as agreed')).code, code);
        }
        const client = await Client.open();
        expect('no code', (await client.close()).code, 1005);
    },

    async 'messages before a close are answered'() {
        const client = await Client.open();
        client.socket.send('one');
        client.socket.send('two');
        client.socket.close(1000);
        expect('first', await client.text(), 'one');
        expect('second', await client.text(), 'two');
        expect('code', (await client.take()).code, 1000);
    },

    async 'compression is declined or spoken'() {
        for (const perMessageDeflate of [true, false]) {
            const client = await Client.open('/ws', {perMessageDeflate});
            await client.echo('a'.repeat(10000));
            await client.close();
        }
    },

    async 'handshakes refused'() {
        for (const [path, options, status] of [
            ['/nothing', {}, 404],
            ['/ws', {origin: 'http://evil.example'}, 403],
        ]) {
            const error = await Client.open(path, options).then(
                () => ({status: 101}),
                (problem) => problem,
            );
            expect(path, error.status, status);
        }
    },

    async broadcast() {
        const clients = await Promise.all(
            Array.from({length: 50}, () => Client.open('/ws/broadcast')),
        );
        const texts = Array.from({length: 20}, (_, index) => `news ${index}`);
        texts.forEach((text) => clients[3].socket.send(text));
        clients[3].socket.send(Buffer.alloc(100000, 1));
        for (const client of clients) {
            for (const text of texts) {
                expect('news', await client.text(), text);
            }
            expect('binary news', (await client.take()).data.length, 100000);
        }
        clients.slice(0, 20).forEach((client) => client.socket.terminate());
        await Promise.all(clients.slice(0, 20).map((client) => client.take()));
        clients[40].socket.send('the rest');
        for (const client of clients.slice(20)) {
            expect('the rest', await client.text(), 'the rest');
        }
        await Promise.all(clients.slice(20).map((client) => client.close()));
    },

    async 'a reader that stands still'() {
        const client = await Client.open();
        client.socket.pause();
        for (let n = 0; n < 100; n++) {
            client.socket.send(Buffer.alloc(50000, n));
        }
        await new Promise((resolve) => {
            setTimeout(resolve, 200);
        });
        client.socket.resume();
        for (let n = 0; n < 100; n++) {
            const {data} = await client.take();
            expect('echo', data.length === 50000 && data[0] === n, true);
        }
        await client.close();
    },
};

let passed = 0;
let failed = 0;
for (const [name, check] of Object.entries(checks)) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error('no end')), LIMIT_MS);
    });
    try {
        await Promise.race([check(), late]);
        passed++;
    } catch (error) {
        failed++;
        console.log(`FAILED ws: ${name}: ${error.message}`);
    }
    clearTimeout(timer);
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
