-- title: Minutes of use, by day and bell period
-- about: Minutes of social-media use by all staff together in each bell period of each day, by outcome; the period is empty outside the bells.
SELECT
    u.day AS day,
    u.period AS period,
    u.period_kind AS period_kind,
    sum(u.minutes) AS total,
    sumIf(u.minutes, u.outcome = 'allowed') AS allowed,
    sumIf(u.minutes, u.outcome = 'official_possible') AS official_possible,
    sumIf(u.minutes, u.outcome = 'count_only') AS count_only,
    sumIf(u.minutes, u.outcome = 'outside_allowed') AS outside_allowed,
    sumIf(u.minutes, u.outcome = 'unknown') AS unknown
FROM schoolgate.use_period AS u
WHERE u.school = {school:String} AND u.day >= {from:Date} AND u.day <= {to:Date} AND u.people = 'all' AND u.level = 'all'
GROUP BY day, period, period_kind
ORDER BY day, period
