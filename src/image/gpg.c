/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gpg: see gpg.h. gpgv says by its status lines what it saw: a message counts when there is one text in it, one signature, and that good and
 * of a key that is neither expired nor revoked.
 */
#include "image/gpg.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "codec/base64.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEYS_MAX = 1 << 20, TEXT_MAX = 1 << 20, CPU_S = 20, NOBODY = 65534 };
enum { MESSAGE, TEXT, STATUS, KEYS, FILES }; /* their numbers in gpgv, stderr's aside */
#define ARMOR "-----BEGIN PGP PUBLIC KEY BLOCK-----"

/* The base64 between the empty line and the checksum. */
static int unarmor(const char *text, struct buf *keyring, struct err *e)
{
	const char *end = strstr(text, "-----END PGP"), *line = strchr(text, '\n');
	own(buf) struct buf body = BUF(KEYS_MAX), raw = BUF(KEYS_MAX);
	bool head = true;
	for (; line && end && line < end; line = strchr(line, '\n')) {
		line++;
		size_t n = strcspn(line, "\r\n");
		if (line >= end || *line == '=')
			break;
		if (head && (n == 0 || memchr(line, ':', n))) {
			head = n != 0;
			continue;
		}
		head = false;
		buf_add(&body, line, n);
	}
	if (!end || base64_decode(buf_text(&body), &raw, e) < 0)
		return err_set(e, ERR_USAGE, "no OpenPGP key");
	return buf_add(keyring, buf_text(&raw), raw.len) < 0 ? buf_check(keyring, e) : 0;
}

int gpg_add_keys(struct buf *keyring, const void *keys, size_t len, struct err *e)
{
	own(mem) char *text = mem_ndup(keys, len);
	const char *at = strstr(text, ARMOR);
	if (!at)
		return len == 0 ? err_set(e, ERR_USAGE, "no OpenPGP key") : buf_add(keyring, keys, len) < 0 ? buf_check(keyring, e) : 0;
	for (; at; at = strstr(at + 1, ARMOR))
		if (unarmor(at, keyring, e) < 0)
			return -1;
	return 0;
}

static int memory_file(const char *name, const void *data, size_t len, struct err *e)
{
	own(fd) int fd = memfd_create(name, MFD_CLOEXEC);
	if (fd < 0 || fd_write_all(fd, data, len) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "memory file");
	return take_fd(fd);
}

static void run(const int files[FILES], pid_t parent)
{
	static const int numbers[FILES] = {0, 1, 3, 4};
	static const char *const argv[] = {"gpgv", "--quiet", "--homedir", "/nonexistent", "--status-fd", "3", "--keyring", "/proc/self/fd/4",
		"--output", "-", "-", NULL};
	static const char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
	struct rlimit size = {TEXT_MAX, TEXT_MAX}, cpu = {CPU_S, CPU_S};
	int high[FILES];
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(126);
	for (int i = 0; i < FILES; i++)
		if ((high[i] = fcntl(files[i], F_DUPFD_CLOEXEC, 10)) < 0)
			_exit(126);
	for (int i = 0; i < FILES; i++)
		if (dup2(high[i], numbers[i]) < 0)
			_exit(126);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, 2) < 0)
		_exit(126);
	fd_close_from(5, NULL, 0);
	(void)!setrlimit(RLIMIT_FSIZE, &size);
	(void)!setrlimit(RLIMIT_CPU, &cpu);
	/* Where there are such ids; elsewhere it is a plain user's process already. */
	if (geteuid() == 0 && setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0)
		(void)!setresuid(NOBODY, NOBODY, NOBODY);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	execvpe("gpgv", (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)env);
	_exit(errno == ENOENT ? 127 : 126);
}

static size_t count(const char *status, const char *word)
{
	size_t n = 0;
	for (const char *at = status; (at = strstr(at, word)); at++)
		n += at == status || at[-1] == '\n';
	return n;
}

static bool is_good(const char *status)
{
	static const char *const bad[] = {"[GNUPG:] BADSIG ", "[GNUPG:] ERRSIG ", "[GNUPG:] EXPSIG ", "[GNUPG:] EXPKEYSIG ", "[GNUPG:] REVKEYSIG ",
		"[GNUPG:] NODATA ", "[GNUPG:] UNEXPECTED "};
	for (size_t i = 0; i < countof(bad); i++)
		if (count(status, bad[i]))
			return false;
	return count(status, "[GNUPG:] NEWSIG") == 1 && count(status, "[GNUPG:] GOODSIG ") == 1 && count(status, "[GNUPG:] VALIDSIG ") == 1 &&
		count(status, "[GNUPG:] PLAINTEXT ") == 1;
}

static int read_back(int fd, struct buf *ret, struct err *e)
{
	*ret = BUF(TEXT_MAX + 1);
	return lseek(fd, 0, SEEK_SET) < 0 || fd_read_to_end(fd, ret) < 0 ? err_sys(e, "memory file") : 0;
}

int gpg_read(const struct buf *keyring, const void *message, size_t len, struct buf *ret, struct err *e)
{
	own(fd) int in = memory_file("message", message, len, e), out = memory_file("text", "", 0, e), said = memory_file("status", "", 0, e),
		keys = memory_file("keys", keyring->data, keyring->len, e);
	own(buf) struct buf status = {};
	int how = 0;
	if (in < 0 || out < 0 || said < 0 || keys < 0)
		return -1;
	/* Binary, as a signature of its own: nothing that is made to look like text around it. */
	if (!len || !(*(const unsigned char *)message & 0x80))
		return 0;
	pid_t parent = getpid(), pid = fork();
	if (pid == 0)
		run((const int[FILES]){in, out, said, keys}, parent);
	if (pid < 0)
		return err_sys(e, "gpgv");
	while (waitpid(pid, &how, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(how) && WEXITSTATUS(how) >= 126)
		return err_set(e, ERR_UNSUPPORTED, "gpgv, which checks GPG signatures, %s: install the package gpgv",
			WEXITSTATUS(how) == 127 ? "is not installed" : "cannot be started");
	if (read_back(said, &status, e) < 0)
		return -1;
	if (!WIFEXITED(how) || WEXITSTATUS(how) != 0 || !is_good(buf_text(&status)))
		return 0;
	return read_back(out, ret, e) < 0 ? -1 : 1;
}
