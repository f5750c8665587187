/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ramet-file.h: files in contexts. <ramet.h> includes this file at its end; programs include
 * <ramet.h>.
 *
 *	ramet_file_copy_options copy = RAMET_FILE_COPY_OPTIONS_INIT;
 *	ramet_file_copy_result result;
 *
 *	copy.from = ramet_router_self(router);
 *	copy.from_path = "disk.img";
 *	copy.to = machine;
 *	copy.to_path = "/var/lib/images/disk.img";
 *	if (ramet_file_copy(&copy, &result, &error) == 0)
 *		printf("%s\n", result.hash);
 *
 * Every context offers this to itself and to its parents, whatever program it runs; nothing has to
 * be prepared there. What a context can do is what the user can do as whom it runs.
 *
 * RULES THAT HOLD FOR EVERY FUNCTION BELOW, besides those of <ramet.h>:
 *
 * Paths      Any bytes but NUL. A path that is not absolute begins in the context's working
 *            directory; where ramet_file_limit() was used, every path begins in that directory.
 * Errors     Those of the system calls behind them, with the path in the message and the context as
 *            the place; and those of ramet_invoke(): the context is gone, may not be called from
 *            here. -EAGAIN: too many services run there already. -EXDEV: the path leads out of the
 *            directory to which the context is limited. -EROFS: the limit is for reading only.
 * Blocking   All but ramet_file_limit() wait for the other side. A time-out and a chain of the handle
 *            (ramet_context_with()) hold for all but the transfers, which have limits of their own.
 * Hashes     32 hexadecimal digits: XXH3 with 128 bits, what xxhsum(1) prints with -H2. It finds what
 *            disks, memory and programs do to bytes; it is no defence against somebody who
 *            makes a file with a given hash.
 */
#ifndef RAMET_FILE_H
#define RAMET_FILE_H

#include "ramet.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a file is. */
enum ramet_file_type {
	RAMET_FILE_REGULAR = 1,
	RAMET_FILE_DIRECTORY,
	RAMET_FILE_LINK, /* a symbolic link */
	RAMET_FILE_FIFO,
	RAMET_FILE_SOCKET,
	RAMET_FILE_CHARACTER,
	RAMET_FILE_BLOCK,
};

/* What a file is like; see inode(7). `type` is an enum ramet_file_type, `mode` the permissions with
 * set-user-ID, set-group-ID and sticky bit, `mtime` nanoseconds since 1970, `allocated` the bytes
 * that it occupies. `user` and `group` are the names over there, NULL where there are none; `link` is
 * where a symbolic link points, else NULL. ramet_file_status_clear() frees what it holds. It is a kind,
 * too: a function of the program can have one as its result. */
typedef struct ramet_file_status {
	int32_t type;
	int32_t mode;
	uint64_t size;
	uint64_t allocated;
	int64_t mtime;
	int64_t uid;
	int64_t gid;
	const char *user;
	const char *group;
	const char *link;
	uint64_t device;
	uint64_t inode;
} ramet_file_status;

/* In the library, so that programs need none of their own. */
extern const struct ramet_type ramet_type_ramet_file_status[1];

/* Frees what the status holds, and leaves it empty. An empty one, all zero, is nothing to do. It does
 * not block. Threads: any, one at a time for one status. */
void ramet_file_status_clear(ramet_file_status *status);

/* What the functions below are asked for besides. Each says which it takes; others are -EINVAL. */
enum ramet_file_flag {
	/* a symbolic link at the end of the path stands for what it points to */
	RAMET_FILE_FOLLOW = 1 << 0,
	/* write: at the end of what is there; in one write(2), so that several writers do not mix */
	RAMET_FILE_APPEND = 1 << 1,
	/* write: -EEXIST if there is something */
	RAMET_FILE_NEW = 1 << 2,
	/* nothing waits until the disk has it: faster, and a loss of power may leave an empty file */
	RAMET_FILE_NO_SYNC = 1 << 3,
	/* remove, copy, distribute: directories, with all that is in them */
	RAMET_FILE_TREE = 1 << 4,
	/* remove: nothing to remove is no error; make_directory: one that is there neither */
	RAMET_FILE_LENIENT = 1 << 5,
	/* make_directory: those above it, too */
	RAMET_FILE_PARENTS = 1 << 6,
	/* copy, distribute: owner and group by name, or by number where the name is unknown, and the
	 * set-user-ID and set-group-ID bits. Where the context is not root they are left out */
	RAMET_FILE_OWNER = 1 << 7,
	/* copy, distribute: a file of the same size and modification time is taken for the same */
	RAMET_FILE_SKIP_SAME = 1 << 8,
	/* copy: a file of the same size and hash is left alone */
	RAMET_FILE_SKIP_HASH = 1 << 9,
	/* copy: what was transferred of a file stays when the transfer breaks off, and the next one
	 * with this flag goes on there; see ramet_file_copy() */
	RAMET_FILE_RESUME = 1 << 10,
};

/* --- One file ----------------------------------------------------------------------------- */

/*
 * Reads a file, or the part of it that begins at `offset` and has `size` bytes; size 0 stands for the
 * rest. Fewer come when it ends before. What is larger than a message (ramet_router_options) belongs
 * to ramet_file_copy(): -EFBIG. -EINVAL for what is no regular file. The caller frees the bytes with
 * ramet_free().
 */
int ramet_file_read(ramet_context *context, const char *path, uint64_t offset, uint64_t size,
		    ramet_bytes *ret_bytes, ramet_error *error);

/*
 * Writes a file as a whole: under another name in the same directory, which then takes the place of
 * `path`, so that nobody sees a part of it and a failure leaves what was there. mode -1 stands for the
 * mode of the file that is replaced, or 0666 without the umask. A symbolic link at the end of
 * the path is replaced. With RAMET_FILE_APPEND it is written to instead.
 * Flags: RAMET_FILE_APPEND, _NEW, _NO_SYNC.
 */
int ramet_file_write(ramet_context *context, const char *path, ramet_bytes content, int mode,
		     unsigned flags, ramet_error *error);

/* What `path` is like. Flags: RAMET_FILE_FOLLOW. */
int ramet_file_stat(ramet_context *context, const char *path, unsigned flags,
		    ramet_file_status *ret_status, ramet_error *error);

/* One entry of a directory; both are borrowed. Returns 0, or anything else to see no more. */
typedef int ramet_file_visit(const char *name, const ramet_file_status *status, void *data);

/*
 * Calls visit for each entry of a directory but "." and "..", in no order, while they come: the
 * directory may have any number. What is not 0 from visit ends it and is the result. It is called
 * without locks, in the calling thread.
 */
int ramet_file_list(ramet_context *context, const char *path, ramet_file_visit *visit, void *data,
		    ramet_error *error);

/* Removes a file, or an empty directory; with RAMET_FILE_TREE all that is in it (files that others
 * create meanwhile may make it fail). Flags: RAMET_FILE_TREE, _LENIENT. */
int ramet_file_remove(ramet_context *context, const char *path, unsigned flags, ramet_error *error);

/* Makes a directory of that mode, which the umask restricts. Flags: RAMET_FILE_PARENTS (they get mode
 * 0777 without the umask), _LENIENT (then what is there must be a directory). */
int ramet_file_make_directory(ramet_context *context, const char *path, int mode, unsigned flags,
			      ramet_error *error);

/* The hash of a regular file, as 32 digits and a NUL. */
int ramet_file_hash(ramet_context *context, const char *path, char ret_hash[33],
		    ramet_error *error);

/* --- Transfers ---------------------------------------------------------------------------- */

/* How far a transfer is: bytes that were read, of all those that are known of so far. Called in the
 * thread that asked for the transfer, without locks, a few times a second, also when nothing moves.
 * Anything but 0 cancels the transfer, which then fails with -ECANCELED (what was complete by then
 * stays). */
typedef int ramet_file_progress(uint64_t bytes, uint64_t total, void *data);

/* What is to be copied. Fill with RAMET_FILE_COPY_OPTIONS_INIT, then set the first four. */
typedef struct ramet_file_copy_options {
	/* sizeof(ramet_file_copy_options): tells the library which members there are */
	size_t size;
	ramet_context *from, *to;
	const char *from_path, *to_path;
	unsigned flags; /* enum ramet_file_flag */
	/* ms in which the target takes nothing, until it is given up; 0: 60,000, -1: never */
	int stall_timeout;
	ramet_file_progress *progress; /* may be NULL */
	void *progress_data;
} ramet_file_copy_options;

#ifdef __cplusplus
#define RAMET_FILE_COPY_OPTIONS_INIT            \
	{                                       \
		sizeof(ramet_file_copy_options) \
	}
#else
#define RAMET_FILE_COPY_OPTIONS_INIT                    \
	{                                               \
		.size = sizeof(ramet_file_copy_options) \
	}
#endif

/* What was copied. */
typedef struct ramet_file_copy_result {
	uint64_t bytes;   /* of content, without holes, that the target took */
	uint64_t files;   /* regular files that were written */
	uint64_t skipped; /* regular files that were there already */
	uint64_t left; /* of a tree: what is neither file, directory nor link, and was left out */
	char hash[33]; /* of a single regular file; "" for all else */
} ramet_file_copy_result;

/*
 * Copies a file, a symbolic link (as such), or with RAMET_FILE_TREE a directory, from one context to
 * another, or within one. `to_path` is the name of the copy itself, not of a directory for it. Both
 * contexts must be this one or below it. The data goes from one to the other by the shortest way that
 * the tree allows: through here only if here is where their ways part.
 *
 * The copy has the mode (without set-user-ID and set-group-ID, see RAMET_FILE_OWNER), the
 * modification time, and the holes of the original. Hard links become files of their own. Each file is
 * written under another, unpredictable name in the same directory, or none where O_TMPFILE of open(2)
 * works; when the hashes of what was read and what was written are equal, it is on the disk and takes
 * the place of `to_path`. When anything fails, that is removed. A directory that is
 * there already keeps what else is in it. Of two copies to one path one wins, whole.
 *
 * A file that grows meanwhile is copied up to the size that it had at first; one that gets shorter
 * fails (-EIO); what is changed in place while it is read may be a mixture. Files of a tree that
 * vanish meanwhile are left out. Sockets, devices and FIFOs are refused (-EINVAL), or left out of a
 * tree. Trees are at most 200 directories deep (-ELOOP).
 *
 * With RAMET_FILE_RESUME the file has the name ".NAME.ramet-partial" meanwhile (with the hash of NAME
 * where that is too long), and stays when the transfer breaks off. The next transfer with this flag
 * compares the hash of that part with the same part of the original, and sends the rest, or all
 * when they differ. -EBUSY: another transfer is writing it.
 *
 * Flags: RAMET_FILE_FOLLOW (the original), _TREE, _OWNER, _SKIP_SAME, _SKIP_HASH, _RESUME, _NO_SYNC.
 * Errors: besides those at the top of this file, -EBADMSG (hashes differ; the message has both),
 * -ETIMEDOUT (stall_timeout), -ECANCELED.
 */
int ramet_file_copy(const ramet_file_copy_options *options, ramet_file_copy_result *ret_result,
		    ramet_error *error);

/* What one target has got: error.code 0, and the result; or an error, which the caller clears. */
typedef struct ramet_file_outcome {
	ramet_error error;
	ramet_file_copy_result result;
} ramet_file_outcome;

/* What is to be distributed. Fill with RAMET_FILE_DISTRIBUTE_OPTIONS_INIT, then set the first four;
 * the others are as for ramet_file_copy(). */
typedef struct ramet_file_distribute_options {
	/* sizeof(ramet_file_distribute_options): tells the library which members there are */
	size_t size;
	ramet_context *from;
	const char *from_path;
	ramet_group *to;
	const char *to_path; /* the same everywhere */
	unsigned flags;
	int stall_timeout;
	ramet_file_progress *progress;
	void *progress_data;
} ramet_file_distribute_options;

#ifdef __cplusplus
#define RAMET_FILE_DISTRIBUTE_OPTIONS_INIT            \
	{                                             \
		sizeof(ramet_file_distribute_options) \
	}
#else
#define RAMET_FILE_DISTRIBUTE_OPTIONS_INIT                    \
	{                                                     \
		.size = sizeof(ramet_file_distribute_options) \
	}
#endif

/*
 * Copies to every context of a group, as ramet_file_copy() does to one, but each byte crosses each link
 * of the tree once: a context in which ways part forwards what it reads. Contexts that this one has
 * not started itself count as direct children of it.
 *
 * The slowest target sets the pace, in bounded memory everywhere. One that takes nothing for
 * stall_timeout is dropped, one that fails or is lost at once, with all that get the data through
 * it; the others go on. ret_outcomes has room for one outcome for each context, in
 * the order of the group. With RAMET_FILE_SKIP_SAME a target that has a file already ignores what
 * comes.
 *
 * Returns the number of targets that have failed: 0 is success. A negative errno, and no outcomes, when
 * it could not be begun, the source failed, or it was cancelled.
 * Flags: RAMET_FILE_FOLLOW, _TREE, _OWNER, _SKIP_SAME, _NO_SYNC.
 */
int ramet_file_distribute(const ramet_file_distribute_options *options,
			  ramet_file_outcome *ret_outcomes, ramet_error *error);

/* --- Limits ------------------------------------------------------------------------------- */

/* For ramet_file_limit(): nothing is written. */
#define RAMET_FILE_READ_ONLY 1u

/*
 * From now on whatever other contexts ask of this one, of what is in this file, stays in that
 * directory: paths begin there, absolute ones too, and neither "..", nor a symbolic link, nor a
 * directory that is moved meanwhile leads out of it (RESOLVE_BENEATH of openat2(2); where the system
 * has not got that, symbolic links below it are not followed at all). Hard links are no ways out, but
 * files: what was linked into the directory is in it. This context's own calls are not limited. For
 * ever; the contexts that this one starts have limits of their own.
 *
 * It limits what the functions in this file do, and nothing else: who may call other functions of the
 * program, or start programs, is not stopped by it.
 *
 * flags: 0 or RAMET_FILE_READ_ONLY.
 * Errors: those of open(2), -EALREADY (there is a limit), -EINVAL (flags).
 */
int ramet_file_limit(ramet_router *router, const char *directory, unsigned flags,
		     ramet_error *error);

#ifdef __cplusplus
}
#endif

#endif
