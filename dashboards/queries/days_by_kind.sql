-- title: Kinds of service, by day
-- about: Minutes of use of each kind of service on each day, and those outside allowed times; a minute with two kinds counts in both.
-- parameters: school String, from Date, to Date
SELECT
    u.day AS day,
    u.kind AS kind,
    sum(u.minutes) AS total,
    sumIf(u.minutes, u.outcome = 'outside_allowed') AS outside_allowed
FROM schoolgate.use_day AS u
WHERE u.school = {school:String} AND u.day >= {from:Date} AND u.day <= {to:Date} AND u.people = 'all' AND u.level = 'kind'
GROUP BY day, kind
ORDER BY day, kind
