# Shortcuts for Meson, Ninja and the scripts that do the work.
BUILD ?= build
DESTDIR ?=
# Options of 'meson setup'. Warnings are errors in CI and for developers: MESON_FLAGS=-Dwerror=true.
MESON_FLAGS ?=
# Names of mutations, as in MUTATE="store-* conf-kernel-min". All of them by default.
MUTATE ?=
# How long each fuzz target runs, and which ones: FUZZ="record journal". All of them by default.
FUZZ_SECONDS ?= 60
FUZZ ?=

.PHONY: all deps demo check fuzz mutate boot matrix depmod fleet packages distros zfs deb rpm arch pictures crash crash-all install bench bench-makespan bench-corpus bench-scale bench-cache parity parity-all corpus asan lint format

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) >$(BUILD)/ninja.log || { cat $(BUILD)/ninja.log; exit 1; }

$(BUILD)/build.ninja:
	@meson setup $(BUILD) $(MESON_FLAGS) >$(BUILD).log || { cat $(BUILD).log; exit 1; }
	@mv $(BUILD).log $(BUILD)/setup.log

deps:
	@scripts/install-deps build

# Installs dependencies and headers, builds dkms, and shows its use with an example module in a temporary root.
demo:
	@scripts/install-deps build demo
	@$(MAKE) --no-print-directory all
	@scripts/demo $(BUILD)/src/dkms

# Unit and system tiers.
check:
	@scripts/install-deps build demo check
	@$(MAKE) --no-print-directory all
	@tests/run --build $(BUILD) unit system

# Runs the same commands with the dkms of the distribution and with ours, in twin roots (Debian, as root).
parity:
	@scripts/install-deps build demo check
	@$(MAKE) --no-print-directory all
	@tests/run --build $(BUILD) parity

parity-all:
	@DKMS_PARITY=all $(MAKE) --no-print-directory parity

# Evaluates some 300 recipes with the newest dkms of Debian and with ours (Debian, as root).
corpus:
	@scripts/install-deps build demo check
	@$(MAKE) --no-print-directory all
	@tests/run --build $(BUILD) corpus

# Kills dkms before every system call that changes a file, makes each fail, simulates power cuts, and runs 16 commands at once.
crash:
	@scripts/install-deps build demo check
	@$(MAKE) --no-print-directory all
	@tests/run --build $(BUILD) crash

crash-all:
	@DKMS_CRASH=all $(MAKE) --no-print-directory crash

# Real kernels in an emulator load modules that dkms built and signed, and refuse others.
boot:
	@scripts/install-deps build demo check boot
	@$(MAKE) --no-print-directory all
	@tests/run --build $(BUILD) boot

# What 'dkms verify' predicts, compared with the answers of real kernels for some 120 module files under ten policies.
matrix:
	@scripts/install-deps build demo check boot
	@$(MAKE) --no-print-directory all
	@tests/run --build $(BUILD) matrix

# The README's pictures, drawn from real runs.
pictures: all
	@scripts/pictures $(BUILD)/src/dkms

# Packages for distributions, into build/packages.
deb rpm arch:
	@scripts/install-deps build $@
	@scripts/make-package $@ $(BUILD)/packages

# Builds, checks and uses these packages in separate roots.
packages:
	@scripts/install-deps build demo check boot deb rpm arch package
	@$(MAKE) --no-print-directory all
	@tests/run --build $(BUILD) packages

# The indexes made from stubs, compared with those of depmod of Debian 12 and 13, for kernels of Debian.
depmod:
	@scripts/install-deps build check package
	@$(MAKE) --no-print-directory all
	@tests/run --build $(BUILD) depmod

# A matrix on GNU parallel, also over ssh, xargs, make and Slurm: each table is that of one machine.
fleet:
	@scripts/install-deps build check demo fleet
	@$(MAKE) --no-print-directory all
	@tests/run --build $(BUILD) fleet

# New machines with releases of Debian: demo, check and deb in a clone of the committed files, then the use of the packages.
distros:
	@scripts/install-deps build check package
	@tests/run --build $(BUILD) distros

# The real zfs-dkms of Debian 12 and 13, from apt to a pool in the emulator: 15 minutes on two idle processors.
zfs:
	@scripts/install-deps build check boot package
	@$(MAKE) --no-print-directory all
	@tests/run --build $(BUILD) zfs

bench: all
	@tests/bench/bench $(BUILD)/src/dkms
	@tests/bench/show $(BUILD)/src/dkms

bench-makespan: all
	@tests/bench/makespan $(BUILD)/src/dkms

bench-corpus: all
	@tests/bench/corpus $(BUILD)/src/dkms

bench-scale: all
	@tests/bench/scale $(BUILD)/src/dkms

bench-cache: all
	@tests/bench/cache $(BUILD)/src/dkms

install: all
	@DESTDIR=$(DESTDIR) meson install -C $(BUILD)

asan:
	@scripts/install-deps build demo check
	@test -f build-asan/build.ninja || meson setup build-asan -Dwerror=true -Db_sanitize=address,undefined -Dbuildtype=debug >/dev/null
	@ninja -C build-asan --quiet
	@tests/run --build build-asan unit system

# Changed inputs for the parsers of text from other parties (libFuzzer, with sanitizers).
fuzz:
	@scripts/install-deps build fuzz
	@test -f build-fuzz/build.ninja || CC=clang meson setup build-fuzz -Dfuzz=true -Dwerror=true >/dev/null
	@ninja -C build-fuzz --quiet
	@tests/fuzz/run --build build-fuzz --seconds $(FUZZ_SECONDS) $(FUZZ)

# Makes small changes in the program, one at a time. A test must notice each.
mutate:
	@scripts/install-deps build demo check
	@tests/mutate/run $(MUTATE)

lint:
	@scripts/install-deps build lint
	@$(MAKE) --no-print-directory all
	@scripts/lint $(BUILD)

format:
	@clang-format -i src/main.c src/*/*.[ch] tests/unit/*.[ch] tests/fuzz/*.[ch]
