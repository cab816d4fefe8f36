#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The debhelper sequence "dkms".
use strict;
use warnings;
use Debian::Debhelper::Dh_Lib;
use Debian::Debhelper::SequencerUtil;

# Whether all that the source package contains is the source of kernel modules with a Makefile of the kernel's build system.
sub contains_only_modules {
	return 0 if grep { !/-dkms$/ && !pkgfile($_, 'dkms') } getpackages();
	return 0 if grep { -e } qw(configure configure.ac configure.in CMakeLists.txt meson.build setup.py pyproject.toml);
	foreach my $file (grep { -f } qw(Makefile makefile GNUmakefile Kbuild)) {
		open my $fd, '<', $file or error("open $file: $!");
		my @lines = grep { /^\s*obj-[my]\b|\bM=|\bSUBDIRS=|\/lib\/modules\// } <$fd>;
		close $fd;
		return 1 if @lines;
	}
	return 0;
}

insert_after('dh_install', 'dh_dkms');

# Whether debian/rules changes what dh does instead of, before or after a command.
sub has_target {
	my ($command) = @_;
	foreach my $kind (qw(override execute_before execute_after)) {
		foreach my $suffix ('', '-arch', '-indep') {
			return 1 if defined rules_explicit_target("${kind}_$command$suffix");
		}
	}
	return 0;
}

if (contains_only_modules()) {
	foreach my $command (map { "dh_auto_$_" } qw(configure build test install clean)) {
		remove_command($command) unless has_target($command);
	}
}

1;
