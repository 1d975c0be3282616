-- title: School events
-- about: What explains the figures from one day to another: closures, holidays and INSET days, new versions of the school's files, the catalogue and the rules, pauses, and minutes judged again after a correction.
-- parameters: school String, zone String, from Date, to Date
SELECT
    e.time AS time,
    e.until AS timeEnd,
    e.text AS text,
    e.event AS tags
FROM
(
    SELECT
        toDateTime(toUInt32(toDateTime(d.day, {zone:String})), 'UTC') AS time,
        toDateTime(toUInt32(toDateTime(d.day + 1, {zone:String})), 'UTC') AS until,
        CAST(concat(
            transform(toString(d.kind), ['inset', 'closure', 'holiday', 'bank_holiday'], ['INSET day', 'School closed', 'Holiday', 'Bank holiday'], 'Day that the calendar does not know'),
            if(d.name = '', '', concat(': ', toString(d.name)))
        ) AS String) AS text,
        CAST(d.kind AS String) AS event
    FROM schoolgate.school_day AS d FINAL
    WHERE d.school = {school:String} AND d.day >= {from:Date} AND d.day <= {to:Date} AND d.kind NOT IN ('school', 'weekend')
    UNION ALL
    SELECT min(b.window) AS time, time AS until, concat('School files of version ', CAST(b.timetable AS String)) AS text, 'import' AS event
    FROM schoolgate.batch AS b
    WHERE b.school = {school:String} AND b.timetable != ''
    GROUP BY b.timetable
    HAVING toDate(time, {zone:String}) >= {from:Date} AND toDate(time, {zone:String}) <= {to:Date}
    UNION ALL
    SELECT min(b.window) AS time, time AS until, concat('Catalogue ', CAST(b.catalogue AS String)) AS text, 'catalogue' AS event
    FROM schoolgate.batch AS b
    WHERE b.school = {school:String} AND b.catalogue != ''
    GROUP BY b.catalogue
    HAVING toDate(time, {zone:String}) >= {from:Date} AND toDate(time, {zone:String}) <= {to:Date}
    UNION ALL
    SELECT min(b.window) AS time, time AS until, concat('Rules ', CAST(b.policy AS String)) AS text, 'rules' AS event
    FROM schoolgate.batch AS b
    WHERE b.school = {school:String} AND b.policy != ''
    GROUP BY b.policy
    HAVING toDate(time, {zone:String}) >= {from:Date} AND toDate(time, {zone:String}) <= {to:Date}
    UNION ALL
    SELECT min(c.start) AS time, max(c.start) + 300 AS until, 'Monitoring paused' AS text, 'pause' AS event
    FROM schoolgate.coverage AS c
    WHERE c.school = {school:String} AND c.day >= {from:Date} AND c.day <= {to:Date} AND c.metric = 'minutes_paused' AND c.value > 0
    GROUP BY c.day
    UNION ALL
    SELECT max(c.start) AS time, time AS until, concat(toString(sum(c.value)), if(CAST(c.metric AS String) = 'minutes_retagged', ' minutes judged again after a correction of the school files', ' minutes withdrawn after a contest')) AS text, 'correction' AS event
    FROM schoolgate.coverage AS c
    WHERE c.school = {school:String} AND c.day >= {from:Date} AND c.day <= {to:Date} AND c.metric IN ('minutes_retagged', 'minutes_withdrawn') AND c.value > 0
    GROUP BY c.day, c.metric
) AS e
ORDER BY time, tags, text
