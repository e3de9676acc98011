/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp: from a profile to a loaded filter.
 *
 * Two forms of profile go in: the OCI one (linux.seccomp) and docker's (archMap, includes, excludes with
 * caps, arches and minKernel), which resolves to the first. The built-in default is as strict as docker's;
 * for the default capabilities its filter is compiled when hull is built, anything else is compiled with
 * libseccomp once and kept in a directory 0700 of our own (seccomp_cache.c).
 */
#pragma once

#include "runtime/spec.h"

enum { SECCOMP_INSNS_MAX = 4096 }; /* BPF_MAXINSNS */
struct seccomp_filter {
	void *insns;    /* struct sock_filter[] */
	size_t n;
	unsigned flags; /* SECCOMP_FILTER_FLAG_* */
	bool borrowed;  /* insns is static or the caller's */
	bool notify;    /* it asks a listener */
};
void seccomp_filter_drop(struct seccomp_filter *f);
/* What a container's configuration asks for, n == 0 when that is none: its rules, or crun's annotation run.oci.seccomp_bpf_data
 * (a program as base64) in their place. What is missing for a listener is an error. */
int seccomp_filter_of(const struct spec *s, int cache, struct seccomp_filter *ret, struct err *e) must_use;
/* Compiles (or takes from the cache; cache -1: none). */
int seccomp_compile(const struct spec_seccomp *s, int cache, struct seccomp_filter *ret, struct err *e) must_use;
/* libseccomp alone, without cache or what is built in (seccomp_compile.c). */
int seccomp_compile_rules(const struct spec_seccomp *s, struct seccomp_filter *ret, struct err *e) must_use;
unsigned seccomp_library(void); /* libseccomp's version: 2.5.4 is 0x20504 */
/* seccomp_cache.c. A key that is .full is of more rules than are kept. */
void seccomp_cache_key(const struct spec_seccomp *s, struct buf *ret);
bool seccomp_cache_read(int cache, const struct buf *key, struct seccomp_filter *ret);
void seccomp_cache_write(int cache, const struct buf *key, const struct seccomp_filter *f);
/* The answer (SECCOMP_RET_*) to one system call (seccomp_verdict.c). */
struct seccomp_data;
uint32_t seccomp_verdict(const struct seccomp_filter *f, const struct seccomp_data *d);
/* Where a filter that asks finds its agent: listenerPath, or crun's annotation run.oci.seccomp.receiver; NULL: nowhere. */
const char *seccomp_listener_path(const struct spec *s);
int seccomp_listener_check(const struct spec *s, const struct seccomp_filter *f, struct err *e) must_use;
/* SECCOMP_FILTER_FLAG_* of the names, but for TSYNC: there is one thread. */
int seccomp_flags(const struct strv *names, unsigned *ret, struct err *e) must_use;
const char *seccomp_flag_name(unsigned flag);
/* The words of a profile, for who asks what there is: the i-th, NULL behind the last. */
const char *seccomp_action_name(size_t i);
const char *seccomp_operator_name(size_t i);
const char *seccomp_known_flag(size_t i, unsigned *ret);
char *seccomp_call_name(int number) must_use; /* of this machine's system calls; NULL: there is none */
bool seccomp_knows_arch(const char *name); /* "SCMP_ARCH_X86_64" */
bool seccomp_kernel_takes_flag(unsigned flag);
/* In the process to be restricted; needs no_new_privs or CAP_SYS_ADMIN. With .notify it returns the listener (O_CLOEXEC), else 0. */
int seccomp_install(const struct seccomp_filter *f, struct err *e) must_use;
/* The default profile for these capabilities ("CAP_CHOWN", ...), as OCI rules in the arena. */
int seccomp_default(const struct strv *caps, struct arena *a, struct spec_seccomp **ret, struct err *e) must_use;
/* A profile file's text (docker's or the OCI form) resolved for these capabilities. */
int seccomp_profile(const char *text, size_t len, const struct strv *caps, struct arena *a, struct spec_seccomp **ret, struct err *e) must_use;
/* The same as rules, also for docker's fourteen. */
int seccomp_default_rules(const struct strv *caps, struct arena *a, struct spec_seccomp *s, struct err *e) must_use;
void seccomp_default_caps(struct arena *a, struct strv *ret);
/* True for the profile made by seccomp_default() for docker's fourteen capabilities, so that the built-in filter is used
 * without looking at the rules. */
bool seccomp_is_builtin(const struct spec_seccomp *s);
