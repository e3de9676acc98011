/* SPDX-License-Identifier: Apache-2.0 */
/*
 * login: user and password for a registry, tried there and kept; logout: forgotten.
 */
#include "cli/commands.h"

#include "base/fd.h"
#include "base/mem.h"
#include "engine/login.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { SECRET_MAX = 65536, LINE_ROOM = 4200 /* more than a terminal gives */ };

struct login_options {
	char *user, *password;
	bool from_stdin;
};
static const struct opt options[] = {
	{"password", 'p', OPT_STR, offset_of(struct login_options, password), "PASSWORD", "The password; others can read it in the list of processes"},
	{"password-stdin", 0, OPT_BOOL, offset_of(struct login_options, from_stdin), NULL, "Read the password from stdin"},
	{"username", 'u', OPT_STR, offset_of(struct login_options, user), "NAME", "The user"},
};

static int from_stdin(char **ret, struct err *e)
{
	own(buf) struct buf b = BUF(SECRET_MAX);
	if (fd_read_to_end(0, &b) < 0)
		return err_sys(e, "read the password from stdin");
	size_t n = b.len;
	while (n && (b.data[n - 1] == '\n' || b.data[n - 1] == '\r'))
		n--;
	if (!n || memchr(b.data, 0, n))
		return err_set(e, ERR_USAGE, "--password-stdin: there is no password");
	*ret = mem_ndup(b.data, n);
	explicit_bzero(b.data, b.len);
	return 0;
}

static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
static struct termios shown;

/* Whoever ends us while nothing is shown gets his terminal back. */
static void on_end(int sig)
{
	tcsetattr(0, TCSANOW, &shown);
	signal(sig, SIG_DFL);
	raise(sig);
}

static bool hide(struct sigaction before[countof(ends)])
{
	if (tcgetattr(0, &shown) < 0)
		return false;
	struct termios now = shown;
	for (size_t i = 0; i < countof(ends); i++) {
		sigaction(ends[i], NULL, &before[i]);
		if (before[i].sa_handler == SIG_DFL)
			sigaction(ends[i], &(struct sigaction){.sa_handler = on_end}, NULL);
	}
	now.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(0, TCSAFLUSH, &now);
	return true;
}

static void show(const struct sigaction before[countof(ends)])
{
	tcsetattr(0, TCSAFLUSH, &shown);
	for (size_t i = 0; i < countof(ends); i++)
		sigaction(ends[i], &before[i], NULL);
	fputc('\n', stderr);
}

/* A line of the terminal, shown or not. */
static int ask(const char *what, bool hidden, char **ret, struct err *e)
{
	char line[LINE_ROOM] = "";
	struct sigaction before[countof(ends)];
	if (!isatty(0))
		return err_set(e, ERR_USAGE, "login: %s is missing, and stdin is no terminal to ask at: use --username and --password-stdin", what);
	fprintf(stderr, "%c%s: ", what[0] - 'a' + 'A', what + 1);
	bool changed = hidden && hide(before);
	bool got = fgets(line, sizeof line, stdin) != NULL;
	if (changed)
		show(before);
	line[strcspn(line, "\r\n")] = 0;
	if (!got || !*line)
		return err_set(e, ERR_USAGE, "login: %s is missing", what);
	*ret = mem_dup(line);
	explicit_bzero(line, sizeof line);
	return 0;
}

static int run_login(void *opts, int argc, char **argv, struct err *e)
{
	const struct login_options *o = opts;
	struct engine *g = cli_engine(e);
	own(mem) char *server = NULL;
	own(mem) char *user = mem_dup(str_is_empty(o->user) ? NULL : o->user);
	own(mem) char *password = mem_dup(o->password);
	own(mem) char *where = NULL;
	bool plain = false;
	if (!g || login_server(argc ? argv[0] : "", &server, e) < 0)
		return -1;
	if (o->password && o->from_stdin)
		return err_set(e, ERR_USAGE, "--password and --password-stdin cannot be combined");
	if (o->from_stdin && !user)
		return err_set(e, ERR_USAGE, "--password-stdin needs --username");
	if (o->password)
		cli_warn("a password on the command line can be read by others: use --password-stdin");
	if ((!user && ask("username", false, &user, e) < 0) ||
		(o->from_stdin && from_stdin(&password, e) < 0) ||
		(!password && ask("password", true, &password, e) < 0))
		return -1;
	int r = login(g, server, user, password, &where, &plain, e);
	explicit_bzero(password, strlen(password));
	if (r < 0)
		return -1;
	if (plain)
		cli_warn("the password stands in %s as it is; a credential helper (credsStore) would keep it safe", where);
	return cli_printf(e, "Login Succeeded\n");
}

static int run_logout(void *opts unused, int argc, char **argv, struct err *e)
{
	own(mem) char *server = NULL;
	bool was;
	if (login_server(argc ? argv[0] : "", &server, e) < 0 || logout(server, &was, e) < 0)
		return -1;
	return cli_printf(e, was ? "Removing login credentials for %s\n" : "Not logged in to %s\n", server);
}

const struct cmd cmd_login = {"login", "[SERVER]", "Log in to a registry", options, countof(options), sizeof(struct login_options), 0, 1, run_login,
	.about = "The registry is asked whether it accepts user and password; then they are kept in docker's config.json (DOCKER_CONFIG, ~/.docker; "
		"mode 0600), or by the credential helper that the file names.",
	.examples = "$ hull login -u me --password-stdin registry.example <token\n$ hull logout registry.example"};
const struct cmd cmd_logout = {"logout", "[SERVER]", "Forget the login at a registry", NULL, 0, 0, 0, 1, run_logout};
