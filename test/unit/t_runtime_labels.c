/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SELinux's labels of what is no process: the session keyring, and what stands at the top of a file system that takes none as an
 * option. test/vm/cases/selinux.bats shows them where SELinux is enabled.
 */
#include "t_runtime_box.h"

#include "runtime/setup.h"
#include "sys/mount.h"

#include <sys/xattr.h>

#define LABEL "system_u:object_r:hull_no_such_t:s0"

static int no_labels; /* errno of a kernel that gives that file system none */

int fsetxattr(int fd, const char *name, const void *value, size_t size, int flags);
int fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
	if (!no_labels)
		return (int)syscall(SYS_fsetxattr, fd, name, value, size, flags);
	errno = no_labels;
	return -1;
}

static void top_of_a_file_system(void **state)
{
	(void)state;
	struct err e = {};
	char got[64] = "";
	own(fd) int fs = mount_new("tmpfs", NULL, 0, 0, &e);
	assert_true(fs >= 0);
	assert_int_equal(labels_set_root(fs, NULL, &e), 0);
	assert_int_equal(labels_set_root(fs, "", &e), 0);
	no_labels = EOPNOTSUPP;
	assert_int_equal(labels_set_root(fs, LABEL, &e), 0);
	no_labels = EINVAL;
	assert_int_equal(labels_set_root(fs, LABEL, &e), -1);
	assert_non_null(strstr(e.text, "linux.mountLabel " LABEL ": Invalid argument"));
	no_labels = 0;
	if (path_exists(AT_FDCWD, "/sys/fs/selinux/enforce"))
		return;
	/* A kernel without SELinux keeps the attribute as it is. */
	assert_int_equal(labels_set_root(fs, LABEL, &e), 0);
	own(fd) int dir = openat(fs, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fgetxattr(dir, "security.selinux", got, sizeof got), sizeof LABEL);
	assert_string_equal(got, LABEL);
	own(fd) int read_only = mount_new("tmpfs", NULL, 0, MOUNT_ATTR_RDONLY, &e);
	assert_int_equal(labels_set_root(read_only, LABEL, &e), -1);
}

/* A label that the kernel does not take, or no SELinux at all: no keyring without it. Keyrings are joined in a child. */
static void keyring(void **state)
{
	(void)state;
	struct spec_process p = {.selinux_label = (char[]){LABEL}};
	pid_t child = fork();
	if (child == 0) {
		struct err e = {};
		struct setup s = {.process = &p};
		if (keyring_join(&s, &e) == 0 || !strstr(e.text, "the security label is refused for the session keyring"))
			_exit(1);
		s.keep_keyring = true;
		if (keyring_join(&s, &e) < 0)
			_exit(2);
		p.selinux_label = NULL;
		s.keep_keyring = false;
		_exit(keyring_join(&s, &e) < 0 ? 3 : 0);
	}
	int status = -1;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(top_of_a_file_system), cmocka_unit_test(keyring)};
	return box_main() ? 77 : cmocka_run_group_tests(tests, NULL, NULL);
}
