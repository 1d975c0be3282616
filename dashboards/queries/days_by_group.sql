-- title: Groups of staff, by day
-- about: Minutes of use of each group of staff on each day, by outcome; the groups are never smaller than ten people.
-- parameters: school String, from Date, to Date
SELECT
    u.day AS day,
    u.people AS people,
    sum(u.minutes) AS total,
    sumIf(u.minutes, u.outcome = 'allowed') AS allowed,
    sumIf(u.minutes, u.outcome = 'official_possible') AS official_possible,
    sumIf(u.minutes, u.outcome = 'count_only') AS count_only,
    sumIf(u.minutes, u.outcome = 'outside_allowed') AS outside_allowed,
    sumIf(u.minutes, u.outcome = 'unknown') AS unknown
FROM schoolgate.use_day AS u
WHERE u.school = {school:String} AND u.day >= {from:Date} AND u.day <= {to:Date} AND u.people != 'all' AND u.level = 'all'
GROUP BY day, people
ORDER BY day, people
