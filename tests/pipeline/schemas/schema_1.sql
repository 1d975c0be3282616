CREATE DATABASE IF NOT EXISTS schoolgate;

CREATE TABLE IF NOT EXISTS schoolgate.`use_five` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)',
  `day` Date COMMENT 'day in the school\'s own zone',
  `start` DateTime('UTC') COMMENT 'begin of the five minutes',
  `level` Enum8('service' = 1, 'kind' = 2, 'all' = 3) COMMENT 'what a minute is counted once for: each service, each kind, or all together; never add two levels',
  `kind` LowCardinality(String) COMMENT 'kind of service (policy clause 2.3); \'\' at level all',
  `service` LowCardinality(String) COMMENT 'service id of the catalogue; \'\' at levels kind and all',
  `outcome` LowCardinality(String) COMMENT 'allowed, outside_allowed, official_possible, count_only or unknown',
  `reason` LowCardinality(String) COMMENT 'why the minutes have this outcome',
  `minutes` UInt32 COMMENT 'person-minutes of active use',
  `bytes_up` UInt64 COMMENT 'bytes sent by the clients (IP total lengths)',
  `bytes_down` UInt64 COMMENT 'bytes sent to the clients (IP total lengths)',
  `policy` LowCardinality(String) COMMENT 'policy profile and its version',
  `catalogue` LowCardinality(String) COMMENT 'version of the service catalogue',
  `timetable` LowCardinality(String) COMMENT 'version of the school\'s files'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (`school`, `level`, `day`, `start`, `kind`, `service`, `outcome`, `reason`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'Minutes of use by all staff together, in steps of five minutes.';

CREATE TABLE IF NOT EXISTS schoolgate.`use_period` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)',
  `day` Date COMMENT 'day in the school\'s own zone',
  `period` LowCardinality(String) COMMENT 'name of the bell slot; \'\' outside the bells',
  `period_kind` LowCardinality(String) COMMENT 'lesson, registration, break, lunch, before or after; \'\' outside the bells',
  `people` LowCardinality(String) COMMENT 'group of staff: \'all\', or a group of at least ten: \'teaching\', \'support\', \'other\'; all holds the others',
  `level` Enum8('service' = 1, 'kind' = 2, 'all' = 3) COMMENT 'what a minute is counted once for: each service, each kind, or all together; never add two levels',
  `kind` LowCardinality(String) COMMENT 'kind of service (policy clause 2.3); \'\' at level all',
  `service` LowCardinality(String) COMMENT 'service id of the catalogue; \'\' at levels kind and all',
  `outcome` LowCardinality(String) COMMENT 'allowed, outside_allowed, official_possible, count_only or unknown',
  `reason` LowCardinality(String) COMMENT 'why the minutes have this outcome',
  `minutes` UInt32 COMMENT 'person-minutes of active use',
  `bytes_up` UInt64 COMMENT 'bytes sent by the clients (IP total lengths)',
  `bytes_down` UInt64 COMMENT 'bytes sent to the clients (IP total lengths)',
  `policy` LowCardinality(String) COMMENT 'policy profile and its version',
  `catalogue` LowCardinality(String) COMMENT 'version of the service catalogue',
  `timetable` LowCardinality(String) COMMENT 'version of the school\'s files'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (`school`, `level`, `people`, `day`, `period`, `kind`, `service`, `outcome`, `reason`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'Minutes of use by bell period and group of staff.';

CREATE TABLE IF NOT EXISTS schoolgate.`use_day` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)',
  `day` Date COMMENT 'day in the school\'s own zone',
  `people` LowCardinality(String) COMMENT 'group of staff: \'all\', or a group of at least ten: \'teaching\', \'support\', \'other\'; all holds the others',
  `level` Enum8('service' = 1, 'kind' = 2, 'all' = 3) COMMENT 'what a minute is counted once for: each service, each kind, or all together; never add two levels',
  `kind` LowCardinality(String) COMMENT 'kind of service (policy clause 2.3); \'\' at level all',
  `service` LowCardinality(String) COMMENT 'service id of the catalogue; \'\' at levels kind and all',
  `outcome` LowCardinality(String) COMMENT 'allowed, outside_allowed, official_possible, count_only or unknown',
  `reason` LowCardinality(String) COMMENT 'why the minutes have this outcome',
  `minutes` UInt32 COMMENT 'person-minutes of active use',
  `bytes_up` UInt64 COMMENT 'bytes sent by the clients (IP total lengths)',
  `bytes_down` UInt64 COMMENT 'bytes sent to the clients (IP total lengths)',
  `policy` LowCardinality(String) COMMENT 'policy profile and its version',
  `catalogue` LowCardinality(String) COMMENT 'version of the service catalogue',
  `timetable` LowCardinality(String) COMMENT 'version of the school\'s files'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (`school`, `level`, `people`, `day`, `kind`, `service`, `outcome`, `reason`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'Minutes of use by day and group of staff.';

CREATE TABLE IF NOT EXISTS schoolgate.`coverage` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)',
  `day` Date COMMENT 'day in the school\'s own zone',
  `start` DateTime('UTC') COMMENT 'begin of the five minutes',
  `metric` LowCardinality(String) COMMENT 'what is counted, such as packets, flows_unnamed, ring_drops, minutes_judged',
  `value` UInt64 COMMENT 'how many'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (`school`, `day`, `metric`, `start`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'What was seen and what was lost on the way from packet to outcome; values of a metric add up.';

CREATE TABLE IF NOT EXISTS schoolgate.`bell` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)',
  `day` Date COMMENT 'day in the school\'s own zone',
  `slot` LowCardinality(String) COMMENT 'name of the bell slot',
  `kind` LowCardinality(String) COMMENT 'lesson, registration, break, lunch, before or after',
  `start` DateTime('UTC') COMMENT 'begin of the slot',
  `end` DateTime('UTC') COMMENT 'end of the slot',
  `week` LowCardinality(String) COMMENT 'letter of the timetable week; \'\' where there is none'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (`school`, `day`, `slot`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'The bell times of a day\'s main schedule; the row written last holds, so read with FINAL.';

CREATE TABLE IF NOT EXISTS schoolgate.`episode` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)',
  `day` Date COMMENT 'day in the school\'s own zone',
  `id` String COMMENT 'stable id of the episode',
  `pseudonym` String COMMENT 'keyed pseudonym of a person; the key is never in the store',
  `service` LowCardinality(String) COMMENT 'service id of the catalogue',
  `kind` LowCardinality(String) COMMENT 'kind of service',
  `start` DateTime('UTC') COMMENT 'first active minute',
  `last` DateTime('UTC') COMMENT 'last active minute',
  `minutes` UInt16 COMMENT 'active minutes in time that is not allowed',
  `grade` LowCardinality(String) COMMENT 'how surely the person is known: A or B',
  `source` LowCardinality(String) COMMENT 'what tied the address to the person',
  `rule` LowCardinality(String) COMMENT 'the rule that gave the outcome, and its version',
  `why` String COMMENT 'evidence chain as JSON',
  `policy` LowCardinality(String) COMMENT 'policy profile and its version',
  `catalogue` LowCardinality(String) COMMENT 'version of the service catalogue',
  `timetable` LowCardinality(String) COMMENT 'version of the school\'s files'
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(day)
ORDER BY (`school`, `day`, `pseudonym`, `start`, `id`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'Episodes of use outside allowed time, under pseudonyms (pseudonymous mode only).';

CREATE TABLE IF NOT EXISTS schoolgate.`minute_mark` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)',
  `day` Date COMMENT 'day in the school\'s own zone',
  `pseudonym` String COMMENT 'keyed pseudonym of a person; the key is never in the store',
  `service` LowCardinality(String) COMMENT 'service id of the catalogue',
  `minute` DateTime('UTC') COMMENT 'the minute',
  `state` LowCardinality(String) COMMENT 'what the person was scheduled to do',
  `allowed` LowCardinality(String) COMMENT 'whether personal use was allowed: yes, no or unknown',
  `outcome` LowCardinality(String) COMMENT 'what became of the minute',
  `reason` LowCardinality(String) COMMENT 'why',
  `grade` LowCardinality(String) COMMENT 'how surely the person is known: A, B or C'
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(day)
ORDER BY (`school`, `day`, `pseudonym`, `minute`, `service`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'Single minutes of use under pseudonyms, kept a week to be judged anew (pseudonymous mode only).';

CREATE TABLE IF NOT EXISTS schoolgate.`batch` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)',
  `batch` String COMMENT 'name of the batch: school/sensor/begin of the window',
  `stored` DateTime('UTC') COMMENT 'when it was written',
  `window` DateTime('UTC') COMMENT 'begin of the window',
  `rows` UInt32 COMMENT 'rows written to the other tables',
  `policy` LowCardinality(String) COMMENT 'policy profile and its version',
  `catalogue` LowCardinality(String) COMMENT 'version of the service catalogue',
  `timetable` LowCardinality(String) COMMENT 'version of the school\'s files'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window)
ORDER BY (`school`, `window`, `batch`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'The windows of packet time whose rows are stored: written last, so that a window listed here is complete.';

CREATE TABLE IF NOT EXISTS schoolgate.`school_info` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)',
  `name` String COMMENT 'the school\'s name',
  `zone` LowCardinality(String) COMMENT 'its time zone (IANA)',
  `mode` LowCardinality(String) COMMENT 'aggregate or pseudonymous',
  `notice` String COMMENT 'ISO date from which staff are monitored; \'\' when there is none yet',
  `group_sizes` String COMMENT 'JSON object: group of staff -> its size; groups of at least ten only',
  `version` String COMMENT 'version of the school\'s files',
  `updated` DateTime('UTC') COMMENT 'when the row was written'
)
ENGINE = ReplacingMergeTree(updated)
PARTITION BY tuple()
ORDER BY (`school`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'What the pages need to know of each school; the row updated last holds, so read with FINAL.';

CREATE TABLE IF NOT EXISTS schoolgate.`schema_version` (
  `version` UInt32 COMMENT 'number of the schema version',
  `applied` DateTime('UTC') COMMENT 'when it was applied'
)
ENGINE = MergeTree
PARTITION BY tuple()
ORDER BY (`version`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'The schema versions this store has been through; the highest holds.';
