-- title: Services of each kind
-- about: Minutes of use on the day by service, the most used first: all staff or one group, all kinds or one; a minute with two services counts in both.
-- parameters: school String, day Date, kind String, group String
SELECT
    u.kind AS kind,
    u.service AS service,
    sum(u.minutes) AS total
FROM schoolgate.use_day AS u
WHERE u.school = {school:String} AND u.day = {day:Date}
    AND u.people = {group:String}
    AND u.level = 'service'
    AND ({kind:String} = 'all' OR u.kind = {kind:String})
GROUP BY kind, service
ORDER BY total DESC, service
