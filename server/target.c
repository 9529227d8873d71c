#include "server/target.h"

#include "protocol/mime/header.h"
#include "storage/mailbox.h"

static bool is_named(const char *name, struct span detail)
{
	if (strlen(name) != detail.len)
		return false;
	for (size_t i = 0; i < detail.len; i++) {
		bool level = name[i] == '/' && detail.ptr[i] == '.';
		if (!level && strncasecmp(name + i, detail.ptr + i, 1) != 0)
			return false;
	}
	return true;
}

static enum store_err find_named(struct account *a, struct span detail, int64_t *mailbox)
{
	struct mailbox_names names = {0};
	enum store_err err = mailbox_list(a, &names);
	*mailbox = 0;
	for (size_t i = 0; i < names.n && !err; i++) {
		const struct mailbox_name *n = &names.v[i];
		bool exactly = n->info.id && !n->noselect && strlen(n->name) == detail.len &&
			       memcmp(n->name, detail.ptr, detail.len) == 0;
		if (exactly || (n->info.id && !n->noselect && *mailbox == 0 && is_named(n->name, detail)))
			*mailbox = n->info.id;
		if (exactly)
			break;
	}
	mailbox_names_finish(&names);
	return err || *mailbox ? err : STORE_NOTFOUND;
}

enum store_err target_find(struct account *a, const struct target_facts *facts, int64_t *mailbox)
{
	enum store_err err = STORE_NOTFOUND;
	if (facts->is_junk)
		err = mailbox_find_special(a, SPECIAL_JUNK, mailbox);
	else if (facts->detail.len)
		err = find_named(a, facts->detail, mailbox);
	return err == STORE_NOTFOUND ? mailbox_find(a, "INBOX", mailbox) : err;
}

static struct span trim(struct span s)
{
	while (s.len && mime_is_space(s.ptr[0]))
		s = span_after(s, 1);
	while (s.len && mime_is_space(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

static bool has_field(struct span header, struct span name, struct span begins)
{
	struct mime_field field;
	for (size_t at = 0; mime_field_next(header, &at, &field);) {
		struct span value = trim(field.value);
		if (name.len && span_iequal(field.name, name) && value.len >= begins.len &&
		    strncasecmp(value.ptr, begins.ptr, begins.len) == 0)
			return true;
	}
	return false;
}

bool target_is_junk(const char *rules, struct span header)
{
	for (const char *at = rules; *at;) {
		size_t len = strcspn(at, ",");
		struct span rule = span_make(at, len);
		const char *colon = memchr(at, ':', len);
		if (colon && has_field(header, trim(span_make(at, (size_t)(colon - at))),
				       trim(span_after(rule, (size_t)(colon - at) + 1))))
			return true;
		at += len + (at[len] == ',');
	}
	return false;
}
