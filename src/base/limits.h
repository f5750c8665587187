/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every limit of the project, each with its reason. Whatever a peer can make a context hold is
 * bounded by one of these and charged to that peer.
 */
#pragma once

/* Bytes of payload in one frame. Large enough that a bulk transfer costs one system call per 64
 * KiB, small enough that a call waits for microseconds, not milliseconds, behind a frame on a fast
 * link. */
#define RMT_FRAME_PAYLOAD_MAX 65536u

/* Fixed frame header, see docs/protocol.md. */
#define RMT_FRAME_HEADER_SIZE 32u

/* Bytes of one message, all frames together, unless the router's options say otherwise: the largest
 * thing that a receiver can be made to assemble in memory. Bigger data belongs in a stream of
 * messages. */
#define RMT_MESSAGE_SIZE_MAX (128u << 20)

/* Bytes of an image of a program that contexts pass on to each other: beyond what anybody wants to
 * wait for. */
#define RMT_IMAGE_SIZE_MAX (64u << 20)

/* Parts of the program that one child may wait for at the same time. It asks for one piece after the
 * other, of its own part and of an image for each kind of machine. */
#define RMT_PARTS_WANTED_MAX 64u

/* Bytes of the name of such a part: two words, of which one may be a digest. */
#define RMT_PART_NAME_MAX 127u

/* Bytes of a module: a hundred times what one usually has, and what a context can read and hash
 * between two other things. */
#define RMT_MODULE_SIZE_MAX (16u << 20)

/* Bytes of the name of a module: with a digest, it is the name of a part. */
#define RMT_MODULE_NAME_MAX 48u

/* What a context keeps of modules that went through it, in bytes; and of their names. */
#define RMT_MODULES_KEPT ((size_t)64 << 20)
#define RMT_MODULE_NAMES_KEPT 256u

/* Modules that one process may try to load: their code stays. */
#define RMT_MODULES_TRIED_MAX 1024u

/* Nesting of CBOR items. Kinds nest as deeply as the structures of a C program; 32 is beyond any of
 * them and keeps the recursion of readers below 8 KiB of stack. */
#define RMT_CBOR_DEPTH_MAX 32u

/* Bytes of a function's name on the wire. */
#define RMT_FUNCTION_NAME_MAX 255u

/* Bytes of text in an error that crosses the wire: a message worth reading, not a log. */
#define RMT_ERROR_TEXT_MAX 8192u

/* Depth of the tree. The chain of parents travels in every welcome; 64 hops is far beyond any real
 * chain of machines and bounds the work of checking authority. */
#define RMT_TREE_DEPTH_MAX 64u

/* Bytes that a socket between two processes of one machine is asked to buffer; the kernel doubles it,
 * for its own bookkeeping. Whoever writes sleeps until three quarters of what is in it are read; the rest
 * has to last until it is awake, or the reader sleeps as well. But a call waits behind all of it: with
 * 208 KiB, what the kernel gives unasked, doubled, the slowest ones took several times as long. */
#define RMT_SOCKET_BUFFER 131072

/* Bytes in flight for one flow (one sender to one receiver) before the receiver has to grant more.
 * Four times what a local socket buffer holds, so that a flow on one machine never waits for credit
 * while its reader keeps up. */
#define RMT_FLOW_WINDOW (1u << 20)

/* The same for calls to one context: some thousand small ones wait there at most, and a thread that
 * executes them has done so before the broker thinks that nobody reads. */
#define RMT_CALL_WINDOW (256u << 10)

/* The same for the log records of one context. They are never waited for, so this is what a burst may
 * have before some are dropped: some hundreds. A thousand contexts that all complain at once cost the
 * master 64 MiB at the worst, and what came through one child RMT_LOG_HELD_MAX. */
#define RMT_LOG_WINDOW (64u << 10)

/* Bytes of records that came through one child, or were made here, and wait for the sink. */
#define RMT_LOG_HELD_MAX (4u << 20)

/* Records a second of one context unless the router's options say otherwise: more than anybody reads,
 * and a core of the master can print some hundred times as many. And what may be saved up, in
 * seconds: starting a thousand children says something about each. */
#define RMT_LOG_RATE 1000u
#define RMT_LOG_RATE_MAX 1000000u
#define RMT_LOG_BURST_S 4

/* The master takes so many times the rate of one context through each of its children. */
#define RMT_LOG_STREAM_RATES 16u

/* Fields of a record, and bytes of their names and texts together: a record fits a frame, and a
 * window has room for several. */
#define RMT_LOG_FIELDS_MAX 32u
#define RMT_LOG_FIELDS_SIZE 8192u

/* A receiver grants credit when this much was consumed: few grants (one per four full frames),
 * never a stall. */
#define RMT_FLOW_GRANT(window) ((window) / 4)

/* Ids that a root draws at a time, out of 2^16 such regions: few enough that trees which meet seldom
 * have drawn the same, enough for most trees. A power of two. */
#define RMT_REGION_IDS 65536u

/* Ranges of ids in one control message: two numbers of at most five bytes each, and room in its frame
 * for words. */
#define RMT_ID_RANGES_MAX 4096u

/* Ids handed out with one request. One round trip to the master then serves 64 children, and a
 * route covers them. */
#define RMT_ID_BLOCK 64u

/* Milliseconds that a subtree has for a graceful end before force is used: a child must be done
 * before its parent loses patience, so a child's time is shorter. */
#define RMT_SHUTDOWN_MASTER_MS 5000
#define RMT_SHUTDOWN_CHILD_MS 3000

/* Milliseconds for a connection, from launch to hello, unless the router's options say otherwise.
 */
#define RMT_CONNECT_TIMEOUT_MS 30000

/* A day: what waits longer waits for somebody who is not there. */
#define RMT_CONNECT_TIMEOUT_MAX 86400000

/* Last lines of a child's output kept for the message about a connection that failed. */
#define RMT_HISTORY_LINES 100u

/* Bytes of one captured line of output; a longer line is split into several records. */
#define RMT_CAPTURE_LINE_MAX 4096u

/* Signs of life that a neighbour may leave out unless the router's options say otherwise: one may be
 * late, two are bad luck. */
#define RMT_HEARTBEAT_MISSES 3u

/* Threads that run functions marked concurrent, per context. */
#define RMT_WORKERS_MAX 16u

/* Services of the library that run at the same time in one context. They wait for each other across
 * contexts (the ends of a transfer), so that none may wait for a thread: what comes beyond is refused.
 * A thread costs some pages. */
#define RMT_SERVANTS_MAX 256u

/* Children of one connect: a typing error in a count must not fork a machine to death. */
#define RMT_COUNT_MAX 100000u

/* Small frames are gathered up to this size before they are written when they come faster than one
 * per RMT_CORK_US; a post that comes alone is written at once. */
#define RMT_CORK_BYTES 32768u
#define RMT_CORK_US 50

/* The broker thread takes over, and gathered frames are flushed, within this many microseconds. */
#define RMT_BROKER_US 1000

/* Tools (ssh, docker ...) of one context that are on their way at the same time: each is a process
 * and up to five descriptors, and a machine with a thousand of them at once does nothing else. */
#define RMT_CONNECT_LIMIT 64u

/* The same for tools whose servers refuse when it gets crowded: at first, and at least. The first is
 * what sshd allows before it begins to refuse; without refusals it grows. */
#define RMT_CROWDED_FIRST 10u
#define RMT_CROWDED_LEAST 2u

/* What one child, with all that lies behind it, may make a context hold, unless the router's options say
 * otherwise. Bytes of messages that are not whole or not consumed: two of the largest, or windows of
 * 256 streams. */
#define RMT_QUOTA_BYTES (256u << 20)

/* Flows from there: a stream from each of 65,536 contexts; 20 MB. */
#define RMT_QUOTA_FLOWS 65536u

/* Ids, which are never used again: two hundred days of a new context each second, and 256 such children
 * before there are none left. Given out in blocks of RMT_ID_BLOCK, they are 4 MB of routes. */
#define RMT_QUOTA_CONTEXTS (1u << 24)

/* Bytes that wait for a child which does not read: windows of 256 streams to it. Beyond that it is
 * lost. */
#define RMT_QUOTA_UNREAD (256u << 20)

/* What a message that waits takes besides its bytes, about. */
#define RMT_MESSAGE_OVERHEAD 512u

/* Bytes from one child that wait in the queues of other streams; beyond that, no more is read from it.
 * Windows of 16 streams: it must not be so small that one slow reader stops a busy sender. */
#define RMT_DETOUR_MAX (16u << 20)

/* Milliseconds in which a child must have read something while another one pauses: longer than any
 * network is away whose connections survive that. */
#define RMT_STALL_MS 60000

/* Requests for ids of one child that wait for the answer from above: a context makes one at a time. */
#define RMT_ALLOCATE_MAX 4u

/* Ranges of ids in requests of one child for trees that were joined below it, and one for each request,
 * that wait for the answer from above; beyond that it is lost. Two of the longest, or four thousand
 * small trees at the same time; 64 KiB. */
#define RMT_ADOPTING_MAX 8194u

/* A range of ids of another tree counts as many as this at least: a route for each, they must not be as
 * small as who has them would like. */
#define RMT_ADOPTED_LEAST 256u

/* Ranges of ids that have left our tree from behind one child: they cut what is ours into pieces, 8
 * KiB of them. */
#define RMT_DETACHED_MAX 1024u

/* Contexts that a neighbour's side has sent to, which are noted to tell it of their loss; beyond that it
 * is told of every loss. 64 KiB, and as much to move when a number is put in between. */
#define RMT_TALKED_MAX 16384u

/* Tasks of a source that a map over a pool has taken and not delivered: what is behind a slow one is
 * kept meanwhile. Some batches of the smallest for each of some hundred members. */
#define RMT_POOL_WINDOW 65536u

/* Bytes of tasks that go together, and of their results: a frame, so that they are on their way at
 * once, and a member has two of them within the window of calls. */
#define RMT_POOL_BATCH 60000u

/* Failed chains of calls of one child: kept until each is reset. */
#define RMT_CHAINS_MAX 1024u

/* Milliseconds that a caller from below has to take a result of several frames: meanwhile the thread
 * that ran the function does nothing else. */
#define RMT_RESULT_MS 10000

/* Milliseconds that a person has to answer a question: what sudo allows as well (sudoers(5),
 * passwd_timeout). */
#define RMT_QUESTION_MS 300000

/* Bytes of results of a map that nobody has taken: beyond that, workers get no more to do until somebody
 * does. Workers must not have to wait for a program that looks at results now and then. */
#define RMT_MAP_HELD_MAX ((size_t)64 << 20)
