/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ramet-define.h: C functions that can be called in another context. <ramet.h> includes this file
 * at its end; programs include <ramet.h>.
 *
 *	RAMET_STRUCT(match, (i64, line), (str, text));
 *	RAMET_ARRAY(matches, match);
 *
 *	RAMET_FUNCTION(matches, search, (str, path), (str, word))
 *	{
 *		matches found = {NULL, 0};
 *		...                                  // path, word and `call` are here
 *		return found;
 *	}
 *
 *	matches found;
 *	if (search_call(context, "/etc/hosts", "localhost", &found, &error) == 0) {
 *		...
 *		matches_clear(&found);
 *	}
 *
 * KINDS say what a parameter, a result, a field or an item is:
 *
 *	kind       C type              notes
 *	none       void                results only
 *	boolean    bool
 *	i32        int32_t
 *	i64        int64_t
 *	u64        uint64_t
 *	f64        double
 *	str        const char *        may be NULL; any bytes but NUL: file names, too
 *	bytes      ramet_bytes         {.data, .size}
 *	value      ramet_value *       anything; may be NULL
 *	context    ramet_context *     a handle that is good wherever it arrives; may be NULL
 *	sender     ramet_sender *      the same
 *	NAME       NAME                what RAMET_STRUCT or RAMET_ARRAY defined
 *
 * FUNCTIONS. RAMET_FUNCTION(result, NAME, (kind, parameter)...) { body } defines, R being the
 * C type of the result,
 *
 *	static R NAME(ramet_call *call, TYPE parameter...)     the body; an ordinary function
 *	struct NAME_args { TYPE parameter; ... }               its arguments
 *	int NAME_call(ramet_context *context, TYPE parameter..., R *ret, ramet_error *error)
 *	int NAME_start(ramet_context *context, TYPE parameter..., ramet_receiver **ret,
 *	               ramet_error *error)
 *	int NAME_finish(ramet_receiver *receiver, int timeout, R *ret, ramet_error *error)
 *	int NAME_post(ramet_context *context, TYPE parameter..., ramet_error *error)
 *	int NAME_map(ramet_pool *pool, const struct NAME_args *tasks, size_t count, R *results, ...)
 *	int NAME_each(ramet_pool *pool, ...)
 *	int NAME_reduce(ramet_pool *pool, ...)
 *
 * _call waits for the answer. _start returns a receiver, which the caller unrefs, and _finish
 * takes the answer from it, waiting at most timeout milliseconds (-1: for ever). _post asks for no
 * answer at all. The last three execute it for many sets of arguments, in the contexts of a pool:
 * ramet-pool.h describes them. Where the result is none there is no `ret`, and no _reduce. All
 * return 0 or a negative errno; `ret` is written only on success; `error` may be NULL. There are 0
 * to 12 parameters. A parameter cannot be named `call`. RAMET_FUNCTION_OF(NAME) is what functions
 * of the library that take a function take.
 *
 * The same program runs in every context and a function is found by its name, so names are unique
 * in a program.
 *
 * OWNERSHIP. In a body, arguments are borrowed: they, and all that they point to, are good until
 * it returns (take a _ref of a context, a sender or a value to keep it). What a body returns is
 * encoded when it returns and is not consumed: pointers in it must be good until then, that is
 * static storage or ramet_call_alloc(call, size). After ramet_fail the returned value is ignored.
 * On the caller's side each pointer in a result was allocated for the caller: a str and the data
 * of bytes go to ramet_free(), a structure or an array to NAME_clear(), a context, sender or value
 * to its _unref. Arguments given to _call, _start and _post are copied before these return.
 *
 * A mistake is an error at the line of the program where it is: a wrong argument, an unknown kind,
 * a forgotten parenthesis. tests/compile/ has the list, and how many lines gcc and clang may print
 * for each.
 */
#ifndef RAMET_DEFINE_H
#define RAMET_DEFINE_H

/* Compilers then leave out most of the trail of macros that leads to a mistake in a definition. */
#pragma GCC system_header

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A number for a string, or a pointer to something else, would be sent as garbage. Compilers since
 * 2024 refuse both by themselves; this makes older ones do it, in all that includes this file. C++
 * always did. */
#ifndef __cplusplus
#pragma GCC diagnostic error "-Wint-conversion"
#pragma GCC diagnostic error "-Wincompatible-pointer-types"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* --- types at run time ----------------------------------------------------------------------- */

/* The descriptor of a C type. Those of kinds are arrays of one, `ramet_type_KIND`: see RAMET__USE.
 * The file-local ones of RAMET_STRUCT and RAMET_ARRAY have a copy in each file that includes their
 * header: compare them by content. */
struct ramet_type {
	const char *name;
	enum ramet_kind kind;
	unsigned count;                   /* STRUCT: of fields */
	size_t size;                      /* of the C object */
	const struct ramet_field *fields; /* STRUCT: count of them, and one without a name */
	const struct ramet_type *item;    /* ARRAY */
};

struct ramet_field {
	const char *name;
	const struct ramet_type *type;
	size_t offset;
};

#define RAMET_FUNCTION_CONCURRENT 1u /* runs on a worker thread, beside other functions */

struct ramet_function {
	const char *name;
	const struct ramet_type *result;
	struct ramet_type arguments; /* a STRUCT with the layout of struct NAME_args */
	void (*invoke)(ramet_call *call, const void *arguments, void *result);
	unsigned flags; /* RAMET_FUNCTION_* */
};

/* The kinds that are built in. */
extern const struct ramet_type ramet_type_none[1];
extern const struct ramet_type ramet_type_boolean[1];
extern const struct ramet_type ramet_type_i32[1];
extern const struct ramet_type ramet_type_i64[1];
extern const struct ramet_type ramet_type_u64[1];
extern const struct ramet_type ramet_type_f64[1];
extern const struct ramet_type ramet_type_str[1];
extern const struct ramet_type ramet_type_bytes[1];
extern const struct ramet_type ramet_type_value[1];
extern const struct ramet_type ramet_type_context[1];
extern const struct ramet_type ramet_type_sender[1];

/* What NAME_call, _start, _finish and _post are made of; for bindings that build descriptors
 * themselves. arguments points to a struct NAME_args, ret to an R (NULL where the result is none).
 * A descriptor must outlive every call. */
int ramet_function_call(const struct ramet_function *function, ramet_context *context,
			const void *arguments, void *ret, ramet_error *error);
int ramet_function_start(const struct ramet_function *function, ramet_context *context,
			 const void *arguments, ramet_receiver **ret, ramet_error *error);
int ramet_function_finish(const struct ramet_function *function, ramet_receiver *receiver,
			  int timeout, void *ret, ramet_error *error);
int ramet_function_post(const struct ramet_function *function, ramet_context *context,
			const void *arguments, ramet_error *error);

/* Frees all that a result of this type owns, not the object itself, and zeroes the object, so that
 * clearing twice does no harm. Never blocks. Any thread. NAME_clear() is this for NAME. */
void ramet_type_clear(const struct ramet_type *type, void *object);

/* --- the table of functions ------------------------------------------------------------------ */

/* The linker gathers a pointer to each definition's descriptor: there is nothing to register, and
 * no code runs before main. Pointers, because compilers may put padding between larger objects of
 * a section, and sanitizers do. Weak, since a program need not define a function. Hidden: the
 * table is that of the program, not of a library. */
#ifdef __APPLE__
#define RAMET__BEGIN __asm("section$start$__DATA$ramet_functions")
#define RAMET__END __asm("section$end$__DATA$ramet_functions")
#define RAMET__SECTION __attribute__((section("__DATA,ramet_functions"), used))
#else
#define RAMET__BEGIN __asm__("__start_ramet_functions") __attribute__((weak, visibility("hidden")))
#define RAMET__END __asm__("__stop_ramet_functions") __attribute__((weak, visibility("hidden")))
#ifdef __has_attribute
#if __has_attribute(retain) /* against linkers that collect such sections: -z start-stop-gc */
#define RAMET__SECTION __attribute__((section("ramet_functions"), used, retain))
#endif
#endif
#ifndef RAMET__SECTION
#define RAMET__SECTION __attribute__((section("ramet_functions"), used))
#endif
#endif
extern const struct ramet_function *const ramet__functions_begin[] RAMET__BEGIN;
extern const struct ramet_function *const ramet__functions_end[] RAMET__END;

/* What ramet_init() is made of, with a table of the caller's: for programs whose functions do not
 * come from definitions in C. The table must stay. */
int ramet_init_functions(int argc, char **argv, const struct ramet_function *const *begin,
			 const struct ramet_function *const *end);

/* The first thing that main does. In a child context it serves calls until the end and exits: it
 * never returns. In the process that the user started it returns 0 and leaves argv alone; a
 * negative errno is a program that cannot work, two functions with one name (-EEXIST) for
 * instance. Once, before any other thread is started. */
static inline int ramet_init(int argc, char **argv)
{
	return ramet_init_functions(argc, argv, ramet__functions_begin, ramet__functions_end);
}

#ifdef __cplusplus
}
#endif

/* It would take the lists of declarations below for expressions. */
/* clang-format off */

/* --- what programs use ----------------------------------------------------------------------- */

/* RAMET_FUNCTION(result, name, (kind, parameter)...) { body }
 *
 * A function for this file. Functions run one at a time, in the order in which calls arrive, on
 * the main thread of the context; while one runs others wait. */
#define RAMET_FUNCTION(result, ...) \
	RAMET__TOP(RAMET__LOCAL, result, 0, RAMET__NAME(__VA_ARGS__, ~), (__VA_ARGS__))

/* The same for a function that may run at the same time as others, and as itself, on a worker
 * thread. */
#define RAMET_CONCURRENT_FUNCTION(result, ...) \
	RAMET__TOP(RAMET__LOCAL, result, RAMET_FUNCTION_CONCURRENT, RAMET__NAME(__VA_ARGS__, ~), \
	           (__VA_ARGS__))

/* RAMET_DECLARE(result, name, (kind, parameter)...);           in a header
 * RAMET_DEFINE(result, name, (kind, parameter)...) { body }    in one source file that includes it
 *
 * A function for several files; the body is not static then. Parameters may have other names in
 * the definition, as in C; kinds and order must be the same. */
#define RAMET_DECLARE(result, ...) \
	RAMET__TOP(RAMET__DECLARE, result, RAMET__NAME(__VA_ARGS__, ~), (__VA_ARGS__))
#define RAMET_DEFINE(result, ...) \
	RAMET__TOP(RAMET__DEFINE, result, 0, RAMET__NAME(__VA_ARGS__, ~), (__VA_ARGS__))
#define RAMET_DEFINE_CONCURRENT(result, ...) \
	RAMET__TOP(RAMET__DEFINE, result, RAMET_FUNCTION_CONCURRENT, RAMET__NAME(__VA_ARGS__, ~), \
	           (__VA_ARGS__))

/* A function as an argument: a const struct ramet_function *. */
#define RAMET_FUNCTION_OF(name) (&name##__function)

/* RAMET_STRUCT(name, (kind, field)...);        in a header or a source file
 *
 * typedef struct name { ... } name, the kind `name`, and void name_clear(name *), which frees what
 * a result of that kind owns. At most 12 fields; on the wire they are known by their order, not by
 * their names. */
#define RAMET_STRUCT(...) \
	RAMET__TOP(RAMET__STRUCT, RAMET__NAME(__VA_ARGS__, ~), (__VA_ARGS__))

/* RAMET_ARRAY(name, kind);                     in a header or a source file
 *
 * typedef struct name { TYPE *items; size_t count; } name, the kind `name`, and void
 * name_clear(name *). */
#define RAMET_ARRAY(name, item) \
	RAMET__TOP(RAMET__ARRAY, name, item)

/* === what follows is not API ================================================================= */

/* Names that a user may not have thought of: ramet__* and NAME__*. Generated functions name their
 * parameters by number, so that those of the program collide with nothing but `call`. list is
 * (name, pair...) everywhere. */

#define RAMET__LOCAL(result, flags, name, list) \
	RAMET__VERIFY(result, name, list) \
	RAMET__TYPES(result, name, list) \
	RAMET__ARGS(name, list) \
	static RAMET__PROTOTYPE(result, name, list); \
	RAMET__SHAPE(result, name, list) \
	static RAMET__DESCRIPTOR(result, flags, name, list) \
	RAMET__STUBS(result, name, list) \
	static RAMET__BODY(result, name, __kind_0, RAMET__EACH(RAMET__M_PARAMETER, , list))

#define RAMET__DECLARE(result, name, list) \
	RAMET__VERIFY(result, name, list) \
	RAMET__TYPES(result, name, list) \
	RAMET__ARGS(name, list) \
	RAMET__PROTOTYPE(result, name, list); \
	RAMET__SHAPE(result, name, list) \
	extern const struct ramet_function name##__function; \
	RAMET__STUBS(result, name, list) \
	struct name##_args

/* Nothing here depends on the parameters but the head of the body, so that a definition that
 * differs from the declaration is one error. */
#define RAMET__DEFINE(result, flags, name, list) \
	RAMET__VERIFY(result, name, list) \
	RAMET__IF_NONE(result, , RAMET__USE(name##__again_0, result, name)) \
	RAMET__EACH(RAMET__M_USE_AGAIN, , list) \
	RAMET__DESCRIPTOR(result, flags, name, list) \
	RAMET__BODY(result, name, __again_0, RAMET__EACH(RAMET__M_PARAMETER_AGAIN, , list))

#define RAMET__STRUCT(name, list) \
	RAMET__VERIFY(none, name, list) \
	RAMET__EACH(RAMET__M_USE, , list) \
	RAMET__EACH(RAMET__M_TYPEDEF, , list) \
	typedef struct name { RAMET__EACH(RAMET__M_FIELD, , list) } name; \
	static const struct ramet_field name##__fields[] = { \
		RAMET__EACH(RAMET__M_STRUCT_ENTRY, , list) {NULL, NULL, 0}}; \
	RAMET__TYPE(name, RAMET_KIND_STRUCT, RAMET__COUNT list, name##__fields, NULL)

#define RAMET__ARRAY(name, item_kind) \
	RAMET__VERIFY(item_kind, name, (name)) \
	RAMET__USE(name##__kind_1, item_kind, name) \
	typedef __typeof__(name##__kind_1) name##__type_1; \
	typedef struct name { \
		name##__type_1 *items; \
		size_t count; \
	} name; \
	RAMET__TYPE(name, RAMET_KIND_ARRAY, 0, NULL, ramet_type_##item_kind)

#define RAMET__TYPE(name, kind, count, fields, item) \
	RAMET__UNUSED static const struct ramet_type ramet_type_##name[1] = { \
		{#name, kind, count, sizeof(struct name), fields, item}}; \
	RAMET__UNUSED static inline void name##_clear(struct name *ramet__object) \
	{ \
		ramet_type_clear(ramet_type_##name, ramet__object); \
	} \
	struct name

/* NAME__kind_N is a variable that is never defined: its type is the C type of parameter N (0: of
 * the result). */
#define RAMET__TYPES(result, name, list) \
	RAMET__IF_NONE(result, , RAMET__USE(name##__kind_0, result, name)) \
	RAMET__EACH(RAMET__M_USE, , list)

/* The typedef is for clang, to which offsetof in a structure with a failed field is an error. */
#define RAMET__ARGS(name, list) \
	RAMET__EACH(RAMET__M_TYPEDEF, , list) \
	struct name##_args { RAMET__EACH(RAMET__M_FIELD, char ramet__nothing;, list) };

#define RAMET__PROTOTYPE(result, name, list) \
	RAMET__IF_NONE(result, void, __typeof__(name##__kind_0)) \
	name(ramet_call *ramet__call RAMET__EACH(RAMET__M_STUB_PARAMETER, , list))

#define RAMET__BODY(result, name, witness, parameters) \
	RAMET__IF_NONE(result, void, __typeof__(name##witness)) \
	name(RAMET__UNUSED ramet_call *call parameters)

/* What the library needs to call the body. */
#define RAMET__SHAPE(result, name, list) \
	RAMET__UNUSED static void name##__invoke(RAMET__UNUSED ramet_call *ramet__call, \
	                                         const void *ramet__arguments, void *ramet__ret) \
	{ \
		const struct name##_args *ramet__args = \
			(const struct name##_args *)ramet__arguments; \
		(void)ramet__args; \
		(void)ramet__ret; \
		RAMET__IF_NONE(result, , *(__typeof__(name##__kind_0) *)ramet__ret =) \
		name(ramet__call RAMET__EACH(RAMET__M_ARGUMENT, , list)); \
	} \
	RAMET__UNUSED static const struct ramet_field name##__fields[] = { \
		RAMET__EACH(RAMET__M_ARGS_ENTRY, , list) {NULL, NULL, 0}};

#define RAMET__DESCRIPTOR(result, flags, name, list) \
	const struct ramet_function name##__function = { \
		#name, ramet_type_##result, \
		{#name, RAMET_KIND_STRUCT, RAMET__COUNT list, sizeof(struct name##_args), \
		 name##__fields, NULL}, \
		name##__invoke, flags}; \
	RAMET__IN_TABLE(name)

#define RAMET__IN_TABLE(name) \
	static const struct ramet_function *const name##__entry RAMET__SECTION = &name##__function;

/* One RAMET__STUB for each function that a definition generates. */
#define RAMET__STUBS(result, name, list) \
	RAMET__STUB(name, _call, (RAMET__TO(list), RAMET__RET(result, name) RAMET__ERROR), \
		RAMET__GATHER(name, list) \
		return ramet_function_call(&name##__function, ramet__context, &ramet__args, \
			RAMET__IF_NONE(result, NULL, ramet__ret), ramet__error)) \
	RAMET__STUB(name, _start, (RAMET__TO(list), ramet_receiver **ramet__ret, RAMET__ERROR), \
		RAMET__GATHER(name, list) \
		return ramet_function_start(&name##__function, ramet__context, &ramet__args, \
			ramet__ret, ramet__error)) \
	RAMET__STUB(name, _finish, (RAMET__FROM, RAMET__RET(result, name) RAMET__ERROR), \
		return ramet_function_finish(&name##__function, ramet__receiver, ramet__timeout, \
			RAMET__IF_NONE(result, NULL, ramet__ret), ramet__error)) \
	RAMET__STUB(name, _post, (RAMET__TO(list), RAMET__ERROR), \
		RAMET__GATHER(name, list) \
		return ramet_function_post(&name##__function, ramet__context, &ramet__args, \
			ramet__error)) \
	RAMET__POOL_STUB(name, _map, (RAMET__OVER(name) RAMET__RESULTS(result, name) RAMET__HOW), \
		return ramet_function_map(&name##__function, ramet__pool, ramet__tasks, \
			ramet__count, RAMET__IF_NONE(result, NULL, ramet__results), \
			ramet__options, ramet__error)) \
	RAMET__CALLBACKS(result, name) \
	RAMET__POOL_STUB(name, _each, (ramet_pool *ramet__pool, \
			int (*ramet__next)(struct name##_args *, void *), \
			int (*ramet__done)(uint64_t RAMET__RESULT(result, name), void *), \
			void *ramet__data, RAMET__HOW), \
		struct name##__callbacks ramet__all = {ramet__next, ramet__done, ramet__data}; \
		return ramet_function_each(&name##__function, ramet__pool, name##__next, \
			name##__done, &ramet__all, ramet__options, ramet__error)) \
	RAMET__IF_NONE(result, RAMET__NO_REDUCE(name), RAMET__POOL_STUB(name, _reduce, \
		(RAMET__OVER(name) const struct ramet_function *ramet__combine, \
			RAMET__RET(result, name) RAMET__HOW), \
		return ramet_function_reduce(&name##__function, ramet__pool, ramet__tasks, \
			ramet__count, ramet__combine, ramet__ret, ramet__options, ramet__error)))

#define RAMET__TO(list) \
	ramet_context *ramet__context RAMET__EACH(RAMET__M_STUB_PARAMETER, , list)
#define RAMET__FROM \
	ramet_receiver *ramet__receiver, int ramet__timeout
#define RAMET__RET(result, name) \
	RAMET__IF_NONE(result, , __typeof__(name##__kind_0) *ramet__ret,)
#define RAMET__ERROR \
	ramet_error *ramet__error
#define RAMET__GATHER(name, list) \
	struct name##_args ramet__args = {RAMET__EACH(RAMET__M_STUB_ARGUMENT, 0, list)};

/* Old compilers take what was never declared for a function. */
#define RAMET__NO_REDUCE(name) \
	RAMET__UNUSED static const char name##_reduce = 0;

#define RAMET__OVER(name) \
	ramet_pool *ramet__pool, const struct name##_args *ramet__tasks, size_t ramet__count,
#define RAMET__RESULTS(result, name) \
	RAMET__IF_NONE(result, , __typeof__(name##__kind_0) *ramet__results,)
#define RAMET__RESULT(result, name) \
	RAMET__IF_NONE(result, , RAMET__COMMA __typeof__(name##__kind_0) *)
#define RAMET__COMMA ,
#define RAMET__HOW \
	const ramet_pool_map_options *ramet__options, ramet_error *ramet__error

/* The callbacks of the program know what they point to, those of the library do not. */
#define RAMET__CALLBACKS(result, name) \
	struct name##__callbacks { \
		int (*next)(struct name##_args *, void *); \
		int (*done)(uint64_t RAMET__RESULT(result, name), void *); \
		void *data; \
	}; \
	RAMET__UNUSED static int name##__next(void *ramet__task, void *ramet__data) \
	{ \
		struct name##__callbacks *ramet__all = (struct name##__callbacks *)ramet__data; \
		return ramet__all->next((struct name##_args *)ramet__task, ramet__all->data); \
	} \
	RAMET__UNUSED static int name##__done(uint64_t ramet__index, \
	                                      RAMET__UNUSED void *ramet__result, \
	                                      void *ramet__data) \
	{ \
		struct name##__callbacks *ramet__all = (struct name##__callbacks *)ramet__data; \
		return ramet__all->done(ramet__index RAMET__IF_NONE(result, , \
			RAMET__COMMA (__typeof__(name##__kind_0) *)ramet__result), \
			ramet__all->data); \
	}

/* A constant pointer to an inline function costs nothing once it is optimized, and a compiler that
 * refuses a call through it has no declaration to print after the error. */
#define RAMET__STUB(name, suffix, parameters, ...) \
	RAMET__UNUSED static inline int name##_##suffix parameters { __VA_ARGS__; } \
	RAMET__UNUSED static __typeof__(name##_##suffix) *const name##suffix = name##_##suffix;

/* gcc keeps such a pointer where it does not optimize, with all that it leads to. A module must not need pools
 * that the program which loads it does not have. */
#if defined(__PIC__) && !defined(__PIE__) && !defined(__OPTIMIZE__)
#define RAMET__POOL_STUB(name, suffix, parameters, ...) \
	RAMET__UNUSED static inline int name##suffix parameters { __VA_ARGS__; }
#else
#define RAMET__POOL_STUB RAMET__STUB
#endif

#define RAMET__UNUSED __attribute__((unused))

/* --- kinds ----------------------------------------------------------------------------------- */

/* The C type of a kind that is built in, as the second of two; any other kind is its own C type. */
#define RAMET__KIND_boolean ~, bool
#define RAMET__KIND_i32     ~, int32_t
#define RAMET__KIND_i64     ~, int64_t
#define RAMET__KIND_u64     ~, uint64_t
#define RAMET__KIND_f64     ~, double
#define RAMET__KIND_str     ~, const char *
#define RAMET__KIND_bytes   ~, ramet_bytes
#define RAMET__KIND_value   ~, ramet_value *
#define RAMET__KIND_context ~, ramet_context *
#define RAMET__KIND_sender  ~, ramet_sender *
#define RAMET__C_TYPE(kind) RAMET__SECOND(RAMET__KIND_##kind, kind, ~)

/* RAMET__IF_NONE(kind, then, else): else may have commas. */
#define RAMET__IF_NONE(kind, ...) RAMET__SECOND(RAMET__NONE_##kind, RAMET__ELSE, ~)(__VA_ARGS__)
#define RAMET__NONE_none          ~, RAMET__THEN
#define RAMET__THEN(then, ...)    then
#define RAMET__ELSE(then, ...)    __VA_ARGS__

/* Declares the witness. An unknown kind is an error at the user's word and nothing more: what
 * depends on a failed declaration is not reported again, and its descriptor is declared here. That
 * is an array whose size only the definition of a kind tells, by which a C type that is not a kind
 * is recognized. */
#define RAMET__USE(witness, kind, parameter) \
	extern __typeof__(RAMET__C_TYPE(kind)) witness; \
	extern const struct ramet_type ramet_type_##kind[]; \
	RAMET__CHECK(witness, ramet_type_##kind, kind, parameter)

#if defined(__cplusplus)
extern "C++" {
template <typename T> struct ramet__is_kind {
	static const bool value = true;
};
template <typename T> struct ramet__is_kind<T[]> {
	static const bool value = false;
};
}
#define RAMET__CHECK(witness, type, kind, parameter) \
	static_assert(ramet__is_kind<__typeof__(type)>::value, #kind " is not a kind");
#elif defined(__clang__)
/* At a static assertion clang prints the whole trail of macros; not so at a name that the user
 * wrote, such as that of a field that cannot be void. */
#define RAMET__CHECK(witness, type, kind, parameter) \
	typedef __typeof__(*__builtin_choose_expr(sizeof(witness) && RAMET__UNKNOWN(type), \
		(void *)0, (int *)0)) witness##_is_not_a_kind; \
	struct witness##_check { witness##_is_not_a_kind parameter; };
#else
/* The enumerator is zero where its expression has failed, so that the assertion holds then. */
#define RAMET__CHECK(witness, type, kind, parameter) \
	enum { witness##_check = sizeof(RAMET__C_TYPE(kind)) ? RAMET__UNKNOWN(type) : 0 }; \
	_Static_assert(!witness##_check, #kind " is not a kind");
#endif
#define RAMET__UNKNOWN(type) \
	__builtin_types_compatible_p(__typeof__(type), const struct ramet_type[2])

/* --- mistakes that the preprocessor sees ----------------------------------------------------- */

/* A definition that is not in order, (kind, parameter), would make dozens of errors in it and in
 * its body. Therefore the first one ends the compilation, and the one fatal error that a macro can
 * cause is a missing file. clang says where that was, gcc does not. */
#ifdef __clang__
#define RAMET__REFUSE(text) RAMET__PRAGMA(GCC dependency text)
#else
#define RAMET__REFUSE(text) RAMET__PRAGMA(GCC error text) RAMET__PRAGMA(GCC dependency "see above")
#endif
#define RAMET__PRAGMA(text) _Pragma(#text)

#define RAMET__FINE(...)
#define RAMET__BAD_COUNT(...) RAMET__REFUSE("there are more than 12 parameters or fields")
#define RAMET__BAD_NAME(...)  RAMET__REFUSE("the name is missing")
#define RAMET__BAD_PAIR(...)  RAMET__REFUSE("a parameter or field is written (kind, name)")
#define RAMET__BAD_NONE(...)  RAMET__REFUSE("only a result can be none")
#define RAMET__BAD_KIND(...) \
	RAMET__REFUSE("a C type is not a kind: boolean i32 i64 u64 f64 str bytes, RAMET_STRUCT...")

#define RAMET__VERIFY(result, name, list) \
	RAMET__VERIFY_COUNT list \
	RAMET__SECOND(RAMET__NAME_IS_PAIR name, RAMET__VERIFY_NAME, ~)(name) \
	RAMET__IF_NONE(result, , RAMET__VERIFY_KIND(result)) \
	RAMET__EACH(RAMET__M_VERIFY, , list)

#define RAMET__VERIFY_COUNT(...) \
	RAMET__VERIFY_13(RAMET__PICK(__VA_ARGS__, ~, ~, ~, ~, ~, ~, ~, ~, ~, ~, ~, ~, ~, ~))
#define RAMET__VERIFY_13(pair)   RAMET__SECOND(RAMET__PAIR_13 pair, RAMET__FINE, ~)()
#define RAMET__PAIR_13(...)      ~, RAMET__BAD_COUNT

#define RAMET__NAME_IS_PAIR(...) ~, RAMET__BAD_NAME
#define RAMET__VERIFY_NAME(name) RAMET__SECOND(RAMET__NAME_IS_##name, RAMET__FINE, ~)()
#define RAMET__NAME_IS_          ~, RAMET__BAD_NAME

#define RAMET__M_VERIFY(name, i, pair) RAMET__SECOND(RAMET__IS_PAIR pair, RAMET__BAD_PAIR, ~)(pair)
#define RAMET__IS_PAIR(...) \
	~, RAMET__PICK(__VA_ARGS__, RAMET__BAD_PAIR, RAMET__BAD_PAIR, RAMET__BAD_PAIR, \
	               RAMET__BAD_PAIR, RAMET__BAD_PAIR, RAMET__BAD_PAIR, RAMET__BAD_PAIR, \
	               RAMET__BAD_PAIR, RAMET__BAD_PAIR, RAMET__BAD_PAIR, RAMET__BAD_PAIR, \
	               RAMET__VERIFY_PAIR, RAMET__BAD_PAIR, ~)
#define RAMET__VERIFY_PAIR(pair) RAMET__GIVE(RAMET__VERIFY_KIND, RAMET__KIND pair)
#define RAMET__VERIFY_KIND(kind) RAMET__SECOND(RAMET__NOT_##kind, RAMET__FINE, ~)()

/* Behind the comma goes the rest of a type of several words. */
#define RAMET__NOT_none     ~, RAMET__BAD_NONE,
#define RAMET__NOT_void     ~, RAMET__BAD_KIND,
#define RAMET__NOT_bool     ~, RAMET__BAD_KIND,
#define RAMET__NOT__Bool    ~, RAMET__BAD_KIND,
#define RAMET__NOT_char     ~, RAMET__BAD_KIND,
#define RAMET__NOT_short    ~, RAMET__BAD_KIND,
#define RAMET__NOT_int      ~, RAMET__BAD_KIND,
#define RAMET__NOT_long     ~, RAMET__BAD_KIND,
#define RAMET__NOT_float    ~, RAMET__BAD_KIND,
#define RAMET__NOT_double   ~, RAMET__BAD_KIND,
#define RAMET__NOT_signed   ~, RAMET__BAD_KIND,
#define RAMET__NOT_unsigned ~, RAMET__BAD_KIND,
#define RAMET__NOT_const    ~, RAMET__BAD_KIND,
#define RAMET__NOT_volatile ~, RAMET__BAD_KIND,
#define RAMET__NOT_struct   ~, RAMET__BAD_KIND,
#define RAMET__NOT_union    ~, RAMET__BAD_KIND,
#define RAMET__NOT_enum     ~, RAMET__BAD_KIND,

/* --- what is done with each parameter -------------------------------------------------------- */

#define RAMET__KIND(kind, parameter)      kind
#define RAMET__PARAMETER(kind, parameter) parameter

#define RAMET__M_USE(name, i, pair) \
	RAMET__GIVE(RAMET__USE, name##__kind_##i, RAMET__KIND pair, RAMET__PARAMETER pair)
#define RAMET__M_USE_AGAIN(name, i, pair) \
	RAMET__GIVE(RAMET__USE, name##__again_##i, RAMET__KIND pair, RAMET__PARAMETER pair)
#define RAMET__M_TYPEDEF(name, i, pair) \
	typedef __typeof__(name##__kind_##i) name##__type_##i;
#define RAMET__M_FIELD(name, i, pair) \
	name##__type_##i RAMET__PARAMETER pair;
#define RAMET__M_PARAMETER(name, i, pair) \
	, RAMET__UNUSED __typeof__(name##__kind_##i) RAMET__PARAMETER pair
#define RAMET__M_PARAMETER_AGAIN(name, i, pair) \
	, RAMET__UNUSED __typeof__(name##__again_##i) RAMET__PARAMETER pair
#define RAMET__M_ARGUMENT(name, i, pair) \
	, ramet__args->RAMET__PARAMETER pair
#define RAMET__M_STUB_PARAMETER(name, i, pair) \
	, __typeof__(name##__kind_##i) ramet__##i
#define RAMET__M_STUB_ARGUMENT(name, i, pair) \
	ramet__##i,
#define RAMET__M_ARGS_ENTRY(name, i, pair) \
	RAMET__GIVE(RAMET__ENTRY, struct name##_args, RAMET__KIND pair, RAMET__PARAMETER pair)
#define RAMET__M_STRUCT_ENTRY(name, i, pair) \
	RAMET__GIVE(RAMET__ENTRY, struct name, RAMET__KIND pair, RAMET__PARAMETER pair)
#define RAMET__ENTRY(object, kind, parameter) \
	{#parameter, ramet_type_##kind, offsetof(object, parameter)},

/* --- preprocessing --------------------------------------------------------------------------- */

/* A macro is not expanded again inside its own expansion, so there are two of the kind that calls
 * another one once the arguments are expanded: TOP for definitions, GIVE inside RAMET__M_*. */
#define RAMET__TOP(macro, ...)    macro(__VA_ARGS__)
#define RAMET__GIVE(macro, ...)   macro(__VA_ARGS__)
#define RAMET__UNWRAP(...)        __VA_ARGS__
#define RAMET__NAME(name, ...)    name
#define RAMET__SECOND(...)        RAMET__SECOND_(__VA_ARGS__)
#define RAMET__SECOND_(a, b, ...) b

/* The 14th argument: of (name, pair..., 12, 11, ... 0) that is the number of pairs. */
#define RAMET__PICK(n, a, b, c, d, e, f, g, h, i, j, k, l, result, ...) result
#define RAMET__COUNT(...) \
	RAMET__PICK(__VA_ARGS__, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, ~)

/* M(name, 1, pair) M(name, 2, pair) ..., or `none` where there is no pair. */
#define RAMET__EACH(M, none, list) RAMET__EACH_(M, none, RAMET__UNWRAP list)
#define RAMET__EACH_(M, none, ...) \
	RAMET__PICK(__VA_ARGS__, RAMET__EACH_12, RAMET__EACH_11, RAMET__EACH_10, RAMET__EACH_9, \
	            RAMET__EACH_8, RAMET__EACH_7, RAMET__EACH_6, RAMET__EACH_5, RAMET__EACH_4, \
	            RAMET__EACH_3, RAMET__EACH_2, RAMET__EACH_1, RAMET__EACH_0, ~) \
	(M, none, __VA_ARGS__)
#define RAMET__EACH_0(M, none, n) none
#define RAMET__EACH_1(M, none, n, a) \
	M(n, 1, a)
#define RAMET__EACH_2(M, none, n, a, b) \
	M(n, 1, a) M(n, 2, b)
#define RAMET__EACH_3(M, none, n, a, b, c) \
	M(n, 1, a) M(n, 2, b) M(n, 3, c)
#define RAMET__EACH_4(M, none, n, a, b, c, d) \
	M(n, 1, a) M(n, 2, b) M(n, 3, c) M(n, 4, d)
#define RAMET__EACH_5(M, none, n, a, b, c, d, e) \
	M(n, 1, a) M(n, 2, b) M(n, 3, c) M(n, 4, d) M(n, 5, e)
#define RAMET__EACH_6(M, none, n, a, b, c, d, e, f) \
	M(n, 1, a) M(n, 2, b) M(n, 3, c) M(n, 4, d) M(n, 5, e) M(n, 6, f)
#define RAMET__EACH_7(M, none, n, a, b, c, d, e, f, g) \
	M(n, 1, a) M(n, 2, b) M(n, 3, c) M(n, 4, d) M(n, 5, e) M(n, 6, f) \
	M(n, 7, g)
#define RAMET__EACH_8(M, none, n, a, b, c, d, e, f, g, h) \
	M(n, 1, a) M(n, 2, b) M(n, 3, c) M(n, 4, d) M(n, 5, e) M(n, 6, f) \
	M(n, 7, g) M(n, 8, h)
#define RAMET__EACH_9(M, none, n, a, b, c, d, e, f, g, h, i) \
	M(n, 1, a) M(n, 2, b) M(n, 3, c) M(n, 4, d) M(n, 5, e) M(n, 6, f) \
	M(n, 7, g) M(n, 8, h) M(n, 9, i)
#define RAMET__EACH_10(M, none, n, a, b, c, d, e, f, g, h, i, j) \
	M(n, 1, a) M(n, 2, b) M(n, 3, c) M(n, 4, d) M(n, 5, e) M(n, 6, f) \
	M(n, 7, g) M(n, 8, h) M(n, 9, i) M(n, 10, j)
#define RAMET__EACH_11(M, none, n, a, b, c, d, e, f, g, h, i, j, k) \
	M(n, 1, a) M(n, 2, b) M(n, 3, c) M(n, 4, d) M(n, 5, e) M(n, 6, f) \
	M(n, 7, g) M(n, 8, h) M(n, 9, i) M(n, 10, j) M(n, 11, k)
#define RAMET__EACH_12(M, none, n, a, b, c, d, e, f, g, h, i, j, k, l) \
	M(n, 1, a) M(n, 2, b) M(n, 3, c) M(n, 4, d) M(n, 5, e) M(n, 6, f) \
	M(n, 7, g) M(n, 8, h) M(n, 9, i) M(n, 10, j) M(n, 11, k) M(n, 12, l)

#endif
