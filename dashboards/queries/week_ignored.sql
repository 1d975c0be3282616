-- title: What was not taken for use
-- about: Minutes in which a service only appeared on the pages of others, played by itself or stood in the background, from one day to another.
-- parameters: school String, from Date, to Date
SELECT
    sumIf(c.value, c.metric = 'minutes_embedded') AS embedded,
    sumIf(c.value, c.metric = 'minutes_background') AS background
FROM schoolgate.coverage AS c
WHERE c.school = {school:String} AND c.day >= {from:Date} AND c.day <= {to:Date}
