CREATE DATABASE IF NOT EXISTS schoolgate;

CREATE TABLE IF NOT EXISTS schoolgate.`use_five` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)' CODEC(ZSTD(1)),
  `day` Date COMMENT 'day in the school\'s own zone' CODEC(Delta(2), ZSTD(1)),
  `start` DateTime('UTC') COMMENT 'begin of the five minutes' CODEC(DoubleDelta, ZSTD(1)),
  `level` Enum8('service' = 1, 'kind' = 2, 'all' = 3) COMMENT 'what a minute is counted once for: each service, each kind, or all together; never add two levels' CODEC(ZSTD(1)),
  `kind` LowCardinality(String) COMMENT 'kind of service (policy clause 2.3); \'\' at level all' CODEC(ZSTD(1)),
  `service` LowCardinality(String) COMMENT 'service id of the catalogue; \'\' at levels kind and all' CODEC(ZSTD(1)),
  `outcome` LowCardinality(String) COMMENT 'allowed, outside_allowed, official_possible, count_only or unknown' CODEC(ZSTD(1)),
  `reason` LowCardinality(String) COMMENT 'why the minutes have this outcome' CODEC(ZSTD(1)),
  `minutes` Int32 COMMENT 'person-minutes of active use; below 0 where a withdrawn episode is taken out' CODEC(T64, ZSTD(1)),
  `bytes_up` Int64 COMMENT 'bytes sent by the clients (IP total lengths)' CODEC(T64, ZSTD(1)),
  `bytes_down` Int64 COMMENT 'bytes sent to the clients (IP total lengths)' CODEC(T64, ZSTD(1)),
  `policy` LowCardinality(String) COMMENT 'policy profile, its version and that of the rules: see table rulebook' CODEC(ZSTD(1)),
  `catalogue` LowCardinality(String) COMMENT 'version of the service catalogue' CODEC(ZSTD(1)),
  `timetable` LowCardinality(String) COMMENT 'version of the school\'s files' CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (`school`, `level`, `day`, `start`, `kind`, `service`, `outcome`, `reason`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'Minutes of use by all staff together, in steps of five minutes.';

CREATE TABLE IF NOT EXISTS schoolgate.`use_period` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)' CODEC(ZSTD(1)),
  `day` Date COMMENT 'day in the school\'s own zone' CODEC(Delta(2), ZSTD(1)),
  `period` LowCardinality(String) COMMENT 'name of the bell slot; \'\' outside the bells' CODEC(ZSTD(1)),
  `period_kind` LowCardinality(String) COMMENT 'lesson, registration, break, lunch, before or after; \'\' outside the bells' CODEC(ZSTD(1)),
  `people` LowCardinality(String) COMMENT 'group of staff: \'all\', or a group of at least ten: \'teaching\', \'support\', \'other\'; all holds the others' CODEC(ZSTD(1)),
  `level` Enum8('service' = 1, 'kind' = 2, 'all' = 3) COMMENT 'what a minute is counted once for: each service, each kind, or all together; never add two levels' CODEC(ZSTD(1)),
  `kind` LowCardinality(String) COMMENT 'kind of service (policy clause 2.3); \'\' at level all' CODEC(ZSTD(1)),
  `service` LowCardinality(String) COMMENT 'service id of the catalogue; \'\' at levels kind and all' CODEC(ZSTD(1)),
  `outcome` LowCardinality(String) COMMENT 'allowed, outside_allowed, official_possible, count_only or unknown' CODEC(ZSTD(1)),
  `reason` LowCardinality(String) COMMENT 'why the minutes have this outcome' CODEC(ZSTD(1)),
  `minutes` Int32 COMMENT 'person-minutes of active use; below 0 where a withdrawn episode is taken out' CODEC(T64, ZSTD(1)),
  `bytes_up` Int64 COMMENT 'bytes sent by the clients (IP total lengths)' CODEC(T64, ZSTD(1)),
  `bytes_down` Int64 COMMENT 'bytes sent to the clients (IP total lengths)' CODEC(T64, ZSTD(1)),
  `policy` LowCardinality(String) COMMENT 'policy profile, its version and that of the rules: see table rulebook' CODEC(ZSTD(1)),
  `catalogue` LowCardinality(String) COMMENT 'version of the service catalogue' CODEC(ZSTD(1)),
  `timetable` LowCardinality(String) COMMENT 'version of the school\'s files' CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (`school`, `level`, `people`, `day`, `period`, `kind`, `service`, `outcome`, `reason`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'Minutes of use by bell period and group of staff.';

CREATE TABLE IF NOT EXISTS schoolgate.`use_day` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)' CODEC(ZSTD(1)),
  `day` Date COMMENT 'day in the school\'s own zone' CODEC(Delta(2), ZSTD(1)),
  `people` LowCardinality(String) COMMENT 'group of staff: \'all\', or a group of at least ten: \'teaching\', \'support\', \'other\'; all holds the others' CODEC(ZSTD(1)),
  `level` Enum8('service' = 1, 'kind' = 2, 'all' = 3) COMMENT 'what a minute is counted once for: each service, each kind, or all together; never add two levels' CODEC(ZSTD(1)),
  `kind` LowCardinality(String) COMMENT 'kind of service (policy clause 2.3); \'\' at level all' CODEC(ZSTD(1)),
  `service` LowCardinality(String) COMMENT 'service id of the catalogue; \'\' at levels kind and all' CODEC(ZSTD(1)),
  `outcome` LowCardinality(String) COMMENT 'allowed, outside_allowed, official_possible, count_only or unknown' CODEC(ZSTD(1)),
  `reason` LowCardinality(String) COMMENT 'why the minutes have this outcome' CODEC(ZSTD(1)),
  `minutes` Int32 COMMENT 'person-minutes of active use; below 0 where a withdrawn episode is taken out' CODEC(T64, ZSTD(1)),
  `bytes_up` Int64 COMMENT 'bytes sent by the clients (IP total lengths)' CODEC(T64, ZSTD(1)),
  `bytes_down` Int64 COMMENT 'bytes sent to the clients (IP total lengths)' CODEC(T64, ZSTD(1)),
  `policy` LowCardinality(String) COMMENT 'policy profile, its version and that of the rules: see table rulebook' CODEC(ZSTD(1)),
  `catalogue` LowCardinality(String) COMMENT 'version of the service catalogue' CODEC(ZSTD(1)),
  `timetable` LowCardinality(String) COMMENT 'version of the school\'s files' CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (`school`, `level`, `people`, `day`, `kind`, `service`, `outcome`, `reason`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'Minutes of use by day and group of staff.';

CREATE TABLE IF NOT EXISTS schoolgate.`coverage` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)' CODEC(ZSTD(1)),
  `day` Date COMMENT 'day in the school\'s own zone' CODEC(Delta(2), ZSTD(1)),
  `start` DateTime('UTC') COMMENT 'begin of the five minutes' CODEC(DoubleDelta, ZSTD(1)),
  `metric` LowCardinality(String) COMMENT 'what is counted, such as packets, flows_unnamed, ring_drops, minutes_judged' CODEC(ZSTD(1)),
  `value` UInt64 COMMENT 'how many' CODEC(T64, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (`school`, `day`, `metric`, `start`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'What was seen and what was lost on the way from packet to outcome; values of a metric add up.';

CREATE TABLE IF NOT EXISTS schoolgate.`bell` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)' CODEC(ZSTD(1)),
  `day` Date COMMENT 'day in the school\'s own zone' CODEC(Delta(2), ZSTD(1)),
  `slot` LowCardinality(String) COMMENT 'name of the bell slot' CODEC(ZSTD(1)),
  `kind` LowCardinality(String) COMMENT 'lesson, registration, break, lunch, before or after' CODEC(ZSTD(1)),
  `start` DateTime('UTC') COMMENT 'begin of the slot' CODEC(DoubleDelta, ZSTD(1)),
  `end` DateTime('UTC') COMMENT 'end of the slot' CODEC(DoubleDelta, ZSTD(1)),
  `week` LowCardinality(String) COMMENT 'letter of the timetable week; \'\' where there is none' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (`school`, `day`, `slot`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'The bell times of a day\'s main schedule; the row written last holds, so read with FINAL.';

CREATE TABLE IF NOT EXISTS schoolgate.`episode` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)' CODEC(ZSTD(1)),
  `day` Date COMMENT 'day in the school\'s own zone' CODEC(Delta(2), ZSTD(1)),
  `id` String COMMENT 'stable id of the episode' CODEC(ZSTD(1)),
  `pseudonym` String COMMENT 'keyed pseudonym of a person; the key is never in the store' CODEC(ZSTD(1)),
  `service` LowCardinality(String) COMMENT 'service id of the catalogue' CODEC(ZSTD(1)),
  `kind` LowCardinality(String) COMMENT 'kind of service' CODEC(ZSTD(1)),
  `start` DateTime('UTC') COMMENT 'first active minute' CODEC(DoubleDelta, ZSTD(1)),
  `last` DateTime('UTC') COMMENT 'last active minute' CODEC(DoubleDelta, ZSTD(1)),
  `minutes` UInt16 COMMENT 'active minutes in time that is not allowed' CODEC(T64, ZSTD(1)),
  `grade` LowCardinality(String) COMMENT 'how surely the person is known: A or B' CODEC(ZSTD(1)),
  `source` LowCardinality(String) COMMENT 'what tied the address to the person' CODEC(ZSTD(1)),
  `rule` LowCardinality(String) COMMENT 'the rule that gave the outcome, and its version' CODEC(ZSTD(1)),
  `why` String COMMENT 'evidence chain as JSON' CODEC(ZSTD(1)),
  `sums` String COMMENT 'the sums that its minutes are part of, as JSON, to take them out again' CODEC(ZSTD(1)),
  `policy` LowCardinality(String) COMMENT 'policy profile, its version and that of the rules: see table rulebook' CODEC(ZSTD(1)),
  `catalogue` LowCardinality(String) COMMENT 'version of the service catalogue' CODEC(ZSTD(1)),
  `timetable` LowCardinality(String) COMMENT 'version of the school\'s files' CODEC(ZSTD(1)),
  `revision` UInt32 COMMENT '0 as judged at first; higher for rows that a correction has put in their place' CODEC(T64, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(day)
ORDER BY (`school`, `day`, `pseudonym`, `start`, `id`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'Episodes of use outside allowed time, under pseudonyms (pseudonymous mode only).';

CREATE TABLE IF NOT EXISTS schoolgate.`minute_mark` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)' CODEC(ZSTD(1)),
  `day` Date COMMENT 'day in the school\'s own zone' CODEC(Delta(2), ZSTD(1)),
  `pseudonym` String COMMENT 'keyed pseudonym of a person; the key is never in the store' CODEC(ZSTD(1)),
  `service` LowCardinality(String) COMMENT 'service id of the catalogue' CODEC(ZSTD(1)),
  `minute` DateTime('UTC') COMMENT 'the minute' CODEC(DoubleDelta, ZSTD(1)),
  `state` LowCardinality(String) COMMENT 'what the person was scheduled to do' CODEC(ZSTD(1)),
  `allowed` LowCardinality(String) COMMENT 'whether personal use was allowed: yes, no or unknown' CODEC(ZSTD(1)),
  `outcome` LowCardinality(String) COMMENT 'what became of the minute' CODEC(ZSTD(1)),
  `reason` LowCardinality(String) COMMENT 'why' CODEC(ZSTD(1)),
  `grade` LowCardinality(String) COMMENT 'how surely the person is known: A or B' CODEC(ZSTD(1)),
  `episode` String COMMENT 'id of the episode that the minute belongs to' CODEC(ZSTD(1)),
  `source` LowCardinality(String) COMMENT 'what tied the address to the person' CODEC(ZSTD(1)),
  `rule` LowCardinality(String) COMMENT 'the rule that gave the outcome, and its version' CODEC(ZSTD(1)),
  `why` String COMMENT 'evidence chain as JSON' CODEC(ZSTD(1)),
  `policy` LowCardinality(String) COMMENT 'policy profile, its version and that of the rules: see table rulebook' CODEC(ZSTD(1)),
  `catalogue` LowCardinality(String) COMMENT 'version of the service catalogue' CODEC(ZSTD(1)),
  `timetable` LowCardinality(String) COMMENT 'version of the school\'s files' CODEC(ZSTD(1)),
  `facts` String COMMENT 'what judging the minute anew needs, as JSON' CODEC(ZSTD(1)),
  `revision` UInt32 COMMENT '0 as judged at first; higher for rows that a correction has put in their place' CODEC(T64, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(day)
ORDER BY (`school`, `day`, `pseudonym`, `minute`, `service`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'Single minutes of use that were not certain to be allowed, kept a week to be judged anew (pseudonymous mode only).';

CREATE TABLE IF NOT EXISTS schoolgate.`mark_former` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)' CODEC(ZSTD(1)),
  `day` Date COMMENT 'day in the school\'s own zone' CODEC(Delta(2), ZSTD(1)),
  `pseudonym` String COMMENT 'keyed pseudonym of a person; the key is never in the store' CODEC(ZSTD(1)),
  `service` LowCardinality(String) COMMENT 'service id of the catalogue' CODEC(ZSTD(1)),
  `minute` DateTime('UTC') COMMENT 'the minute' CODEC(DoubleDelta, ZSTD(1)),
  `state` LowCardinality(String) COMMENT 'what the person was scheduled to do, by the former files' CODEC(ZSTD(1)),
  `allowed` LowCardinality(String) COMMENT 'whether personal use was allowed, by the former files' CODEC(ZSTD(1)),
  `outcome` LowCardinality(String) COMMENT 'the former outcome' CODEC(ZSTD(1)),
  `reason` LowCardinality(String) COMMENT 'why it was so' CODEC(ZSTD(1)),
  `grade` LowCardinality(String) COMMENT 'how surely the person is known: A or B' CODEC(ZSTD(1)),
  `episode` String COMMENT 'id of the episode that the minute belongs to' CODEC(ZSTD(1)),
  `source` LowCardinality(String) COMMENT 'what tied the address to the person' CODEC(ZSTD(1)),
  `rule` LowCardinality(String) COMMENT 'the rule that gave the outcome, and its version' CODEC(ZSTD(1)),
  `why` String COMMENT 'evidence chain as JSON' CODEC(ZSTD(1)),
  `policy` LowCardinality(String) COMMENT 'policy profile, its version and that of the rules: see table rulebook' CODEC(ZSTD(1)),
  `catalogue` LowCardinality(String) COMMENT 'version of the service catalogue' CODEC(ZSTD(1)),
  `timetable` LowCardinality(String) COMMENT 'version of the school\'s files' CODEC(ZSTD(1)),
  `revision` UInt32 COMMENT 'the revision of the mark that had this outcome' CODEC(T64, ZSTD(1)),
  `replaced` DateTime('UTC') COMMENT 'when it was replaced' CODEC(DoubleDelta, ZSTD(1)),
  `became` LowCardinality(String) COMMENT 'the outcome that took its place' CODEC(ZSTD(1)),
  `became_timetable` LowCardinality(String) COMMENT 'version of the school\'s files that gave it' CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(day)
ORDER BY (`school`, `day`, `pseudonym`, `minute`, `service`, `revision`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'Outcomes of minute marks that a correction of the school\'s files replaced (pseudonymous mode only).';

CREATE TABLE IF NOT EXISTS schoolgate.`rulebook` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)' CODEC(ZSTD(1)),
  `policy` LowCardinality(String) COMMENT 'the version' CODEC(ZSTD(1)),
  `content` String COMMENT 'JSON: rules, their limits by service, the clause on times, boundary margin' CODEC(ZSTD(1)),
  `updated` DateTime('UTC') COMMENT 'when the row was written' CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(updated)
PARTITION BY tuple()
ORDER BY (`school`, `policy`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'The wording of the rules behind each version that rows carry as `policy`; read with FINAL.';

CREATE TABLE IF NOT EXISTS schoolgate.`catalogue_version` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)' CODEC(ZSTD(1)),
  `catalogue` LowCardinality(String) COMMENT 'the version' CODEC(ZSTD(1)),
  `services` String COMMENT 'JSON object: service -> [kind, action]' CODEC(ZSTD(1)),
  `updated` DateTime('UTC') COMMENT 'when the row was written' CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(updated)
PARTITION BY tuple()
ORDER BY (`school`, `catalogue`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'What each version of the service catalogue said of every service; read with FINAL.';

CREATE TABLE IF NOT EXISTS schoolgate.`catalogue_change` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)' CODEC(ZSTD(1)),
  `day` Date COMMENT 'day in the school\'s own zone' CODEC(Delta(2), ZSTD(1)),
  `start` DateTime('UTC') COMMENT 'begin of the five minutes' CODEC(DoubleDelta, ZSTD(1)),
  `service` LowCardinality(String) COMMENT 'service id' CODEC(ZSTD(1)),
  `kind` LowCardinality(String) COMMENT 'kind of service, in the version of this row\'s minutes' CODEC(ZSTD(1)),
  `outcome` LowCardinality(String) COMMENT 'allowed, outside_allowed, official_possible, count_only or unknown' CODEC(ZSTD(1)),
  `before` UInt32 COMMENT 'person-minutes with this outcome by the version before' CODEC(T64, ZSTD(1)),
  `after` UInt32 COMMENT 'person-minutes with this outcome by the new version' CODEC(T64, ZSTD(1)),
  `catalogue_before` LowCardinality(String) COMMENT 'the version before' CODEC(ZSTD(1)),
  `catalogue` LowCardinality(String) COMMENT 'the new version' CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (`school`, `day`, `start`, `service`, `kind`, `outcome`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'First day of a new catalogue version: minutes of use by the version before and by the new one.';

CREATE TABLE IF NOT EXISTS schoolgate.`batch` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)' CODEC(ZSTD(1)),
  `batch` String COMMENT 'name of the batch: school/sensor/begin of the window' CODEC(ZSTD(1)),
  `stored` DateTime('UTC') COMMENT 'when it was written' CODEC(DoubleDelta, ZSTD(1)),
  `window` DateTime('UTC') COMMENT 'begin of the window' CODEC(DoubleDelta, ZSTD(1)),
  `rows` UInt32 COMMENT 'rows written to the other tables' CODEC(T64, ZSTD(1)),
  `policy` LowCardinality(String) COMMENT 'policy profile, its version and that of the rules: see table rulebook' CODEC(ZSTD(1)),
  `catalogue` LowCardinality(String) COMMENT 'version of the service catalogue' CODEC(ZSTD(1)),
  `timetable` LowCardinality(String) COMMENT 'version of the school\'s files' CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window)
ORDER BY (`school`, `window`, `batch`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'The windows of packet time whose rows are stored: written last, so that a window listed here is complete.';

CREATE TABLE IF NOT EXISTS schoolgate.`school_info` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)' CODEC(ZSTD(1)),
  `name` String COMMENT 'the school\'s name' CODEC(ZSTD(1)),
  `zone` LowCardinality(String) COMMENT 'its time zone (IANA)' CODEC(ZSTD(1)),
  `mode` LowCardinality(String) COMMENT 'aggregate or pseudonymous' CODEC(ZSTD(1)),
  `notice` String COMMENT 'ISO date from which staff are monitored; \'\' when there is none yet' CODEC(ZSTD(1)),
  `group_sizes` String COMMENT 'JSON object: group of staff -> its size; groups of at least ten only' CODEC(ZSTD(1)),
  `version` String COMMENT 'version of the school\'s files' CODEC(ZSTD(1)),
  `updated` DateTime('UTC') COMMENT 'when the row was written' CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(updated)
PARTITION BY tuple()
ORDER BY (`school`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'What the pages need to know of each school; the row updated last holds, so read with FINAL.';

CREATE TABLE IF NOT EXISTS schoolgate.`contest` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)' CODEC(ZSTD(1)),
  `day` Date COMMENT 'day of the episode' CODEC(Delta(2), ZSTD(1)),
  `id` String COMMENT 'id of the contest' CODEC(ZSTD(1)),
  `episode` String COMMENT 'id of the episode' CODEC(ZSTD(1)),
  `pseudonym` String COMMENT 'keyed pseudonym of a person; the key is never in the store' CODEC(ZSTD(1)),
  `reason` LowCardinality(String) COMMENT 'cover, swap, official_work, not_me, wrong_service or other' CODEC(ZSTD(1)),
  `status` LowCardinality(String) COMMENT 'open, upheld or rejected' CODEC(ZSTD(1)),
  `opened` DateTime('UTC') COMMENT 'when it was opened' CODEC(DoubleDelta, ZSTD(1)),
  `opened_by` LowCardinality(String) COMMENT 'role of who opened it' CODEC(ZSTD(1)),
  `due` DateTime('UTC') COMMENT 'when it must be answered' CODEC(DoubleDelta, ZSTD(1)),
  `decided` DateTime('UTC') COMMENT 'when it was decided; 1970 while it is open' CODEC(DoubleDelta, ZSTD(1)),
  `decided_by` LowCardinality(String) COMMENT 'role of who decided it; \'\' while it is open' CODEC(ZSTD(1)),
  `applied` UInt8 COMMENT '1 when all sums are what the decision makes them' CODEC(T64, ZSTD(1)),
  `revision` UInt32 COMMENT 'number of this state of the contest' CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(day)
ORDER BY (`school`, `id`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'Episodes that somebody contested, and what came of it; the highest revision holds, so read with FINAL.';

CREATE TABLE IF NOT EXISTS schoolgate.`retention_proof` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)' CODEC(ZSTD(1)),
  `day` Date COMMENT 'day of the run in UTC' CODEC(Delta(2), ZSTD(1)),
  `run` DateTime('UTC') COMMENT 'when it ran' CODEC(DoubleDelta, ZSTD(1)),
  `what` LowCardinality(String) COMMENT 'what was looked at: spool, minute_mark, episode, use_day, audit and so on' CODEC(ZSTD(1)),
  `keep_days` UInt16 COMMENT 'how long it is kept' CODEC(T64, ZSTD(1)),
  `before` DateTime('UTC') COMMENT 'everything older than this had to go' CODEC(DoubleDelta, ZSTD(1)),
  `removed` UInt64 COMMENT 'how many rows, files or entries went' CODEC(T64, ZSTD(1)),
  `held` UInt64 COMMENT 'how many stay for a contest that is open' CODEC(T64, ZSTD(1)),
  `left` UInt64 COMMENT 'how many are still there although they had to go; 0 proves it' CODEC(T64, ZSTD(1)),
  `problem` String COMMENT 'why something could not be removed; \'\' if nothing is wrong' CODEC(ZSTD(1)),
  `audit_entries` UInt64 COMMENT 'number of the last entry of the audit trail at that time' CODEC(T64, ZSTD(1)),
  `audit_hash` String COMMENT 'its hash: what the trail is compared with' CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (`school`, `what`, `run`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'What left by age, run by run: the proof that nothing is kept longer than the notice says.';

CREATE TABLE IF NOT EXISTS schoolgate.`alert` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)' CODEC(ZSTD(1)),
  `day` Date COMMENT 'day of what happened, in the school\'s own zone' CODEC(Delta(2), ZSTD(1)),
  `id` String COMMENT 'id of the alert' CODEC(ZSTD(1)),
  `kind` LowCardinality(String) COMMENT 'wiki_edit, or what is wrong with the monitor: feed_stale, mirror_silent and so on' CODEC(ZSTD(1)),
  `subject` LowCardinality(String) COMMENT 'health check of an operational alert; \'\' of an edit' CODEC(ZSTD(1)),
  `raised` DateTime('UTC') COMMENT 'when it was raised' CODEC(DoubleDelta, ZSTD(1)),
  `at` DateTime('UTC') COMMENT 'when it happened' CODEC(DoubleDelta, ZSTD(1)),
  `certainty` LowCardinality(String) COMMENT 'of an edit: possible, likely or confirmed' CODEC(ZSTD(1)),
  `percent` UInt8 COMMENT 'of an edit: how likely it is to be one, in percent' CODEC(T64, ZSTD(1)),
  `wiki` LowCardinality(String) COMMENT 'of an edit: the wiki' CODEC(ZSTD(1)),
  `service` LowCardinality(String) COMMENT 'of an edit: service id of the catalogue' CODEC(ZSTD(1)),
  `segment` LowCardinality(String) COMMENT 'of an edit: staff, pupil, guest or unknown network' CODEC(ZSTD(1)),
  `period` LowCardinality(String) COMMENT 'name of the bell slot; \'\' outside the bells' CODEC(ZSTD(1)),
  `period_kind` LowCardinality(String) COMMENT 'lesson, registration, break, lunch, before or after; \'\' if groups differ' CODEC(ZSTD(1)),
  `rule` LowCardinality(String) COMMENT 'of an edit: the rule that found it' CODEC(ZSTD(1)),
  `why` String COMMENT 'sentences as a JSON list' CODEC(ZSTD(1)),
  `edits` UInt32 COMMENT 'edits of one device in this alert; 1 of an operational alert' CODEC(T64, ZSTD(1)),
  `last` DateTime('UTC') COMMENT 'time of the last of them' CODEC(DoubleDelta, ZSTD(1)),
  `recovered` DateTime('UTC') COMMENT 'when an operational alert was over; 1970 while it is not' CODEC(DoubleDelta, ZSTD(1)),
  `acknowledged` DateTime('UTC') COMMENT 'when somebody took notice; 1970 while nobody has' CODEC(DoubleDelta, ZSTD(1)),
  `revision` UInt32 COMMENT 'number of this state of the alert' CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(day)
ORDER BY (`school`, `id`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'Alerts as they were told, without anything that stands for a person or a device; read with FINAL.';

CREATE TABLE IF NOT EXISTS schoolgate.`alert_delivery` (
  `school` LowCardinality(String) COMMENT 'the school\'s id (tenant)' CODEC(ZSTD(1)),
  `day` Date COMMENT 'day of the message, in the school\'s own zone' CODEC(Delta(2), ZSTD(1)),
  `message` String COMMENT 'id of the message' CODEC(ZSTD(1)),
  `sort` LowCardinality(String) COMMENT 'alert, several, digest, recovery or test' CODEC(ZSTD(1)),
  `alerts` UInt32 COMMENT 'how many alerts it tells of' CODEC(T64, ZSTD(1)),
  `channel` LowCardinality(String) COMMENT 'name of the channel; never its address' CODEC(ZSTD(1)),
  `made` DateTime('UTC') COMMENT 'when the message was written' CODEC(DoubleDelta, ZSTD(1)),
  `state` LowCardinality(String) COMMENT 'pending, sending, sent or failed' CODEC(ZSTD(1)),
  `changed` DateTime('UTC') COMMENT 'when it came to this state' CODEC(DoubleDelta, ZSTD(1)),
  `attempt` UInt32 COMMENT 'attempts so far' CODEC(T64, ZSTD(1)),
  `possible_duplicate` UInt8 COMMENT '1 if it may have come twice, and said so' CODEC(T64, ZSTD(1)),
  `problem` LowCardinality(String) COMMENT 'what kept the last attempt from arriving; \'\' if nothing did' CODEC(ZSTD(1)),
  `revision` UInt32 COMMENT 'number of this state of the delivery' CODEC(T64, ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(day)
ORDER BY (`school`, `message`, `channel`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'What became of each message about alerts on each channel; read with FINAL.';

CREATE TABLE IF NOT EXISTS schoolgate.`schema_version` (
  `version` UInt32 COMMENT 'number of the schema version' CODEC(T64, ZSTD(1)),
  `applied` DateTime('UTC') COMMENT 'when it was applied' CODEC(DoubleDelta, ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY tuple()
ORDER BY (`version`)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480
COMMENT 'The schema versions this store has been through; the highest holds.';
