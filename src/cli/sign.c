/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sign: signatures of images in a registry, made and checked with a key.
 */
#include "cli/commands.h"
#include "engine/trust.h"

struct sign_options { char *key; bool referrer; };
#define O(m) offset_of(struct sign_options, m)
static const struct opt sign_opts[] = {
	{"key", 0, OPT_STR, O(key), "FILE", "A private key on the curve P-256 in PEM, also as cosign encrypts it", 0, "@file"},
	{"referrer", 0, OPT_BOOL, O(referrer), NULL, "As an OCI referrer of the image, not under the tag sha256-….sig"},
};
static const struct opt verify_opts[] = {
	{"key", 0, OPT_STR, O(key), "FILE", "The public key in PEM", 0, "@file"},
};
#undef O

static int check(const struct sign_options *o, struct err *e)
{
	return str_is_empty(o->key) ? err_set(e, ERR_USAGE, "--key FILE is missing: which key?") : 0;
}

static int sign(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct sign_options *o = opts;
	struct image_sign_request r = {.reference = argv[0], .key = o->key, .referrer = o->referrer};
	char digest[136];
	if (check(o, e) < 0)
		return -1;
	struct engine *g = cli_engine(e);
	return !g || image_sign(g, &r, digest, e) < 0 ? -1 : cli_printf(e, "%s\n", digest);
}

static int verify(void *opts, int argc unused, char **argv, struct err *e)
{
	const struct sign_options *o = opts;
	struct image_sign_request r = {.reference = argv[0], .key = o->key};
	own(buf) struct buf out = {};
	if (check(o, e) < 0)
		return -1;
	struct engine *g = cli_engine(e);
	return !g || image_verify(g, &r, &out, e) < 0 ? -1 : cli_print(&out, e);
}

const struct cmd cmd_sign = {"sign", "NAME[:TAG|@DIGEST]", "Sign an image in a registry", sign_opts, countof(sign_opts), sizeof(struct sign_options),
	1, 1, sign,
	.about = "The signature is what cosign makes with a key: ECDSA over a payload that names the image and its digest, kept in the image's repository. "
		"Who checks it says so in policy.json (containers-policy.json(5)): sigstoreSigned with keyPath or keyData. hull reads the file that "
		"HULL_POLICY names, else ~/.config/containers/policy.json, else /etc/containers/policy.json, for pull, load, copy and run; signedBy (GPG) and "
		"Fulcio's certificates cannot be checked, and what asks for them is refused. A key that `cosign generate-key-pair` encrypted is opened with "
		"the password in COSIGN_PASSWORD (libsodium does it).",
	.examples = "$ openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out key.pem\n"
		"$ openssl ec -in key.pem -pubout -out key.pub\n"
		"$ hull image sign --key key.pem registry.example/box:1\n$ hull image verify --key key.pub registry.example/box:1"};
const struct cmd cmd_verify = {"verify", "NAME[:TAG|@DIGEST]", "Check the signatures of an image in a registry", verify_opts, countof(verify_opts),
	sizeof(struct sign_options), 1, 1, verify,
	.about = "Prints the payloads that the key has signed, one a line; of cosign's bundles, which it makes since version 3, the statements. None: exit "
		"status 1."};
