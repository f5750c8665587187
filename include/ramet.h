/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ramet: a C program that copies itself into a tree of contexts.
 *
 * A *context* is a process that runs this very program. The first one, the *master*, is started by
 * a person; every other is a *child*: a copy that some context started with ramet_connect().
 * Contexts form a tree. Between two of them go *messages*, routed along the tree: calls of
 * functions, their results, and streams of values from a *sender* to a *receiver*. Nothing has to
 * be installed where a child runs, because the program is its own payload: a function is addressed
 * by its name and its code is there already.
 *
 * The smallest program:
 *
 *	#include <stdio.h>
 *	#include <unistd.h>
 *	#include <ramet.h>
 *
 *	RAMET_FUNCTION(i64, process_id)
 *	{
 *		return getpid();
 *	}
 *
 *	int main(int argc, char **argv)
 *	{
 *		ramet_init(argc, argv);                 // in a child this never returns
 *
 *		ramet_router *router = NULL;
 *		ramet_context *child = NULL;
 *		ramet_error error = RAMET_ERROR_INIT;
 *		int64_t pid;
 *
 *		if (ramet_router_new(NULL, &router) < 0 ||
 *		    ramet_connect(router, "local", &child, &error) < 0 ||
 *		    process_id_call(child, &pid, &error) < 0) {
 *			fprintf(stderr, "%s\n", error.message);
 *			return 1;
 *		}
 *		printf("called in process %d\n", (int)pid);
 *		ramet_context_unref(child);
 *		ramet_router_unref(router);
 *	}
 *
 * RULES THAT HOLD FOR EVERY FUNCTION BELOW, unless its own words say otherwise:
 *
 * Results    An int result is 0, or a count, on success and a negative errno on failure. Outputs
 *            (ret_...) are written on success only. A last parameter `ramet_error *error` may be
 *            NULL; on failure it says more.
 * Ownership  What a function returns through an output belongs to the caller, who drops it with the
 *            _unref of its type. What a function returns directly (a path, a borrowed context)
 *            belongs to the object it came from. Arguments are borrowed. Every _unref takes NULL.
 * Errors     -ENOMEM is possible wherever an output is made; it is not repeated below.
 * Blocking   A function waits only if it says so. Every wait ends: with the answer, a time-out, a
 *            cancellation, or the reason why the other side is gone. Time-outs are milliseconds; -1
 *            waits for ever, 0 not at all.
 * Threads    Every function may be called from any thread, and objects may be shared between
 *            threads; closing or dropping the last reference of an object that another thread is
 *            using is the caller's to avoid.
 * Fork       A process that the caller forked by itself must not use routers of its parent.
 * Process    The library never prints, exits, changes signal dispositions, resource limits, or
 *            descriptors that it was not given. (A child context is the library's own process;
 *            there ramet_init() runs it.)
 * Since      0.1.
 */
#ifndef RAMET_H
#define RAMET_H

#include <errno.h> /* the codes of errors */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this header. */
#define RAMET_VERSION "0.1.0"

/* The version of the library in use, which need not be that of the header. */
const char *ramet_version(void);

/* this process's place in the tree: its streams, threads, limits */
typedef struct ramet_router ramet_router;
typedef struct ramet_context ramet_context; /* a handle to one context, this one or another */
typedef struct ramet_group ramet_group;     /* an ordered set of contexts */
/* where messages arrive: the result of a call, or a stream */
typedef struct ramet_receiver ramet_receiver;
typedef struct ramet_sender ramet_sender; /* the other end of a receiver; travels as a value */
typedef struct ramet_select ramet_select; /* one wait over many receivers */
typedef struct ramet_value ramet_value;   /* a value of any kind, immutable */
typedef struct ramet_call ramet_call;     /* a call that is being executed here */

/* Bytes that somebody else owns, or, in a result, that the caller frees with
 * ramet_free(bytes.data). */
typedef struct ramet_bytes {
	const void *data;
	size_t size;
} ramet_bytes;

/* --- Errors ------------------------------------------------------------------------------- */

/*
 * What went wrong, where, and why. `code` is a negative errno, the same that the function returned;
 * `where` is the path of the context in which it arose ("" for this one); `message` is worth
 * printing as it is. Both strings belong to the error; after -ENOMEM they may be NULL.
 *
 * Begin with RAMET_ERROR_INIT. A function that fails replaces what was there, so one error serves a
 * whole sequence; ramet_error_clear() frees the strings and makes it as new.
 */
typedef struct ramet_error {
	int code;
	const char *where;
	const char *message;
} ramet_error;

#ifdef __cplusplus
#define RAMET_ERROR_INIT \
	{                \
	}
#else
#define RAMET_ERROR_INIT      \
	{                     \
		0, NULL, NULL \
	}
#endif

void ramet_error_clear(ramet_error *error);

/* Frees a str or bytes that a result holds. (It is free(3), without the cast that a const pointer
 * needs.) */
void ramet_free(const void *memory);

/* --- The router --------------------------------------------------------------------------- */

/* How a thread waits for descriptors: epoll(7) where there is one, poll(2) everywhere. */
enum ramet_poller { RAMET_POLLER_DEFAULT, RAMET_POLLER_EPOLL, RAMET_POLLER_POLL };

/* Levels of log records, in the order of syslog(3) from bad to chatty; RAMET_LOG_IO shows every
 * frame. */
enum ramet_log_level {
	RAMET_LOG_ERROR = 3,
	RAMET_LOG_WARNING = 4,
	RAMET_LOG_INFO = 6,
	RAMET_LOG_DEBUG = 7,
	RAMET_LOG_IO = 8,
};

/* A named value of a record. */
typedef struct ramet_log_field {
	const char *name; /* one word */
	const char *text; /* NULL: `number` is the value */
	int64_t number;
} ramet_log_field;

/*
 * One log record. `context` is the path of the context that it comes from ("" for this one),
 * `source` what produced it there: "stdout" and "stderr" for lines that a function of the program
 * printed, "ramet" for the library itself, or what ramet_log() was given. `text` has no newline.
 */
typedef struct ramet_log_record {
	enum ramet_log_level level;
	int64_t time; /* microseconds since 1970, by the clock of the context that it comes from */
	const char *context;
	const char *source;
	const char *text;
	const ramet_log_field *fields; /* NULL: none */
	size_t field_count;
} ramet_log_record;

/* Receives every record of the tree, in the master. Called without locks held, one record at a
 * time, from whatever thread reads the streams or calls ramet_log(): it must not call into the
 * router. Streams are not read meanwhile. The record is borrowed. */
typedef void ramet_log_sink(const ramet_log_record *record, void *data);

/* A sink that writes lines "LEVEL context source: text name=value" to standard error, control
 * characters made harmless. Values that are not one word stand in quotes, as logfmt has it. */
void ramet_log_to_stderr(const ramet_log_record *record, void *data);

/* The same with the time in front: seconds since 1970, with six digits behind the point. */
void ramet_log_to_stderr_timed(const ramet_log_record *record, void *data);

/* What a tool asks for on the way to a context. All texts are borrowed for the time of the call. */
typedef struct ramet_password_request {
	const char *path;   /* of the context to be, as in errors: "ssh:db/sudo:admin" */
	const char *method; /* of its hop: "ssh", "sudo" ... */
	const char *target; /* of its hop, or NULL */
	const char *user;   /* the hop's key `username`, or NULL */
	const char *prompt; /* the tool's own words, control characters made harmless */
} ramet_password_request;

/*
 * Finds a password: called in the process that connects, when a tool asks and the hop's key
 * `password` is absent or "program" (where another context starts ssh, the key has to be there).
 * Writes at most `size` bytes of password, without newline or NUL, to memory that is wiped after use,
 * and returns how many; or a negative errno, -ENOKEY if there is none: then the connection fails with
 * it. Called without locks held, from threads that connect, perhaps from several at once; it may
 * block, for five minutes, which the connect time-out does not count, and must not call into the
 * router.
 */
typedef int ramet_password_source(const ramet_password_request *request, char *password,
				  size_t size, void *data);

/* Options of a router. Fill with RAMET_ROUTER_OPTIONS_INIT, then change what is to differ. Children
 * inherit what says so. */
typedef struct ramet_router_options {
	/* sizeof(ramet_router_options): tells the library which members there are */
	size_t size;
	enum ramet_poller poller;  /* default: the best of the system */
	uint32_t message_size_max; /* bytes of one message; 0: 128 MiB. Inherited */
	/* ms for each hop of a path, from its launch to its hello; 0: 30,000. Inherited */
	int connect_timeout;
	/* ms for a graceful end of the whole tree before force; 0: 5,000 */
	int shutdown_timeout;
	/* children may talk to each other, not only up and down. Inherited */
	bool allow_siblings;
	/* what is recorded; 0: $RAMET_LOG_LEVEL, or RAMET_LOG_INFO. Inherited */
	enum ramet_log_level log_level;
	/* NULL: ramet_log_to_stderr when $RAMET_LOG_LEVEL is set, else nothing */
	ramet_log_sink *log;
	void *log_data;
	/* where passwords come from for hops that do not say; NULL: nowhere */
	ramet_password_source *password;
	void *password_data;
	/* log records that a context may make in a second (and four seconds' worth at once); what
	 * exceeds it is dropped, and its number recorded. 0: 1,000; at most 1,000,000. Inherited */
	uint32_t log_rate;
	/*
	 * An absolute path: each process of the tree writes what it records to a file
	 * "ramet-PID-TIME.log" of its own in there, RAMET_LOG_IO included. The directory is made if
	 * it is missing (not its parents), for nobody else; one that belongs to another user, or in
	 * which others may write, is refused: a process that finds no place for its file records a
	 * warning and goes on without. NULL: $RAMET_LOG_DIRECTORY, or no files. Inherited, also by
	 * contexts on other machines.
	 */
	const char *log_directory;
	/*
	 * Heartbeat. When nothing has come from a neighbour in the tree for this many ms, it is asked
	 * for a sign of life; when it has given none for heartbeat_misses times as long (0: 3),
	 * the stream fails: the child counts as lost, or ends because its parent is. 0: off.
	 * Inherited. Whether functions run long makes no difference; that a process is stopped does
	 * (SIGSTOP, Ctrl-Z, a debugger): if the master stays stopped for longer, its children end.
	 */
	uint32_t heartbeat_interval;
	uint32_t heartbeat_misses;
	/*
	 * What one child, with all that lies below it, may make a context hold; 0: the default.
	 * Beyond that its messages and requests fail with -EDQUOT. All inherited.
	 */
	/* bytes of messages that are not whole, or not consumed; 0: 256 MiB, and at least two of
	 * the largest messages */
	uint64_t quota_bytes;
	/* bytes that wait for a child which does not read; beyond that it is lost. 0: 256 MiB */
	uint64_t quota_unread;
	/* streams to receivers here; 0: 65,536 */
	uint32_t quota_flows;
	/* contexts that are started there in its life; 0: 16,777,216 */
	uint32_t quota_contexts;
} ramet_router_options;

#ifdef __cplusplus
#define RAMET_ROUTER_OPTIONS_INIT            \
	{                                    \
		sizeof(ramet_router_options) \
	}
#else
#define RAMET_ROUTER_OPTIONS_INIT                    \
	{                                            \
		.size = sizeof(ramet_router_options) \
	}
#endif

/*
 * Makes this process the master of a new tree. options may be NULL. Starts one thread (the broker),
 * which works when no thread of the program is waiting. A process may have several routers; they
 * share nothing.
 * Errors: -EINVAL (options), -EMFILE, -EAGAIN (no thread).
 */
int ramet_router_new(const ramet_router_options *options, ramet_router **ret_router);

/* One more reference: the tree lasts until each is dropped. */
ramet_router *ramet_router_ref(ramet_router *router);

/*
 * Drops a reference. The last one ends the whole tree: children are asked to end, each with its own
 * subtree, and those that have not done so within shutdown_timeout are killed. Handles that still
 * exist afterwards are harmless; what waits on them ends with -ESHUTDOWN.
 * Blocks for at most the shutdown time-out and a little.
 */
void ramet_router_unref(ramet_router *router);

/* This context itself, as a handle (its calls are executed here). Borrowed from the router. */
ramet_context *ramet_router_self(ramet_router *router);

/* The context that started this one, or NULL in the master. Borrowed from the router. */
ramet_context *ramet_router_parent(ramet_router *router);

/* The index-th of the live children that this context has started, in the order of their start;
 * NULL behind the last. Borrowed: the handle is good until the router ends. */
ramet_context *ramet_router_child(ramet_router *router, size_t index);

/* --- Connecting --------------------------------------------------------------------------- */

/*
 * Starts what is missing along a path and returns the context at its end. See ramet-paths(7):
 *
 *	PATH := HOP ("/" HOP)*
 *	HOP  := METHOD [":" TARGET] ["#" INDEX] ["?" KEY "=" VALUE ("&" KEY "=" VALUE)*] ["*" COUNT]
 *
 * Methods, with what their targets are:
 *
 *	local, fork		this machine: exec of this program; fork(2) without exec, a copy of the
 *				memory as it is now
 *	ssh			[USER@]HOST[:PORT]
 *	sudo, su, doas		a user; root
 *	docker, podman, buildah, kubectl, lxc, lxd, incus, machinectl, jail
 *				a container, an image (docker, podman), a pod, a machine, a jail
 *	chroot, nsenter		a directory; a process id, or a container
 *	srun			a Slurm job, or a node
 *	exec			any command that runs the command that follows it, or is a shell
 *	unix			the socket of a ramet_listen()
 *
 * All but the first two and the last need nothing on the other side but a shell: the program sends
 * itself there. Keys of every method: cwd, env.NAME, nice, umask, name, connect_timeout; each has more,
 * see ramet-paths(7) and ramet_hop_options. "%" escapes the characters "/?*#&=%" by their hexadecimal
 * code; a target may have ranges ("node[01-50,60]"), which stand for as many hops. Each hop is started
 * by the context before it. A hop that an earlier connect has started (same parent, method, target,
 * keys and index) is used again. `*COUNT` and ranges
 * are for ramet_connect_all().
 *
 * The context lives as long as somebody here holds it: dropping the last handle ends it, with all
 * below it. See ramet_context_keep().
 *
 * Errors: -EINVAL (the path, a key or its value; the message names the place), -EPROTONOSUPPORT
 * (unknown method), -ETIMEDOUT, -EPROTO (the other end is no ramet of this program and version),
 * -ECHILD (it ended before it said hello: the message has its exit status and last output),
 * -ENOEXEC and others of execve(2), -ESHUTDOWN (RAMET_BROKER_SHUTDOWN_MSG). error.where is the
 * context that was to start the hop.
 * Blocks for at most the connect time-out of each hop.
 */
int ramet_connect(ramet_router *router, const char *path, ramet_context **ret_context,
		  ramet_error *error);

/*
 * The same for a set: several paths separated by commas, and hops with `*COUNT`, which start COUNT
 * children each ("local*2/local*3" are six contexts below two). All are started at the same time.
 * The group has them in the order of the text. If one fails, all fail: what was started for this
 * call ends again.
 * Errors, blocking: as for ramet_connect().
 */
int ramet_connect_all(ramet_router *router, const char *paths, ramet_group **ret_group,
		      ramet_error *error);

/* What has become of a managed context. */
enum ramet_manage_state {
	RAMET_MANAGE_CONNECTED, /* it is there again */
	RAMET_MANAGE_LOST,
	RAMET_MANAGE_WAITING,  /* for the next attempt */
	RAMET_MANAGE_GIVEN_UP, /* after so many; nothing follows */
};

typedef struct ramet_manage_event {
	enum ramet_manage_state state;
	/* LOST: why; WAITING and GIVEN_UP: why the last attempt failed, or why it was lost. Borrowed
	 * until the callback returns; "" where there is none */
	const char *reason;
	uint32_t attempt; /* since it was lost, from 1 on; LOST: 0 */
	int next;         /* WAITING: ms until that attempt */
} ramet_manage_event;

/* Called for each change, one after the other, on a thread of the library's, without locks held. It may
 * use the context, also shut it down; while it runs there is no next attempt. */
typedef void ramet_manage_callback(ramet_context *context, const ramet_manage_event *event,
				   void *data);

/* How a context is connected again. Fill with RAMET_MANAGE_OPTIONS_INIT. */
typedef struct ramet_manage_options {
	/* sizeof(ramet_manage_options): tells the library which members there are */
	size_t size;
	/* ms before the first attempt, each time that it is lost; the following ones wait twice as long
	 * each. Up to half of it is left out, by chance. 0: 500 */
	int backoff;
	int backoff_max;                 /* ms: the longest; 0: 60,000 */
	uint32_t attempts;               /* then it is given up; 0: never */
	ramet_manage_callback *callback; /* may be NULL */
	void *data;
} ramet_manage_options;

#ifdef __cplusplus
#define RAMET_MANAGE_OPTIONS_INIT            \
	{                                    \
		sizeof(ramet_manage_options) \
	}
#else
#define RAMET_MANAGE_OPTIONS_INIT                    \
	{                                            \
		.size = sizeof(ramet_manage_options) \
	}
#endif

/*
 * ramet_connect(), with a handle that outlives the context: when that is lost, wherever on its path, what
 * is missing is started again, and the handle leads to the new one, as do those that were made of it by
 * ramet_context_with(). Nothing of the old one is there any more: ramet_context_id() and
 * ramet_context_pid() tell others, chains of calls begin anew, senders that it had are closed.
 *
 * Calls that are on their way when it is lost fail with -ECONNRESET, those that are made before it is
 * there again at once with -ENOTCONN, and words that say why, and when the next attempt is. Nothing is
 * called again by itself. ramet_context_alive() tells whether it is there; ramet_context_wait() waits for
 * the next loss, whose reason is good until the one after that.
 *
 * options may be NULL. Attempts end when the last handle is dropped, or by ramet_context_shutdown(), and
 * with the router. After the latter two no callback runs; one that runs while the last handle is dropped
 * may still be running behind that. Passwords are asked for as in ramet_connect(), by the thread that
 * connects. Starts one thread.
 * Errors: those of ramet_connect(), for the first connection; -EINVAL (options), -EAGAIN (no thread).
 * Blocks as ramet_connect() does.
 */
int ramet_connect_managed(ramet_router *router, const char *path,
			  const ramet_manage_options *options, ramet_context **ret_context,
			  ramet_error *error);

/*
 * Waits until a managed context is there; any other either is or never will be.
 * 0; or -ETIMEDOUT, -ENOTCONN (it is gone for ever: it was given up, or shut down), -ESHUTDOWN. Blocks.
 */
int ramet_context_wait_connected(ramet_context *context, int timeout);

/*
 * Waits at a socket in the file system for others to be parents: whoever connects there as the same
 * user, or as root (see the method unix), gets a child context of this program, which runs as a
 * process of its own with the standard output and error of this one. `path` has to be in a directory
 * in which others cannot write; a socket that nobody listens at any more is replaced. Nobody else can
 * open the socket; a file beside it (".lock") says that it is taken.
 * Does not return but on failure; -EINTR when a signal handler has run. The socket is removed then,
 * and the contexts go on. Signals arrive only while it waits. Needs no router.
 * Errors: -ENAMETOOLONG, -EADDRINUSE (somebody listens there), and those of socket(2), bind(2),
 * accept(2), execve(2).
 * Blocks.
 */
int ramet_listen(const char *path, ramet_error *error);

/* What those who join a tree may do in it. */
enum ramet_join {
	RAMET_JOIN_FULL, /* they and their parents command, like parents of the context that listens */
	RAMET_JOIN_OWN, /* they have an authority of their own: only what policies allow */
};

/* Options of a listener. Fill with RAMET_LISTEN_OPTIONS_INIT, then change what is to differ. */
typedef struct ramet_listen_options {
	/* sizeof(ramet_listen_options): tells the library which members there are */
	size_t size;
	enum ramet_join authority;
	bool refuse_root; /* let in processes of this user only, not those of root */
	/* ms without anybody who has joined, after which the router ends; 0: never */
	int idle;
} ramet_listen_options;

#ifdef __cplusplus
#define RAMET_LISTEN_OPTIONS_INIT            \
	{                                    \
		sizeof(ramet_listen_options) \
	}
#else
#define RAMET_LISTEN_OPTIONS_INIT                    \
	{                                            \
		.size = sizeof(ramet_listen_options) \
	}
#endif

/*
 * Lets other processes of this program and user join this running tree: with ramet_connect() to
 * "unix:NAME", where they get this very context, and below it those that are there already. A tree
 * may have many guests at a time. To this context and all below it they are like further parents;
 * they do not reach each other, nor what is above this context. When one leaves, or is lost, what it
 * holds here is released, its calls are cancelled, and the tree goes on. ramet_context_shutdown()
 * of a guest's handle ends the context that listens, with all below it; dropping the handle does not.
 *
 * name is that of a socket: without a slash, in a directory of this user's own ("ramet" in
 * $XDG_RUNTIME_DIR, else /tmp/ramet-UID, which is made); with one, a path in a directory in which
 * others cannot write. What a killed listener has left there is replaced; when the router ends, the
 * socket is removed. options may be NULL.
 *
 * Errors: -EINVAL (name, options), -ENAMETOOLONG, -EADDRINUSE (somebody listens there), -EPERM (the
 * directory), -ESHUTDOWN, and those of mkdir(2), socket(2) and bind(2). Authority: unix(7),
 * SO_PEERCRED.
 */
int ramet_router_listen(ramet_router *router, const char *name, const ramet_listen_options *options,
			ramet_error *error);

/*
 * In a child context, usually in one of its functions: it becomes the root of a tree of its own, which
 * outlives its parent and the program that was the master, and can be joined under that name, as after
 * ramet_router_listen(). (Call that before, with the same name, for other options.) It
 * keeps all children that it has, and what its functions keep in memory. Calls that run here
 * are answered first, for up to 3 s; then it loses its parents, to whom it is gone with the reason
 * "detached as 'NAME'", and so are all contexts below it. It gets a session of its own without a
 * terminal, ignores SIGHUP, and has /dev/null as standard input, output and error. What was in the
 * parents' hands (open streams, receivers there) ends. Log records, its own and those of contexts below it,
 * go to their debug files from then on, when the former master had a log_directory; nobody else gets them.
 *
 * The tree ends with ramet_context_shutdown() by whoever joins it, or after the listener's
 * idle time. Ids and children stay; images for other machines can no longer be had from its former
 * parents.
 *
 * Errors: -EINVAL (this is the root of its tree already), -EALREADY (it is about to), -ESHUTDOWN, and
 * those of ramet_router_listen(). On failure it stays a child.
 */
int ramet_detach(ramet_router *router, const char *name, ramet_error *error);

/* A flag that may also be left to what the method does by itself. */
enum ramet_flag { RAMET_UNSET, RAMET_YES, RAMET_NO };

/*
 * One hop of a path, for programs that do not want to write its text. Fill with
 * RAMET_HOP_OPTIONS_INIT, then set `method` and what else is to be said: a member stands for the key of
 * its name; NULL, 0 and RAMET_UNSET say nothing. Which methods have which keys, and what they mean:
 * ramet-paths(7). A target stands for itself: brackets in it are no ranges.
 */
typedef struct ramet_hop_options {
	/* sizeof(ramet_hop_options): tells the library which members there are */
	size_t size;
	const char *method;
	const char *target;
	uint32_t index;
	uint32_t count;
	/* of every method */
	const char *name;
	const char *cwd;
	const char *const *env; /* "NAME=VALUE", ended by NULL */
	int nice;
	const char *umask;   /* octal */
	int connect_timeout; /* ms */
	/* of those that run a tool (remote_name also of local) */
	const char *remote_name;
	const char *tool; /* its path */
	const char *args; /* its further arguments, separated by blanks, with quotes */
	const char *exec_args;
	const char *shell;
	const char *dir;
	const char *image; /* the file that is sent */
	const char *tty;   /* "no", "hybrid", "full" */
	/* where the password comes from: "env:NAME", "fd:N", "ask", "program" */
	const char *password;
	/* su, doas */
	const char *password_prompt;
	const char *incorrect_prompts; /* several: separated by "|" */
	const char *username;
	const char *groups; /* chroot */
	const char *uid;    /* lxc, lxd, incus */
	const char *gid;
	/* ssh */
	int port;
	const char *identity_file;
	enum ramet_flag identities_only;
	const char *config_file;
	const char *check_host_keys; /* "accept", "enforce", "ignore" */
	enum ramet_flag compression;
	enum ramet_flag keepalive_enabled;
	int keepalive_interval; /* s */
	int keepalive_count;
	int debug_level;
	/* sudo, su */
	enum ramet_flag preserve_env;
	enum ramet_flag set_home;
	enum ramet_flag login;
	const char *selinux_role;
	const char *selinux_type;
	/* docker, podman: the target is an image */
	enum ramet_flag run;
	/* kubectl */
	const char *kube_namespace; /* the key `namespace`, a word of C++ */
	const char *container;
	/* nsenter */
	const char *kind;
	const char *kind_tool;
	/* srun */
	const char *jobid;
	const char *nodelist;
	const char *partition;
	/* exec: "words", "line", "input" */
	const char *as;
} ramet_hop_options;

#ifdef __cplusplus
#define RAMET_HOP_OPTIONS_INIT            \
	{                                 \
		sizeof(ramet_hop_options) \
	}
#else
#define RAMET_HOP_OPTIONS_INIT                    \
	{                                         \
		.size = sizeof(ramet_hop_options) \
	}
#endif

/*
 * Appends a hop, in the syntax of paths, to *path, which is NULL or a path that malloc(3) has made, and
 * is replaced. The caller frees it with ramet_free().
 * Errors: as ramet_connect() has for the text, found here already; *path is then as before.
 */
int ramet_path_append(char **path, const ramet_hop_options *options, ramet_error *error);

/* How many contexts there are in it. */
size_t ramet_group_size(const ramet_group *group);

/* The index-th context, borrowed from the group; NULL behind the last. */
ramet_context *ramet_group_get(const ramet_group *group, size_t index);

/* ramet_context_keep() for each. */
void ramet_group_keep(ramet_group *group);

/* One more reference. */
ramet_group *ramet_group_ref(ramet_group *group);

/* Drops a reference; the last one drops the handles in it. */
void ramet_group_unref(ramet_group *group);

/* One more handle to the same context. */
ramet_context *ramet_context_ref(ramet_context *context);

/* Drops a handle. With the last one here, a context that was connected here (and not kept) ends. */
void ramet_context_unref(ramet_context *context);

/* The context lives until this router ends, or it is ended by ramet_context_shutdown(), whoever
 * holds it. */
void ramet_context_keep(ramet_context *context);

/* The path from the master, without keys: "local/local#2"; a hop with the key `name` shows that
 * instead. "" is the master. */
const char *ramet_context_path(const ramet_context *context);

/* The number by which messages find it: 0 is the master, others are unique in the tree for ever. */
uint32_t ramet_context_id(const ramet_context *context);

/* Its process id on its own machine; 0 when unknown. */
int ramet_context_pid(const ramet_context *context);

/* False once it is known to be gone. True says only that nothing to the contrary was heard. */
bool ramet_context_alive(const ramet_context *context);

/* Waits until the context is gone. 1: it is, and *ret_reason (may be NULL) says why, borrowed from
 * the context; 0: not yet after timeout. Blocks. */
int ramet_context_wait(ramet_context *context, int timeout, const char **ret_reason);

/*
 * Ends a context that was connected from here, and everything below it: gracefully within timeout,
 * then by force. timeout -1 stands for the usual time of a router's end. Other handles to it see
 * that it is gone.
 * Errors: -EPERM (not connected from here, or this context itself).
 * Blocks for at most timeout and a little.
 */
int ramet_context_shutdown(ramet_context *context, int timeout, ramet_error *error);

/* How calls through a handle are made; see ramet_context_with(). */
typedef struct ramet_call_options {
	/* ms for each call, from its start to its result, then -ETIMEDOUT and the call is
	 * cancelled; 0 or -1: no limit */
	int timeout;
	/* the calls through this handle belong together: once one has failed, those that follow are
	 * not executed and fail with the same error, those already on their way too */
	bool chain;
} ramet_call_options;

/* A second handle to the same context, whose calls follow the options. Each handle with `chain` is
 * a chain of its own; ramet_context_reset() begins it anew. */
int ramet_context_with(ramet_context *context, const ramet_call_options *options,
		       ramet_context **ret_context);

/* Lets a chain that has failed go on with the next call. No effect on other handles. */
int ramet_context_reset(ramet_context *context);

/* --- Functions: inside -----------------------------------------------------------------------
 *
 * RAMET_FUNCTION and its relatives, in ramet-define.h, define functions that can be called in any context. In their
 * body `call` is the call being executed; the functions below take it. It is good until the body returns.
 * Functions run one at a time, in the order of arrival, on the main thread of a child (in the master: on one thread
 * of their own); those defined as concurrent run on worker threads beside them.
 */

/* The router of the context in which the function runs. Borrowed. */
ramet_router *ramet_call_router(ramet_call *call);

/* The context that made the call. Borrowed from the call. */
ramet_context *ramet_call_caller(ramet_call *call);

/* True once nobody waits for the result any more: the caller cancelled, timed out or is gone, or
 * this context has to end. A function that runs long asks now and then and returns early; what it
 * returns is then thrown away. Costs one load of memory. */
bool ramet_call_cancelled(const ramet_call *call);

/* Milliseconds until the caller's time-out, -1 if it has none. */
int ramet_call_time_left(const ramet_call *call);

/* Memory for results, freed once the result is on its way. NULL when there is none. */
void *ramet_call_alloc(ramet_call *call, size_t size);

/* Makes the call fail: the caller gets -code (code is an errno, either sign) and the message, with
 * this context as the place. What the function returns is then ignored. The first failure counts.
 * The format is printf's in the C locale, but for %n, %a, wide characters and arguments by number,
 * from where on it is copied as it stands. */
void ramet_fail(ramet_call *call, int code, const char *format, ...)
#if defined(__GNUC__)
	__attribute__((format(printf, 3, 4)))
#endif
	;

/* The same with an error that another call has left; it is cleared. Its place stays what it was. */
void ramet_fail_error(ramet_call *call, ramet_error *error);

/* Who is let in, to a receiver or to a function of a context. A context may always do it itself. */
enum ramet_policy {
	/* GIVEN for receivers, PARENTS for functions */
	RAMET_POLICY_DEFAULT,
	/* receivers: contexts that hold a sender, because they were given one */
	RAMET_POLICY_GIVEN,
	/* those, and the contexts above, up to the master; functions: these alone */
	RAMET_POLICY_PARENTS,
	/* those, and all contexts below */
	RAMET_POLICY_CHILDREN,
	/* whoever can reach it: siblings, too, where they are allowed to talk */
	RAMET_POLICY_ANY,
};

/*
 * Says who may call a function in this context, besides the context itself: by default its parents
 * alone. So a parent offers services to its children, one by one. `function` is a name, or a prefix and
 * "*"; of several that fit, what was said last holds. DEFAULT goes back to PARENTS. What is not allowed
 * fails with -EPERM at the caller.
 * Errors: -EINVAL (the name is empty or too long, or has a "*" elsewhere; GIVEN).
 */
int ramet_function_allow(ramet_router *router, const char *function, enum ramet_policy policy);

/* --- Receivers ---------------------------------------------------------------------------- */

/* A stream of values that others send here: give its sender away as an argument or a result. */
int ramet_receiver_new(ramet_router *router, ramet_receiver **ret_receiver);

/* Options of a receiver. Fill with RAMET_RECEIVER_OPTIONS_INIT, then change what is to differ. */
typedef struct ramet_receiver_options {
	/* sizeof(ramet_receiver_options): tells the library which members there are */
	size_t size;
	/* who may send here; default: GIVEN. Whom the policy lets in besides may also pass senders on */
	enum ramet_policy policy;
	uint32_t
		message_size_max; /* bytes of one value; 0: that of the router, which also limits it */
} ramet_receiver_options;

#ifdef __cplusplus
#define RAMET_RECEIVER_OPTIONS_INIT            \
	{                                      \
		sizeof(ramet_receiver_options) \
	}
#else
#define RAMET_RECEIVER_OPTIONS_INIT                    \
	{                                              \
		.size = sizeof(ramet_receiver_options) \
	}
#endif

/* A stream with options. Errors: -EINVAL (options), -ESHUTDOWN. */
int ramet_receiver_new_with(ramet_router *router, const ramet_receiver_options *options,
			    ramet_receiver **ret_receiver);

/*
 * A timer that is read like a stream: first after `first` ms, then every `interval` ms (0: only
 * once), on the monotonic clock. A value is the number of expirations (I64, at least 1) since the
 * last one was taken; never does more than one wait. Intervals are counted from the first expiration,
 * so that delays do not add up. Once it has expired for the last time and that was taken, or when it
 * is closed, it is at its end. It has no sender.
 * Errors: -EINVAL (negative times), -ESHUTDOWN.
 */
int ramet_receiver_new_timer(ramet_router *router, int first, int interval,
			     ramet_receiver **ret_receiver);

/* One more reference. */
ramet_receiver *ramet_receiver_ref(ramet_receiver *receiver);

/* Drops a reference; the last one closes it. A call whose result nobody can take any more is not
 * cancelled: cancel it first, or use the _post form. */
void ramet_receiver_unref(ramet_receiver *receiver);

/* The other end, borrowed from the receiver; NULL for the result of a call, and for a timer. */
ramet_sender *ramet_receiver_sender(ramet_receiver *receiver);

/*
 * Takes the next value: 1, and *ret_value is it; 0: every sender has closed its end (or this side
 * has), and nothing is left. Values of one sender come in order. A context that is lost closes its
 * senders with an error, which comes after what arrived from it. For the result of a call, use
 * NAME_finish() or ramet_invoke_finish().
 * Errors: -ETIMEDOUT; -ECONNRESET (a context that sent here is gone, the message says why; the
 * receiver remains usable); -EMSGSIZE; -EINVAL (the result of a call). Blocks.
 */
int ramet_receive(ramet_receiver *receiver, int timeout, ramet_value **ret_value,
		  ramet_error *error);

/* Takes no more: waiting threads get 0, senders -EPIPE. What has arrived and was not taken is dropped.
 * A timer stops. No effect on the result of a call. */
void ramet_receiver_close(ramet_receiver *receiver);

/*
 * A descriptor for poll(2), epoll(7) and the loops that are made of them: readable exactly as long as
 * ramet_receive() would not wait (for the result of a call: _finish). It is made when it is first
 * asked for, belongs to the receiver and goes away with it; others must only wait for it, never read,
 * write or close it. The library's own thread keeps it right: a program may sit in poll(2) and never
 * wait in here. Close-on-exec. A context of the method fork does not have it; in a copy that the caller
 * forked by itself it shows what the original sees.
 * Errors: -EMFILE, -ENFILE; the receiver works as before.
 */
int ramet_receiver_fd(ramet_receiver *receiver);

/* Cancels a call: the function learns it through ramet_call_cancelled(), or does not begin at all,
 * and the result becomes -ECANCELED when the other side has confirmed. No effect on a result that
 * is there already, or a stream. */
void ramet_receiver_cancel(ramet_receiver *receiver);

/* True when the result of a call is there, or was taken; for a stream: when it is closed and empty.
 */
bool ramet_receiver_done(ramet_receiver *receiver);

/* A pointer of the caller's own. */
void ramet_receiver_set_data(ramet_receiver *receiver, void *data);
void *ramet_receiver_data(const ramet_receiver *receiver);

/* --- Senders ------------------------------------------------------------------------------ */

/* One more reference, to keep a sender that was an argument longer than the call. */
ramet_sender *ramet_sender_ref(ramet_sender *sender);

/* Drops a reference. The last one here closes this end as ramet_sender_close() does. */
void ramet_sender_unref(ramet_sender *sender);

/*
 * Sends one value. Returns when it is on its way; blocks while the reader is behind (a window of
 * bytes in flight bounds what everybody in between holds), for at most the sender's time-out. A value
 * goes as a whole or not at all, whatever its size.
 * Errors: -EPIPE (this end is closed, by another thread perhaps, or the reader closed or is gone),
 * -ETIMEDOUT and -EAGAIN (time-out 0): the value was not sent; -EMSGSIZE (larger than
 * message_size_max; with time-out 0: than the window, 1 MiB, as more never goes without waiting);
 * -EINVAL (a NULL value). For those of an acknowledged send see ramet_sender_set_acknowledged().
 */
int ramet_send_boolean(ramet_sender *sender, bool value);
int ramet_send_i64(ramet_sender *sender, int64_t value);
int ramet_send_f64(ramet_sender *sender, double value);
int ramet_send_str(ramet_sender *sender, const char *value);
int ramet_send_bytes(ramet_sender *sender, ramet_bytes value);
int ramet_send_value(ramet_sender *sender, const ramet_value *value);

/* How long a send through this handle may block, ms; -1, the beginning, for ever. */
void ramet_sender_set_timeout(ramet_sender *sender, int timeout);

/*
 * Makes each send through this handle return only when the reader has taken the value: ramet_receive()
 * has returned it. Within the sender's time-out; one round trip to the reader at least. What is known
 * afterwards:
 *
 *	0		it was taken
 *	-EAGAIN		it was not sent: the reader was behind all the time
 *	-ETIMEDOUT	it was sent and not confirmed: it may be on its way, wait at the reader, or have
 *			been taken just now. (With time-out 0 there is no time for more.)
 *	-EPIPE		the reader has closed without taking it, or its context was lost before it said
 *			that it had
 *	-EMSGSIZE, -ENOMEM, -EBADMSG
 *			it arrived and could not be kept or read there: nobody got it
 *	-EPERM		it was refused on its way
 *
 * Other handles to the same reader are not affected.
 */
void ramet_sender_set_acknowledged(ramet_sender *sender, bool acknowledged);

/*
 * A descriptor that is readable as long as sending a small value (256 bytes at most) would not wait:
 * there is room, or it would fail at once. Larger values may still wait, or be refused with -EAGAIN.
 * Ownership, fork and errors as for ramet_receiver_fd(). Each one asked for costs a look at every
 * message, so ask where you need it.
 */
int ramet_sender_fd(ramet_sender *sender);

/* Says that nothing more comes from here; a thread that waits to send gets -EPIPE. The reader sees the end when all senders that wrote have
 * closed. */
void ramet_sender_close(ramet_sender *sender);

/* True once sending makes no sense: this end is closed, or the reader closed or is gone. */
bool ramet_sender_closed(ramet_sender *sender);

/* --- Select ------------------------------------------------------------------------------- */

/* Waits over several receivers, results of calls and streams alike. */
int ramet_select_new(ramet_router *router, ramet_select **ret_select);

/* Adds a receiver; the select holds a reference of its own. Errors: -EEXIST (it is in a select
 * already), -EINVAL (of another router). */
int ramet_select_add(ramet_select *select, ramet_receiver *receiver);

/* Takes a receiver out. Errors: -ENOENT. */
int ramet_select_remove(ramet_select *select, ramet_receiver *receiver);

/*
 * Waits for the next receiver that has something: 1, and *ret_receiver is it, borrowed until the
 * next use of the select. The result of a call is announced once and then leaves the select; a
 * stream is announced whenever a message is there, and once when it ends, and then leaves. 0: the
 * select is empty. In the order of arrival.
 * Errors: -ETIMEDOUT. Blocks.
 */
int ramet_select_next(ramet_select *select, int timeout, ramet_receiver **ret_receiver);

/* A descriptor that is readable exactly as long as ramet_select_next() would not wait. The rest as for
 * ramet_receiver_fd(). */
int ramet_select_fd(ramet_select *select);

/* One more reference. */
ramet_select *ramet_select_ref(ramet_select *select);

/* Drops a reference; with the last one all members leave. */
void ramet_select_unref(ramet_select *select);

/* --- Values ----------------------------------------------------------------------------------
 *
 * A value is immutable and reference-counted. The accessors return 0, NULL or {NULL, 0} when the kind is another:
 * look at ramet_value_kind() first.
 */

/* What a value, a parameter or a result is. RAMET_KIND_ARRAY is any list; RAMET_KIND_STRUCT appears
 * in types only (a structure arrives as a list of its members). */
enum ramet_kind {
	RAMET_KIND_NONE,
	RAMET_KIND_BOOLEAN,
	RAMET_KIND_I32,
	RAMET_KIND_I64,
	RAMET_KIND_U64,
	RAMET_KIND_F64,
	RAMET_KIND_STR,
	RAMET_KIND_BYTES,
	RAMET_KIND_VALUE,
	RAMET_KIND_CONTEXT,
	RAMET_KIND_SENDER,
	RAMET_KIND_STRUCT,
	RAMET_KIND_ARRAY,
	RAMET_KIND_MAP,
};

/* The kind: NONE, BOOLEAN, I64 (every integer that fits), U64 (those above), F64, STR, BYTES,
 * CONTEXT, SENDER, ARRAY or MAP. */
enum ramet_kind ramet_value_kind(const ramet_value *value);

/* What it holds. Strings, bytes and handles belong to the value. */
bool ramet_value_boolean(const ramet_value *value);
int64_t ramet_value_i64(const ramet_value *value);
uint64_t ramet_value_u64(const ramet_value *value);
double ramet_value_f64(const ramet_value *value);
const char *ramet_value_str(const ramet_value *value);
ramet_bytes ramet_value_bytes(const ramet_value *value);
ramet_context *ramet_value_context(const ramet_value *value);
ramet_sender *ramet_value_sender(const ramet_value *value);

/* Items of a list, or pairs of a map; and the index-th of them (for a map its value, and its key).
 * Borrowed. */
size_t ramet_value_count(const ramet_value *value);
const ramet_value *ramet_value_item(const ramet_value *value, size_t index);
const ramet_value *ramet_value_key(const ramet_value *value, size_t index);

/* Make values. Strings and bytes are copied; items get a reference each. NULL when there is no
 * memory. A map's keys must differ. */
ramet_value *ramet_value_new_none(void);
ramet_value *ramet_value_new_boolean(bool value);
ramet_value *ramet_value_new_i64(int64_t value);
ramet_value *ramet_value_new_u64(uint64_t value);
ramet_value *ramet_value_new_f64(double value);
ramet_value *ramet_value_new_str(const char *value);
ramet_value *ramet_value_new_bytes(ramet_bytes value);
ramet_value *ramet_value_new_context(ramet_context *context);
ramet_value *ramet_value_new_sender(ramet_sender *sender);
ramet_value *ramet_value_new_array(ramet_value *const *items, size_t count);
ramet_value *ramet_value_new_map(ramet_value *const *keys, ramet_value *const *values,
				 size_t count);

/* One more reference, one less. */
ramet_value *ramet_value_ref(ramet_value *value);
void ramet_value_unref(ramet_value *value);

/* --- Calls by name ---------------------------------------------------------------------------
 *
 * What the generated functions do, for programs that learn names and arguments at run time (bindings, tools).
 * arguments is a list with one value for each parameter; NULL stands for none.
 */

/* Calls and waits. Errors: -ENOSYS (no such function there), -EINVAL (arguments), what the function
 * failed with, -ECONNRESET (the context is gone), -EHOSTUNREACH (no way to it), -EPERM (its
 * policy), -ETIMEDOUT, -EMSGSIZE, -ESHUTDOWN. Blocks. */
int ramet_invoke(ramet_context *context, const char *function, const ramet_value *arguments,
		 ramet_value **ret_value, ramet_error *error);

/* Calls without waiting for the result. May block while too much is on its way to that context. */
int ramet_invoke_start(ramet_context *context, const char *function, const ramet_value *arguments,
		       ramet_receiver **ret_receiver, ramet_error *error);

/* Waits for the result. -ETIMEDOUT leaves the call running and the receiver usable. Blocks. */
int ramet_invoke_finish(ramet_receiver *receiver, int timeout, ramet_value **ret_value,
			ramet_error *error);

/* Calls without a result: a failure is recorded in the log over there. */
int ramet_invoke_post(ramet_context *context, const char *function, const ramet_value *arguments,
		      ramet_error *error);

/* --- Time --------------------------------------------------------------------------------- */

/* The point in time that is so many ms from now, on the monotonic clock; -1 for never. */
int64_t ramet_deadline(int timeout);

/* Milliseconds until then, rounded up; 0 when it has passed, -1 when it never comes. */
int ramet_time_left(int64_t deadline);

/* --- Log ---------------------------------------------------------------------------------- */

/* Sends a record to the master. source says which part of the program speaks; for the format see
 * ramet_fail(). Never waits: a record for which there is no room on the way, or which exceeds
 * log_rate, is dropped, and how many those were becomes a record. (What functions print is not
 * dropped: who prints faster than the master's sink takes it waits, once the pipe is full.) */
void ramet_log(ramet_router *router, enum ramet_log_level level, const char *source,
	       const char *format, ...)
#if defined(__GNUC__)
	__attribute__((format(printf, 4, 5)))
#endif
	;

/* The same with fields, at most 32 with 8 KiB of names and texts together: what is beyond is left
 * out. All is copied. */
void ramet_log_with(ramet_router *router, enum ramet_log_level level, const char *source,
		    const ramet_log_field *fields, size_t count, const char *format, ...)
#if defined(__GNUC__)
	__attribute__((format(printf, 6, 7)))
#endif
	;

/*
 * Changes what is recorded in a context and in all below it, those that are being connected now
 * included; for the whole tree, that of ramet_router_self(). level may be 0: nothing. Returns at once;
 * calls that are sent there later find it changed.
 * Errors: -EINVAL (no such level), -EPERM (the context is neither this one nor below it),
 * -ECONNRESET (it is gone).
 */
int ramet_context_log_level(ramet_context *context, enum ramet_log_level level, ramet_error *error);

/* The level that a router without options would have, and that children inherit: $RAMET_LOG_LEVEL
 * (a name: error, warning, info, debug, io; or a number), or RAMET_LOG_INFO. */
enum ramet_log_level ramet_log_level(void);

/* --- Helpers ------------------------------------------------------------------------------ */

/* The path of the executable that children run. When the system does not say, argv[0] as
 * ramet_init() got it, and one warning (RAMET_EXECUTABLE_MSG) per process in the log. Borrowed for
 * ever. */
const char *ramet_executable(void);

/* What is sent to a place where nothing is installed: this executable without what is not loaded
 * (sections, symbols), compressed as gzip(1) does where that tool is there, plain otherwise.
 * Computed once per process; borrowed for ever. Errors: those of open(2) and read(2), -ENOEXEC (not
 * an ELF file). May block for the time it takes to read and compress. */
int ramet_core_image(ramet_bytes *ret_image, ramet_error *error);

/* A function that runs in each new child between fork(2) and exec(3), before anything else; NULL:
 * none. Only what is async-signal-safe (signal-safety(7)) may be done there. One for the whole
 * process. */
void ramet_set_preexec_hook(void (*hook)(void *data), void *data);

/* "SIGTERM" for 15: the usual name, of several that one number has; "SIGRTMIN+n" for real-time
 * signals, NULL for what is no signal. Borrowed for ever. */
const char *ramet_signal_name(int signal);

/* Descriptors that this process may have open at the same time: sysconf(_SC_OPEN_MAX), 1024 if that
 * does not say. */
int ramet_open_max(void);

/* Messages of errors that people search for. The first takes a text for its %s. */
#define RAMET_OPENPTY_MSG                                                                     \
	"cannot create a pseudo-terminal: %s. Perhaps all of them are in use: on Linux the "  \
	"sysctl kernel.pty.max "                                                              \
	"limits them, on macOS kern.tty.ptmx_max. Connections that need no password need no " \
	"terminal."
#define RAMET_EXECUTABLE_MSG                                                                     \
	"the system does not say which file this program was started from (is /proc mounted?); " \
	"children will be "                                                                      \
	"started with '%s'"
#define RAMET_BROKER_SHUTDOWN_MSG \
	"the connection was cancelled because its router began to shut down"

#ifdef __cplusplus
}
#endif

#include "ramet-statistics.h" /* what contexts count */

#include "ramet-define.h" /* RAMET_FUNCTION and its relatives, ramet_init() */
#include "ramet-exec.h"   /* commands */
#include "ramet-file.h"   /* files in contexts */
#include "ramet-module.h" /* code that is sent on demand */

#include "ramet-channel.h"  /* processes by fork(2) */
#include "ramet-exchange.h" /* many of them */
#include "ramet-pool.h"     /* many contexts */

#endif
