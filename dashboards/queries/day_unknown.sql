-- title: Unknown minutes, by bell period
-- about: Minutes of use on the day whose outcome is unknown, by bell period and reason, the most frequent first.
-- parameters: school String, day Date
SELECT
    u.period AS period,
    u.period_kind AS period_kind,
    u.reason AS reason,
    sum(u.minutes) AS total
FROM schoolgate.use_period AS u
WHERE u.school = {school:String} AND u.day = {day:Date} AND u.people = 'all' AND u.level = 'all' AND u.outcome = 'unknown'
GROUP BY period, period_kind, reason
ORDER BY total DESC, period, reason
