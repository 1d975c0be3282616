-- title: Why minutes are unknown
-- about: Minutes of use on the day whose outcome is unknown, by reason, the most frequent first: all staff or one group, all kinds or one.
-- parameters: school String, day Date, kind String, group String
SELECT
    u.reason AS reason,
    sum(u.minutes) AS total
FROM schoolgate.use_day AS u
WHERE u.school = {school:String} AND u.day = {day:Date}
    AND u.people = {group:String}
    AND u.level = if({kind:String} = 'all', 'all', 'kind')
    AND u.kind = if({kind:String} = 'all', '', {kind:String})
    AND u.outcome = 'unknown'
GROUP BY reason
ORDER BY total DESC, reason
