/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docker_config: logins in docker's config.json: a helper keeps them where the file names one for the registry (credHelpers) or for
 * all (credsStore), else the file itself does. The file is replaced whole, mode 0600; what it says besides is kept.
 */
#pragma once

#include "base/err.h"

/* registry: as credentials.h has it: "docker.io", "localhost:5000". ret_where: the file or the helper, allocated. ret_plain: the password
 * can be read there. */
int docker_config_login(const char *dir, const char *registry, const char *user, const char *password, char **ret_where, bool *ret_plain,
	struct err *e) must_use;
/* ret_was: there was a login. */
int docker_config_logout(const char *dir, const char *registry, bool *ret_was, struct err *e) must_use;
