-- title: Minutes of use over time
-- about: Minutes of social-media use by all staff together, by outcome, of all kinds or one: in steps of five minutes up to two weeks, of an hour up to a hundred days, else of a day.
-- parameters: school String, from Date, to Date, kind String
SELECT
    toDateTime(intDiv(toUInt32(u.start), step) * step, 'UTC') AS time,
    sumIf(u.minutes, u.outcome = 'allowed') AS allowed,
    sumIf(u.minutes, u.outcome = 'official_possible') AS official_possible,
    sumIf(u.minutes, u.outcome = 'count_only') AS count_only,
    sumIf(u.minutes, u.outcome = 'outside_allowed') AS outside_allowed,
    sumIf(u.minutes, u.outcome = 'unknown') AS unknown
FROM
(
    SELECT
        if({to:Date} - {from:Date} < 14, 300, if({to:Date} - {from:Date} < 100, 3600, 86400)) AS step,
        f.start AS start,
        f.outcome AS outcome,
        f.minutes AS minutes
    FROM schoolgate.use_five AS f
    WHERE f.school = {school:String} AND f.day >= {from:Date} AND f.day <= {to:Date}
        AND f.level = if({kind:String} = 'all', 'all', 'kind')
        AND f.kind = if({kind:String} = 'all', '', {kind:String})
) AS u
GROUP BY time
ORDER BY time
