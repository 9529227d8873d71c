#include "server/progress.h"

#include "protocol/imap/response.h"
#include "server/slice.h"

bool progress_tell_at(struct command *cmd, uint64_t now_us, uint64_t done, uint64_t total)
{
	uint64_t interval_us = (uint64_t)cmd->progress_s * 1000000;
	bool due = cmd->progress_due_us && now_us >= cmd->progress_due_us;
	if (interval_us == 0 || done >= total) /* RFC 9585 4: then the tagged line says so */
		return false;
	if (due || !cmd->progress_due_us)
		cmd->progress_due_us = now_us + interval_us;
	if (due)
		response_inprogress(&cmd->out, cmd->request.tag, done, total);
	return due;
}

bool progress_tell(struct command *cmd, uint64_t done, uint64_t total)
{
	return progress_tell_at(cmd, slice_now_us(), done, total);
}
