/* make_certificates DIR N: N certificates for d0.example and mail.d0.example and so on, each with the file of its key beside it;
 * there are two keys in all, since making keys takes
 * time, and two authorities.  For tests of what a provider with many domains has. */
#include "tests/unit/make_certificate.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
	EVP_PKEY *keys[] = {EVP_EC_gen("P-256"), EVP_EC_gen("P-256")};
	X509 *authorities[] = {sign_certificate(&(struct made_certificate){.common_name = "One"}, keys[0]),
			       sign_certificate(&(struct made_certificate){.common_name = "Two"}, keys[1])};
	for (long i = 0, n = argc == 3 ? atol(argv[2]) : 0; i < n; i++) {
		char names[100], certificate[1000], key[1000];
		snprintf(names, sizeof(names), "DNS:d%ld.example,DNS:mail.d%ld.example", i, i);
		snprintf(certificate, sizeof(certificate), "%s/d%ld.pem", argv[1], i);
		snprintf(key, sizeof(key), "%s/d%ld.key", argv[1], i);
		make_certificate(&(struct made_certificate){
			.names = names, .certificate = certificate, .key = key, .pkey = keys[i % 2],
			.authority = authorities[i % 2]});
	}
	X509_free(authorities[0]);
	X509_free(authorities[1]);
	EVP_PKEY_free(keys[0]);
	EVP_PKEY_free(keys[1]);
	return argc == 3 ? 0 : 2;
}
