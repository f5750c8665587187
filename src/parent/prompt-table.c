/* SPDX-License-Identifier: BSD-3-Clause */
#include "parent/prompt-table.h"

#include <errno.h>

#define CLEAR RMT_COMPLAINT_CLEAR
#define LATER RMT_COMPLAINT_LATER
#define WEAK RMT_COMPLAINT_WEAK
#define DENIED RMT_COMPLAINT_DENIED
#define AGAIN RMT_COMPLAINT_AGAIN
#define ABSENT RMT_COMPLAINT_ABSENT
#define NOTE RMT_COMPLAINT_NOTE
#define NOISE RMT_COMPLAINT_NOISE
#define END                                      \
	{                                        \
		NULL, RMT_COMPLAINT_END, 0, NULL \
	}

/* The translations of "Password: " in Linux-PAM 1.5, as they are spelt there, without the colon. */
const char *const rmt_prompt_words[] = {
	"password",      "كلمة السر",     "গুপ্তশব্দ",      "Şifrə",
	"Парола",        "পাসও\u09dfার্ড", "contrasenya", "heslo",
	"adgangskode",   "passwort",      "pasvorto",    "contraseña",
	"parool",        "pasahitza",     "salasana",    "mot de passe",
	"focal faire",   "પાસવર્ડ",        "ססמה",        "शब्दकूट",
	"jelszó",        "contrasigno",   "sandi",       "パスワード",
	"პაროლი",        "Пароль",        "ពាក្យសម្ងាត់",   "ಗುಪ್ತಪದ",
	"암호",          "അടയാളവാക്ക്",     "गुप्तशब्द",      "passord",
	"wachtwoord",    "ପ୍ରବେଶ ସଙ୍କେତ",   "ਪਾਸਵਰਡ",      "hasło",
	"palavra-passe", "senha",         "parolă",      "රහස්පදය",
	"Лозинка",       "lozinka",       "lösenord",    "கடவுச்சொல்",
	"సంకేతపదము",      "parola",        "mật khẩu",    "密码",
	"密碼",          "iphasiwedi",    NULL,
};

const char *const rmt_prompt_changes[] = {
	"*new *password*", "new password*", "*current*password*",
	"*old password*",  "*retype*",      NULL,
};

/* --- ssh ---------------------------------------------------------------------------------- */

#define CROWDED \
	"the server has closed the connection at once, as it does when too many come together"

/* OpenSSH: ssh.c, sshconnect.c, sshconnect2.c, packet.c, readconf.c. */
static const struct rmt_complaint ssh_complaints[] = {
	{"debug1: *", NOISE, 0, NULL},
	{"debug2: *", NOISE, 0, NULL},
	{"debug3: *", NOISE, 0, NULL},
	{"Permission denied, please try again.", AGAIN, 0, NULL},
	{"Permission denied (*", DENIED, 0, NULL},
	{"%@%: Permission denied (*", DENIED, 0, NULL},
	{"*REMOTE HOST IDENTIFICATION HAS CHANGED*", NOTE, 0,
	 "the host key is another than the one that is known"},
	{"Offending * key in *", NOTE, 0, NULL},
	{"No * host key is known for *", NOTE, 0, NULL},
	{"Host key for * has changed *", NOTE, 0, NULL},
	{"The authenticity of host *", NOTE, 0, NULL},
	{"* key fingerprint is *", NOTE, 0, NULL},
	{"Host key verification failed.", CLEAR, EKEYREJECTED, NULL},
	{"*UNPROTECTED PRIVATE KEY FILE*", NOTE, 0, "others can read the private key"},
	{"Load key *", NOTE, 0, NULL},
	{"no such identity: *", NOTE, 0, NULL},
	{"*Identity file * not accessible*", NOTE, 0, NULL},
	{"*Too many authentication failures*", LATER, EACCES, NULL},
	{"ssh: Could not resolve hostname *: Temporary failure *", LATER, EHOSTUNREACH, NULL},
	{"ssh: Could not resolve hostname *", LATER, ENOENT, NULL},
	{"ssh: connect to host *: Connection refused", LATER, ECONNREFUSED, NULL},
	{"ssh: connect to host *: Network is unreachable", LATER, ENETUNREACH, NULL},
	{"ssh: connect to host * timed out", LATER, ETIMEDOUT, NULL},
	{"ssh: connect to host *", LATER, EHOSTUNREACH, NULL},
	{"*channel %: open failed: *: Connection refused", LATER, ECONNREFUSED, NULL},
	{"*channel %: open failed: *", LATER, EHOSTUNREACH, NULL},
	{"*timed out during banner exchange*", LATER, ETIMEDOUT, NULL},
	{"Timeout, server * not responding.*", LATER, ETIMEDOUT, NULL},
	{"Protocol major versions differ*", LATER, EPROTO, NULL},
	{"*_exchange_identification: *banner line*", LATER, EPROTO, NULL},
	{"*_exchange_identification: *invalid*", LATER, EPROTO, NULL},
	{"banner exchange: *invalid format*", LATER, EPROTO, NULL},
	{"*_exchange_identification: *", WEAK, EAGAIN, CROWDED},
	{"banner exchange: *", WEAK, EAGAIN, CROWDED},
	{"Unable to negotiate with *", LATER, EPROTO, NULL},
	{"Connection closed by *", WEAK, EAGAIN, CROWDED},
	{"Connection reset by *", WEAK, EAGAIN, CROWDED},
	{"* Connection reset by peer", WEAK, EAGAIN, CROWDED},
	{"Connection to * closed by remote host.*", LATER, ECONNRESET, NULL},
	{"client_loop: send disconnect: *", LATER, ECONNRESET, NULL},
	{"Received disconnect from *", LATER, ECONNRESET, NULL},
	{"Disconnected from *", LATER, ECONNRESET, NULL},
	{"exec request failed on channel *", LATER, EPERM, NULL},
	{"shell request failed on channel *", LATER, EPERM, NULL},
	{"This service allows sftp connections only.", LATER, EPERM, NULL},
	{"This account is currently not available.", LATER, EPERM, NULL},
	{"Your account has expired*", LATER, EKEYEXPIRED, NULL},
	{"*You are required to change your password*", NOTE, 0, NULL},
	{"WARNING: Your password has expired*", LATER, EKEYEXPIRED, NULL},
	{"Password change required but no TTY available*", LATER, EKEYEXPIRED, NULL},
	{"Bad owner or permissions on *", LATER, EPERM, NULL},
	{"Can't open user config file *", LATER, ENOENT, NULL},
	{"*terminating, * bad configuration options", WEAK, EINVAL, NULL},
	{"*: line *: *", LATER, EINVAL, NULL},
	{"command-line line *: *", LATER, EINVAL, NULL},
	{"usage: ssh *", LATER, EINVAL, NULL},
	END,
};

/* Of others than itself it asks in the words of the server's PAM, behind "(user@host) ". */
static const char *const ssh_questions[] = {
	"%@%'s password", "password for %", "(%@%) *password*", "Enter passphrase for *", NULL,
};

const struct rmt_prompts rmt_prompts_ssh = {
	.tool = "ssh",
	.questions = ssh_questions,
	.pam = true,
	.complaints = ssh_complaints,
};

/* --- sudo --------------------------------------------------------------------------------- */

/* sudo 1.8 and 1.9 (tgetpass.c, check.c, pam.c, logging.c), and sudo-rs. */
static const struct rmt_complaint sudo_complaints[] = {
	{"sudo: unable to resolve host *", NOISE, 0, NULL},
	{"sudo: setrlimit*", NOISE, 0, NULL},
	{"Sorry, try again.", AGAIN, 0, NULL},
	{"sudo: Authentication failed, try again.", AGAIN, 0, NULL},
	{"sudo*: * incorrect password attempt*", CLEAR, EACCES, "the password is wrong"},
	{"sudo*: Maximum * incorrect *", CLEAR, EACCES, "the password is wrong"},
	{"* is not in the sudoers file*", CLEAR, EPERM, NULL},
	{"* is not allowed to run sudo on *", CLEAR, EPERM, NULL},
	{"Sorry, user * may not run sudo*", CLEAR, EPERM, NULL},
	{"Sorry, user * is not allowed to execute *", CLEAR, EPERM, NULL},
	{"sudo*: I'm sorry *. I'm afraid I can't do that", CLEAR, EPERM, NULL},
	{"sudo*: sorry, you must have a tty to run sudo", CLEAR, ENOTTY, NULL},
	{"sudo*: a terminal is required *", CLEAR, ENOTTY, NULL},
	{"sudo*: no tty present and no askpass program specified", CLEAR, ENOTTY, NULL},
	{"sudo*: a password is required", ABSENT, 0, NULL},
	{"sudo*: interactive authentication is required", ABSENT, 0, NULL},
	{"sudo*: no password was provided", ABSENT, 0, NULL},
	{"sudo*: *timed out*", CLEAR, ETIMEDOUT, NULL},
	{"sudo*: unknown user*", CLEAR, ENOENT, NULL},
	{"sudo*: unknown uid*", CLEAR, ENOENT, NULL},
	{"sudo*: user * not found", CLEAR, ENOENT, NULL},
	{"sudo*: *: command not found", CLEAR, ENOENT, NULL},
	{"sudo*: account validation failure*", CLEAR, EKEYEXPIRED, NULL},
	{"sudo*: Account or password is expired*", CLEAR, EKEYEXPIRED, NULL},
	{"sudo*: Password expired*", CLEAR, EKEYEXPIRED, NULL},
	{"sudo*: Account expired *", CLEAR, EKEYEXPIRED, NULL},
	{"*You are required to change your password*", NOTE, 0, NULL},
	{"sudo*: effective uid is not *", CLEAR, EPERM, NULL},
	{"sudo*: * must be owned by uid *", CLEAR, EPERM, NULL},
	{"sudo*: The \"no new privileges\" flag is set*", CLEAR, EPERM, NULL},
	{"usage: sudo *", WEAK, EINVAL, NULL},
	END,
};

const struct rmt_prompts rmt_prompts_sudo = {
	.tool = "sudo",
	.marker = RMT_SUDO_PROMPT,
	.complaints = sudo_complaints,
};

/* --- su ----------------------------------------------------------------------------------- */

/* util-linux (login-utils/su-common.c with the texts of PAM), shadow, busybox, the BSDs. */
static const struct rmt_complaint su_complaints[] = {
	{"su: Authentication failure*", CLEAR, EACCES, "the password is wrong"},
	{"su: incorrect password", CLEAR, EACCES, "the password is wrong"},
	{"su: Sorry", CLEAR, EACCES, "the password is wrong"},
	{"Sorry", CLEAR, EACCES, "the password is wrong"},
	{"*authentication is denied*", CLEAR, EACCES, "the password is wrong"},
	{"su: user * does not exist*", CLEAR, ENOENT, NULL},
	{"su: unknown user *", CLEAR, ENOENT, NULL},
	{"su: unknown login*", CLEAR, ENOENT, NULL},
	{"No passwd entry for user *", CLEAR, ENOENT, NULL},
	{"su: failed to execute *", CLEAR, ENOENT, NULL},
	{"su: must be run from a terminal", CLEAR, ENOTTY, NULL},
	{"su: must be suid *", CLEAR, EPERM, NULL},
	{"su: *Permission denied*", CLEAR, EPERM, NULL},
	{"su: *Operation not permitted*", CLEAR, EPERM, NULL},
	{"This account is currently not available.", CLEAR, EPERM, NULL},
	{"su: User account has expired*", CLEAR, EKEYEXPIRED, NULL},
	{"Your account has expired*", CLEAR, EKEYEXPIRED, NULL},
	{"su: Authentication token *", CLEAR, EKEYEXPIRED, NULL},
	{"su: User credentials expired*", CLEAR, EKEYEXPIRED, NULL},
	{"*You are required to change your password*", NOTE, 0, NULL},
	{"su: Have exhausted maximum number of retries*", CLEAR, EACCES, NULL},
	END,
};

static const char *const su_questions[] = {"*password", "*password for %", NULL};

/*
 * What asks is misc_conv(3) of PAM: on standard error, and reads standard input. Until su knows the
 * password nobody else can write there. If it needs none, start-up files of a shell can; but they belong
 * to the user whose password it is.
 */
const struct rmt_prompts rmt_prompts_su = {
	.tool = "su",
	.questions = su_questions,
	.pam = true,
	.errors = true,
	.complaints = su_complaints,
};

/* --- doas --------------------------------------------------------------------------------- */

/* OpenBSD's, and opendoas, which may ask PAM. */
static const struct rmt_complaint doas_complaints[] = {
	{"doas: Authentication failed", CLEAR, EACCES, "the password is wrong"},
	{"doas: Authorization failed", CLEAR, EACCES, "the password is wrong"},
	{"doas: Authorization required", ABSENT, 0, NULL},
	{"doas: Authentication required", ABSENT, 0, NULL},
	{"doas: a tty is required", CLEAR, ENOTTY, NULL},
	{"doas: *not permitted*", CLEAR, EPERM, NULL},
	{"doas: doas is not enabled*", CLEAR, EPERM, NULL},
	{"doas: not installed setuid", CLEAR, EPERM, NULL},
	{"doas: unknown user*", CLEAR, ENOENT, NULL},
	{"doas: no passwd entry for *", CLEAR, ENOENT, NULL},
	{"doas: *: command not found", CLEAR, ENOENT, NULL},
	{"*You are required to change your password*", NOTE, 0, NULL},
	{"usage: doas *", WEAK, EINVAL, NULL},
	END,
};

static const char *const doas_questions[] = {"doas (*) password", NULL};

const struct rmt_prompts rmt_prompts_doas = {
	.tool = "doas",
	.questions = doas_questions,
	.pam = true,
	.complaints = doas_complaints,
};
