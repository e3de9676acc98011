/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain: why a command could not be executed. execve says ENOENT also when the file is there and its interpreter is not,
 * and ENOEXEC for everything that is no program of this machine; the file itself tells which it was. It is looked at from
 * outside, through /proc/<pid>/root: the process that failed waits for us, and it has no privileges (or tools) left.
 * Everything in the file is hostile: sizes are bounded, nothing but numbers and printable names is passed on.
 */
#include "runtime/setup.h"

#include "base/fd.h"
#include "base/path.h"
#include "runtime/launch.h"

#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *machine_name(unsigned m)
{
	static const struct { unsigned machine; const char *name; } rows[] = {{EM_X86_64, "amd64"}, {EM_386, "386"},
		{EM_AARCH64, "arm64"}, {EM_ARM, "arm"}, {EM_RISCV, "riscv64"}, {EM_PPC64, "ppc64le"}, {EM_S390, "s390x"},
		{EM_MIPS, "mips"}};
	for (size_t i = 0; i < countof(rows); i++)
		if (rows[i].machine == m)
			return rows[i].name;
	return "another architecture";
}

static const unsigned own_machine =
#ifdef __x86_64__
	EM_X86_64;
#elif defined __aarch64__
	EM_AARCH64;
#else
	EM_NONE;
#endif

/* Names from the file end up on a terminal. */
static void make_printable(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			*s = '?';
}

static int explain_script(const char *path, char *head, struct err *e)
{
	char *end = strchr(head, '\n');
	if (end)
		*end = 0;
	char *name = head + 2 + strspn(head + 2, " \t");
	size_t n = strcspn(name, " \t");
	bool crlf = n && name[n - 1] == '\r';
	name[n - crlf] = 0;
	make_printable(name);
	if (crlf)
		return err_set(e, ERR_NOCMD, "exec \"%s\": no such file or directory: its first line ends in CR LF, so the interpreter \"%s\\r\" is not found: "
			"save it with Unix line ends", path, name);
	return err_set(e, ERR_NOCMD, "exec \"%s\": no such file or directory: its interpreter %s is not in the image", path, name);
}

static int explain_elf(const char *path, int fd, const char *head, int why, struct err *e)
{
	Elf64_Ehdr h;
	memcpy(&h, head, sizeof h);
	/* A 32-bit program of the same family runs where the kernel has that; its header's size differs behind e_machine. */
	bool foreign = h.e_machine != own_machine && !(own_machine == EM_X86_64 && h.e_machine == EM_386 && why == ENOENT);
	if (foreign && own_machine != EM_NONE)
		return err_set(e, ERR_NOEXEC, "exec \"%s\": exec format error: the program is for %s, this machine is %s: an emulator in binfmt_misc runs it "
			"(package qemu-user-static)", path, machine_name(h.e_machine), machine_name(own_machine));
	for (unsigned i = 0; why == ENOENT && h.e_ident[EI_CLASS] == ELFCLASS64 && i < h.e_phnum && i < 64; i++) {
		Elf64_Phdr p;
		char interp[256] = "";
		if (h.e_phoff > INT32_MAX || pread(fd, &p, sizeof p, (off_t)(h.e_phoff + i * sizeof p)) != sizeof p)
			break;
		if (p.p_type == PT_INTERP && p.p_filesz < sizeof interp && p.p_offset < INT32_MAX &&
			pread(fd, interp, p.p_filesz, (off_t)p.p_offset) > 0) {
			make_printable(interp);
			return err_set(e, ERR_NOCMD, "exec \"%s\": no such file or directory: its program loader %s is not in the image", path, interp);
		}
	}
	return -1;
}

static int explain_file(const char *path, int fd, int why, struct err *e)
{
	char head[512] = "";
	ssize_t n = pread(fd, head, sizeof head - 1, 0);
	if (n == 0 && why == ENOEXEC)
		return err_set(e, ERR_NOEXEC, "exec \"%s\": exec format error: the file is empty", path);
	if (n >= 2 && head[0] == '#' && head[1] == '!' && why == ENOENT)
		return explain_script(path, head, e);
	if (n >= (ssize_t)sizeof(Elf64_Ehdr) && memcmp(head, ELFMAG, SELFMAG) == 0)
		return explain_elf(path, fd, head, why, e);
	if (why == ENOEXEC)
		return err_set(e, ERR_NOEXEC, "exec \"%s\": exec format error: neither a program nor a script with #! in its first line", path);
	return -1;
}

int explain_exec(pid_t pid, const char *cwd, const char *path, int why, struct err *e)
{
	char proc[64], shown[600];
	if (why & LAUNCH_OF_LABEL) {
		errno = why & ~LAUNCH_OF_LABEL;
		return err_sys(e, "the security label is refused%s", errno == ENOENT ? " (is the AppArmor profile loaded?)" : "");
	}
	snprintf(shown, sizeof shown, "%.590s", path);
	make_printable(shown);
	/* As Go spells it: engines look for "permission denied" and "no such file or directory" in a runtime's last words. */
	const char *text = strerror(why);
	err_set_(e, why == ENOENT || why == ENOTDIR ? ERR_NOCMD : ERR_NOEXEC, "exec \"%s\": %c%s", shown, tolower(*text), text + 1);
	e->sys = why;
	snprintf(proc, sizeof proc, "/proc/%d/root", (int)pid);
	own(mem) char *whole = path_join(cwd ? cwd : "/", path);
	struct err ignored = {};
	struct stat st;
	own(fd) int root = open(proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
	own(fd) int file = root < 0 ? -1 : path_open_in(root, whole, O_PATH, 0, &ignored);
	if (file < 0 || fstat(file, &st) < 0)
		return -1;
	if (S_ISDIR(st.st_mode))
		return err_set(e, ERR_NOEXEC, "exec \"%s\": permission denied: it is a directory", shown);
	if (why == EACCES && S_ISREG(st.st_mode) && !(st.st_mode & 0111))
		return err_set(e, ERR_NOEXEC, "exec \"%s\": permission denied: the file is not executable (chmod +x)", shown);
	/* Only a regular file is opened: a fifo would keep us waiting, a device might do something. */
	own(fd) int fd = S_ISREG(st.st_mode) ? path_open_in(root, whole, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, &ignored) : -1;
	struct stat again;
	if (fd < 0 || fstat(fd, &again) < 0 || !S_ISREG(again.st_mode))
		return -1;
	return explain_file(shown, fd, why, e);
}
