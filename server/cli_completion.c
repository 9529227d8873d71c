/* roost completion bash: what may follow, from the table of verbs. */
#include "server/cli_completion.h"

#include "server/admin.h"

static size_t first_word(const char *name)
{
	return strcspn(name, " ");
}

/* Another verb before it in the table begins with the same word. */
static bool is_known_word(size_t at)
{
	size_t len = first_word(admin_verbs[at].name);
	for (size_t i = 0; i < at; i++)
		if (first_word(admin_verbs[i].name) == len && memcmp(admin_verbs[i].name, admin_verbs[at].name, len) == 0)
			return true;
	return false;
}

/* "user ") words="add list ..." ;; */
static void print_second_words(FILE *to, size_t at)
{
	size_t len = first_word(admin_verbs[at].name);
	if (!admin_verbs[at].name[len])
		return;
	fprintf(to, "\t'%.*s ')\n\t\twords=\"", (int)len, admin_verbs[at].name);
	for (size_t i = at; i < admin_verbs_n; i++)
		if (first_word(admin_verbs[i].name) == len && memcmp(admin_verbs[i].name, admin_verbs[at].name, len) == 0)
			fprintf(to, "%s%s", i > at ? " " : "", admin_verbs[i].name + len + 1);
	fputs("\" ;;\n", to);
}

static void print_options(FILE *to, const struct admin_verb *verb)
{
	bool is_two = verb->name[first_word(verb->name)];
	fprintf(to, is_two ? "\t'%s')\n\t\twords=\"--help" : "\t'%s '*)\n\t\twords=\"--help", verb->name);
	if (verb->flags & ADMIN_LISTS)
		fputs(" --json", to);
	if (verb->flags & ADMIN_PASSWORD)
		fputs(" --password-stdin --password", to);
	for (size_t i = 0; i < ADMIN_PARAMS_MAX && verb->params[i].kind; i++)
		if (verb->params[i].kind == ADMIN_PARAM_VALUE || verb->params[i].kind == ADMIN_PARAM_FLAG)
			fprintf(to, " --%s", verb->params[i].name);
	fputs("\" ;;\n", to);
}

void cli_completion_bash(FILE *to, const char *own_words)
{
	fputs("# bash completion for roost(1), written by \"roost completion bash\"\n"
	      "_roost() {\n"
	      "\tlocal current=${COMP_WORDS[COMP_CWORD]} verb=() words= i\n"
	      "\tif [ \"${COMP_WORDS[COMP_CWORD-1]}\" = -c ]; then\n"
	      "\t\tCOMPREPLY=($(compgen -f -- \"$current\"))\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	      "\t\tcase ${COMP_WORDS[i]} in\n"
	      "\t\t-c) ((i++)) ;;\n"
	      "\t\t-*) ;;\n"
	      "\t\t*) verb+=(\"${COMP_WORDS[i]}\") ;;\n"
	      "\t\tesac\n"
	      "\tdone\n"
	      "\tcase \"${verb[0]-} ${verb[1]-}\" in\n", to);
	fprintf(to, "\t' ')\n\t\twords=\"%s", own_words);
	for (size_t i = 0; i < admin_verbs_n; i++)
		if (!is_known_word(i))
			fprintf(to, " %.*s", (int)first_word(admin_verbs[i].name), admin_verbs[i].name);
	fputs("\" ;;\n", to);
	for (size_t i = 0; i < admin_verbs_n; i++) {
		if (!is_known_word(i))
			print_second_words(to, i);
		print_options(to, &admin_verbs[i]);
	}
	fputs("\t'config ')\n\t\twords=\"example man\" ;;\n"
	      "\t'completion ')\n\t\twords=\"bash\" ;;\n"
	      "\tesac\n"
	      "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
	      "}\n"
	      "complete -o default -F _roost roost\n", to);
}
