/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp_verdict: what a filter answers to one system call, before it is loaded: the classic BPF machine, as far as the
 * kernel lets a seccomp filter use it (seccomp_check_filter()). A program that the kernel would not take is one that kills.
 */
#include "runtime/seccomp.h"

#include <linux/filter.h>
#include <linux/seccomp.h>

struct machine {
	uint32_t a, x, mem[BPF_MEMWORDS];
	const struct seccomp_data *data;
};

static bool compute(struct machine *m, const struct sock_filter *i)
{
	uint32_t v = BPF_SRC(i->code) == BPF_X ? m->x : i->k;
	switch (BPF_OP(i->code)) {
	case BPF_ADD: m->a += v; return true;
	case BPF_SUB: m->a -= v; return true;
	case BPF_MUL: m->a *= v; return true;
	case BPF_DIV: m->a = v ? m->a / v : 0; return v;
	case BPF_AND: m->a &= v; return true;
	case BPF_OR: m->a |= v; return true;
	case BPF_XOR: m->a ^= v; return true;
	case BPF_LSH: m->a = v < 32 ? m->a << v : 0; return true;
	case BPF_RSH: m->a = v < 32 ? m->a >> v : 0; return true;
	case BPF_NEG: m->a = -m->a; return true;
	default: return false;
	}
}

static bool load(struct machine *m, const struct sock_filter *i, uint32_t *ret)
{
	switch (BPF_MODE(i->code)) {
	case BPF_IMM: *ret = i->k; return true;
	case BPF_LEN: *ret = sizeof *m->data; return true;
	case BPF_MEM: *ret = i->k < BPF_MEMWORDS ? m->mem[i->k] : 0; return i->k < BPF_MEMWORDS;
	case BPF_ABS:
		if (i->k > sizeof *m->data - 4 || i->k % 4)
			return false;
		memcpy(ret, (const char *)m->data + i->k, 4);
		return true;
	default: return false;
	}
}

static bool store(struct machine *m, const struct sock_filter *i)
{
	if (i->k >= BPF_MEMWORDS)
		return false;
	m->mem[i->k] = BPF_CLASS(i->code) == BPF_ST ? m->a : m->x;
	return true;
}

static bool move(struct machine *m, const struct sock_filter *i)
{
	if (BPF_MISCOP(i->code) == BPF_TAX)
		m->x = m->a;
	else if (BPF_MISCOP(i->code) == BPF_TXA)
		m->a = m->x;
	else
		return false;
	return true;
}

/* How many instructions it skips. */
static size_t jump(const struct machine *m, const struct sock_filter *i)
{
	uint32_t v = BPF_SRC(i->code) == BPF_X ? m->x : i->k;
	bool taken = false;
	switch (BPF_OP(i->code)) {
	case BPF_JA: return i->k;
	case BPF_JEQ: taken = m->a == v; break;
	case BPF_JGT: taken = m->a > v; break;
	case BPF_JGE: taken = m->a >= v; break;
	case BPF_JSET: taken = m->a & v; break;
	default: return SECCOMP_INSNS_MAX;
	}
	return taken ? i->jt : i->jf;
}

uint32_t seccomp_verdict(const struct seccomp_filter *f, const struct seccomp_data *d)
{
	const struct sock_filter *v = f->insns;
	struct machine m = {.data = d};
	bool good = true;
	for (size_t pc = 0; pc < f->n && good; pc++) {
		const struct sock_filter *i = &v[pc];
		switch (BPF_CLASS(i->code)) {
		case BPF_LD: good = load(&m, i, &m.a); break;
		case BPF_LDX: good = load(&m, i, &m.x); break;
		case BPF_ST:
		case BPF_STX: good = store(&m, i); break;
		case BPF_ALU: good = compute(&m, i); break;
		case BPF_JMP: pc += jump(&m, i); break;
		case BPF_MISC: good = move(&m, i); break;
		case BPF_RET: return BPF_RVAL(i->code) == BPF_A ? m.a : i->k;
		default: good = false;
		}
	}
	return SECCOMP_RET_KILL_PROCESS;
}
