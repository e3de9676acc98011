/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kube: a file of Kubernetes' objects becomes the commands of hull that make the same on this machine. Who wants to see them prints them.
 *
 *   kube.c            the verbs: read, plan, then print or run; what is undone when a step fails
 *   kube_read.c       fields with their types, quantities, fields that are not known
 *   kube_objects.c    the objects of a file: pods and what stands for one, claims, config maps, secrets
 *   kube_pod.c        a pod: its options, its containers in their order
 *   kube_container.c  a container
 *   kube_env.c        its variables, $(NAME) in its words
 *   kube_probe.c      its probes, as a health check
 *   kube_volume.c     a pod's volumes, and where a container has them
 */
#pragma once

#include "cli/commands.h"
#include "codec/json.h"

struct kube_options {
	bool replace, quiet, print, down, publish_all, force;
	char *start, *log_driver, *userns, *seccomp_root, *mac;
	struct strv configmaps, networks, publish, annotations, log_opts, ips;
};

enum kube_act { KUBE_HULL, KUBE_MKDIR, KUBE_TOUCH };
struct kube_step {
	enum kube_act act;
	struct strv args;    /* of hull; or the one path */
	const char *input;   /* for its stdin, ninput bytes; NULL: none */
	size_t ninput;
	bool is_secret;      /* the input is not printed */
	const char *title;   /* its output is an id, printed below "Pod:" or "Container:" */
	const char *quiet;   /* what it prints goes nowhere: what that is */
	struct strv undo;    /* what is run when a later step fails */
	const char *new_volume; /* undo: only if it was not there before */
	bool must_be_new;       /* one that is there is an error */
	const char *only_pod; /* does nothing when there is no pod of this name */
};
struct kube_steps { struct kube_step *v; size_t n; };

struct kube {
	struct arena arena;
	const char *file;                 /* as errors name it */
	const struct kube_options *o;
	struct json *objects, *maps;      /* of the file; of the file and of --configmap */
	struct kube_steps steps;
	struct strv own_volumes;          /* POD-VOLUME of all pods */
	bool quiet;                       /* no warnings: these fields are looked at again, or will be */
	size_t spent;                     /* see kube_spend */
};

/* kube.c. Words of a new step, until NULL. */
struct kube_step *kube_step(struct kube *k, ...) __attribute__((sentinel));
void kube_word(struct kube *k, struct strv *words, const char *word);
void kube_option(struct kube *k, struct strv *words, const char *option, const char *value);

/* A place in a document: what is there, NULL when nothing is, and how an error calls it: "Pod web: spec.containers[0]". */
struct kube_node {
	struct kube *k;
	const struct json *j;
	const char *where;
};
/* kube_read.c. Each sets *ret to nothing (NULL, 0, false) when the field is missing or null; ERR_USAGE for another type. */
#define kube_bad(n, e, ...) ({ kube_bad_(&(n), (e), __VA_ARGS__); -1; })
void kube_bad_(const struct kube_node *n, struct err *e, const char *fmt, ...) printf_like(3, 4);
int kube_str(const struct kube_node *n, const char *key, const char **ret, struct err *e) must_use;
int kube_need_str(const struct kube_node *n, const char *key, const char **ret, struct err *e) must_use; /* not empty */
int kube_bool(const struct kube_node *n, const char *key, bool *ret, struct err *e) must_use;
int kube_int(const struct kube_node *n, const char *key, int64_t min, int64_t max, struct opt_num *ret, struct err *e) must_use;
int kube_object(const struct kube_node *n, const char *key, struct kube_node *ret, struct err *e) must_use;
int kube_array(const struct kube_node *n, const char *key, struct kube_node *ret, struct err *e) must_use;
int kube_strings(const struct kube_node *n, const char *key, struct strv *ret, struct err *e) must_use; /* borrowed */
/* Each field of a mapping of strings as OPTION KEY=VALUE. */
int kube_pairs(const struct kube_node *n, const char *key, const char *option, struct strv *args, struct err *e) must_use;
/* Element i of an array: an object. */
int kube_at(const struct kube_node *array, size_t i, struct kube_node *ret, struct err *e) must_use;
/* "500m", "1.5Gi", 2: in thousandths, rounded up. */
int kube_quantity(const struct kube_node *n, const char *key, struct opt_num *ret, struct err *e) must_use;
/* Counts each text that is read or made: aliases, and variables that name each other, make much of a small file. ERR_USAGE past 256 MiB. */
int kube_spend(const struct kube_node *n, size_t bytes, struct err *e) must_use;
/* Warns of each field that is not among the words of `known`; one with a minus in front is known to mean nothing on one machine. */
void kube_check(const struct kube_node *n, const char *known);
/* A name as Kubernetes allows it: [a-z0-9]([-.a-z0-9]*[a-z0-9])?, at most 253. */
int kube_name(const struct kube_node *n, const char *key, const char **ret, struct err *e) must_use;

/* kube_objects.c. The object `name` of a kind; .j NULL when there is none. */
struct kube_node kube_find(struct kube *k, const char *kind, const char *name);
int kube_load(struct kube *k, struct err *e) must_use;
/* Steps for all of the file's objects; for play, or for down. */
int kube_plan_play(struct kube *k, struct err *e) must_use;
int kube_plan_down(struct kube *k, struct err *e) must_use;
/* Of a config map (string data, then base64) or a secret: the value of a key. *ret NULL: it has no such key. */
int kube_value(const struct kube_node *object, const char *key, const char **ret, size_t *ret_n, struct err *e) must_use;
/* Its keys, in order. */
void kube_keys(const struct kube_node *object, struct strv *ret);
/* What hull calls it. NULL: a name that it would not take, as one with a comma in it. */
const char *kube_secret_name(const struct kube_node *n, const char *secret, const char *key, struct err *e) must_use;

struct kube_variable {
	const char *name, *value; /* value NULL: hull's secret of that name has it */
	const char *secret;
};
struct kube_volume {
	const char *name, *option; /* where it comes from: a path, or a volume's name */
	enum { KUBE_PATH, KUBE_NAMED, KUBE_FILES, KUBE_SECRET } kind;
	bool is_device, read_only;
	struct { struct kube_file *v; size_t n; } files; /* of a secret */
};
struct kube_file { const char *path, *secret; int64_t mode; };
struct kube_pod {
	struct kube *k;
	const char *name, *restart;
	struct kube_node meta, spec, security;
	struct { struct kube_volume *v; size_t n; } volumes;
	struct strv ports; /* for the pod's --publish */
};
/* kube_pod.c. restart: where the pod says nothing. */
int kube_pod(struct kube *k, const char *name, const struct kube_node *meta, const struct kube_node *spec, const char *restart, struct err *e) must_use;
int kube_pod_down(struct kube *k, const char *name, const struct kube_node *spec, struct err *e) must_use;
/* kube_container.c. The ports it wants published; then the steps that make it, or for an init container run it. */
int kube_container_ports(struct kube_pod *p, const struct kube_node *c, struct err *e) must_use;
int kube_container(struct kube_pod *p, const struct kube_node *c, bool init, struct err *e) must_use;
/* kube_env.c */
struct kube_env { struct kube_variable *v; size_t n; };
int kube_env(struct kube_pod *p, const struct kube_node *c, struct kube_env *ret, struct err *e) must_use;
/* NULL: past the bounds. */
const char *kube_expand(const struct kube_node *at, const struct kube_env *env, const char *text, struct err *e) must_use;
/* kube_probe.c */
int kube_probe(struct kube_pod *p, const struct kube_node *c, struct strv *args, struct err *e) must_use;
/* kube_volume.c */
int kube_volumes(struct kube_pod *p, struct err *e) must_use;                     /* read, and steps that make them */
int kube_volumes_down(struct kube *k, const char *pod, const struct kube_node *spec, struct err *e) must_use;
int kube_volume_mounts(struct kube_pod *p, const struct kube_node *c, const struct kube_env *env, struct strv *args, struct err *e) must_use;
