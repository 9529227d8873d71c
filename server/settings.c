#include "server/settings.h"

#include "server/config.h"
#include "server/log.h"

#include <stdatomic.h>
#include <uv.h>

struct settings {
	uv_mutex_t mutex; /* for the reader, and these */
	struct setting_values defaults;
	struct directory *reader;
	_Atomic uint64_t generation; /* from 1 */
};

static int64_t number_at(const struct option *o, const struct config *config)
{
	const void *at = (const char *)config + o->offset;
	switch (o->type) {
	case OPTION_INT:
		return *(const int *)at;
	case OPTION_LONG:
		return *(const long *)at;
	case OPTION_BOOL:
		return *(const bool *)at;
	case OPTION_TEXT: case OPTION_CHOICE:
		break;
	}
	invariant(false && "a number's default is a number");
	return 0;
}

static int64_t standard_of(const struct config *config, const struct setting *s)
{
	for (size_t i = 0; i < config_options_n; i++)
		if (!config_options[i].section && strcmp(config_options[i].name, s->name) == 0)
			return number_at(&config_options[i], config);
	return s->standard;
}

static void read_defaults(const struct config *config, struct setting_values *out)
{
	*out = (struct setting_values){0};
	for (enum setting_id id = 0; id < SETTINGS_N; id++)
		out->value[id] = standard_of(config, &setting_table[id]);
}

void settings_defaults(struct settings *s, struct setting_values *out)
{
	uv_mutex_lock(&s->mutex);
	*out = s->defaults;
	uv_mutex_unlock(&s->mutex);
}

void settings_configure(struct settings *s, const struct config *config)
{
	struct setting_values now;
	read_defaults(config, &now);
	uv_mutex_lock(&s->mutex);
	bool changed = memcmp(now.value, s->defaults.value, sizeof(now.value)) != 0;
	s->defaults = now;
	uv_mutex_unlock(&s->mutex);
	if (changed)
		settings_changed(s);
}

struct settings *settings_create(const struct config *config, struct directory *reader)
{
	struct settings *s = xcalloc(1, sizeof(*s));
	read_defaults(config, &s->defaults);
	s->reader = reader;
	atomic_init(&s->generation, 1);
	invariant(uv_mutex_init(&s->mutex) == 0);
	return s;
}

void settings_destroy(struct settings *s)
{
	if (!s)
		return;
	directory_close(s->reader);
	uv_mutex_destroy(&s->mutex);
	free(s);
}

void settings_changed(struct settings *s)
{
	atomic_fetch_add(&s->generation, 1);
}

bool settings_are_fresh(const struct settings *s, const struct lane_settings *of)
{
	return of->generation == atomic_load(&s->generation);
}

bool settings_refresh(struct settings *s, const char *account, struct lane_settings *of, struct settings_owner *out)
{
	uint64_t generation = atomic_load(&s->generation);
	if (of->generation == generation)
		return false;
	struct setting_values values;
	uv_mutex_lock(&s->mutex);
	values = s->defaults;
	enum store_err err = directory_settings_of(s->reader, account, &values);
	if (!err)
		err = directory_usage_of(s->reader, account, &out->recorded);
	out->domain[0] = '\0';
	if (!err)
		err = directory_account_domain(s->reader, account, out->domain);
	if (err == STORE_NOTFOUND)
		err = STORE_OK;
	if (err)
		log_event(LOG_ERROR, "settings_failed", log_text("account", account),
			  log_text("fault", directory_fault(s->reader)));
	uv_mutex_unlock(&s->mutex);
	if (err && of->generation)
		return false;
	of->now = values;
	of->generation = err ? 0 : generation;
	return !err;
}

enum store_err settings_address(struct settings *s, const char *account, char out[ADDRESS_MAX + 1])
{
	uv_mutex_lock(&s->mutex);
	enum store_err err = directory_account_address(s->reader, account, out);
	uv_mutex_unlock(&s->mutex);
	return err;
}
