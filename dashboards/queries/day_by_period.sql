-- title: By bell period
-- about: Minutes of use on the day in each bell period, by outcome: all staff or one group, all kinds or one; the period is empty outside the bells.
-- parameters: school String, day Date, kind String, group String
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
WHERE u.school = {school:String} AND u.day = {day:Date}
    AND u.people = {group:String}
    AND u.level = if({kind:String} = 'all', 'all', 'kind')
    AND u.kind = if({kind:String} = 'all', '', {kind:String})
GROUP BY period, period_kind
ORDER BY total DESC, period
