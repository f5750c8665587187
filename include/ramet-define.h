/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ramet-define.h: the macros that make C functions callable in another context. <ramet.h> includes it; programs
 * include <ramet.h>.
 */
#ifndef RAMET_DEFINE_H
#define RAMET_DEFINE_H

/* Compilers then leave out the trail of macro expansions when they report a mistake in a definition; what remains
 * is the line of the program that is wrong. */
#pragma GCC system_header

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A pointer where a number belongs, or a pointer to another type, would be sent as garbage. Compilers from 2024 on
 * refuse both by default; this makes older ones do so too. */
#ifndef __cplusplus
#pragma GCC diagnostic error "-Wint-conversion"
#pragma GCC diagnostic error "-Wincompatible-pointer-types"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* --- types at run time -------------------------------------------------------------------------------------- */

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
	RAMET_KIND_MAP
};

struct ramet_field;

/* What the library knows about a C type. Descriptors are arrays of one, so that the name is a pointer to it. */
struct ramet_type {
	const char *name;
	enum ramet_kind kind;
	unsigned count;                   /* of fields */
	size_t size;                      /* of the C object */
	const struct ramet_field *fields; /* RAMET_KIND_STRUCT */
	const struct ramet_type *item;    /* RAMET_KIND_ARRAY */
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
	struct ramet_type arguments; /* RAMET_KIND_STRUCT, laid out as struct NAME_args */
	void (*invoke)(ramet_call *call, const void *arguments, void *result);
	unsigned flags;
};

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

int ramet_function_call(const struct ramet_function *function, ramet_context *context, const void *arguments,
                        void *ret, ramet_error *error);
int ramet_function_start(const struct ramet_function *function, ramet_context *context, const void *arguments,
                         ramet_receiver **ret, ramet_error *error);
int ramet_function_finish(const struct ramet_function *function, ramet_receiver *receiver, int timeout, void *ret,
                          ramet_error *error);
int ramet_function_post(const struct ramet_function *function, ramet_context *context, const void *arguments,
                        ramet_error *error);
void ramet_type_clear(const struct ramet_type *type, void *object);
int ramet_init_functions(int argc, char **argv, const struct ramet_function *const *begin,
                         const struct ramet_function *const *end);

/* --- the table of functions --------------------------------------------------------------------------------- */

/* The linker gathers one pointer per function; pointers, because padding between larger entries would depend on the
 * compiler. Weak: a program need not define a function. Hidden: the table is the program's own. */
extern const struct ramet_function *const __start_ramet_functions[]
	__attribute__((weak, visibility("hidden")));
extern const struct ramet_function *const __stop_ramet_functions[]
	__attribute__((weak, visibility("hidden")));

#if defined(__has_attribute)
#if __has_attribute(retain)
#define RAMET__RETAIN , retain
#endif
#endif
#ifndef RAMET__RETAIN
#define RAMET__RETAIN
#endif
#define RAMET__SECTION __attribute__((section("ramet_functions"), used RAMET__RETAIN))

static inline int ramet_init(int argc, char **argv)
{
	return ramet_init_functions(argc, argv, __start_ramet_functions, __stop_ramet_functions);
}

#ifdef __cplusplus
}
#endif

/* --- the public macros -------------------------------------------------------------------------------------- */

#define RAMET_FUNCTION(result, ...) \
	RAMET__FUNCTION(result, 0, __VA_ARGS__)
#define RAMET_CONCURRENT_FUNCTION(result, ...) \
	RAMET__FUNCTION(result, RAMET_FUNCTION_CONCURRENT, __VA_ARGS__)

#define RAMET_DECLARE(result, ...) \
	RAMET__TOP(RAMET__DECLARE, result, RAMET__NAME(__VA_ARGS__, ~), (__VA_ARGS__))
#define RAMET_DEFINE(result, ...) \
	RAMET__TOP(RAMET__DEFINE, result, 0, RAMET__NAME(__VA_ARGS__, ~), (__VA_ARGS__))
#define RAMET_DEFINE_CONCURRENT(result, ...) \
	RAMET__TOP(RAMET__DEFINE, result, RAMET_FUNCTION_CONCURRENT, RAMET__NAME(__VA_ARGS__, ~), (__VA_ARGS__))

#define RAMET_STRUCT(...) \
	RAMET__TOP(RAMET__STRUCT, RAMET__NAME(__VA_ARGS__, ~), (__VA_ARGS__))

#define RAMET_ARRAY(name, item) \
	RAMET__USE(name, 1, item) \
	typedef struct name { \
		__typeof__(name##__kind_1) *items; \
		size_t count; \
	} name; \
	RAMET__TYPE(name, RAMET_KIND_ARRAY, 0, NULL, ramet_type_##item)

/* --- definitions -------------------------------------------------------------------------------------------- */

#define RAMET__FUNCTION(result, flags, ...) \
	RAMET__TOP(RAMET__LOCAL, result, flags, RAMET__NAME(__VA_ARGS__, ~), (__VA_ARGS__))

/* list is (name, pair...). */
#define RAMET__LOCAL(result, flags, name, list) \
	RAMET__TYPES(result, name, list) \
	RAMET__ARGS(name, list) \
	static RAMET__BODY(result, name, list); \
	RAMET__DESCRIPTOR(static, result, flags, name, list) \
	RAMET__STUBS(result, name, list) \
	static RAMET__BODY(result, name, list)

#define RAMET__DECLARE(result, name, list) \
	RAMET__TYPES(result, name, list) \
	RAMET__ARGS(name, list) \
	RAMET__BODY(result, name, list); \
	extern const struct ramet_function name##__function; \
	RAMET__STUBS(result, name, list) \
	struct name##_args

#define RAMET__DEFINE(result, flags, name, list) \
	RAMET__TYPES(result, name, list) \
	RAMET__DESCRIPTOR(, result, flags, name, list) \
	RAMET__BODY(result, name, list)

#define RAMET__STRUCT(name, list) \
	RAMET__EACH(RAMET__M_USE, , list) \
	typedef struct name { RAMET__EACH(RAMET__M_FIELD, , list) } name; \
	static const struct ramet_field name##__fields[] = {RAMET__EACH(RAMET__M_STRUCT_ENTRY, , list) {NULL, NULL, 0}}; \
	RAMET__TYPE(name, RAMET_KIND_STRUCT, RAMET__COUNT list, name##__fields, NULL)

#define RAMET__TYPE(name, kind, count, fields, item) \
	RAMET__UNUSED static const struct ramet_type ramet_type_##name[1] = { \
		{#name, kind, count, sizeof(struct name), fields, item}}; \
	RAMET__UNUSED static inline void name##_clear(struct name *ramet__object) \
	{ \
		ramet_type_clear(ramet_type_##name, ramet__object); \
	} \
	struct name

/* NAME__kind_N is a variable that is never defined: its type is the C type of parameter N (0: of the result). */
#define RAMET__TYPES(result, name, list) \
	RAMET__IF_NONE(result, , RAMET__USE(name, 0, result)) \
	RAMET__EACH(RAMET__M_USE, , list)

#define RAMET__ARGS(name, list) \
	struct name##_args { RAMET__EACH(RAMET__M_FIELD, char ramet__nothing;, list) };

#define RAMET__BODY(result, name, list) \
	RAMET__IF_NONE(result, void, __typeof__(name##__kind_0)) \
	name(RAMET__UNUSED ramet_call *call RAMET__EACH(RAMET__M_PARAMETER, , list))

#define RAMET__DESCRIPTOR(storage, result, flags, name, list) \
	static void name##__invoke(ramet_call *ramet__call, const void *ramet__arguments, void *ramet__ret) \
	{ \
		const struct name##_args *ramet__args = (const struct name##_args *)ramet__arguments; \
		(void)ramet__args; \
		(void)ramet__ret; \
		RAMET__IF_NONE(result, , *(__typeof__(name##__kind_0) *)ramet__ret =) \
		name(ramet__call RAMET__EACH(RAMET__M_ARGUMENT, , list)); \
	} \
	static const struct ramet_field name##__fields[] = { \
		RAMET__EACH(RAMET__M_ARGS_ENTRY, , list) {NULL, NULL, 0}}; \
	storage const struct ramet_function name##__function = { \
		#name, ramet_type_##result, \
		{#name, RAMET_KIND_STRUCT, RAMET__COUNT list, sizeof(struct name##_args), name##__fields, NULL}, \
		name##__invoke, flags}; \
	static const struct ramet_function *const name##__entry RAMET__SECTION = &name##__function;

/* One line for each function that a definition generates. */
#define RAMET__STUBS(result, name, list) \
	RAMET__STUB(name, _call, (RAMET__TO(list), RAMET__RET(result, name) RAMET__ERROR), \
		RAMET__GATHER(name, list) \
		return ramet_function_call(&name##__function, ramet__context, &ramet__args, \
		                           RAMET__IF_NONE(result, NULL, ramet__ret), ramet__error)) \
	RAMET__STUB(name, _start, (RAMET__TO(list), ramet_receiver **ramet__ret, RAMET__ERROR), \
		RAMET__GATHER(name, list) \
		return ramet_function_start(&name##__function, ramet__context, &ramet__args, ramet__ret, ramet__error)) \
	RAMET__STUB(name, _finish, \
	        (ramet_receiver *ramet__receiver, int ramet__timeout, RAMET__RET(result, name) RAMET__ERROR), \
		return ramet_function_finish(&name##__function, ramet__receiver, ramet__timeout, \
		                             RAMET__IF_NONE(result, NULL, ramet__ret), ramet__error)) \
	RAMET__STUB(name, _post, (RAMET__TO(list), RAMET__ERROR), \
		RAMET__GATHER(name, list) \
		return ramet_function_post(&name##__function, ramet__context, &ramet__args, ramet__error))

#define RAMET__TO(list)           ramet_context *ramet__context RAMET__EACH(RAMET__M_STUB_PARAMETER, , list)
#define RAMET__RET(result, name)  RAMET__IF_NONE(result, , __typeof__(name##__kind_0) *ramet__ret,)
#define RAMET__ERROR              ramet_error *ramet__error
#define RAMET__GATHER(name, list) struct name##_args ramet__args = {RAMET__EACH(RAMET__M_STUB_ARGUMENT, 0, list)};

/* A constant pointer to an inline function costs nothing once it is optimised, and a compiler that refuses a call
 * through it has no declaration to print after the error. */
#define RAMET__STUB(name, suffix, parameters, ...) \
	RAMET__UNUSED static inline int name##_##suffix parameters { __VA_ARGS__; } \
	RAMET__UNUSED static __typeof__(name##_##suffix) *const name##suffix = name##_##suffix;

#define RAMET__UNUSED __attribute__((unused))

/* --- kinds -------------------------------------------------------------------------------------------------- */

/* "~, TYPE" for the built-in kinds; another kind is its own C type. */
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

#define RAMET__NONE_none ~, RAMET__THEN
#define RAMET__THEN(then, ...) then
#define RAMET__ELSE(then, ...) __VA_ARGS__
#define RAMET__IF_NONE(kind, ...) RAMET__SECOND(RAMET__NONE_##kind, RAMET__ELSE, ~)(__VA_ARGS__)

#define RAMET__C_TYPE(kind) RAMET__SECOND(RAMET__KIND_##kind, kind, ~)

/* Makes name__kind_i. An unknown kind is an error at the user's word and nothing more: the descriptor is declared
 * here too, and what depends on a failed declaration is not reported again. */
#define RAMET__USE(name, i, kind)                                       \
	extern __typeof__(RAMET__C_TYPE(kind)) name##__kind_##i;            \
	extern const struct ramet_type ramet_type_##kind[];                 \
	RAMET__CHECK(name##__kind_##i, ramet_type_##kind, kind)

#ifdef __cplusplus
extern "C++" {
template <typename T> struct ramet__is_kind {
	static const bool value = true;
};
template <typename T> struct ramet__is_kind<T[]> {
	static const bool value = false;
};
}
#define RAMET__CHECK(witness, type, kind) \
	static_assert(ramet__is_kind<__typeof__(type)>::value, #kind " is not a kind");
#elif defined(__clang__)
#define RAMET__CHECK(witness, type, kind)                               \
	_Static_assert(sizeof(witness) &&                                   \
	    !__builtin_types_compatible_p(__typeof__(type), const struct ramet_type[2]), #kind " is not a kind");
#else
#define RAMET__CHECK(witness, type, kind)                               \
	_Static_assert(sizeof(RAMET__C_TYPE(kind)) &&                       \
	    !__builtin_types_compatible_p(__typeof__(type), const struct ramet_type[2]), #kind " is not a kind");
#endif

/* --- what is done with each parameter ----------------------------------------------------------------------- */

#define RAMET__KIND(kind, parameter)      kind
#define RAMET__PARAMETER(kind, parameter) parameter

#define RAMET__M_USE(name, i, pair)            RAMET__GIVE(RAMET__USE, name, i, RAMET__KIND pair)
#define RAMET__M_FIELD(name, i, pair)          __typeof__(name##__kind_##i) RAMET__PARAMETER pair;
#define RAMET__M_PARAMETER(name, i, pair)      , RAMET__UNUSED __typeof__(name##__kind_##i) RAMET__PARAMETER pair
#define RAMET__M_ARGUMENT(name, i, pair)       , ramet__args->RAMET__PARAMETER pair
#define RAMET__M_STUB_PARAMETER(name, i, pair) , __typeof__(name##__kind_##i) ramet__##i
#define RAMET__M_STUB_ARGUMENT(name, i, pair)  ramet__##i,
#define RAMET__M_ARGS_ENTRY(name, i, pair) \
	RAMET__GIVE(RAMET__ENTRY, struct name##_args, RAMET__KIND pair, RAMET__PARAMETER pair)
#define RAMET__M_STRUCT_ENTRY(name, i, pair) \
	RAMET__GIVE(RAMET__ENTRY, struct name, RAMET__KIND pair, RAMET__PARAMETER pair)
#define RAMET__ENTRY(object, kind, parameter) {#parameter, ramet_type_##kind, offsetof(object, parameter)},

/* --- preprocessing ------------------------------------------------------------------------------------------ */

#define RAMET__TOP(macro, ...)    macro(__VA_ARGS__)
#define RAMET__GIVE(macro, ...)   macro(__VA_ARGS__)
#define RAMET__UNWRAP(...)        __VA_ARGS__
#define RAMET__NAME(name, ...)    name
#define RAMET__SECOND(...)        RAMET__SECOND_(__VA_ARGS__)
#define RAMET__SECOND_(a, b, ...) b

#define RAMET__PICK(n, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q, result, ...) result
#define RAMET__COUNT(...) \
	RAMET__PICK(__VA_ARGS__, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, ~)
#define RAMET__EACH(M, none, list) RAMET__EACH_(M, none, RAMET__UNWRAP list)
#define RAMET__EACH_(M, none, ...) \
	RAMET__PICK(__VA_ARGS__, RAMET__EACH_16, RAMET__EACH_15, RAMET__EACH_14, RAMET__EACH_13, RAMET__EACH_12, RAMET__EACH_11, RAMET__EACH_10, RAMET__EACH_9, RAMET__EACH_8, RAMET__EACH_7, RAMET__EACH_6, RAMET__EACH_5, RAMET__EACH_4, RAMET__EACH_3, RAMET__EACH_2, RAMET__EACH_1, RAMET__EACH_0, ~) \
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
#define RAMET__EACH_13(M, none, n, a, b, c, d, e, f, g, h, i, j, k, l, m) \
	M(n, 1, a) M(n, 2, b) M(n, 3, c) M(n, 4, d) M(n, 5, e) M(n, 6, f) \
	M(n, 7, g) M(n, 8, h) M(n, 9, i) M(n, 10, j) M(n, 11, k) M(n, 12, l) \
	M(n, 13, m)
#define RAMET__EACH_14(M, none, n, a, b, c, d, e, f, g, h, i, j, k, l, m, o) \
	M(n, 1, a) M(n, 2, b) M(n, 3, c) M(n, 4, d) M(n, 5, e) M(n, 6, f) \
	M(n, 7, g) M(n, 8, h) M(n, 9, i) M(n, 10, j) M(n, 11, k) M(n, 12, l) \
	M(n, 13, m) M(n, 14, o)
#define RAMET__EACH_15(M, none, n, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p) \
	M(n, 1, a) M(n, 2, b) M(n, 3, c) M(n, 4, d) M(n, 5, e) M(n, 6, f) \
	M(n, 7, g) M(n, 8, h) M(n, 9, i) M(n, 10, j) M(n, 11, k) M(n, 12, l) \
	M(n, 13, m) M(n, 14, o) M(n, 15, p)
#define RAMET__EACH_16(M, none, n, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q) \
	M(n, 1, a) M(n, 2, b) M(n, 3, c) M(n, 4, d) M(n, 5, e) M(n, 6, f) \
	M(n, 7, g) M(n, 8, h) M(n, 9, i) M(n, 10, j) M(n, 11, k) M(n, 12, l) \
	M(n, 13, m) M(n, 14, o) M(n, 15, p) M(n, 16, q)

#endif
