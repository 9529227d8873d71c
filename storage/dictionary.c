#include "storage/dictionary.h"

/* The assembler takes the file in as it is: C would need it as a text five times as long. */
__asm__(".section .rodata\n"
	".balign 16\n"
	".local roost_dictionary_1, roost_dictionary_1_end\n"
	"roost_dictionary_1:\n"
	".incbin \"" ROOST_STORAGE_DIR "/dictionary_1.bin\"\n"
	"roost_dictionary_1_end:\n"
	".byte 0\n"
	".previous\n");

extern const char roost_dictionary_1[], roost_dictionary_1_end[];

struct bytes dictionary_bytes(unsigned version)
{
	if (version != 1)
		return (struct bytes){NULL, 0};
	return (struct bytes){roost_dictionary_1, (size_t)(roost_dictionary_1_end - roost_dictionary_1)};
}
