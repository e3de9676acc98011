/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quadlet: units of containers, pods, networks, volumes, images and builds, as podman-systemd.unit(5) has them, made into services of
 * systemd whose commands are hull's.
 *
 *   quadlet_files.c     directories, units, drop-ins, instances of templates
 *   quadlet.c           names, what one unit says of another, what all services have
 *   quadlet_add.c       a key and its values into options of a command
 *   quadlet_sources.c   the same for keys that name files or other units
 *   quadlet_container.c quadlet_pod.c quadlet_kube.c quadlet_network.c quadlet_image.c
 *                       the keys of a kind of unit, in the order of their options, and its service
 *   quadlet_install.c   the services and the links of [Install] into a directory
 */
#pragma once

#include "base/opt.h"
#include "codec/unitfile.h"

struct quadlet_unit {
	const char *name, *path;         /* "web.container", where it was found */
	const struct quadlet_type *type;
	struct unitfile file;            /* with drop-ins */
	const char *service;             /* "web", without .service */
	const char *resource;            /* what hull's object is called on the unit's own command line: may have % */
	const char *known;               /* the same for other units; NULL: only systemd can tell */
	struct { size_t *v; size_t n; } refers;
	struct quadlet_unit *starts_with; /* the pod */
	bool failed;
	struct unitfile out;
};

struct quadlet {
	struct arena arena;
	bool user;           /* for the systemd of a user */
	const char *exe;
	void (*complain)(void *arg, const struct err *e);
	void (*warn)(void *arg, const char *text);
	void (*tell)(void *arg, const char *text); /* what is done, for who wants to know */
	void *arg;
	bool failed;
	struct strv dirs;
	struct { struct quadlet_unit *v; size_t n; } units;
};
void quadlet_drop(struct quadlet *q);
void quadlet_say(struct quadlet *q, const struct err *e); /* complains, and keeps in mind that something failed */

/* Fills dirs and units. What cannot be read is complained about. */
void quadlet_load(struct quadlet *q);
/* Fills out of every unit that is well. */
void quadlet_convert(struct quadlet *q);
/* The service with its first line. */
void quadlet_format(const struct quadlet_unit *u, struct buf *out);
int quadlet_install(struct quadlet *q, const char *dir, struct err *e) must_use;

/* "foo@bar.container": stem "foo@bar", prefix "foo", instance "bar" ("" for a template, NULL without @). */
struct quadlet_name { const char *stem, *prefix, *instance, *suffix; };
struct quadlet_name quadlet_name(struct arena *a, const char *name);
const struct quadlet_type *quadlet_type(const char *name); /* by the end of a file name; NULL */
struct quadlet_unit *quadlet_find(struct quadlet *q, const char *name);

/* One command line in the making. */
struct quadlet_call {
	struct quadlet *q;
	struct quadlet_unit *u;
	const struct cmd *cmd; /* whose options are asked for; NULL: hull has no such verb */
	const char *verb;      /* "network create" */
	struct strv args;      /* before the arguments */
	struct strv last;      /* arguments that come before those of Exec= */
};
struct quadlet_key {
	const char *name;
	/* NULL: another key's row, or the service's function, reads it. */
	int (*add)(struct quadlet_call *c, const struct quadlet_key *k, struct err *e);
	const char *option; /* "--dns" */
	const char *text;   /* by the function: what stands before the value; why there is none */
};
struct quadlet_type {
	const char *suffix, *section, *after; /* ".network", "Network", "-network": of the service's name */
	const char *name_key;                 /* "NetworkName" */
	const struct quadlet_key *keys;
	size_t nkeys;
	int (*convert)(struct quadlet_call *c, struct err *e);
	const char *missing; /* why hull cannot: such a unit is an error */
};
extern const struct quadlet_key quadlet_container_keys[], quadlet_pod_keys[], quadlet_network_keys[], quadlet_volume_keys[],
	quadlet_image_keys[], quadlet_build_keys[], quadlet_kube_keys[];
extern const size_t quadlet_container_nkeys, quadlet_pod_nkeys, quadlet_network_nkeys, quadlet_volume_nkeys, quadlet_image_nkeys,
	quadlet_build_nkeys, quadlet_kube_nkeys;
int quadlet_container(struct quadlet_call *c, struct err *e) must_use;
int quadlet_pod(struct quadlet_call *c, struct err *e) must_use;
int quadlet_network(struct quadlet_call *c, struct err *e) must_use;
int quadlet_volume(struct quadlet_call *c, struct err *e) must_use;
int quadlet_image(struct quadlet_call *c, struct err *e) must_use;
int quadlet_build(struct quadlet_call *c, struct err *e) must_use;
int quadlet_kube(struct quadlet_call *c, struct err *e) must_use;

/* quadlet.c. FILE:LINE: KEY=: text; line NULL: FILE: text. */
#define quadlet_bad(c, line, e, ...) ({ quadlet_bad_((c), (line), (e), __VA_ARGS__); -1; })
void quadlet_bad_(const struct quadlet_call *c, const struct unitfile_line *line, struct err *e, const char *fmt, ...) printf_like(4, 5);
const char *quadlet_get(struct quadlet_call *c, const char *key);
const struct unitfile_line *quadlet_line(const struct quadlet_call *c, const char *key);
/* false when it is missing; an error when it is no truth value. */
int quadlet_get_bool(struct quadlet_call *c, const char *key, bool *ret, struct err *e) must_use;
/* A new command line: hull, the key GlobalArgs, the verb. */
int quadlet_begin(struct quadlet_call *c, const char *verb, struct err *e) must_use;
/* All keys of the unit, in the order of its table. */
int quadlet_keys(struct quadlet_call *c, struct err *e) must_use;
/* The command line becomes ExecStart= or the like, with `before` ("-") in front of it. */
void quadlet_exec(struct quadlet_call *c, const char *key, const char *before);
int quadlet_command(struct quadlet_call *c, const char *key, const char *before, struct err *e, const char *verb, ...) must_use __attribute__((sentinel));
bool quadlet_has_option(const struct quadlet_call *c, const char *option);
/* The other unit is required, by `requires` (Requires, BindsTo), and this one comes after it. Returns what hull's object is called; NULL. */
const char *quadlet_refer(struct quadlet_call *c, const struct unitfile_line *line, const char *name, const char *requires, struct err *e);

/* quadlet_add.c */
void quadlet_word(struct quadlet_call *c, const char *word);
int quadlet_option(struct quadlet_call *c, const struct unitfile_line *line, const char *option, const char *value, struct err *e) must_use;
typedef int quadlet_add(struct quadlet_call *c, const struct quadlet_key *k, struct err *e);
quadlet_add add_last;    /* the last value */
quadlet_add add_each;    /* each line's value */
quadlet_add add_words;   /* each word */
quadlet_add add_escaped; /* each word, with escapes */
quadlet_add add_pairs;   /* each word is KEY=VALUE; the last of a key counts */
quadlet_add add_bool;    /* --x, --x=false */
quadlet_add add_flag;    /* with text as its value, when yes */
quadlet_add add_raw;     /* words that are options themselves */
quadlet_add add_missing; /* always an error: text */
quadlet_add add_without; /* only "no" will do: text */

/* quadlet_sources.c */
quadlet_add add_networks, add_volumes, add_mounts, add_env_files;
/* Of a path that is relative to the unit: absolute, percent signs doubled. */
const char *quadlet_path(struct quadlet_call *c, const char *path);
/* An image, or a unit that makes it. */
const char *quadlet_image_name(struct quadlet_call *c, const char *key, struct err *e);
/* quadlet_pod.c */
quadlet_add add_remap;
/* quadlet_container.c: a label or an annotation, and a warning that nothing comes of it */
quadlet_add add_update;
/* Type=oneshot, RemainAfterExit=yes, unless the unit says otherwise. */
void quadlet_oneshot(struct quadlet_call *c);
