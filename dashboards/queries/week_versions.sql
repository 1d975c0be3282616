-- title: Versions behind the figures
-- about: Which policy profile, catalogue and timetable import judged the minutes of each day.
-- parameters: school String, from Date, to Date
SELECT
    u.day AS day,
    u.policy AS policy,
    u.catalogue AS catalogue,
    u.timetable AS timetable
FROM schoolgate.use_day AS u
WHERE u.school = {school:String} AND u.day >= {from:Date} AND u.day <= {to:Date} AND u.people = 'all' AND u.level = 'all'
GROUP BY day, policy, catalogue, timetable
ORDER BY day, policy, catalogue, timetable
