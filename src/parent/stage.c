/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/stage.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/macro.h"

/*
 * The program, piece by piece. Rules: no newline, "!" or "'" (csh, and the quotes around it), no two
 * backslashes in a row and none before an apostrophe (fish). Only what POSIX has, but for head -c, for
 * which dd stands in. Descriptor 4 is the file, 5 the same for writing.
 */

/* Names, and that a file with a name goes away however this ends. */
static const char beginning[] =
	"u=$(umask);umask 077;x=;f=;t=;"
	"h() { command -v $1>/dev/null 2>&1;};h rm||PATH=$PATH:/bin:/usr/bin;"
	"c(){ [ -z \"$f\" ]||rm -f \"$f\";};trap c 0;trap \"exit 1\" 1 2 3 13 15;";

/*
 * A place: there is room for the program, which a disk may not have; and an empty file with the permission to be executed is a script that does nothing, where
 * execution is allowed. A file that can be executed through its descriptor needs no name, so it is
 * gone before anything is in it; without /proc it is gone when the program runs.
 * Without /proc the script names its shell: busybox starts a nameless one through /proc/self/exe.
 */
static const char place[] =
	"\"$RAMET_DIR\" /dev/shm \"$XDG_RUNTIME_DIR\" /tmp /var/tmp \"$HOME\";do "
	"[ -d \"$d\" ]||continue;t=\"$t $d\";f=$d/.ramet-$n;"
	"(set -C;:>\"$f\")2>/dev/null||{ f=;continue;};"
	"if [ -c /dev/zero ]&&h dd;then dd if=/dev/zero of=\"$f\" bs=$m count=1 2>/dev/null||"
	"{ rm -f \"$f\";f=;continue;};fi;"
	":>\"$f\";chmod 700 \"$f\";exec 4<\"$f\";"
	"if /proc/self/fd/4 2>/dev/null;then exec 5>\"$f\";rm -f \"$f\";f=;x=/proc/self/fd/4;break;"
	"elif 2>/dev/null printf \"#\\041/bin/sh\">\"$f\";\"$f\" 2>/dev/null;then exec 4<&-;exec "
	"5>\"$f\";x=$f;break;fi;"
	"exec 4<&-;rm -f \"$f\";f=;done;";

/*
 * No place: a file in memory, which needs a language that can call memfd_create(2). Somebody has to
 * hold it, as descriptor 8, until it is open here; then it is ended and waited for, because nobody else
 * may do that: the first process of a container often does not. The octal 041 is what stands for its
 * process id behind a dollar. The number of the call depends on the machine.
 */
static const char memory[] =
	"if [ -z \"$x\" ];then case $(uname -m) in x86_64)k=319;;aarch64|riscv64)k=279;;"
	"i?86)k=356;;arm*)k=385;;ppc*)k=360;;s390*)k=350;;*)k=0;;esac;"
	"m() { \"$@\" </dev/null>/dev/null 2>&1 8>&- & eval p=$(printf \"$\\041\");while [ -e "
	"/proc/$p/exe ];do "
	"if [ -e /proc/$p/fd/8 ];then exec 4</proc/$p/fd/8 "
	"5>/proc/$p/fd/8;x=/proc/self/fd/4;d=memory;"
	"break;fi;done;{ kill -9 $p;wait $p;} 2>/dev/null;};"
	"m python3 -c \"import os,time;os.dup2(os.memfd_create(\\\"ramet\\\",0),8);time.sleep(9)\";"
	"[ -n \"$x\" ]||m perl -e \"\\$n=q(ramet);do{\\$f=syscall($k,\\$n,0)}while \\$f>=0&&\\$f<8;"
	"sleep 9 if \\$f==8\";fi;";

/* What is there to receive with; and the announcement. */
static const char receive[] =
	"if [ -z \"$x\" ];then echo \"ramet:$n:failed:place:there is no directory in which a file "
	"can be written and executed (tried${t:- none})\";exit 1;fi;"
	"g=plain;h gzip&&g=gzip;v=none;h cksum&&v=cksum;h sha256sum&&v=sha256sum;"
	"r=\"head -c\";h head||r=\"dd bs=1 count=\";a=named;[ -n \"$f\" ]||a=anonymous;"
	"echo \"ramet:$n:ready:$(uname -sm):$g:$v:$a:$d\";"
	"read -r s g w||exit 1;"
	"case $g in gzip)$r$s|gzip -dc;;*)$r$s;;esac>&5;exec 5>&-;"
	"case $v in none)y=$w;h wc&&y=$((0+$(wc -c<\"$x\")));;*)y=$($v<\"$x\");y=${y%% *};;esac;"
	"if [ \"$y\" = \"$w\" ];then umask $u;echo \"ramet:$n:exec\";";

static const char ending[] =
	"echo \"ramet:$n:failed:transfer:what arrived differs from what was sent\";"
	"exit 1";

static void append_text(struct rmt_buffer *out, const char *text)
{
	rmt_buffer_append(out, text, strlen(text));
}

/* Between double quotes in a shell, between apostrophes in another. */
static void append_harmless(struct rmt_buffer *out, const char *text)
{
	rmt_buffer_append_byte(out, '"');
	for (const char *c = text; *c; c++)
		rmt_buffer_append_byte(out, (unsigned char)*c < 0x20 || *c == 0x7f ||
							    strchr("\"'`$\\!", *c)
						    ? '_'
						    : (unsigned char)*c);
	rmt_buffer_append_byte(out, '"');
}

void rmt_stage_write(const struct rmt_stage_text *text, struct rmt_buffer *out)
{
	append_text(out, "n=");
	append_text(out, text->nonce);
	rmt_buffer_printf(out, ";m=%zu;", text->room);
	append_text(out, beginning);
	append_text(out, "for d in ");
	if (text->directory) {
		append_harmless(out, text->directory);
		append_text(out, " ");
	}
	append_text(out, place);
	append_text(out, memory);
	append_text(out, receive);
	append_text(out, "exec \"$x\" --ramet-stdio \"$f\" ");
	append_harmless(out, text->title);
	append_text(out, ";fi;");
	append_text(out, ending);
}

void rmt_stage_quote(const char *shell, const char *stage, struct rmt_buffer *out)
{
	append_text(out, shell);
	append_text(out, " -c '");
	append_text(out, stage);
	append_text(out, "'");
}

void rmt_stage_announce(size_t size, bool gzip, const char *digest, struct rmt_buffer *out)
{
	rmt_buffer_printf(out, "%zu %s %s\n", size, gzip ? "gzip" : "plain", digest);
}

/* --- what it says ------------------------------------------------------------------------- */

int rmt_stage_init(struct rmt_stage *stage)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char random[RMT_NONCE_SIZE / 2];

	*stage = (struct rmt_stage){0};
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -errno;
	for (size_t i = 0; i < sizeof(random); i++) {
		stage->nonce[2 * i] = digits[random[i] >> 4];
		stage->nonce[2 * i + 1] = digits[random[i] & 15];
	}
	return 0;
}

/* Cuts the text at the next ':' and returns what is before it. */
static char *next_word(char **text)
{
	char *word = *text, *colon = word ? strchr(word, ':') : NULL;

	*text = colon ? colon + 1 : NULL;
	if (colon)
		*colon = '\0';
	return word;
}

static enum rmt_stage_event ready(struct rmt_stage *stage, char *rest)
{
	const char *gzip, *digest, *named;
	unsigned colons = 0;

	/* A line that is noise stays whole. */
	for (const char *c = rest; *c; c++)
		colons += *c == ':';
	if (colons < 4 || *rest == ':')
		return RMT_STAGE_LINE;
	stage->machine = next_word(&rest);
	gzip = next_word(&rest);
	digest = next_word(&rest);
	named = next_word(&rest);
	stage->place = rest;
	stage->gzip = strcmp(gzip, "gzip") == 0;
	stage->anonymous = strcmp(named, "anonymous") == 0;
	stage->digest = strcmp(digest, "sha256sum") == 0 ? RMT_DIGEST_SHA256
			: strcmp(digest, "cksum") == 0   ? RMT_DIGEST_CKSUM
							 : RMT_DIGEST_NONE;
	return RMT_STAGE_READY;
}

#define MARKER_SIZE (sizeof("ramet::") - 1 + RMT_NONCE_SIZE)

static void write_marker(const struct rmt_stage *stage, char marker[MARKER_SIZE + 1])
{
	memcpy(marker, "ramet:", 6);
	memcpy(marker + 6, stage->nonce, RMT_NONCE_SIZE);
	memcpy(marker + 6 + RMT_NONCE_SIZE, ":", 2);
}

/* Noise before a marker may lack its newline, so the marker is looked for anywhere in the line. */
static enum rmt_stage_event handle_line(struct rmt_stage *stage)
{
	char marker[MARKER_SIZE + 1], *rest;

	if (stage->line_size > 0 && stage->line[stage->line_size - 1] == '\r')
		stage->line_size--;
	for (size_t i = 0; i < stage->line_size; i++)
		if (!stage->line[i])
			stage->line[i] = '?';
	stage->line[stage->line_size] = '\0';
	write_marker(stage, marker);
	rest = strstr(stage->line, marker);
	if (!rest)
		return RMT_STAGE_LINE;
	rest += strlen(marker);
	if (strcmp(rest, "exec") == 0)
		return RMT_STAGE_EXEC;
	if (strncmp(rest, "ready:", 6) == 0)
		return ready(stage, rest + 6);
	if (strncmp(rest, "failed:", 7) == 0) {
		rest += 7;
		stage->phase = next_word(&rest);
		stage->text = rest ? rest : "";
		return RMT_STAGE_FAILED;
	}
	return RMT_STAGE_LINE;
}

/* The line is full of noise. A marker in it, or the beginning of one, begins the next line. */
static void keep_marker(struct rmt_stage *stage)
{
	char marker[MARKER_SIZE + 1];

	write_marker(stage, marker);
	for (size_t at = 1; at < stage->line_size; at++) {
		size_t rest = stage->line_size - at;

		if (memcmp(stage->line + at, marker, RMT_MIN(rest, MARKER_SIZE)) == 0 &&
		    memcmp(stage->line, marker, MARKER_SIZE) != 0) {
			stage->line_size = at;
			stage->kept_at = at;
			stage->kept = rest;
			return;
		}
	}
}

static void begin_line(struct rmt_stage *stage)
{
	if (stage->kept > 0) {
		memmove(stage->line, stage->line + stage->kept_at, stage->kept);
		stage->line[0] = 'r'; /* of the marker: a NUL was there */
	}
	stage->line_size = stage->kept;
	stage->kept = 0;
	stage->line_over = false;
}

enum rmt_stage_event rmt_stage_feed(struct rmt_stage *stage, const unsigned char *data, size_t size,
				    size_t *ret_taken)
{
	const unsigned char *newline;
	size_t part;

	if (stage->line_over)
		begin_line(stage);
	newline = memchr(data, '\n', size);
	part = RMT_MIN(newline ? (size_t)(newline - data) : size,
		       RMT_STAGE_LINE_MAX - stage->line_size);
	memcpy(stage->line + stage->line_size, data, part);
	stage->line_size += part;
	*ret_taken = part;
	if (newline && data + part == newline)
		*ret_taken = part + 1;
	else if (stage->line_size < RMT_STAGE_LINE_MAX)
		return RMT_STAGE_NOTHING;
	else
		keep_marker(stage);
	stage->line_over = true;
	return handle_line(stage);
}
