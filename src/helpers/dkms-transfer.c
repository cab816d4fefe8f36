/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads and writes files of a server over HTTP, for the build cache. It knows addresses and files, but no formats.
 *
 * dkms-transfer DIRECTORY: standard input and output are one socket of type SOCK_SEQPACKET. Each message consists of
 * pairs "key NUL value NUL". The first message describes the server, and has no answer:
 *
 *   url        address that precedes all paths
 *   timeout    seconds for one transfer, and one more for each MiB
 *   netrc, ca, certificate, key    (optional): files with the password, the certificates of authorities, and the
 *              certificate of the client with its key
 *
 * Each further message is one of these requests, about a file of DIRECTORY:
 *
 *   get PATH, file NAME, most BYTES, size BYTES    reads it to the new file NAME; size: it must have so many bytes
 *   head PATH                                      asks whether it exists
 *   put PATH, file NAME                            writes it
 *
 * The answer has the pairs
 *
 *   answer     good; absent; denied: the server wants other credentials; wrong: the file cannot be used; away: the
 *              server does not answer as it should
 *   status     of HTTP; 0: none
 *   text       what is wrong
 *   date       time of the server in seconds since 1970
 *   end
 *
 * The process ends when the socket is closed. It opens DIRECTORY, and then has no privileges: root becomes the user
 * 65534, for which all other mounts are read-only. Sources: libcurl(3), mount_setattr(2). */
#define _GNU_SOURCE
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "helpers/drop-rights.h"
#include "helpers/pairs-in.h"
#include "helpers/write-all.h"

enum {
  MOST_MESSAGE = 1 << 16,
  MOST_ANSWER = 1 << 11,
  MOST_TEXT = 1 << 10,
  MOST_SECONDS = 600,
  MOST_BYTES = 1 << 30,
  MOST_REFUSAL = 1 << 16, /* bytes of the page that explains another status; a longer one ends the connection */
  CONNECT_SECONDS = 2,
  SLOW_SECONDS = 10,
  SLOW_BYTES = 1024,
  REDIRECTS = 3
};

/* <sched.h> and <sys/mount.h> of some C libraries conflict with <linux/mount.h>. */
#ifndef CLONE_NEWNS
#define CLONE_NEWNS 0x20000
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

typedef struct {
  char text[MOST_MESSAGE];
  size_t size;
} Message;

typedef struct {
  CURL *curl;
  struct curl_slist *headers;
  int dir;
  char *url;
  long timeout;
  char error[CURL_ERROR_SIZE];
} Session;

/* One transfer. */
typedef struct {
  Session *session;
  int file; /* -1: none */
  uint64_t most, done;
  int broken; /* an errno of the local file */
  bool large;
  curl_off_t date; /* -1: unknown */
} Transfer;

/* ---- messages ---- */

/* Returns: false at the end, or with a message that is damaged */
static bool
receive (Message *self)
{
  ssize_t got;

  do
    got = recv (STDIN_FILENO, self->text, sizeof self->text, 0);
  while (got < 0 && errno == EINTR);
  self->size = got > 0 ? (size_t)got : 0;
  return self->size > 0 && self->text[self->size - 1] == '\0';
}

/* Returns: (nullable): the value of the pair with @key */
static const char *
find (const Message *self, const char *key)
{
  return pairs_find (self->text, self->size, key, NULL);
}

static uint64_t
find_number (const Message *self, const char *key, uint64_t otherwise)
{
  const char *text = find (self, key);

  return text != NULL ? strtoull (text, NULL, 10) : otherwise;
}

/* @text: may contain words of the server */
static bool
send_answer (const char *answer, long status, const char *text, curl_off_t date)
{
  char message[MOST_ANSWER], shown[MOST_TEXT];
  size_t length = 0;

  for (; text[length] != '\0' && length + 1 < sizeof shown; length++)
    shown[length] = text[length] >= ' ' && text[length] <= '~' ? text[length] : '?';
  shown[length] = '\0';
  int size = snprintf (message, sizeof message, "answer%c%s%cstatus%c%ld%ctext%c%s%cdate%c%lld%cend%c%c", 0, answer, 0,
                       0, status, 0, 0, shown, 0, 0, (long long)date, 0, 0, 0);

  return send (STDIN_FILENO, message, (size_t)size, MSG_NOSIGNAL) == size;
}

/* ---- the server ---- */

/* Addresses with TLS are not left for others. */
static void
limit_protocols (CURL *curl, bool secure)
{
#if LIBCURL_VERSION_NUM >= 0x075500
  (void)curl_easy_setopt (curl, CURLOPT_PROTOCOLS_STR, "http,https");
  (void)curl_easy_setopt (curl, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
#else
  (void)curl_easy_setopt (curl, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
  (void)curl_easy_setopt (curl, CURLOPT_REDIR_PROTOCOLS,
                          (long)(secure ? CURLPROTO_HTTPS : CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static bool
set_file (CURL *curl, CURLoption option, const char *path)
{
  return path == NULL || curl_easy_setopt (curl, option, path) == CURLE_OK;
}

/* Options that all transfers share. */
static bool
set_up (Session *self, const Message *message)
{
  const char *url = find (message, "url"), *netrc = find (message, "netrc"), *ca = find (message, "ca");
  CURL *curl = self->curl;

  if (url == NULL)
    return false;
  self->url = strdup (url);
  self->timeout = (long)find_number (message, "timeout", 30);
  self->headers = curl_slist_append (self->headers, "Expect:");
  self->headers = curl_slist_append (self->headers, "Content-Type: application/octet-stream");
  limit_protocols (curl, strncmp (url, "https:", 6) == 0);
#if LIBCURL_VERSION_NUM >= 0x075700
  (void)curl_easy_setopt (curl, CURLOPT_QUICK_EXIT, 1L); /* do not wait for a name server that does not answer */
#endif
  return self->url != NULL && self->headers != NULL && curl_easy_setopt (curl, CURLOPT_USERAGENT, "dkms") == CURLE_OK
         && curl_easy_setopt (curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK
         && curl_easy_setopt (curl, CURLOPT_ERRORBUFFER, self->error) == CURLE_OK
         && curl_easy_setopt (curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK
         && (strncmp (url, "https:", 6) != 0
             || curl_easy_setopt (curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK)
         && curl_easy_setopt (curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS) == CURLE_OK
         && curl_easy_setopt (curl, CURLOPT_LOW_SPEED_LIMIT, (long)SLOW_BYTES) == CURLE_OK
         && curl_easy_setopt (curl, CURLOPT_LOW_SPEED_TIME, (long)SLOW_SECONDS) == CURLE_OK
         && curl_easy_setopt (curl, CURLOPT_MAXREDIRS, (long)REDIRECTS) == CURLE_OK
         && (netrc == NULL || curl_easy_setopt (curl, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL) == CURLE_OK)
         && set_file (curl, CURLOPT_NETRC_FILE, netrc) && set_file (curl, CURLOPT_CAINFO, ca)
         && set_file (curl, CURLOPT_SSLCERT, find (message, "certificate"))
         && set_file (curl, CURLOPT_SSLKEY, find (message, "key"));
}

/* ---- transfers ---- */

/* Whether the bytes that arrive are the file, and not a page about another status. */
static bool
is_good (CURL *curl)
{
  long status = 0;

  return curl_easy_getinfo (curl, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK && status == 200;
}

static size_t
take_bytes (char *bytes, size_t size, size_t count, void *data)
{
  Transfer *self = data;
  bool good = self->file >= 0 && is_good (self->session->curl);

  self->done += size * count;
  if (self->done > (good ? self->most : MOST_REFUSAL))
    return self->large |= good, 0;
  if (good && !write_all (self->file, bytes, size * count))
    return self->broken = errno, 0;
  return size * count;
}

static size_t
give_bytes (char *bytes, size_t size, size_t count, void *data)
{
  Transfer *self = data;
  ssize_t got;

  do
    got = read (self->file, bytes, size * count);
  while (got < 0 && errno == EINTR);
  if (got < 0)
    self->broken = errno;
  return got < 0 ? CURL_READFUNC_ABORT : (size_t)got;
}

/* Sends the file again, after the server has closed a connection or has asked for the password. */
static int
rewind_file (void *data, curl_off_t offset, int origin)
{
  const Transfer *self = data;

  return lseek (self->file, (off_t)offset, origin) == (off_t)offset ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

static size_t
take_header (char *bytes, size_t size, size_t count, void *data)
{
  static const char name[] = "date:";
  Transfer *self = data;
  char text[64];
  size_t length = size * count;

  if (length >= sizeof name && length < sizeof text && strncasecmp (bytes, name, sizeof name - 1) == 0)
    {
      memcpy (text, bytes, length);
      text[length] = '\0';
      self->date = (curl_off_t)curl_getdate (text + sizeof name - 1, NULL);
    }
  return length;
}

/* Sends the request. @path: below the address of the server */
static CURLcode
perform (Transfer *self, const char *path)
{
  Session *session = self->session;
  char *url = NULL;

  session->error[0] = '\0';
  self->date = -1;
  if (asprintf (&url, "%s/%s", session->url, path) < 0)
    return CURLE_OUT_OF_MEMORY;
  CURLcode code = curl_easy_setopt (session->curl, CURLOPT_URL, url);
  free (url);
  if (code == CURLE_OK)
    code = curl_easy_setopt (session->curl, CURLOPT_TIMEOUT, session->timeout + (long)(self->most >> 20));
  (void)curl_easy_setopt (session->curl, CURLOPT_WRITEFUNCTION, take_bytes);
  (void)curl_easy_setopt (session->curl, CURLOPT_WRITEDATA, self);
  (void)curl_easy_setopt (session->curl, CURLOPT_HEADERFUNCTION, take_header);
  (void)curl_easy_setopt (session->curl, CURLOPT_HEADERDATA, self);
  return code == CURLE_OK ? curl_easy_perform (session->curl) : code;
}

/* Answers about a transfer that has ended with @code. */
static bool
report (const Transfer *self, CURLcode code, const char *wrong)
{
  CURL *curl = self->session->curl;
  const char *text = self->session->error[0] != '\0' ? self->session->error : curl_easy_strerror (code);
  char number[64];
  long status = 0;

  if (curl_easy_getinfo (curl, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK)
    status = 0;
  if (wrong != NULL)
    return send_answer ("wrong", status, wrong, self->date);
  if (status == 404 || status == 410)
    return send_answer ("absent", status, "", self->date);
  (void)snprintf (number, sizeof number, "HTTP status %ld", status);
  if (status == 401 || status == 403)
    return send_answer ("denied", status, number, self->date);
  if (code != CURLE_OK && code != CURLE_WRITE_ERROR)
    return send_answer ("away", status, text, self->date);
  bool good = code == CURLE_OK && (status == 200 || (self->file >= 0 && (status == 201 || status == 204)));
  return send_answer (good ? "good" : "away", status, good ? "" : number, self->date);
}

/* @size: bytes that the file must have; UINT64_MAX: any number. Returns: (nullable): why it cannot be used */
static const char *
find_fault (const Transfer *self, CURLcode code, uint64_t size, char text[static 128])
{
  CURL *curl = self->session->curl;

  if (self->broken != 0)
    return snprintf (text, 128, "%s", strerror (self->broken)), text;
  if (self->large || (code == CURLE_FILESIZE_EXCEEDED && is_good (curl)))
    return snprintf (text, 128, "it is larger than %llu bytes", (unsigned long long)self->most), text;
  if (code == CURLE_OK && is_good (curl) && size != UINT64_MAX && self->done != size)
    return snprintf (text, 128, "it has %llu bytes instead of %llu", (unsigned long long)self->done,
                     (unsigned long long)size),
           text;
  return NULL;
}

static bool
get (Session *session, const Message *message, const char *path)
{
  uint64_t size = find_number (message, "size", UINT64_MAX);
  Transfer self = { .session = session, .file = -1, .most = find_number (message, "most", 1 << 20) };
  const char *name = find (message, "file");
  CURL *curl = session->curl;
  char text[128];
  long status = 0;

  if (size < self.most)
    self.most = size;
  if (name == NULL || strchr (name, '/') != NULL)
    return false;
  (void)unlinkat (session->dir, name, 0);
  self.file = openat (session->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (self.file < 0)
    return send_answer ("wrong", 0, strerror (errno), -1);
  (void)curl_easy_setopt (curl, CURLOPT_HTTPGET, 1L);
  (void)curl_easy_setopt (curl, CURLOPT_FOLLOWLOCATION, 1L);
  (void)curl_easy_setopt (curl, CURLOPT_HTTPHEADER, NULL);
  (void)curl_easy_setopt (curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)self.most);
  CURLcode code = perform (&self, path);
  const char *fault = find_fault (&self, code, size, text);
  if (curl_easy_getinfo (curl, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK || status != 200)
    status = 0;
  if (fault != NULL || code != CURLE_OK || status == 0)
    (void)unlinkat (session->dir, name, 0);
  (void)close (self.file);
  self.file = -1; /* only 200 is good for this request */
  return report (&self, code, fault);
}

static bool
head (Session *session, const char *path)
{
  Transfer self = { .session = session, .file = -1 };
  CURL *curl = session->curl;

  (void)curl_easy_setopt (curl, CURLOPT_NOBODY, 1L);
  (void)curl_easy_setopt (curl, CURLOPT_FOLLOWLOCATION, 0L);
  (void)curl_easy_setopt (curl, CURLOPT_HTTPHEADER, NULL);
  (void)curl_easy_setopt (curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)0);
  CURLcode code = perform (&self, path);
  (void)curl_easy_setopt (curl, CURLOPT_NOBODY, 0L);
  return report (&self, code, NULL);
}

static bool
put (Session *session, const Message *message, const char *path)
{
  Transfer self = { .session = session, .file = -1 };
  const char *name = find (message, "file");
  CURL *curl = session->curl;
  char text[128];
  struct stat st;

  if (name == NULL || strchr (name, '/') != NULL)
    return false;
  self.file = openat (session->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (self.file < 0 || fstat (self.file, &st) < 0 || !S_ISREG (st.st_mode))
    return send_answer ("wrong", 0, "it cannot be read", -1);
  self.most = (uint64_t)st.st_size;
  (void)curl_easy_setopt (curl, CURLOPT_UPLOAD, 1L);
  (void)curl_easy_setopt (curl, CURLOPT_FOLLOWLOCATION, 0L);
  (void)curl_easy_setopt (curl, CURLOPT_HTTPHEADER, session->headers);
  (void)curl_easy_setopt (curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)st.st_size);
  (void)curl_easy_setopt (curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)0);
  (void)curl_easy_setopt (curl, CURLOPT_READFUNCTION, give_bytes);
  (void)curl_easy_setopt (curl, CURLOPT_READDATA, &self);
  (void)curl_easy_setopt (curl, CURLOPT_SEEKFUNCTION, rewind_file);
  (void)curl_easy_setopt (curl, CURLOPT_SEEKDATA, &self);
  CURLcode code = perform (&self, path);
  (void)curl_easy_setopt (curl, CURLOPT_UPLOAD, 0L);
  bool sent = report (&self, code, self.broken != 0 ? find_fault (&self, code, UINT64_MAX, text) : NULL);
  (void)close (self.file);
  return sent;
}

static bool
serve (Session *session, const Message *message)
{
  const char *path;

  if ((path = find (message, "get")) != NULL)
    return get (session, message, path);
  if ((path = find (message, "head")) != NULL)
    return head (session, path);
  return (path = find (message, "put")) != NULL && put (session, message, path);
}

/* ---- rights ---- */

/* Makes all mounts read-only for this process, except a copy of the one with the directory @path. Returns: @path in it,
 * or in the old one if that is not possible; -1 with errno */
static int
open_alone (const char *path)
{
  struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY, .propagation = MS_PRIVATE };
  int plain = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int copy = plain < 0 || geteuid () != 0
                 ? -1
                 : (int)syscall (SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

  if (copy < 0)
    return plain;
  if (syscall (SYS_unshare, CLONE_NEWNS) < 0
      || syscall (SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof attr) < 0)
    return (void)close (copy), plain;
  (void)close (plain);
  return copy;
}

static int
fail (const char *what)
{
  fprintf (stderr, "dkms-transfer: %s%s%s\n", what, errno != 0 ? ": " : "", errno != 0 ? strerror (errno) : "");
  return 1;
}

int
main (int argc, char **argv)
{
  static Message message;
  Session session = { .dir = -1 };

  if (argc != 2)
    return fprintf (stderr, "usage: dkms-transfer DIRECTORY, with a socket as its input and output\n"), 2;
  session.dir = open_alone (argv[1]);
  if (session.dir < 0)
    return fail ("cannot open the directory");
  /* A new user forgets that this process ends with its parent. */
  if (!drop_rights ("dkms-transfer", MOST_SECONDS, MOST_BYTES) || prctl (PR_SET_PDEATHSIG, SIGTERM) < 0)
    return fail ("cannot drop privileges");
  (void)umask (022);
  (void)signal (SIGPIPE, SIG_IGN);
  errno = 0;
  if (curl_global_init (CURL_GLOBAL_DEFAULT) != CURLE_OK || (session.curl = curl_easy_init ()) == NULL)
    return fail ("cannot start libcurl");
  if (!receive (&message) || !set_up (&session, &message))
    return fail ("the description of the server is wrong");
  while (receive (&message))
    if (!serve (&session, &message))
      return fail ("the request is wrong");
  _exit (0); /* a thread may be waiting for a name server */
}
