-- title: Minutes of use, by five minutes
-- about: Minutes of social-media use by all staff together in each five minutes of the day, by outcome, of all kinds or one; a five minutes without use has no row.
-- parameters: school String, day Date, kind String
SELECT
    u.start AS time,
    sumIf(u.minutes, u.outcome = 'allowed') AS allowed,
    sumIf(u.minutes, u.outcome = 'official_possible') AS official_possible,
    sumIf(u.minutes, u.outcome = 'count_only') AS count_only,
    sumIf(u.minutes, u.outcome = 'outside_allowed') AS outside_allowed,
    sumIf(u.minutes, u.outcome = 'unknown') AS unknown
FROM schoolgate.use_five AS u
WHERE u.school = {school:String} AND u.day = {day:Date}
    AND u.level = if({kind:String} = 'all', 'all', 'kind')
    AND u.kind = if({kind:String} = 'all', '', {kind:String})
GROUP BY time
ORDER BY time
