/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the shells' completions offer. */
#pragma once

/**
 * dkms_complete_main:
 * @argc, @argv: the words of a command line behind "dkms"; the last one is unfinished, and may be empty
 *
 * Prints what the last word may become: a line each, a tab and a description behind it; then `:files` or
 * `:directories` if the shell shall offer these, too. Changes nothing and reports no errors: it runs on every press of
 * a key. The scripts in data/completions call it as `dkms --complete WORD...`.
 *
 * Returns: its exit status
 */
int dkms_complete_main (int argc, char **argv);
