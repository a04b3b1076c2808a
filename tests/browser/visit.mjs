// One visit to S4's pages with Debian's Chromium: signs up, pays in test mode, waits for the grid, reads the page.
//
//   node visit.mjs '{"base": "http://127.0.0.1:8480", "email": "a@example.org", "shots": "build/screenshots/wide",
//                    "width": 1280, "height": 900, "scripts": true, "keyboard": false}'
//
// Prints one JSON object: what the customer's page shows, and what the browser complained of on the way. It judges
// nothing but what stops it from going on; the test does.

import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';

const wish = JSON.parse(process.argv[2]);
mkdirSync(wish.shots, { recursive: true });

const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-background-networking'],
});
const context = await browser.newContext({
    viewport: { width: wish.width, height: wish.height },
    javaScriptEnabled: wish.scripts,
    locale: 'en-GB',
});
if (wish.scripts) await context.grantPermissions(['clipboard-read', 'clipboard-write']);
const page = await context.newPage();
page.setDefaultTimeout(30_000);

const seen = { complaints: [], foreign: [], failed: [], steps: [] };
page.on('console', (m) => {
    // An answer of 4xx is complained of here too; `failed` has it with its address.
    if (['error', 'warning'].includes(m.type()) && !m.text().startsWith('Failed to load resource')) seen.complaints.push(m.text());
});
page.on('pageerror', (e) => seen.complaints.push(String(e)));
page.on('request', (r) => {
    if (!r.url().startsWith(wish.base + '/') && !r.url().startsWith('data:')) seen.foreign.push(r.url());
});
page.on('response', (r) => {
    if (r.status() >= 400) seen.failed.push(`${r.status()} ${r.url()}`);
});

// What every page must be: no wider than the screen, with one heading and a name for each control.
async function look(name) {
    await page.screenshot({ path: `${wish.shots}/${name}.png`, fullPage: true });
    const facts = await page.evaluate(() => {
        const named = (e) => e.labels?.length || e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') ||
            e.textContent.trim() || e.value;
        const controls = [...document.querySelectorAll('a, button, input:not([type=hidden]), select, textarea')];
        return {
            title: document.title,
            headings: document.querySelectorAll('h1').length,
            wider: document.documentElement.scrollWidth - document.documentElement.clientWidth,
            unlabelled: controls.filter((e) => !named(e)).map((e) => e.outerHTML),
            language: document.documentElement.lang,
        };
    });
    seen.steps.push({ name, path: new URL(page.url()).pathname, ...facts });
}

// Presses Tab until the wanted element has the focus, which must be seen, and returns it.
async function tab_to(locator) {
    const wanted = await locator.elementHandle();
    for (let i = 0; i < 60; ++i) {
        await page.keyboard.press('Tab');
        const state = await page.evaluate((e) => {
            const now = document.activeElement;
            if (now !== e && !(now?.type === 'radio' && now.name === e.name)) return 'elsewhere';
            const outline = (x) => x && getComputedStyle(x).outlineStyle !== 'none' && getComputedStyle(x).outlineWidth !== '0px';
            const shadow = (x) => x && getComputedStyle(x).boxShadow !== 'none';
            return [now, now.closest('label')].some((x) => outline(x) || shadow(x)) ? 'shown' : 'hidden';
        }, wanted);
        if (state === 'hidden') seen.complaints.push(`the focus cannot be seen on ${await locator.first().evaluate((e) => e.outerHTML)}`);
        if (state !== 'elsewhere') return;
    }
    throw new Error('not reached by the Tab key: ' + await locator.first().evaluate((e) => e.outerHTML));
}

async function press(locator) {
    if (!wish.keyboard) return locator.click();
    await tab_to(locator);
    await page.keyboard.press('Enter');
}

async function fill(locator, text) {
    if (!wish.keyboard) return locator.fill(text);
    await tab_to(locator);
    await page.keyboard.type(text);
}

async function choose(locator) {
    if (!wish.keyboard) return locator.check();
    await tab_to(locator);
    await page.keyboard.press('Space');
}

await page.goto(wish.base + '/');
await look('1-landing');
await press(page.getByRole('main').getByRole('link', { name: /get a grid|sign up|choose/i }).first());
await page.waitForURL('**/sign-up*');
await look('2-sign-up');

const email = page.getByRole('textbox', { name: /e-?mail/i });
await fill(email, 'not an address');
await choose(page.getByRole('radio').first());
await press(page.getByRole('main').getByRole('button').first());
await page.getByRole('alert').waitFor();
await look('3-refused');
await email.fill('');
await fill(email, wish.email);
await press(page.getByRole('main').getByRole('button').first());

const pay = page.getByRole('button', { name: /pay|start|free/i }).first();
await pay.waitFor();
await look('4-payment');
await press(pay);

// Without JavaScript the page goes on by itself too (it refreshes); with it, live.
await page.locator('#introducer-furl').waitFor({ state: 'attached', timeout: 60_000 });
await look('5-grid');
const text = async (selector) => (await page.locator(selector).allTextContents()).map((t) => t.trim());
const result = {
    path: new URL(page.url()).pathname,
    introducer_furl: (await text('#introducer-furl'))[0],
    storage_furl: (await text('#storage-furl'))[0],
    nurls: await text('.nurl'),
    number: (await text('#number'))[0],
};
if (wish.scripts) {
    const copy = page.getByRole('button', { name: /copy/i }).first();
    if (await copy.count()) {
        await press(copy);
        result.copied = await page.evaluate(() => navigator.clipboard.readText());
        result.first_command = (await text('#install'))[0];
    }
}
await browser.close();
console.log(JSON.stringify({ ...result, ...seen }));
