-- title: Groups of staff in the week
-- about: Minutes of use from one day to another by group of staff and outcome, of all kinds or one; only groups of ten people or more are kept.
-- parameters: school String, from Date, to Date, kind String
SELECT
    u.people AS people,
    sum(u.minutes) AS total,
    sumIf(u.minutes, u.outcome = 'allowed') AS allowed,
    sumIf(u.minutes, u.outcome = 'official_possible') AS official_possible,
    sumIf(u.minutes, u.outcome = 'count_only') AS count_only,
    sumIf(u.minutes, u.outcome = 'outside_allowed') AS outside_allowed,
    sumIf(u.minutes, u.outcome = 'unknown') AS unknown
FROM schoolgate.use_day AS u
WHERE u.school = {school:String} AND u.day >= {from:Date} AND u.day <= {to:Date}
    AND u.level = if({kind:String} = 'all', 'all', 'kind')
    AND u.kind = if({kind:String} = 'all', '', {kind:String})
GROUP BY people
ORDER BY people
