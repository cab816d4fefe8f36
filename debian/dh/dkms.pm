#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
# The debhelper sequence "dkms".
use strict;
use warnings;
use Debian::Debhelper::Dh_Lib;

insert_after('dh_install', 'dh_dkms');

1;
