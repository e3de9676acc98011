# SPDX-License-Identifier: Apache-2.0
# A short front for meson: everything is built below $(BUILD). `make help` lists the targets.
PREFIX ?= /usr/local
PYTHON ?= python3
BUILD ?= build$(if $(SAN),-san)
T ?= 60

MESON_SETUP = $(if $(SAN),-Dbuildtype=debug -Db_sanitize=address$(comma)undefined)
comma := ,
HULL = $(BUILD)/src/cli/hull

all: units                     ## build (into build/, or build-san/ with SAN=1)
	@ninja -C $(BUILD) $(if $(V),-v,--quiet)
	@ln -sfn src/cli/hull $(BUILD)/hull
	@ln -sfn src/cli/hull-runtime $(BUILD)/hull-runtime

$(BUILD)/build.ninja:
	@for tool in meson ninja pkg-config gcc busybox; do command -v $$tool >/dev/null || \
		{ echo "make: $$tool is missing: run make deps" >&2; exit 1; }; done
	meson setup $(MESON_SETUP) $(BUILD)

# cmocka came after the build was set up (make demo does without): now there are unit tests.
units: $(BUILD)/build.ninja
	@grep -qF test/unit/t_ $< || ! pkg-config --exists cmocka || meson setup --reconfigure $(BUILD)

deps:                          ## install what building and testing needs (apt-get, with sudo if need be)
	@script/deps build run test

demo:                          ## install what is missing, build, and show an isolated container
	@script/deps build run
	@$(MAKE) --no-print-directory all
	@script/demo $(HULL)

check: all                     ## in seconds: unit tests, rules about the source, examples in the documentation
	@$(PYTHON) test/run --build $(BUILD) --quick

test: all                      ## everything, as root; what cannot be tested here is skipped by name (VM=some: and a part in QEMU)
	@$(PYTHON) test/run --build $(BUILD) $(if $(VM),--vm $(VM))

test-vm: all                   ## the cases for real machines (systemd, cgroup v2, plain users), in QEMU
	@script/deps build run test vm
	@$(PYTHON) test/run --build $(BUILD) --vm only

install: all                   ## into $(DESTDIR)$(PREFIX)
	@[ "$$(meson introspect --buildoptions $(BUILD) | $(PYTHON) -c 'import json,sys; print([o["value"] for o in json.load(sys.stdin) if o["name"] == "prefix"][0])')" = "$(PREFIX)" ] || \
		{ meson configure $(BUILD) -Dprefix=$(PREFIX) -Dsysconfdir=/etc && ninja -C $(BUILD) --quiet; }
	@meson install -C $(BUILD) --no-rebuild --quiet

format:                        ## make format F=src/x/y.c: lay a C file out as .clang-format says
	clang-format -i $(or $(F),$(error say which: make format F=src/x/y.c))

fuzz: F ?= tar
fuzz:                          ## make fuzz F=tar T=60: fuzz one parser for T seconds
	@script/fuzz $(F) $(T)

bench: all                     ## hull and the peers that are installed, side by side (bench/setup installs them)
	@$(PYTHON) bench/run --hull $(HULL)

clean:                         ## remove the build directory
	rm -rf $(BUILD)

help:
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

.PHONY: all units deps demo check test test-vm install format fuzz bench clean help
