-- title: Why minutes are unknown, by day
-- about: Minutes of use whose outcome is unknown from one day to another, by day and reason.
SELECT
    u.day AS day,
    u.reason AS reason,
    sum(u.minutes) AS total
FROM schoolgate.use_day AS u
WHERE u.school = {school:String} AND u.day >= {from:Date} AND u.day <= {to:Date} AND u.people = 'all' AND u.level = 'all' AND u.outcome = 'unknown'
GROUP BY day, reason
ORDER BY day, total DESC, reason
