/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/stage.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/macro.h"

/*
 * The program, piece by piece. Rules: no newline, "!" or "'" (csh, and the quotes around it), no two
 * backslashes in a row and none before an apostrophe (fish). Only what POSIX has, but for head -c, for
 * which dd stands in. Descriptor 4 is the file, 5 the same for writing. Each process costs the target
 * half a millisecond or more, so that there is none for what a shell can do itself.
 */

/* Names, and that files with names go away however this ends: $f, and those in $@. */
static const char beginning[] =
	"x=;f=;t=;q=;set --;h() { command -v $1>/dev/null 2>&1;};h rm||PATH=$PATH:/bin:/usr/bin;"
	"trap \"[ -z \\\"\\$f\\$*\\\" ]||rm -f \\\"\\$f\\\" \\\"\\$@\\\"\" 0;"
	"trap \"exit 1\" 1 2 3 13 15;";

/*
 * In a place: what is there to receive with; the announcement; and, while it travels, the end of the
 * names. gzip(1) checks what it prints against the sum in each member, and says so with its exit
 * status. All that comes is taken, also when it cannot be kept.
 */
static const char receive[] =
	"e() { g=plain;h gzip&&g=gzip;v=none;h cksum&&v=cksum;"
	"r=\"head -c\";h head||r=\"dd bs=1 count=\";a=named;[ -n \"$f\" ]||a=anonymous;"
	"echo \"ramet:$n:ready:$k:$g:$v:$a:$d\";[ $# = 0 ]||rm -f \"$@\";"
	"read -r s g w||exit 1;y=;"
	"case $g in gzip)$r$s|{ gzip -dc>&5||{ cat>/dev/null;false;};}&&y=$w;exec 5>&-;;"
	"*)$r$s|{ cat>&5||cat>/dev/null;};exec 5>&-;"
	"case $v in none)y=$w;h wc&&y=$((0+$(wc -c<\"$x\")));;*)y=$($v<\"$x\");y=${y%% *};;esac;;"
	"esac;if [ \"$y\" = \"$w\" ];then echo \"ramet:$n:exec\";exec \"$x\" --ramet-stdio \"$f\" ";

/* If the reason is that there is no room, another place may have it. */
static const char refuse[] =
	";fi;if h printf;then printf %${m}s 2>/dev/null>\"$x\"||{ q=\" with room for $((m/1024)) "
	"KiB\";"
	"exec 4<&-;[ -z \"$f\" ]||rm -f \"$f\";f=;x=;return;};fi;"
	"echo \"ramet:$n:failed:transfer:what arrived differs from what was sent\";exit 1;};";

/*
 * A place: a small script with the permission to be executed says what machine this is, where
 * execution is allowed. A file that can be executed through its descriptor needs no name, so it is
 * gone before anything is in it; without /proc it is gone when the program runs. test -x knows most
 * file systems that are mounted noexec.
 * Without /proc the script names its shell: busybox starts a nameless one through /proc/self/exe.
 */
static const char place[] =
	"\"$RAMET_DIR\" /dev/shm \"$XDG_RUNTIME_DIR\" /tmp /var/tmp \"$HOME\" /run /dev;do "
	"[ -d \"$d\" ]||continue;t=\"$t $d\";[ -w \"$d\" ]||continue;f=$d/.ramet-$n;"
	"(umask 077;set -C;:>\"$f\"&&exec chmod 700 \"$f\")2>/dev/null||"
	"{ [ -e \"$f\" ]&&rm -f \"$f\";f=;continue;};"
	"if [ -x \"$f\" ]&&echo exec uname -sm 2>/dev/null>\"$f\";then exec 4<\"$f\";"
	"k=$(ENV= BASH_ENV= /proc/self/fd/4 2>/dev/null);"
	"if [ -n \"$k\" ];then exec 5>\"$f\";set -- \"$@\" \"$f\";f=;x=/proc/self/fd/4;"
	"e \"$@\";set --;continue;fi;"
	"exec 4<&-;2>/dev/null printf \"#\\041/bin/sh\\nexec uname -sm\">\"$f\";"
	"k=$(\"$f\" 2>/dev/null);if [ -n \"$k\" ];then exec 5>\"$f\";x=$f;"
	"e \"$@\";set --;continue;fi;fi;"
	"set -- \"$@\" \"$f\";f=;done;";

/*
 * No place: a file in memory, which needs a language that can call memfd_create(2). Somebody has to
 * hold it, as descriptor 8, until it is open here; then it is ended and waited for, because nobody else
 * may do that: the first process of a container often does not. The octal 041 is what stands for its
 * process id behind a dollar. The number of the call depends on the machine.
 */
static const char memory[] =
	"k=$(uname -sm);case ${k##* } in x86_64)y=319;;aarch64|riscv64)y=279;;"
	"i?86)y=356;;arm*)y=385;;ppc*)y=360;;s390*)y=350;;*)y=0;;esac;"
	"m() { \"$@\" </dev/null>/dev/null 2>&1 8>&- & eval p=$(printf \"$\\041\");while [ -e "
	"/proc/$p/exe ];do "
	"if [ -e /proc/$p/fd/8 ];then exec 4</proc/$p/fd/8 "
	"5>/proc/$p/fd/8;x=/proc/self/fd/4;d=memory;"
	"break;fi;done;{ kill -9 $p;wait $p;} 2>/dev/null;};"
	"m python3 -c \"import os,time;os.dup2(os.memfd_create(\\\"ramet\\\",0),8);time.sleep(9)\";"
	"[ -n \"$x\" ]||m perl -e \"\\$n=q(ramet);do{\\$f=syscall($y,\\$n,0)}while \\$f>=0&&\\$f<8;"
	"sleep 9 if \\$f==8\";[ -z \"$x\" ]||e \"$@\";";

static const char ending[] =
	"echo \"ramet:$n:failed:place:there is no directory in which a file can be written and "
	"executed$q (tried${t:- none})\";exit 1";

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
	append_text(out, receive);
	append_harmless(out, text->title);
	append_text(out, refuse);
	append_text(out, "for d in ");
	if (text->directory) {
		append_harmless(out, text->directory);
		append_text(out, " ");
	}
	append_text(out, place);
	append_text(out, memory);
	append_text(out, ending);
}

void rmt_stage_quote(const char *shell, const char *stage, struct rmt_buffer *out)
{
	append_text(out, shell);
	append_text(out, " -c '");
	append_text(out, stage);
	append_text(out, "'");
}

void rmt_stage_announce(size_t size, bool gzip, const char *sum, struct rmt_buffer *out)
{
	rmt_buffer_printf(out, "%zu %s %s\n", size, gzip ? "gzip" : "plain", sum);
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
	stage->cksum = strcmp(digest, "cksum") == 0;
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
