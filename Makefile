# Gust's build, for GNU make 4+ and BSD make alike. `make` builds build/libgust.a and the
# demos, `make run` starts the chat, `make check` runs every test. CONTRIBUTING.md tells more.
#
# No file is listed here: tools/rules.sh looks at the folders and writes one rule per
# source into $(B)/rules.mk whenever that set changes. It also lays the public headers
# under $(B)/include/gust, so that all of the tree compiles as a user's program does.

CC ?= cc
CXX ?= c++
AR ?= ar
B ?= build
PREFIX ?= /usr/local
DESTDIR ?=
VERSION != sed -n 's/.*define GUST_VERSION "\([^"]*\)".*/\1/p' util/version.h
FUZZ_SECONDS ?= 20
ARGS ?=

WARN = -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla \
       -Wundef -Wwrite-strings -Wformat-security
WERROR =
OPT = -O2 -g
SAN =
CFLAGS ?=
LDFLAGS ?=
LIBS = -lssl -lcrypto -lpthread
TEST_LIBS = -lcmocka

# rules.mk also sets HARDEN, FEATURES and LINK to what this compiler and system take.
GENERATED != sh tools/rules.sh $(B) $(CC)
include $(B)/rules.mk

INCLUDES = -I$(B)/include -I.
COMPILE = $(CC) -std=c11 $(FEATURES) $(WARN) $(WERROR) $(OPT) $(HARDEN) $(SAN) $(LTO) \
          -ffunction-sections -fdata-sections $(INCLUDES) -MMD -MP $(CFLAGS) -c
LINKER = $(CC) $(OPT) $(SAN) $(LINK) -fno-lto $(LDFLAGS)
LTO_LINKER = $(CC) $(OPT) $(SAN) $(LINK) $(LTO) $(LDFLAGS)
JOBS != getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2
QUIET != case "$(MAKE_VERSION)" in *.*) echo -s --no-print-directory ;; *) echo -s ;; esac
REMAKE = $(MAKE) $(QUIET)
SUBMAKE = $(REMAKE) -j $(JOBS)

NEED_RUN = cc libssl-dev
NEED_UNIT = $(NEED_RUN) libcmocka-dev
NEED_LINT = $(NEED_UNIT) c++ clang clang-format
NEED_INSTALL = $(NEED_RUN) c++ pkg-config
NEED_INTEROP = $(NEED_RUN) curl python3-websockets nodejs node-ws
NEED_BROWSER = $(NEED_RUN) nodejs node-ws chromium
NEED_BENCH = $(NEED_RUN)
# check-asan has run what check-oom runs.
CHECKS = check-unit check-asan check-tsan check-pollers lint check-docs check-install check-interop \
         check-browser

ASAN = B=build-asan WERROR=-Werror OPT="-O1 -g -fno-omit-frame-pointer -DGUST_DEBUG=1" HARDEN= LTO= \
       SAN="-fsanitize=address,undefined -fno-sanitize-recover=all"
TSAN = B=build-tsan WERROR=-Werror OPT="-O1 -g -DGUST_DEBUG=1" HARDEN= LTO= SAN=-fsanitize=thread
ASAN_ENV = ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1

.PHONY: all lib demos tests benches programs run check $(CHECKS) check-oom unit unit-oom \
        unit-threads fuzz fuzz-objects fuzz-run stats bench docs install uninstall clean

all: lib demos

lib: $(B)/libgust.a

demos: $(DEMOS)

tests: $(TESTS) $(SERVERS)

benches: $(BENCHES)

programs: lib demos tests benches

fuzz-objects: $(FUZZ_OBJS)

$(B)/libgust.a: $(LIB_OBJS) $(B)/rules.mk
	@echo "  AR $@"; rm -f $@; $(AR) rcs $@ $(LIB_OBJS)

$(B)/libsupport.a: $(SUPPORT_OBJS) $(B)/rules.mk
	@echo "  AR $@"; rm -f $@; $(AR) rcs $@ $(SUPPORT_OBJS)

# --- running ---------------------------------------------------------------------------

# The chat prints its address. ARGS goes to it: make run ARGS=--port=9000
run:
	@sh tools/need.sh $(NEED_RUN)
	@$(SUBMAKE) $(B)/demos/chat
	@exec $(B)/demos/chat $(ARGS)

# --- checking --------------------------------------------------------------------------

check:
	@sh tools/need.sh $(NEED_UNIT) $(NEED_LINT) $(NEED_INSTALL) $(NEED_INTEROP) $(NEED_BROWSER)
	@mkdir -p build; rm -f build/tally; \
	for part in $(CHECKS); do \
	    echo "== $$part"; \
	    GUST_TALLY=build/tally $(REMAKE) $$part || { failed=1; break; }; \
	done; \
	sh tools/test.sh --total build/tally $$failed

check-unit:
	@sh tools/need.sh $(NEED_UNIT)
	@$(SUBMAKE) WERROR=-Werror lib demos tests
	@$(REMAKE) unit

unit: $(TESTS)
	@sh tools/test.sh $(TESTS)

check-asan:
	@sh tools/need.sh $(NEED_UNIT)
	@$(SUBMAKE) $(ASAN) tests
	@$(ASAN_ENV) $(REMAKE) $(ASAN) unit

check-tsan:
	@sh tools/need.sh $(NEED_UNIT)
	@$(SUBMAKE) $(TSAN) unit-threads

unit-threads: $(THREAD_TESTS)
	@sh tools/test.sh $(THREAD_TESTS)

check-pollers:
	@sh tools/need.sh $(NEED_UNIT)
	@$(SUBMAKE) WERROR=-Werror tests
	@for poller in $(POLLERS); do \
	    echo "-- GUST_POLLER=$$poller"; \
	    GUST_POLLER=$$poller sh tools/test.sh --using gust_ioloop_new $(TESTS) || exit 1; \
	done

check-oom:
	@sh tools/need.sh $(NEED_UNIT)
	@$(SUBMAKE) $(ASAN) tests
	@$(ASAN_ENV) $(REMAKE) $(ASAN) unit-oom

unit-oom: $(OOM_TESTS)
	@sh tools/test.sh $(OOM_TESTS)

check-install:
	@sh tools/need.sh $(NEED_INSTALL)
	@$(SUBMAKE) lib
	@CC="$(CC)" CXX="$(CXX)" MAKE="$(MAKE)" sh tools/test.sh tests/install_test.sh

check-interop:
	@sh tools/need.sh $(NEED_INTEROP)
	@$(SUBMAKE) $(SERVERS)
	@$(SUBMAKE) $(ASAN) build-asan/tests/interop_server
	@$(ASAN_ENV) sh tools/test.sh tests/interop/run.sh \
	    "tests/interop/run.sh build-asan/tests/interop_server"

check-browser:
	@sh tools/need.sh $(NEED_BROWSER)
	@$(SUBMAKE) $(B)/demos/chat
	@$(SUBMAKE) $(ASAN) build-asan/demos/chat
	@$(ASAN_ENV) sh tools/test.sh tests/interop/browser.sh \
	    "tests/interop/browser.sh build-asan/demos/chat"

check-docs docs:
	@sh tools/need.sh $(NEED_RUN)
	@$(SUBMAKE) lib
	@CC="$(CC)" sh tools/test.sh tools/docs.sh

lint:
	@sh tools/need.sh $(NEED_LINT)
	@$(SUBMAKE) CC=gcc B=build-lint/gcc WERROR=-Werror programs
	@$(SUBMAKE) CC=clang B=build-lint/clang WERROR=-Werror OPT=-O0 HARDEN= LTO= programs
	@$(SUBMAKE) CC=clang B=build-lint/debug WERROR=-Werror OPT="-O0 -DGUST_DEBUG=1" HARDEN= \
	    fuzz-objects
	@sh tools/test.sh tools/lint.sh

# Each target for FUZZ_SECONDS; what it finds interesting stays in build-fuzz/corpus/NAME.
fuzz:
	@sh tools/need.sh $(NEED_RUN) clang
	@$(SUBMAKE) CC=clang B=build-fuzz OPT="-O1 -g -DGUST_DEBUG=1" HARDEN= \
	    SAN="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all" fuzz-run

fuzz-run: $(FUZZERS)
	@for target in $(FUZZERS); do \
	    corpus=$(B)/corpus/$$(basename $$target); mkdir -p $$corpus; \
	    $$target -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -timeout=2 -rss_limit_mb=1024 \
	        -verbosity=0 -print_final_stats=1 -artifact_prefix=$(B)/ $$corpus || exit 1; \
	done

stats:
	@sh tools/stats.sh

bench:
	@sh tools/need.sh $(NEED_BENCH)
	@$(SUBMAKE) lib demos benches $(SERVERS)
	@MAKE="$(MAKE)" sh tests/bench/run.sh

# --- installing ------------------------------------------------------------------------

# What gcc needs for whole programs is good for the very same gcc only: it stays behind.
PLAIN = objcopy -R '.gnu.lto_*' -R '.gnu.debuglto_*' -N __gnu_lto_slim
install: lib
	@mkdir -p $(DESTDIR)$(PREFIX)/include/gust $(DESTDIR)$(PREFIX)/lib/pkgconfig
	cp -L $(B)/include/gust/*.h $(DESTDIR)$(PREFIX)/include/gust/
	$(PLAIN) $(B)/libgust.a $(DESTDIR)$(PREFIX)/lib/libgust.a 2>/dev/null || \
	    cp $(B)/libgust.a $(DESTDIR)$(PREFIX)/lib/
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' gust.pc.in \
	    > $(DESTDIR)$(PREFIX)/lib/pkgconfig/gust.pc

uninstall:
	rm -rf $(DESTDIR)$(PREFIX)/include/gust $(DESTDIR)$(PREFIX)/lib/libgust.a \
	    $(DESTDIR)$(PREFIX)/lib/pkgconfig/gust.pc

clean:
	rm -rf build build-asan build-tsan build-lint build-fuzz
