-- title: Minutes of use in the week
-- about: Minutes of social-media use from one day to another, in total and by outcome: all staff or one group, all kinds or one.
-- parameters: school String, from Date, to Date, kind String, group String
SELECT
    sum(u.minutes) AS total,
    sumIf(u.minutes, u.outcome = 'allowed') AS allowed,
    sumIf(u.minutes, u.outcome = 'official_possible') AS official_possible,
    sumIf(u.minutes, u.outcome = 'count_only') AS count_only,
    sumIf(u.minutes, u.outcome = 'outside_allowed') AS outside_allowed,
    sumIf(u.minutes, u.outcome = 'unknown') AS unknown
FROM schoolgate.use_day AS u
WHERE u.school = {school:String} AND u.day >= {from:Date} AND u.day <= {to:Date}
    AND u.people = {group:String}
    AND u.level = if({kind:String} = 'all', 'all', 'kind')
    AND u.kind = if({kind:String} = 'all', '', {kind:String})
