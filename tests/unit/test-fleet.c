/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Jobs of a matrix: ids, lists, shards, reports, merged reports and tables. */
#include "base/error.h"
#include "fleet/merge.h"
#include "fleet/render.h"
#include "fleet/shard.h"

#include <string.h>

#define BUILT "\"exit\":0,\"result\":\"built\""

/* ---- jobs ---- */

static DkmsFleetJob *
job (const char *id)
{
  DkmsFleetJob *self = dkms_fleet_job_parse (id);

  g_assert_nonnull (self);
  return self;
}

static void
test_ids (void)
{
  static const char *const bad[]
      = { "",           "a/1/k/x",     "a/1/k@h",     "a/1/k/x/y@h", "a//k/x@h",      "a/1/k/x@",    "a/../k/x@h",
          "a/1/k/x@.h", "a/1/k\n/x@h", "a/1/k/x@h/i", "../1/k/x@h",  "a/1/k/\x1b/@h", "a/1/k/\xff@h" };
  g_autoptr (DkmsFleetJob) self = job ("foo/1.0~rc@2/6.1/x86_64@deb12");
  g_autofree char *file = dkms_fleet_file_name ("a%/1/k/x@h", ".json");

  g_assert_cmpstr (self->id->module, ==, "foo");
  g_assert_cmpstr (self->id->version, ==, "1.0~rc@2");
  g_assert_cmpstr (self->id->kernel, ==, "6.1");
  g_assert_cmpstr (self->id->arch, ==, "x86_64");
  g_assert_cmpstr (self->root, ==, "deb12");
  g_assert_cmpstr (self->text, ==, "foo/1.0~rc@2/6.1/x86_64@deb12");
  g_assert_cmpstr (file, ==, "a%25%2F1%2Fk%2Fx%40h.json");
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_null (dkms_fleet_job_parse (bad[i]));
}

/* Returns: @count jobs in a random order, some of them twice */
static GPtrArray *
shuffled (guint count, GRand *rand)
{
  GPtrArray *jobs = dkms_fleet_jobs_new ();

  for (guint i = 0; i < count; i++)
    {
      g_autofree char *id = g_strdup_printf ("m%u/1/k%u/x@h", i % 7, i);
      g_ptr_array_insert (jobs, g_rand_int_range (rand, 0, (int)jobs->len + 1), job (id));
      if (i % 5 == 0)
        g_ptr_array_insert (jobs, g_rand_int_range (rand, 0, (int)jobs->len + 1), job (id));
    }
  dkms_fleet_jobs_sort (jobs);
  return jobs;
}

static void
test_list (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  g_autofree char *first = NULL;

  for (guint round = 0; round < 50; round++)
    {
      g_autoptr (GPtrArray) jobs = shuffled (40, rand);
      g_autoptr (GPtrArray) again = dkms_fleet_jobs_new ();
      char *text = dkms_fleet_jobs_to_text (jobs, NULL, 0, TRUE);

      g_assert_cmpuint (jobs->len, ==, 40);
      for (guint i = 0; i < jobs->len; i++)
        {
          const DkmsFleetJob *one = jobs->pdata[i];
          g_assert_true (dkms_fleet_jobs_find (jobs, one->text) == one);
          g_assert_true (i == 0 || strcmp (((const DkmsFleetJob *)jobs->pdata[i - 1])->text, one->text) < 0);
        }
      g_assert_null (dkms_fleet_jobs_find (jobs, "m/1/k/x@h"));
      if (first == NULL)
        first = g_strdup (text);
      g_assert_cmpstr (text, ==, first);
      g_assert_true (dkms_fleet_jobs_from_text (again, text, strlen (text)));
      g_assert_cmpuint (again->len, ==, 40);
      g_free (text);
    }
  static const char *const bad[] = { "",
                                     "[]",
                                     "{\"format\":2,\"jobs\":[]}",
                                     "{\"format\":1}",
                                     "{\"format\":1,\"jobs\":[{}]}",
                                     "{\"format\":1,\"jobs\":[{\"id\":\"../x\"}]}",
                                     "{\"format\":1,\"jobs\":[{\"id\":1}]}" };
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GPtrArray) jobs = dkms_fleet_jobs_new ();
      g_assert_false (dkms_fleet_jobs_from_text (jobs, bad[i], strlen (bad[i])));
    }
}

/* ---- shards ---- */

static void
add_duration (GHashTable *durations, const DkmsFleetJob *self, double seconds)
{
  g_hash_table_insert (durations, g_strdup (self->text), g_memdup2 (&seconds, sizeof seconds));
}

/* Checks that each job has one shard, that it is the same if the split is made again, and that shards are equal. */
static void
check_split (const GPtrArray *jobs, GHashTable *durations, guint count)
{
  g_autofree guint *shards = dkms_fleet_split (jobs, durations, count),
                   *again = dkms_fleet_split (jobs, durations, count);
  g_autofree double *loads = g_new0 (double, count);
  double all = 0, longest = 0;

  for (guint i = 0; i < jobs->len; i++)
    {
      const double *known
          = durations != NULL ? g_hash_table_lookup (durations, ((const DkmsFleetJob *)jobs->pdata[i])->text) : NULL;
      double seconds = durations == NULL ? 1 : known != NULL ? *known : -1;
      g_assert_cmpuint (shards[i], <, count);
      g_assert_cmpuint (shards[i], ==, again[i]);
      if (durations == NULL)
        g_assert_cmpuint (shards[i], ==, i % count);
      if (seconds < 0)
        continue;
      loads[shards[i]] += seconds;
      all += seconds;
      longest = MAX (longest, seconds);
    }
  /* The bound of Graham for lists: no shard has more than the mean and the longest job. */
  for (guint s = 0; s < count && (durations == NULL || g_hash_table_size (durations) == jobs->len); s++)
    g_assert_cmpfloat (loads[s], <=, all / count + longest + 0.1);
}

static void
test_split (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (2);

  for (guint n = 1; n <= 40; n++)
    for (guint count = 1; count <= 12; count++)
      {
        g_autoptr (GPtrArray) jobs = shuffled (n, rand);
        g_autoptr (GHashTable) some = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
        g_autoptr (GHashTable) all = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
        g_autoptr (GHashTable) none = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

        for (guint i = 0; i < jobs->len; i++)
          {
            add_duration (all, jobs->pdata[i], i % 4 == 0 ? 0 : g_rand_double_range (rand, 0.1, 300));
            if (i % 3 == 0)
              add_duration (some, jobs->pdata[i], g_rand_double_range (rand, 0.1, 300));
          }
        check_split (jobs, NULL, count);
        check_split (jobs, all, count);
        check_split (jobs, some, count);
        check_split (jobs, none, count);
      }
}

/* Longest first to the least loaded, ties by id. */
static void
test_longest_first (void)
{
  g_autoptr (GPtrArray) jobs = dkms_fleet_jobs_new ();
  g_autoptr (GHashTable) durations = NULL;
  static const char report[] = "{\"jobs\":[{\"id\":\"a/1/k/x@h\",\"seconds\":5},{\"id\":\"b/1/k/x@h\",\"seconds\":9.5},"
                               "{\"id\":\"c/1/k/x@h\",\"seconds\":5},{\"id\":\"d/1/k/x@h\"},{\"seconds\":3},7,"
                               "{\"id\":\"a/1/k/x@i\",\"seconds\":-3}]}";

  for (const char *name = "abcd"; *name != '\0'; name++)
    {
      g_autofree char *id = g_strdup_printf ("%c/1/k/x@h", *name);
      g_ptr_array_add (jobs, job (id));
    }
  durations = dkms_fleet_durations (report, strlen (report));
  g_assert_cmpuint (g_hash_table_size (durations), ==, 3);
  g_autofree guint *shards = dkms_fleet_split (jobs, durations, 2);
  /* b (9.5) to 0; d, which counts as the mean 6.5, to 1; a (5) to 1; c (5) to 0 */
  g_assert_cmpuint (shards[0], ==, 1);
  g_assert_cmpuint (shards[1], ==, 0);
  g_assert_cmpuint (shards[2], ==, 0);
  g_assert_cmpuint (shards[3], ==, 1);
  g_assert_null (dkms_fleet_durations ("{}", 2));
  g_assert_null (dkms_fleet_durations ("x", 1));
}

/* ---- engines ---- */

static char **environment;

static const char *
variable (const char *name)
{
  return g_environ_getenv (environment, name);
}

static void
test_engines (void)
{
  static const struct {
    const char *text;
    const char *environment; /* separated by blanks */
    guint index, count;      /* 0: an error */
  } cases[] = {
    { "1/1", "", 1, 1 },
    { "3/8", "SLURM_ARRAY_TASK_ID=1 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_COUNT=2", 3, 8 },
    { "0/8", "", 0, 0 },
    { "9/8", "", 0, 0 },
    { "1/0", "", 0, 0 },
    { "-1/8", "", 0, 0 },
    { "1/8/9", "", 0, 0 },
    { "1", "", 0, 0 },
    { "1/1000000000", "", 0, 0 },
    { "", "", 0, 0 },
    { "auto", "", 0, 0 },
    { "auto", "SLURM_ARRAY_TASK_ID=4 SLURM_ARRAY_TASK_MIN=2 SLURM_ARRAY_TASK_COUNT=4", 3, 4 },
    { "auto", "SLURM_ARRAY_TASK_ID=6 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_COUNT=4 SLURM_ARRAY_TASK_STEP=2", 4, 4 },
    { "auto", "SLURM_ARRAY_TASK_ID=5 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_COUNT=4 SLURM_ARRAY_TASK_STEP=2", 0, 0 },
    { "auto", "SLURM_ARRAY_TASK_ID=9 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_COUNT=4", 0, 0 },
    { "auto", "SGE_TASK_ID=3 SGE_TASK_FIRST=1 SGE_TASK_LAST=4 SGE_TASK_STEPSIZE=1", 3, 4 },
    { "auto", "SGE_TASK_ID=7 SGE_TASK_FIRST=1 SGE_TASK_LAST=9 SGE_TASK_STEPSIZE=2", 4, 5 },
    { "auto", "SGE_TASK_ID=undefined SGE_TASK_FIRST=undefined SGE_TASK_LAST=undefined", 0, 0 },
    { "auto", "JOB_COMPLETION_INDEX=0 DKMS_SHARDS=3", 1, 3 },
    { "auto", "JOB_COMPLETION_INDEX=3 DKMS_SHARDS=3", 0, 0 },
    { "auto", "JOB_COMPLETION_INDEX=3", 0, 0 },
    { "auto", "CI_NODE_INDEX=5 CI_NODE_TOTAL=5", 5, 5 },
    { "auto", "CI_NODE_INDEX=0 CI_NODE_TOTAL=5", 0, 0 },
    { "auto", "BUILDKITE_PARALLEL_JOB=0 BUILDKITE_PARALLEL_JOB_COUNT=2", 1, 2 },
    { "auto", "CIRCLE_NODE_INDEX=1 CIRCLE_NODE_TOTAL=2", 2, 2 },
    { "auto", "PARALLEL_SEQ=2 DKMS_SHARDS=2", 2, 2 },
    { "auto", "PARALLEL_SEQ=3 DKMS_SHARDS=2", 0, 0 },
    { "auto", "PARALLEL_SEQ=2 DKMS_SHARDS=2 SLURM_ARRAY_TASK_ID=0 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_COUNT=9", 1,
      9 },
    { "auto", "PARALLEL_SEQ=2 DKMS_SHARDS=2 CI_NODE_INDEX=1", 2, 2 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      DkmsShard shard = { 0, 0 };
      environment = g_strsplit (cases[i].environment, " ", -1);
      gboolean ok = dkms_shard_parse (cases[i].text, variable, &shard, &error);
      g_strfreev (environment);
      g_assert_cmpint (ok, ==, cases[i].index > 0);
      g_assert_cmpuint (ok ? shard.index : 0, ==, cases[i].index);
      g_assert_cmpuint (ok ? shard.count : 0, ==, cases[i].count);
      g_assert_cmpint (ok, ==, error == NULL);
    }
}

/* ---- reports ---- */

static DkmsJobReport *
report (const char *id, DkmsJobResult result, const char *start, const char *payload)
{
  DkmsJobReport *self = dkms_job_report_new (id, result);

  self->start = g_strdup (start);
  if (payload != NULL)
    {
      g_autofree char *digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, payload, -1);
      dkms_job_report_add_file (self, "updates/dkms/a.ko", 5, digest, digest);
      self->key = g_compute_checksum_for_string (G_CHECKSUM_SHA256, "key", -1);
    }
  return self;
}

static void
test_report (void)
{
  g_autoptr (DkmsJobReport) self = report ("a/1/k/x@h", DKMS_JOB_BUILT, "2026-01-01T00:00:00Z", "one");
  self->seconds = 57.8;
  self->error = g_strdup ("\"quoted\"\n\x1b[31m\xff");
  self->host = g_strdup ("vm");
  self->shard = g_strdup ("3/8");
  g_autofree char *text = dkms_job_report_to_text (self);
  g_autoptr (DkmsJobReport) again = dkms_job_report_from_text (text, strlen (text));

  g_assert_nonnull (again);
  g_assert_cmpstr (again->job->text, ==, "a/1/k/x@h");
  g_assert_cmpint (again->result, ==, DKMS_JOB_BUILT);
  g_assert_cmpfloat (again->seconds, ==, 57.8);
  g_assert_cmpstr (again->host, ==, "vm");
  g_assert_cmpstr (again->shard, ==, "3/8");
  g_assert_cmpuint (again->files->len, ==, 1);
  g_assert_true (dkms_job_report_settles (again, self->key));
  g_assert_false (dkms_job_report_settles (again, "other"));
  again->basis = g_strdup ("other");
  g_assert_true (dkms_job_report_settles (again, "other"));
  g_assert_false (dkms_job_report_settles (again, self->key));
  again->result = DKMS_JOB_ERROR;
  g_assert_false (dkms_job_report_settles (again, "other"));
  again->result = DKMS_JOB_FAILED;
  g_assert_false (dkms_job_report_settles (again, "other"));
  again->result = DKMS_JOB_NO_HEADERS;
  g_assert_false (dkms_job_report_settles (again, "other"));
  for (gsize length = 0; length + 2 < strlen (text); length++)
    g_assert_null (dkms_job_report_from_text (text, length));
}

static void
test_bad_reports (void)
{
#define ABOUT "\"id\":\"a/1/k/x@h\",\"module\":\"a\",\"version\":\"1\",\"kernel\":\"k\",\"arch\":\"x\",\"root\":\"h\","
  static const char *const bad[] = {
    "",
    "[]",
    "null",
    "{" ABOUT BUILT "}",
    "{\"format\":2," ABOUT BUILT "}",
    "{\"format\":1," BUILT "}",
    "{\"format\":1," ABOUT "\"exit\":0,\"result\":\"fine\"}",
    "{\"format\":1," ABOUT "\"exit\":-1,\"result\":\"built\"}",
    "{\"format\":1," ABOUT "\"exit\":0.5,\"result\":\"built\"}",
    "{\"format\":1," ABOUT "\"result\":\"built\"}",
    "{\"format\":1," ABOUT BUILT ",\"seconds\":-1}",
    "{\"format\":1," ABOUT BUILT ",\"seconds\":1e300}",
    "{\"format\":1," ABOUT BUILT ",\"seconds\":\"1\"}",
    "{\"format\":1," ABOUT BUILT ",\"error\":1}",
    "{\"format\":1," ABOUT BUILT ",\"key\":\"abc\"}",
    "{\"format\":1," ABOUT BUILT ",\"files\":[1]}",
    "{\"format\":1," ABOUT BUILT ",\"files\":[{\"path\":\"a\",\"size\":1}]}",
    "{\"format\":1," ABOUT BUILT "," BUILT "}",
    "{\"format\":1,\"id\":\"b/1/k/"
    "x@h\",\"module\":\"a\",\"version\":\"1\",\"kernel\":\"k\",\"arch\":\"x\",\"root\":\"h\"," BUILT "}",
    "{\"format\":1,\"id\":\"a/1/../"
    "x@h\",\"module\":\"a\",\"version\":\"1\",\"kernel\":\"..\",\"arch\":\"x\",\"root\":\"h\"," BUILT "}",
  };
  static const char good[] = "{\"format\":1," ABOUT BUILT ",\"later\":{}}";
  g_autoptr (DkmsJobReport) plain = dkms_job_report_from_text (good, strlen (good));
  g_autofree char *spaces = g_strnfill (DKMS_JOB_REPORT_LIMIT, ' ');
  g_autofree char *huge = g_strconcat (good, spaces, NULL);

  g_assert_nonnull (plain);
  g_assert_null (dkms_job_report_from_text (huge, strlen (huge)));
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_null (dkms_job_report_from_text (bad[i], strlen (bad[i])));
}

/* ---- merging ---- */

static DkmsMerged *
sample (void)
{
  DkmsMerged *self = dkms_merged_new ();
  static const char *const ids[]
      = { "dm-writeboost/2.2.17/6.1.0-56-amd64/x86_64@host", "dm-writeboost/2.2.17/6.12.117+deb12-amd64/x86_64@host",
          "lttng-modules/2.13.9/6.1.0-56-amd64/x86_64@host", "lttng-modules/2.13.9/6.12.117+deb12-amd64/x86_64@host",
          "v4l2loopback/0.12.7/6.1.0-56-amd64/x86_64@host",  "v4l2loopback/0.12.7/6.12.117+deb12-amd64/x86_64@host" };
  static const DkmsJobResult results[]
      = { DKMS_JOB_BUILT, DKMS_JOB_FAILED, DKMS_JOB_FAILED, DKMS_JOB_BUILT, DKMS_JOB_CACHED, DKMS_JOB_BUILT };
  static const double seconds[] = { 20.2, 0, 58.1, 60.7, 3, 5.1 };

  self->listed = TRUE;
  for (gsize i = G_N_ELEMENTS (ids); i-- > 0;)
    {
      DkmsJobReport *one = report (ids[i], results[i], NULL, NULL);
      one->seconds = seconds[i];
      if (i == 2)
        one->error = g_strdup ("…/tracepoint-event-impl.h:133:6: error: conflicting types for 'trace_hrtimer_start'");
      g_ptr_array_add (self->jobs, job (ids[i]));
      dkms_merged_add (self, one);
    }
  dkms_merged_finish (self);
  return self;
}

/* The table of the specification. */
static void
test_table (void)
{
  g_autoptr (DkmsMerged) self = sample ();
  g_autofree char *text = dkms_fleet_render_text (self);

  g_assert_cmpstr (
      text, ==,
      "                        6.1.0-56-amd64   6.12.117+deb12-amd64\n"
      "dm-writeboost/2.2.17    built   20 s     failed\n"
      "lttng-modules/2.13.9    FAILED  58 s     built   61 s\n"
      "v4l2loopback/0.12.7     cached           built    5 s\n"
      "  lttng-modules/2.13.9, 6.1.0-56-amd64: …/tracepoint-event-impl.h:133:6: error: conflicting types for "
      "'trace_hrtimer_start'\n"
      "3 modules, 2 kernels: 4 good, 2 failed, 0 missing");
}

static void
test_duplicates (void)
{
  g_autoptr (DkmsMerged) self = dkms_merged_new ();
  guint good, failed, missing;

  self->listed = TRUE;
  g_ptr_array_add (self->jobs, job ("a/1/k/x@h"));
  g_ptr_array_add (self->jobs, job ("a/1/k/x@i"));
  g_ptr_array_add (self->jobs, job ("b/1/k/x@h"));
  g_ptr_array_add (self->jobs, job ("b/1/k/x@h")); /* of another list */
  g_ptr_array_add (self->jobs, job ("c/1/k/x@h"));
  dkms_merged_add (self, report ("a/1/k/x@h", DKMS_JOB_BUILT, "2026-01-01T00:00:00Z", "one"));
  dkms_merged_add (self, report ("a/1/k/x@h", DKMS_JOB_FAILED, "2026-01-02T00:00:00Z", NULL));
  dkms_merged_add (self, report ("a/1/k/x@i", DKMS_JOB_BUILT, "2026-01-01T00:00:00Z", "two"));
  dkms_merged_add (self, report ("b/1/k/x@h", DKMS_JOB_ERROR, NULL, NULL));
  dkms_merged_add (self, report ("b/1/k/x@h", DKMS_JOB_EXCLUDED, NULL, NULL));
  dkms_merged_add (self, report ("z/1/k/x@h", DKMS_JOB_FAILED, NULL, NULL)); /* not in the list */
  dkms_merged_finish (self);
  dkms_merged_count (self, &good, &failed, &missing);
  g_assert_cmpuint (good, ==, 2);
  g_assert_cmpuint (failed, ==, 1); /* the later report of a counts */
  g_assert_cmpuint (missing, ==, 1);
  g_assert_cmpuint (self->others->len, ==, 3);
  g_assert_cmpuint (self->pairs->len, ==, 1);
  g_assert_cmpint (dkms_merged_find (self, "a/1/k/x@h")->result, ==, DKMS_JOB_FAILED);
  g_assert_cmpint (dkms_merged_find (self, "b/1/k/x@h")->result, ==, DKMS_JOB_EXCLUDED);
  g_autofree char *text = dkms_fleet_render_text (self);
  g_assert_nonnull (strstr (text, "not reproducible: a/1/k/x@i (?) and a/1/k/x@h (?)"));
  g_assert_nonnull (strstr (text, "missing: c/1/k/x@h"));
}

/* Nothing in a report ends a cell, an element or a line. */
static void
test_escapes (void)
{
  g_autoptr (DkmsMerged) self = dkms_merged_new ();
  DkmsJobReport *one = report ("a|b/1<2/k\"&/x@h", DKMS_JOB_FAILED, NULL, NULL);

  one->error = g_strdup ("\x1b]0;x\x07 <script>| `a`\n# b\r\xe2\x80\xae \"&'");
  dkms_merged_add (self, one);
  dkms_merged_finish (self);
  g_autofree char *text = dkms_fleet_render_text (self), *markdown = dkms_fleet_render_markdown (self),
                  *junit = dkms_fleet_render_junit (self);
  g_assert_null (strchr (text, 0x1b));
  g_assert_null (strstr (text, "\n#"));
  g_assert_null (strstr (text, "\xe2\x80\xae"));
  g_assert_null (strchr (text, '\r'));
  g_assert_null (strstr (markdown, " <script"));
  g_assert_null (strstr (markdown, "\n#"));
  g_assert_nonnull (strstr (markdown, "a\\|b/1\\<2"));
  g_assert_null (strstr (junit, "<script"));
  g_assert_nonnull (strstr (junit, "<testcase classname=\"a|b/1&lt;2\" name=\"k&quot;&amp;/x@h\" time=\"0.000\">"));
  g_assert_nonnull (strstr (junit, "tests=\"1\" failures=\"1\" errors=\"0\" skipped=\"0\""));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/fleet/ids", test_ids);
  g_test_add_func ("/fleet/list", test_list);
  g_test_add_func ("/fleet/split", test_split);
  g_test_add_func ("/fleet/longest-first", test_longest_first);
  g_test_add_func ("/fleet/engines", test_engines);
  g_test_add_func ("/fleet/report", test_report);
  g_test_add_func ("/fleet/bad-reports", test_bad_reports);
  g_test_add_func ("/fleet/table", test_table);
  g_test_add_func ("/fleet/duplicates", test_duplicates);
  g_test_add_func ("/fleet/escapes", test_escapes);
  return g_test_run ();
}
