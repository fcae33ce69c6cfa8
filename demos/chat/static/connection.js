/* The way between the page and its room: a WebSocket, or long polling where a WebSocket does not
 * get through, found and kept up whatever the network and the server do. PROTOCOL.md has the rules
 * on the wire.
 *
 *     const connection = new Connection({room, name, onEvent, onState, onFailed});
 *     connection.start();
 *     const cid = connection.send('hello');
 *     connection.stop();
 *
 * onEvent(event) is called with each event of the protocol, messages in order and never twice.
 * onState({state, until}) says how things stand: 'connecting', 'live', 'polling', or 'waiting'
 * until a time. onFailed(cid, text): the server refused a message. */

const SOCKET_OPEN_MS = 2000; // a WebSocket that is not open by then counts as blocked
const POLL_OPEN_MS = 5000; // the first poll is answered at once
const POLL_HELD_MS = 35000; // later ones are held for 25 s at most; beyond this the line is dead
const PROBE_EVERY_MS = 25000; // how often a silent WebSocket is asked whether it still lives
const PROBE_WAIT_MS = 5000;
const RETRY_FIRST_MS = 500; // doubles with each failure
const RETRY_MAX_MS = 30000;
const UPGRADE_FIRST_MS = 15000; // how soon long polling tries a WebSocket again; doubles, too
const UPGRADE_MAX_MS = 300000;
const SEEN_MAX = 1000; // cids remembered to drop doubles

export const randomId = () =>
    Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) =>
        byte.toString(16).padStart(2, '0'),
    ).join('');

/* Between half of `ms` and all of it: a thousand pages that lost their server together must not
 * come back together. */
const jitter = (ms) => ms * (0.5 + Math.random() / 2);

/* One WebSocket. open() is true once the room's history has come; `closed` settles when it has
 * gone, for whatever reason. */
class SocketLink {
    state = 'live';
    #url;
    #socket;
    #onEvent;
    #settle;
    #probe;
    #deadline;

    constructor(query, onEvent) {
        const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
        this.#url = `${scheme}://${location.host}/ws?${query}`;
        this.#onEvent = onEvent;
        this.closed = new Promise((resolve) => {
            this.#settle = resolve;
        });
    }

    open() {
        return new Promise((resolve) => {
            const timer = setTimeout(() => {
                this.timedOut = true;
                this.close();
            }, SOCKET_OPEN_MS);
            this.closed.then(() => {
                clearTimeout(timer);
                resolve(false);
            });
            try {
                this.#socket = new WebSocket(this.#url);
            } catch {
                this.close();
                return;
            }
            this.#socket.onclose = () => this.close();
            this.#socket.onmessage = ({data}) => {
                this.#alive();
                const event = JSON.parse(data);
                this.#onEvent(event);
                if (event.type === 'history') {
                    clearTimeout(timer);
                    resolve(true);
                }
            };
        });
    }

    send(event) {
        if (this.#socket?.readyState === WebSocket.OPEN) {
            this.#socket.send(JSON.stringify(event));
        }
    }

    /* Ask now, not at the next turn: the page was asleep, or the network has changed. */
    check() {
        clearTimeout(this.#probe);
        clearTimeout(this.#deadline);
        this.send({type: 'ping'});
        this.#deadline = setTimeout(() => this.close(), PROBE_WAIT_MS);
    }

    close() {
        clearTimeout(this.#probe);
        clearTimeout(this.#deadline);
        if (this.#socket) {
            this.#socket.onmessage = this.#socket.onclose = null;
            this.#socket.close();
        }
        this.#settle();
    }

    #alive() {
        clearTimeout(this.#probe);
        clearTimeout(this.#deadline);
        this.#probe = setTimeout(() => this.check(), PROBE_EVERY_MS);
    }
}

/* Long polling with the same face. Its requests are one after the other in each direction, which
 * keeps messages in order. */
class PollingLink {
    state = 'polling';
    #query;
    #session;
    #onEvent;
    #settle;
    #abort = new AbortController();
    #sending = Promise.resolve();

    /* query() gives the parameters of the next poll: the cursors in them move on. */
    constructor(query, session, onEvent) {
        this.#query = query;
        this.#session = session;
        this.#onEvent = onEvent;
        this.closed = new Promise((resolve) => {
            this.#settle = resolve;
        });
    }

    async open() {
        const ok = await this.#poll(POLL_OPEN_MS);
        if (ok) {
            this.#run();
        }
        return ok;
    }

    send(event) {
        if (event.type === 'message') {
            this.#sending = this.#sending.then(() => this.#post(event));
        }
    }

    check() {}

    close() {
        this.#abort.abort();
        this.#settle();
    }

    async #run() {
        while (await this.#poll(POLL_HELD_MS)) {
            /* each turn has handed on its events */
        }
    }

    async #poll(timeout) {
        const answer = await this.#fetch(`/api/poll?${this.#query()}`, {}, timeout);
        if (!answer?.ok || this.#abort.signal.aborted) {
            if (answer?.body.type === 'error') {
                this.#onEvent(answer.body);
            }
            this.close();
            return false;
        }
        for (const event of answer.body.events) {
            this.#onEvent(event);
        }
        return true;
    }

    async #post(event) {
        if (this.#abort.signal.aborted) {
            return;
        }
        const answer = await this.#fetch(
            `/api/send?${this.#session}`,
            {method: 'POST', body: JSON.stringify(event)},
            POLL_OPEN_MS,
        );
        if (!answer || answer.body.code === 'no_session') {
            this.close(); // the outbox still has it: it goes out again over the next link
        } else if (!this.#abort.signal.aborted) {
            this.#onEvent(answer.body);
        }
    }

    async #fetch(url, options, timeout) {
        const limit = new AbortController();
        const stop = () => limit.abort();
        const timer = setTimeout(stop, timeout);
        this.#abort.signal.addEventListener('abort', stop);
        try {
            const response = await fetch(url, {
                ...options,
                cache: 'no-store',
                signal: limit.signal,
            });
            return {ok: response.ok, body: await response.json()};
        } catch {
            return null;
        } finally {
            clearTimeout(timer);
            this.#abort.signal.removeEventListener('abort', stop);
        }
    }
}

export class Connection {
    #room;
    #name;
    #onEvent;
    #onState;
    #onFailed;
    #session = randomId();
    #last; // id of the last message that the page has: "EPOCH-SEQ", or ''
    #presence = ''; // version of the list of people that the page has
    #outbox = []; // {cid, text, id}: sent or to be sent, and not yet seen in the room
    #seen = new Set();
    #link = null;
    #next = null; // a WebSocket that stands ready to take over from long polling
    #stopped = false;
    #socketFailures = 0; // in a row, to open
    #preferPolling = false; // it was the only way the last time
    #wake = () => {};

    constructor({room, name, onEvent, onState, onFailed}) {
        this.#room = room;
        this.#name = name;
        this.#onEvent = onEvent;
        this.#onState = onState;
        this.#onFailed = onFailed;
        this.#last = '';
    }

    start() {
        this.#run();
    }

    stop() {
        this.#stopped = true;
        this.#link?.close();
        this.#next?.close();
        this.#wake();
    }

    send(text) {
        const message = {cid: randomId(), text};
        this.#outbox.push(message);
        this.#post(message);
        return message.cid;
    }

    typing() {
        this.#link?.send({type: 'typing'});
    }

    /* The user, or the browser, believes that now is a good time: for the next attempt, or to see
     * whether the line lives. */
    nudge() {
        this.#wake();
        this.#link?.check();
    }

    get unsent() {
        return this.#outbox.length;
    }

    async #run() {
        let failures = 0;
        while (!this.#stopped) {
            const link = this.#next ?? (await this.#open());
            this.#next = null;
            if (this.#stopped) {
                link?.close();
            } else if (link) {
                failures = 0;
                await this.#use(link);
                if (this.#next) {
                    continue;
                }
            }
            if (!this.#stopped) {
                await this.#pause(Math.min(RETRY_FIRST_MS * 2 ** failures++, RETRY_MAX_MS));
            }
        }
    }

    /* A link that is open and has told the history, or null. Polling comes first where it was the
     * only way the last time; otherwise it is tried after a WebSocket has hung once or failed
     * twice. */
    async #open() {
        this.#onState({state: 'connecting'});
        if (this.#preferPolling) {
            const link = await this.#openPolling();
            if (link) {
                return link;
            }
        }
        const socket = await this.#openSocket();
        if (socket) {
            this.#preferPolling = false;
            return socket;
        }
        if (this.#stopped || this.#preferPolling || this.#socketFailures < 2) {
            return null;
        }
        const polling = await this.#openPolling();
        this.#preferPolling = polling !== null;
        return polling;
    }

    async #openSocket() {
        const link = new SocketLink(this.#query(), (event) => this.#receive(event));
        if (await link.open()) {
            this.#socketFailures = 0;
            return link;
        }
        this.#socketFailures += link.timedOut ? 2 : 1;
        return null;
    }

    async #openPolling() {
        const session = new URLSearchParams({room: this.#room, session: this.#session});
        const link = new PollingLink(
            () => this.#query(),
            session,
            (event) => this.#receive(event),
        );
        return (await link.open()) ? link : null;
    }

    async #use(link) {
        this.#link = link;
        this.#onState({state: link.state});
        this.#outbox.forEach((message) => this.#post(message));
        if (link.state === 'polling') {
            this.#upgrade(link);
        }
        await link.closed;
        this.#link = null;
    }

    /* Now and then, while polling does the work: is there a way for a WebSocket by now? */
    async #upgrade(polling) {
        let gone = false;
        polling.closed.then(() => {
            gone = true;
        });
        for (let wait = UPGRADE_FIRST_MS; ; wait = Math.min(wait * 2, UPGRADE_MAX_MS)) {
            await Promise.race([this.#sleep(jitter(wait)), polling.closed]);
            if (gone || this.#stopped) {
                return;
            }
            const socket = await this.#openSocket();
            if (socket && (gone || this.#stopped)) {
                socket.close();
            } else if (socket) {
                this.#preferPolling = false;
                this.#next = socket;
                polling.close();
                return;
            }
        }
    }

    #pause(ms) {
        const wait = jitter(ms);
        this.#onState({state: 'waiting', until: Date.now() + wait});
        return this.#sleep(wait);
    }

    /* Sleep for a time, or until #wake(). There is one sleeper at most. */
    #sleep(ms) {
        return new Promise((resolve) => {
            const timer = setTimeout(resolve, ms);
            this.#wake = () => {
                clearTimeout(timer);
                resolve();
            };
        });
    }

    #query() {
        return new URLSearchParams({
            room: this.#room,
            name: this.#name,
            session: this.#session,
            after: this.#last,
            presence: this.#presence,
        });
    }

    #post({cid, text}) {
        this.#link?.send({type: 'message', cid, text});
    }

    #receive(event) {
        if (this.#stopped) {
            return;
        }
        switch (event.type) {
            case 'history': {
                const restarted = this.#last !== '' && epochOf(event.last) !== epochOf(this.#last);
                this.#onEvent({
                    ...event,
                    restarted,
                    messages: event.messages.filter((m) => this.#isNew(m)),
                });
                if (!this.#passed(event.last)) {
                    this.#last = event.last;
                }
                this.#outbox = this.#outbox.filter(({id}) => !id || !this.#passed(id));
                break;
            }
            case 'message':
                if (this.#isNew(event)) {
                    this.#onEvent(event);
                }
                break;
            case 'ack':
                this.#acknowledge(event);
                break;
            case 'error':
                this.#outbox = this.#outbox.filter(({cid}) => cid !== event.cid);
                if (event.cid) {
                    this.#onFailed(event.cid, event.text);
                } else {
                    this.#onEvent(event);
                }
                break;
            case 'presence':
                this.#presence = String(event.version);
                this.#onEvent(event);
                break;
            default:
                this.#onEvent(event);
        }
    }

    /* Has the page not shown this message yet? Says so once. */
    #isNew({id, cid}) {
        this.#outbox = this.#outbox.filter((message) => message.cid !== cid);
        if (this.#passed(id)) {
            return false;
        }
        this.#last = id;
        if (this.#seen.has(cid)) {
            return false;
        }
        this.#seen.add(cid);
        if (this.#seen.size > SEEN_MAX) {
            this.#seen.delete(this.#seen.values().next().value);
        }
        return true;
    }

    /* The room has it. The outbox keeps it till it has come by as a message, too: the server may
     * die between the two. */
    #acknowledge({cid, id}) {
        const passed = this.#passed(id);
        this.#outbox = this.#outbox.filter((message) => message.cid !== cid || !passed);
        this.#outbox
            .filter((message) => message.cid === cid)
            .forEach((message) => {
                message.id = id;
            });
    }

    #passed(id) {
        return epochOf(id) === epochOf(this.#last) && sequenceOf(id) <= sequenceOf(this.#last);
    }
}

const epochOf = (id) => id.slice(0, id.lastIndexOf('-'));
const sequenceOf = (id) => Number(id.slice(id.lastIndexOf('-') + 1));
