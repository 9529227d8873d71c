#include "protocol/imap/capability.h"

enum when {
	BEFORE_LOGIN = 1,
	AFTER_LOGIN = 2,
	ALWAYS = BEFORE_LOGIN | AFTER_LOGIN,
	IF_STARTTLS = 4,       /* with BEFORE_LOGIN */
	IF_LOGIN_DISABLED = 8, /* with BEFORE_LOGIN */
	IF_COMPRESS = 64,      /* with AFTER_LOGIN */
	EACH_MECHANISM = 16,   /* with BEFORE_LOGIN: once for each, behind the "=" */
	WITH_LIMIT = 32,       /* the append limit behind the "=" */
	IF_LITERAL_PLUS = 128,
	IF_LITERAL_MINUS = 256,
	IF_SETS_QUOTAS = 512,  /* with AFTER_LOGIN */
};

static const struct capability_row {
	const char *name;
	unsigned when;
} rows[] = {
	{"IMAP4rev1", ALWAYS},                             /* RFC 3501 */
	{"IMAP4rev2", ALWAYS},                             /* RFC 9051 */
	{"STARTTLS", BEFORE_LOGIN | IF_STARTTLS},          /* RFC 3501 6.2.1 */
	{"LOGINDISABLED", BEFORE_LOGIN | IF_LOGIN_DISABLED}, /* RFC 3501 6.2.3 */
	{"AUTH=", BEFORE_LOGIN | EACH_MECHANISM},          /* RFC 3501 6.2.2 */
	{"SASL-IR", BEFORE_LOGIN},                         /* RFC 4959 */
	{"LITERAL+", ALWAYS | IF_LITERAL_PLUS},            /* RFC 7888 */
	{"LITERAL-", ALWAYS | IF_LITERAL_MINUS},           /* RFC 7888 5: never both */
	{"ID", ALWAYS},                                    /* RFC 2971 */
	{"ENABLE", ALWAYS},                                /* RFC 5161 */
	{"UTF8=ACCEPT", AFTER_LOGIN},                      /* RFC 9755 */
	{"COMPRESS=DEFLATE", AFTER_LOGIN | IF_COMPRESS},   /* RFC 4978 */
	{"UNAUTHENTICATE", AFTER_LOGIN},                   /* RFC 8437 */
	{"IDLE", AFTER_LOGIN},                             /* RFC 2177 */
	{"NOTIFY", AFTER_LOGIN},                           /* RFC 5465 */
	{"NAMESPACE", AFTER_LOGIN},                        /* RFC 2342 */
	{"UNSELECT", AFTER_LOGIN},                         /* RFC 3691 */
	{"UIDPLUS", AFTER_LOGIN},                          /* RFC 4315 */
	{"MOVE", AFTER_LOGIN},                             /* RFC 6851 */
	{"MULTIAPPEND", AFTER_LOGIN},                      /* RFC 3502 */
	{"CHILDREN", AFTER_LOGIN},                         /* RFC 3348 */
	{"LIST-EXTENDED", AFTER_LOGIN},                    /* RFC 5258 */
	{"LIST-STATUS", AFTER_LOGIN},                      /* RFC 5819 */
	{"STATUS=SIZE", AFTER_LOGIN},                      /* RFC 8438 */
	{"SPECIAL-USE", AFTER_LOGIN},                      /* RFC 6154 */
	{"CREATE-SPECIAL-USE", AFTER_LOGIN},               /* RFC 6154 */
	{"QUOTA", AFTER_LOGIN},                            /* RFC 9208 */
	{"QUOTA=RES-STORAGE", AFTER_LOGIN},                /* RFC 9208 5.1 */
	{"QUOTA=RES-MESSAGE", AFTER_LOGIN},                /* RFC 9208 5.2 */
	{"QUOTA=RES-MAILBOX", AFTER_LOGIN},                /* RFC 9208 5.3 */
	{"QUOTASET", AFTER_LOGIN | IF_SETS_QUOTAS},        /* RFC 9208 4.1.3 */
	{"METADATA", AFTER_LOGIN},                         /* RFC 5464 */
	{"METADATA-SERVER", AFTER_LOGIN},                  /* RFC 5464 */
	{"LIST-METADATA", AFTER_LOGIN},                    /* RFC 9590 */
	{"STATUS=DELETED", AFTER_LOGIN},                   /* RFC 9051 App. E */
	{"CONDSTORE", AFTER_LOGIN},                        /* RFC 7162 3.1 */
	{"QRESYNC", AFTER_LOGIN},                          /* RFC 7162 3.2 */
	{"UIDONLY", AFTER_LOGIN},                          /* RFC 9586 */
	{"ESEARCH", AFTER_LOGIN},                          /* RFC 4731 */
	{"SEARCH=FUZZY", AFTER_LOGIN},                     /* RFC 6203 */
	{"SORT", AFTER_LOGIN},                             /* RFC 5256 */
	{"SORT=DISPLAY", AFTER_LOGIN},                     /* RFC 5957 */
	{"ESORT", AFTER_LOGIN},                            /* RFC 5267 3 */
	{"THREAD=ORDEREDSUBJECT", AFTER_LOGIN},            /* RFC 5256 */
	{"THREAD=REFERENCES", AFTER_LOGIN},                /* RFC 5256 */
	{"THREAD=REFS", AFTER_LOGIN},                      /* draft-ietf-morg-inthread-01 4 */
	{"I18NLEVEL=1", AFTER_LOGIN},                      /* RFC 5255 4 */
	{"WITHIN", AFTER_LOGIN},                           /* RFC 5032 */
	{"SEARCHRES", AFTER_LOGIN},                        /* RFC 5182 */
	{"PARTIAL", AFTER_LOGIN},                          /* RFC 9394 */
	{"UIDBATCHES", AFTER_LOGIN},                       /* RFC 10022 */
	{"INPROGRESS", AFTER_LOGIN},                       /* RFC 9585 */
	{"CATENATE", AFTER_LOGIN},                         /* RFC 4469 */
	{"URL-PARTIAL", AFTER_LOGIN},                      /* RFC 5550 5.7.1 */
	{"REPLACE", AFTER_LOGIN},                          /* RFC 8508 */
	{"BINARY", AFTER_LOGIN},                           /* RFC 3516 */
	{"OBJECTID", AFTER_LOGIN},                         /* RFC 8474 */
	{"SAVEDATE", AFTER_LOGIN},                         /* RFC 8514 */
	{"PREVIEW", AFTER_LOGIN},                          /* RFC 8970 */
	{"APPENDLIMIT=", AFTER_LOGIN | WITH_LIMIT},        /* RFC 7889 */
};

static bool is_listed(unsigned when, const struct capability_context *c)
{
	if (!(when & (c->logged_in ? AFTER_LOGIN : BEFORE_LOGIN)))
		return false;
	if ((when & IF_STARTTLS) && !c->has_starttls)
		return false;
	if ((when & IF_COMPRESS) && !c->has_compress)
		return false;
	if ((when & IF_SETS_QUOTAS) && !c->sets_quotas)
		return false;
	if (when & (c->literal_minus ? IF_LITERAL_PLUS : IF_LITERAL_MINUS))
		return false;
	return !(when & IF_LOGIN_DISABLED) || !c->may_log_in;
}

bool capability_is_named(const char *names, struct span name)
{
	while (names && *names) {
		size_t n = strcspn(names, " ");
		if (span_iequal(span_make(names, n), name))
			return true;
		names += n + (names[n] == ' ');
	}
	return false;
}

/* What it is called in a list of names: without a value that follows its "=". */
static struct span name_of(const char *row)
{
	size_t len = strlen(row);
	return span_make(row, row[len - 1] == '=' ? len - 1 : len);
}

static bool is_off(const struct capability_context *c, struct span name)
{
	for (size_t i = 0; i < countof(c->off); i++)
		if (capability_is_named(c->off[i], name))
			return true;
	return false;
}

static bool is_known(struct span name)
{
	for (size_t i = 0; i < countof(rows); i++)
		if (span_iequal(name_of(rows[i].name), name))
			return true;
	return false;
}

bool capability_can_be_off(const char *names, struct span *wrong)
{
	for (const char *at = names; *at;) {
		size_t n = strcspn(at, " ");
		*wrong = span_make(at, n);
		if (!is_known(*wrong) || span_is(*wrong, "IMAP4rev1"))
			return false;
		at += n + (at[n] == ' ');
	}
	return true;
}

static void add(struct buf *out, size_t begin, const char *name)
{
	if (out->len > begin)
		buf_add_char(out, ' ');
	buf_add_text(out, name);
}

void capability_write(struct buf *out, const struct capability_context *c)
{
	size_t begin = out->len;
	for (size_t i = 0; i < countof(rows); i++) {
		if (!is_listed(rows[i].when, c) || is_off(c, name_of(rows[i].name)))
			continue;
		if (!(rows[i].when & EACH_MECHANISM)) {
			add(out, begin, rows[i].name);
			if (rows[i].when & WITH_LIMIT)
				buf_add_u64(out, c->append_limit);
			continue;
		}
		for (const char *at = c->mechanisms; *at;) {
			size_t n = strcspn(at, " ");
			add(out, begin, rows[i].name);
			buf_add(out, at, n);
			at += n + (at[n] == ' ');
		}
	}
}

const char *capability_name_at(size_t index)
{
	return index < countof(rows) ? rows[index].name : NULL;
}
