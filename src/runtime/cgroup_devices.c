/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_devices: device rules on v2 as an eBPF program (BPF_PROG_TYPE_CGROUP_DEVICE). The kernel calls it with the
 * type and access in one word, then major and minor; it answers 1 to allow. The last rule that matches decides, so the
 * program tests them from the last to the first and leaves at the first match; without a match the answer is no.
 */
#include "runtime/cgroup_limits.h"

#include "base/fd.h"

#include <errno.h>
#include <linux/bpf.h>
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

enum { RULES_MAX = 400, INSNS = (RULES_MAX + (int)countof(cgroup_default_devices)) * 9 + 8 };

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

int cgroup_devices_attach(int dir, const struct spec_resources *r, struct err *e)
{
	if (!r->devices.n)
		return 0;
	if (r->devices.n > RULES_MAX)
		return err_set(e, ERR_LIMIT, "%zu device rules: at most %d are possible", r->devices.n, RULES_MAX);
	own(mem) struct bpf_insn *insns = mem_alloc(INSNS * sizeof *insns);
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
	union bpf_attr load = {.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE, .insns = (uint64_t)(uintptr_t)insns,
		.insn_cnt = (uint32_t)p.n, .license = (uint64_t)(uintptr_t) "Apache-2.0"};
	own(fd) int prog = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
	if (prog < 0)
		/* Without the right to load programs there is no right to make device nodes either. */
		return errno == EPERM ? 0 : err_sys(e, "load the device rules");
	union bpf_attr attach = {.target_fd = (uint32_t)dir, .attach_bpf_fd = (uint32_t)prog,
		.attach_type = BPF_CGROUP_DEVICE, .attach_flags = BPF_F_ALLOW_MULTI};
	if (syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach) < 0)
		return err_sys(e, "attach the device rules");
	return 0;
}
