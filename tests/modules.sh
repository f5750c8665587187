#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Modules as users have them: a program with libramet.so, one with libramet.a and -rdynamic, and one that ramet-cc has
# linked for travelling, which cannot load any but passes them on.
. "$(dirname "$0")/tap.sh"

module=$RAMET_SOURCE/tests/module-greet.c
cat >"$scratch/load.c" <<'EOF'
#include <stdio.h>
#include <ramet.h>

/* load MODULE PATH */
int main(int argc, char **argv)
{
	ramet_router *router = NULL;
	ramet_context *context = NULL;
	ramet_value *name = NULL, *arguments = NULL, *value = NULL;
	ramet_error error = RAMET_ERROR_INIT;
	int r;

	r = ramet_init(argc, argv);
	if (r < 0 || argc != 3 || ramet_router_new(NULL, &router) < 0)
		return 2;
	r = ramet_module_allow(router, "greet", argv[1], &error);
	if (r == 0)
		r = ramet_connect(router, argv[2], &context, &error);
	if (r == 0)
		r = ramet_module_load(context, "greet", &error);
	if (r == 0) {
		name = ramet_value_new_str("you");
		arguments = ramet_value_new_array(&name, 1);
		r = ramet_invoke(context, "greet_hello", arguments, &value, &error);
	}
	if (r == 0)
		printf("%s\n", ramet_value_str(ramet_value_item(value, 0)));
	else
		printf("%d: %s\n", error.code, error.message);
	ramet_value_unref(name);
	ramet_value_unref(arguments);
	ramet_value_unref(value);
	ramet_context_unref(context);
	ramet_router_unref(router);
	ramet_error_clear(&error);
	return r < 0;
}
EOF
export PKG_CONFIG_PATH=$RAMET_OUT/lib/pkgconfig LD_LIBRARY_PATH=$RAMET_OUT/lib

try "a module is compiled" gcc -std=gnu17 -Wall -Wextra -Werror -shared -fPIC -I"$RAMET_OUT/include" \
	-o "$scratch/greet.so" "$module"
try "... as C++" g++ -x c++ -Wall -Wextra -Werror -shared -fPIC -I"$RAMET_OUT/include" \
	-o "$scratch/greet-c++.so" "$module"

# shellcheck disable=SC2046 # words of their own
try "a program with libramet.so is linked" gcc -std=gnu17 -Wall -Werror -o "$scratch/shared" "$scratch/load.c" \
	$(pkg-config --cflags --libs ramet)
same "... and loads it in a child of its child" "hello, you" "$("$scratch/shared" "$scratch/greet.so" local/local 2>&1)"
same "... also from C++" "hello, you" "$("$scratch/shared" "$scratch/greet-c++.so" local 2>&1)"

try "a program with the library in itself is linked" gcc -std=gnu17 -Wall -Werror -rdynamic -pthread \
	-I"$RAMET_OUT/include" -o "$scratch/rdynamic" "$scratch/load.c" "$RAMET_BUILD/src/libramet.a"
same "... and loads it" "hello, you" "$("$scratch/rdynamic" "$scratch/greet.so" local 2>&1)"
try "... without -rdynamic" gcc -std=gnu17 -Wall -Werror -pthread \
	-I"$RAMET_OUT/include" -o "$scratch/closed" "$scratch/load.c" "$RAMET_BUILD/src/libramet.a"
said=$("$scratch/closed" "$scratch/greet.so" local 2>&1)
same "... the error says which symbol is missing" "-79: module 'greet' cannot be loaded: undefined symbol" \
	"${said%%: ramet_*}"

try "a travelling program is linked" "$RAMET_OUT/bin/ramet-cc" -o "$scratch/static" "$scratch/load.c"
same "... and says that it is static" \
	"-95: this program is statically linked: modules need a dynamically linked one" \
	"$("$scratch/static" "$scratch/greet.so" exec:env 2>&1)"

finish
