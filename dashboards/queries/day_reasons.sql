-- title: Why minutes are unknown
-- about: Minutes of use on the day whose outcome is unknown, by reason, the most frequent first.
SELECT
    u.reason AS reason,
    sum(u.minutes) AS total
FROM schoolgate.use_day AS u
WHERE u.school = {school:String} AND u.day = {day:Date} AND u.people = 'all' AND u.level = 'all' AND u.outcome = 'unknown'
GROUP BY reason
ORDER BY total DESC, reason
