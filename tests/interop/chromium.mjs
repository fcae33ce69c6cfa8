/* Drives Chromium for the tests, with nothing but node: its own debugging protocol (DevTools) over
 * a pair of pipes.
 *
 *     const browser = await Browser.launch('/usr/bin/chromium');
 *     const page = await browser.newPage({before: [fn, ...]});  // shares storage with no other
 *     await page.goto(url);
 *     await page.waitFor('a heading', () => document.querySelector('h1') !== null);
 *     await browser.close();
 *
 * Functions given to evaluate() and waitFor() run in the page; their argument and their result are
 * JSON. */

import {spawn} from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const WAIT_MS = 15000; // for a condition, and for an answer of the browser
const LOOK_EVERY_MS = 20;

const flags = [
    '--headless=new',
    '--remote-debugging-pipe',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--no-default-browser-check',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--disable-extensions',
    '--disable-default-apps',
    '--disable-dev-shm-usage',
    '--mute-audio',
    '--disable-background-timer-throttling',
    '--disable-backgrounding-occluded-windows',
    '--disable-renderer-backgrounding',
    '--password-store=basic',
];

export const pause = (ms) =>
    new Promise((resolve) => {
        setTimeout(resolve, ms);
    });

/* Look until `condition` gives something true, and give that. */
export async function until(what, condition, limit = WAIT_MS) {
    const end = Date.now() + limit;
    for (;;) {
        const value = await condition();
        if (value) {
            return value;
        }
        if (Date.now() > end) {
            throw new Error(`waited in vain: ${what}`);
        }
        await pause(LOOK_EVERY_MS);
    }
}

export class Browser {
    #process;
    #profile;
    #out;
    #calls = new Map(); // id of a command -> what to do with its answer
    #pages = new Map(); // session -> page
    #lastId = 0;

    static async launch(program) {
        const browser = new Browser();
        browser.#profile = fs.mkdtempSync(path.join(os.tmpdir(), 'gust-chromium-'));
        browser.#process = spawn(
            program,
            [...flags, `--user-data-dir=${browser.#profile}`, 'about:blank'],
            {stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe']},
        );
        browser.#process.on('error', () => browser.#fail());
        browser.#process.on('exit', () => browser.#fail());
        browser.#out = browser.#process.stdio[3];
        browser.#out.on('error', () => browser.#fail());
        browser.#listen(browser.#process.stdio[4]);
        await browser.call('Browser.getVersion');
        return browser;
    }

    async newPage({before = []} = {}) {
        const {browserContextId} = await this.call('Target.createBrowserContext');
        const {targetId} = await this.call('Target.createTarget', {
            url: 'about:blank',
            browserContextId,
        });
        const {sessionId} = await this.call('Target.attachToTarget', {targetId, flatten: true});
        const page = new Page(this, sessionId, browserContextId);
        this.#pages.set(sessionId, page);
        await page.prepare(before);
        return page;
    }

    /* One command of the protocol: its result, or an error with its name. */
    call(method, params = {}, sessionId = undefined) {
        const id = ++this.#lastId;
        return new Promise((resolve, reject) => {
            const timer = setTimeout(
                () => this.#answer({id, error: {message: 'no answer from the browser'}}),
                WAIT_MS,
            );
            this.#calls.set(id, ({result, error}) => {
                clearTimeout(timer);
                error ? reject(new Error(`${method}: ${error.message}`)) : resolve(result);
            });
            this.#out.write(`${JSON.stringify({id, method, params, sessionId})}\0`);
        });
    }

    async close() {
        const gone = new Promise((resolve) => {
            this.#process.once('exit', resolve);
        });
        if (this.#process.exitCode === null) {
            await this.call('Browser.close').catch(() => {});
            await Promise.race([gone, pause(3000)]);
        }
        this.kill();
        fs.rmSync(this.#profile, {recursive: true, force: true, maxRetries: 10, retryDelay: 50});
    }

    /* For who can't wait. */
    kill() {
        this.#process.kill('SIGKILL');
    }

    #listen(pipe) {
        let rest = '';
        pipe.setEncoding('utf8');
        pipe.on('data', (text) => {
            const messages = (rest + text).split('\0');
            rest = messages.pop();
            messages
                .map((message) => JSON.parse(message))
                .forEach((message) => {
                    message.id
                        ? this.#answer(message)
                        : this.#pages.get(message.sessionId)?.heard(message);
                });
        });
    }

    #answer(message) {
        this.#calls.get(message.id)?.(message);
        this.#calls.delete(message.id);
    }

    #fail() {
        [...this.#calls.keys()].forEach((id) =>
            this.#answer({id, error: {message: 'the browser is gone'}}),
        );
    }
}

class Page {
    problems = []; // errors that nobody caught, and breaches of the page's security policy
    #browser;
    #session;
    #context;
    #loads = 0;

    constructor(browser, session, context) {
        this.#browser = browser;
        this.#session = session;
        this.#context = context;
    }

    async prepare(before) {
        await Promise.all(
            ['Page', 'Runtime', 'Log'].map((domain) => this.#call(`${domain}.enable`)),
        );
        await this.#call('Emulation.setFocusEmulationEnabled', {enabled: true});
        for (const script of before) {
            await this.#call('Page.addScriptToEvaluateOnNewDocument', {source: script});
        }
    }

    heard({method, params}) {
        if (method === 'Page.loadEventFired') {
            this.#loads++;
        } else if (method === 'Runtime.exceptionThrown') {
            const {text, exception} = params.exceptionDetails;
            this.problems.push(`${text} ${exception?.description ?? ''}`);
        } else if (method === 'Log.entryAdded' && params.entry.source === 'security') {
            this.problems.push(params.entry.text);
        }
    }

    goto(url) {
        return this.#load('Page.navigate', {url});
    }

    reload() {
        return this.#load('Page.reload', {});
    }

    async evaluate(fn, arg = null) {
        const expression = `(${fn})(${JSON.stringify(arg)})`;
        const answer = await this.#call('Runtime.evaluate', {
            expression,
            returnByValue: true,
            awaitPromise: true,
        });
        if (answer.exceptionDetails) {
            throw new Error(
                answer.exceptionDetails.exception?.description ?? answer.exceptionDetails.text,
            );
        }
        return answer.result.value;
    }

    waitFor(what, condition, arg = null) {
        return until(what, () => this.evaluate(condition, arg));
    }

    /* Put text into the field that has the focus, as a hand or a paste does. */
    type(text) {
        return this.#call('Input.insertText', {text});
    }

    async press(key, code, text = undefined) {
        const event = {key, code: key, windowsVirtualKeyCode: code, text};
        await this.#call('Input.dispatchKeyEvent', {...event, type: 'keyDown'});
        await this.#call('Input.dispatchKeyEvent', {...event, type: 'keyUp'});
    }

    enter() {
        return this.press('Enter', 13, '\r');
    }

    async screenshot(file) {
        const {data} = await this.#call('Page.captureScreenshot', {format: 'png'});
        fs.writeFileSync(file, Buffer.from(data, 'base64'));
    }

    close() {
        return this.#browser.call('Target.disposeBrowserContext', {
            browserContextId: this.#context,
        });
    }

    #call(method, params) {
        return this.#browser.call(method, params, this.#session);
    }

    async #load(method, params) {
        const before = this.#loads;
        const {errorText} = await this.#call(method, params);
        if (errorText) {
            throw new Error(`${params.url}: ${errorText}`);
        }
        await until('the page loads', () => this.#loads > before);
    }
}
