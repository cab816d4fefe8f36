/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints the words for completions of shells. */
#pragma once

/**
 * dkms_complete_main:
 * @argc, @argv: the words of a command line after "dkms"; the last one is unfinished, and may be empty
 *
 * Prints the possible completions of the last word, one per line with a tab and a description, and then `:files` or
 * `:directories` if the shell should offer these, too. Changes nothing and reports no errors, because it runs at every
 * press of a key. The scripts in data/completions call it as `dkms --complete WORD...`.
 *
 * Returns: its exit status
 */
int dkms_complete_main (int argc, char **argv);
