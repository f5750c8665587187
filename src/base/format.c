/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/format.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cold.h"
#include "base/error.h"

/* The octal digits of 64 bits. */
#define INTEGER_TEXT_MAX 22

struct output {
	char *text;
	size_t size; /* without the NUL */
	size_t used; /* may be more than size */
};

/* The same for every function that takes from it: a va_list may be an array. */
struct arguments {
	va_list list;
};

/* In the order of the bits. There are no groups of thousands in the C locale, so ' does nothing. */
static const char flags[] = "-0+ #'";
enum { LEFT = 1, ZERO = 2, PLUS = 4, BLANK = 8, ALTERNATE = 16 };

struct conversion {
	unsigned flags;
	int width;
	int precision;   /* -1: none */
	unsigned length; /* bytes of an integer */
	char modifier;   /* l and L mean something to other kinds, too */
	char kind;
};

/* --- writing ---------------------------------------------------------------------------------- */

static void put(struct output *output, const char *text, size_t size)
{
	if (output->used < output->size)
		memcpy(output->text + output->used, text,
		       RMT_MIN(size, output->size - output->used));
	output->used += size;
}

static void repeat(struct output *output, char c, size_t count)
{
	if (output->used < output->size)
		memset(output->text + output->used, c, RMT_MIN(count, output->size - output->used));
	output->used += count;
}

static size_t padding(const struct conversion *conversion, size_t size)
{
	return (size_t)conversion->width > size ? (size_t)conversion->width - size : 0;
}

static void put_text(struct output *output, const struct conversion *conversion, const char *text,
		     size_t size)
{
	size_t blanks = padding(conversion, size);

	repeat(output, ' ', conversion->flags & LEFT ? 0 : blanks);
	put(output, text, size);
	repeat(output, ' ', conversion->flags & LEFT ? blanks : 0);
}

static void put_string(struct output *output, const struct conversion *conversion, const char *text)
{
	if (!text)
		text = "(null)";
	/* Behind the precision there may be no NUL. */
	put_text(output, conversion, text,
		 conversion->precision < 0 ? strlen(text)
					   : strnlen(text, (size_t)conversion->precision));
}

static void put_number(struct output *output, const struct conversion *conversion,
		       struct rmt_number *number)
{
	size_t prefix = strlen(number->prefix), tail = strlen(number->tail);
	size_t missing = padding(conversion, prefix + number->zeros + number->body_size +
						     number->more_zeros + tail);

	if ((conversion->flags & (LEFT | ZERO)) == ZERO) {
		number->zeros += missing;
		missing = 0;
	}
	repeat(output, ' ', conversion->flags & LEFT ? 0 : missing);
	put(output, number->prefix, prefix);
	repeat(output, '0', number->zeros);
	put(output, number->body, number->body_size);
	repeat(output, '0', number->more_zeros);
	put(output, number->tail, tail);
	repeat(output, ' ', conversion->flags & LEFT ? missing : 0);
}

/* --- numbers ---------------------------------------------------------------------------------- */

static void sign(struct rmt_number *number, const struct conversion *conversion, bool negative)
{
	number->prefix[0] = negative                    ? '-'
			    : conversion->flags & PLUS  ? '+'
			    : conversion->flags & BLANK ? ' '
							: '\0';
}

static void put_integer(struct output *output, struct conversion *conversion, uint64_t value)
{
	const char *digits = conversion->kind == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	unsigned base = conversion->kind == 'o' ? 8 : (conversion->kind | 0x20) == 'x' ? 16 : 10;
	struct rmt_number number = {.prefix = ""};
	char text[INTEGER_TEXT_MAX], *end = text + sizeof(text), *at = end;
	size_t precision = conversion->precision < 0 ? 1 : (size_t)conversion->precision;

	if (conversion->kind == 'd') {
		sign(&number, conversion, (int64_t)value < 0);
		if ((int64_t)value < 0)
			value = -value;
	} else if (conversion->flags & ALTERNATE && base == 16 && value != 0) {
		number.prefix[0] = '0';
		number.prefix[1] = conversion->kind;
	}
	for (; value != 0; value /= base)
		*--at = digits[value % base];
	number.body = at;
	number.body_size = (size_t)(end - at);
	if (conversion->flags & ALTERNATE && base == 8 && precision <= number.body_size)
		precision = number.body_size + 1;
	if (precision > number.body_size)
		number.zeros = precision - number.body_size;
	if (conversion->precision >= 0)
		conversion->flags &= ~(unsigned)ZERO;
	put_number(output, conversion, &number);
}

static void put_float(struct output *output, struct conversion *conversion, double value)
{
	char text[RMT_FLOAT_TEXT_MAX];
	struct rmt_number number = {.prefix = ""};

	/* It stays behind when the command travels, whose functions have no use for it. */
	if (!rmt_cold_can_use((uintptr_t)rmt_format_float)) {
		put_text(output, conversion, "?", 1);
		return;
	}
	sign(&number, conversion, __builtin_signbit(value));
	rmt_format_float(value, conversion->kind, conversion->precision,
			 conversion->flags & ALTERNATE, text, &number);
	if (!number.finite)
		conversion->flags &= ~(unsigned)ZERO;
	put_number(output, conversion, &number);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Types of one size are passed in one way wherever Linux runs. */
static uint64_t take_integer(const struct conversion *conversion, struct arguments *arguments)
{
	unsigned unused = 64 - 8 * conversion->length;
	uint64_t value = conversion->length > sizeof(int) ? va_arg(arguments->list, uint64_t)
							  : va_arg(arguments->list, unsigned);

	value <<= unused;
	return conversion->kind == 'd' ? (uint64_t)((int64_t)value >> unused) : value >> unused;
}

/* Digits or an asterisk; too many are as many as there can be. */
static int take_count(const char **format, struct arguments *arguments)
{
	int count = 0;

	if (**format == '*') {
		++*format;
		return va_arg(arguments->list, int);
	}
	for (; **format >= '0' && **format <= '9'; ++*format)
		if (__builtin_mul_overflow(count, 10, &count) ||
		    __builtin_add_overflow(count, **format - '0', &count))
			count = INT_MAX / 10;
	return count;
}

static const char *take_flags(const char *format, struct conversion *conversion)
{
	const char *flag;

	for (; (flag = memchr(flags, *format, sizeof(flags) - 1)); format++)
		conversion->flags |= 1u << (flag - flags);
	return format;
}

static const char *take_length(const char *format, struct conversion *conversion)
{
	static const struct {
		char letter;
		unsigned char once, twice;
	} lengths[] = {
		{'h', sizeof(short), sizeof(char)},
		{'l', sizeof(long), sizeof(long long)},
		{'j', sizeof(intmax_t), 0},
		{'z', sizeof(size_t), 0},
		{'t', sizeof(ptrdiff_t), 0},
		{'L', sizeof(long long), 0}, /* of an integer, which GNU allows */
	};

	conversion->length = sizeof(int);
	for (size_t i = 0; i < RMT_COUNT(lengths); i++) {
		if (*format != lengths[i].letter)
			continue;
		conversion->length = lengths[i].once;
		conversion->modifier = *format++;
		if (lengths[i].twice && *format == conversion->modifier) {
			conversion->length = lengths[i].twice;
			format++;
		}
		break;
	}
	return format;
}

/* Behind the percent sign. */
static const char *take_conversion(const char *format, struct conversion *conversion,
				   struct arguments *arguments)
{
	*conversion = (struct conversion){.precision = -1};
	format = take_flags(format, conversion);
	conversion->width = take_count(&format, arguments);
	if (conversion->width < 0) {
		conversion->flags |= LEFT;
		conversion->width = conversion->width == INT_MIN ? INT_MAX : -conversion->width;
	}
	if (*format == '.') {
		format++;
		conversion->precision = take_count(&format, arguments);
		if (conversion->precision < 0)
			conversion->precision = -1;
	}
	format = take_length(format, conversion);
	conversion->kind = *format == 'i' ? 'd' : *format;
	return *format ? format + 1 : format;
}

static void put_pointer(struct output *output, struct conversion *conversion, const void *pointer)
{
	if (!pointer) {
		put_text(output, conversion, "(nil)", strlen("(nil)"));
		return;
	}
	conversion->kind = 'x';
	conversion->flags |= ALTERNATE;
	put_integer(output, conversion, (uintptr_t)pointer);
}

/* False: this one is not known. */
static bool convert(struct output *output, struct conversion *conversion,
		    struct arguments *arguments)
{
	char c;

	switch (conversion->kind) {
	case 'd':
	case 'u':
	case 'o':
	case 'x':
	case 'X':
		put_integer(output, conversion, take_integer(conversion, arguments));
		return true;
	case 'f':
	case 'F':
	case 'e':
	case 'E':
	case 'g':
	case 'G':
		put_float(output, conversion,
			  conversion->modifier == 'L' ? (double)va_arg(arguments->list, long double)
						      : va_arg(arguments->list, double));
		return true;
	case 'c':
		if (conversion->modifier == 'l')
			return false;
		c = (char)va_arg(arguments->list, int);
		put_text(output, conversion, &c, 1);
		return true;
	case 's':
		if (conversion->modifier == 'l')
			return false;
		put_string(output, conversion, va_arg(arguments->list, const char *));
		return true;
	case 'p':
		put_pointer(output, conversion, va_arg(arguments->list, const void *));
		return true;
	case 'm':
		put_string(output, conversion, rmt_strerror(errno));
		return true;
	case '%':
		put(output, "%", 1);
		return true;
	default:
		return false;
	}
}

/* --- the whole -------------------------------------------------------------------------------- */

size_t rmt_formatv(char *text, size_t size, const char *format, va_list arguments)
{
	struct output output = {.text = text, .size = size > 0 ? size - 1 : 0};
	struct conversion conversion;
	struct arguments taken;

	va_copy(taken.list, arguments);
	for (;;) {
		const char *percent = format;

		while (*percent && *percent != '%')
			percent++;

		put(&output, format, (size_t)(percent - format));
		if (!*percent)
			break;
		format = take_conversion(percent + 1, &conversion, &taken);
		if (!convert(&output, &conversion, &taken)) {
			put(&output, percent, strlen(percent));
			break;
		}
	}
	va_end(taken.list);
	if (size > 0)
		text[RMT_MIN(output.used, output.size)] = '\0';
	return output.used;
}

size_t rmt_format(char *text, size_t size, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	size = rmt_formatv(text, size, format, arguments);
	va_end(arguments);
	return size;
}

char *rmt_format_newv(const char *format, va_list arguments)
{
	size_t size = rmt_formatv(NULL, 0, format, arguments) + 1;
	char *text = malloc(size);

	if (text)
		rmt_formatv(text, size, format, arguments);
	return text;
}

char *rmt_format_new(const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = rmt_format_newv(format, arguments);
	va_end(arguments);
	return text;
}

char *rmt_text_new(const void *data, size_t size)
{
	char *text = malloc(size + 1);

	if (text) {
		memcpy(text, data, size);
		text[size] = '\0';
	}
	return text;
}
