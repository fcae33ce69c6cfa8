/* The page: rooms, people, the log of the conversation, and the box to write in. What it knows of
 * the server comes from connection.js as events. Text from others enters the page through
 * textContent only, so it can't be anything but text. */

import {Connection} from './connection.js';

const LEAVE_NOTICE_MS = 4000; // who is back by then (a reload, a restart) has not left
const TYPING_EVERY_MS = 3000;
const TYPING_SHOWN_MS = 4500;
const GROUP_MS = 5 * 60 * 1000; // messages of one person within this time share a heading
const LOG_MAX = 1000; // lines that the page keeps
const TEXT_LEFT_SHOWN = 200; // when to say how many characters are left
const ROOMS_KEPT = 8;

const $ = (id) => document.getElementById(id);

/* A new element: make('p', 'note', 'text', child, ...). */
function make(tag, className = '', ...children) {
    const element = document.createElement(tag);
    element.className = className;
    element.append(...children); // strings become text nodes
    return element;
}

/* localStorage may be forbidden or hold anything; the page works without it. */
const store = {
    get(key, fallback) {
        try {
            return JSON.parse(localStorage.getItem(`gust-chat-${key}`)) ?? fallback;
        } catch {
            return fallback;
        }
    },
    set(key, value) {
        try {
            localStorage.setItem(`gust-chat-${key}`, JSON.stringify(value));
        } catch {
            /* then it isn't kept */
        }
    },
};

/* ---- time and colour ---- */

const clock = new Intl.DateTimeFormat(undefined, {hour: '2-digit', minute: '2-digit'});
const fullDate = new Intl.DateTimeFormat(undefined, {dateStyle: 'full', timeStyle: 'short'});
const weekday = new Intl.DateTimeFormat(undefined, {
    weekday: 'long',
    day: 'numeric',
    month: 'long',
});
const dayOf = (ms) => new Date(ms).toDateString();

function dayName(ms) {
    const day = dayOf(ms);
    if (day === dayOf(Date.now())) {
        return 'Today';
    }
    return day === dayOf(Date.now() - 86400000) ? 'Yesterday' : weekday.format(ms);
}

function hueOf(name) {
    let hash = 2166136261;
    for (const unit of name) {
        hash = Math.imul(hash ^ unit.codePointAt(0), 16777619);
    }
    return (hash >>> 0) % 360;
}

function paintAvatar(element, name) {
    element.style.setProperty('--hue', hueOf(name));
    element.textContent = (Array.from(name)[0] ?? '?').toUpperCase();
    return element;
}

function makeAvatar(name) {
    const avatar = paintAvatar(make('span', 'avatar'), name);
    avatar.setAttribute('aria-hidden', 'true');
    return avatar;
}

/* ---- the log ---- */

const log = {
    pending: new Map(), // cid of a message on its way -> its line
    newest: null, // {name, time}: the last message, to group the next one with it
    unseen: 0, // messages below the part of the log that is in view
    sticks: true, // the newest line is in view, and stays there when the view changes its size

    clear() {
        $('log').replaceChildren();
        this.pending.clear();
        this.newest = null;
        this.unseen = 0;
        this.showJump();
    },

    /* What is on its way stays last: a line that is settled goes before it. */
    add(line, counts) {
        const atEnd = this.isAtEnd();
        $('log').insertBefore(line, this.pending.values().next().value ?? null);
        $('empty').hidden = true;
        if ($('log').childElementCount > LOG_MAX) {
            $('log').firstElementChild.remove();
        }
        if (atEnd) {
            this.toEnd();
        } else if (counts) {
            this.unseen++;
            this.showJump();
        }
    },

    note(text, className = '') {
        this.newest = null;
        this.add(make('li', `note ${className}`, text), false);
    },

    dayBreak(time) {
        if (!this.newestTime || dayOf(this.newestTime) !== dayOf(time)) {
            this.note(dayName(time), 'day');
        }
        this.newestTime = time;
    },

    message({id, name, text, time, cid}) {
        const mine = this.pending.has(cid) || own.has(cid);
        this.pending.get(cid)?.remove();
        this.pending.delete(cid);
        this.dayBreak(time);
        const line = makeLine({name, text, time, mine});
        line.dataset.id = id;
        line.dataset.cid = cid;
        if (
            this.newest?.name === name &&
            this.newest.mine === mine &&
            time - this.newest.time < GROUP_MS
        ) {
            line.classList.add('more');
        }
        this.newest = {name, time, mine};
        this.add(line, !mine);
        return mine;
    },

    /* Shown at once, in place as soon as the room has it. */
    sending(cid, name, text) {
        const line = makeLine({name, text, time: Date.now(), mine: true});
        line.classList.add('pending');
        line.dataset.cid = cid;
        $('log').append(line);
        $('empty').hidden = true;
        this.pending.set(cid, line);
        this.toEnd();
    },

    failed(cid, reason) {
        const line = this.pending.get(cid);
        line?.classList.replace('pending', 'failed');
        line?.querySelector('.meta').append(make('span', 'reason', reason));
    },

    isAtEnd() {
        const box = $('scroll');
        return box.scrollHeight - box.scrollTop - box.clientHeight < 60;
    },

    toEnd() {
        $('scroll').scrollTop = $('scroll').scrollHeight;
        this.unseen = 0;
        this.showJump();
    },

    showJump() {
        $('jump').hidden = this.isAtEnd();
        $('jump').textContent =
            this.unseen === 0
                ? 'To the newest'
                : this.unseen === 1
                  ? '1 new message'
                  : `${this.unseen} new messages`;
    },
};

function makeLine({name, text, time, mine}) {
    const stamp = make('time', '', clock.format(time));
    stamp.dateTime = new Date(time).toISOString();
    stamp.title = fullDate.format(time);
    const body = make('p', 'text', ...linked(text));
    if (
        /^(\p{Extended_Pictographic}|\p{Emoji_Modifier}|\p{Regional_Indicator}|[\u200d\ufe0f\s]){1,12}$/u.test(
            text,
        )
    ) {
        body.classList.add('jumbo');
    }
    const meta = make('span', 'meta', make('span', 'name', mine ? 'You' : name), stamp);
    return make(
        'li',
        mine ? 'message mine' : 'message',
        makeAvatar(name),
        make('div', 'bubble', meta, body),
    );
}

/* The text with its web addresses as links. The parts are text nodes, the addresses begin with
 * http: nothing else gets in. */
function linked(text) {
    return text.split(/(https?:\/\/[^\s<>"]*[^\s<>"'.,;:!?)\]])/).map((part, index) => {
        if (index % 2 === 0) {
            return part;
        }
        const link = make('a', '', part);
        link.href = part;
        link.target = '_blank';
        link.rel = 'noopener noreferrer';
        return link;
    });
}

/* ---- people ---- */

const people = {
    here: new Map(), // name -> number of connections
    leaving: new Map(), // name -> timer of its notice
    known: false, // the first list makes no notices
    typing: new Map(), // name -> timer

    reset() {
        this.leaving.forEach(clearTimeout);
        this.typing.forEach(clearTimeout);
        this.leaving.clear();
        this.typing.clear();
        this.here.clear();
        this.known = false;
        this.show();
    },

    replace(names) {
        const now = new Map();
        names.forEach((name) => now.set(name, (now.get(name) ?? 0) + 1));
        const before = this.here;
        this.here = now;
        before.forEach((_, name) => now.has(name) || this.gone(name));
        now.forEach((_, name) => before.has(name) || this.came(name));
        this.known = true;
        this.show();
    },

    join(name) {
        const count = this.here.get(name) ?? 0;
        this.here.set(name, count + 1);
        if (count === 0) {
            this.came(name);
        }
        this.show();
    },

    leave(name) {
        const count = (this.here.get(name) ?? 1) - 1;
        this.here.set(name, count);
        if (count === 0) {
            this.here.delete(name);
            this.gone(name);
        }
        this.show();
    },

    came(name) {
        if (this.leaving.has(name)) {
            clearTimeout(this.leaving.get(name));
            this.leaving.delete(name);
        } else if (this.known) {
            log.note(`${name} joined`, 'presence');
        }
    },

    gone(name) {
        this.stopTyping(name);
        clearTimeout(this.leaving.get(name));
        this.leaving.set(
            name,
            setTimeout(() => {
                this.leaving.delete(name);
                log.note(`${name} left`, 'presence');
            }, LEAVE_NOTICE_MS),
        );
    },

    startTyping(name) {
        clearTimeout(this.typing.get(name));
        this.typing.set(
            name,
            setTimeout(() => this.stopTyping(name), TYPING_SHOWN_MS),
        );
        this.showTyping();
    },

    stopTyping(name) {
        clearTimeout(this.typing.get(name));
        if (this.typing.delete(name)) {
            this.showTyping();
        }
    },

    showTyping() {
        const names = [...this.typing.keys()];
        $('typing').textContent =
            names.length === 0
                ? ''
                : names.length === 1
                  ? `${names[0]} is writing…`
                  : names.length === 2
                    ? `${names[0]} and ${names[1]} are writing…`
                    : 'Several people are writing…';
    },

    show() {
        const names = [...this.here.keys()].sort((a, b) => a.localeCompare(b));
        $('people').replaceChildren(
            ...names.map((name) => {
                const count = this.here.get(name);
                const item = make(
                    'li',
                    '',
                    makeAvatar(name),
                    make('span', 'name', name === me.name ? `${name} (you)` : name),
                );
                if (count > 1) {
                    item.append(make('span', 'times', `×${count}`));
                }
                return item;
            }),
        );
        $('people-count').textContent = names.length;
        $('room-people').textContent =
            names.length === 1 ? '1 person here' : `${names.length} people here`;
    },
};

/* ---- me, my room, my messages ---- */

const me = {name: '', room: ''};
/* The cids that this browser has sent: after a reload they are still mine. */
const own = new Set(store.get('own', []));
let connection = null;

function remember(cid) {
    own.add(cid);
    store.set('own', [...own].slice(-200));
}

const tidy = (text) => text.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();
const tidyRoom = (text) =>
    Array.from(tidy(text.replace(/^#/, '')).toLowerCase().replace(/ /g, '-'))
        .slice(0, 20)
        .join('');

function roomOfUrl() {
    try {
        return tidyRoom(decodeURIComponent(location.hash.slice(1))) || 'lobby';
    } catch {
        return 'lobby';
    }
}

const urlOf = (room) => `#${encodeURIComponent(room)}`;

/* Enter the room that the URL names, under the name that we have. */
function enter() {
    connection?.stop();
    me.room = roomOfUrl();
    log.clear();
    log.newestTime = 0;
    people.reset();
    unread.clear();
    $('empty').hidden = true;
    $('room-name').textContent = me.room;
    $('composer-text').placeholder = `Write to ${me.room}…`;
    const recent = [me.room, ...store.get('rooms', []).filter((room) => room !== me.room)].slice(
        0,
        ROOMS_KEPT,
    );
    store.set('rooms', recent);
    showRooms(recent.includes('lobby') ? recent : [...recent, 'lobby']);
    paintAvatar($('me-avatar'), me.name);
    $('me-name').textContent = me.name;
    let entering = true;
    connection = new Connection({
        room: me.room,
        name: me.name,
        onState: showState,
        onFailed: (cid, reason) => log.failed(cid, reason),
        onEvent: (event) => {
            entering = receive(event, entering) && entering;
        },
    });
    connection.start();
}

/* One event. `entering`: this is the first history, whose messages aren't news. Returns false once
 * that has come. */
function receive(event, entering) {
    switch (event.type) {
        case 'history':
            if (event.restarted) {
                log.note(
                    'The server was restarted: it has forgotten what is above.',
                    'restart',
                );
            } else if (event.gap && !entering) {
                log.note('Some messages are missing here.', 'restart');
            }
            event.messages.forEach((message) => showMessage(message, !entering));
            $('empty').hidden = $('log').childElementCount > 0;
            return false;
        case 'message':
            showMessage(event, true);
            break;
        case 'presence':
            people.replace(event.names);
            break;
        case 'join':
            people.join(event.name);
            break;
        case 'leave':
            people.leave(event.name);
            break;
        case 'typing':
            people.startTyping(event.name);
            break;
        case 'error':
            log.note(event.text, 'restart');
            break;
    }
    return true;
}

function showMessage(message, isNews) {
    people.stopTyping(message.name);
    if (!log.message(message) && isNews) {
        unread.add();
    }
}

/* ---- unread messages, in the title ---- */

const unread = {
    count: 0,
    add() {
        if (document.hidden || !document.hasFocus()) {
            this.count++;
            this.show();
        }
    },
    clear() {
        this.count = 0;
        this.show();
    },
    show() {
        document.title = `${this.count ? `(${this.count}) ` : ''}${me.room} · Gust chat`;
    },
};

/* ---- the state of the connection ---- */

const stateTexts = {connecting: 'Connecting…', live: 'Live', polling: 'Long polling'};
let countdown = 0;

function showState({state, until}) {
    clearInterval(countdown);
    $('state').dataset.state = state;
    $('retry').hidden = state !== 'waiting';
    if (state === 'waiting') {
        const tick = () => {
            const seconds = Math.max(1, Math.ceil((until - Date.now()) / 1000));
            $('state-text').textContent = `Reconnecting in ${seconds} s`;
        };
        countdown = setInterval(tick, 250);
        tick();
    } else {
        $('state-text').textContent = stateTexts[state];
    }
    $('state').title =
        state === 'polling'
            ? 'A WebSocket does not get through. It is tried again now and then.'
            : '';
}

/* ---- the composer ---- */

let typingSent = 0;

function send() {
    const box = $('composer-text');
    const text = box.value.trim();
    if (text !== '') {
        const cid = connection.send(text);
        remember(cid);
        log.sending(cid, me.name, text);
        box.value = '';
        typingSent = 0;
        fit();
    }
    box.focus();
}

function fit() {
    const box = $('composer-text');
    box.style.height = 'auto';
    box.style.height = `${box.scrollHeight}px`;
    const left = box.maxLength - box.value.length;
    $('left').hidden = left > TEXT_LEFT_SHOWN;
    $('left').textContent = `${left} left`;
    $('composer').classList.toggle('ready', box.value.trim() !== '');
}

function sayTyping() {
    if ($('composer-text').value !== '' && Date.now() - typingSent > TYPING_EVERY_MS) {
        typingSent = Date.now();
        connection.typing();
    }
}

/* ---- rooms, names, the side ---- */

function showRooms(rooms) {
    $('rooms').replaceChildren(
        ...rooms.map((room) => {
            const link = make('a', '', make('span', 'hash', '#'), room);
            link.href = urlOf(room);
            if (room === me.room) {
                link.setAttribute('aria-current', 'page');
            }
            return make('li', '', link);
        }),
    );
}

function openSide(open) {
    $('app').classList.toggle('side-open', open);
    $('open-side').setAttribute('aria-expanded', String(open));
    (open ? $('close-side') : $('open-side')).focus();
}

const sideIsOpen = () => $('app').classList.contains('side-open');

const adjectives = [
    'Quiet',
    'Brisk',
    'Amber',
    'Gentle',
    'Clever',
    'Bright',
    'Merry',
    'Swift',
    'Sunny',
    'Calm',
];
const animals = [
    'Heron',
    'Otter',
    'Lynx',
    'Swallow',
    'Badger',
    'Falcon',
    'Marten',
    'Plover',
    'Hare',
    'Kestrel',
];
const anyOf = (list) => list[Math.floor(Math.random() * list.length)];

function askName() {
    $('name-input').value = me.name || `${anyOf(adjectives)} ${anyOf(animals)}`;
    $('name-problem').textContent = '';
    $('name-dialog').showModal();
    $('name-input').select();
}

function setName(event) {
    event.preventDefault();
    const name = tidy($('name-input').value);
    if (name === '') {
        $('name-problem').textContent = 'A name needs at least one letter.';
        return;
    }
    const changed = name !== me.name;
    me.name = name;
    store.set('name', name);
    $('name-dialog').close();
    if (changed) {
        enter();
    }
    $('composer-text').focus();
}

async function copyLink() {
    const say = (text) => {
        $('copy-link-text').textContent = text;
        setTimeout(() => {
            $('copy-link-text').textContent = 'Copy link';
        }, 2000);
    };
    try {
        await navigator.clipboard.writeText(new URL(urlOf(me.room), location.href).href);
        say('Copied');
    } catch {
        say('Copy it from above'); // not a secure context, or not allowed
    }
}

/* ---- all wired up ---- */

$('composer').addEventListener('submit', (event) => {
    event.preventDefault();
    send();
});
$('composer-text').addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        send();
    }
});
$('composer-text').addEventListener('input', () => {
    fit();
    sayTyping();
});
$('scroll').addEventListener('scroll', () => {
    log.sticks = log.isAtEnd();
    if (log.sticks) {
        log.unseen = 0;
    }
    log.showJump();
});
$('jump').addEventListener('click', () => {
    log.toEnd();
    $('composer-text').focus();
});
$('retry').addEventListener('click', () => connection.nudge());
$('copy-link').addEventListener('click', copyLink);
$('me').addEventListener('click', askName);
$('name-form').addEventListener('submit', setName);
$('name-dialog').addEventListener('close', () => {
    if (me.name === '') {
        askName();
    }
});
$('open-side').addEventListener('click', () => openSide(true));
$('close-side').addEventListener('click', () => openSide(false));
$('scrim').addEventListener('click', () => openSide(false));
$('skip').addEventListener('click', (event) => {
    event.preventDefault();
    $('composer-text').focus();
});
$('rooms').addEventListener('click', () => {
    if (sideIsOpen()) {
        openSide(false);
    }
});
$('room-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const room = tidyRoom($('room-input').value);
    if (room !== '') {
        $('room-input').value = '';
        location.hash = urlOf(room);
        if (sideIsOpen()) {
            openSide(false);
        }
    }
});
addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && sideIsOpen()) {
        openSide(false);
    }
});
addEventListener('hashchange', () => {
    if (me.name !== '' && roomOfUrl() !== me.room) {
        enter();
    }
});
addEventListener('focus', () => unread.clear());
new ResizeObserver(() => (log.sticks ? log.toEnd() : log.showJump())).observe($('scroll'));
addEventListener('online', () => connection?.nudge());
document.addEventListener('visibilitychange', () => {
    if (!document.hidden) {
        connection?.nudge();
    }
});
addEventListener('beforeunload', (event) => {
    if (connection?.unsent > 0) {
        event.preventDefault();
    }
});

me.name = tidy(String(store.get('name', ''))).slice(0, 20);
me.room = roomOfUrl();
unread.show();
fit();
if (me.name === '') {
    askName();
} else {
    enter();
}
