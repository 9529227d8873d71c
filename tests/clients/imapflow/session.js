/*
 * What a program with imapflow does all day, each step checked: node session.js PORT USER.  Two clients of one user, one that
 * waits and one that changes things.  Prints one line a step; a failure ends it with a stack and code 1.
 */
'use strict';
const assert = require('node:assert');
const { once } = require('node:events');
const { ImapFlow } = require('imapflow');

const [port, user] = process.argv.slice(2);
const message = n => Buffer.from(`From: a@example.net\r\nSubject: number ${n}\r\nMessage-ID: <${n}@example.net>\r\n\r\ntext ${n}\r\n`);

async function connect(options) {
	const client = new ImapFlow({
		host: '127.0.0.1', port: Number(port), secure: false, doSTARTTLS: false, emitLogs: true, logger: false,
		auth: { user: `${user}@example.org`, pass: 'pass' }, ...options
	});
	client.lines = [];
	client.on('log', entry => client.lines.push(`${entry.src || ''}: ${entry.msg || ''}`));
	client.on('error', error => { throw error; });
	await client.connect();
	return client;
}

const said = (client, text) => client.lines.some(line => line.includes(text));

/* The first of the client's events that fits. */
async function event(client, name, fits) {
	const signal = AbortSignal.timeout(20000);
	for (;;) {
		const [what] = await once(client, name, { signal });
		if (fits(what))
			return what;
	}
}

async function all(iterator) {
	const out = [];
	for await (const item of iterator)
		out.push(item);
	return out;
}

async function compression(client) {
	assert.ok(said(client, 'COMPRESS DEFLATE') || said(client, 'COMPRESS'), 'COMPRESS was not used');
	assert.ok(client._inflate, 'nothing is compressed');
	const plain = await connect({ disableCompression: true });
	assert.ok(!plain._inflate);
	await plain.logout();
}

async function specialUse(client) {
	const uses = new Map((await client.list()).filter(box => box.specialUse).map(box => [box.specialUse, box.path]));
	for (const use of ['\\Sent', '\\Drafts', '\\Trash', '\\Junk', '\\Archive'])
		assert.ok(uses.has(use), `no mailbox is ${use}`);
	assert.strictEqual((await client.mailboxCreate('Projects/Roost')).created, true);
	assert.strictEqual((await client.mailboxCreate('Projects/Roost')).created, false);
}

async function objectIds(client) {
	const status = await client.status('INBOX', { messages: true, uidNext: true });
	assert.strictEqual(status.messages, 0);
	const box = await client.mailboxOpen('INBOX');
	assert.match(box.mailboxId, /^[A-Za-z0-9_-]{1,255}$/);
	for (let n = 1; n <= 5; n++)
		await client.append('INBOX', message(n), n === 1 ? ['\\Seen'] : []);
	await client.messageCopy('2', 'Projects/Roost', { uid: true });
	const here = await client.fetchOne('2', { uid: true, threadId: true, envelope: true }, { uid: true });
	assert.strictEqual(here.envelope.subject, 'number 2');
	assert.match(here.emailId, /^[A-Za-z0-9_-]{1,255}$/);
	await client.mailboxOpen('Projects/Roost');
	assert.notStrictEqual(client.mailbox.mailboxId, box.mailboxId);
	const copy = await client.fetchOne('*', { uid: true, threadId: true });
	assert.strictEqual(copy.emailId, here.emailId);
	assert.strictEqual(copy.threadId, here.threadId);
	await client.mailboxOpen('INBOX');
	assert.strictEqual(client.mailbox.mailboxId, box.mailboxId);
}

/* While one is in IDLE. */
async function push(idler, other) {
	await idler.mailboxOpen('INBOX');
	await other.mailboxOpen('INBOX');
	const idling = idler.idle();
	const exists = event(idler, 'exists', what => what.count === 6);
	await other.append('INBOX', message(6));
	await exists;
	const flags = event(idler, 'flags', what => what.flags.has('\\Flagged'));
	await other.messageFlagsAdd('3', ['\\Flagged'], { uid: true });
	assert.strictEqual((await flags).seq, 3);
	const expunge = event(idler, 'expunge', () => true);
	await other.messageDelete('1', { uid: true });
	const gone = await expunge;
	assert.ok(gone.seq === 1 || gone.uid === 1, JSON.stringify(gone));
	await idler.noop(); /* ends the IDLE */
	await idling;
	assert.strictEqual(idler.mailbox.exists, 5);
}

async function reading(client) {
	await client.mailboxOpen('INBOX');
	const listed = await all(client.fetch('1:*', { uid: true, flags: true, envelope: true, bodyStructure: true, source: true, size: true }));
	assert.deepStrictEqual(listed.map(m => m.uid), [2, 3, 4, 5, 6]);
	for (const m of listed) {
		assert.deepStrictEqual(m.source, message(m.uid));
		assert.strictEqual(m.size, m.source.length);
	}
	assert.deepStrictEqual(await client.search({ flagged: true }, { uid: true }), [3]);
	const { content } = await client.download('4', '1', { uid: true });
	assert.strictEqual(Buffer.concat(await all(content)).toString().trim(), 'text 4');
}

/* Away for a while, and back: what changed, what went and what is new comes with SELECT, and nothing else does. */
async function resync(other) {
	let client = await connect({ qresync: true });
	assert.ok(client.enabled.has('QRESYNC') && client.enabled.has('CONDSTORE'), [...client.enabled].join());
	const { uidValidity, highestModseq } = await client.mailboxOpen('INBOX');
	assert.strictEqual(typeof highestModseq, 'bigint');
	await client.logout();

	await other.mailboxOpen('INBOX');
	await other.messageFlagsAdd('5', ['\\Answered'], { uid: true });
	await other.messageDelete('2,4', { uid: true });
	await other.append('INBOX', message(7));

	client = await connect({ qresync: true });
	const flags = [], gone = [];
	client.on('flags', what => flags.push(what));
	client.on('expunge', what => gone.push(what));
	const box = await client.mailboxOpen('INBOX', { uidValidity, changedSince: highestModseq });
	assert.strictEqual(box.qresync, true);
	assert.strictEqual(box.exists, 4);
	assert.ok(box.highestModseq > highestModseq);
	assert.deepStrictEqual(gone.map(what => what.uid).sort(), [2, 4]);
	assert.ok(gone.every(what => what.vanished && what.earlier));
	assert.deepStrictEqual(flags.map(what => what.uid).sort(), [5, 7]);
	assert.ok(flags.find(what => what.uid === 5).flags.has('\\Answered'));

	/* The same asked for while it is open; and what vanishes then comes by its UID. */
	const changed = await all(client.fetch('1:*', { uid: true, flags: true }, { uid: true, changedSince: highestModseq }));
	assert.deepStrictEqual(changed.map(m => m.uid), [5, 7]);
	assert.ok(changed.every(m => m.modseq > highestModseq));
	const idling = client.idle(), expunge = event(client, 'expunge', what => what.uid === 3 && what.vanished && !what.earlier);
	await other.messageDelete('3', { uid: true });
	await expunge;
	await client.noop();
	await idling;

	/* A store on condition: somebody else was first. */
	await other.messageFlagsAdd('5', ['\\Flagged'], { uid: true });
	await client.messageFlagsSet('5', ['\\Draft'], { uid: true, unchangedSince: changed[0].modseq });
	const [now] = await all(client.fetch('5', { uid: true, flags: true }, { uid: true }));
	assert.deepStrictEqual([...now.flags].filter(flag => flag !== '\\Recent').sort(), ['\\Answered', '\\Flagged']);
	await client.logout();
}

async function main() {
	const first = await connect(), second = await connect();
	for (const [name, step] of Object.entries({ compression, specialUse, objectIds }))
		await step(first), console.log(`ok ${name}`);
	await push(first, second), console.log('ok push');
	await reading(second), console.log('ok reading');
	await resync(first), console.log('ok resync');
	await first.logout();
	await second.logout();
}

main().then(() => process.exit(0), error => {
	console.error(error.stack);
	process.exit(1);
});
