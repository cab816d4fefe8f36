/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes, reads and checks manifests. */
#define _GNU_SOURCE
#include "helpers/entry-manifest.h"

#include <jansson.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "helpers/entry-blob.h"

enum { FORMAT = 1, LONGEST_NAME = 255 };

static const char modules[] = "module/", extras[] = "extra/", symvers[] = "module/Module.symvers",
                  log_file[] = "log/make.log";

/* The texts that each manifest has. */
static const struct {
  const char *name;
  size_t field;
} texts[] = { { "key", offsetof (EntryManifest, key) },        { "result", offsetof (EntryManifest, result) },
              { "module", offsetof (EntryManifest, module) },  { "version", offsetof (EntryManifest, version) },
              { "kernel", offsetof (EntryManifest, kernel) },  { "arch", offsetof (EntryManifest, arch) },
              { "inputs", offsetof (EntryManifest, inputs) },  { "dkms", offsetof (EntryManifest, dkms) },
              { "builder", offsetof (EntryManifest, builder) } };

static char **
text_at (EntryManifest *self, size_t index)
{
  return (char **)((char *)self + texts[index].field);
}

bool
entry_manifest_take (EntryManifest *self, EntryTextFunc text, const void *data)
{
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    {
      const char *value = text (data, texts[i].name);
      *text_at (self, i) = value != NULL ? strdup (value) : NULL;
      if (*text_at (self, i) == NULL)
        return false;
    }
  return true;
}

void
entry_manifest_clear (EntryManifest *self)
{
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    free (*text_at (self, i));
  free (self->error);
  for (size_t i = 0; i < self->count; i++)
    free (self->files[i].path);
  free (self->files);
  *self = (EntryManifest){ 0 };
}

/* ---- writing ---- */

static json_t *
file_to_json (const EntryFile *file)
{
  json_t *json
      = json_pack ("{s:s, s:I, s:s}", "path", file->path, "size", (json_int_t)file->size, "sha256", file->sha256);

  if (json != NULL && file->payload[0] != '\0')
    (void)json_object_set_new (json, "payload", json_string (file->payload));
  (void)json_object_set_new (json, "blob", json_string (file->blob));
  (void)json_object_set_new (json, "blob_size", json_integer ((json_int_t)file->blob_size));
  return json;
}

char *
entry_manifest_write (const EntryManifest *self)
{
  json_t *json
      = json_pack ("{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:f, s:s, s:s}", "format", FORMAT, "key", self->key,
                   "result", self->result, "module", self->module, "version", self->version, "kernel", self->kernel,
                   "arch", self->arch, "inputs", self->inputs, "time", (json_int_t)self->time, "seconds", self->seconds,
                   "dkms", self->dkms, "builder", self->builder);
  json_t *files = json_array ();
  bool good = json != NULL && files != NULL;

  if (good && self->error != NULL)
    good = json_object_set_new (json, "exit", json_integer (self->exit)) == 0
           && json_object_set_new (json, "error", json_string (self->error)) == 0;
  for (size_t i = 0; good && i < self->count; i++)
    good = json_array_append_new (files, file_to_json (&self->files[i])) == 0;
  if (json == NULL || json_object_set_new (json, "files", files) < 0)
    good = false;
  char *text = good ? json_dumps (json, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION (6)) : NULL;
  json_decref (json);
  return text;
}

/* ---- reading ---- */

static bool
take_text (json_t *json, const char *name, char **text)
{
  const char *value = json_string_value (json_object_get (json, name));

  *text = value != NULL ? strdup (value) : NULL;
  return *text != NULL;
}

static bool
is_digest (const char *text)
{
  return strlen (text) == ENTRY_HEX && strspn (text, "0123456789abcdef") == ENTRY_HEX;
}

static bool
take_digest (json_t *json, const char *name, char digest[ENTRY_HEX + 1])
{
  const char *value = json_string_value (json_object_get (json, name));

  if (value == NULL || !is_digest (value))
    return false;
  memcpy (digest, value, ENTRY_HEX + 1);
  return true;
}

static bool
take_size (json_t *json, const char *name, uint64_t *size)
{
  const json_t *value = json_object_get (json, name);

  *size = json_is_integer (value) && json_integer_value (value) >= 0 ? (uint64_t)json_integer_value (value) : 0;
  return json_is_integer (value) && json_integer_value (value) >= 0;
}

static bool
take_file (json_t *json, EntryFile *file)
{
  return take_text (json, "path", &file->path) && take_size (json, "size", &file->size)
         && take_size (json, "blob_size", &file->blob_size) && take_digest (json, "sha256", file->sha256)
         && take_digest (json, "blob", file->blob)
         && (json_object_get (json, "payload") == NULL || take_digest (json, "payload", file->payload));
}

static bool
take_files (json_t *json, EntryManifest *self)
{
  json_t *files = json_object_get (json, "files");
  size_t count = json_array_size (files);

  if (!json_is_array (files))
    return false;
  self->files = calloc (count + 1, sizeof *self->files);
  if (self->files == NULL)
    return false;
  for (; self->count < count; self->count++)
    if (!take_file (json_array_get (files, self->count), &self->files[self->count]))
      return self->count++, false; /* its path is freed with the others */
  return true;
}

static const char *
member (const void *json, const char *name)
{
  return json_string_value (json_object_get (json, name));
}

static bool
take_all (json_t *json, EntryManifest *self)
{
  if (!entry_manifest_take (self, member, json))
    return false;
  (void)take_text (json, "error", &self->error);
  self->exit = (int)json_integer_value (json_object_get (json, "exit"));
  self->time = json_integer_value (json_object_get (json, "time"));
  self->seconds = json_number_value (json_object_get (json, "seconds"));
  return take_files (json, self);
}

/* Whether the document of the inputs has the line "NAME VALUE". */
static bool
has_line (const char *document, const char *name, const char *value)
{
  size_t length = strlen (name), size = strlen (value);

  for (const char *line = document; line != NULL && *line != '\0'; line = strchr (line, '\n'))
    {
      line += *line == '\n';
      if (strncmp (line, name, length) == 0 && line[length] == ' ' && strncmp (line + length + 1, value, size) == 0
          && line[length + 1 + size] == '\n')
        return true;
    }
  return false;
}

/* @json: (out) (transfer full) (nullable). Returns: (nullable): why it is not a manifest of this format */
static const char *
load (const char *bytes, size_t size, json_t **json)
{
  json_error_t where;

  *json = size <= ENTRY_MOST_MANIFEST ? json_loadb (bytes, size, JSON_REJECT_DUPLICATES, &where) : NULL;
  if (*json == NULL)
    return size > ENTRY_MOST_MANIFEST ? "the manifest is too large" : "the manifest is not in JSON";
  const json_t *format = json_object_get (*json, "format");
  return json_is_integer (format) && json_integer_value (format) == FORMAT ? NULL : "the manifest has another format";
}

const char *
entry_manifest_read (EntryManifest *self, const char *bytes, size_t size)
{
  char digest[ENTRY_HEX + 1];
  json_t *json;

  *self = (EntryManifest){ 0 };
  const char *reason = load (bytes, size, &json);
  bool good = reason == NULL && take_all (json, self);
  json_decref (json);
  if (reason != NULL)
    return reason;
  if (!good)
    return "the manifest is incomplete";
  entry_digest (self->inputs, strlen (self->inputs), digest);
  if (strcmp (digest, self->key) != 0)
    return "the key is not that of the inputs";
  if (!has_line (self->inputs, "module", self->module) || !has_line (self->inputs, "version", self->version)
      || !has_line (self->inputs, "kernel", self->kernel) || !has_line (self->inputs, "arch", self->arch))
    return "the inputs are about another build";
  return NULL;
}

/* ---- claims ---- */

char *
entry_claim_write (const char *key, const char *by, int64_t expires)
{
  json_t *json = json_pack ("{s:i, s:s, s:s, s:I, s:s}", "format", FORMAT, "key", key, "result", "building", "expires",
                            (json_int_t)expires, "by", by);
  char *text = json != NULL ? json_dumps (json, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;

  json_decref (json);
  return text;
}

const char *
entry_claim_read (const char *bytes, size_t size, const char *key, const char *by, int64_t *expires)
{
  json_t *json;
  const char *reason = load (bytes, size, &json);

  if (reason == NULL)
    {
      const char *result = member (json, "result"), *about = member (json, "key"), *of = member (json, "by");
      const json_t *time = json_object_get (json, "expires");
      if (result == NULL || strcmp (result, "building") != 0 || !json_is_integer (time)
          || json_integer_value (time) < 0)
        reason = "it is not a claim";
      else if (about == NULL || strcmp (about, key) != 0)
        reason = "it has another key";
      else if (of != NULL && strcmp (of, by) == 0)
        reason = "it is a claim of this machine";
      *expires = json_integer_value (time);
    }
  json_decref (json);
  return reason;
}

/* ---- wishes ---- */

static bool
begins (const char *text, const char *with)
{
  return strncmp (text, with, strlen (with)) == 0;
}

static bool
is_plain_name (const char *name)
{
  return *name != '\0' && *name != '.' && strchr (name, '/') == NULL && strlen (name) <= LONGEST_NAME;
}

/* Whether @path is module/NAME.ko for the output @name. */
static bool
is_output (const char *path, const char *name)
{
  size_t length = strlen (name);

  return begins (path, modules) && strncmp (path + strlen (modules), name, length) == 0
         && strcmp (path + strlen (modules) + length, ".ko") == 0;
}

static const EntryFile *
find_output (const EntryManifest *self, const char *name)
{
  for (size_t i = 0; i < self->count; i++)
    if (is_output (self->files[i].path, name))
      return &self->files[i];
  return NULL;
}

static bool
is_wanted (const char *path, const EntryWish *wish)
{
  for (size_t i = 0; i < wish->count; i++)
    if (is_output (path, wish->outputs[i]))
      return true;
  return false;
}

static bool
is_twice (const EntryManifest *self, size_t index)
{
  for (size_t i = 0; i < index; i++)
    if (strcmp (self->files[i].path, self->files[index].path) == 0)
      return true;
  return false;
}

static const char *
refuse_files (const EntryManifest *self, const EntryWish *wish, bool built)
{
  size_t extra = 0;
  uint64_t extra_bytes = 0;

  /* This also limits the time for the comparison of each path with the others. */
  if (self->count > wish->count + ENTRY_MOST_EXTRAS + 2)
    return "it has too many files";
  for (size_t i = 0; i < self->count; i++)
    {
      const EntryFile *file = &self->files[i];
      bool is_extra = built && begins (file->path, extras) && is_plain_name (file->path + strlen (extras));

      if (is_twice (self, i))
        return "it has a file twice";
      if (file->size > wish->most || file->blob_size > wish->most)
        return "it has a file that is too large";
      extra += is_extra;
      extra_bytes += is_extra ? file->size : 0;
      if (!is_extra && strcmp (file->path, log_file) != 0
          && !(built && (strcmp (file->path, symvers) == 0 || is_wanted (file->path, wish))))
        return "it has a file that the build does not make";
    }
  return extra > ENTRY_MOST_EXTRAS || extra_bytes > ENTRY_MOST_EXTRA_BYTES ? "POST_BUILD left too much" : NULL;
}

static bool
is_denied (const char *digest, const EntryWish *wish)
{
  for (size_t i = 0; i < wish->denied_count; i++)
    if (strcmp (digest, wish->denied[i]) == 0)
      return true;
  return false;
}

static const char *
deny (const EntryManifest *self, const EntryWish *wish)
{
  if (is_denied (self->key, wish))
    return "its key is denied";
  for (size_t i = 0; i < self->count; i++)
    {
      const EntryFile *file = &self->files[i];
      if (is_denied (file->sha256, wish) || is_denied (file->blob, wish) || is_denied (file->payload, wish))
        return "one of its files is denied";
    }
  return NULL;
}

const char *
entry_manifest_refuse (const EntryManifest *self, const EntryWish *wish)
{
  bool built = strcmp (self->result, "built") == 0;

  if (strcmp (self->key, wish->key) != 0)
    return "it has another key";
  if (strcmp (self->module, wish->module) != 0 || strcmp (self->version, wish->version) != 0)
    return "it is about another module";
  if (strcmp (self->kernel, wish->kernel) != 0 || strcmp (self->arch, wish->arch) != 0)
    return "it is about another kernel";
  if (!built && (strcmp (self->result, "failed") != 0 || self->error == NULL))
    return "its result is not known";
  const char *reason = refuse_files (self, wish, built);
  if (reason != NULL)
    return reason;
  for (size_t i = 0; built && i < wish->count; i++)
    {
      const EntryFile *file = find_output (self, wish->outputs[i]);
      if (file == NULL || file->payload[0] == '\0')
        return "it lacks a module";
    }
  return deny (self, wish);
}
