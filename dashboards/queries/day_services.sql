-- title: Services of each kind
-- about: Minutes of use on the day by service, the most used first; a minute with two services counts in both.
SELECT
    u.kind AS kind,
    u.service AS service,
    sum(u.minutes) AS total
FROM schoolgate.use_day AS u
WHERE u.school = {school:String} AND u.day = {day:Date} AND u.people = 'all' AND u.level = 'service'
GROUP BY kind, service
ORDER BY total DESC, service
