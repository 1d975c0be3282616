-- title: Minutes of use in the day
-- about: Minutes of social-media use by all staff together on the day, in total and by outcome; a minute with two services counts once.
SELECT
    sum(u.minutes) AS total,
    sumIf(u.minutes, u.outcome = 'allowed') AS allowed,
    sumIf(u.minutes, u.outcome = 'official_possible') AS official_possible,
    sumIf(u.minutes, u.outcome = 'count_only') AS count_only,
    sumIf(u.minutes, u.outcome = 'outside_allowed') AS outside_allowed,
    sumIf(u.minutes, u.outcome = 'unknown') AS unknown
FROM schoolgate.use_day AS u
WHERE u.school = {school:String} AND u.day = {day:Date} AND u.people = 'all' AND u.level = 'all'
