/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes records to the journal or to syslog. */
#define _GNU_SOURCE
#include "report/logging.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "report/sentences.h"

#define JOURNAL "/run/systemd/journal/socket"
#define SYSLOG "/dev/log"

/* data/dkms.catalog describes the same numbers. */
#define BUILT "a45a210010254778a55cf987b663bd06"
#define INSTALLED "221bb2c551e04d81bc1e1e67132ff140"
#define REMOVED "552a2b9974ae4d0ebf508606940f8597"
#define SKIPPED "44de0e1203ab4c7daa77905f0bb71760"
#define FAILED "7e6e7a1a002d427d900a474457b8a08d"
#define WILL_NOT_LOAD "01d3ceaaeab0416f8c7c601724023914"

/* The results that are recorded; see dkms_chain_end_piece(). */
static const struct {
  const char *result, *id;
  int priority;
} results[] = {
  { "built", BUILT, LOG_INFO },
  { "loaded", BUILT, LOG_INFO },
  { "installed", INSTALLED, LOG_INFO },
  { "reinstalled", INSTALLED, LOG_INFO },
  { "uninstalled", REMOVED, LOG_INFO },
  { "build deleted", REMOVED, LOG_INFO },
  { "unregistered", REMOVED, LOG_INFO },
  { "skipped", SKIPPED, LOG_INFO },
  { "not attempted", SKIPPED, LOG_WARNING },
  { "failed", FAILED, LOG_ERR },
};

typedef struct {
  gint64 start;
  GError *error; /* (nullable): the last one that was reported */
} Piece;

struct DkmsLogging {
  char *verb;
  GHashTable *pieces; /* number -> Piece */
  gboolean failed;    /* a failure was recorded; errors that summarize failures need no record */
};

static void
piece_free (gpointer data)
{
  Piece *self = data;

  g_clear_error (&self->error);
  g_free (self);
}

static gboolean
is_chrooted (void)
{
  struct stat first, mine;

  return stat ("/proc/1/root/.", &first) == 0 && stat ("/", &mine) == 0
         && (first.st_dev != mine.st_dev || first.st_ino != mine.st_ino);
}

DkmsLogging *
dkms_logging_new (const char *verb)
{
  DkmsLogging *self;

  if (is_chrooted ())
    return NULL;
  self = g_new0 (DkmsLogging, 1);
  self->verb = g_strdup (verb);
  self->pieces = g_hash_table_new_full (NULL, NULL, NULL, piece_free);
  return self;
}

void
dkms_logging_free (DkmsLogging *self)
{
  if (self == NULL)
    return;
  g_free (self->verb);
  g_hash_table_unref (self->pieces);
  g_free (self);
}

/* ---- sending ---- */

/* Appends a field in the form of the journal. @value: (nullable): NULL: no field */
static void
add_field (GByteArray *record, const char *name, const char *value)
{
  if (value == NULL)
    return;
  gsize size = strlen (value);
  g_byte_array_append (record, (const guint8 *)name, (guint)strlen (name));
  if (strchr (value, '\n') != NULL)
    {
      guint64 length = GUINT64_TO_LE (size);
      g_byte_array_append (record, (const guint8 *)"\n", 1);
      g_byte_array_append (record, (const guint8 *)&length, sizeof length);
    }
  else
    g_byte_array_append (record, (const guint8 *)"=", 1);
  g_byte_array_append (record, (const guint8 *)value, (guint)size);
  g_byte_array_append (record, (const guint8 *)"\n", 1);
}

/* Sends @data to the socket @path. Returns: FALSE if nobody listens there */
static gboolean
send_to (const char *path, const void *data, gsize size)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  g_auto (DkmsFd) fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  (void)g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  return fd >= 0
         && (sendto (fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&address, sizeof address)
                 >= 0
             || (errno != ENOENT && errno != ECONNREFUSED));
}

static void
send_to_syslog (int priority, const char *message)
{
  static const char *const months[]
      = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
  time_t now = time (NULL);
  struct tm local;

  localtime_r (&now, &local);
  g_autofree char *line
      = g_strdup_printf ("<%d>%s %2d %02d:%02d:%02d dkms[%d]: %s", LOG_DAEMON | priority, months[local.tm_mon],
                         local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec, getpid (), message);
  (void)g_strdelimit (line, "\n", ' ');
  (void)send_to (SYSLOG, line, strlen (line));
}

/* ---- records ---- */

typedef struct {
  const char *id, *message, *result;
  const char *code; /* (nullable): of a finding of verify */
  int priority;
  const DkmsId *subject;
  const GError *error; /* (nullable) */
  double seconds;      /* -1: unknown */
} Record;

static void
write_record (const DkmsLogging *self, const Record *record)
{
  g_autoptr (GByteArray) data = g_byte_array_new ();
  const DkmsErrorInfo *info = dkms_error_info (record->error);
  g_autofree char *priority = g_strdup_printf ("%d", record->priority), *pid = g_strdup_printf ("%d", getpid ());
  g_autofree char *seconds = record->seconds >= 0 ? g_strdup_printf ("%.1f", record->seconds) : NULL;
  g_autofree char *facility = g_strdup_printf ("%d", LOG_FAC (LOG_DAEMON));
  g_autofree char *kind = record->error != NULL ? dkms_error_name (info->kind) : NULL;
  const struct {
    const char *name, *value;
  } fields[] = { { "MESSAGE", record->message },
                 { "MESSAGE_ID", record->id },
                 { "PRIORITY", priority },
                 { "SYSLOG_FACILITY", facility },
                 { "SYSLOG_IDENTIFIER", "dkms" },
                 { "SYSLOG_PID", pid },
                 { "DKMS_VERB", self->verb },
                 { "DKMS_RESULT", record->result },
                 { "DKMS_MODULE", record->subject->module },
                 { "DKMS_MODULE_VERSION", record->subject->version },
                 { "DKMS_KERNEL", record->subject->kernel },
                 { "DKMS_ARCH", record->subject->arch },
                 { "DKMS_CODE", record->code },
                 { "DKMS_SECONDS", seconds },
                 { "DKMS_ERROR", kind },
                 { "DKMS_CAUSE", info->cause },
                 { "DKMS_LOG", info->log } };

  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    add_field (data, fields[i].name, fields[i].value);
  if (!send_to (JOURNAL, data->data, data->len))
    send_to_syslog (record->priority, record->message);
}

/* @piece: (nullable) */
static void
record_result (DkmsLogging *self, const DkmsEvent *event, const Piece *piece)
{
  double seconds = piece != NULL ? dkms_clock_since (piece->start) : -1;
  const GError *error = piece != NULL && event->kind != DKMS_EVENT_PIECE_DOUBTFUL ? piece->error : NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (results); i++)
    if (g_strcmp0 (event->name, results[i].result) == 0)
      {
        self->failed |= results[i].priority == LOG_ERR;
        gboolean doubtful = event->kind == DKMS_EVENT_PIECE_DOUBTFUL;
        g_autofree char *sentence
            = dkms_sentence_for (&(const DkmsEvent){ .kind = DKMS_EVENT_LOGGED, .id = event->id, .name = event->name });
        /* The message of an error names the module and the kernel, too. */
        const char *message = results[i].priority == LOG_ERR && error != NULL ? error->message : sentence;
        write_record (self, &(const Record){ .id = results[i].id,
                                             .message = message,
                                             .result = event->name,
                                             .priority = doubtful ? LOG_WARNING : results[i].priority,
                                             .subject = &event->id,
                                             .error = error,
                                             .seconds = seconds });
      }
}

/* Reports an error that prevented all work for a kernel, such as missing headers. */
static void
record_error (const DkmsLogging *self, const GError *error)
{
  const DkmsErrorInfo *info = dkms_error_info (error);

  if (self->failed || info->id.kernel == NULL || g_error_matches (error, DKMS_ERROR, DKMS_ERROR_LOADING_UNKNOWN))
    return;
  write_record (self, &(const Record){ .id = FAILED,
                                       .message = error->message,
                                       .result = "failed",
                                       .priority = LOG_ERR,
                                       .subject = &info->id,
                                       .error = error,
                                       .seconds = -1 });
}

static void
record_verdict (DkmsLogging *self, const DkmsEvent *event)
{
  g_autofree char *message = dkms_sentence_for (event);

  self->failed = TRUE;
  write_record (self, &(const Record){ .id = WILL_NOT_LOAD,
                                       .message = message,
                                       .result = "will not load",
                                       .code = event->name,
                                       .priority = LOG_ERR,
                                       .subject = &event->id,
                                       .seconds = -1 });
}

void
dkms_logging_hear (DkmsLogging *self, const DkmsEvent *event)
{
  Piece *piece = g_hash_table_lookup (self->pieces, GUINT_TO_POINTER (event->piece));

  switch (event->kind)
    {
    case DKMS_EVENT_PIECE_BEGUN:
      piece = g_new0 (Piece, 1);
      piece->start = dkms_clock_now ();
      g_hash_table_insert (self->pieces, GUINT_TO_POINTER (event->piece), piece);
      break;
    case DKMS_EVENT_ERROR:
    case DKMS_EVENT_EXCLUDED:
      if (piece == NULL)
        record_error (self, event->error);
      else
        {
          g_clear_error (&piece->error);
          piece->error = g_error_copy (event->error);
        }
      break;
    case DKMS_EVENT_PIECE_DONE:
    case DKMS_EVENT_PIECE_DOUBTFUL:
    case DKMS_EVENT_PIECE_FAILED:
      record_result (self, event, piece);
      g_hash_table_remove (self->pieces, GUINT_TO_POINTER (event->piece));
      break;
    case DKMS_EVENT_VERIFY_RECORDED:
      record_verdict (self, event);
      break;
    default:
      break;
    }
}
