-- title: Minutes of use in the week
-- about: Minutes of social-media use by all staff together from one day to another, in total and by outcome.
SELECT
    sum(u.minutes) AS total,
    sumIf(u.minutes, u.outcome = 'allowed') AS allowed,
    sumIf(u.minutes, u.outcome = 'official_possible') AS official_possible,
    sumIf(u.minutes, u.outcome = 'count_only') AS count_only,
    sumIf(u.minutes, u.outcome = 'outside_allowed') AS outside_allowed,
    sumIf(u.minutes, u.outcome = 'unknown') AS unknown
FROM schoolgate.use_day AS u
WHERE u.school = {school:String} AND u.day >= {from:Date} AND u.day <= {to:Date} AND u.people = 'all' AND u.level = 'all'
