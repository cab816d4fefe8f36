# Runs a matrix with make, and prints the table. Usage: make -k -j2 -f fleet.mk SOURCES="./my-driver" OUTPUT=results
# make -k continues after a job that failed. -j of make limits the jobs of all builds together.
SHARDS ?= 4
OUTPUT ?= results
shards := $(shell seq $(SHARDS))

.PHONY: table $(shards)
table:
	-@$(MAKE) --no-print-directory -k -f $(firstword $(MAKEFILE_LIST)) $(shards)
	@dkms matrix --merge $(OUTPUT)

$(shards):
	+@dkms matrix $(SOURCES) --shard $@/$(SHARDS) --output $(OUTPUT)
