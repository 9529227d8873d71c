#include "server/sessions.h"

#include "server/conn.h"

struct session_user {
	char address[ADDRESS_MAX + 1];
	size_t n;
	UT_hash_handle hh;
};

/* A sessions_match that lasts. */
struct past_ending {
	char address[ADDRESS_MAX + 1], credential[APP_PASSWORD_ID_LEN + 1], domain[ADDRESS_DOMAIN_MAX + 1];
	uint64_t id;
};

struct sessions {
	uv_mutex_t mutex;
	size_t user_max, n;
	uint64_t endings;
	struct past_ending past[SESSIONS_ENDINGS_KEPT]; /* the last ones, by their number */
	struct session_entry *by_id;
	struct session_user *users;
};

struct sessions *sessions_create(size_t user_max)
{
	struct sessions *s = xcalloc(1, sizeof(*s));
	s->user_max = user_max;
	invariant(uv_mutex_init(&s->mutex) == 0);
	return s;
}

void sessions_set_max(struct sessions *s, size_t user_max)
{
	uv_mutex_lock(&s->mutex);
	s->user_max = user_max;
	uv_mutex_unlock(&s->mutex);
}

void sessions_destroy(struct sessions *s)
{
	if (!s)
		return;
	invariant(s->n == 0 && !s->users);
	uv_mutex_destroy(&s->mutex);
	free(s);
}

static struct session_user *user_of(struct sessions *s, const char *address)
{
	struct session_user *user;
	HASH_FIND_STR(s->users, address, user);
	if (user)
		return user;
	user = xcalloc(1, sizeof(*user));
	snprintf(user->address, sizeof(user->address), "%s", address);
	HASH_ADD_STR(s->users, address, user);
	return user;
}

static void leave_user(struct sessions *s, struct session_user *user)
{
	if (user->n)
		return;
	HASH_DEL(s->users, user);
	free(user);
}

bool sessions_enter(struct sessions *s, struct session_entry *entry)
{
	if (!s)
		return true;
	invariant(!entry->entered);
	uv_mutex_lock(&s->mutex);
	struct session_user *user = user_of(s, entry->address);
	bool room = entry->exempt || user->n < s->user_max;
	if (room) {
		user->n += !entry->exempt;
		entry->user = entry->exempt ? NULL : user;
		entry->entered = true;
		s->n++;
		HASH_ADD(hh, s->by_id, id, sizeof(entry->id), entry);
	}
	leave_user(s, user);
	uv_mutex_unlock(&s->mutex);
	return room;
}

void sessions_leave(struct sessions *s, struct session_entry *entry)
{
	if (!s || !entry->entered)
		return;
	uv_mutex_lock(&s->mutex);
	HASH_DEL(s->by_id, entry);
	s->n--;
	entry->entered = false;
	if (entry->user) {
		entry->user->n--;
		leave_user(s, entry->user);
	}
	entry->user = NULL;
	uv_mutex_unlock(&s->mutex);
}

void sessions_set_device(struct sessions *s, struct session_entry *entry, const char *device)
{
	if (!s)
		return;
	uv_mutex_lock(&s->mutex);
	snprintf(entry->device, sizeof(entry->device), "%s", device);
	uv_mutex_unlock(&s->mutex);
}

size_t sessions_count(struct sessions *s)
{
	if (!s)
		return 0;
	uv_mutex_lock(&s->mutex);
	size_t n = s->n;
	uv_mutex_unlock(&s->mutex);
	return n;
}

static int by_id(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

/* The table has no order of its own, and a list of all of them must not hold the mutex while it is shown. */
void sessions_each(struct sessions *s, uint64_t after, bool (*each)(void *ctx, const struct session_entry *entry),
		   void *ctx)
{
	if (!s)
		return;
	uv_mutex_lock(&s->mutex);
	uint64_t *ids = xcalloc(s->n + 1, sizeof(*ids));
	size_t n = 0;
	for (struct session_entry *e = s->by_id; e; e = e->hh.next)
		if (e->id > after)
			ids[n++] = e->id;
	qsort(ids, n, sizeof(*ids), by_id);
	bool more = true;
	for (size_t i = 0; i < n && more; i++) {
		struct session_entry *e;
		HASH_FIND(hh, s->by_id, &ids[i], sizeof(ids[i]), e);
		more = each(ctx, e);
	}
	uv_mutex_unlock(&s->mutex);
	free(ids);
}

uint64_t sessions_endings(struct sessions *s)
{
	if (!s)
		return 0;
	uv_mutex_lock(&s->mutex);
	uint64_t n = s->endings;
	uv_mutex_unlock(&s->mutex);
	return n;
}

struct ending {
	struct letter letter;
	uint64_t conn_id;
};

static void deliver_ending(struct letter *letter, struct loop *loop)
{
	struct ending *m = container_of(letter, struct ending, letter);
	struct conn *c = conn_find(loop, m->conn_id);
	free(m);
	if (c)
		conn_stop(c, CONN_END_KICKED);
}

static bool fits(const struct sessions_match *m, const struct session_entry *e)
{
	const char *at = strrchr(e->address, '@');
	if (m->domain && (!at || strcmp(at + 1, m->domain) != 0))
		return false;
	return (m->id || m->address || m->credential || m->domain) && (!m->id || m->id == e->id) &&
	       (!m->address || strcmp(m->address, e->address) == 0) &&
	       (!m->credential || strcmp(m->credential, e->credential) == 0);
}

bool sessions_ended_since(struct sessions *s, const struct session_entry *entry, uint64_t endings)
{
	if (!s)
		return false;
	uv_mutex_lock(&s->mutex);
	bool ended = s->endings - endings > SESSIONS_ENDINGS_KEPT;
	for (uint64_t i = endings; i < s->endings && !ended; i++) {
		const struct past_ending *past = &s->past[i % SESSIONS_ENDINGS_KEPT];
		const struct sessions_match match = {.address = past->address[0] ? past->address : NULL,
						     .credential = past->credential[0] ? past->credential : NULL,
						     .domain = past->domain[0] ? past->domain : NULL,
						     .id = past->id};
		ended = fits(&match, entry);
	}
	uv_mutex_unlock(&s->mutex);
	return ended;
}

size_t sessions_end(struct sessions *s, const struct sessions_match *match)
{
	size_t n = 0;
	if (!s)
		return 0;
	uv_mutex_lock(&s->mutex);
	struct past_ending *past = &s->past[s->endings++ % SESSIONS_ENDINGS_KEPT];
	past->id = match->id;
	snprintf(past->address, sizeof(past->address), "%s", match->address ? match->address : "");
	snprintf(past->credential, sizeof(past->credential), "%s", match->credential ? match->credential : "");
	snprintf(past->domain, sizeof(past->domain), "%s", match->domain ? match->domain : "");
	for (struct session_entry *e = s->by_id; e; e = e->hh.next) {
		if (!fits(match, e))
			continue;
		struct ending *m = xcalloc(1, sizeof(*m));
		m->letter.deliver = deliver_ending;
		m->conn_id = e->conn_id;
		loop_post(e->loop, &m->letter);
		n++;
	}
	uv_mutex_unlock(&s->mutex);
	return n;
}
