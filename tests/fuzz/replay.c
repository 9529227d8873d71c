/* main() of a fuzz harness outside libFuzzer: feeds each file named, or each in the folders named, once. */
#include "tests/fuzz/fuzz.h"

#include "protocol/base.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

enum { INPUT_BYTES_MAX = 1 << 24 };

static int feed_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (!file) {
		perror(path);
		return 0;
	}
	uint8_t *data = xmalloc(INPUT_BYTES_MAX);
	size_t size = fread(data, 1, INPUT_BYTES_MAX, file);
	fclose(file);
	/* Exactly as large as the input, so that a read beyond its end is seen. */
	uint8_t *exact = xmalloc(size);
	memcpy(exact, data, size);
	free(data);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	return 1;
}

static int feed_folder(const char *path)
{
	int fed = 0;
	DIR *folder = opendir(path);
	if (!folder) {
		perror(path);
		return 0;
	}
	for (struct dirent *entry; (entry = readdir(folder));) {
		char name[4096];
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		fed += feed_file(name);
	}
	closedir(folder);
	return fed;
}

int main(int argc, char **argv)
{
	int fed = 0;
	for (int i = 1; i < argc; i++) {
		struct stat st;
		if (stat(argv[i], &st) != 0)
			perror(argv[i]);
		else
			fed += S_ISDIR(st.st_mode) ? feed_folder(argv[i]) : feed_file(argv[i]);
	}
	printf("%d inputs\n", fed);
	return fed == 0; /* a corpus that is not there proves nothing */
}
