/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Additions to MAKE lines. */
#include <string.h>

#include "conf/make-line.h"

static const struct {
  const char *make, *line;
} llvms[] = {
  { "make", "make LLVM=1" },
  { "make -C x all", "make -C x all LLVM=1" },
  { "'make' -j1", "'make' -j1 LLVM=1" },
  { "make a; cd ..", "make a LLVM=1; cd .." },
  { "make a;make b && make c || true", "make a LLVM=1;make b LLVM=1 && make c LLVM=1 || true" },
  { "cd src && make -C /h", "cd src && make -C /h LLVM=1" },
  { "(cd src; make all) | tee log", "(cd src; make all LLVM=1) | tee log" },
  { "make all # quietly", "make all LLVM=1 # quietly" },
  { "make a#b", "make a#b LLVM=1" },
  { "make > log 2>&1; true", "make > log 2>&1 LLVM=1; true" },
  { "make &>log && true", "make &>log LLVM=1 && true" },
  { "make >|log; true", "make >|log LLVM=1; true" },
  { "A=1 B='x y' make a; true", "A=1 B='x y' make a LLVM=1; true" },
  { "env -u CC A=1 /usr/bin/make a; true", "env -u CC A=1 /usr/bin/make a LLVM=1; true" },
  { "env A=1 /usr/bin/make a; true", "env A=1 /usr/bin/make a LLVM=1; true" },
  { "nice make a; true", "nice make a LLVM=1; true" },
  { "for d in a make; do make -C $d; done", "for d in a make; do make -C $d LLVM=1; done" },
  { "if make a; then true; fi", "if make a LLVM=1; then true; fi" },
  { "echo make; ./build.sh", "echo make; ./build.sh LLVM=1" }, /* as in the reference: the line does not contain make */
  { "./build.sh", "./build.sh LLVM=1" },
  { "make CFLAGS='-a; -b' X=\"a;b\" Y=$(echo a; echo b) Z=`a;b`; true",
    "make CFLAGS='-a; -b' X=\"a;b\" Y=$(echo a; echo b) Z=`a;b` LLVM=1; true" },
  { "make X=\"$(make -s \"a;b\")\" \\;x ${A:-b;c} \"it's;\"; true",
    "make X=\"$(make -s \"a;b\")\" \\;x ${A:-b;c} \"it's;\" LLVM=1; true" },
  { "make 'open", "make 'open LLVM=1" },
  { "make &", "make LLVM=1 &" },
  { "make ; ", "make LLVM=1 ; " },
  { " make", " make LLVM=1" },
};

static void
test_llvm (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (llvms); i++)
    {
      g_autofree char *line = dkms_make_line_add_llvm (llvms[i].make);

      g_assert_cmpstr (line, ==, llvms[i].line);
    }
}

/* Nested more deeply than is accepted. */
static void
test_nesting (void)
{
  static const char *const pieces[] = { "$(", "${", "\"`", "'$(", "\\$(" };

  for (gsize i = 0; i < G_N_ELEMENTS (pieces); i++)
    {
      g_autoptr (GString) text = g_string_new ("make ");
      g_autofree char *line = NULL;

      while (text->len < 1 << 20)
        g_string_append (text, pieces[i]);
      line = dkms_make_line_add_llvm (text->str);
      g_assert_cmpuint (strlen (line), ==, text->len + strlen (" LLVM=1"));
    }
}

static const struct {
  const char *make, *jobs, *line;
} injections[] = {
  { "make all", "4", "make -j4 KERNELRELEASE=6.1 all" },
  { "make all", NULL, "make KERNELRELEASE=6.1 all" },
  { "make", "2", "make -j2 KERNELRELEASE=6.1" },
  { "make\tall", "2", "make -j2 KERNELRELEASE=6.1\tall" },
  { "makepkg", "4", "makepkg" },
  { "'make' all", "4", "'make' all" },
  { " make all", "4", " make all" },
  { "", "4", "" },
};

static void
test_inject (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (injections); i++)
    {
      g_autofree char *line = dkms_make_line_inject (injections[i].make, injections[i].jobs, "6.1");

      g_assert_cmpstr (line, ==, injections[i].line);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/make-line/llvm", test_llvm);
  g_test_add_func ("/make-line/nesting", test_nesting);
  g_test_add_func ("/make-line/inject", test_inject);
  return g_test_run ();
}
