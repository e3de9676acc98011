/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transfer: what pull.c and the executable hull-registry say to each other. The socket is a SOCK_SEQPACKET pair, file
 * descriptor TRANSFER_SOCK in hull-registry; a message is one JSON object of at most TRANSFER_MAX bytes, with a file
 * descriptor where it says so. Numbers of an `id` are the client's choice.
 *
 *   client        {"op":"open","registry":R,"repository":P,"configDir":D,"insecure":[…],"retries":N,"timeout":S,
 *                  "scope":"repository:P:pull,push","user":U,"password":W,"token":I,"ns":R,"host":H,"uploads":N}
 *                     once, first: whose images. No answer; what was wrong is told by each get. The second line may be missing.
 *                 {"op":"get","id":N,"path":"manifests/latest","accept":"…","size":B,"max":M,"from":F} + fd
 *                     writes the body of <registry>/v2/<repository>/<path> to fd, from its position on, and closes it, without its first F bytes. size: how
 *                     many bytes it must have (-1: unknown, then at most max). A path that begins with http is a whole URL of
 *                     that registry: the `next` of a list. Gets with a size run four at a time, in their order.
 *                 {"op":"upload","id":N,"digest":D,"size":B,"chunk":C,"from":["library/x",…]} + fd
 *                     puts the first B bytes of a file (read by pread, kept open) into the repository as the blob D, unless it is there or
 *                     another repository has it. Without an fd: only looks. chunk: bytes of a PATCH, 0: as many as there are.
 *                 {"op":"send","id":N,"method":"PUT","path":"manifests/latest","type":T,"accept":A,"size":B} + fd
 *                     any other request; the fd is its body, and may be missing. A path that begins with / is below the host.
 *                 {"op":"download","url":U,"etag":E,"modified":T,"max":M,"timeout":S} + fd
 *                     instead of open, and the only one: the body of a URL to fd, unless it still is what E and T say. The answers are
 *                     {"event":"head","status":200 or 304,"etag","modified","disposition","type"}, then done or failed, without an id
 *   hull-registry {"event":"bytes","id":N,"bytes":B}      B bytes so far, now and then
 *                 {"event":"retry","id":N,"bytes":B,"kind":K,"text":T}   will go on at B
 *                 {"event":"done","id":N,"bytes":B,"type":T,"digest":D,"next":U}   Content-Type, Docker-Content-Digest, Link
 *                     of an upload "how": there, mounted ("from"), sent, missing (only looked); of a send "status", "location",
 *                     "subject", and "bytes" is its Content-Length
 *                 {"event":"failed","id":N,"bytes":B,"kind":K,"text":T}   K: enum err_kind
 *
 * Each ends with exactly one done or failed. Closing the read end of its pipe cancels it; closing the socket ends
 * hull-registry. Bytes already written are never written again: after a drop it goes on where it broke. Neither side trusts
 * the length of the other's texts; nothing but sizes and the limits above is checked here: digests are the client's part.
 */
#pragma once

enum { TRANSFER_SOCK = 3, TRANSFER_MAX = 32768 };
