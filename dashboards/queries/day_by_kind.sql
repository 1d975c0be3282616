-- title: By kind of service
-- about: Minutes of use on the day by kind of service (the headings of policy clause 2.3) and outcome: all staff or one group; a minute with two kinds counts in both.
-- parameters: school String, day Date, group String
SELECT
    u.kind AS kind,
    sum(u.minutes) AS total,
    sumIf(u.minutes, u.outcome = 'allowed') AS allowed,
    sumIf(u.minutes, u.outcome = 'official_possible') AS official_possible,
    sumIf(u.minutes, u.outcome = 'count_only') AS count_only,
    sumIf(u.minutes, u.outcome = 'outside_allowed') AS outside_allowed,
    sumIf(u.minutes, u.outcome = 'unknown') AS unknown
FROM schoolgate.use_day AS u
WHERE u.school = {school:String} AND u.day = {day:Date} AND u.people = {group:String} AND u.level = 'kind'
GROUP BY kind
ORDER BY total DESC, kind
