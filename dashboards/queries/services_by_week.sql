-- title: Services, week by week
-- about: Minutes of use of each service and of each kind of service (service empty) in each week, all staff or one group; a minute with two services counts in both.
-- parameters: school String, from Date, to Date, group String
SELECT
    toMonday(u.day) AS week,
    u.kind AS kind,
    u.service AS service,
    sum(u.minutes) AS total,
    sumIf(u.minutes, u.outcome = 'outside_allowed') AS outside_allowed,
    sumIf(u.minutes, u.outcome = 'unknown') AS unknown
FROM schoolgate.use_day AS u
WHERE u.school = {school:String} AND u.day >= {from:Date} AND u.day <= {to:Date}
    AND u.people = {group:String}
    AND u.level IN ('service', 'kind')
GROUP BY week, kind, service
ORDER BY week, kind, service
