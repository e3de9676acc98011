/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list: GET /containers/json. One small file a container is read, state.json, and a second one of /proc for those that
 * say they run. Filters are rows of a table; several of one key are alternatives (all, for labels), keys are and-ed.
 */
#include "engine/list.h"

#include "base/num.h"
#include "engine/health.h"
#include "engine/network.h"
#include "engine/network_docs.h"

#include <regex.h>
#include <stdlib.h>

/* What is kept of a container while hundreds of them are looked at. */
struct row {
	char id[65];
	struct arena arena; /* of state */
	struct container_state state;
	const char *status;
	int64_t created_ns;
};

struct rows {
	struct row *v;
	size_t n;
};

static void rows_drop(struct rows *r)
{
	for (size_t i = 0; i < r->n; i++)
		arena_drop(&r->v[i].arena);
	mem_drop(&r->v);
	r->n = 0;
}

struct query {
	struct engine *g;
	const struct container_list_request *r;
	struct strv ancestors;        /* image ids of --filter ancestor */
	int64_t before_ns, since_ns;  /* 0: not asked for */
	bool by_status;               /* the filter chooses the states, not -a */
	struct strv names, ids;       /* what names of images stand for now, as far as they were asked for */
};

static void query_drop(struct query *q)
{
	strv_drop(&q->ancestors);
	strv_drop(&q->names);
	strv_drop(&q->ids);
}

/* A regular expression, which is found in the name or in /name, as docker has it. */
static bool any_name(const struct query *q, const struct row *row, const char *want)
{
	(void)q;
	regex_t re;
	own(mem) char *name = mem_printf("/%s", row->state.name ? row->state.name : "");
	if (!strpbrk(want, "^$.*+?|()[]{}\\/"))
		return strstr(name, want) != NULL;
	if (regcomp(&re, want, REG_EXTENDED | REG_NOSUB) != 0)
		return false;
	bool found = regexec(&re, name + 1, 0, NULL, 0) == 0 || regexec(&re, name, 0, NULL, 0) == 0;
	regfree(&re);
	return found;
}

static bool any_id(const struct query *q, const struct row *row, const char *want)
{
	(void)q;
	return str_has_prefix(row->id, want);
}

static bool any_label(const struct query *q, const struct row *row, const char *want)
{
	(void)q;
	const char *eq = strchr(want, '=');
	own(mem) char *key = eq ? mem_ndup(want, (size_t)(eq - want)) : mem_dup(want);
	const char *value = map_get(&row->state.labels, key);
	return value && (!eq || strcmp(value, eq + 1) == 0);
}

static bool any_status(const struct query *q, const struct row *row, const char *want)
{
	(void)q;
	return strcmp(row->status, want) == 0;
}

static bool any_exited(const struct query *q, const struct row *row, const char *want)
{
	(void)q;
	return str_eq(row->status, "exited") && row->state.exit_code == atoll(want);
}

static bool any_volume(const struct query *q, const struct row *row, const char *want)
{
	(void)q;
	for (size_t i = 0; i < row->state.mounts.n; i++) {
		const struct mount_point *m = &row->state.mounts.v[i];
		if (str_eq(m->name, want) || str_eq(m->destination, want) || str_eq(m->source, want))
			return true;
	}
	return false;
}

static bool any_network(const struct query *q, const struct row *row, const char *want)
{
	(void)q;
	for (size_t i = 0; i < row->state.networks.n; i++)
		if (str_eq(row->state.networks.v[i].network, want) || str_has_prefix(row->state.networks.v[i].network_id, want))
			return true;
	return str_eq(row->state.network_mode, want);
}

static bool any_pod(const struct query *q, const struct row *row, const char *want)
{
	(void)q;
	return !str_is_empty(row->state.pod) && *want && (str_has_prefix(row->state.pod, want) || str_eq(row->state.pod_name, want));
}

static bool any_ancestor(const struct query *q, const struct row *row, const char *want)
{
	return str_eq(row->state.image_name, want) || strv_has(&q->ancestors, row->state.image ? row->state.image : "");
}

static bool any_before(const struct query *q, const struct row *row, const char *want)
{
	(void)want;
	return row->created_ns < q->before_ns;
}

static bool any_since(const struct query *q, const struct row *row, const char *want)
{
	(void)want;
	return row->created_ns > q->since_ns;
}

static bool any_exposed(const struct query *q, const struct row *row, const char *want)
{
	(void)q;
	for (size_t i = 0; i < row->state.ports.n; i++) {
		const char *rest = str_after(row->state.ports.v[i], want);
		if (rest && (!*rest || (*rest == '/' && !strchr(want, '/'))))
			return true;
	}
	return false;
}

/* "80", "80-90", "80/udp": any of the host's. */
static bool any_publish(const struct query *q, const struct row *row, const char *want)
{
	(void)q;
	char *end;
	unsigned long first = strtoul(want, &end, 10), last = *end == '-' ? strtoul(end + 1, &end, 10) : first;
	for (size_t i = 0; i < row->state.published.n; i++) {
		const struct port_state *p = &row->state.published.v[i];
		if (p->host_port <= last && p->host_port + p->count > first && (*end != '/' || str_eq(end + 1, p->protocol)))
			return true;
	}
	return false;
}

static bool any_health(const struct query *q, const struct row *row, const char *want)
{
	(void)q;
	return strcmp(want, str_is_empty(row->state.health) ? "none" : row->state.health) == 0;
}

static bool any_task(const struct query *q, const struct row *row, const char *want)
{
	(void)q, (void)row;
	return !str_eq(want, "true") && !str_eq(want, "1");
}

static const struct filter {
	const char *key;
	bool (*match)(const struct query *q, const struct row *row, const char *want);
	bool all;       /* every value must match */
	bool shows_all; /* as if -a was given */
} filters[] = {
	{"ancestor", any_ancestor, false, false},
	{"before", any_before, false, true},
	{"exited", any_exited, false, true},
	{"expose", any_exposed, false, false},
	{"health", any_health, false, false},
	{"id", any_id, false, false},
	{"is-task", any_task, false, false},
	{"label", any_label, true, false},
	{"name", any_name, false, false},
	{"network", any_network, false, false},
	{"pod", any_pod, false, false},
	{"publish", any_publish, false, false},
	{"since", any_since, false, true},
	{"status", any_status, false, true},
	{"volume", any_volume, false, false},
};

static const struct filter *find_filter(const char *text, const char **ret_value)
{
	const char *eq = strchr(text, '=');
	for (size_t i = 0; eq && i < countof(filters); i++)
		if (strlen(filters[i].key) == (size_t)(eq - text) && strncmp(filters[i].key, text, (size_t)(eq - text)) == 0) {
			*ret_value = eq + 1;
			return &filters[i];
		}
	return NULL;
}

static int created_of(struct engine *g, const char *text, int64_t *ret, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	if (container_get(g, text, ENTRY_STATE_ONLY, &c, e) < 0)
		return -1;
	*ret = num_time_of(c.state.created);
	return 0;
}

struct descent { const struct image *of; struct strv *ids; };

static int note_descendant(void *arg, const struct image *i, struct err *e)
{
	(void)e;
	struct descent *d = arg;
	const struct strv *a = &d->of->record.diff_ids, *b = &i->record.diff_ids;
	bool is = a->n <= b->n;
	for (size_t k = 0; is && k < a->n; k++)
		is = strcmp(a->v[k], b->v[k]) == 0;
	if (is)
		strv_add(d->ids, i->record.id);
	return 0;
}

/* The image itself and all that have its layers below their own. One that is not here has none. */
static int find_ancestors(struct query *q, const char *text, struct err *e)
{
	own(image) struct image image = {};
	struct err gone = {};
	size_t bad;
	if (engine_need_store(q->g, e) < 0)
		return -1;
	if (store_find(&q->g->store, text, &image, &gone) < 0)
		return 0;
	struct descent d = {&image, &q->ancestors};
	return store_each(&q->g->store, note_descendant, &d, &bad, e);
}

static int check_pattern(const char *value, struct err *e)
{
	regex_t re;
	char why[100];
	int r = regcomp(&re, value, REG_EXTENDED | REG_NOSUB);
	if (r == 0) {
		regfree(&re);
		return 0;
	}
	regerror(r, &re, why, sizeof why);
	return err_set(e, ERR_USAGE, "invalid filter \"name=%s\": %s", value, why);
}

static int check_value(struct query *q, const struct filter *f, const char *value, struct err *e)
{
	static const char *const states[] = {"created", "running", "paused", "restarting", "removing", "exited", "dead"};
	static const char *const healths[] = {"starting", "healthy", "unhealthy", "none"};
	const bool is_status = strcmp(f->key, "status") == 0;
	int64_t v;
	if (strcmp(f->key, "before") == 0)
		return created_of(q->g, value, &q->before_ns, e);
	if (strcmp(f->key, "since") == 0)
		return created_of(q->g, value, &q->since_ns, e);
	if (strcmp(f->key, "exited") == 0)
		return num_i64(value, INT32_MIN, INT32_MAX, &v, "--filter exited", e);
	if (strcmp(f->key, "name") == 0)
		return check_pattern(value, e);
	if (strcmp(f->key, "ancestor") == 0)
		return find_ancestors(q, value, e);
	if (is_status || strcmp(f->key, "health") == 0) {
		const char *const *known = is_status ? states : healths;
		for (size_t i = 0; i < (is_status ? countof(states) : countof(healths)); i++)
			if (strcmp(known[i], value) == 0)
				return 0;
		return err_set(e, ERR_USAGE, "invalid filter \"%s=%s\": %s are known", f->key, value,
			is_status ? "created, running, paused, restarting, removing, exited and dead" : "starting, healthy, unhealthy and none");
	}
	return 0;
}

static int read_filters(struct query *q, struct err *e)
{
	for (size_t i = 0; q->r->filters && i < q->r->filters->n; i++) {
		const char *value = "";
		const struct filter *f = find_filter(q->r->filters->v[i], &value);
		if (!f)
			return err_set(e, ERR_USAGE, "invalid filter \"%s\": ancestor, before, exited, expose, health, id, is-task, label, "
				"name, network, publish, since, status and volume are known, as KEY=VALUE", q->r->filters->v[i]);
		if (check_value(q, f, value, e) < 0)
			return -1;
		q->by_status |= f->shows_all;
	}
	return 0;
}

static bool passes(const struct query *q, const struct row *row)
{
	bool asked[countof(filters)] = {}, found[countof(filters)] = {}, failed[countof(filters)] = {};
	for (size_t i = 0; q->r->filters && i < q->r->filters->n; i++) {
		const char *value;
		const struct filter *f = find_filter(q->r->filters->v[i], &value);
		size_t at = (size_t)(f - filters);
		bool yes = f->match(q, row, value);
		asked[at] = true;
		found[at] |= yes;
		failed[at] |= !yes && f->all;
	}
	for (size_t i = 0; i < countof(filters); i++)
		if (asked[i] && (!found[i] || failed[i]))
			return false;
	return true;
}

static int newest_first(const void *x, const void *y)
{
	const struct row *a = x, *b = y;
	if (a->created_ns != b->created_ns)
		return a->created_ns > b->created_ns ? -1 : 1;
	return strcmp(b->id, a->id);
}

static bool is_up(const char *status)
{
	return str_eq(status, "running") || str_eq(status, "paused") || str_eq(status, "restarting");
}

static int collect(struct query *q, struct rows *ret, struct err *e)
{
	own(strv) struct strv ids = {};
	bool running_only = !q->r->all && q->r->last <= 0 && !q->by_status;
	if (containers_ids(&q->g->containers, running_only, &ids, e) < 0)
		return -1;
	ret->v = mem_alloc((ids.n + 1) * sizeof *ret->v);
	for (size_t i = 0; i < ids.n; i++) {
		struct row *row = &ret->v[ret->n];
		own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
		struct err gone = {};
		/* One that goes away meanwhile, or that nobody can read, is none to list. */
		if (containers_peek(&q->g->containers, ids.v[i], &c, &gone) < 0)
			continue;
		const char *status = container_status(q->g, &c);
		c.state.health = (char *)(uintptr_t)health_now(q->g, &c.state);
		*row = (struct row){.arena = c.arena, .state = c.state, .status = status, .created_ns = num_time_of(c.state.created)};
		memcpy(row->id, c.id, sizeof row->id);
		c.arena = (struct arena){};
		if ((running_only && !is_up(row->status)) || str_eq(row->status, "removing") || !passes(q, row))
			arena_drop(&row->arena);
		else
			ret->n++;
	}
	qsort(ret->v, ret->n, sizeof *ret->v, newest_first);
	return 0;
}

static void format_status(const struct row *row, struct buf *out)
{
	const struct container_state *s = &row->state;
	char span[NUM_TEXT];
	int64_t now = num_now_ns();
	if (str_eq(row->status, "restarting"))
		buf_printf(out, "Restarting (%lld) %s ago", (long long)s->exit_code, num_format_span(now - num_time_of(s->finished_at), span));
	else if (is_up(row->status))
		buf_printf(out, "Up %s%s%s%s%s", num_format_span(now - num_time_of(s->started_at), span), str_is_empty(s->health) ? "" : " (",
			str_eq(s->health, "starting") ? "health: starting" : s->health ? s->health : "", str_is_empty(s->health) ? "" : ")",
			str_eq(row->status, "paused") ? " (Paused)" : "");
	else if (str_eq(row->status, "exited") && str_is_empty(s->finished_at)) /* its state was lost */
		buf_printf(out, "Exited (%lld)", (long long)s->exit_code);
	else if (str_eq(row->status, "exited"))
		buf_printf(out, "Exited (%lld) %s ago", (long long)s->exit_code, num_format_span(now - num_time_of(s->finished_at), span));
	else
		buf_str(out, str_eq(row->status, "dead") ? "Dead" : "Created");
}

/* Values that most rows have in common, made once. */
struct shared { struct json *nothing, *host[2], *net[2]; bool healed; };
static const char *const shared_modes[] = {"none", "host"};

static void shared_drop(struct shared *s)
{
	json_drop(&s->nothing);
	for (size_t i = 0; i < countof(s->host); i++) {
		json_drop(&s->host[i]);
		json_drop(&s->net[i]);
	}
}

static struct json *host_json(const char *mode)
{
	struct json *j = json_new_object();
	json_set_str(j, "NetworkMode", mode);
	return j;
}

static struct json *net_json(const char *mode)
{
	struct json *j = json_new_object(), *networks = json_new_object();
	if (mode && *mode)
		json_set(networks, mode, json_new_object());
	json_set(j, "Networks", networks);
	return j;
}

static void shared_fill(struct shared *s)
{
	s->nothing = json_new_array();
	for (size_t i = 0; i < countof(s->host); i++) {
		s->host[i] = host_json(shared_modes[i]);
		s->net[i] = net_json(shared_modes[i]);
	}
}

static struct json *ports_json(struct engine *g, const struct row *row, struct shared *shared)
{
	const struct container_state *s = &row->state;
	bool running = str_eq(row->status, "running") || str_eq(row->status, "paused");
	/* What is shown is so. */
	if (running && s->networks.n && !shared->healed)
		network_heal(g);
	shared->healed |= running && s->networks.n;
	return s->ports.n || s->published.n ? network_docs_ports(s, running) : json_ref(shared->nothing);
}

static struct json *mounts_json(const struct container_state *s, struct shared *shared)
{
	if (!s->mounts.n)
		return json_ref(shared->nothing);
	struct json *j = json_new_array();
	for (size_t i = 0; i < s->mounts.n; i++) {
		const struct mount_point *m = &s->mounts.v[i];
		const struct { const char *key, *value; } texts[] = {{"Type", m->type}, {"Name", m->name}, {"Source", m->source},
			{"Destination", m->destination}, {"Driver", m->driver}, {"Mode", m->mode}, {"Propagation", m->propagation}};
		struct json *p = json_new_object();
		for (size_t k = 0; k < countof(texts); k++)
			if (texts[k].value && (*texts[k].value || k > 4))
				json_set_str(p, texts[k].key, texts[k].value);
		json_set(p, "RW", json_new_bool(m->rw));
		json_add(j, p);
	}
	return j;
}

static int add_size(struct engine *g, const struct row *row, struct json *j, struct err *e)
{
	own(container_entry) struct container_entry c = {.dir = -1, .lock = -1};
	uint64_t rw, root;
	if (containers_load(&g->containers, row->id, 0, &c, e) < 0)
		return e->kind == ERR_NOT_FOUND ? 0 : -1;
	if (container_size(g, &c, &rw, &root, e) < 0)
		return -1;
	json_set(j, "SizeRw", json_new_u64(rw));
	json_set(j, "SizeRootFs", json_new_u64(root));
	return 0;
}

/* A name that stands for another image by now, or for none, is not shown: the id is. */
static const char *image_of(struct query *q, const struct container_state *s)
{
	size_t i = 0;
	if (str_is_empty(s->image_name) || str_is_empty(s->image))
		return s->image_name ? s->image_name : "";
	while (i < q->names.n && strcmp(q->names.v[i], s->image_name) != 0)
		i++;
	if (i == q->names.n) {
		own(image) struct image image = {};
		struct err gone = {};
		bool is_here = engine_need_store(q->g, &gone) == 0 && store_find(&q->g->store, s->image_name, &image, &gone) == 0;
		strv_add(&q->names, s->image_name);
		strv_add(&q->ids, is_here ? image.record.id : "");
	}
	return strcmp(q->ids.v[i], s->image) == 0 ? s->image_name : s->image;
}

static void add_network(const struct container_state *s, struct shared *shared, struct json *j)
{
	const char *mode = s->network_mode ? s->network_mode : "";
	for (size_t i = 0; i < countof(shared_modes); i++)
		if (strcmp(mode, shared_modes[i]) == 0) {
			json_set(j, "HostConfig", json_ref(shared->host[i]));
			json_set(j, "NetworkSettings", json_ref(shared->net[i]));
			return;
		}
	json_set(j, "HostConfig", host_json(mode));
	json_set(j, "NetworkSettings", network_docs_summary(s));
}

static struct json *summary(struct query *q, const struct row *row, bool size, struct shared *shared, struct err *e)
{
	const struct container_state *s = &row->state;
	own(json) struct json *j = json_new_object();
	own(buf) struct buf status = {};
	if (size && add_size(q->g, row, j, e) < 0)
		return NULL;
	struct json *names = json_new_array(), *labels = json_new_object();
	own(mem) char *name = mem_printf("/%s", s->name ? s->name : "");
	json_add(names, json_new_str(name));
	for (size_t i = 0; i < s->labels.n; i++)
		json_set_str(labels, s->labels.v[i].key, s->labels.v[i].value);
	json_set_str(j, "Id", row->id);
	json_set(j, "Names", names);
	json_set_str(j, "Image", image_of(q, s));
	json_set_str(j, "ImageID", s->image ? s->image : "");
	json_set_str(j, "Command", s->command ? s->command : "");
	json_set(j, "Created", json_new_i64(row->created_ns / 1000000000));
	json_set(j, "Ports", ports_json(q->g, row, shared));
	json_set(j, "Labels", labels);
	json_set_str(j, "State", row->status);
	format_status(row, &status);
	json_set_str(j, "Status", buf_text(&status));
	add_network(s, shared, j);
	json_set(j, "Mounts", mounts_json(s, shared));
	if (!str_is_empty(s->pod)) {
		json_set_str(j, "Pod", s->pod);
		json_set_str(j, "PodName", s->pod_name ? s->pod_name : "");
	}
	return take(j);
}

int container_list_each(struct engine *g, const struct container_list_request *r, container_list_fn *each, void *arg, struct err *e)
{
	own(query) struct query q = {.g = g, .r = r};
	own(rows) struct rows rows = {};
	own(shared) struct shared shared = {};
	shared_fill(&shared);
	if (read_filters(&q, e) < 0 || collect(&q, &rows, e) < 0)
		return -1;
	for (size_t i = 0; i < rows.n && (r->last <= 0 || i < (size_t)r->last); i++) {
		own(json) struct json *j = summary(&q, &rows.v[i], r->size, &shared, e);
		if (!j || each(arg, j, e) < 0)
			return -1;
	}
	return 0;
}

static int add_summary(void *list, struct json *summary, struct err *e unused)
{
	json_add(list, json_ref(summary));
	return 0;
}

struct json *container_list(struct engine *g, const struct container_list_request *r, struct err *e)
{
	own(json) struct json *list = json_new_array();
	return container_list_each(g, r, add_summary, list, e) < 0 ? NULL : take(list);
}
