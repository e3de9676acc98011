/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport: where an image is, as skopeo and podman write it:
 *
 *   docker://NAME                    a registry
 *   docker-archive:FILE[:NAME]       what docker saves
 *   oci-archive:FILE[:NAME]          an OCI layout in a tar
 *   oci:DIR[:NAME]                   an OCI layout
 *   dir:DIR                          skopeo's directory of one image
 *   docker-daemon:NAME               docker, through its socket (DOCKER_HOST, else /var/run/docker.sock)
 *   containers-storage:NAME          podman's images, through podman
 *   NAME                             the images here
 */
#pragma once

#include "engine/image.h"

enum transport { TRANSPORT_HERE, TRANSPORT_REGISTRY, TRANSPORT_DOCKER_ARCHIVE, TRANSPORT_OCI_ARCHIVE, TRANSPORT_OCI, TRANSPORT_DIR, TRANSPORT_DAEMON,
	TRANSPORT_PODMAN };
struct place {
	enum transport transport;
	char *path; /* of a file or directory, or NULL */
	char *name; /* or NULL */
};
int transport_parse(const char *text, struct arena *a, struct place *ret, struct err *e) must_use;
bool transport_is_layout(enum transport t); /* OCI's forms */
char *transport_word(enum transport t);      /* "docker-daemon" …; of what is here NULL */
const char *transport_form(enum transport t); /* what image_save() calls it; NULL: it is no archive */

/* An image of docker or podman into a file without a name, as a docker-archive; returns the fd, at its beginning. */
int transport_fetch(struct engine *g, const struct place *from, struct err *e) must_use;
/* "[overlay@/var/lib/containers/storage]": where podman has its images. */
int transport_podman_store(struct engine *g, char **ret, struct err *e) must_use;
/* A docker-archive in a file, from its beginning, into docker or podman. */
int transport_hand_over(struct engine *g, const struct place *to, int archive, struct err *e) must_use;

/* docker_daemon.c. body: -1, or a file whose whole content is sent. The answer's body goes to `out`; an answer that is no success is an error
 * with docker's own words. */
int docker_daemon_request(const char *method, const char *path, const char *type, int body, int out, struct err *e) must_use;

/* Into the images here, from anywhere but there. name: NULL, or what it is called besides. */
int image_fetch(struct engine *g, const struct place *from, const char *platform, const char *name, const struct image_progress *progress,
	struct strv *ret_names, struct err *e) must_use;

/* image_copy.c: between two places of which none is here, bytes as they are. */
struct image_copy_request {
	struct place from, to;
	bool all;             /* an index whole, with all that it lists */
	const char *platform; /* NULL: this machine's; of an index, without all */
	void (*tell)(void *arg, const char *what, const char *digest); /* or NULL */
	void *arg;
};
/* From the images here to anywhere but a registry. */
int image_copy_out(struct engine *g, const struct image_copy_request *r, struct err *e) must_use;
/* ret_digest: of what was copied. */
int image_copy(struct engine *g, const struct image_copy_request *r, char ret_digest[136], struct err *e) must_use;
