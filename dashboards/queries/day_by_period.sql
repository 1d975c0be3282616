-- title: By bell period
-- about: Minutes of use on the day in each bell period, by outcome; the period is empty outside the bells.
SELECT
    u.period AS period,
    u.period_kind AS period_kind,
    sum(u.minutes) AS total,
    sumIf(u.minutes, u.outcome = 'allowed') AS allowed,
    sumIf(u.minutes, u.outcome = 'official_possible') AS official_possible,
    sumIf(u.minutes, u.outcome = 'count_only') AS count_only,
    sumIf(u.minutes, u.outcome = 'outside_allowed') AS outside_allowed,
    sumIf(u.minutes, u.outcome = 'unknown') AS unknown
FROM schoolgate.use_period AS u
WHERE u.school = {school:String} AND u.day = {day:Date} AND u.people = 'all' AND u.level = 'all'
GROUP BY period, period_kind
ORDER BY total DESC, period
