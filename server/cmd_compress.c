/*
 * COMPRESS (RFC 4978).  It is after login only, so that nothing secret is guessed from the length of what is compressed
 * with it, and cannot be followed by STARTTLS.  No other layer compresses (TLS never does: tls.c), so there is nothing
 * that NO [COMPRESSIONACTIVE] could be said of.
 */
#include "server/session.h"

enum step cmd_compress(struct session *s, struct command *cmd)
{
	if (!session_offers(s, "COMPRESS=DEFLATE")) {
		command_bad(cmd, "This command is not offered");
		return STEP_DONE;
	}
	if (session_is_compressed(s)) {
		command_bad(cmd, "Compression is active already");
		return STEP_DONE;
	}
	session_start_compression(s);
	command_ok(cmd, NULL, "DEFLATE is active");
	return STEP_DONE;
}
