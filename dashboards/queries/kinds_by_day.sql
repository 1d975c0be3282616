-- title: Minutes of each kind of service, by day
-- about: Minutes of use on each day by kind of service (the headings of policy clause 2.3), all staff or one group; a minute with two kinds counts in both.
-- parameters: school String, from Date, to Date, group String
SELECT
    u.day AS day,
    sumIf(u.minutes, u.kind = 'social_networking') AS social_networking,
    sumIf(u.minutes, u.kind = 'blog') AS blog,
    sumIf(u.minutes, u.kind = 'microblog') AS microblog,
    sumIf(u.minutes, u.kind = 'chatroom') AS chatroom,
    sumIf(u.minutes, u.kind = 'forum') AS forum,
    sumIf(u.minutes, u.kind = 'podcast') AS podcast,
    sumIf(u.minutes, u.kind = 'encyclopaedia') AS encyclopaedia,
    sumIf(u.minutes, u.kind = 'bookmarking') AS bookmarking,
    sumIf(u.minutes, u.kind = 'content_sharing') AS content_sharing,
    sumIf(u.minutes, u.kind = 'other') AS other
FROM schoolgate.use_day AS u
WHERE u.school = {school:String} AND u.day >= {from:Date} AND u.day <= {to:Date}
    AND u.people = {group:String}
    AND u.level = 'kind'
GROUP BY day
ORDER BY day
