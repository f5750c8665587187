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
	"x=;f=;t=;set --;h() { command -v $1>/dev/null 2>&1;};h rm||PATH=$PATH:/bin:/usr/bin;"
	"trap \"[ -z \\\"\\$f\\$*\\\" ]||rm -f \\\"\\$f\\\" \\\"\\$@\\\"\" 0;"
	"trap \"exit 1\" 1 2 3 13 15;"
	"p=:;q=;h printf&&p=\"printf %${m}s\"&&q=\" with room for $((m/1024)) KiB\";";

/*
 * A place: there is room for the program, which a disk may not have; and a small script with the
 * permission to be executed says what machine this is, where execution is allowed. A file that can be
 * executed through its descriptor needs no name, so it is gone before anything is in it; without /proc
 * it is gone when the program runs. test -x knows most file systems that are mounted noexec.
 * Without /proc the script names its shell: busybox starts a nameless one through /proc/self/exe.
 */
static const char place[] =
	"\"$RAMET_DIR\" /dev/shm \"$XDG_RUNTIME_DIR\" /tmp /var/tmp \"$HOME\" /run /dev;do "
	"[ -d \"$d\" ]||continue;t=\"$t $d\";[ -w \"$d\" ]||continue;f=$d/.ramet-$n;"
	"(umask 077;set -C;$p>\"$f\"&&exec chmod 700 \"$f\")2>/dev/null||"
	"{ [ -e \"$f\" ]&&rm -f \"$f\";f=;continue;};"
	"if [ -x \"$f\" ];then echo exec uname -sm>\"$f\";exec 4<\"$f\";"
	"k=$(ENV= BASH_ENV= /proc/self/fd/4 2>/dev/null);"
	"if [ -n \"$k\" ];then exec 5>\"$f\";set -- \"$@\" \"$f\";f=;x=/proc/self/fd/4;break;fi;"
	"exec 4<&-;2>/dev/null printf \"#\\041/bin/sh\\nexec uname -sm\">\"$f\";"
	"k=$(\"$f\" 2>/dev/null);if [ -n \"$k\" ];then exec 5>\"$f\";x=$f;break;fi;fi;"
	"set -- \"$@\" \"$f\";f=;done;";

/*
 * No place: a file in memory, which needs a language that can call memfd_create(2). Somebody has to
 * hold it, as descriptor 8, until it is open here; then it is ended and waited for, because nobody else
 * may do that: the first process of a container often does not. The octal 041 is what stands for its
 * process id behind a dollar. The number of the call depends on the machine.
 */
static const char memory[] =
	"if [ -z \"$x\" ];then k=$(uname -sm);case ${k##* } in x86_64)y=319;;"
	"aarch64|riscv64)y=279;;i?86)y=356;;arm*)y=385;;ppc*)y=360;;s390*)y=350;;*)y=0;;esac;"
	"m() { \"$@\" </dev/null>/dev/null 2>&1 8>&- & eval p=$(printf \"$\\041\");while [ -e "
	"/proc/$p/exe ];do "
	"if [ -e /proc/$p/fd/8 ];then exec 4</proc/$p/fd/8 "
	"5>/proc/$p/fd/8;x=/proc/self/fd/4;d=memory;"
	"break;fi;done;{ kill -9 $p;wait $p;} 2>/dev/null;};"
	"m python3 -c \"import os,time;os.dup2(os.memfd_create(\\\"ramet\\\",0),8);time.sleep(9)\";"
	"[ -n \"$x\" ]||m perl -e \"\\$n=q(ramet);do{\\$f=syscall($y,\\$n,0)}while \\$f>=0&&\\$f<8;"
	"sleep 9 if \\$f==8\";fi;";

/*
 * What is there to receive with; the announcement; and, while it travels, the end of the names. gzip(1)
 * checks what it prints against the sum in each member, and says so with its exit status.
 */
static const char receive[] =
	"if [ -z \"$x\" ];then echo \"ramet:$n:failed:place:there is no directory in which a file "
	"can be written and executed$q (tried${t:- none})\";exit 1;fi;"
	"g=plain;h gzip&&g=gzip;v=none;h cksum&&v=cksum;"
	"r=\"head -c\";h head||r=\"dd bs=1 count=\";a=named;[ -n \"$f\" ]||a=anonymous;"
	"echo \"ramet:$n:ready:$k:$g:$v:$a:$d\";[ $# = 0 ]||rm -f \"$@\";set --;"
	"read -r s g w||exit 1;y=;"
	"case $g in gzip)$r$s|gzip -dc>&5&&y=$w;exec 5>&-;;*)$r$s>&5;exec 5>&-;"
	"case $v in none)y=$w;h wc&&y=$((0+$(wc -c<\"$x\")));;*)y=$($v<\"$x\");y=${y%% *};;esac;;"
	"esac;if [ \"$y\" = \"$w\" ];then echo \"ramet:$n:exec\";";

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

	stage->machine = next_word(&rest);
	gzip = next_word(&rest);
	digest = next_word(&rest);
	named = next_word(&rest);
	stage->place = rest;
	if (!stage->place || !*stage->machine)
		return RMT_STAGE_LINE;
	stage->gzip = strcmp(gzip, "gzip") == 0;
	stage->anonymous = strcmp(named, "anonymous") == 0;
	stage->cksum = strcmp(digest, "cksum") == 0;
	return RMT_STAGE_READY;
}

/* Noise before a marker may lack its newline, so the marker is looked for anywhere in the line. */
static enum rmt_stage_event handle_line(struct rmt_stage *stage)
{
	char marker[sizeof("ramet::") + RMT_NONCE_SIZE], *rest, *word;

	if (stage->line_size > 0 && stage->line[stage->line_size - 1] == '\r')
		stage->line_size--;
	for (size_t i = 0; i < stage->line_size; i++)
		if (!stage->line[i])
			stage->line[i] = '?';
	stage->line[stage->line_size] = '\0';
	memcpy(marker, "ramet:", 6);
	memcpy(marker + 6, stage->nonce, RMT_NONCE_SIZE);
	memcpy(marker + 6 + RMT_NONCE_SIZE, ":", 2);
	rest = strstr(stage->line, marker);
	if (!rest)
		return RMT_STAGE_LINE;
	rest += strlen(marker);
	if (strcmp(rest, "exec") == 0)
		return RMT_STAGE_EXEC;
	word = next_word(&rest);
	if (strcmp(word, "ready") == 0 && rest)
		return ready(stage, rest);
	if (strcmp(word, "failed") == 0 && rest) {
		stage->phase = next_word(&rest);
		stage->text = rest ? rest : "";
		return RMT_STAGE_FAILED;
	}
	return RMT_STAGE_LINE;
}

enum rmt_stage_event rmt_stage_feed(struct rmt_stage *stage, const unsigned char *data, size_t size,
				    size_t *ret_taken)
{
	const unsigned char *newline;
	size_t part;

	if (stage->line_over)
		stage->line_size = 0;
	stage->line_over = false;
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
	stage->line_over = true;
	return handle_line(stage);
}
