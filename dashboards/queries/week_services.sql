-- title: Services, by outcome
-- about: Minutes of use from one day to another by service and outcome, the most used first: all staff or one group, all kinds or one; a minute with two services counts in both.
-- parameters: school String, from Date, to Date, kind String, group String
SELECT
    u.kind AS kind,
    u.service AS service,
    sum(u.minutes) AS total,
    sumIf(u.minutes, u.outcome = 'allowed') AS allowed,
    sumIf(u.minutes, u.outcome = 'official_possible') AS official_possible,
    sumIf(u.minutes, u.outcome = 'count_only') AS count_only,
    sumIf(u.minutes, u.outcome = 'outside_allowed') AS outside_allowed,
    sumIf(u.minutes, u.outcome = 'unknown') AS unknown
FROM schoolgate.use_day AS u
WHERE u.school = {school:String} AND u.day >= {from:Date} AND u.day <= {to:Date}
    AND u.people = {group:String}
    AND u.level = 'service'
    AND ({kind:String} = 'all' OR u.kind = {kind:String})
GROUP BY kind, service
ORDER BY total DESC, service
