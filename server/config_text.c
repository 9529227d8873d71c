/* The table of options as text: config.example and the options of roost.conf(5). */
#include "server/config.h"

enum { COLUMNS = 100 };

static bool is_quoted(const struct option *o)
{
	return o->type == OPTION_TEXT || o->type == OPTION_CHOICE;
}

static void add_setting(struct buf *out, const struct option *o, const char *value)
{
	buf_printf(out, is_quoted(o) ? "%s = \"%s\"" : "%s = %s", o->name, value);
}

/* The help, folded at spaces, each line behind `indent` and "# ". */
static void add_comment(struct buf *out, const char *indent, const char *text)
{
	size_t width = COLUMNS - strlen(indent) - 2;
	while (*text) {
		size_t len = strlen(text);
		if (len > width)
			for (len = width; len > 0 && text[len] != ' '; len--)
				;
		buf_printf(out, "%s# %.*s\n", indent, (int)len, text);
		text += len;
		text += *text == ' ';
	}
}

static void add_expected(struct buf *out, const char *indent, const struct option *o)
{
	struct buf what;
	buf_init(&what, 1000);
	if (o->type != OPTION_TEXT) {
		option_describe(o, &what);
		buf_printf(out, "%s# (%.*s)\n", indent, (int)what.len, what.data);
	}
	buf_finish(&what);
}

static void add_section(struct buf *out, const char *section, const char *must)
{
	for (size_t i = 0; i < config_options_n; i++) {
		const struct option *o = &config_options[i];
		if (strcmp(o->section ? o->section : "", section) != 0)
			continue;
		const char *indent = *section ? "#\t" : "";
		add_comment(out, indent, o->help);
		add_expected(out, indent, o);
		buf_add_text(out, *section ? "#\t" : (o->standard ? "# " : ""));
		add_setting(out, o, o->standard ? o->standard : must);
		buf_add_text(out, *section ? "\n" : "\n\n");
	}
}

void config_write_example(struct buf *out)
{
	buf_add_text(out, "# Roost's configuration: roost serve -c FILE.  Options that are commented out show what holds without\n"
			  "# them.  This file is written from the table of options by \"roost config example\".\n\n");
	add_section(out, "", "/var/lib/roost");
	buf_add_text(out, "# Where clients and mail come in: one section each.\n"
			  "listen { protocol = \"imap\" }\n"
			  "listen { protocol = \"lmtp\" path = \"/run/roost/lmtp.sock\" }\n"
			  "# listen { protocol = \"imaps\" address = \"0.0.0.0\" }\n"
			  "#\n# What may stand in it:\n#\n");
	add_section(out, "listen", "");
	buf_add_text(out, "\n# Who verifies the passwords of a domain's users, where it is not the store's own directory: one section each.\n"
			  "# auth { who = \"example.org\" backend = \"saslauthd\" }\n"
			  "#\n# What may stand in it:\n#\n");
	add_section(out, "auth", "");
	buf_add_text(out, "\n# What makes text of attachments, so that searches find what is in them: one section each.\n"
			  "# convert { type = \"application/pdf\" suffix = \".pdf\" command = \"/usr/bin/pdftotext -q -enc UTF-8 - -\" }\n"
			  "#\n# What may stand in it:\n#\n");
	add_section(out, "convert", "");
}

/* man(7): a leading dot or quote would be a request, a backslash an escape. */
static void add_man_text(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\')
			buf_add_text(out, "\\e");
		else if (*text == '-')
			buf_add_text(out, "\\-");
		else
			buf_add_char(out, *text);
	}
}

static void add_man_option(struct buf *out, const struct option *o)
{
	buf_printf(out, ".TP\n.B %s\n", o->name);
	add_man_text(out, o->help);
	buf_add_text(out, "\nExpected: ");
	option_describe(o, out);
	buf_add_text(out, !o->standard ? "; it must be given.\n" : (*o->standard ? "; default: " : ".\n"));
	if (o->standard && *o->standard)
		buf_printf(out, "%s.\n", o->standard);
}

/* What no option says. */
static const char man_head[] =
	".TH ROOST.CONF 5 \"\" \"Roost\" \"Roost\"\n"
	".SH NAME\n"
	"roost.conf \\- configuration of the IMAP server Roost\n"
	".SH SYNOPSIS\n"
	".B /etc/roost/roost.conf\n"
	".SH DESCRIPTION\n"
	"The file is read when\n"
	".BR roost (1)\n"
	"starts, by the daemon and by the commands alike; another one is named with\n"
	".BR \\-c .\n"
	"It holds settings,\n"
	".IR \"name = value\" ,\n"
	"and sections,\n"
	".IR \"name { settings }\" .\n"
	"Texts with spaces or signs stand between double quotes; what follows a # is a comment.\n"
	".PP\n"
	"Roost does not start half\\-configured: an option it does not know, a value out of range or a\n"
	"section that lacks something is reported with the file and the line, and what was expected there.\n"
	".PP\n"
	"A configuration for one domain:\n"
	".PP\n"
	".nf\n"
	".RS\n"
	"store = \"/var/lib/roost\"\n"
	"hostname = \"imap.example.org\"\n"
	"certificates = \"/etc/roost/certificates\"\n"
	"listen { protocol = \"imap\"  address = \"0.0.0.0\" }\n"
	"listen { protocol = \"imaps\" address = \"0.0.0.0\" }\n"
	"listen { protocol = \"lmtp\"  path = \"/run/roost/lmtp.sock\" }\n"
	".RE\n"
	".fi\n";
static const char man_tail[] =
	".SH SEE ALSO\n"
	".BR roost (1)\n";

void config_write_man(struct buf *out)
{
	static const struct {
		const char *name, *title;
	} sections[] = {{"", "OPTIONS"}, {"listen", "LISTEN SECTIONS"}, {"auth", "AUTH SECTIONS"}, {"convert", "CONVERT SECTIONS"}};
	buf_add_text(out, man_head);
	for (size_t s = 0; s < countof(sections); s++) {
		buf_printf(out, ".SH %s\n", sections[s].title);
		for (size_t i = 0; i < config_options_n; i++)
			if (strcmp(config_options[i].section ? config_options[i].section : "", sections[s].name) == 0)
				add_man_option(out, &config_options[i]);
	}
	buf_add_text(out, man_tail);
}
