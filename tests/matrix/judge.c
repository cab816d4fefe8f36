/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs in the guest of the confusion matrix: loads each file of a list, and prints what the kernel answers.
 * Standard input: lines "CASE FILE MODULE PROVIDER"; MODULE is the name in the file, and PROVIDER (or "-") a file that
 * is loaded before, as "MODULE=FILE". Output as the cases of init.sh. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { READ_AND_CLEAR = 4 }; /* of syslog(2) */

static const char *
load (const char *path)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  const char *answer = "OK";

  if (fd < 0)
    return "no file";
  if (syscall (SYS_finit_module, fd, "", 0) != 0)
    answer = strerrorname_np (errno);
  close (fd);
  return answer;
}

static void
print_taint (const char *module)
{
  char path[200], taint[20] = "";
  FILE *file;

  snprintf (path, sizeof path, "/sys/module/%s/taint", module);
  file = fopen (path, "re");
  if (file == NULL || fgets (taint, sizeof taint, file) == NULL)
    strcpy (taint, "none\n");
  if (file != NULL)
    fclose (file);
  printf ("  taint %s", taint);
}

static void
unload (const char *module)
{
  if (syscall (SYS_delete_module, module, 0) != 0)
    printf ("  left %s: %s\n", module, strerrorname_np (errno));
}

/* Messages of the kernel, without the level and the time of each line. */
static void
print_messages (void)
{
  static char text[1 << 18];
  int size = klogctl (READ_AND_CLEAR, text, sizeof text - 1);

  text[size > 0 ? size : 0] = '\0';
  for (char *line = strtok (text, "\n"); line != NULL; line = strtok (NULL, "\n"))
    {
      char *message = strstr (line, "] ");
      printf ("  kernel %s\n", message != NULL ? message + 2 : line);
    }
}

int
main (void)
{
  char name[100], file[200], module[100], provider[200];

  klogctl (READ_AND_CLEAR, (char[1]){ 0 }, 1);
  while (scanf ("%99s %199s %99s %199s", name, file, module, provider) == 4)
    {
      char *from = strchr (provider, '=');
      const char *answer = NULL;

      if (from != NULL)
        {
          *from++ = '\0';
          answer = load (from);
        }
      printf ("case %s\n", name);
      if (answer != NULL)
        printf ("  provider %s\n", answer);
      const char *own = load (file);
      printf ("  loaded %s\n", own);
      if (strcmp (own, "OK") == 0)
        {
          print_taint (module);
          unload (module);
        }
      if (answer != NULL && strcmp (answer, "OK") == 0)
        unload (provider);
      print_messages ();
      fflush (stdout);
    }
  return 0;
}
