#include "generate.h"

#include "client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[] = {
	"the", "harbour", "of", "meeting", "and", "invoice", "we", "shall", "see", "a", "letter", "from", "garden", "to", "your",
	"release", "with", "before", "Thursday", "please", "find", "attached", "notes", "about", "server", "mailbox", "weather",
	"train", "is", "late", "again", "reply", "when", "possible", "thanks", "for", "budget", "review", "draft", "second",
	"window", "river", "coffee", "list", "members", "are", "invited", "contract", "signed", "holiday", "photographs",
};
static const char *const people[] = {"alice", "bruno", "chiara", "dmitri", "eva", "farid", "greta", "hugo", "ines", "jonas"};

struct text {
	char *p;
	size_t len, cap;
	uint64_t state;
};

static uint32_t roll(struct text *t, uint32_t below)
{
	t->state ^= t->state << 13;
	t->state ^= t->state >> 7;
	t->state ^= t->state << 17;
	return (uint32_t)(t->state >> 20) % below;
}

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *fmt, ...)
{
	if (t->cap - t->len < 4096) {
		t->cap = t->cap * 2 + 65536;
		t->p = realloc(t->p, t->cap);
		if (!t->p)
			bench_die("out of memory");
	}
	va_list args;
	va_start(args, fmt);
	t->len += (size_t)vsnprintf(t->p + t->len, t->cap - t->len, fmt, args);
	va_end(args);
}

static void sentence(struct text *t, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		add(t, "%s%s", i ? " " : "", words[roll(t, sizeof(words) / sizeof(words[0]))]);
}

static void paragraphs(struct text *t, uint32_t lines)
{
	for (uint32_t i = 0; i < lines; i++) {
		sentence(t, 8 + roll(t, 5));
		add(t, i % 7 == 6 ? ".\r\n\r\n" : "\r\n");
	}
}

static void html(struct text *t, uint32_t lines)
{
	add(t, "<html><head><meta charset=\"utf-8\"></head><body style=\"font-family: sans-serif\">\r\n");
	for (uint32_t i = 0; i < lines; i++) {
		add(t, "<p class=\"text\">");
		sentence(t, 10);
		add(t, "</p>\r\n");
	}
	add(t, "</body></html>\r\n");
}

static void base64_noise(struct text *t, uint32_t lines)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char line[77] = "";
	for (uint32_t i = 0; i < lines; i++) {
		for (int k = 0; k < 76; k++)
			line[k] = alphabet[roll(t, 64)];
		add(t, "%s\r\n", line);
	}
}

static void headers(struct text *t, uint32_t number)
{
	const char *from = people[roll(t, 10)], *to = people[roll(t, 10)];
	unsigned minute = number % 60, hour = number / 60 % 24, day = number / 1440 % 28 + 1;
	for (unsigned i = 0; i < 3; i++)
		add(t,
		    "Received: from relay%u.example.net (relay%u.example.net [192.0.2.%u])\r\n"
		    "\tby mx%u.example.org (Postfix) with ESMTPS id %08X%04X\r\n"
		    "\tfor <%s@example.org>; Mon, %u Jun 2026 %02u:%02u:%02u +0000 (UTC)\r\n",
		    i, i, roll(t, 255), i, roll(t, UINT32_MAX), roll(t, 65536), to, day, hour, minute, i);
	add(t, "From: %s Example <%s@example.net>\r\nTo: %s <%s@example.org>\r\n", from, from, to, to);
	if (roll(t, 3) == 0)
		add(t, "Cc: %s@example.org, \"Team, %s\" <team@example.org>\r\n", people[roll(t, 10)], people[roll(t, 10)]);
	add(t, "Subject: %s", roll(t, 3) ? "" : "Re: ");
	sentence(t, 3 + roll(t, 6));
	add(t, "\r\nDate: Mon, %u Jun 2026 %02u:%02u:%02u +0200\r\nMessage-ID: <%u.%08x@example.net>\r\n", day, hour, minute,
	    number % 60, number, roll(t, UINT32_MAX));
	if (number > 10 && roll(t, 3) == 0)
		add(t, "In-Reply-To: <%u.parent@example.net>\r\nReferences: <%u.parent@example.net>\r\n", number - 5, number - 5);
	add(t, "MIME-Version: 1.0\r\nX-Mailer: Example Mailer 4.2\r\n");
}

size_t generate_message(uint32_t number, char **data, size_t *cap)
{
	struct text t = {*data, 0, *cap, 0x9e3779b97f4a7c15u * (number + 1)};
	headers(&t, number);
	uint32_t kind = roll(&t, 10);
	if (kind < 5) {
		add(&t, "Content-Type: text/plain; charset=utf-8\r\n\r\n");
		paragraphs(&t, 10 + roll(&t, 50));
	} else {
		const char *type = kind < 9 ? "alternative" : "mixed";
		add(&t, "Content-Type: multipart/%s; boundary=\"b%u\"\r\n\r\n", type, number);
		add(&t, "--b%u\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n", number);
		paragraphs(&t, 5 + roll(&t, 20));
		add(&t, "--b%u\r\n", number);
		if (kind < 9) {
			add(&t, "Content-Type: text/html; charset=utf-8\r\n\r\n");
			html(&t, 10 + roll(&t, 20));
		} else {
			add(&t, "Content-Type: application/pdf; name=\"notes.pdf\"\r\nContent-Transfer-Encoding: base64\r\n"
				"Content-Disposition: attachment; filename=\"notes.pdf\"\r\n\r\n");
			base64_noise(&t, 50 + roll(&t, 100));
		}
		add(&t, "--b%u--\r\n", number);
	}
	*data = t.p;
	*cap = t.cap;
	return t.len;
}
