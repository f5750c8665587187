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
	RAMET__TOP(RAMET__LOCAL, result, 0, RAMET__NAME(__VA_ARGS__, ~), (__VA_ARGS__))
#define RAMET_CONCURRENT_FUNCTION(result, ...) \
	RAMET__TOP(RAMET__LOCAL, result, RAMET_FUNCTION_CONCURRENT, RAMET__NAME(__VA_ARGS__, ~), (__VA_ARGS__))

#define RAMET_DECLARE(result, ...) \
	RAMET__TOP(RAMET__DECLARE, result, RAMET__NAME(__VA_ARGS__, ~), (__VA_ARGS__))
#define RAMET_DEFINE(result, ...) \
	RAMET__TOP(RAMET__DEFINE, result, 0, RAMET__NAME(__VA_ARGS__, ~), (__VA_ARGS__))
#define RAMET_DEFINE_CONCURRENT(result, ...) \
	RAMET__TOP(RAMET__DEFINE, result, RAMET_FUNCTION_CONCURRENT, RAMET__NAME(__VA_ARGS__, ~), (__VA_ARGS__))

#define RAMET_STRUCT(...) \
	RAMET__TOP(RAMET__STRUCT, RAMET__NAME(__VA_ARGS__, ~), (__VA_ARGS__))
#define RAMET_ARRAY(name, item) \
	RAMET__TOP(RAMET__ARRAY, name, item)

/* --- definitions -------------------------------------------------------------------------------------------- */

/* list is (name, pair...). */
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

/* What RAMET_DECLARE has generated is not generated again, so that a definition that differs is one error, in the
 * prototype. */
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
	static const struct ramet_field name##__fields[] = {RAMET__EACH(RAMET__M_STRUCT_ENTRY, , list) {NULL, NULL, 0}}; \
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

/* NAME__kind_N is a variable that is never defined: its type is the C type of parameter N (0: of the result). */
#define RAMET__TYPES(result, name, list) \
	RAMET__IF_NONE(result, , RAMET__USE(name##__kind_0, result, name)) \
	RAMET__EACH(RAMET__M_USE, , list)

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
		const struct name##_args *ramet__args = (const struct name##_args *)ramet__arguments; \
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

/* Makes name__kind_i. An unknown kind is an error at the user's word and nothing more: what depends on a failed
 * declaration is not reported again, and the descriptor is declared here. It is an array whose size only the
 * definition of a kind tells, which is how a type that is not a kind is recognized. */
#define RAMET__USE(witness, kind, parameter) \
	extern __typeof__(RAMET__C_TYPE(kind)) witness; \
	extern const struct ramet_type ramet_type_##kind[]; \
	RAMET__CHECK(witness, ramet_type_##kind, kind, parameter)

#ifdef __cplusplus
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
#else
#define RAMET__UNKNOWN(type) __builtin_types_compatible_p(__typeof__(type), const struct ramet_type[2])
#ifdef __clang__
/* At a static assertion clang would print the whole trail of macros; at a name that the user wrote it does not. */
#define RAMET__CHECK(witness, type, kind, parameter) \
	typedef __typeof__(__builtin_choose_expr(sizeof(witness) && RAMET__UNKNOWN(type), \
		(struct kind##_is_not_a_kind *)0, 0)) witness##_check; \
	struct witness##_check { witness##_check parameter : 1; };
#else
/* The enumerator is zero when its expression failed, so that the assertion then holds. */
#define RAMET__CHECK(witness, type, kind, parameter) \
	enum { witness##_check = sizeof(RAMET__C_TYPE(kind)) ? RAMET__UNKNOWN(type) : 0 }; \
	_Static_assert(!witness##_check, #kind " is not a kind");
#endif
#endif

/* --- mistakes that the preprocessor sees -------------------------------------------------------------------- */

/* After these the compiler could only be confused by what follows, so they end the compilation: both compilers treat
 * a file that is missing as fatal, and no other error can be had from a macro. gcc would not say where. */
#define RAMET__PRAGMA(text) _Pragma(#text)
#ifdef __clang__
#define RAMET__REFUSE(text) RAMET__PRAGMA(GCC dependency text)
#else
#define RAMET__REFUSE(text) RAMET__PRAGMA(GCC error text) RAMET__PRAGMA(GCC dependency "see above")
#endif

#define RAMET__VERIFY(result, name, list) \
	RAMET__VERIFY_COUNT list \
	RAMET__SECOND(RAMET__NAME_IS_PAIR name, RAMET__VERIFY_NAME, ~)(name) \
	RAMET__IF_NONE(result, , RAMET__VERIFY_KIND(result)) \
	RAMET__EACH(RAMET__M_VERIFY, , list)

#define RAMET__VERIFY_COUNT(...) \
	RAMET__VERIFY_13(RAMET__PICK(__VA_ARGS__, ~, ~, ~, ~, ~, ~, ~, ~, ~, ~, ~, ~, ~, ~))
#define RAMET__VERIFY_13(pair)    RAMET__SECOND(RAMET__PAIR_13 pair, RAMET__FINE, ~)()
#define RAMET__PAIR_13(...)       ~, RAMET__BAD_COUNT

#define RAMET__NAME_IS_PAIR(...)  ~, RAMET__BAD_NAME
#define RAMET__VERIFY_NAME(name)  RAMET__SECOND(RAMET__EMPTY_##name, RAMET__FINE, ~)()
#define RAMET__EMPTY_             ~, RAMET__BAD_NAME

#define RAMET__M_VERIFY(name, i, pair)   RAMET__SECOND(RAMET__IS_PAIR pair, RAMET__BAD_PAIR, ~)(pair)
#define RAMET__IS_PAIR(...) \
	~, RAMET__PICK(__VA_ARGS__, RAMET__BAD_PAIR, RAMET__BAD_PAIR, RAMET__BAD_PAIR, RAMET__BAD_PAIR, RAMET__BAD_PAIR, \
	               RAMET__BAD_PAIR, RAMET__BAD_PAIR, RAMET__BAD_PAIR, RAMET__BAD_PAIR, RAMET__BAD_PAIR, \
	               RAMET__BAD_PAIR, RAMET__VERIFY_PAIR, RAMET__BAD_PAIR, ~)
#define RAMET__VERIFY_PAIR(pair)         RAMET__GIVE(RAMET__VERIFY_KIND, RAMET__KIND pair)
#define RAMET__VERIFY_KIND(kind)         RAMET__SECOND(RAMET__NOT_##kind, RAMET__FINE, ~)()

#define RAMET__FINE(...)
#define RAMET__BAD_COUNT(...) RAMET__REFUSE("more than 12 parameters or fields")
#define RAMET__BAD_NAME(...)  RAMET__REFUSE("the name is missing")
#define RAMET__BAD_PAIR(...)  RAMET__REFUSE("parameters and fields are written (kind, name)")
#define RAMET__BAD_NONE(...)  RAMET__REFUSE("none is a kind of results only")
#define RAMET__BAD_KIND(...)  RAMET__REFUSE("not a kind; there are boolean i32 i64 u64 f64 str bytes value context sender and yours")

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
#define RAMET__NOT_struct   ~, RAMET__BAD_KIND,
#define RAMET__NOT_union    ~, RAMET__BAD_KIND,
#define RAMET__NOT_enum     ~, RAMET__BAD_KIND,

/* --- what is done with each parameter ----------------------------------------------------------------------- */

#define RAMET__KIND(kind, parameter)      kind
#define RAMET__PARAMETER(kind, parameter) parameter

#define RAMET__M_USE(name, i, pair) \
	RAMET__GIVE(RAMET__USE, name##__kind_##i, RAMET__KIND pair, RAMET__PARAMETER pair)
#define RAMET__M_USE_AGAIN(name, i, pair) \
	RAMET__GIVE(RAMET__USE, name##__again_##i, RAMET__KIND pair, RAMET__PARAMETER pair)
#define RAMET__M_TYPEDEF(name, i, pair)        typedef __typeof__(name##__kind_##i) name##__type_##i;
#define RAMET__M_FIELD(name, i, pair)          name##__type_##i RAMET__PARAMETER pair;
#define RAMET__M_PARAMETER(name, i, pair)      , RAMET__UNUSED __typeof__(name##__kind_##i) RAMET__PARAMETER pair
#define RAMET__M_PARAMETER_AGAIN(name, i, pair) \
	, RAMET__UNUSED __typeof__(name##__again_##i) RAMET__PARAMETER pair
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

/* The 14th argument: with (name, pair..., list) it depends on the number of pairs which of the list that is. */
#define RAMET__PICK(n, a, b, c, d, e, f, g, h, i, j, k, l, result, ...) result
#define RAMET__COUNT(...) \
	RAMET__PICK(__VA_ARGS__, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, ~)
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
