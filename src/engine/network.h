/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network: the verbs on networks, and what connects a container when it starts (connect.c).
 */
#pragma once

#include "engine/container.h"
#include "net/cni.h"
#include "net/endpoint.h"
#include "net/relay.h"
#include "net/resolver.h"

/* bridge: made at the first use. */
int network_find(struct engine *g, const char *text, struct arena *a, struct network *ret, struct err *e) must_use;
int network_create(struct engine *g, struct arena *a, struct network *w, struct err *e) must_use;
int network_remove(struct engine *g, const char *text, struct err *e) must_use;
int network_prune(struct engine *g, const struct strv *filters, struct strv *ret_names, struct err *e) must_use;
/* docker's documents: of all that pass, and of one. */
struct json *network_list(struct engine *g, const struct strv *filters, struct err *e);
struct json *network_inspect(struct engine *g, const char *text, struct err *e);
/* Did somebody say what a container without --network gets: HULL_NETWORK, the settings? */
bool network_has_default(struct engine *g);
/* What a container that names no network gets; warns when that is none because the machine cannot do better. */
int network_default(struct engine *g, const char **ret, struct err *e) must_use;
/* Is it connected by hull: not none, host, container:X, pod:X, ns:PATH. */
bool network_is_joined(const char *mode);
bool network_is_possible(void); /* may this process make interfaces? */
/* Those that are always there, too; no container is connected. */
int network_remove_all(struct engine *g, struct err *e) must_use;
int network_reload(struct engine *g, struct err *e) must_use;
/* For who only looks: rules that somebody flushed are there again. */
void network_heal(struct engine *g);

struct connection {
	struct network network;
	struct endpoint endpoint;
	const struct strv *link_local; /* the request's */
	struct network_request request;
	struct cni_result got;         /* of the driver cni */
	bool is_default[2]; /* gives the default route of IPv4, IPv6 */
	bool is_relayed;    /* its published ports are served by the monitor */
};
struct connections {
	struct arena arena;
	struct { struct connection *v; size_t n; } list;
	struct resolver *resolver;
	int *fds;  /* sockets that hold published ports */
	size_t nfds;
	struct { struct relay_port *v; size_t n; } relayed; /* those of them that a relay serves */
	struct relay *relay;
	int netns_sockets[2]; /* the runtime's end and ours; 0: not needed */
};
void connections_close(struct connections *x); /* the ports' sockets, and what is served at them */
void connections_drop(struct connections *x);
/* It has another name: that goes into its state, and where the resolvers look. */
void connect_name_anew(struct container_entry *c);
int connect_rename(struct engine *g, const struct container_entry *c, const char *old, struct err *e) must_use;
/* Before the monitor is forked: bridges are there, addresses and ports are taken; all is in c->state. */
int connect_prepare(struct engine *g, struct container_entry *c, struct connections *ret, struct err *e) must_use;
/* The container_create's netns_socket, where it needs one. */
int connect_expect(struct engine *g, struct connections *x, struct err *e) must_use;
/* In the monitor: the first process's namespace gets its interfaces, the firewall its ports. */
/* Is 127.0.0.11 its name server: on a network of the user's, or where the host's own are out of reach. */
bool connect_has_resolver(const struct container_state *s);
/* The resolver's file in the container's run directory; servers: --dns. */
int connect_put_resolver(const struct container_state *s, const struct strv *servers, int run_dir, struct err *e) must_use;
int connect_wire(struct engine *g, struct container_entry *c, struct connections *x, int run_dir, pid_t pid, struct err *e) must_use;
/* In a monitor that comes in the place of one that was killed: names and ports are served again. */
int connect_serve(struct engine *g, struct connections *x, int run_dir, int netns, struct err *e) must_use;
/* Neither running nor being started: what it has in an endpoint file a killed process left. */
bool connect_is_gone(void *g, const char *container);
/* Has it something to release? One that was killed while plugins worked (net/cni.h) has it only there. */
bool connect_has_any(struct engine *g, const struct container_entry *c);
/* When it ended, however. Its interfaces went with its namespace. */
void connect_release(struct engine *g, const char *container);
/* The network's bridge and its part of the firewall are there; the lock is held. */
int connect_bridge(struct engine *g, const struct network *w, struct err *e) must_use;
/* Those who are connected are in the network's bridge, which was made anew. */
int connect_rejoin(struct engine *g, const struct network *w, struct err *e) must_use;
/* Packets are passed on; warns where they are not, and of what others' rules do to them. */
void connect_look_around(struct engine *g, const struct network *w);
/* One interface, as the connection says; netns: the namespace of process pid. */
int connect_end(struct engine *g, struct container_entry *c, struct connection *k, int netns, pid_t pid, struct err *e) must_use;
/* connect_cni.c: plugins give address and interface; then the container's state and files have what they gave. */
int connect_cni_add(struct engine *g, struct container_entry *c, struct connection *k, pid_t pid, struct err *e) must_use;
int connect_cni_note(struct container_entry *c, const struct connections *x, int run_dir, struct err *e) must_use;
/* ports.c: the record's ports, bound; they go to the connection that has the default route. All is in c->state.published. */
int ports_hold(struct engine *g, struct container_entry *c, struct connections *x, struct err *e) must_use;
/* Those of a list, in the same way; what is new is behind what x and c->state.published have. */
int ports_publish(struct engine *g, struct container_entry *c, struct connections *x, const struct port_requests *list, struct err *e) must_use;
/* ports_live.c: ports come and go; the record and, while it runs, the host. A port that comes and one that goes may be the same number.
 * ret_lost: it failed, and what went before could not be put back. */
int ports_update(struct engine *g, struct container_entry *c, const struct port_requests *add, const struct port_requests *remove, bool *ret_lost,
	struct err *e) must_use;
/* While it runs, and its networks' lock is held. What leads to a network that is about to go, and goes; the same again, by the networks that
 * are left; a network has come, the last: what now leads there, or all that the record has when nothing is published. */
int ports_leave(struct engine *g, struct container_entry *c, const char *network_id, struct port_requests *ret, struct err *e) must_use;
int ports_return(struct engine *g, struct container_entry *c, const struct port_requests *list, struct err *e) must_use;
int ports_arrive(struct engine *g, struct container_entry *c, struct err *e) must_use;
/* Of one that runs and whose monitor was killed: its networks by its state, and the same ports bound again. */
int ports_take_again(struct engine *g, struct container_entry *c, struct connections *x, struct err *e) must_use;
/* The same while its monitor is there: whatever an update that was killed left goes, and what its state says comes. */
int ports_recover(struct engine *g, struct container_entry *c, struct err *e) must_use;
/* The connection that a port at this address of the host leads to; NULL: none of them publishes. */
struct connection *ports_way(struct connections *x, const struct addr *host);
/* Of a port that is published without an address: is it at [::], too? Where a network has IPv6, and as far as the monitor can serve it. */
bool ports_are_at_six(struct connections *x, const struct port_request *q);
/* Of SCTP, where the kernel has none: is this what holds the port? */
bool ports_is_name_of(int fd, const struct addr *host, uint16_t port);
/* In the monitor: a socket comes, or goes. An errno, 0: done. */
int ports_told(struct engine *g, struct connections *x, const void *word, size_t n, int fd);
/* Which of them gives the default route. */
void connect_choose_default(struct connections *x);
/* Takes an address in one network, whose lock is held; adds to x->list. */
int connect_join(struct engine *g, struct container_entry *c, const struct network_request *q, size_t at, struct connections *x, struct err *e) must_use;
void connect_note(struct arena *a, const struct connection *k, const struct network_request *q, struct endpoint_state *ret);
/* connect_live.c: in the monitor: its resolver answers from here on. An errno, 0: done. */
bool connect_is_word(const void *p, size_t n);
int connect_told(struct engine *g, struct connections *x, int run_dir, int netns);
/* Running or not. q: addresses and aliases; its network is not looked at. */
int network_connect(struct engine *g, const char *network, const char *container, const struct network_request *q, struct err *e) must_use;
int network_disconnect(struct engine *g, const char *network, const char *container, bool force, struct err *e) must_use;
