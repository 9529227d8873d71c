/* roost: the daemon and its administration. */
#include "server/cli.h"

int main(int argc, char **argv)
{
	return cli_main(argc, argv);
}
