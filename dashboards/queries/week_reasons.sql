-- title: Why minutes are unknown, by day
-- about: Minutes of use whose outcome is unknown from one day to another, by day and reason: all staff or one group, all kinds or one.
-- parameters: school String, from Date, to Date, kind String, group String
SELECT
    u.day AS day,
    u.reason AS reason,
    sum(u.minutes) AS total
FROM schoolgate.use_day AS u
WHERE u.school = {school:String} AND u.day >= {from:Date} AND u.day <= {to:Date}
    AND u.people = {group:String}
    AND u.level = if({kind:String} = 'all', 'all', 'kind')
    AND u.kind = if({kind:String} = 'all', '', {kind:String})
    AND u.outcome = 'unknown'
GROUP BY day, reason
ORDER BY day, total DESC, reason
