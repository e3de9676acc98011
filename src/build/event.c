/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event: what happens in a build, from workers to the coordinator as one message each, from there to the front end.
 */
#include "build/stage.h"

#include "base/fd.h"

#include <errno.h>
#include <sys/socket.h>

enum { TEXT_MAX = 32 << 10, NAME_MAX_ = 1000 };

struct message {
	enum build_event_kind kind;
	unsigned step;
	int64_t ns, cpu_ns;
	uint64_t bytes_made;
	size_t name, text;
	char bytes[NAME_MAX_ + TEXT_MAX + 2];
};

void event_send(struct build *b, enum build_event_kind kind, unsigned step, const char *name, int64_t ns, const char *text, size_t len)
{
	struct build_event ev = {.kind = kind, .step = step, .ns = ns, .name = name ? name : "", .text = text ? text : "", .len = text ? len : 0};
	if (kind == BUILD_DONE || kind == BUILD_FAILED) {
		ev.cpu_ns = b->cost.cpu_ns;
		ev.bytes = b->cost.bytes;
		b->cost.cpu_ns = 0;
		b->cost.bytes = 0;
	}
	if (b->events < 0) {
		for (size_t i = 0; !b->total && b->needed && i < b->df.stages.n; i++)
			ev.total += b->needed[i] ? stage_count_steps(&b->df.stages.v[i]) : 0;
		b->total = ev.total = b->total ? b->total : ev.total;
		b->steps += kind == BUILD_BEGIN || kind == BUILD_CACHED;
		b->cached += kind == BUILD_CACHED;
		if (b->q->event)
			b->q->event(b->q->arg, &ev);
		return;
	}
	while (ev.len > TEXT_MAX) {
		event_send(b, kind, step, name, ns, ev.text, TEXT_MAX);
		ev.text += TEXT_MAX;
		ev.len -= TEXT_MAX;
	}
	struct message m = {.kind = kind, .step = step, .ns = ns, .cpu_ns = ev.cpu_ns, .bytes_made = ev.bytes,
		.name = strnlen(ev.name, NAME_MAX_), .text = ev.len};
	memcpy(m.bytes, ev.name, m.name);
	m.bytes[m.name] = 0;
	if (m.text)
		memcpy(m.bytes + m.name + 1, ev.text, m.text);
	m.bytes[m.name + 1 + m.text] = 0;
	while (send(b->events, &m, offset_of(struct message, bytes) + m.name + m.text + 2, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

int event_receive(struct build *b, int sock, struct err *e)
{
	struct message m;
	ssize_t n = recv(sock, &m, sizeof m, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 1;
	if (n < 0)
		return err_sys(e, "hear of a step");
	if (n == 0)
		return 0;
	if ((size_t)n < offset_of(struct message, bytes) || m.name > NAME_MAX_ || m.text > TEXT_MAX ||
		(size_t)n != offset_of(struct message, bytes) + m.name + m.text + 2)
		return err_set(e, ERR_BUG, "half a message of a step");
	b->cost.cpu_ns = m.cpu_ns;
	b->cost.bytes = m.bytes_made;
	event_send(b, m.kind, m.step, m.bytes, m.ns, m.bytes + m.name + 1, m.text);
	return 1;
}
