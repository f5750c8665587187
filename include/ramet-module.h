/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ramet-module.h: code that a program does not have, sent on demand. <ramet.h> includes this file at
 * its end; programs and modules include <ramet.h>.
 *
 * A *module* is a shared object with functions that are defined as those of programs are:
 *
 *	// greet.c:  cc -shared -fPIC -o greet.so greet.c
 *	#include <ramet.h>
 *
 *	RAMET_MODULE(greet);
 *
 *	RAMET_FUNCTION(str, greet_hello, (str, name))
 *	{
 *		...
 *	}
 *
 * The master says which modules may be had, and a context that is told to load one asks for it:
 *
 *	ramet_module_allow(router, "greet", "/usr/lib/us/greet.so", &error);
 *	ramet_module_load(context, "greet", &error);
 *	ramet_invoke(context, "greet_hello", arguments, &value, &error);
 *
 * A context asks its parent, that one its own, up to the first that allows a module of that name; what
 * comes back is checked by its SHA-256 at each hop, kept there within bounds, and crosses each link once
 * however many contexts below it ask. That nobody above has a name is remembered, too, until one of them
 * calls ramet_module_allow() or ramet_module_allow_directory() again. Nothing is ever taken from below:
 * a child cannot make its parents run anything.
 *
 * Who loads a module has to be dynamically linked. Programs that ramet-cc links for travelling are
 * static, and say so; they still pass modules on to their children. A module finds the functions of the
 * library in its process: in libramet.so, or in a program that has libramet.a in itself and was linked
 * with -rdynamic. It may need the C library and what else is there on every target; another module is
 * not found for it.
 *
 * Functions of modules are called by name, with ramet_invoke(), or with NAME_call() where a header has
 * their RAMET_DECLARE(). Their names must differ from those of the program and of other modules. They
 * are no part of what makes two executables the same program.
 *
 * A module stays until its process ends: calls that run, and values that they have left, may need its
 * code, and nobody could know when they do not. So there is no function to unload one, and a module that
 * was loaded is not loaded anew when another file is allowed under its name.
 */
#ifndef RAMET_MODULE_H
#define RAMET_MODULE_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Allows children to have the module in `file` under a name: up to 48 letters, digits, "_" and "-". The
 * file is read at once, and its content kept until the router ends or the name is allowed again; what has
 * been loaded stays as it was. file NULL: the name is not allowed any more. Names that are allowed one by
 * one go before those of directories, and these before what parents have.
 * Errors: -EINVAL (the name; what is not a regular file), -EFBIG (beyond 16 MiB), -ESHUTDOWN, those of
 * open(2) and read(2). Blocks for the time it takes to read the file.
 */
int ramet_module_allow(ramet_router *router, const char *name, const char *file,
		       ramet_error *error);

/*
 * Allows every module NAME that is `directory`/NAME.so, also those that come there later. A file is read
 * when it is asked for first, with the router's lock held, and its content kept; another call for the
 * same directory makes that, and all that was not found before, be looked for again.
 * Errors: -ENOTDIR, -ESHUTDOWN, those of stat(2).
 */
int ramet_module_allow_directory(ramet_router *router, const char *directory, ramet_error *error);

/*
 * Loads a module into a context: its functions can then be called there. A module that is loaded already
 * is fine. Constructors in it run on a thread of the library's, and must not use the router.
 * Errors: -EINVAL (the name), -ENOENT (nobody above allows it), -ESTALE (what is allowed changed
 * meanwhile: try again), -EPROTO (what came is not what was promised), -ENOTSUP (a statically linked
 * program), -ENOEXEC (it is no shared object, or one for another machine, or not for this version of the
 * library), -ELIBACC (a symbol or a library is missing: the message says which), -EEXIST (a name of a
 * function is taken: the message says by whom), -ENFILE (too many modules), and those of calls.
 * Blocks, as a call does; ramet_context_with() gives it a time-out.
 */
int ramet_module_load(ramet_context *context, const char *name, ramet_error *error);

/* What a module exports, under the name ramet_module_self. */
struct ramet_module {
	size_t size;          /* of this structure */
	size_t function_size; /* of struct ramet_function */
	const char *name;
	const char *version; /* RAMET_VERSION */
	const struct ramet_function *const *begin, *const *end;
};

#ifdef __cplusplus
}
#define RAMET__MODULE_LINKAGE extern "C"
#else
#define RAMET__MODULE_LINKAGE extern
#endif

/* RAMET_MODULE(name);     once, in one source file of a shared object
 *
 * Makes it a module. The name is for messages: what it is loaded by is what it is allowed under. */
#define RAMET_MODULE(name)                                                                        \
	RAMET__MODULE_LINKAGE const struct ramet_module ramet_module_self                         \
		__attribute__((visibility("default")));                                           \
	const struct ramet_module ramet_module_self = {                                           \
		sizeof(struct ramet_module), sizeof(struct ramet_function), #name, RAMET_VERSION, \
		ramet__functions_begin,      ramet__functions_end}

#endif
