/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_devices: device rules on v2 as an eBPF program (BPF_PROG_TYPE_CGROUP_DEVICE). The kernel calls it with the
 * type and access in one word, then major and minor; it answers 1 to allow. The last rule that matches decides, so the
 * program tests them from the last to the first and leaves at the first match; without a match the answer is no.
 *
 * All programs on a group must agree. One of ours that is there already (other rules for a running container, a group that had
 * another container before) is replaced in one step; those of others stay.
 */
#include "runtime/cgroup_limits.h"

#include "base/fd.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NUMBER(n) {true, (n)}
#define WORD(s)   ((char *)(uintptr_t)(s))
#define DEVICE(ty, ma, mi, acc) {.allow = true, .type = WORD(ty), .major = ma, .minor = mi, .access = WORD(acc)}
const struct spec_device_rule cgroup_default_devices[] = {
	DEVICE("c", {}, {}, "m"), DEVICE("b", {}, {}, "m"),
	DEVICE("c", NUMBER(1), NUMBER(3), "rwm"), DEVICE("c", NUMBER(1), NUMBER(5), "rwm"), DEVICE("c", NUMBER(1), NUMBER(7), "rwm"),
	DEVICE("c", NUMBER(1), NUMBER(8), "rwm"), DEVICE("c", NUMBER(1), NUMBER(9), "rwm"), DEVICE("c", NUMBER(5), NUMBER(0), "rwm"),
	DEVICE("c", NUMBER(5), NUMBER(1), "rwm"), DEVICE("c", NUMBER(5), NUMBER(2), "rwm"), DEVICE("c", NUMBER(136), {}, "rwm"),
};
const size_t cgroup_default_devices_n = countof(cgroup_default_devices);

/* A rule takes nine instructions at most; the kernel takes a million of them, unless we have no right to load any. */
enum { RULES_MAX = 10000, LOAD_TRIES = 20, RULE_INSNS = 9, FRAME_INSNS = 8 };

enum { PROGRAMS_MAX = 16 };
static const char program_name[] = "hull_devices"; /* less than BPF_OBJ_NAME_LEN */

struct program {
	struct bpf_insn *v;
	size_t n;
};

static void emit(struct program *p, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	p->v[p->n++] = (struct bpf_insn){.code = code, .dst_reg = dst & 15, .src_reg = src & 15, .off = off, .imm = imm};
}

static int access_bits(const char *access)
{
	int bits = 0;
	for (const char *c = access ? access : "rwm"; *c; c++)
		bits |= *c == 'm' ? BPF_DEVCG_ACC_MKNOD : *c == 'r' ? BPF_DEVCG_ACC_READ : *c == 'w' ? BPF_DEVCG_ACC_WRITE : 0;
	return bits;
}

/* -1 stands for any, as no number does. */
static bool is_number(const struct opt_i64 *n)
{
	return n->set && n->v >= 0;
}

/* r2 type, r3 access, r4 major, r5 minor. A test that fails jumps behind the rule. */
static void emit_rule(struct program *p, const struct spec_device_rule *d)
{
	bool any_type = str_is_empty(d->type) || str_eq(d->type, "a");
	int bits = access_bits(d->access), all = BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE;
	size_t jumps[5], n = 0;
	if (!any_type) {
		jumps[n++] = p->n;
		emit(p, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_2, 0, 0, str_eq(d->type, "b") ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
	}
	if (bits != all) {
		/* An allowing rule must cover every access asked for, a denying one at least one of them. */
		emit(p, BPF_ALU | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_3, 0, 0);
		emit(p, BPF_ALU | BPF_AND | BPF_K, BPF_REG_1, 0, 0, bits);
		jumps[n++] = p->n;
		if (d->allow)
			emit(p, BPF_JMP | BPF_JNE | BPF_X, BPF_REG_1, BPF_REG_3, 0, 0);
		else
			emit(p, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_1, 0, 0, 0);
	}
	if (is_number(&d->major)) {
		jumps[n++] = p->n;
		emit(p, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_4, 0, 0, (int32_t)d->major.v);
	}
	if (is_number(&d->minor)) {
		jumps[n++] = p->n;
		emit(p, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_5, 0, 0, (int32_t)d->minor.v);
	}
	emit(p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, d->allow);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	for (size_t i = 0; i < n; i++)
		p->v[jumps[i]].off = (int16_t)(p->n - jumps[i] - 1);
}

static int load(const struct program *p)
{
	union bpf_attr a = {.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE, .insns = (uint64_t)(uintptr_t)p->v,
		.insn_cnt = (uint32_t)p->n, .license = (uint64_t)(uintptr_t) "Apache-2.0"};
	memcpy(a.prog_name, program_name, sizeof program_name);
	/* The verifier gives up when a signal waits: that of a child that has just ended. */
	int fd = -1;
	for (int tries = 0; tries < LOAD_TRIES && fd < 0 && (tries == 0 || errno == EAGAIN); tries++)
		fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof a);
	return fd;
}

/* The programs on the group that are ours, as fds to be closed; how many. */
static size_t find_ours(int dir, int fds[static PROGRAMS_MAX])
{
	uint32_t ids[PROGRAMS_MAX] = {};
	size_t n = 0;
	union bpf_attr q = {.query = {.target_fd = (uint32_t)dir, .attach_type = BPF_CGROUP_DEVICE, .prog_ids = (uint64_t)(uintptr_t)ids,
		.prog_cnt = PROGRAMS_MAX}};
	if (syscall(SYS_bpf, BPF_PROG_QUERY, &q, sizeof q) < 0)
		return 0;
	for (uint32_t i = 0; i < q.query.prog_cnt && i < PROGRAMS_MAX; i++) {
		struct bpf_prog_info info = {};
		union bpf_attr by_id = {.prog_id = ids[i]};
		own(fd) int fd = (int)syscall(SYS_bpf, BPF_PROG_GET_FD_BY_ID, &by_id, sizeof by_id);
		union bpf_attr get = {.info = {.bpf_fd = (uint32_t)fd, .info_len = sizeof info, .info = (uint64_t)(uintptr_t)&info}};
		if (fd >= 0 && syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &get, sizeof get) == 0 && strcmp(info.name, program_name) == 0)
			fds[n++] = take_fd(fd);
	}
	return n;
}

static int attach(int dir, int prog, struct err *e)
{
	int ours[PROGRAMS_MAX];
	size_t n = find_ours(dir, ours);
	union bpf_attr a = {.target_fd = (uint32_t)dir, .attach_bpf_fd = (uint32_t)prog, .attach_type = BPF_CGROUP_DEVICE,
		.attach_flags = BPF_F_ALLOW_MULTI | (n ? BPF_F_REPLACE : 0), .replace_bpf_fd = n ? (uint32_t)ours[0] : 0};
	int r = syscall(SYS_bpf, BPF_PROG_ATTACH, &a, sizeof a) < 0 ? err_sys(e, "attach the device rules") : 0;
	for (size_t i = 0; i < n; i++) {
		union bpf_attr d = {.target_fd = (uint32_t)dir, .attach_bpf_fd = (uint32_t)ours[i], .attach_type = BPF_CGROUP_DEVICE};
		if (i > 0 && r == 0)
			syscall(SYS_bpf, BPF_PROG_DETACH, &d, sizeof d);
		fd_drop(&ours[i]);
	}
	return r;
}

int cgroup_devices_attach(int dir, const struct spec_resources *r, struct err *e)
{
	if (!r->devices.n)
		return 0;
	if (r->devices.n > RULES_MAX)
		return err_set(e, ERR_LIMIT, "%zu device rules: at most %d are possible", r->devices.n, RULES_MAX);
	own(mem) struct bpf_insn *insns = mem_alloc(((r->devices.n + cgroup_default_devices_n) * RULE_INSNS + FRAME_INSNS) * sizeof *insns);
	struct program p = {.v = insns};
	emit(&p, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_3, BPF_REG_1, 0, 0);
	emit(&p, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_4, BPF_REG_1, 4, 0);
	emit(&p, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_5, BPF_REG_1, 8, 0);
	emit(&p, BPF_ALU | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_3, 0, 0);
	emit(&p, BPF_ALU | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xffff);
	emit(&p, BPF_ALU | BPF_RSH | BPF_K, BPF_REG_3, 0, 0, 16);
	for (size_t i = cgroup_default_devices_n; i-- > 0;)
		emit_rule(&p, &cgroup_default_devices[i]);
	/* Behind a rule that matches everything nothing can be reached, and the verifier refuses what cannot. */
	bool all = false;
	for (size_t i = r->devices.n; i-- > 0 && !all;) {
		const struct spec_device_rule *d = &r->devices.v[i];
		emit_rule(&p, d);
		all = (str_is_empty(d->type) || str_eq(d->type, "a")) && !is_number(&d->major) && !is_number(&d->minor) && access_bits(d->access) == 7;
	}
	if (!all) {
		emit(&p, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0);
		emit(&p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	}
	own(fd) int prog = load(&p);
	if (prog < 0)
		/* Without the right to load programs there is no right to make device nodes either. */
		return errno == EPERM ? 0 : err_sys(e, "load the device rules");
	return attach(dir, prog, e);
}
