/* SPDX-License-Identifier: Apache-2.0 */
/*
 * toml: a TOML 1.0 document as JSON: tables are objects, arrays of tables are arrays. Strings, integers, floats, booleans, arrays,
 * inline tables; dates are refused, nothing that is read here has any. A key that is given twice is ERR_CORRUPT, as is
 * everything else that TOML does not allow; the error names the line. At most 1 MiB, 64 deep.
 */
#pragma once

#include "codec/json.h"

int toml_parse(const char *text, size_t len, struct json **ret, struct err *e) must_use;
