/* The chat demo in a real browser: two tabs in one room, over a WebSocket and, with that blocked,
 * over long polling.
 *
 *     node browser.mjs PROGRAM [ARGUMENT...]
 *
 * starts PROGRAM ARGUMENT... --port=N --address=127.0.0.1 --logging=none, kills it and starts it
 * again as the cases need. Each tab talks to it through a relay in this process, so that a case can
 * cut lines or hold answers back at a chosen moment. Each wait is for a condition seen in the page
 * or on the wire, and is bounded. Prints a line for each case that fails, then `N passed, N
 * failed`; the exit status says the same. CHROMIUM names another browser than /usr/bin/chromium. */

import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {createRequire} from 'node:module';
import net from 'node:net';
import {Browser, until} from './chromium.mjs';

const {WebSocket} = createRequire(import.meta.url)('ws');

const ALL_MS = 100000; // then something hangs, and the test says so
const QUICK = 30; // messages that each tab sends in a row

const command = process.argv.slice(2);
let server = null;
let browser = null;
let passed = 0;
let failed = 0;

/* ---- small tools ---- */

function same(what, actual, expected) {
    const [a, e] = [JSON.stringify(actual), JSON.stringify(expected)];
    if (a !== e) {
        throw new Error(`${what}: ${a}, expected ${e}`);
    }
}

async function check(name, run) {
    try {
        await run();
        passed++;
    } catch (error) {
        failed++;
        console.log(`FAILED ${name}: ${error.message.split('\n')[0]}`);
    }
}

async function freePort() {
    const probe = net.createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const {port} = probe.address();
    probe.close();
    await once(probe, 'close');
    return port;
}

/* ---- the server, and the relay before it ---- */

let serverPort = 0;

const accepts = (port) =>
    new Promise((resolve) => {
        const socket = net.connect(port, '127.0.0.1');
        socket.on('connect', () => {
            socket.destroy();
            resolve(true);
        });
        socket.on('error', () => resolve(false));
    });

async function startServer() {
    const [program, ...args] = command;
    server = spawn(
        program,
        [...args, `--port=${serverPort}`, '--address=127.0.0.1', '--logging=none'],
        {stdio: ['ignore', 'ignore', 'inherit']},
    );
    let problem = null;
    server.on('error', (error) => {
        problem = error;
    });
    await until('the server accepts', async () => {
        if (problem || server.exitCode !== null) {
            throw new Error(
                `${program} does not run: ${problem?.message ?? `status ${server.exitCode}`}`,
            );
        }
        return accepts(serverPort);
    });
}

async function killServer() {
    const gone = once(server, 'exit');
    server.kill('SIGKILL');
    await gone;
    server = null;
}

/* Passes bytes between one tab and the server. cut() ends its lines; while `deaf`, what the server
 * says is thrown away. */
class Relay {
    deaf = false;
    #lines = new Set();
    #listener;

    async start() {
        this.#listener = net
            .createServer((client) => {
                const upstream = net.connect(serverPort, '127.0.0.1');
                this.#lines.add(client);
                const end = () => {
                    client.destroy();
                    upstream.destroy();
                    this.#lines.delete(client);
                };
                [client, upstream].forEach((socket) =>
                    socket.on('error', end).on('close', end).setNoDelay(true),
                );
                client.on('data', (bytes) => upstream.write(bytes));
                upstream.on('data', (bytes) => this.deaf || client.write(bytes));
            })
            .listen(0, '127.0.0.1');
        await once(this.#listener, 'listening');
        return `http://127.0.0.1:${this.#listener.address().port}`;
    }

    cut() {
        this.#lines.forEach((line) => line.destroy());
        this.deaf = false;
    }

    stop() {
        this.cut();
        this.#listener.close();
    }
}

/* ---- a tab ---- */

/* WebSocket as it is where something in between refuses it, or swallows it. Set window.socketsWork
 * to let it through. */
const blockSockets = {
    refuse: `{
        const Real = WebSocket;
        WebSocket = class extends Real {
            constructor(...args) {
                if (!window.socketsWork) {
                    throw new Error('blocked');
                }
                super(...args);
            }
        };
    }`,
    hang: 'WebSocket = class { static OPEN = 1; readyState = 0; close() {} send() {} };',
};

class Tab {
    relay = new Relay();

    static async open(room, {name = null, block = null} = {}) {
        const tab = new Tab();
        const before = block ? [blockSockets[block]] : [];
        if (name) {
            before.push(
                `localStorage.setItem('gust-chat-name', ${JSON.stringify(JSON.stringify(name))})`,
            );
        }
        tab.page = await browser.newPage({before});
        await tab.page.goto(`${await tab.relay.start()}/#${room}`);
        return tab;
    }

    async close() {
        await this.page.close();
        this.relay.stop();
    }

    waitFor(what, condition, arg) {
        return this.page.waitFor(what, condition, arg);
    }

    state(state) {
        return this.waitFor(
            `state ${state}`,
            (value) => document.querySelector('#state').dataset.state === value,
            state,
        );
    }

    people(names) {
        return this.waitFor(
            `people ${names}`,
            (expected) =>
                [...document.querySelectorAll('#people .name')]
                    .map((item) => item.textContent.replace(' (you)', ''))
                    .join() === expected,
            names.join(),
        );
    }

    note(text) {
        return this.waitFor(
            `note ${text}`,
            (part) =>
                [...document.querySelectorAll('.note')].some((note) =>
                    note.textContent.includes(part),
                ),
            text,
        );
    }

    /* As fast as the page can: the texts go through the form, one after the other. */
    say(...texts) {
        return this.page.evaluate((all) => {
            for (const text of all) {
                document.querySelector('#composer-text').value = text;
                document.querySelector('#composer').requestSubmit();
            }
        }, texts);
    }

    /* All messages that the room has confirmed, in the order of the page. */
    messages() {
        return this.page.evaluate(() =>
            [...document.querySelectorAll('.message[data-id]')].map((line) => ({
                id: line.dataset.id,
                text: line.querySelector('.text').textContent,
                mine: line.classList.contains('mine'),
            })),
        );
    }

    async texts() {
        return (await this.messages()).map(({text}) => text);
    }

    settled(count) {
        return this.waitFor(
            `${count} messages, none on its way`,
            (n) =>
                document.querySelectorAll('.message[data-id]').length >= n &&
                document.querySelectorAll('.pending').length === 0,
            count,
        );
    }
}

const numbered = (who, count) => Array.from({length: count}, (_, index) => `${who} ${index + 1}`);
const sequences = (messages) => messages.map(({id}) => Number(id.slice(id.lastIndexOf('-') + 1)));

async function sameLog(a, b) {
    const [left, right] = [await a.texts(), await b.texts()];
    same('both logs', left, right);
    same(
        'doubled messages',
        left.filter((text, index) => left.indexOf(text) !== index),
        [],
    );
}

/* ---- two tabs, by the transport that `block` leaves ---- */

const odd = [
    '<script>window.pwned = 1</script>',
    '<img src=x onerror="window.pwned = 1">',
    '👩‍🚀 🎉 ñ 漢字 עברית',
    'a\nb',
    '&lt;',
];

async function twoTabs(transport, block) {
    const room = `tabs-${transport}`;
    const named = (what) => `${transport}: ${what}`;
    const a = await Tab.open(room, {block});
    let b = null;

    await check(named('a first visit asks for a name'), async () => {
        await a.waitFor('the question', () => document.activeElement.id === 'name-input');
        await a.page.type('  Ada   L '); // in place of the name that is proposed, which is selected
        await a.page.enter();
        await a.state(transport);
        await a.people(['Ada L']);
    });
    await check(named('two tabs see who is here'), async () => {
        b = await Tab.open(room, {name: 'Bob', block});
        await b.state(transport);
        await a.people(['Ada L', 'Bob']);
        await b.people(['Ada L', 'Bob']);
        await a.note('Bob joined');
    });
    await check(named('quick messages both ways, in one order'), async () => {
        await Promise.all([a.say(...numbered('a', QUICK)), b.say(...numbered('b', QUICK))]);
        await Promise.all([a.settled(2 * QUICK), b.settled(2 * QUICK)]);
        await sameLog(a, b);
        const messages = await a.messages();
        same(
            'ids',
            sequences(messages),
            Array.from({length: 2 * QUICK}, (_, index) => index + 1),
        );
        same(
            'of a',
            messages.filter(({mine}) => mine).map(({text}) => text),
            numbered('a', QUICK),
        );
        same(
            'of b',
            messages.filter(({mine}) => !mine).map(({text}) => text),
            numbered('b', QUICK),
        );
    });
    await check(named('markup and emoji are text'), async () => {
        await a.say(...odd);
        await b.settled(2 * QUICK + odd.length);
        same('texts', (await b.texts()).slice(-odd.length), odd);
        same(
            'elements',
            await b.page.evaluate(() => document.querySelectorAll('#log script, #log img').length),
            0,
        );
        same('run', await b.page.evaluate(() => window.pwned ?? 0), 0);
    });
    await check(named('a late joiner reads the history, and leaves'), async () => {
        const c = await Tab.open(room, {name: 'Cleo', block});
        await c.settled(2 * QUICK + odd.length);
        await a.people(['Ada L', 'Bob', 'Cleo']);
        await sameLog(a, c);
        await c.close();
        await a.people(['Ada L', 'Bob']);
        await a.note('Cleo left');
    });
    await check(named('unread messages are counted in the title'), async () => {
        await a.page.evaluate(() => {
            document.hasFocus = () => false;
        });
        await b.say('look here', 'and here');
        await a.waitFor('(2) in the title', () => document.title.startsWith('(2) '));
        await a.page.evaluate(() => {
            delete document.hasFocus;
            dispatchEvent(new Event('focus'));
        });
        await a.waitFor('no count', () => !document.title.startsWith('('));
    });
    await check(named('a lost answer makes no double'), async () => {
        const before = (await b.texts()).length;
        a.relay.deaf = true;
        await a.say('sent into the dark');
        await b.settled(before + 1); // the server has it, and Ada can't know
        a.relay.cut();
        await a.state(transport);
        await Promise.all([a.settled(before + 1), b.settled(before + 1)]);
        await b.say('still one of each?');
        await Promise.all([a.settled(before + 2), b.settled(before + 2)]);
        await sameLog(a, b);
    });
    await check(named('nor does one that was lost with the server'), async () => {
        const before = (await b.texts()).length;
        a.relay.deaf = true;
        await a.say('told, then forgotten');
        await b.settled(before + 1);
        await killServer();
        a.relay.cut();
        await startServer();
        await Promise.all([a.state(transport), b.state(transport)]);
        await Promise.all([a.settled(before + 1), b.settled(before + 1)]);
        await b.say('anybody here?');
        await Promise.all([a.settled(before + 2), b.settled(before + 2)]);
        await sameLog(a, b);
    });
    await check(named('a killed server comes back, nothing written is lost'), async () => {
        const before = (await a.texts()).length;
        await killServer();
        await a.waitFor('Reconnecting', () =>
            document.querySelector('#state-text').textContent.startsWith('Reconnecting in'),
        );
        await a.say(...numbered('written in vain?', 3));
        await b.say('me too');
        await a.waitFor('3 on their way', () => document.querySelectorAll('.pending').length === 3);
        await startServer();
        await Promise.all([a.state(transport), b.state(transport)]);
        await Promise.all([a.settled(before + 4), b.settled(before + 4)]);
        await sameLog(a, b);
        await a.people(['Ada L', 'Bob']);
        await b.people(['Ada L', 'Bob']);
        await a.note('The server was restarted');
        same(
            'order',
            (await b.texts()).filter((text) => text.startsWith('written')),
            numbered('written in vain?', 3),
        );
        await Promise.all([a.say('go on'), b.say('on we go')]);
        await Promise.all([a.settled(before + 6), b.settled(before + 6)]);
        await sameLog(a, b);
    });
    await check(named('a reload keeps name, history and whose is whose'), async () => {
        await a.page.reload();
        await a.state(transport);
        await a.settled(6);
        same(
            'mine',
            (await a.messages()).filter(({mine}) => mine).map(({text}) => text),
            [...numbered('written in vain?', 3), 'go on'],
        );
        await b.people(['Ada L', 'Bob']);
    });
    if (block) {
        await check('a WebSocket takes over once it gets through', async () => {
            const before = (await a.texts()).length;
            await a.page.evaluate(() => {
                window.socketsWork = true;
                dispatchEvent(new Event('online'));
            });
            await a.state('live');
            await Promise.all([a.say('over the socket'), b.say('over the poll')]);
            await Promise.all([a.settled(before + 2), b.settled(before + 2)]);
            same('order', (await a.texts()).slice(-2), (await b.texts()).slice(-2));
            await a.people(['Ada L', 'Bob']);
        });
    }
    await check(named('no error in the pages'), () =>
        same('problems', [...a.page.problems, ...(b?.page.problems ?? [])], []),
    );
    await a.close();
    await b?.close();
}

/* ---- without a browser: the protocol itself ---- */

/* A WebSocket straight to the server, past the relay. */
class Watcher {
    events = [];

    static async open(room, name = 'Watcher', after = '') {
        const watcher = new Watcher();
        const query = new URLSearchParams({
            room,
            name,
            session: `watcher-${Math.random()}`.replace('.', ''),
            after,
        });
        watcher.socket = new WebSocket(`ws://127.0.0.1:${serverPort}/ws?${query}`);
        watcher.socket.on('message', (data) => watcher.events.push(JSON.parse(data)));
        watcher.socket.on('error', () => {});
        await until('the history', () => watcher.find((event) => event.type === 'presence'));
        return watcher;
    }

    find(condition) {
        return this.events.find(condition);
    }

    async message(text) {
        await until(`message ${text}`, () =>
            this.find((event) => event.type === 'message' && event.text === text),
        );
        return this.find((event) => event.type === 'message' && event.text === text);
    }

    async send(event) {
        this.events = [];
        this.socket.send(typeof event === 'string' ? event : JSON.stringify(event));
        await until('an answer', () =>
            this.find(({type}) => ['ack', 'error', 'pong'].includes(type)),
        );
        return this.find(({type}) => ['ack', 'error', 'pong'].includes(type));
    }

    close() {
        this.socket.close();
    }
}

async function ask(path, body) {
    const response = await fetch(
        `http://127.0.0.1:${serverPort}${path}`,
        body === undefined ? {} : {method: 'POST', body},
    );
    return {status: response.status, ...(await response.json())};
}

async function protocol() {
    const poll = (query, room = 'wire') =>
        ask(`/api/poll?room=${room}&name=Eve&session=session-of-eve&${query}`);
    const send = (event, room = 'wire') =>
        ask(`/api/send?room=${room}&session=session-of-eve`, JSON.stringify(event));
    const say = (cid, text) => ({type: 'message', cid, text});

    await check('wire: a message sent twice is told once', async () => {
        const watch = await Watcher.open('wire', 'Wanda');
        await poll('after=&presence=');
        const first = await send(say('cid-00000001', 'once'));
        const second = await send(say('cid-00000001', 'once'));
        same('ack', [first.status, first.type, first.id], [200, 'ack', second.id]);
        await send(say('cid-00000002', 'end'));
        await watch.message('end');
        same('told', watch.events.filter(({text}) => text === 'once').length, 1);
        watch.close();
    });
    await check('wire: a poll is held until there is something', async () => {
        const [history, presence] = (await poll('after=&presence=', 'held')).events;
        same('types', [history.type, presence.type], ['history', 'presence']);
        const held = poll(`after=${history.last}&presence=${presence.version}`, 'held');
        await send(say('cid-00000003', 'at last'), 'held');
        const {events} = await held;
        same(
            'events',
            events.map(({type, messages}) => [type, messages.map(({text}) => text)]),
            [['history', ['at last']]],
        );
    });
    await check('wire: what is refused', async () => {
        const refused = async (answer) => {
            const {status, type, code} = await answer;
            return [status, type, code];
        };
        same('no room', await refused(ask('/api/poll?name=Eve&session=session-of-eve')), [
            400,
            'error',
            'bad_request',
        ]);
        same('no name', await refused(ask('/api/poll?room=wire&session=session-of-eve')), [
            400,
            'error',
            'bad_request',
        ]);
        same(
            'not UTF-8',
            (
                await fetch(
                    `http://127.0.0.1:${serverPort}/api/poll?room=%ff&name=E&session=12345678`,
                )
            ).status,
            400,
        );
        same(
            'long name',
            await refused(ask(`/api/poll?room=wire&name=${'x'.repeat(65)}&session=session-of-eve`)),
            [400, 'error', 'bad_request'],
        );
        same('short session', await refused(ask('/api/poll?room=wire&name=E&session=abc')), [
            400,
            'error',
            'bad_request',
        ]);
        same(
            'no session',
            await refused(
                ask(
                    '/api/send?room=wire&session=nobody-has-it',
                    JSON.stringify(say('cid-00000004', 'x')),
                ),
            ),
            [409, 'error', 'no_session'],
        );
        same('not JSON', await refused(ask('/api/send?room=wire&session=session-of-eve', '{')), [
            400,
            'error',
            'bad_request',
        ]);
        same('no text', await refused(send({type: 'message', cid: 'cid-00000005'})), [
            400,
            'error',
            'bad_request',
        ]);
        same('long text', await refused(send(say('cid-00000006', 'x'.repeat(8193)))), [
            413,
            'error',
            'too_long',
        ]);
        same('longest text', (await send(say('cid-00000007', 'x'.repeat(8192)))).type, 'ack');
    });
    await check('wire: a socket survives nonsense', async () => {
        const watch = await Watcher.open('wire', 'Wanda');
        for (const nonsense of [
            '',
            '{',
            '[]',
            '1',
            '{"type":5}',
            '{"type":"message"}',
            '{"type":"message","cid":"short","text":"x"}',
        ]) {
            same(nonsense, (await watch.send(nonsense)).code, 'bad_request');
        }
        same('ping', (await watch.send({type: 'ping'})).type, 'pong');
        watch.close();
    });
    await check('wire: a room keeps its last 100 messages, and says what is missing', async () => {
        const watch = await Watcher.open('long', 'Wanda');
        const first = await watch.send(say('cid-10000000', 'number 0'));
        for (let n = 1; n <= 120; n++) {
            watch.socket.send(JSON.stringify(say(`cid-${10000000 + n}`, `number ${n}`)));
        }
        await watch.message('number 120');
        const late = await Watcher.open('long', 'Late', first.id);
        const history = late.find(({type}) => type === 'history');
        same(
            'history',
            [history.gap, history.messages.length, history.messages[0].text],
            [true, 100, 'number 21'],
        );
        const lately = await Watcher.open('long', 'Later', history.messages[97].id);
        const rest = lately.find(({type}) => type === 'history');
        same(
            'the rest',
            [rest.gap, rest.messages.map(({text}) => text)],
            [false, ['number 119', 'number 120']],
        );
        [watch, late, lately].forEach((socket) => socket.close());
    });
}

/* Last of all: for some seconds the server has no place for anybody. */
async function fullHouse() {
    const visit = (room, n) => ask(`/api/poll?room=${room}&name=N${n}&session=visitor-${n}`);

    await check('wire: a room takes 200 people', async () => {
        const first = await Promise.all(Array.from({length: 200}, (_, n) => visit('crowd', n)));
        same('statuses', new Set(first.map(({status}) => status)).size, 1);
        const late = await visit('crowd', 200);
        same('one more', [late.status, late.code], [503, 'full']);
        same('who is in', (await visit('crowd', 7)).status, 200);
    });
    await check('wire: the house takes 200 rooms, and the page says so', async () => {
        let answer = {status: 200};
        for (let n = 0; n < 250 && answer.status === 200; n++) {
            answer = await visit(`room-${n}`, n);
        }
        same('at last', [answer.status, answer.code], [503, 'full']);
        const tab = await Tab.open('no-place', {name: 'Noah'});
        await tab.note('The house is full');
        await tab.close();
    });
}

/* ---- all of it ---- */

async function finish() {
    await browser?.close().catch(() => {});
    server?.kill('SIGKILL');
    console.log(`${passed} passed, ${failed} failed`);
    process.exit(failed === 0 ? 0 : 1);
}

if (command.length === 0) {
    console.error('usage: browser.mjs PROGRAM [ARGUMENT...]');
    process.exit(2);
}
process.on('exit', () => {
    server?.kill('SIGKILL');
    browser?.kill();
});
['SIGINT', 'SIGTERM', 'SIGHUP'].forEach((signal) => process.on(signal, () => process.exit(1)));
setTimeout(() => {
    failed++;
    console.log(`FAILED: not done after ${ALL_MS / 1000} s`);
    finish();
}, ALL_MS).unref();

try {
    serverPort = await freePort();
    await startServer();
    await protocol();
    browser = await Browser.launch(process.env.CHROMIUM || '/usr/bin/chromium');
    await twoTabs('live', null);
    await twoTabs('polling', 'refuse');
    await check('a WebSocket that hangs gives way to long polling', async () => {
        const tab = await Tab.open('hang', {name: 'Hal', block: 'hang'});
        await tab.state('polling');
        await tab.say('still here');
        await tab.settled(1);
        await tab.close();
    });
    await fullHouse();
} catch (error) {
    failed++;
    console.log(`FAILED: ${error.message}`);
}
await finish();
