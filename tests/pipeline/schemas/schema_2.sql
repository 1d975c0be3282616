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
  `minutes` Int32 COMMENT 'person-minutes of active use; below 0 where a withdrawn episode is taken out',
  `bytes_up` Int64 COMMENT 'bytes sent by the clients (IP total lengths)',
  `bytes_down` Int64 COMMENT 'bytes sent to the clients (IP total lengths)',
  `policy` LowCardinality(String) COMMENT 'policy profile, its version and that of the rules: see table rulebook',
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
  `minutes` Int32 COMMENT 'person-minutes of active use; below 0 where a withdrawn episode is taken out',
  `bytes_up` Int64 COMMENT 'bytes sent by the clients (IP total lengths)',
  `bytes_down` Int64 COMMENT 'bytes sent to the clients (IP total lengths)',
  `policy` LowCardinality(String) COMMENT 'policy profile, its version and that of the rules: see table rulebook',
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
  `minutes` Int32 COMMENT 'person-minutes of active use; below 0 where a withdrawn episode is taken out',
  `bytes_up` Int64 COMMENT 'bytes sent by the clients (IP total lengths)',
  `bytes_down` Int64 COMMENT 'bytes sent to the clients (IP total lengths)',
  `policy` LowCardinality(String) COMMENT 'policy profile, its version and that of the rules: see table rulebook',
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
  `sums` String COMMENT 'the sums that its minutes are part of, as JSON, to take them out again',
  `policy` LowCardinality(String) COMMENT 'policy profile, its version and that of the rules: see table rulebook',
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
  `grade` LowCardinality(String) COMMENT 'how surely the person is known: A, B or C',
  `episode` String COMMENT 'id of the episode that the minute belongs to',
  `source` LowCardinality(String) COMMENT 'what tied the address to the person',
  `rule` LowCardinality(String) COMMENT 'the rule that gave the outcome, and its version',
  `why` String COMMENT 'evidence chain as JSON',
  `policy` LowCardinality(String) COMMENT 'policy profile, its version and that of the rules: see table rulebook',
  `catalogue` LowCardinality(String) COMMENT 'version of the service catalogue',
  `timetable` LowCardinality(String) COMMENT 'version of the school\'s files'
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(day)
ORDER BY (`school`, `day`, `pseudonym`, `minute`, `service`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'Single minutes of use under pseudonyms, kept a week to be judged anew (pseudonymous mode only).';

CREATE TABLE IF NOT EXISTS schoolgate.`rulebook` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)',
  `policy` LowCardinality(String) COMMENT 'the version',
  `content` String COMMENT 'JSON: rules, their limits by service, the clause on times, boundary margin',
  `updated` DateTime('UTC') COMMENT 'when the row was written'
)
ENGINE = ReplacingMergeTree(updated)
PARTITION BY tuple()
ORDER BY (`school`, `policy`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'The wording of the rules behind each version that rows carry as `policy`; read with FINAL.';

CREATE TABLE IF NOT EXISTS schoolgate.`catalogue_version` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)',
  `catalogue` LowCardinality(String) COMMENT 'the version',
  `services` String COMMENT 'JSON object: service -> [kind, action]',
  `updated` DateTime('UTC') COMMENT 'when the row was written'
)
ENGINE = ReplacingMergeTree(updated)
PARTITION BY tuple()
ORDER BY (`school`, `catalogue`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'What each version of the service catalogue said of every service; read with FINAL.';

CREATE TABLE IF NOT EXISTS schoolgate.`catalogue_change` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)',
  `day` Date COMMENT 'day in the school\'s own zone',
  `start` DateTime('UTC') COMMENT 'begin of the five minutes',
  `service` LowCardinality(String) COMMENT 'service id',
  `kind` LowCardinality(String) COMMENT 'kind of service, in the version of this row\'s minutes',
  `outcome` LowCardinality(String) COMMENT 'allowed, outside_allowed, official_possible, count_only or unknown',
  `before` UInt32 COMMENT 'person-minutes with this outcome by the version before',
  `after` UInt32 COMMENT 'person-minutes with this outcome by the new version',
  `catalogue_before` LowCardinality(String) COMMENT 'the version before',
  `catalogue` LowCardinality(String) COMMENT 'the new version'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (`school`, `day`, `start`, `service`, `kind`, `outcome`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'First day of a new catalogue version: minutes of use by the version before and by the new one.';

CREATE TABLE IF NOT EXISTS schoolgate.`batch` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)',
  `batch` String COMMENT 'name of the batch: school/sensor/begin of the window',
  `stored` DateTime('UTC') COMMENT 'when it was written',
  `window` DateTime('UTC') COMMENT 'begin of the window',
  `rows` UInt32 COMMENT 'rows written to the other tables',
  `policy` LowCardinality(String) COMMENT 'policy profile, its version and that of the rules: see table rulebook',
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

CREATE TABLE IF NOT EXISTS schoolgate.`contest` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)',
  `day` Date COMMENT 'day of the episode',
  `id` String COMMENT 'id of the contest',
  `episode` String COMMENT 'id of the episode',
  `pseudonym` String COMMENT 'keyed pseudonym of a person; the key is never in the store',
  `reason` LowCardinality(String) COMMENT 'cover, swap, official_work, not_me, wrong_service or other',
  `status` LowCardinality(String) COMMENT 'open, upheld or rejected',
  `opened` DateTime('UTC') COMMENT 'when it was opened',
  `opened_by` LowCardinality(String) COMMENT 'role of who opened it',
  `due` DateTime('UTC') COMMENT 'when it must be answered',
  `decided` DateTime('UTC') COMMENT 'when it was decided; 1970 while it is open',
  `decided_by` LowCardinality(String) COMMENT 'role of who decided it; \'\' while it is open',
  `applied` UInt8 COMMENT '1 when all sums are what the decision makes them',
  `revision` UInt32 COMMENT 'number of this state of the contest'
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(day)
ORDER BY (`school`, `id`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'Episodes that somebody contested, and what came of it; the highest revision holds, so read with FINAL.';

CREATE TABLE IF NOT EXISTS schoolgate.`retention_proof` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)',
  `day` Date COMMENT 'day of the run in UTC',
  `run` DateTime('UTC') COMMENT 'when it ran',
  `what` LowCardinality(String) COMMENT 'what was looked at: spool, minute_mark, episode, use_day, audit and so on',
  `keep_days` UInt16 COMMENT 'how long it is kept',
  `before` DateTime('UTC') COMMENT 'everything older than this had to go',
  `removed` UInt64 COMMENT 'how many rows, files or entries went',
  `held` UInt64 COMMENT 'how many stay for a contest that is open',
  `left` UInt64 COMMENT 'how many are still there although they had to go; 0 proves it',
  `problem` String COMMENT 'why something could not be removed; \'\' if nothing is wrong',
  `audit_entries` UInt64 COMMENT 'number of the last entry of the audit trail at that time',
  `audit_hash` String COMMENT 'its hash: what the trail is compared with'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (`school`, `what`, `run`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'What left by age, run by run: the proof that nothing is kept longer than the notice says.';

CREATE TABLE IF NOT EXISTS schoolgate.`schema_version` (
  `version` UInt32 COMMENT 'number of the schema version',
  `applied` DateTime('UTC') COMMENT 'when it was applied'
)
ENGINE = MergeTree
PARTITION BY tuple()
ORDER BY (`version`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'The schema versions this store has been through; the highest holds.';
